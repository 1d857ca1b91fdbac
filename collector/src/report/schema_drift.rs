//! How the candidate's descriptors differ from the primary's, as the report shows it.

use serde::Serialize;

use crate::compare::drift::{Change, Drift, Effect};

/// How the descriptors differ, whether or not the traffic showed it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SchemaDrift {
    /// Changes that make one side read another value than was written, or none.
    pub breaking: u64,
    /// Changes after which both sides can read what the other writes, and may lose a part.
    pub lossy: u64,
    /// Changes that lose nothing: of names, of presence, new methods.
    pub harmless: u64,
    /// The changes: the worst first, then in order of name.
    pub changes: Vec<DriftRow>,
    /// Changes that are not listed.
    pub changes_omitted: u64,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriftRow {
    /// Full name: of a field, enum value, type, or `package.Service/Method`.
    pub name: String,
    /// Number of the field or enum value.
    pub number: Option<i32>,
    /// What happened to it, such as `enum_value_renamed`.
    pub change: &'static str,
    /// `breaking`, `lossy` or `none`.
    pub effect: &'static str,
    /// What the primary's descriptors say.
    pub primary: Option<String>,
    /// What the candidate's say.
    pub candidate: Option<String>,
}

impl SchemaDrift {
    /// The report of `drift`.
    pub fn of(drift: &Drift) -> Self {
        let mut changes: Vec<&Change> = drift.changes().iter().collect();
        // Stable: within one effect in order of name, as they are.
        changes.sort_by_key(|change| std::cmp::Reverse(change.effect));
        Self {
            breaking: drift.count(Effect::Breaking),
            lossy: drift.count(Effect::Lossy),
            harmless: drift.count(Effect::None),
            changes: changes.into_iter().map(DriftRow::of).collect(),
            changes_omitted: drift.omitted(),
        }
    }

    /// In one line.
    pub(super) fn summary(&self) -> String {
        if self.changes.is_empty() {
            return "the descriptors say the same".to_owned();
        }
        format!(
            "{} breaking, {} that may lose something, {} that lose nothing",
            self.breaking, self.lossy, self.harmless
        )
    }
}

impl DriftRow {
    fn of(change: &Change) -> Self {
        Self {
            name: change.name.clone(),
            number: change.number,
            change: change.kind.name(),
            effect: change.effect.name(),
            primary: change.primary.clone(),
            candidate: change.candidate.clone(),
        }
    }

    /// What happened, in words: `BLUE → AZURE`.
    pub(super) fn what(&self) -> String {
        match (&self.primary, &self.candidate) {
            (Some(old), Some(new)) => format!("{old} → {new}"),
            (Some(only), None) | (None, Some(only)) => only.clone(),
            (None, None) => String::new(),
        }
    }
}
