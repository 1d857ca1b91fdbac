//! A table of plain rows: columns by name and function, written in batches to one file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, TimestampMicrosecondArray};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use uuid::Uuid;

use super::abandoned;
use crate::store::parquet::arrays::{ids, text};
use crate::store::parquet::layout::run_path;
use crate::store::parquet::publish::Unpublished;
use crate::store::parquet::schema::{timestamp, with_id};
use crate::store::parquet::{Published, WriteError, properties};

/// Rows turned into Arrow arrays at a time.
const BATCH_ROWS: usize = 4096;

/// Rows in a row group at most.
const ROW_GROUP_ROWS: usize = 128 * 1024;

/// Encoded bytes in a row group at most, about.
const ROW_GROUP_BYTES: usize = 64 * 1024 * 1024;

const ZSTD_LEVEL: i32 = 3;

/// One column of a table of `R`.
pub(in super::super) struct Column<R: 'static> {
    /// Parquet field id, for ever; 1 is `run_id`.
    pub(in super::super) id: i32,
    pub(in super::super) name: &'static str,
    pub(in super::super) values: Values<R>,
    /// What it holds, for people.
    pub(in super::super) meaning: &'static str,
}

/// Type of a column, and the function that takes its value from a row. Integers are nullable.
pub(in super::super) enum Values<R> {
    Bool(fn(&R) -> bool),
    Int32(fn(&R) -> Option<u32>),
    Int64(fn(&R) -> Option<u64>),
    /// From nanoseconds since the Unix epoch.
    TimestampNs(fn(&R) -> Option<u64>),
    Text(fn(&R) -> &str),
    OptionalText(fn(&R) -> Option<&str>),
    Id(fn(&R) -> Option<[u8; 16]>),
}

pub(super) const fn column<R>(
    id: i32,
    name: &'static str,
    values: Values<R>,
    meaning: &'static str,
) -> Column<R> {
    Column {
        id,
        name,
        values,
        meaning,
    }
}

impl<R> Column<R> {
    pub(in super::super) fn field(&self) -> Field {
        let (data_type, nullable) = match self.values {
            Values::Bool(_) => (DataType::Boolean, false),
            Values::Int32(_) => (DataType::Int32, true),
            Values::Int64(_) => (DataType::Int64, true),
            Values::TimestampNs(_) => (timestamp(), true),
            Values::Text(_) => (DataType::Utf8, false),
            Values::OptionalText(_) => (DataType::Utf8, true),
            Values::Id(_) => (DataType::FixedSizeBinary(16), true),
        };
        with_id(self.id, self.name, data_type, nullable)
    }

    fn array(&self, rows: &[R]) -> Result<ArrayRef, ArrowError> {
        let rows = || rows.iter();
        Ok(match self.values {
            Values::Bool(of) => Arc::new(rows().map(|row| Some(of(row))).collect::<BooleanArray>()),
            Values::Int32(of) => {
                Arc::new(PrimitiveArray::<Int32Type>::from_iter(rows().map(|row| {
                    of(row).map(|value| i32::try_from(value).unwrap_or(i32::MAX))
                })))
            }
            Values::Int64(of) => Arc::new(PrimitiveArray::<Int64Type>::from_iter(
                rows().map(|row| of(row).map(saturate)),
            )),
            Values::TimestampNs(of) => {
                let us = rows().map(|row| of(row).map(|ns| saturate(ns / 1000)));
                Arc::new(TimestampMicrosecondArray::from_iter(us).with_timezone("UTC"))
            }
            Values::Text(of) => text(rows().map(|row| Some(of(row).as_bytes())))?,
            Values::OptionalText(of) => text(rows().map(|row| of(row).map(str::as_bytes)))?,
            Values::Id(of) => ids(rows().map(of))?,
        })
    }
}

/// A table that is being written.
pub(super) struct Table<R: 'static> {
    columns: &'static [Column<R>],
    run: String,
    schema: SchemaRef,
    unpublished: Unpublished,
    writer: ArrowWriter<File>,
    rows: Vec<R>,
    rows_count: u64,
}

impl<R> std::fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table")
            .field("file", &self.unpublished)
            .finish_non_exhaustive()
    }
}

impl<R> Table<R> {
    pub(super) fn create(
        root: &Path,
        dataset: &str,
        run: Uuid,
        columns: &'static [Column<R>],
    ) -> Result<Self, WriteError> {
        let schema = schema(columns);
        let (unpublished, file) = Unpublished::create(root, run_path(root, dataset, run))?;
        abandoned::claim(&file);
        // What is left of others costs room, and no comparison.
        abandoned::sweep(unpublished.path(), &file).ok();
        let writer = open(file, &schema);
        let writer = writer.map_err(|source| WriteError::Encode {
            path: unpublished.path().to_owned(),
            source,
        })?;
        let rows = Vec::with_capacity(BATCH_ROWS);
        Ok(Self {
            columns,
            run: run.to_string(),
            schema,
            unpublished,
            writer,
            rows,
            rows_count: 0,
        })
    }

    pub(super) fn push(&mut self, row: R) -> Result<(), WriteError> {
        self.rows.push(row);
        if self.rows.len() < BATCH_ROWS {
            Ok(())
        } else {
            self.flush()
        }
    }

    pub(super) fn finish(mut self) -> Result<Published, WriteError> {
        self.flush()?;
        let file = self
            .writer
            .into_inner()
            .map_err(|source| WriteError::Encode {
                path: self.unpublished.path().to_owned(),
                source,
            })?;
        let (path, bytes) = self.unpublished.publish(&file)?;
        Ok(Published {
            refiled_rows: 0,
            paths: vec![path],
            rows: self.rows_count,
            bytes,
        })
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        let written = self.record_batch().map_err(ParquetError::from);
        written
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|source| WriteError::Encode {
                path: self.unpublished.path().to_owned(),
                source,
            })?;
        self.rows_count += self.rows.len() as u64;
        self.rows.clear();
        Ok(())
    }

    fn record_batch(&self) -> Result<RecordBatch, ArrowError> {
        let run = std::iter::repeat_n(Some(self.run.as_bytes()), self.rows.len());
        let mut arrays = vec![text(run)?];
        for column in self.columns {
            arrays.push(column.array(&self.rows)?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}

/// `run_id`, then `columns`.
fn schema<R>(columns: &[Column<R>]) -> SchemaRef {
    let fields = std::iter::once(run_id()).chain(columns.iter().map(Column::field));
    Arc::new(Schema::new(fields.collect::<Fields>()))
}

/// The first column of every table of a run.
pub(in super::super) fn run_id() -> Field {
    with_id(1, "run_id", DataType::Utf8, false)
}

fn open(file: File, schema: &SchemaRef) -> Result<ArrowWriter<File>, ParquetError> {
    let properties = properties::common(ZSTD_LEVEL)?
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    ArrowWriter::try_new_with_options(file, Arc::clone(schema), options)
}

fn saturate(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
