//! Finds calls by their ids, without reading the dataset: bloom filters and statistics say which row
//! groups may hold one, the three id columns of those which rows do, and only these are read whole.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{BooleanArray, RecordBatch};
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
use super::typed::{ColumnArray, Fixed16, Slices};
use super::{Dataset, Projection, ReadError};
use crate::call::{Call, CorrelationKey, request_id_variants};

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
}

impl Ids {
    /// Adds the strongest id of `call`, as any Envoy may have rewritten it.
    pub fn add_key_of(&mut self, call: &Call) {
        match CorrelationKey::of(call) {
            CorrelationKey::PairId(id) => {
                self.pair_ids.insert(id);
            }
            CorrelationKey::RequestId(id) => self.request_ids.extend(request_id_variants(&id)),
            CorrelationKey::TraceId(id) => {
                self.trace_ids.insert(id);
            }
            CorrelationKey::None => {}
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
    let id_columns = ProjectionMask::columns(schema, ["pair_id", "request_id", "trace_id"]);
    let wanted = Arc::clone(ids);
    let carries = ArrowPredicateFn::new(id_columns, move |batch: RecordBatch| {
        let pair_id = Slices::of(batch.column_by_name("pair_id").map(ColumnArray::from))?;
        let request_id = Slices::of(batch.column_by_name("request_id").map(ColumnArray::from))?;
        let trace_id = Fixed16::of(batch.column_by_name("trace_id").map(ColumnArray::from))?;
        let carries = (0..batch.num_rows()).map(|row| {
            let is_wanted = |ids: &BTreeSet<Bytes>, slices: &Slices| ids.contains(&slices.at(row));
            is_wanted(&wanted.pair_ids, &pair_id)
                || is_wanted(&wanted.request_ids, &request_id)
                || trace_id
                    .at(row)
                    .is_some_and(|id| wanted.trace_ids.contains(&id))
        });
        Ok(BooleanArray::from(carries.collect::<Vec<bool>>()))
    });
    let builder = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_row_filter(RowFilter::new(vec![Box::new(carries)]))
        .with_batch_size(BATCH_ROWS);
    contain(&part.path, || builder.build()).map(Some)
}

/// The row groups that may hold one of `ids`, as far as their bloom filters say.
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
    let may_hold = |group: usize| -> Result<bool, ParquetError> {
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
