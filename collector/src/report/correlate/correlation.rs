//! What is said of a group: the feature it hangs on, and how sure that is.

use serde::Serialize;

/// Something that a group hangs on, as in the JSON report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Correlation {
    /// `request.` and a path of the request (`count(request.…)` of a list or map), `metadata.` and a
    /// name of its metadata, `primary.`, `candidate.` or `client.` and what is known of them, or `time`.
    pub feature: String,
    /// How its value relates to `value`.
    pub relation: Relation,
    /// The value: a number, a name, or text in quotes; RFC 3339 of `time`.
    pub value: String,
    /// The other end, of [`Relation::Between`].
    pub until: Option<String>,
    /// Do all sampled pairs that differ have it? Not so, if it cannot be told of one of them.
    pub is_only: bool,
    /// Share of the sampled pairs that differ and are known to have it.
    pub share_of_differing: f64,
    /// Estimated share of pairs that differ, of those that have it.
    pub rate_with: f64,
    /// And of those that have not.
    pub rate_without: f64,
    /// Sampled pairs that differ and of which it can be told.
    pub sampled_differing: u64,
    /// Other sampled pairs, likewise.
    pub sampled_others: u64,
}

/// How the value of a feature relates to the one named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It is equal.
    Equals,
    /// It is a number that is as great or greater.
    AtLeast,
    /// It is a number that is as great or less.
    AtMost,
    /// Calls that started then or later.
    Since,
    /// Calls that started then or earlier.
    Until,
    /// Calls that started from then on until the other time.
    Between,
}
