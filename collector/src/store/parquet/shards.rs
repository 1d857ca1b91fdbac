//! Part of a bucket: the rows whose ids, method and request hash into a range of shards.
//!
//! Only these few columns are decoded of the other rows, so a bucket that is read in many parts costs
//! little more than one that is read at once.

use std::ops::Range;

use arrow_array::{BooleanArray, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicate, ArrowPredicateFn};
use parquet::schema::types::SchemaDescriptor;

use super::constants::Constants;
use super::from_rows::FromRows;
use crate::call::Call;

/// What [`Shards::hash`] may look at.
const HASHED_COLUMNS: [&str; 6] = [
    "pair_id",
    "request_id",
    "trace_id",
    "rpc_method",
    "request_body_bytes",
    "request_body_digest",
];

/// Which shards to read.
#[derive(Clone, Debug)]
pub struct Shards {
    /// Made of a call's ids, its method, and its request's length and digest alone: nothing else is there.
    pub hash: fn(&Call) -> u64,
    /// Shards in all; a call's is the rest of its hash. At least 1.
    pub count: u64,
    /// Those that are wanted.
    pub wanted: Range<u64>,
}

impl Shards {
    pub(super) fn predicate(&self, schema: &SchemaDescriptor) -> Box<dyn ArrowPredicate> {
        let columns = ProjectionMask::columns(schema, HASHED_COLUMNS);
        let Self {
            hash,
            count,
            wanted,
        } = self.clone();
        let mut from_rows = FromRows::default();
        let is_wanted = move |batch: RecordBatch| {
            let calls = from_rows.calls(&batch, &Constants::default())?;
            let shards = calls.iter().map(|call| hash(call) % count.max(1));
            let are_wanted: Vec<bool> = shards.map(|shard| wanted.contains(&shard)).collect();
            Ok(BooleanArray::from(are_wanted))
        };
        Box::new(ArrowPredicateFn::new(columns, is_wanted))
    }
}
