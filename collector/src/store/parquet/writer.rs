//! Writes calls as one part: one file per UTC hour in which calls started.
//!
//! What the encoder refuses it refuses for good: [`WriteError::Encode`] is about the calls, and
//! [`unfit_calls`] says about which.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::WriteError;
use super::checksum::Summed;
use super::columns::Row;
use super::encode::encode;
use super::layout::part_path;
use super::order::{Place, StartWindow, places};
use super::properties;
use super::publish::Unpublished;
use crate::call::Call;

/// How a part is encoded.
#[derive(Clone, Debug)]
pub struct WriteSettings {
    /// zstd level, 1 to 22. Default 1.
    pub zstd_level: i32,
    /// Rows in a row group at most. Default 65 536.
    pub row_group_rows_max: usize,
    /// A row group with so many bytes of metadata and messages is full. Default 64 MiB.
    pub row_group_bytes_max: usize,
    /// Bytes of metadata and messages in a row at most. Default 1 GiB: readers count in 32 bits.
    pub row_bytes_max: usize,
    /// Threads that encode columns, this one among them. Default 1; the files are the same.
    pub threads_count: usize,
    /// Which starts are believed. Default `None`: all are.
    pub start_window: Option<StartWindow>,
}

impl Default for WriteSettings {
    fn default() -> Self {
        Self {
            zstd_level: 1,
            row_group_rows_max: 65_536,
            row_group_bytes_max: 64 * 1024 * 1024,
            row_bytes_max: 1 << 30,
            threads_count: 1,
            start_window: None,
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
    /// Rows that are filed elsewhere than under the hour of their start, see [`StartWindow`].
    pub refiled_rows: u64,
}

/// Writes `calls` below `dataset_root` (the data directory) and makes them durable before it
/// returns. Writing the same `part_id` again replaces the files; equal calls give equal bytes.
pub fn write_part(
    calls: impl AsRef<[Call]>,
    dataset_root: &Path,
    part_id: Uuid,
    settings: &WriteSettings,
) -> Result<Published, WriteError> {
    let calls = calls.as_ref();
    let window = settings.start_window.as_ref();
    let is_refiled = |call: &&Call| window.is_some_and(|window| window.refiles(call));
    let mut published = Published {
        refiled_rows: calls.iter().filter(is_refiled).count() as u64,
        ..Published::default()
    };
    let places = places(calls, window);
    for places in places.chunk_by(|a, b| a.hour == b.hour) {
        let Some(first) = places.first() else {
            continue;
        };
        let path = part_path(dataset_root, first.hour, part_id);
        let (path, bytes) = write_file(calls, places, dataset_root, path, settings)?;
        published.paths.push(path);
        published.rows += places.len() as u64;
        published.bytes += bytes;
    }
    Ok(published)
}

/// The indices of those of `calls` that the encoder refuses, in ascending order. None, if it is the
/// settings that it refuses.
pub fn unfit_calls(calls: &[Call], settings: &WriteSettings) -> Vec<usize> {
    let mut unfit = Vec::new();
    if properties::calls(settings, 0).is_err() {
        return unfit;
    }
    let mut untried = vec![(0, calls.len())];
    while let Some((start, end)) = untried.pop() {
        let Some(some) = calls.get(start..end).filter(|some| !some.is_empty()) else {
            continue;
        };
        if encode(&rows(some, &places(some, None)), io::sink(), settings).is_ok() {
            continue;
        }
        if some.len() == 1 {
            unfit.push(start);
            continue;
        }
        let middle = start + some.len() / 2;
        untried.extend([(middle, end), (start, middle)]);
    }
    unfit
}

fn write_file(
    calls: &[Call],
    places: &[Place],
    root: &Path,
    path: PathBuf,
    settings: &WriteSettings,
) -> Result<(PathBuf, u64), WriteError> {
    let (unpublished, file) = Unpublished::create(root, path)?;
    let encoded = encode(&rows(calls, places), Summed::new(file), settings);
    let encoded = encoded.map_err(|error| WriteError::of_encoder(unpublished.path(), error))?;
    let (file, sum) = encoded.finish();
    unpublished.seal(&file, sum)?;
    unpublished.publish(&file)
}

/// The calls in the order of `places`.
fn rows<'a>(calls: &'a [Call], places: &[Place]) -> Vec<Row<'a>> {
    let row = |place: &Place| {
        Some(Row {
            call: place.call(calls)?,
            bucket: place.bucket,
        })
    };
    places.iter().filter_map(row).collect()
}
