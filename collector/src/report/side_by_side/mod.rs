//! One pair, or one call without a partner, in full: what `twintap show` prints and writes as JSON.
//!
//! Both sides line by line, by the paths of the comparison's differences. Values are as they are
//! stored: what was redacted stays so. Described in `docs/report.md`.

mod groups;
mod lines;
mod marks;
mod merge;
mod paths;
mod rows;
mod side;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::rows::correlation_text;
use crate::call::{Call, Role};
use crate::compare::{Difference, LinedUp, Outcome, Schema, Settings, compare_lined_up};
use crate::pair::{Pair, Unpaired};

pub use groups::Holder;
pub use marks::Mark;
pub use rows::Row;
pub use side::Side;

/// Version of the JSON. Within one version, keys and marks are only ever added.
pub const SHOW_VERSION: u32 = 1;

/// What an id led to, as `twintap show --output json` writes it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// [`SHOW_VERSION`].
    pub version: u32,
    /// What was asked for.
    pub asked: String,
    /// Pairs and calls without a partner that carry it, in order of the primary's start.
    pub found: Vec<SideBySide>,
    /// How many more there are.
    pub omitted: u64,
    /// Reading stopped after so many calls that carry it or could be partners: what is shown may lack
    /// partners. Absent if all were read.
    pub stopped_at_calls: Option<u64>,
}

/// A pair, or a call without a partner.
#[derive(Clone, Debug, Serialize)]
pub struct SideBySide {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Pair id, request id or trace id; empty without any.
    pub correlation_key: String,
    /// `matched`, `mismatched`, `ignored`, `incomparable` or `unpaired`.
    pub verdict: &'static str,
    /// Why it is incomparable or unpaired.
    pub reason: Option<&'static str>,
    /// By what the sides found each other.
    pub found_by: Option<&'static str>,
    /// May it be the wrong pair?
    pub is_ambiguous: bool,
    /// Attempts of the primary call.
    pub attempts_count: u32,
    /// The old service's side; the only one there is, unless it is the new service's.
    pub primary: Option<Side>,
    /// The new service's.
    pub candidate: Option<Side>,
    /// Both sides, line by line.
    pub rows: Vec<Row>,
    /// Rows of messages that were left out, because there are too many.
    pub rows_omitted: u64,
    /// What differs, as the report has it.
    pub differences: Vec<Found>,
    /// Differences found beyond the limit of one pair.
    pub differences_omitted: u64,
}

/// One difference.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// See [`crate::compare::Place::name`].
    pub place: &'static str,
    /// Where in it.
    pub path: String,
    /// Message of the stream, from 0.
    pub message_index: Option<u32>,
    /// See [`crate::compare::Kind::name`].
    pub kind: &'static str,
    /// See [`crate::compare::LooksLike::name`].
    pub looks_like: Option<&'static str>,
    /// The same for people.
    #[serde(skip)]
    pub described: Option<&'static str>,
    /// Old value.
    pub primary: Option<String>,
    /// New value.
    pub candidate: Option<String>,
    /// The rule that says it does not count.
    pub ignored_by: Option<String>,
}

impl SideBySide {
    /// Both sides of `pair`, compared.
    pub fn of_pair(pair: &Pair, settings: &Settings) -> Self {
        let (primary, candidate) = (&pair.primary, &pair.candidate);
        let (verdict, seen) = compare_lined_up(primary, candidate, settings);
        let differences = &*verdict.differences;
        let schema = settings.schema.as_ref();
        let sides = (Some(&**primary), Some(&**candidate));
        let (rows, rows_omitted) = rows::of(sides.0, sides.1, (differences, &seen), schema);
        Self {
            rpc_method: primary.rpc_method.clone(),
            correlation_key: correlation_text(primary),
            verdict: verdict.outcome.name(),
            reason: match verdict.outcome {
                Outcome::Incomparable(reason) => Some(reason.name()),
                _ => None,
            },
            found_by: Some(pair.found_by.name()),
            is_ambiguous: pair.is_ambiguous,
            attempts_count: pair.attempts_count,
            primary: Some(Side::of(primary)),
            candidate: Some(Side::of(candidate)),
            rows,
            rows_omitted,
            differences: differences.iter().map(Found::of).collect(),
            differences_omitted: verdict.differences_omitted,
        }
    }

    /// The one side that there is.
    pub fn of_unpaired(unpaired: &Unpaired, schema: Option<&Schema>) -> Self {
        let call = &unpaired.call;
        let is_candidate = call.role == Role::Candidate;
        let only = |wanted: bool| -> Option<&Call> { wanted.then_some(call) };
        let (primary, candidate) = (only(!is_candidate), only(is_candidate));
        let nothing = LinedUp::default();
        let (rows, rows_omitted) = rows::of(primary, candidate, (&[], &nothing), schema);
        Self {
            rpc_method: call.rpc_method.clone(),
            correlation_key: correlation_text(call),
            verdict: "unpaired",
            reason: Some(unpaired.reason.name()),
            found_by: None,
            is_ambiguous: false,
            attempts_count: unpaired.attempts_count,
            primary: primary.map(Side::of),
            candidate: candidate.map(Side::of),
            rows,
            rows_omitted,
            differences: Vec::new(),
            differences_omitted: 0,
        }
    }

    /// When it started: the primary's side, if there is one.
    pub fn started_at(&self) -> &str {
        let side = self.primary.as_ref().or(self.candidate.as_ref());
        side.map_or("", |side| &side.started_at)
    }
}

impl Found {
    fn of(difference: &Difference) -> Self {
        Self {
            place: difference.place.name(),
            path: difference.path.clone(),
            message_index: difference.message_index,
            kind: difference.kind.name(),
            looks_like: difference.looks_like.map(crate::compare::LooksLike::name),
            described: difference
                .looks_like
                .map(crate::compare::LooksLike::describe),
            primary: difference.primary.clone(),
            candidate: difference.candidate.clone(),
            ignored_by: difference.ignored_by.clone(),
        }
    }
}
