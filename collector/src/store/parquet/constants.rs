//! Columns that say the same in all rows of a file, by its statistics: they are not read.
//!
//! A file comes of a few recorders, so about half of its columns hold one value or none, and what a column
//! costs to read hardly depends on what is in it. Only what statistics say exactly is believed; where they say
//! less, the column is read.

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
    /// Fields of lists, as indices of leaves, that are NULL or false in all of their elements.
    fields: Vec<usize>,
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

    /// Is the field of lists that is leaf `index` NULL or false wherever there is one?
    pub(super) fn is_empty_field(&self, index: usize) -> bool {
        self.fields.contains(&index)
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

/// The fields of lists that hold nothing.
fn empty_fields(file: &ParquetMetaData) -> Vec<usize> {
    let leaves = file.file_metadata().schema_descr().columns().iter();
    let of_lists = leaves
        .enumerate()
        .filter(|(_, leaf)| leaf.max_rep_level() > 0);
    let is_empty = |leaf: usize| {
        let mut groups = file.row_groups().iter();
        groups.all(|group| group.columns().get(leaf).is_some_and(is_empty))
    };
    of_lists
        .map(|(index, _)| index)
        .filter(|index| is_empty(*index))
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
    let nulls = statistics.null_count_opt();
    is_false || nulls.is_some_and(|nulls| i64::try_from(nulls) == Ok(chunk.num_values()))
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
    let are_exact = all(statistics.row_group_is_min_value_exact(groups())?.iter())
        && all(statistics.row_group_is_max_value_exact(groups())?.iter());
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
    use parquet::arrow::arrow_reader::ArrowReaderOptions;
    use uuid::Uuid;

    use super::*;
    use crate::call::{Call, Header, Message, Status};
    use crate::store::parquet::{Dataset, Projection, WriteSettings, write_part};

    /// `calls` in a file with row groups of two.
    struct Written {
        dataset: Dataset,
        metadata: ArrowReaderMetadata,
        _root: tempfile::TempDir,
    }

    impl Written {
        fn new(calls: &[Call]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let settings = WriteSettings {
                row_group_rows_max: 2,
                ..WriteSettings::default()
            };
            write_part(calls, root.path(), Uuid::nil(), &settings).unwrap();
            let dataset = Dataset::open(root.path()).unwrap();
            let path = dataset.paths().next().map(Path::to_owned).unwrap();
            let file = std::fs::File::open(path).unwrap();
            Self {
                dataset,
                metadata: ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).unwrap(),
                _root: root,
            }
        }

        fn constants(&self) -> Constants {
            Constants::of(&self.metadata).unwrap()
        }

        /// What is read, with or without what is known of the file.
        fn read(&mut self, knows: bool, projection: Projection) -> Vec<Call> {
            for part in &mut self.dataset.parts {
                part.keeps_layout = knows;
            }
            let read = self.dataset.calls_in_buckets(0..256, projection);
            let mut read: Vec<Call> = read.map(|call| *call.unwrap()).collect();
            read.sort_by_key(|call| call.id);
            read
        }

        /// Is nothing read of this column or field of a list?
        fn is_known(&self, path: &str) -> bool {
            let schema = self.metadata.metadata().file_metadata().schema_descr();
            let mut leaves = schema.columns().iter();
            let leaf = leaves
                .position(|leaf| leaf.path().string() == path)
                .unwrap();
            let constants = self.constants();
            constants.knows(path) || constants.is_empty_field(leaf)
        }
    }

    fn call(number: u64) -> Call {
        let mut call = Call::default();
        call.id.record_number = number;
        call
    }

    #[test]
    fn calls_are_the_same_whether_columns_are_read_or_known() {
        type Change = fn(&mut Call);
        let changes: [(&str, bool, Change); 7] = [
            ("authority", true, |call| {
                call.authority = Bytes::from_static(b"shop:443")
            }),
            ("status_code", true, |call| call.status = Some(Status(5))),
            ("trace_id", true, |call| call.trace_id = Some([9; 16])),
            ("producer_id", true, |call| call.id.producer_id = [7; 16]),
            ("gap", true, |call| call.gap = true),
            ("response_trailers.list.element.redacted", false, |call| {
                call.trailers.push(Header {
                    redacted: true,
                    ..Header::default()
                });
            }),
            ("request_messages.list.element.offset_ns", false, |call| {
                call.request.messages.push(Message {
                    offset_ns: Some(7),
                    compressed: true,
                    ..Message::default()
                });
            }),
        ];
        for (path, is_known_if_all, change) in changes {
            // Changed are all calls, one of five, none.
            for (first, is_known) in [(0, is_known_if_all), (4, false), (5, true)] {
                let mut calls: Vec<Call> = (0..5).map(call).collect();
                calls.iter_mut().skip(first).for_each(change);
                let mut written = Written::new(&calls);
                assert_eq!(written.is_known(path), is_known, "{path} from {first}");
                calls.sort_by_key(|call| call.id);
                for knows in [true, false] {
                    assert_eq!(written.read(knows, Projection::Everything), calls);
                }
                let known = written.read(true, Projection::WithoutPayload);
                assert_eq!(known, written.read(false, Projection::WithoutPayload));
                assert_eq!(known.len(), 5);
            }
        }
    }

    #[test]
    fn what_differs_behind_the_end_of_cut_statistics_is_read() {
        let ends = ["a", "b"].iter().enumerate();
        let calls: Vec<Call> = ends
            .map(|(number, end)| Call {
                authority: ["x".repeat(100).as_str(), end].concat().into(),
                ..call(number as u64)
            })
            .collect();
        let mut written = Written::new(&calls);
        assert!(!written.is_known("authority"));
        assert_eq!(written.read(true, Projection::Everything), calls);
    }

    #[test]
    fn records_of_a_file_are_never_known_without_reading() {
        let mut written = Written::new(&[call(1)]);
        assert!(!written.is_known("record_number"));
        assert_eq!(written.read(true, Projection::WithoutPayload), [call(1)]);
        assert!(
            written
                .constants()
                .value("role")
                .is_some_and(|value| value.len() == 1)
        );
        assert!(written.constants().value("status_message").is_none());
    }
}
