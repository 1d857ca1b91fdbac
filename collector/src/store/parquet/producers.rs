//! Who recorded the calls of a dataset: told from statistics where a row group has one recorder, as those of
//! captures have, else from the one column that says so.

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::data_type::FixedLenByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::contain::contain;
use super::part::{Part, load};
use super::run::{is_part_of, may_be_part_of};
use super::typed::{ColumnArray, Fixed16};
use super::{Dataset, ReadError};

/// The column.
const COLUMN: &str = "producer_id";

/// Calls of one recorder, of a stretch of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Who recorded them.
    pub producer_id: [u8; 16],
    /// How many there are.
    pub calls: u64,
    /// Is the file one of a run of `ingest` or `capture`?
    pub is_of_run: bool,
}

impl Dataset {
    /// Tells `each` of all calls, a stretch at a time; a recorder may come more than once.
    pub fn recorded(&self, mut each: impl FnMut(Recorded)) -> Result<(), ReadError> {
        let mut parts = self.parts.iter();
        parts.try_for_each(|part| part.recorded(&mut each))
    }
}

impl Part {
    pub(super) fn recorded(&self, each: &mut impl FnMut(Recorded)) -> Result<(), ReadError> {
        self.recorded_in(|_| true, each)
    }

    /// Is it one of a run of `ingest` or `capture`? Reads only what may be of one, by its statistics.
    pub(super) fn is_of_run(&self) -> Result<bool, ReadError> {
        let may_be = |group: &RowGroupMetaData| {
            bounds(group).is_none_or(|(min, max)| may_be_part_of(&self.path, min, max))
        };
        let mut is_of_run = false;
        self.recorded_in(may_be, &mut |recorded| is_of_run |= recorded.is_of_run)?;
        Ok(is_of_run)
    }

    /// The same of some row groups.
    fn recorded_in(
        &self,
        is_wanted: impl Fn(&RowGroupMetaData) -> bool,
        each: &mut impl FnMut(Recorded),
    ) -> Result<(), ReadError> {
        let (file, metadata) = load(&self.path, PageIndexPolicy::Skip)?;
        let mut tell = |producer_id, calls| {
            each(Recorded {
                producer_id,
                calls,
                is_of_run: is_part_of(&self.path, producer_id),
            });
        };
        let mut mixed = Vec::new();
        let groups = metadata.metadata().row_groups().iter().enumerate();
        for (index, group) in groups.filter(|(_, group)| is_wanted(group)) {
            match only_producer(group) {
                Some(id) => tell(id, u64::try_from(group.num_rows()).unwrap_or(0)),
                None => mixed.push(index),
            }
        }
        if mixed.is_empty() {
            return Ok(());
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let column = ProjectionMask::columns(builder.parquet_schema(), [COLUMN]);
        let builder = builder.with_projection(column).with_row_groups(mixed);
        let mut batches = contain(&self.path, || builder.build())?;
        while let Some(ids) = contain(&self.path, || {
            let Some(batch) = batches.next().transpose()? else {
                return Ok(None);
            };
            let ids = Fixed16::of(batch.column_by_name(COLUMN).map(ColumnArray::from))?;
            let ids: Vec<_> = (0..batch.num_rows())
                .filter_map(|row| ids.at(row))
                .collect();
            Ok::<_, ParquetError>(Some(ids))
        })? {
            for same in ids.chunk_by(|a, b| a == b) {
                if let Some(id) = same.first() {
                    tell(*id, same.len() as u64);
                }
            }
        }
        Ok(())
    }
}

/// The recorder of all rows of `group`, if its statistics say so.
fn only_producer(group: &RowGroupMetaData) -> Option<[u8; 16]> {
    let (min, max) = bounds(group)?;
    (min == max).then_some(min)
}

/// The least and the greatest recorder of the rows of `group`, if its statistics say so.
pub(super) fn bounds(group: &RowGroupMetaData) -> Option<([u8; 16], [u8; 16])> {
    let mut columns = group.columns().iter();
    let column = columns.find(|column| column.column_path().string() == COLUMN)?;
    let Statistics::FixedLenByteArray(statistics) = column.statistics()? else {
        return None;
    };
    let are_exact = statistics.min_is_exact() && statistics.max_is_exact();
    let bound = |bound: &FixedLenByteArray| bound.data().try_into().ok();
    let (min, max) = (statistics.min_opt()?, statistics.max_opt()?);
    are_exact.then(|| Some((bound(min)?, bound(max)?)))?
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;
    use crate::call::{Call, CallId};
    use crate::store::parquet::{WriteSettings, run_part, write_part};

    #[test]
    fn calls_are_counted_by_who_recorded_them() {
        let root = tempfile::tempdir().unwrap();
        let call = |producer: u8, record_number| Call {
            id: CallId {
                producer_id: [producer; 16],
                record_number,
            },
            ..Call::default()
        };
        let write = |calls: Vec<Call>, id| {
            write_part(calls, root.path(), id, &WriteSettings::default()).unwrap();
        };
        write(
            (1..4).map(|number| call(1, number)).collect(),
            run_part([1; 16], 0),
        );
        let mixed = [call(1, 4), call(2, 1), call(3, 1), call(2, 2)];
        write(mixed.to_vec(), Uuid::now_v7());
        let mut calls: BTreeMap<(u8, bool), u64> = BTreeMap::new();
        let dataset = Dataset::open(root.path()).unwrap();
        let count = |told: Recorded| {
            *calls
                .entry((told.producer_id[0], told.is_of_run))
                .or_default() += told.calls;
        };
        dataset.recorded(count).unwrap();
        let expected = [
            ((1, false), 1),
            ((1, true), 3),
            ((2, false), 2),
            ((3, false), 1),
        ];
        assert_eq!(calls.into_iter().collect::<Vec<_>>(), expected);
    }
}
