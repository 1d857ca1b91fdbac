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
use parquet::schema::types::SchemaDescriptor;

use super::bucket_rows::{BucketRows, Picked, buckets_of};
use super::columns::{COLUMNS, Column, FIRST_COLUMNS_LAST_ID, Values};
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
    /// Is the footer kept once it was read whole? It is asked for in each pass.
    pub(super) keeps_footer: bool,
    footer: OnceLock<Footer>,
}

/// What is known of a file before a row is read.
#[derive(Clone, Debug)]
struct Footer {
    metadata: ArrowReaderMetadata,
    constants: Arc<Constants>,
    /// `None` where rows are in no order.
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
            groups
                .iter()
                .map(|group| u64::try_from(of(group)).unwrap_or(0))
                .sum()
        };
        let rows = sum(RowGroupMetaData::num_rows);
        let decoded_bytes = sum(RowGroupMetaData::total_byte_size);
        Ok(Self {
            path,
            rows,
            bytes,
            decoded_bytes,
            keeps_footer: false,
            footer: OnceLock::new(),
        })
    }

    /// The file, its footer, and where its pages and buckets are.
    fn load(&self) -> Result<(File, Footer), ReadError> {
        if let Some(footer) = self.footer.get() {
            let file = File::open(&self.path).map_err(io_error("open", &self.path))?;
            return Ok((file, footer.clone()));
        }
        let (file, metadata) = load(&self.path, PageIndexPolicy::Optional)?;
        let again = file.try_clone().map_err(io_error("open", &self.path))?;
        let footer = contain(&self.path, || {
            Ok::<_, ParquetError>(Footer {
                constants: Arc::new(Constants::of(&metadata)?),
                bucket_rows: BucketRows::find(again, metadata.clone())?.map(Arc::new),
                metadata,
            })
        })?;
        if self.keeps_footer {
            return Ok((file, self.footer.get_or_init(|| footer).clone()));
        }
        Ok((file, footer))
    }

    /// Rows whose bucket is in `buckets`, and of these perhaps only some shards; columns that say the same in
    /// all rows are not read.
    pub(super) fn read(
        &self,
        buckets: &Range<u16>,
        shards: Option<&Shards>,
        projection: Projection,
    ) -> Result<PartRows, ReadError> {
        let (file, footer) = self.load()?;
        let Footer {
            metadata,
            constants,
            bucket_rows,
        } = footer;
        let group_rows: Vec<usize> = rows_of_groups(&metadata).collect();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let schema = builder.parquet_schema();
        let mask = columns_of(projection, schema, &constants);
        let mut wanted: Vec<Box<dyn ArrowPredicate>> = Vec::new();
        let shards = shards.map(|shards| shards.predicate(schema));
        let builder = match bucket_rows {
            Some(rows) => {
                let Picked { groups, rows } = rows.pick(buckets, group_rows.into_iter());
                builder.with_row_groups(groups).with_row_selection(rows)
            }
            None => {
                wanted.push(is_in(buckets, schema));
                builder
            }
        };
        wanted.extend(shards);
        let builder = builder
            .with_projection(mask)
            .with_row_filter(RowFilter::new(wanted))
            .with_batch_size(self.batch_rows());
        let batches = contain(&self.path, || builder.build())?;
        Ok(PartRows { batches, constants })
    }

    /// All rows, with all columns that a call is made of.
    pub(super) fn read_whole(&self) -> Result<PartRows, ReadError> {
        let (file, metadata) = load(&self.path, PageIndexPolicy::Optional)?;
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let constants = Arc::new(Constants::default());
        let mask = columns_of(Projection::Everything, builder.parquet_schema(), &constants);
        let builder = builder
            .with_projection(mask)
            .with_batch_size(self.batch_rows());
        let batches = contain(&self.path, || builder.build())?;
        Ok(PartRows { batches, constants })
    }

    /// Rows of a batch.
    fn batch_rows(&self) -> usize {
        let row_bytes = (self.decoded_bytes / self.rows.max(1)).max(1);
        let batch_rows = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS_MAX);
        usize::try_from(batch_rows).unwrap_or(1)
    }
}

fn rows_of_groups(metadata: &ArrowReaderMetadata) -> impl Iterator<Item = usize> {
    let groups = metadata.metadata().row_groups().iter();
    groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(0))
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

/// What a call is made of, without what is known.
pub(super) fn columns_of(
    projection: Projection,
    schema: &SchemaDescriptor,
    constants: &Constants,
) -> ProjectionMask {
    let mut paths = Vec::new();
    for Column { name, values, .. } in COLUMNS {
        let fields: &[&str] = match values {
            Values::Metadata(_) => &METADATA_FIELDS,
            Values::Messages(_) => &MESSAGE_FIELDS,
            // The exact metadata holds all they do.
            Values::MetadataMap { .. } => continue,
            _ if constants.knows(name) || FOLLOW_FROM_OTHERS.contains(name) => continue,
            _ => {
                paths.push((*name).to_owned());
                continue;
            }
        };
        if projection == Projection::Everything {
            let fields = fields
                .iter()
                .map(|field| format!("{name}.list.element.{field}"));
            paths.extend(fields.filter(|path| !constants.is_empty_field(path)));
        }
    }
    ProjectionMask::columns(schema, paths.iter().map(String::as_str))
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
