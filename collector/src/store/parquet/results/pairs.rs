//! The `pairs` dataset: every call of a run, and what became of it.

use std::path::Path;

use uuid::Uuid;

use super::table::{Column, Table, Values, column};
use crate::call::CallId;
use crate::store::parquet::{Published, WriteError};

/// One row of `pairs`: a primary call and what became of it (or a candidate without primary).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairRow {
    /// `matched`, `mismatched`, `ignored`, `unpaired` or `incomparable`.
    pub verdict: &'static str,
    /// Why it is unpaired or incomparable.
    pub reason: Option<&'static str>,
    /// `pair_id`, `request_id`, `trace_id` or `digest`; `None` if unpaired.
    pub found_by: Option<&'static str>,
    /// Could the primary have belonged to another candidate just as well?
    pub is_ambiguous: bool,
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// The correlation key, readable.
    pub correlation_key: String,
    /// The old service's side.
    pub primary: Option<SideRow>,
    /// The new service's side.
    pub candidate: Option<SideRow>,
    /// Attempts seen of the primary call, itself included.
    pub attempts_count: u32,
    /// Differences that no rule ignores.
    pub differences_count: u32,
    /// Differences that a rule ignores.
    pub ignored_count: u32,
    /// Were differences left out, or bodies cut, so that the row does not tell everything?
    pub truncated: bool,
}

/// What a row of `pairs` says of one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideRow {
    /// Where to find it in the `calls` dataset.
    pub id: CallId,
    /// When it started, nanoseconds since the Unix epoch (kept in microseconds).
    pub started_unix_ns: u64,
    /// `grpc-status`.
    pub status_code: Option<u32>,
    /// From its start to its end.
    pub duration_ns: Option<u64>,
}

/// Columns of `pairs`, schema version 1.
#[rustfmt::skip]
pub(in super::super) const COLUMNS: &[Column<PairRow>] = &[
    column(2, "verdict", Values::Text(|row| row.verdict), "`matched`, `mismatched`, `ignored`, `unpaired` or `incomparable`"),
    column(3, "reason", Values::OptionalText(|row| row.reason), "why it is unpaired or incomparable"),
    column(4, "found_by", Values::OptionalText(|row| row.found_by), "`pair_id`, `request_id`, `trace_id` or `digest`; NULL if unpaired"),
    column(5, "ambiguous", Values::Bool(|row| row.is_ambiguous), "could the primary have belonged to another candidate just as well?"),
    column(6, "rpc_method", Values::Text(|row| &row.rpc_method), "`package.Service/Method`"),
    column(7, "correlation_key", Values::Text(|row| &row.correlation_key), "what both sides have in common, readable"),
    column(8, "primary_producer_id", Values::Id(|row| Some(row.primary.as_ref()?.id.producer_id)), "with the number: the row in `calls`"),
    column(9, "primary_record_number", Values::Int64(|row| Some(row.primary.as_ref()?.id.record_number)), "number at that recorder"),
    column(10, "primary_started_at", Values::TimestampNs(|row| Some(row.primary.as_ref()?.started_unix_ns)), "when the old service was called"),
    column(11, "primary_status_code", Values::Int32(|row| row.primary.as_ref()?.status_code), "`grpc-status` of the old service"),
    column(12, "primary_duration_ns", Values::Int64(|row| row.primary.as_ref()?.duration_ns), "how long the old service took: `duration_ns` of its call"),
    column(13, "candidate_producer_id", Values::Id(|row| Some(row.candidate.as_ref()?.id.producer_id)), "with the number: the row in `calls`"),
    column(14, "candidate_record_number", Values::Int64(|row| Some(row.candidate.as_ref()?.id.record_number)), "number at that recorder"),
    column(15, "candidate_started_at", Values::TimestampNs(|row| Some(row.candidate.as_ref()?.started_unix_ns)), "when the new service was called"),
    column(16, "candidate_status_code", Values::Int32(|row| row.candidate.as_ref()?.status_code), "`grpc-status` of the new service"),
    column(17, "candidate_duration_ns", Values::Int64(|row| row.candidate.as_ref()?.duration_ns), "how long the new service took: `duration_ns` of its call"),
    column(18, "attempts_count", Values::Int32(|row| Some(row.attempts_count)), "attempts seen of the primary call, itself included"),
    column(19, "differences_count", Values::Int32(|row| Some(row.differences_count)), "differences that no rule ignores"),
    column(20, "ignored_count", Values::Int32(|row| Some(row.ignored_count)), "differences that a rule ignores"),
    column(21, "truncated", Values::Bool(|row| row.truncated), "were bodies cut or differences left out?"),
];

/// Writes the `pairs` of one run.
#[derive(Debug)]
pub struct PairsWriter(Table<PairRow>);

impl PairsWriter {
    /// Starts the file of run `run_id` below `root` (the data directory).
    pub fn create(root: &Path, run_id: Uuid) -> Result<Self, WriteError> {
        Table::create(root, "pairs", run_id, COLUMNS).map(Self)
    }

    /// Adds a row.
    pub fn push(&mut self, row: PairRow) -> Result<(), WriteError> {
        self.0.push(row)
    }

    /// Completes the file and publishes it durably.
    pub fn finish(self) -> Result<Published, WriteError> {
        self.0.finish()
    }
}
