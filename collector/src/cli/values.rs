//! How values of the library are called on the command line. The library knows nothing of it.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::compare::rules::Preset;
use crate::report::form::Form;

impl ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Loose => {
                "What a hand-written script compares: the order of lists does not count, and empty \
                 is absent"
            }
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl ValueEnum for Form {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Text => ("text", "For people at a terminal"),
            Self::Json => (
                "json",
                "For programs: one JSON object, described in docs/report.md",
            ),
            Self::Junit => (
                "junit",
                "For CI systems: a test suite a service, a test case a method and a gate",
            ),
            Self::Markdown => ("markdown", "A short summary for a pull request"),
            Self::Html => ("html", "One page for a browser, with everything in it"),
            Self::Sarif => ("sarif", "SARIF 2.1.0, for code scanning tools"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}
