//! The writing end: calls into parts of the dataset, or lines as they come.
//!
//! A part is written when it is full or its oldest call has waited for [`PART_AGE_MAX`], so that a
//! live capture does not keep calls in memory.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use uuid::Uuid;

use super::{IngestError, Product};
use crate::call::{Call, Header};
use crate::clock::Clock;
use crate::store::parquet::{WriteError, WriteSettings, write_part};

/// A part is written when its calls weigh this much.
const PART_BYTES_MAX: usize = 24 << 20;
/// Or when its oldest call has waited for so long.
const PART_AGE_MAX: Duration = Duration::from_secs(5);

/// Where calls go.
pub enum Output {
    /// Into the dataset of a data directory.
    Parquet {
        /// The data directory.
        data_dir: PathBuf,
        /// How Parquet is written.
        settings: WriteSettings,
    },
    /// One line of JSON each.
    Lines(Box<dyn Write + Send>),
    /// Nowhere: they are only counted.
    Nowhere,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Parquet { .. } => "Parquet",
            Self::Lines(_) => "Lines",
            Self::Nowhere => "Nowhere",
        })
    }
}

impl Output {
    /// Writes until all workers are done.
    pub(super) fn write(
        self,
        products: &Receiver<Product>,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), IngestError> {
        match self {
            // Nothing comes; this waits for the end.
            Self::Nowhere => products.iter().for_each(drop),
            Self::Lines(mut out) => {
                for product in products {
                    if let Product::Lines(lines) = product {
                        out.write_all(&lines)?;
                        out.flush()?;
                    }
                }
            }
            Self::Parquet { data_dir, settings } => {
                write_parts(&data_dir, &settings, products, clock)?;
            }
        }
        Ok(())
    }
}

fn write_parts(
    data_dir: &Path,
    settings: &WriteSettings,
    products: &Receiver<Product>,
    clock: &Arc<dyn Clock>,
) -> Result<(), WriteError> {
    let (mut open, mut bytes, mut due) = (Vec::new(), 0, Duration::MAX);
    loop {
        let now = clock.monotonic();
        let is_over = match products.recv_timeout(due.saturating_sub(now).min(PART_AGE_MAX)) {
            Ok(Product::Calls(calls, weight)) => {
                if open.is_empty() {
                    due = clock.monotonic() + PART_AGE_MAX;
                }
                bytes += weight;
                open.extend(calls);
                false
            }
            Ok(Product::Lines(_)) | Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let is_due = is_over || bytes >= PART_BYTES_MAX || clock.monotonic() >= due;
        if is_due && !open.is_empty() {
            (bytes, due) = (0, Duration::MAX);
            write_part(
                std::mem::take(&mut open),
                data_dir,
                Uuid::now_v7(),
                settings,
            )?;
        }
        if is_over {
            return Ok(());
        }
    }
}

/// Bytes of metadata and messages.
pub(super) fn bytes_count(call: &Call) -> usize {
    let blocks = [
        &call.request_metadata,
        &call.response_metadata,
        &call.trailers,
    ];
    let header = |header: &Header| header.name.len() + header.value.len();
    let headers: usize = blocks.into_iter().flatten().map(header).sum();
    let messages = call.request.messages.iter().chain(&call.response.messages);
    headers + messages.map(|message| message.bytes.len()).sum::<usize>()
}
