//! What a comparison found, for people and programs: text, JSON, JUnit, Markdown, HTML, SARIF, rows of Parquet.
//!
//! [`Aggregate`] takes pairs and unpaired calls one by one and holds sums and groups only;
//! [`Aggregate::into_report`] makes the [`Report`], which [`text`] prints, serde writes as JSON and [`form`] in all
//! other forms.
//! The same pairs give the same report, byte by byte, whatever order they come in (as long as there
//! are no more than [`aggregate::GROUPS_MAX`] groups). [`rows`] turns pairs into rows of the `pairs`
//! and `differences` datasets.

pub mod aggregate;
pub mod answer;
mod balance;
pub mod call_line;
mod clocks;
mod correlate;
pub mod coverage;
mod describe;
mod explain;
pub(crate) mod figures;
pub mod form;
pub mod gate;
pub(crate) mod group;
mod group_sums;
mod latency;
mod loss;
pub mod rows;
mod rule_use;
mod schema_drift;
pub mod side_by_side;
pub(crate) mod statistics;
pub mod text;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use aggregate::Aggregate;
pub use answer::{Answer, Thresholds};
pub use clocks::ClockShift;
pub use correlate::{Correlation, CorrelationLimits, Relation};
pub use coverage::{Coverage, CoverageSums};
pub use explain::Explanation;
pub use gate::Gate;
pub use group::{Example, Group};
pub use group_sums::EXAMPLES_MAX;
pub use latency::{Latency, LatencyShift, Shift};
pub use loss::{Loss, LossError};
pub use rule_use::{RuleRemark, RuleUse, WhyNothing};
pub use schema_drift::{DriftRow, SchemaDrift};
pub use statistics::Interval;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::pair::Reason;

/// Version of the JSON report. Within one version, keys are only ever added.
pub const REPORT_VERSION: u32 = 1;

/// One comparison, as `--output json` writes it. Described in `docs/report.md`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub version: u32,
    /// UUIDv7 of the run; the `pairs` and `differences` datasets carry the same.
    pub run_id: String,
    /// What was asked for and where it was looked for.
    pub scope: Scope,
    /// Do the services differ, and can the answer be trusted?
    pub answer: Answer,
    /// What became of every call.
    pub completeness: Completeness,
    /// Conditions under which the comparison fails, and what became of them.
    pub gates: Vec<Gate>,
    /// All methods together; `rpc_method` is `*`.
    pub total: Method,
    /// By method, in order of name.
    pub methods: Vec<Method>,
    /// What the traffic never showed; absent without descriptors.
    pub coverage: Option<Coverage>,
    /// How the candidate's descriptors differ; absent unless it has its own.
    pub schema_drift: Option<SchemaDrift>,
    /// By method, place, path and kind; the most frequent first.
    pub differences: Vec<Group>,
    /// Differences beyond the limits of one pair and of groups, not listed.
    pub differences_omitted: u64,
    /// How much correlations were told from.
    pub correlation: CorrelationLimits,
    /// Pairs in which a default rule for hop headers hid a difference, by pattern.
    pub hop_headers: BTreeMap<String, u64>,
    /// What each rule hid, in the order of the rules.
    pub rules: Vec<RuleUse>,
}

/// What was compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Scope {
    /// The data directory as it was given.
    pub data_dir: String,
    /// Start of the range, RFC 3339, if there is one.
    pub since: Option<String>,
    /// End of the range, exclusive.
    pub until: Option<String>,
    /// Pattern of methods.
    pub method: Option<String>,
    /// Start of the first call that was looked at.
    pub first_call_at: Option<String>,
    /// Start of the last.
    pub last_call_at: Option<String>,
    /// Are there `pairs` and `differences` of this run, to be looked up by its id?
    #[serde(skip)]
    pub writes_datasets: bool,
    /// Were messages compared by descriptor?
    pub has_descriptors: bool,
    /// Methods that the descriptors do not know, compared by wire field.
    pub methods_without_descriptor: Vec<String>,
}

/// What became of every call. `calls = 2 * pairs + sum(unpaired) + duplicate_views +
/// duplicate_records + earlier_attempts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Completeness {
    /// Records read.
    pub calls: u64,
    /// Pairs found.
    pub pairs: u64,
    /// Pairs by what they were found.
    pub pairs_found_by: BTreeMap<&'static str, u64>,
    /// Pairs that may be wrong: matched by occurrence among equal calls.
    pub pairs_ambiguous: u64,
    /// Calls without a partner, by reason.
    pub unpaired: BTreeMap<&'static str, u64>,
    /// Unpaired calls that may have lost an id and were not looked for by another, because there were
    /// too many.
    pub not_sought: u64,
    /// Pairs that cannot be judged, by reason.
    pub incomparable: BTreeMap<&'static str, u64>,
    /// Pairs whose primary call took more than one attempt.
    pub retried: u64,
    /// Pairs of which at least one body was cut.
    pub truncated: u64,
    /// Pairs with metadata that was redacted without a hash: only the number of values was
    /// compared.
    pub secrets_not_judged: u64,
    /// Calls recorded at another place as well.
    pub duplicate_views: u64,
    /// Records read twice.
    pub duplicate_records: u64,
    /// Attempts followed by the one compared.
    pub earlier_attempts: u64,
    /// Lowest sampling rate seen of the primary, parts per million.
    pub primary_sampled_ppm: Option<u32>,
    /// Lowest sampling rate seen of the candidate.
    pub candidate_sampled_ppm: Option<u32>,
    /// How the clocks of hosts differ that recorded the sides of pairs.
    pub clocks: Vec<ClockShift>,
    /// What was lost on the way to the dataset; absent if nothing says so.
    pub loss: Option<Loss>,
}

/// One method.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Method {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Pairs found.
    pub pairs: u64,
    /// Pairs in which nothing differs.
    pub matched: u64,
    /// Pairs in which something counts.
    pub mismatched: u64,
    /// Pairs whose differences are all ruled out.
    pub ignored: u64,
    /// Pairs that cannot be judged.
    pub incomparable: u64,
    /// `mismatched / judged`; absent if nothing was judged.
    pub mismatch_rate: Option<f64>,
    /// Wilson's 95 % interval of the rate.
    pub mismatch_rate_interval: Option<Interval<f64>>,
    /// Pairs that may be wrong: matched by occurrence among equal calls.
    pub ambiguous: u64,
    /// Pairs of which at least one body was cut.
    pub truncated: u64,
    /// Calls without a partner, by reason.
    pub unpaired: BTreeMap<&'static str, u64>,
    /// Pairs by `primary → candidate` status, where they differ.
    pub status_shifts: BTreeMap<String, u64>,
    /// Judged pairs by the primary's status.
    pub primary_status: BTreeMap<String, u64>,
    /// Judged pairs by the candidate's status.
    pub candidate_status: BTreeMap<String, u64>,
    /// Time to the end of the primary's answer.
    pub primary_latency: Latency,
    /// Time to the end of the candidate's answer.
    pub candidate_latency: Latency,
    /// How the candidate's differs.
    pub latency_shift: LatencyShift,
}

/// Calls that should have a partner and have none.
fn without_partner(unpaired: &BTreeMap<&'static str, u64>) -> u64 {
    let unpaired = unpaired.iter();
    let should = unpaired.filter(|(reason, _)| Reason::misses_partner(reason));
    should.map(|(_, count)| count).sum()
}

impl Completeness {
    /// Calls that should have a partner and have none.
    pub fn without_partner(&self) -> u64 {
        without_partner(&self.unpaired)
    }
}

impl Method {
    /// Pairs judged.
    pub fn judged(&self) -> u64 {
        self.matched + self.mismatched + self.ignored
    }

    /// Calls that should have a partner and have none.
    pub fn without_partner(&self) -> u64 {
        without_partner(&self.unpaired)
    }

    /// Pairs, and calls that should be in one.
    pub fn logical_calls(&self) -> u64 {
        self.pairs + self.without_partner()
    }
}
