//! Writes calls as one part: one file per UTC hour in which calls started.

use std::path::{Path, PathBuf};

use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use uuid::Uuid;

use super::WriteError;
use super::arrays::record_batch;
use super::columns::Row;
use super::layout::part_path;
use super::order::{Place, places};
use super::publish::Unpublished;
use super::{properties, schema};
use crate::call::Call;

/// How a part is encoded.
#[derive(Clone, Debug)]
pub struct WriteSettings {
    /// zstd level, 1 to 22. Default 1.
    pub zstd_level: i32,
    /// Rows in a row group at most. Default 65 536.
    pub row_group_rows_max: usize,
    /// Encoded bytes in a row group, about, at most. Default 64 MiB.
    pub row_group_bytes_max: usize,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self {
            zstd_level: 1,
            row_group_rows_max: 65_536,
            row_group_bytes_max: 64 * 1024 * 1024,
        }
    }
}

/// What a part became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// The files, one per hour.
    pub paths: Vec<PathBuf>,
    /// Rows in all of them.
    pub rows: u64,
    /// Bytes in all of them.
    pub bytes: u64,
}

/// Rows turned into Arrow arrays at a time: few enough to stay in the processor's cache.
const BATCH_ROWS_MAX: usize = 512;

/// Message bytes turned into Arrow arrays at a time, unless one call has more.
const BATCH_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Writes `calls` below `dataset_root` (the data directory) and makes them durable before it
/// returns. Writing the same `part_id` again replaces the files; equal calls give equal bytes.
pub fn write_part(
    calls: Vec<Call>,
    dataset_root: &Path,
    part_id: Uuid,
    settings: &WriteSettings,
) -> Result<Published, WriteError> {
    let places = places(&calls);
    let mut published = Published::default();
    for places in places.chunk_by(|a, b| a.hour == b.hour) {
        let Some(first) = places.first() else {
            continue;
        };
        let path = part_path(dataset_root, first.hour, part_id);
        let (path, bytes) = write_file(&calls, places, dataset_root, path, settings)?;
        published.paths.push(path);
        published.rows += places.len() as u64;
        published.bytes += bytes;
    }
    Ok(published)
}

fn write_file(
    calls: &[Call],
    places: &[Place],
    root: &Path,
    path: PathBuf,
    settings: &WriteSettings,
) -> Result<(PathBuf, u64), WriteError> {
    let (unpublished, file) = Unpublished::create(root, path)?;
    let encode = || -> Result<std::fs::File, ParquetError> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties::calls(settings, places.len())?)
            // Everything Arrow needs is in the Parquet schema.
            .with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(file, schema::calls(), options)?;
        for batch in (Batches { calls, places }) {
            writer.write(&record_batch(&batch)?)?;
        }
        writer.into_inner()
    };
    let encoded = encode();
    let file = encoded.map_err(|source| WriteError::Encode {
        path: unpublished.path().to_owned(),
        source,
    })?;
    unpublished.publish(&file)
}

/// Cuts the rows into batches that are small enough.
struct Batches<'a> {
    calls: &'a [Call],
    places: &'a [Place],
}

impl<'a> Iterator for Batches<'a> {
    type Item = Vec<Row<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Vec::with_capacity(self.places.len().min(BATCH_ROWS_MAX));
        let mut bytes = 0;
        while let Some((place, rest)) = self.places.split_first() {
            self.places = rest;
            let Some(call) = place.call(self.calls) else {
                continue;
            };
            bytes += captured_bytes(call);
            batch.push(Row {
                call,
                bucket: place.bucket,
            });
            if batch.len() == BATCH_ROWS_MAX || bytes > BATCH_BYTES_MAX {
                break;
            }
        }
        (!batch.is_empty()).then_some(batch)
    }
}

fn captured_bytes(call: &Call) -> usize {
    let messages = call.request.messages.iter().chain(&call.response.messages);
    messages.map(|message| message.bytes.len()).sum()
}
