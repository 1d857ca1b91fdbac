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

mod scalars;

use std::collections::HashSet;

use jiff::civil::Date;
use regex::RegexBuilder;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::action::{Action, Form, ListOrder, Tolerance};
use super::class::Class;
use super::path::Pattern;
use super::{Rule, Severity};
use crate::compare::difference::{Kind, Place};
use scalars::{DurationText, IgnoreWhat, OneOrMany, OrderWhat, Share};

/// Version of the format that this code reads.
const VERSION: u32 = 1;

/// Rules in one file at most: each is asked about each difference.
const RULES_MAX: usize = 1_000;

/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Spanned<u32>,
    rules: Spanned<Vec<Spanned<Written>>>,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Spanned<String>,
    method: Option<Spanned<OneOrMany>>,
    place: Option<Spanned<OneOrMany>>,
    path: Option<Spanned<OneOrMany>>,
    ignore: Option<Spanned<IgnoreWhat>>,
    unordered: Option<Spanned<OrderWhat>>,
    tolerance: Option<Spanned<WrittenTolerance>>,
    matches: Option<Spanned<String>>,
    class: Option<Spanned<Class>>,
    empty_equals_absent: Option<Spanned<bool>>,
    normalize: Option<Spanned<Vec<Form>>>,
    severity: Option<Severity>,
    reason: Option<String>,
    expires: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTolerance {
    absolute: Option<f64>,
    relative: Option<Share>,
    time: Option<DurationText>,
}

/// Reads the rules of `text`; `origin` names the file in problems and reports.
pub fn parse(text: &str, origin: &str) -> Result<Vec<Rule>, Vec<Problem>> {
    let mut reader = Reader {
        origin,
        problems: Vec::new(),
        names: HashSet::new(),
    };
    let options = serde_saphyr::options! { with_snippet: false };
    let file: File = match serde_saphyr::from_str_with_options(text, options) {
        Ok(file) => file,
        Err(error) => {
            let location = error.location().unwrap_or(Location::UNKNOWN);
            reader.problem(location, without_place(&error.to_string()));
            return Err(reader.problems);
        }
    };
    if file.version.value != VERSION {
        let found = file.version.value;
        reader.problem(
            file.version.referenced,
            format!("version {found} of the format is not supported, this program reads {VERSION}"),
        );
    }
    if file.rules.value.len() > RULES_MAX {
        reader.problem(
            file.rules.referenced,
            format!("more than {RULES_MAX} rules"),
        );
    }
    let rules = file.rules.value.into_iter().take(RULES_MAX);
    let rules: Vec<Rule> = rules.filter_map(|rule| reader.rule(rule)).collect();
    if reader.problems.is_empty() {
        Ok(rules)
    } else {
        Err(reader.problems)
    }
}

/// The parser's message without the line and column, which stand before it already.
fn without_place(message: &str) -> String {
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

    fn rule(&mut self, rule: Spanned<Written>) -> Option<Rule> {
        let before = self.problems.len();
        let (at, rule) = (rule.referenced, rule.value);
        let name = rule.name.value.trim().to_owned();
        if name.is_empty() {
            self.problem(rule.name.referenced, "the name is empty");
        } else if !self.names.insert(name.clone()) {
            self.problem(
                rule.name.referenced,
                format!("another rule is called {name:?} already"),
            );
        }
        let places = self.places(rule.place);
        let patterns = self.patterns(rule.path, &places);
        let methods = match rule.method {
            Some(methods) => self.methods(methods),
            None => vec!["*".to_owned()],
        };
        let expires = rule.expires.and_then(|text| self.date(&text));
        let written = [
            rule.ignore.map(|what| self.ignore(what)),
            rule.unordered.map(|what| self.unordered(what)),
            rule.tolerance.map(|written| self.tolerance(&written)),
            rule.matches.map(|pattern| self.matches(&pattern)),
            rule.class.map(|class| Some(Action::Class(class.value))),
            rule.empty_equals_absent
                .map(|is_wanted| self.empty(&is_wanted)),
            rule.normalize.map(|forms| self.normalize(forms)),
        ];
        let action = self.action(at, written);
        let rule = Rule {
            name: name.into(),
            methods,
            places,
            patterns,
            action: action?,
            severity: rule.severity.unwrap_or(Severity::Ignored),
            reason: rule.reason,
            expires,
            origin: format!("{}:{}", self.origin, at.line()),
        };
        (self.problems.len() == before).then_some(rule)
    }

    /// Exactly one thing that the rule does.
    fn action<const N: usize>(
        &mut self,
        at: Location,
        written: [Option<Option<Action>>; N],
    ) -> Option<Action> {
        const ACTIONS: &str = "ignore, unordered, tolerance, matches, class, empty_equals_absent \
                               or normalize";
        let mut written = written.into_iter().flatten();
        let first = written.next();
        if first.is_none() {
            self.problem(at, format!("the rule does nothing: give one of {ACTIONS}"));
        }
        if written.next().is_some() {
            self.problem(
                at,
                format!("the rule does more than one thing: give one of {ACTIONS}, and another rule for the rest"),
            );
            return None;
        }
        first.flatten()
    }

    fn ignore(&mut self, what: Spanned<IgnoreWhat>) -> Option<Action> {
        match what.value {
            IgnoreWhat::Everything(true) => Some(Action::Ignore(None)),
            IgnoreWhat::Everything(false) => {
                self.problem(
                    what.referenced,
                    "ignore: false does nothing, take the rule out",
                );
                None
            }
            IgnoreWhat::Kinds(names) => {
                let mut kinds = Vec::new();
                for name in names {
                    match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
                        Some(kind) => kinds.push(kind),
                        None => self.problem(
                            what.referenced,
                            format!(
                                "no kind of difference is called {name:?}: {}",
                                list(Kind::ALL.map(Kind::name))
                            ),
                        ),
                    }
                }
                Some(Action::Ignore(Some(kinds)))
            }
        }
    }

    fn unordered(&mut self, what: Spanned<OrderWhat>) -> Option<Action> {
        match what.value {
            OrderWhat::Set(true) => Some(Action::Unordered(ListOrder::Set)),
            OrderWhat::Set(false) => {
                self.problem(
                    what.referenced,
                    "unordered: false does nothing, take the rule out",
                );
                None
            }
            OrderWhat::Keyed { key } => Some(Action::Unordered(ListOrder::Keyed(key))),
        }
    }

    fn tolerance(&mut self, written: &Spanned<WrittenTolerance>) -> Option<Action> {
        let at = written.referenced;
        let tolerance = Tolerance {
            absolute: written.value.absolute,
            relative: written.value.relative.as_ref().map(|share| share.0),
            time_ns: written.value.time.as_ref().map(|time| time.0),
        };
        if tolerance == Tolerance::default() {
            self.problem(
                at,
                "the tolerance is empty: give absolute, relative or time",
            );
        }
        let numbers = [tolerance.absolute, tolerance.relative];
        if numbers
            .into_iter()
            .flatten()
            .any(|most| !most.is_finite() || most < 0.0)
        {
            self.problem(at, "a tolerance is a number of 0 or more");
        }
        if tolerance.relative.is_some_and(|share| share >= 1.0) {
            self.problem(
                at,
                "a relative tolerance of 100 % takes everything for equal: write 0.01 or 1%",
            );
        }
        Some(Action::Tolerance(tolerance))
    }

    fn matches(&mut self, pattern: &Spanned<String>) -> Option<Action> {
        let whole = format!("^(?:{})$", pattern.value);
        let compile = |text: &str| {
            let mut builder = RegexBuilder::new(text);
            builder.size_limit(REGEX_BYTES_MAX).build()
        };
        // By itself first: what is no expression by itself may be one in parentheses.
        match compile(&pattern.value).and_then(|_| compile(&whole)) {
            Ok(regex) => Some(Action::Matches(regex)),
            Err(error) => {
                // Without the drawing, which counts the characters around the user's pattern.
                let text = error.to_string();
                let reason = text.lines().last().unwrap_or_default();
                let reason = reason.trim_start_matches("error: ");
                self.problem(
                    pattern.referenced,
                    format!("not a regular expression: {reason}"),
                );
                None
            }
        }
    }

    fn empty(&mut self, is_wanted: &Spanned<bool>) -> Option<Action> {
        if !is_wanted.value {
            self.problem(
                is_wanted.referenced,
                "empty_equals_absent: false does nothing, take the rule out",
            );
        }
        Some(Action::EmptyEqualsAbsent)
    }

    fn normalize(&mut self, forms: Spanned<Vec<Form>>) -> Option<Action> {
        if forms.value.is_empty() {
            self.problem(
                forms.referenced,
                "nothing to normalize: give case, white_space or number_format",
            );
        }
        Some(Action::Normalize(forms.value))
    }

    fn methods(&mut self, methods: Spanned<OneOrMany>) -> Vec<String> {
        for glob in &methods.value.0 {
            let slashes = glob.matches('/').count();
            if glob.starts_with('/') || slashes > 1 || slashes == 0 && !glob.contains('*') {
                self.problem(
                    methods.referenced,
                    format!(
                        "{glob:?} is no method: write package.Service/Method, with * for any text"
                    ),
                );
            }
        }
        methods.value.0
    }

    fn places(&mut self, written: Option<Spanned<OneOrMany>>) -> Vec<Place> {
        let Some(written) = written else {
            return vec![Place::ResponseMessage];
        };
        let mut places = Vec::new();
        for name in &written.value.0 {
            match Place::ALL.into_iter().find(|place| place.name() == name) {
                Some(place) => places.push(place),
                None if name == "all" => places.extend(Place::ALL),
                None => self.problem(
                    written.referenced,
                    format!(
                        "no part of a call is called {name:?}: all, {}",
                        list(Place::ALL.map(Place::name))
                    ),
                ),
            }
        }
        places
    }

    fn patterns(&mut self, written: Option<Spanned<OneOrMany>>, places: &[Place]) -> Vec<Pattern> {
        let Some(written) = written else {
            return vec![Pattern::everything()];
        };
        let (names, paths): (Vec<Place>, Vec<Place>) =
            places.iter().partition(|place| place.is_metadata());
        if !names.is_empty() && !paths.is_empty() {
            self.problem(
                written.referenced,
                "a path is either in a message or a name of metadata: write two rules",
            );
        }
        if !paths.is_empty() && paths.iter().all(|place| !place.has_path()) {
            let named: Vec<&str> = paths.iter().map(|place| place.name()).collect();
            self.problem(
                written.referenced,
                format!("there are no paths in {}", named.join(" and ")),
            );
        }
        let mut patterns = Vec::new();
        for text in &written.value.0 {
            if !names.is_empty() {
                patterns.push(Pattern::of_name(&text.to_ascii_lowercase()));
                continue;
            }
            match Pattern::parse(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(malformed) => self.problem(
                    written.referenced,
                    format!(
                        "path {text:?}: {} at character {}",
                        malformed.problem,
                        malformed.at + 1
                    ),
                ),
            }
        }
        patterns
    }

    fn date(&mut self, text: &Spanned<String>) -> Option<Date> {
        let date = text.value.parse::<Date>();
        if date.is_err() {
            self.problem(
                text.referenced,
                format!(
                    "{:?} is no date: write the last day as YYYY-MM-DD",
                    text.value
                ),
            );
        }
        date.ok()
    }
}

fn list<const N: usize>(names: [&str; N]) -> String {
    names.join(", ")
}
