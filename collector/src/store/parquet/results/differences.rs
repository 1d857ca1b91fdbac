//! The `differences` dataset: one row per difference between the two sides of a pair.

use std::path::Path;

use uuid::Uuid;

use super::table::{Column, Table, Values, column};
use crate::call::CallId;
use crate::store::parquet::{Published, WriteError};

/// One row of `differences`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DifferenceRow {
    /// The correlation key, readable.
    pub correlation_key: String,
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// The old service's call.
    pub primary: CallId,
    /// The new service's call.
    pub candidate: CallId,
    /// `status`, `status_message`, `status_details`, `request_metadata`, `response_metadata`,
    /// `trailers`, `request_message`, `response_message`, ...
    pub place: &'static str,
    /// Where in that place, such as `items[2].price` or a metadata name.
    pub path: String,
    /// Index of the message in its direction, from 0.
    pub message_index: Option<u32>,
    /// The name of a [`Kind`](crate::compare::Kind).
    pub kind: &'static str,
    /// The old value as text, bounded by the comparer; `None` if it is missing.
    pub primary_value: Option<String>,
    /// The new value as text, bounded by the comparer; `None` if it is missing.
    pub candidate_value: Option<String>,
    /// The rule that ignores it; `None` if it counts.
    pub ignored_by: Option<String>,
    /// What the difference looks like (`rounding`, `letter_case`, ...), if it is known.
    pub explanation: Option<&'static str>,
}

/// Columns of `differences`, schema version 1.
#[rustfmt::skip]
pub(in super::super) const COLUMNS: &[Column<DifferenceRow>] = &[
    column(2, "correlation_key", Values::Text(|row| &row.correlation_key), "as in `pairs`"),
    column(3, "rpc_method", Values::Text(|row| &row.rpc_method), "`package.Service/Method`"),
    column(4, "place", Values::Text(|row| row.place), "`status`, `trailers`, `response_message`, ..."),
    column(5, "path", Values::Text(|row| &row.path), "where in that place, such as `items[2].price`"),
    column(6, "message_index", Values::Int32(|row| row.message_index), "index of the message in its direction, from 0"),
    column(7, "kind", Values::Text(|row| row.kind), "`value`, `type`, `missing`, `extra`, `default_vs_absent`, `oneof_arm`, `list_order`, `message_missing`, `message_extra`, `beyond_capture`, `undecodable`, `schema_drift` or `too_large`"),
    column(8, "primary_value", Values::OptionalText(|row| row.primary_value.as_deref()), "the old value as text, cut around the first difference if it is longer than 512 characters; NULL if it is missing"),
    column(9, "candidate_value", Values::OptionalText(|row| row.candidate_value.as_deref()), "the new value as text, likewise; NULL if it is missing"),
    column(10, "ignored_by", Values::OptionalText(|row| row.ignored_by.as_deref()), "the rule that ignores it; NULL if it counts"),
    column(11, "explanation", Values::OptionalText(|row| row.explanation), "what it looks like: `rounding`, `letter_case`, ... (`looks_like` in [report.md](report.md))"),
    column(12, "primary_producer_id", Values::Id(|row| Some(row.primary.producer_id)), "with the number: the old service's row in `calls`"),
    column(13, "primary_record_number", Values::Int64(|row| Some(row.primary.record_number)), "number at that recorder"),
    column(14, "candidate_producer_id", Values::Id(|row| Some(row.candidate.producer_id)), "with the number: the new service's row in `calls`"),
    column(15, "candidate_record_number", Values::Int64(|row| Some(row.candidate.record_number)), "number at that recorder"),
];

/// Writes the `differences` of one run.
#[derive(Debug)]
pub struct DifferencesWriter(Table<DifferenceRow>);

impl DifferencesWriter {
    /// Starts the file of run `run_id` below `root` (the data directory).
    pub fn create(root: &Path, run_id: Uuid) -> Result<Self, WriteError> {
        Table::create(root, "differences", run_id, COLUMNS).map(Self)
    }

    /// Adds a row.
    pub fn push(&mut self, row: DifferenceRow) -> Result<(), WriteError> {
        self.0.push(row)
    }

    /// Completes the file and publishes it durably.
    pub fn finish(self) -> Result<Published, WriteError> {
        self.0.finish()
    }
}
