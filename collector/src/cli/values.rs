//! How values are written on the command line; what the library calls its own, it calls otherwise.

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

/// A share as a person writes it: 0 to 1, or with a percent sign.
pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    // As a person reads it: 0.7 divided by 100 is not 0.007.
    let written = match text.strip_suffix('%') {
        Some(percent) => format!("{}e-2", percent.trim_end()),
        None => text.to_owned(),
    };
    match written.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("not a share: give 0 to 1, or 0% to 100%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fractions_or_percentages() {
        for (text, share) in [
            ("0", 0.0),
            ("0.001", 0.001),
            ("0.1%", 0.001),
            ("0.7 %", 0.007),
            ("100%", 1.0),
        ] {
            assert_eq!(parse_rate(text), Ok(share), "{text}");
        }
        for text in ["1.1", "101%", "-1%", "%", "NaN", "1e-2%", "1%%", ""] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
