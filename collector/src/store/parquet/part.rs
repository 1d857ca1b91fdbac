//! One file of `calls`, checked to be one: footer, schema version, columns.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions,
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::columns::{COLUMNS, FIRST_COLUMNS_LAST_ID, Values};
use super::contain::contain;
use super::shards::Shards;
use super::{Projection, ReadError, SCHEMA_VERSION, properties, schema};

/// Decoded bytes of a batch of rows, about.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

/// Rows of a batch at most.
const BATCH_ROWS_MAX: u64 = 1024;

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
    footer: OnceLock<ArrowReaderMetadata>,
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

    /// The file and its footer with the page index.
    fn load(&self) -> Result<(File, ArrowReaderMetadata), ReadError> {
        if let Some(footer) = self.footer.get() {
            let file = File::open(&self.path).map_err(io_error("open", &self.path))?;
            return Ok((file, footer.clone()));
        }
        let (file, footer) = load(&self.path, PageIndexPolicy::Optional)?;
        let footer = if self.keeps_footer {
            self.footer.get_or_init(|| footer).clone()
        } else {
            footer
        };
        Ok((file, footer))
    }

    /// Rows whose bucket is in `buckets`, and of these perhaps only some shards.
    pub(super) fn read(
        &self,
        buckets: &Range<u16>,
        shards: Option<&Shards>,
        projection: Projection,
    ) -> Result<ParquetRecordBatchReader, ReadError> {
        let (file, metadata) = self.load()?;
        let groups = metadata.metadata().row_groups().iter().enumerate();
        let groups: Vec<usize> = groups
            .filter(|(_, group)| may_hold(group, buckets))
            .map(|(index, _)| index)
            .collect();
        let row_bytes = (self.decoded_bytes / self.rows.max(1)).max(1);
        let batch_rows = (BATCH_BYTES / row_bytes).clamp(1, BATCH_ROWS_MAX);

        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
        let schema = builder.parquet_schema();
        let mask = ProjectionMask::columns(schema, columns_of(projection));
        let bucket_mask = ProjectionMask::columns(schema, ["pair_bucket"]);
        let buckets = i32::from(buckets.start)..i32::from(buckets.end);
        let is_wanted = move |batch: RecordBatch| is_in(&batch, &buckets);
        let mut wanted: Vec<Box<dyn ArrowPredicate>> =
            vec![Box::new(ArrowPredicateFn::new(bucket_mask, is_wanted))];
        wanted.extend(shards.map(|shards| shards.predicate(schema)));
        let builder = builder
            .with_projection(mask)
            .with_row_groups(groups)
            .with_row_filter(RowFilter::new(wanted))
            .with_batch_size(usize::try_from(batch_rows).unwrap_or(1));
        contain(&self.path, || builder.build())
    }
}

pub(super) fn load(
    path: &Path,
    index: PageIndexPolicy,
) -> Result<(File, ArrowReaderMetadata), ReadError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    // The writer's Arrow schema, if any, is not asked: the Parquet schema says everything.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let options = options.with_page_index_policy(index);
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

/// Could `group` hold one of `buckets`, as far as its statistics say?
fn may_hold(group: &RowGroupMetaData, buckets: &Range<u16>) -> bool {
    let bucket = group
        .columns()
        .iter()
        .find(|column| column.column_path().string() == "pair_bucket");
    let Some(Statistics::Int32(statistics)) = bucket.and_then(|column| column.statistics()) else {
        return true;
    };
    let (Some(min), Some(max)) = (statistics.min_opt(), statistics.max_opt()) else {
        return true;
    };
    *min < i32::from(buckets.end) && i32::from(buckets.start) <= *max
}

fn is_in(batch: &RecordBatch, buckets: &Range<i32>) -> Result<BooleanArray, ArrowError> {
    let column = batch
        .column_by_name("pair_bucket")
        .map(|column| column.as_primitive_opt::<Int32Type>());
    let Some(Some(column)) = column else {
        return Err(ArrowError::SchemaError(format!(
            "pair_bucket is no {}",
            DataType::Int32
        )));
    };
    Ok(BooleanArray::from_unary(column, |bucket| {
        buckets.contains(&bucket)
    }))
}

/// Never the maps: the exact metadata holds all they do.
pub(super) fn columns_of(projection: Projection) -> impl Iterator<Item = &'static str> {
    let columns = COLUMNS.iter().filter(move |column| match column.values {
        Values::MetadataMap { .. } => false,
        Values::Metadata(_) | Values::Messages(_) => projection == Projection::Everything,
        _ => true,
    });
    columns.map(|column| column.name)
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
