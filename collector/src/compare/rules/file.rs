//! Rules as YAML: what a user writes, checked with line and column.
//!
//! ```yaml
//! version: 1
//! rules:
//!   - name: prices-rounded
//!     method: shop.v1.Shop/*
//!     path: items.price
//!     tolerance: { absolute: 0.01 }
//!     reason: the new service rounds half to even
//!     expires: 2027-03-01
//! ```
//!
//! Unknown keys, repeated names and rules that do nothing are errors: a rule that does not do what
//! its author thinks hides differences.

mod entries;
mod node;
mod rule;
mod scalars;

use std::collections::HashSet;

use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{DuplicateKeyPolicy, Location};

use super::Rule;
use node::{At, Node};

/// Version of the format that this code reads.
const VERSION: f64 = 1.0;

/// Rules in one file at most: each is asked about each difference.
const RULES_MAX: usize = 1_000;

/// What is wrong with a rules file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}:{column}: {problem}")]
pub struct Problem {
    /// The file.
    pub origin: String,
    /// Line, from 1; 0 if unknown.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// Keys of a file.
const FILE_KEYS: [&str; 2] = ["version", "rules"];

/// Reads the rules of `text`; `origin` names the file in problems and reports. All that is wrong is
/// told at once, unless it is no YAML.
pub fn parse(text: &str, origin: &str) -> Result<Vec<Rule>, Vec<Problem>> {
    let mut reader = Reader {
        origin,
        problems: Vec::new(),
        names: HashSet::new(),
    };
    let options = serde_saphyr::options! {
        with_snippet: false,
        // A field may be called `y`.
        strict_booleans: true,
        // Named with their place, like any number that makes no sense.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // Named with their place, like anything else that is wrong.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
    };
    let rules = match serde_saphyr::from_str_with_options::<At<Node>>(text, options) {
        Ok(document) => reader.file(document),
        Err(error) => {
            let location = error.location().unwrap_or(Location::UNKNOWN);
            reader.problem(location, without_place(&error.to_string()));
            None
        }
    };
    match rules {
        Some(rules) if reader.problems.is_empty() => Ok(rules),
        _ => {
            reader
                .problems
                .sort_by_key(|problem| (problem.line, problem.column));
            Err(reader.problems)
        }
    }
}

/// A YAML parser's message without the line and column, which stand before it already.
pub(crate) fn without_place(message: &str) -> String {
    let text = match message.rfind(" at line ") {
        Some(at) => message.get(..at).unwrap_or(message),
        None => message,
    };
    text.trim().to_owned()
}

struct Reader<'a> {
    origin: &'a str,
    problems: Vec<Problem>,
    names: HashSet<String>,
}

impl Reader<'_> {
    fn problem(&mut self, location: Location, problem: impl Into<String>) {
        self.problems.push(Problem {
            origin: self.origin.to_owned(),
            line: location.line(),
            column: location.column(),
            problem: problem.into(),
        });
    }

    fn file(&mut self, document: At<Node>) -> Option<Vec<Rule>> {
        let mut entries = self.entries(document, "a mapping", &FILE_KEYS)?;
        let version = self.required(&mut entries, "version", scalars::number);
        if let Some(version) = version
            && version.value != VERSION
        {
            let found = version.value;
            self.problem(
                version.referenced,
                format!(
                    "version {found} of the format is not supported, this program reads {VERSION}"
                ),
            );
        }
        let rules = self.required(&mut entries, "rules", scalars::elements)?;
        if rules.value.len() > RULES_MAX {
            self.problem(rules.referenced, format!("more than {RULES_MAX} rules"));
        }
        let rules = rules.value.into_iter().take(RULES_MAX);
        Some(rules.filter_map(|rule| self.rule(rule)).collect())
    }
}
