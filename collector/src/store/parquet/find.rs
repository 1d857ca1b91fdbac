//! Finds calls by their ids, without reading the dataset: bloom filters and statistics say which row
//! groups may hold one, the id columns of those which rows do, and only these are read whole. Calls without any
//! id are found by what they asked, which nothing but the columns can tell.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::PageIndexPolicy;

use super::constants::Constants;
use super::contain::contain;
use super::from_rows::FromRows;
use super::part::{Part, columns_of, load};
use super::typed::{ColumnArray, Fixed16, Integers, Slices};
use super::{Dataset, Projection, ReadError, producers};
use crate::call::{Call, CallId, CorrelationKey, request_id_variants};

/// Rows decoded at a time: hits are few.
const BATCH_ROWS: usize = 64;

/// How much is read of what is found.
#[derive(Clone, Copy, Debug)]
pub struct FindLimits {
    /// Calls.
    pub calls: usize,
    /// Bytes that these take in memory, near enough; one batch of rows may go beyond.
    pub bytes: usize,
}

impl FindLimits {
    /// All that is found.
    pub const NONE: Self = Self {
        calls: usize::MAX,
        bytes: usize::MAX,
    };
}

/// What calls are looked for by: any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Values of `x-twintap-pair-id`.
    pub pair_ids: BTreeSet<Bytes>,
    /// Values of `x-request-id`, as received.
    pub request_ids: BTreeSet<Bytes>,
    /// Trace ids.
    pub trace_ids: BTreeSet<[u8; 16]>,
    /// Ids of recorded calls.
    pub calls: BTreeSet<CallId>,
    /// What calls asked that carry no id.
    pub requests: BTreeSet<Request>,
}

/// What a call asked: calls without any id that belong together have it in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// `package.Service/Method`.
    pub rpc_method: String,
    /// Bytes of the body.
    pub body_bytes: u64,
    /// Digest of the body.
    pub body_digest: Option<u64>,
}

impl Request {
    /// What `call` asked.
    pub fn of(call: &Call) -> Self {
        Self {
            rpc_method: call.rpc_method.clone(),
            body_bytes: call.request.body_bytes,
            body_digest: call.request.body_digest,
        }
    }
}

impl Ids {
    /// Adds the strongest id of `call`, as any Envoy may have rewritten it; without any, what it asked.
    pub fn add_key_of(&mut self, call: &Call) {
        match CorrelationKey::of(call) {
            CorrelationKey::PairId(id) => {
                self.pair_ids.insert(id);
            }
            CorrelationKey::RequestId(id) => self.request_ids.extend(request_id_variants(&id)),
            CorrelationKey::TraceId(id) => {
                self.trace_ids.insert(id);
            }
            CorrelationKey::None => {
                self.requests.insert(Request::of(call));
            }
        }
    }

    /// Adds the request id of `call`, if it has one, as any Envoy may have rewritten it.
    pub fn add_request_id_of(&mut self, call: &Call) {
        if !call.request_id.is_empty() {
            self.request_ids
                .extend(request_id_variants(&call.request_id));
        }
    }

    /// Adds all ids of `call`.
    pub fn add_all_of(&mut self, call: &Call) {
        if !call.pair_id.is_empty() {
            self.pair_ids.insert(call.pair_id.clone());
        }
        self.add_request_id_of(call);
        self.trace_ids.extend(call.trace_id);
    }
}

impl Dataset {
    /// Calls that carry one of `ids` and are wanted, part by part, until there are as many as `limits` says.
    pub fn find(
        &self,
        ids: &Ids,
        mut is_wanted: impl FnMut(&Call) -> bool,
        limits: FindLimits,
    ) -> Result<Vec<Box<Call>>, ReadError> {
        let ids = &Arc::new(ids.clone());
        let mut found = Vec::new();
        let mut bytes = 0_usize;
        let mut from_rows = FromRows::default();
        for part in &self.parts {
            let Some(mut batches) = read(part, ids)? else {
                continue;
            };
            while let Some(calls) = contain(&part.path, || {
                let batch = batches.next().transpose()?;
                batch
                    .map(|batch| from_rows.calls(&batch, &Constants::default()))
                    .transpose()
            })? {
                for call in calls.into_iter().filter(|call| is_wanted(call)) {
                    bytes = bytes.saturating_add(call.weight(call.bytes_count()));
                    found.push(call);
                }
                if found.len() >= limits.calls || bytes >= limits.bytes {
                    found.truncate(limits.calls);
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

/// The rows of `part` that carry one of `ids`; `None` if there is surely none.
fn read(part: &Part, ids: &Arc<Ids>) -> Result<Option<ParquetRecordBatchReader>, ReadError> {
    let (file, metadata) = load(&part.path, PageIndexPolicy::Optional)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let groups = row_groups(&part.path, &builder, ids)?;
    if groups.is_empty() {
        return Ok(None);
    }
    let schema = builder.parquet_schema();
    let mask = columns_of(Projection::Everything, schema, &Constants::default());
    let columns = ProjectionMask::columns(schema, columns_that_tell(ids));
    let wanted = Arc::clone(ids);
    let carries = ArrowPredicateFn::new(columns, move |batch| carries(&batch, &wanted));
    let builder = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_row_filter(RowFilter::new(vec![Box::new(carries)]))
        .with_batch_size(BATCH_ROWS);
    contain(&part.path, || builder.build()).map(Some)
}

/// The columns that tell whether a row carries one of `ids`.
fn columns_that_tell(ids: &Ids) -> Vec<&'static str> {
    let mut columns = vec!["pair_id", "request_id", "trace_id"];
    if !ids.calls.is_empty() {
        columns.extend(["producer_id", "record_number"]);
    }
    if !ids.requests.is_empty() {
        columns.extend(["rpc_method", "request_body_bytes", "request_body_digest"]);
    }
    columns
}

/// Which rows of `batch` carry one of `ids`.
fn carries(batch: &RecordBatch, ids: &Ids) -> Result<BooleanArray, ArrowError> {
    let column = |name| batch.column_by_name(name).map(ColumnArray::from);
    let pair_id = Slices::of(column("pair_id"))?;
    let request_id = Slices::of(column("request_id"))?;
    let trace_id = Fixed16::of(column("trace_id"))?;
    let producer_id = Fixed16::of(column("producer_id"))?;
    let record_number = Integers::of(column("record_number"))?;
    let rpc_method = Slices::of(column("rpc_method"))?;
    let body_bytes = Integers::of(column("request_body_bytes"))?;
    let body_digest = Integers::of(column("request_body_digest"))?;
    let is_call = |row| {
        let id = producer_id.at(row).zip(record_number.unsigned(row));
        id.is_some_and(|(producer_id, record_number)| {
            ids.calls.contains(&CallId {
                producer_id,
                record_number,
            })
        })
    };
    let has_no_id = |row| {
        pair_id.bytes(row).is_empty()
            && request_id.bytes(row).is_empty()
            && trace_id.at(row).is_none()
    };
    let is_request = |row| {
        ids.requests.contains(&Request {
            rpc_method: rpc_method.text(row).to_owned(),
            body_bytes: body_bytes.unsigned(row).unwrap_or(0),
            body_digest: body_digest.bits(row),
        })
    };
    let carries = (0..batch.num_rows()).map(|row| {
        ids.pair_ids.contains(pair_id.bytes(row))
            || ids.request_ids.contains(request_id.bytes(row))
            || trace_id
                .at(row)
                .is_some_and(|id| ids.trace_ids.contains(&id))
            || (!ids.calls.is_empty() && is_call(row))
            || (!ids.requests.is_empty() && has_no_id(row) && is_request(row))
    });
    Ok(BooleanArray::from(carries.collect::<Vec<bool>>()))
}

/// The row groups that may hold one of `ids`, as far as their bloom filters and statistics say.
fn row_groups(
    path: &Path,
    builder: &ParquetRecordBatchReaderBuilder<std::fs::File>,
    ids: &Ids,
) -> Result<Vec<usize>, ReadError> {
    let bytes = |ids: &BTreeSet<Bytes>| ids.iter().map(|id| id.to_vec()).collect::<Vec<_>>();
    let traces = ids.trace_ids.iter().map(|id| id.to_vec()).collect();
    let columns = [
        ("pair_id", bytes(&ids.pair_ids)),
        ("request_id", bytes(&ids.request_ids)),
        ("trace_id", traces),
    ];
    let leaves = builder.parquet_schema().columns().iter();
    let indices: Vec<(usize, &[Vec<u8>])> = leaves
        .enumerate()
        .filter_map(|(index, leaf)| {
            let path = leaf.path().string();
            let (_, ids) = columns.iter().find(|(name, _)| *name == path)?;
            (!ids.is_empty()).then_some((index, ids.as_slice()))
        })
        .collect();
    let may_hold_call = |group: usize| {
        let bounds = producers::bounds(builder.metadata().row_group(group));
        let may_be =
            |id: &CallId| bounds.is_none_or(|(min, max)| (min..=max).contains(&id.producer_id));
        ids.calls.iter().any(may_be)
    };
    let may_hold = |group: usize| -> Result<bool, ParquetError> {
        if !ids.requests.is_empty() || may_hold_call(group) {
            return Ok(true);
        }
        for (index, ids) in &indices {
            match builder.get_row_group_column_bloom_filter(group, *index)? {
                Some(filter) if !ids.iter().any(|id| filter.check(id.as_slice())) => {}
                // It may, or nothing says that it does not.
                _ => return Ok(true),
            }
        }
        Ok(false)
    };
    let mut groups = Vec::new();
    for group in 0..builder.metadata().num_row_groups() {
        if contain(path, || may_hold(group))? {
            groups.push(group);
        }
    }
    Ok(groups)
}
