//! Rules: which differences do not count, and why.
//!
//! A rule says for which methods, parts of the call and paths it is, and what it takes for equal
//! there. The first rule that takes a difference for equal decides about it; the difference stays in
//! the result, under the rule's name. Written as YAML, see `docs/rules.md` and [`file`]. Pure: what
//! day it is, and what the file holds, the caller says.

mod action;
mod class;
pub mod file;
mod glob;
mod path;
mod preset;
mod unused;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::difference::{Kind, Place};
use super::leaf::Leaf;
use action::Action;
use path::Pattern;

pub use action::Form;
pub(super) use action::{ListOrder, written_alike};
pub use class::Class;
pub use glob::matches_glob;
pub(super) use path::Step;
pub(crate) use path::is_type;
pub use path::{element_end, may_cover};
pub use preset::Preset;
pub use unused::Written;

/// The rules of a comparison, in order.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Those that are not applied.
    expired: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    name: Arc<str>,
    /// Globs of `package.Service/Method`.
    methods: Vec<String>,
    places: Vec<Place>,
    patterns: Vec<Pattern>,
    action: Action,
    severity: Severity,
    reason: Option<String>,
    /// The last day on which it holds.
    expires: Option<Date>,
    /// Where it was written, for people.
    origin: String,
}

/// What a difference counts as.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The pair is mismatched.
    #[default]
    Error,
    /// Shown, and does not make the pair mismatched.
    Warning,
    /// The same, less loud.
    Note,
    /// Counted only.
    Ignored,
}

impl Severity {
    /// Stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::Ignored => "ignored",
        }
    }
}

impl Rule {
    /// Its name: unique, and what reports show.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What a difference that it applies to counts as.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// Why it is there, if its author said.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    /// The last day on which it holds.
    pub fn expires(&self) -> Option<Date> {
        self.expires
    }

    /// Where it was written: file and line, or option.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Does it take everything, of every method and path, for equal?
    pub fn covers_everything(&self) -> bool {
        matches!(self.action, Action::Ignore(None))
            && self.methods.iter().any(|method| method == "*")
            && self.patterns.iter().any(Pattern::is_everything)
    }

    /// Ignores one name of metadata, or all that begin alike (a trailing `*`), on either side of a
    /// call.
    pub fn ignore_metadata(name: &str) -> Self {
        Self {
            name: format!("ignore_metadata {name}").into(),
            methods: vec!["*".to_owned()],
            places: vec![
                Place::RequestMetadata,
                Place::ResponseMetadata,
                Place::Trailers,
            ],
            patterns: vec![Pattern::of_name(&name.to_ascii_lowercase())],
            action: Action::Ignore(None),
            severity: Severity::Ignored,
            reason: None,
            expires: None,
            origin: "--ignore-metadata".to_owned(),
        }
    }

    /// Is it for calls of `method`?
    pub fn is_for(&self, method: &str) -> bool {
        self.methods.iter().any(|glob| matches_glob(glob, method))
    }

    fn covers<'p>(&self, place: Place, path: impl Iterator<Item = Step<'p>> + Clone) -> bool {
        self.places.contains(&place)
            && self
                .patterns
                .iter()
                .any(|pattern| pattern.covers(path.clone(), self.action.reach()))
    }
}

impl Rules {
    /// Adds rules behind those that are there.
    pub fn extend(&mut self, rules: impl IntoIterator<Item = Rule>) {
        self.rules.extend(rules);
    }

    /// All that apply.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Those that no longer apply: [`Self::retire`] put them there.
    pub fn expired(&self) -> impl Iterator<Item = &Rule> {
        self.expired.iter()
    }

    /// Sets aside the rules whose last day is before `today`.
    pub fn retire(&mut self, today: Date) {
        let is_over = |rule: &mut Rule| rule.expires.is_some_and(|last| last < today);
        self.expired.extend(self.rules.extract_if(.., is_over));
    }

    /// Those for one method.
    pub(super) fn of_method(&self, method: &str) -> Applicable<'_> {
        Applicable(
            self.rules
                .iter()
                .filter(|rule| rule.is_for(method))
                .collect(),
        )
    }
}

/// The rules for one method.
#[derive(Clone, Debug, Default)]
pub(super) struct Applicable<'r>(Vec<&'r Rule>);

impl<'r> Applicable<'r> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first rule that takes a difference for equal, or grades it.
    pub(super) fn judge<'p>(
        &self,
        place: Place,
        path: impl Iterator<Item = Step<'p>> + Clone,
        kind: Kind,
        sides: (Option<&Leaf<'_>>, Option<&Leaf<'_>>),
    ) -> Option<(&'r Arc<str>, Severity)> {
        let mut rules = self.0.iter();
        // An element or entry that one side lacks is no field that is absent.
        let is_element = matches!(path.clone().last(), Some(Step::Element(_)));
        let rule = rules.find(|rule| {
            // First where, then what: only where JSON is expected is it read.
            rule.covers(place, path.clone())
                && !(is_element && matches!(rule.action, Action::EmptyEqualsAbsent))
                && rule.action.equates(kind, sides.0, sides.1)
        })?;
        Some((&rule.name, rule.severity))
    }

    /// Does a rule say that the value at `path` holds JSON?
    pub(super) fn holds_json<'p>(
        &self,
        place: Place,
        path: impl Iterator<Item = Step<'p>> + Clone,
    ) -> bool {
        self.0
            .iter()
            .any(|rule| matches!(rule.action, Action::Json) && rule.covers(place, path.clone()))
    }

    /// How the elements of the list at `path` find each other, if a rule says that order is nothing.
    pub(super) fn list_order<'p>(
        &self,
        place: Place,
        path: impl Iterator<Item = Step<'p>> + Clone,
    ) -> Option<&'r ListOrder> {
        self.0.iter().find_map(|rule| match &rule.action {
            Action::Unordered(order) if rule.covers(place, path.clone()) => Some(order),
            _ => None,
        })
    }
}
