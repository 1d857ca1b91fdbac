//! One file of `calls`, checked to be one: footer, schema version, columns.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::Schema;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions,
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::bucket_rows::{BucketRows, Picked, buckets_of};
use super::columns::{COLUMNS, FIRST_COLUMNS_LAST_ID, Values};
use super::constants::Constants;
use super::contain::contain;
use super::shards::Shards;
use super::{Projection, ReadError, SCHEMA_VERSION, properties, schema};

/// Decoded bytes of a batch of rows, about.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Rows of a batch at most.
const BATCH_ROWS_MAX: u64 = 1024;

/// Columns that no call is made of.
const FOLLOW_FROM_OTHERS: [&str; 2] = ["pair_bucket", "status_name"];

/// Fields of a header.
const METADATA_FIELDS: [&str; 3] = ["name", "value", "redacted"];

/// Fields of a message that a call is made of.
const MESSAGE_FIELDS: [&str; 4] = ["offset_ns", "compressed", "declared_bytes", "bytes"];

/// A file of the dataset.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) rows: u64,
    /// On disk.
    pub(super) bytes: u64,
    /// Once decompressed and decoded, about.
    pub(super) decoded_bytes: u64,
    /// Is what was looked up once kept? It is asked for in each pass.
    pub(super) keeps_layout: bool,
    layout: OnceLock<Layout>,
}

/// Where in a file what is.
#[derive(Clone, Debug)]
struct Layout {
    /// The footer, and where pages are.
    metadata: ArrowReaderMetadata,
    /// None, where it would have to be looked up anew in each pass.
    constants: Arc<Constants>,
    /// `None` there too, and where rows are in no order.
    bucket_rows: Option<Arc<BucketRows>>,
}

/// Rows on their way out of a file.
pub(super) struct PartRows {
    pub(super) batches: ParquetRecordBatchReader,
    /// Of columns that are not read.
    pub(super) constants: Arc<Constants>,
}

impl Part {
    /// Reads the footer of `path` and refuses what this code would misread.
    pub(super) fn open(path: PathBuf) -> Result<Self, ReadError> {
        let (file, metadata) = load(&path, PageIndexPolicy::Skip)?;
        let bytes = file.metadata().map_err(io_error("stat", &path))?.len();
        check_version(&path, metadata.metadata())?;
        check_columns(&path, metadata.schema())?;
        let groups = metadata.metadata().row_groups();
        let sum = |of: fn(&RowGroupMetaData) -> i64| -> u64 {
            let counts = groups
                .iter()
                .map(|group| u64::try_from(of(group)).unwrap_or(0));
            counts.fold(0, u64::saturating_add)
        };
        let rows = sum(RowGroupMetaData::num_rows);
        let decoded_bytes = sum(RowGroupMetaData::total_byte_size);
        Ok(Self {
            path,
            rows,
            bytes,
            decoded_bytes,
            keeps_layout: false,
            layout: OnceLock::new(),
        })
    }

    /// The file, and where in it what is. Two threads that come first may both look it up.
    fn load(&self) -> Result<(File, Layout), ReadError> {
        if let Some(layout) = self.layout.get() {
            let file = File::open(&self.path).map_err(io_error("open", &self.path))?;
            return Ok((file, layout.clone()));
        }
        let (file, metadata) = load(&self.path, PageIndexPolicy::Optional)?;
        if !self.keeps_layout {
            let layout = Layout {
                metadata,
                constants: Arc::default(),
                bucket_rows: None,
            };
            return Ok((file, layout));
        }
        let again = file.try_clone().map_err(io_error("open", &self.path))?;
        let layout = contain(&self.path, || {
            Ok::<_, ParquetError>(Layout {
                constants: Arc::new(Constants::of(&metadata)?),
                bucket_rows: BucketRows::find(again, metadata.clone())?.map(Arc::new),
                metadata,
            })
        })?;
        Ok((file, self.layout.get_or_init(|| layout).clone()))
    }

    /// Rows whose bucket is in `buckets`, and of these perhaps only some shards; columns that are known to say the
    /// same in all rows are not read.
    pub(super) fn read(
        &self,
        buckets: &Range<u16>,
        shards: Option<&Shards>,
        projection: Projection,
    ) -> Result<PartRows, ReadError> {
        let (file, layout) = self.load()?;
        let Layout {
            metadata,
            constants,
            bucket_rows,
        } = layout;
        let batches = contain(&self.path, || {
            let file_metadata = Arc::clone(metadata.metadata());
            let groups = file_metadata.row_groups();
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
            let schema = builder.parquet_schema();
            let mask = columns_of(projection, schema, &constants);
            let mut wanted: Vec<Box<dyn ArrowPredicate>> = Vec::new();
            if bucket_rows.is_none() {
                wanted.push(is_in(buckets, schema));
            }
            wanted.extend(shards.map(|shards| shards.predicate(schema)));
            let builder = match bucket_rows {
                Some(rows) => {
                    let Picked { groups, rows } = rows.pick(buckets, rows_of(groups));
                    builder.with_row_groups(groups).with_row_selection(rows)
                }
                None => builder.with_row_groups(that_may_hold(buckets, groups)),
            };
            let builder = builder
                .with_projection(mask)
                .with_row_filter(RowFilter::new(wanted))
                .with_batch_size(self.batch_rows());
            builder.build()
        })?;
        Ok(PartRows { batches, constants })
    }

    /// All rows, with all columns.
    pub(super) fn read_whole(&self) -> Result<ParquetRecordBatchReader, ReadError> {
        let (file, metadata) = load(&self.path, PageIndexPolicy::Optional)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let builder = builder.with_batch_size(self.batch_rows());
        contain(&self.path, || builder.build())
    }

    /// Rows of a batch.
    fn batch_rows(&self) -> usize {
        let row_bytes = (self.decoded_bytes / self.rows.max(1)).max(1);
        let batch_rows = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS_MAX);
        usize::try_from(batch_rows).unwrap_or(1)
    }
}

fn rows_of(groups: &[RowGroupMetaData]) -> impl Iterator<Item = usize> {
    let rows = groups.iter().map(RowGroupMetaData::num_rows);
    rows.map(|rows| usize::try_from(rows).unwrap_or(0))
}

pub(super) fn load(
    path: &Path,
    index: PageIndexPolicy,
) -> Result<(File, ArrowReaderMetadata), ReadError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    // The writer's Arrow schema, if any, is not asked: the Parquet schema says everything.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    // Where pages are; what is in them is asked of no index.
    let options = options.with_offset_index_policy(index);
    let metadata = contain(path, || ArrowReaderMetadata::load(&file, options))?;
    Ok((file, metadata))
}

fn check_version(path: &Path, metadata: &ParquetMetaData) -> Result<(), ReadError> {
    let entries = metadata.file_metadata().key_value_metadata();
    let version = entries
        .and_then(|entries| {
            entries
                .iter()
                .find(|entry| entry.key == properties::SCHEMA_VERSION_KEY)
        })
        .and_then(|entry| entry.value.as_deref());
    // A minor version may follow: columns were added, which this code leaves alone.
    let major = version.map(|version| version.split('.').next().unwrap_or_default().parse::<u32>());
    match major {
        Some(Ok(found)) if found > SCHEMA_VERSION => Err(ReadError::NewerSchema {
            path: path.to_owned(),
            found,
            supported: SCHEMA_VERSION,
        }),
        Some(Ok(SCHEMA_VERSION)) => Ok(()),
        _ => Err(foreign(
            path,
            format!(
                "no usable {} in its metadata",
                properties::SCHEMA_VERSION_KEY
            ),
        )),
    }
}

fn check_columns(path: &Path, found: &Schema) -> Result<(), ReadError> {
    let schema = schema::calls();
    for (column, expected) in COLUMNS.iter().zip(schema.fields()) {
        let name = expected.name();
        let field = match found.field_with_name(name) {
            Ok(field) => field,
            Err(_) if column.id > FIRST_COLUMNS_LAST_ID => continue,
            Err(_) => return Err(foreign(path, format!("column {name} is missing"))),
        };
        if !field.data_type().equals_datatype(expected.data_type()) {
            let (found, expected) = (field.data_type(), expected.data_type());
            return Err(foreign(
                path,
                format!("column {name} is {found}, expected {expected}"),
            ));
        }
    }
    Ok(())
}

fn foreign(path: &Path, reason: String) -> ReadError {
    ReadError::Foreign {
        path: path.to_owned(),
        reason,
    }
}

/// Which rows are in one of `buckets`, where only the rows can say it.
fn is_in(buckets: &Range<u16>, schema: &SchemaDescriptor) -> Box<dyn ArrowPredicate> {
    let column = ProjectionMask::columns(schema, ["pair_bucket"]);
    let wanted = i32::from(buckets.start)..i32::from(buckets.end);
    Box::new(ArrowPredicateFn::new(column, move |batch: RecordBatch| {
        let are_wanted = buckets_of(&batch)?
            .iter()
            .map(|bucket| wanted.contains(bucket));
        Ok(BooleanArray::from(are_wanted.collect::<Vec<bool>>()))
    }))
}

/// The row groups that could hold one of `buckets`, as far as their statistics say.
fn that_may_hold(buckets: &Range<u16>, groups: &[RowGroupMetaData]) -> Vec<usize> {
    let may_hold = |group: &RowGroupMetaData| {
        let mut columns = group.columns().iter();
        let bucket = columns.find(|column| column.column_path().string() == "pair_bucket");
        let Some(Statistics::Int32(statistics)) = bucket.and_then(|column| column.statistics())
        else {
            return true;
        };
        let (Some(min), Some(max)) = (statistics.min_opt(), statistics.max_opt()) else {
            return true;
        };
        *min < i32::from(buckets.end) && i32::from(buckets.start) <= *max
    };
    let groups = groups.iter().enumerate();
    let groups = groups.filter(|(_, group)| may_hold(group));
    groups.map(|(index, _)| index).collect()
}

/// What a call is made of, without what is known. By name of column and field: what lists call their elements
/// differs between writers.
pub(super) fn columns_of(
    projection: Projection,
    schema: &SchemaDescriptor,
    constants: &Constants,
) -> ProjectionMask {
    let is_field = |index, field: &str, of: &[&str]| {
        projection == Projection::Everything
            && of.contains(&field)
            && !constants.is_empty_field(index)
    };
    let is_read = |index: usize, leaf: &ColumnDescriptor| {
        let parts = leaf.path().parts();
        let (Some(name), field) = (parts.first(), leaf.name()) else {
            return false;
        };
        let Some(column) = COLUMNS.iter().find(|column| column.name == name) else {
            return false;
        };
        match column.values {
            Values::Metadata(_) => is_field(index, field, &METADATA_FIELDS),
            Values::Messages(_) => is_field(index, field, &MESSAGE_FIELDS),
            // The exact metadata holds all they do.
            Values::MetadataMap { .. } => false,
            _ => !constants.knows(column.name) && !FOLLOW_FROM_OTHERS.contains(&column.name),
        }
    };
    let leaves = schema.columns().iter().enumerate();
    let read = leaves.filter(|(index, leaf)| is_read(*index, leaf));
    ProjectionMask::leaves(schema, read.map(|(index, _)| index))
}

/// Makes a [`ReadError`] of the system's answer.
pub(super) fn io_error<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(std::io::Error) -> ReadError + 'a {
    move |source| ReadError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::{Array, ArrayRef, ListArray};
    use arrow_schema::{DataType, Field};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use uuid::Uuid;

    use super::*;
    use crate::call::{Call, Header, Message};
    use crate::store::parquet::{Dataset, WriteSettings, write_part};

    /// `array` with elements of another name, if it is of lists.
    fn renamed(array: &ArrayRef) -> ArrayRef {
        let Some(lists) = array.as_list_opt::<i32>() else {
            return Arc::clone(array);
        };
        let element = Field::new("item", lists.value_type(), false);
        let (_, offsets, values, nulls) = lists.clone().into_parts();
        Arc::new(ListArray::new(Arc::new(element), offsets, values, nulls))
    }

    #[test]
    fn elements_of_lists_may_have_any_name() {
        let root = tempfile::tempdir().unwrap();
        let header = Header {
            name: Bytes::from_static(b"x-shop"),
            value: Bytes::from_static(b"berlin"),
            redacted: true,
        };
        let message = Message {
            bytes: Bytes::from_static(b"cart"),
            ..Message::default()
        };
        let mut call = Call {
            request_metadata: vec![header],
            ..Call::default()
        };
        call.response.messages.push(message);
        let settings = WriteSettings::default();
        let written = write_part([call.clone()], root.path(), Uuid::nil(), &settings).unwrap();
        let path = &written.paths[0];
        let rows = Part::open(path.clone()).unwrap().read_whole().unwrap();
        let batches: Vec<RecordBatch> = rows.map(Result::unwrap).collect();
        let columns = batches[0].columns().iter().map(renamed);
        let schema = batches[0].schema();
        let columns = schema
            .fields()
            .iter()
            .map(|field| field.name())
            .zip(columns);
        let other = RecordBatch::try_from_iter(columns).unwrap();
        let lists = other.columns().iter().filter(|column| {
            matches!(column.data_type(), DataType::List(element) if element.name() == "item")
        });
        assert_eq!(lists.count(), 5);
        let properties = properties::calls(&settings, 1).unwrap();
        let file = File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, other.schema(), Some(properties)).unwrap();
        writer.write(&other).unwrap();
        writer.close().unwrap();
        let dataset = Dataset::open(root.path()).unwrap();
        let read = dataset.calls_in_buckets(0..256, Projection::Everything);
        let read: Vec<Call> = read.map(|call| *call.unwrap()).collect();
        assert_eq!(read, [call]);
    }
}
