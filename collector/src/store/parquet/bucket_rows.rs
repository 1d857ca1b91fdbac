//! Where in a file the rows of each pairing bucket are.
//!
//! Rows are in order of their buckets, so a bucket's are neighbours: looked up once, its rows are picked in each
//! pass without looking at the others.

use std::fs::File;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection,
};
use parquet::errors::ParquetError;

use crate::call::PAIR_BUCKETS;

/// Runs of rows of one bucket in a file at most, of 24 bytes each: what other programs wrote may be in any order.
const RUNS_MAX: usize = 4096;

/// Rows that are looked at at once.
const BATCH_ROWS: usize = 8192;

/// Runs of rows of one bucket, in the file's order.
#[derive(Clone, Debug)]
pub(super) struct BucketRows(Vec<(i32, Range<usize>)>);

/// Rows to read, of some row groups.
pub(super) struct Picked {
    pub(super) groups: Vec<usize>,
    pub(super) rows: RowSelection,
}

impl BucketRows {
    /// Looks all rows of `file` up; `None` if they are in no order.
    pub(super) fn find(
        file: File,
        metadata: ArrowReaderMetadata,
    ) -> Result<Option<Self>, ParquetError> {
        let mut rows_count = Some(0_usize);
        for group in metadata.metadata().row_groups() {
            let rows = usize::try_from(group.num_rows()).ok();
            rows_count = rows_count
                .zip(rows)
                .and_then(|(sum, rows)| sum.checked_add(rows));
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let buckets = ProjectionMask::columns(builder.parquet_schema(), ["pair_bucket"]);
        let batches = builder
            .with_projection(buckets)
            .with_batch_size(BATCH_ROWS)
            .build()?;
        let mut runs: Vec<(i32, Range<usize>)> = Vec::new();
        for batch in batches {
            for same in buckets_of(&batch?)?.chunk_by(|a, b| a == b) {
                let row = runs.last().map_or(0, |(_, rows)| rows.end);
                let bucket = same.first().copied().unwrap_or_default();
                match runs.last_mut().filter(|(last, _)| *last == bucket) {
                    Some((_, rows)) => rows.end += same.len(),
                    None => runs.push((bucket, row..row + same.len())),
                }
            }
            if runs.len() > RUNS_MAX {
                return Ok(None);
            }
        }
        let found = runs.last().map_or(0, |(_, rows)| rows.end);
        if rows_count != Some(found) {
            let problem =
                format!("pair_bucket has {found} values, and the footer tells of other rows");
            return Err(ParquetError::General(problem));
        }
        Ok(Some(Self(runs)))
    }

    /// The rows of `buckets` in a file with so many rows in each of its row groups.
    pub(super) fn pick(
        &self,
        buckets: &Range<u16>,
        group_rows: impl Iterator<Item = usize>,
    ) -> Picked {
        let wanted = i32::from(buckets.start)..i32::from(buckets.end);
        let runs = self.0.iter().filter(|(bucket, _)| wanted.contains(bucket));
        let runs: Vec<&Range<usize>> = runs.map(|(_, rows)| rows).collect();
        let (mut groups, mut picked) = (Vec::new(), Vec::new());
        // Rows of all groups before this one, and of those of them that are read.
        let (mut before, mut read_before) = (0, 0);
        for (group, rows_count) in group_rows.enumerate() {
            let here = runs.iter().filter_map(|run| {
                let start = run.start.max(before);
                let end = run.end.min(before + rows_count);
                (start < end).then(|| start - before + read_before..end - before + read_before)
            });
            let picked_before = picked.len();
            picked.extend(here);
            if picked.len() > picked_before {
                groups.push(group);
                read_before += rows_count;
            }
            before += rows_count;
        }
        let rows = RowSelection::from_consecutive_ranges(picked.into_iter(), read_before);
        Picked { groups, rows }
    }
}

/// The buckets of a batch of rows, each of which is one.
pub(super) fn buckets_of(batch: &RecordBatch) -> Result<&[i32], ArrowError> {
    let column = batch
        .column_by_name("pair_bucket")
        .and_then(|column| column.as_primitive_opt::<Int32Type>());
    let column = column
        .ok_or_else(|| ArrowError::SchemaError(format!("pair_bucket is no {}", DataType::Int32)))?;
    let is_bucket = |value: &i32| u64::try_from(*value).is_ok_and(|value| value < PAIR_BUCKETS);
    if column.null_count() > 0 || !column.values().iter().all(is_bucket) {
        let problem = format!("a pair_bucket is not one of 0 to {}", PAIR_BUCKETS - 1);
        return Err(ArrowError::InvalidArgumentError(problem));
    }
    Ok(column.values())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(runs: &[(i32, Range<usize>)], buckets: Range<u16>) -> (Vec<usize>, Vec<usize>) {
        let groups = [4, 3, 5];
        let Picked { groups, rows } = BucketRows(runs.to_vec()).pick(&buckets, groups.into_iter());
        let mut at = 0;
        let mut picked = Vec::new();
        for selector in rows.iter() {
            if !selector.skip {
                picked.extend(at..at + selector.row_count);
            }
            at += selector.row_count;
        }
        (groups, picked)
    }

    #[test]
    fn rows_in_no_order_are_not_looked_up_and_what_is_no_bucket_is_an_error() {
        use std::sync::Arc;

        use arrow_array::{ArrayRef, Int32Array};
        use parquet::arrow::ArrowWriter;
        use parquet::arrow::arrow_reader::ArrowReaderOptions;

        let find = |buckets: Vec<Option<i32>>| {
            let column: ArrayRef = Arc::new(Int32Array::from(buckets));
            let batch = RecordBatch::try_from_iter([("pair_bucket", column)]).unwrap();
            let file = tempfile::tempfile().unwrap();
            let again = file.try_clone().unwrap();
            let mut writer = ArrowWriter::try_new(again, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap();
            BucketRows::find(file, metadata)
        };
        let runs_of = |buckets: &mut dyn Iterator<Item = i32>| {
            let rows = find(buckets.map(Some).collect()).unwrap();
            rows.map(|rows| rows.0)
        };
        let ordered = runs_of(&mut (0..20_000).map(|row| row / 10_000));
        assert_eq!(ordered, Some(vec![(0, 0..10_000), (1, 10_000..20_000)]));
        assert_eq!(runs_of(&mut (0..20_000).map(|row| row % 2)), None);
        for no_bucket in [None, Some(-1), Some(256)] {
            let error = find(vec![Some(0), no_bucket]).unwrap_err();
            assert!(error.to_string().contains("0 to 255"), "{error}");
        }
    }

    #[test]
    fn rows_are_counted_within_the_row_groups_that_are_read() {
        let runs = [(0, 0..2), (1, 2..6), (3, 6..11), (4, 11..12)];
        assert_eq!(picked(&runs, 0..1), (vec![0], vec![0, 1]));
        // Across the border of two groups.
        assert_eq!(picked(&runs, 1..3), (vec![0, 1], vec![2, 3, 4, 5]));
        // The first group is not read: its rows do not count.
        assert_eq!(picked(&runs, 3..4), (vec![1, 2], vec![2, 3, 4, 5, 6]));
        assert_eq!(picked(&runs, 4..256), (vec![2], vec![4]));
        assert_eq!(picked(&runs, 2..3), (vec![], vec![]));
        let all = (vec![0, 1, 2], (0..12).collect());
        assert_eq!(picked(&runs, 0..256), all);
    }
}
