//! One rule: what stands under its keys, and what must not stand together.

use jiff::civil::Date;
use regex::RegexBuilder;

use super::Reader;
use super::entries::Entries;
use super::node::{At, Node};
use super::scalars::{self, IgnoreWhat, OrderWhat};
use crate::compare::difference::{Kind, Place};
use crate::compare::rules::action::{Action, Form, ListOrder, Tolerance};
use crate::compare::rules::path::Pattern;
use crate::compare::rules::{Rule, Severity};

/// Keys of a rule.
const KEYS: [&str; 15] = [
    "name",
    "method",
    "place",
    "path",
    "ignore",
    "unordered",
    "tolerance",
    "matches",
    "class",
    "empty_equals_absent",
    "json",
    "normalize",
    "severity",
    "reason",
    "expires",
];

/// Keys of a tolerance.
const TOLERANCE_KEYS: [&str; 3] = ["absolute", "relative", "time"];

/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

impl Reader<'_> {
    /// Reads a rule; `None` if something is wrong with it, which is told.
    pub(super) fn rule(&mut self, rule: At<Node>) -> Option<Rule> {
        let before = self.problems.len();
        let mut entries = self.entries(rule, "a rule", &KEYS)?;
        let at = entries.at;
        let name = self.name(&mut entries);
        let places = self
            .value(&mut entries, "place", scalars::one_or_many)
            .flatten();
        let places = self.places(places);
        let paths = self
            .value(&mut entries, "path", scalars::one_or_many)
            .flatten();
        let patterns = self.patterns(paths, &places);
        let methods = match self
            .value(&mut entries, "method", scalars::one_or_many)
            .flatten()
        {
            Some(methods) => self.methods(methods),
            None => vec!["*".to_owned()],
        };
        let expires = self.value(&mut entries, "expires", scalars::text).flatten();
        let expires = expires.and_then(|text| self.date(&text));
        let severity = self
            .value(&mut entries, "severity", scalars::name)
            .flatten();
        let reason = self.value(&mut entries, "reason", scalars::text).flatten();
        let written = self.actions(&mut entries, &places);
        let action = self.action(&entries, written);
        let rule = Rule {
            name: name.into(),
            methods,
            places,
            patterns,
            action: action?,
            severity: severity.map_or(Severity::Ignored, |severity| severity.value),
            reason: reason.map(|reason| reason.value),
            expires,
            origin: format!("{}:{}", self.origin, at.line()),
        };
        (self.problems.len() == before).then_some(rule)
    }

    fn name(&mut self, entries: &mut Entries) -> String {
        let Some(written) = self.required(entries, "name", scalars::text) else {
            return String::new();
        };
        let name = written.value.trim().to_owned();
        if name.is_empty() {
            self.problem(written.referenced, "the name is empty");
        } else if !self.names.insert(name.clone()) {
            self.problem(
                written.referenced,
                format!("another rule is called {name:?} already"),
            );
        }
        name
    }

    /// What stands under each key that does something: none inside if it is wrong.
    fn actions(&mut self, entries: &mut Entries, places: &[Place]) -> [Option<Option<Action>>; 8] {
        let class = self.value(entries, "class", scalars::name);
        [
            self.value(entries, "ignore", scalars::ignore_what)
                .map(|what| self.ignore(what?)),
            self.value(entries, "unordered", scalars::order_what)
                .map(|what| self.unordered(what?, places)),
            entries
                .take("tolerance")
                .map(|written| self.tolerance(written)),
            self.value(entries, "matches", scalars::text)
                .map(|pattern| self.matches(&pattern?)),
            class.map(|class| Some(Action::Class(class?.value))),
            self.value(entries, "empty_equals_absent", scalars::boolean)
                .map(|is_wanted| self.empty(&is_wanted?)),
            self.value(entries, "json", scalars::boolean)
                .map(|is_wanted| self.json(&is_wanted?)),
            self.value(entries, "normalize", scalars::names)
                .map(|forms| self.normalize(forms?)),
        ]
    }

    /// Exactly one thing that the rule does.
    fn action<const N: usize>(
        &mut self,
        entries: &Entries,
        written: [Option<Option<Action>>; N],
    ) -> Option<Action> {
        const ACTIONS: &str = "ignore, unordered, tolerance, matches, class, \
                               empty_equals_absent, json or normalize";
        let at = entries.at;
        let mut written = written.into_iter().flatten();
        let first = written.next();
        if first.is_none() && !entries.has_unknown {
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

    fn ignore(&mut self, what: At<IgnoreWhat>) -> Option<Action> {
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

    fn unordered(&mut self, what: At<OrderWhat>, places: &[Place]) -> Option<Action> {
        let has_lists = |place: &Place| !place.is_metadata() && place.has_path();
        if !places.is_empty() && !places.iter().any(has_lists) {
            let named: Vec<&str> = places.iter().map(|place| place.name()).collect();
            self.problem(
                what.referenced,
                format!(
                    "there are no lists in {}: unordered is for messages and status details; several \
                     values of one name in another order differ as text, and ignore is for them",
                    named.join(" and ")
                ),
            );
            return None;
        }
        match what.value {
            OrderWhat::Set(true) => Some(Action::Unordered(ListOrder::Set)),
            OrderWhat::Set(false) => {
                self.problem(
                    what.referenced,
                    "unordered: false does nothing, take the rule out",
                );
                None
            }
            OrderWhat::Keyed(key) => Some(Action::Unordered(ListOrder::Keyed(key))),
        }
    }

    fn tolerance(&mut self, written: At<Node>) -> Option<Action> {
        let before = self.problems.len();
        let mut entries = self.entries(written, "a tolerance", &TOLERANCE_KEYS)?;
        let at = entries.at;
        let absolute = self
            .value(&mut entries, "absolute", scalars::number)
            .flatten();
        let relative = self
            .value(&mut entries, "relative", scalars::share)
            .flatten();
        let time = self
            .value(&mut entries, "time", scalars::duration_ns)
            .flatten();
        if self.problems.len() > before {
            return None;
        }
        let tolerance = Tolerance {
            absolute: absolute.map(|most| most.value),
            relative: relative.map(|share| share.value),
            time_ns: time.map(|time| time.value),
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

    fn matches(&mut self, pattern: &At<String>) -> Option<Action> {
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

    fn empty(&mut self, is_wanted: &At<bool>) -> Option<Action> {
        if !is_wanted.value {
            self.problem(
                is_wanted.referenced,
                "empty_equals_absent: false does nothing, take the rule out",
            );
        }
        Some(Action::EmptyEqualsAbsent)
    }

    fn json(&mut self, is_wanted: &At<bool>) -> Option<Action> {
        if !is_wanted.value {
            self.problem(
                is_wanted.referenced,
                "json: false does nothing, take the rule out",
            );
        }
        Some(Action::Json)
    }

    fn normalize(&mut self, forms: At<Vec<Form>>) -> Option<Action> {
        if forms.value.is_empty() {
            self.problem(
                forms.referenced,
                "nothing to normalize: give case, white_space, number_format or unicode",
            );
        }
        Some(Action::Normalize(forms.value))
    }

    fn methods(&mut self, methods: At<Vec<String>>) -> Vec<String> {
        for glob in &methods.value {
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
        methods.value
    }

    fn places(&mut self, written: Option<At<Vec<String>>>) -> Vec<Place> {
        let Some(written) = written else {
            return vec![Place::ResponseMessage];
        };
        let mut places = Vec::new();
        for name in &written.value {
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

    fn patterns(&mut self, written: Option<At<Vec<String>>>, places: &[Place]) -> Vec<Pattern> {
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
        for text in &written.value {
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

    fn date(&mut self, text: &At<String>) -> Option<Date> {
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
