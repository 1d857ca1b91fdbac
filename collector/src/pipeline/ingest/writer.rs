//! The writing end: calls into parts of the dataset, or lines as they come.
//!
//! A part is written when [`Rotation`] says so, which bounds the memory that calls take and the time until
//! they can be seen.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::{IngestError, Product};
use crate::clock::Clock;
use crate::store::parquet::{WriteError, WriteSettings, run_part, write_part};

/// When a part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// When its calls weigh so many bytes in memory. Default 16 MiB.
    pub bytes_max: usize,
    /// Or when its oldest call has waited for so long. Default 5 s.
    pub age_max: Duration,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 20,
            age_max: Duration::from_secs(5),
        }
    }
}

/// Into the dataset of a data directory.
pub struct ParquetOutput {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whose files these are.
    pub producer_id: [u8; 16],
    /// How Parquet is written.
    pub settings: WriteSettings,
    /// When.
    pub rotation: Rotation,
    /// Told how many calls are in the dataset, after each part.
    pub on_published: Box<dyn FnMut(u64) + Send>,
}

/// Where calls go.
pub enum Output {
    /// Into the dataset.
    Parquet(ParquetOutput),
    /// One line of JSON each.
    Lines(Box<dyn Write + Send>),
    /// Nowhere: they are only counted.
    Nowhere,
}

impl std::fmt::Debug for ParquetOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetOutput")
            .field("data_dir", &self.data_dir)
            .field("rotation", &self.rotation)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Parquet(output) => output.fmt(f),
            Self::Lines(_) => f.write_str("Lines"),
            Self::Nowhere => f.write_str("Nowhere"),
        }
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
            Self::Parquet(output) => write_parts(output, products, clock)?,
        }
        Ok(())
    }
}

fn write_parts(
    mut output: ParquetOutput,
    products: &Receiver<Product>,
    clock: &Arc<dyn Clock>,
) -> Result<(), WriteError> {
    let Rotation { bytes_max, age_max } = output.rotation;
    let (mut open, mut bytes, mut due) = (Vec::new(), 0, Duration::MAX);
    let (mut published, mut number) = (0, 0_u32);
    loop {
        let now = clock.monotonic();
        let is_over = match products.recv_timeout(due.saturating_sub(now).min(age_max)) {
            Ok(Product::Calls(calls, weight)) => {
                if open.is_empty() {
                    due = clock.monotonic().saturating_add(age_max);
                }
                bytes += weight;
                open.extend(calls);
                false
            }
            Ok(Product::Lines(_)) | Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        let is_due = is_over || bytes >= bytes_max || clock.monotonic() >= due;
        if is_due && !open.is_empty() {
            (bytes, due) = (0, Duration::MAX);
            published += open.len() as u64;
            write_part(
                std::mem::take(&mut open),
                &output.data_dir,
                run_part(output.producer_id, number),
                &output.settings,
            )?;
            number = number.wrapping_add(1);
            (output.on_published)(published);
        }
        if is_over {
            return Ok(());
        }
    }
}
