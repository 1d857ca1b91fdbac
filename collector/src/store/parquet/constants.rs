//! Columns that say the same in all rows of a file, by its statistics: they are not read.
//!
//! A file comes of a few recorders, so about half of its columns hold one value or none, and what a column
//! costs to read hardly depends on what is in it. Only what statistics say exactly is believed; where they say
//! less, the column is read.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::file::statistics::Statistics;

use super::columns::COLUMNS;

/// What need not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Constants {
    /// Columns by name, and the one value of each; `None` for NULL.
    columns: Vec<(&'static str, Option<ArrayRef>)>,
    /// Fields of lists, by path, that are NULL or false in all of their elements.
    fields: Vec<String>,
}

impl Constants {
    /// Those of a file.
    pub(super) fn of(metadata: &ArrowReaderMetadata) -> Result<Self, ParquetError> {
        let mut columns = Vec::new();
        for column in COLUMNS {
            // Older files lack a few; lists have no statistics.
            let Ok(field) = metadata.schema().field_with_name(column.name) else {
                continue;
            };
            // Batches without any column are no batches.
            if field.data_type().is_nested() || column.name == "record_number" {
                continue;
            }
            if let Some(value) = constant(metadata, column.name)? {
                columns.push((column.name, value));
            }
        }
        let fields = empty_fields(metadata.metadata());
        Ok(Self { columns, fields })
    }

    /// Is the field of lists at `path` NULL or false wherever there is one?
    pub(super) fn is_empty_field(&self, path: &str) -> bool {
        self.fields.iter().any(|empty| empty == path)
    }

    /// Is it known what all rows hold in the column of this name?
    pub(super) fn knows(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| *known == name)
    }

    /// The value that all rows have, as an array of it alone; `None` also if it is NULL.
    pub(super) fn value(&self, name: &str) -> Option<&ArrayRef> {
        let known = self.columns.iter().find(|(known, _)| *known == name);
        known.and_then(|(_, value)| value.as_ref())
    }
}

/// Paths of the fields of lists that hold nothing.
fn empty_fields(file: &ParquetMetaData) -> Vec<String> {
    let leaves = file.file_metadata().schema_descr().columns().iter();
    let of_lists = leaves
        .enumerate()
        .filter(|(_, leaf)| leaf.max_rep_level() > 0);
    let is_empty = |leaf: usize| {
        let mut groups = file.row_groups().iter();
        groups.all(|group| group.columns().get(leaf).is_some_and(is_empty))
    };
    of_lists
        .filter(|(index, _)| is_empty(*index))
        .map(|(_, leaf)| leaf.path().string())
        .collect()
}

fn is_empty(chunk: &ColumnChunkMetaData) -> bool {
    let Some(statistics) = chunk.statistics() else {
        return false;
    };
    let is_false = match statistics {
        Statistics::Boolean(values) => {
            values.min_opt() == Some(&false) && values.max_opt() == Some(&false)
        }
        _ => false,
    };
    is_false || statistics.null_count_opt() == u64::try_from(chunk.num_values()).ok()
}

/// What all rows of column `name` hold; `None` if they differ or nothing says that they do not.
fn constant(
    metadata: &ArrowReaderMetadata,
    name: &str,
) -> Result<Option<Option<ArrayRef>>, ParquetError> {
    let file = metadata.metadata();
    let groups = || file.row_groups().iter();
    let statistics =
        StatisticsConverter::try_new(name, metadata.schema(), file.file_metadata().schema_descr())?
            .with_missing_null_counts_as_zero(false);
    let nulls = statistics.row_group_null_counts(groups())?;
    let mut counts = nulls.iter().zip(groups());
    if counts
        .all(|(nulls, group)| nulls.and_then(|it| i64::try_from(it).ok()) == Some(group.num_rows()))
    {
        return Ok(Some(None));
    }
    if nulls.iter().any(|nulls| nulls != Some(0)) {
        return Ok(None);
    }
    let (least, greatest) = (
        statistics.row_group_mins(groups())?,
        statistics.row_group_maxes(groups())?,
    );
    // Long values are cut, and then say less.
    let is_long = least.as_string_opt::<i32>().is_some() || least.as_binary_opt::<i32>().is_some();
    let are_exact = !is_long
        || (all(statistics.row_group_is_min_value_exact(groups())?.iter())
            && all(statistics.row_group_is_max_value_exact(groups())?.iter()));
    if least.is_empty() || least.null_count() > 0 || !are_exact {
        return Ok(None);
    }
    let first = least.slice(0, 1);
    let is_first = |values: &ArrayRef| {
        (0..values.len()).all(|at| values.slice(at, 1).as_ref() == first.as_ref())
    };
    Ok((is_first(&least) && is_first(&greatest)).then_some(Some(first)))
}

fn all(mut flags: impl Iterator<Item = Option<bool>>) -> bool {
    flags.all(|flag| flag == Some(true))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::call::{Call, Header, Message, Status};
    use crate::store::parquet::{Dataset, Projection, WriteSettings, write_part};

    /// What is read of `calls` that were written in row groups of two, and what need not be.
    fn read(calls: &[Call]) -> (Vec<Call>, Constants) {
        let root = tempfile::tempdir().unwrap();
        let settings = WriteSettings {
            row_group_rows_max: 2,
            ..WriteSettings::default()
        };
        write_part(calls, root.path(), Uuid::nil(), &settings).unwrap();
        let dataset = Dataset::open(root.path()).unwrap();
        let path = dataset.paths().next().map(Path::to_owned).unwrap();
        let file = std::fs::File::open(path).unwrap();
        let options = parquet::arrow::arrow_reader::ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::load(&file, options).unwrap();
        let read = dataset.calls_in_buckets(0..256, Projection::Everything);
        let mut read: Vec<Call> = read.map(|call| *call.unwrap()).collect();
        read.sort_by_key(|call| call.id);
        (read, Constants::of(&metadata).unwrap())
    }

    fn call(number: u64) -> Call {
        let mut call = Call::default();
        call.id.record_number = number;
        call
    }

    #[test]
    fn calls_are_the_same_whether_columns_are_read_or_known() {
        let with = |number: u64, change: &dyn Fn(&mut Call)| {
            let mut call = call(number);
            change(&mut call);
            call
        };
        let changes: [&dyn Fn(&mut Call); 7] = [
            &|call| call.authority = Bytes::from_static(b"shop:443"),
            &|call| call.status = Some(Status(5)),
            &|call| call.trace_id = Some([9; 16]),
            &|call| call.gap = true,
            &|call| call.started_unix_ns = 1_800_000_000_123_456_789,
            &|call| {
                call.trailers.push(Header {
                    redacted: true,
                    ..Header::default()
                });
            },
            &|call| {
                call.request.messages.push(Message {
                    offset_ns: Some(7),
                    compressed: true,
                    ..Message::default()
                });
            },
        ];
        for change in changes {
            // In all calls, in the last group alone, in none.
            for first in [0, 4, 5] {
                let unchanged = (0..first).map(call);
                let changed = (first..5).map(|number| with(number, change));
                let calls: Vec<Call> = unchanged.chain(changed).collect();
                assert_eq!(read(&calls).0, calls);
            }
        }
    }

    #[test]
    fn what_differs_behind_the_end_of_cut_statistics_is_read() {
        let calls: Vec<Call> = ["a", "b"]
            .iter()
            .enumerate()
            .map(|(number, end)| Call {
                authority: ["x".repeat(100).as_str(), end].concat().into(),
                ..call(number as u64)
            })
            .collect();
        let (read, constants) = read(&calls);
        assert!(!constants.knows("authority"));
        assert_eq!(read, calls);
    }

    #[test]
    fn one_value_or_none_is_known() {
        let calls: Vec<Call> = (0..5)
            .map(|number| Call {
                authority: Bytes::from_static(b"shop"),
                request_id: Bytes::from(format!("id-{number}")),
                trailers: vec![Header::default()],
                ..call(number)
            })
            .collect();
        let (_, constants) = read(&calls);
        assert!(
            constants
                .value("authority")
                .is_some_and(|value| value.len() == 1)
        );
        assert!(constants.knows("status_message") && constants.value("status_message").is_none());
        assert!(!constants.knows("request_id") && !constants.knows("record_number"));
        assert!(constants.is_empty_field("response_trailers.list.element.redacted"));
        assert!(constants.is_empty_field("request_messages.list.element.offset_ns"));
        assert!(!constants.is_empty_field("response_trailers.list.element.name"));
    }
}
