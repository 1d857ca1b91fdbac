//! Sealed segments to Parquet: read, decode, write, and only then let the segment go.
//!
//! What a segment becomes is a function of its bytes alone: the same parts with the same names. So
//! a crash anywhere in here is repaired by doing it again. A record that cannot be decoded, or that
//! the Parquet encoder refuses, is set aside ([`super::quarantine`]) and counted. A failure to write
//! is tried again, with growing pauses, for as long as it takes: the segment is durable, and the
//! journal's limit holds back the rest. So is a segment that cannot be read, after all others; one whose file is gone
//! is done with.
//!
//! Memory: one segment and the calls of one part, see [`parts`].

mod parts;
mod unreadable;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tracing::{error, info, warn};
use twintap_record::{PRODUCER_ID_LEN, Record};

use super::journal::frame::{BatchMeta, Frames, Kind, Outcome, PublishedMeta};
use super::journal::intervals::Intervals;
use super::journal::recovery::read_segment_into;
use super::journal::segment::SegmentId;
use super::journal::{self, Journal, SealedSegments};
use super::parquet::{WriteError, WriteSettings};
use super::quarantine;
use crate::call::{CallId, Recorder, from_record};
use crate::metrics::Metrics;
use parts::{Parts, Tally};
use twintap_decode::envelope;
use unreadable::Unreadable;

/// Pause after the first failure; doubles with each.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Headers of one record at most, several times as many as a filter records. In memory the emptiest one is
/// thirty times as large as on the wire.
const RECORD_HEADERS_MAX: usize = 16_384;

/// Turns sealed segments into Parquet.
#[derive(Debug)]
pub struct Publisher {
    data_dir: PathBuf,
    settings: WriteSettings,
    metrics: Arc<Metrics>,
}

/// Why a segment could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The segment cannot be read.
    #[error(transparent)]
    Segment(#[from] super::journal::recovery::RecoveryError),
    /// The dataset cannot be written.
    #[error(transparent)]
    Parquet(#[from] WriteError),
    /// What was set aside cannot be written.
    #[error("failed to write quarantine: {0}")]
    Quarantine(#[from] std::io::Error),
}

/// How publishing a segment went.
enum Attempt {
    Published(PublishedMeta),
    Unreadable {
        is_absent: bool,
    },
    /// There is no time left.
    Stopped,
}

impl Publisher {
    /// Publishes into `data_dir`.
    pub fn new(data_dir: &Path, settings: WriteSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            settings,
            metrics,
        }
    }

    /// Publishes what `sealed` hands out until it is closed and empty, and tells `journal`. Blocks:
    /// needs a thread of its own. `pause` waits, or returns false to stop.
    pub fn run(
        &self,
        sealed: &SealedSegments,
        journal: &Journal,
        pause: impl Fn(Duration) -> bool,
    ) {
        let mut buffer = Vec::new();
        let mut unreadable = Unreadable::default();
        while let Some(segment) = unreadable.others_first(sealed, &pause) {
            let published = match self.attempt(segment, &mut buffer, &pause) {
                Attempt::Published(meta) => {
                    unreadable.published(segment);
                    Some(meta)
                }
                Attempt::Unreadable { is_absent } => {
                    let is_gone = unreadable.is_gone(segment, is_absent);
                    is_gone.then(|| nothing_of(segment))
                }
                Attempt::Stopped => return,
            };
            match published.map(|meta| journal.published(meta)) {
                Some(Ok(())) => {}
                Some(Err(_)) => return,
                None => sealed.put_behind(segment),
            }
            if !sealed.is_any_waiting() {
                // Who knows when the next comes.
                buffer = Vec::new();
            }
        }
    }

    /// Tries until `segment` is in Parquet, or cannot be read: no other is better off with a disk that cannot be written.
    fn attempt(
        &self,
        segment: SegmentId,
        buffer: &mut Vec<u8>,
        pause: impl Fn(Duration) -> bool,
    ) -> Attempt {
        let mut delay = RETRY_PAUSE_MIN;
        loop {
            let error = match self.publish(segment, buffer) {
                Ok(meta) => return Attempt::Published(meta),
                Err(error) => error,
            };
            self.metrics.publish_failed();
            if let PublishError::Segment(error) = error {
                error!(
                    error = %chain(&error), segment = %segment.id,
                    "failed to read a segment, it stays in the journal, others are published before it is tried again"
                );
                return Attempt::Unreadable {
                    is_absent: error.is_absence(),
                };
            }
            error!(
                error = %chain(&error), segment = %segment.id, retry_ms = delay.as_millis(),
                "failed to publish, the segment stays in the journal"
            );
            if !pause(delay) {
                return Attempt::Stopped;
            }
            delay = (delay * 2).min(RETRY_PAUSE_MAX);
        }
    }

    /// Publishes one segment, which is read into `buffer`.
    pub fn publish(
        &self,
        segment: SegmentId,
        buffer: &mut Vec<u8>,
    ) -> Result<PublishedMeta, PublishError> {
        let directory = journal::directory(&self.data_dir);
        let bytes = read_segment_into(std::mem::take(buffer), &directory, segment)?;
        let mut frames = Frames::new(segment.id, bytes.clone());
        let mut parts = Parts::new(self, segment.id);
        let mut tally = Tally::default();
        for frame in frames.by_ref().filter(|frame| frame.kind == Kind::Batch) {
            let Ok(meta) = BatchMeta::decode(frame.meta) else {
                continue;
            };
            let Ok(producer_id) = meta.producer_id.as_ref().try_into() else {
                continue;
            };
            decode_batch(&meta, producer_id, &frame.body, &mut parts, &mut tally)?;
        }
        parts.close(&mut tally)?;
        quarantine::write(&self.data_dir, segment.id, &tally.set_aside)?;
        // It is complete: what is behind the last frame that can be read was frames, too.
        let damaged_stretches = frames.damaged_stretches() + u64::from(frames.is_cut());
        drop(frames);
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.clear();
            *buffer = bytes.into();
        }
        if damaged_stretches > 0 {
            error!(segment = %segment.id, damaged_stretches, "segment is damaged, records are lost");
        }
        if parts.refiled > 0 {
            warn!(
                segment = %segment.id, records = parts.refiled,
                "calls started long before or after they were received, filed by the time of receipt"
            );
        }
        let quarantined: u64 = tally.outcomes.values().map(|counts| counts.1).sum();
        if quarantined > 0 {
            warn!(segment = %segment.id, records = quarantined, "set records aside");
        }
        self.metrics
            .segment_published(parts.calls, quarantined, damaged_stretches);
        info!(segment = %segment.id, records = parts.calls, parts = parts.count, "published");
        let outcomes = tally
            .outcomes
            .into_iter()
            .map(|(id, (published, quarantined))| Outcome {
                producer_id: Bytes::copy_from_slice(&id),
                published,
                quarantined,
            });
        Ok(PublishedMeta {
            segment_sequence: segment.sequence,
            outcomes: outcomes.collect(),
            damaged_stretches,
            is_gone: false,
        })
    }
}

/// What became of a segment whose file is gone; the journal knows whether there were records in it.
fn nothing_of(segment: SegmentId) -> PublishedMeta {
    error!(segment = %segment.id, "the file of a segment is gone, it is not tried again");
    PublishedMeta {
        segment_sequence: segment.sequence,
        is_gone: true,
        ..PublishedMeta::default()
    }
}

fn decode_batch(
    meta: &BatchMeta,
    producer_id: [u8; PRODUCER_ID_LEN],
    body: &Bytes,
    parts: &mut Parts<'_>,
    tally: &mut Tally,
) -> Result<(), PublishError> {
    let accepted = Intervals::from_bounds(&meta.accepted);
    if accepted.is_empty() {
        return Ok(());
    }
    // It was read once before it was acknowledged, and its checksum was right.
    let (producer, records) = envelope::split(body).unwrap_or_default();
    let recorder = Recorder::new(producer_id, &producer);
    let whole = accepted.count() == u64::from(meta.records_count);
    for (number, bytes) in (meta.first_record_number..).zip(records) {
        if !whole && !accepted.missing(number..number + 1).is_empty() {
            continue;
        }
        match decode_record(number, bytes.clone()) {
            Ok(record) => {
                let call = from_record(&recorder, record);
                parts.push(call, bytes, meta.received_unix_ns, tally)?;
            }
            Err(reason) => {
                let id = CallId {
                    producer_id,
                    record_number: number,
                };
                tally.set_aside(id, reason, &bytes);
            }
        }
    }
    Ok(())
}

fn decode_record(number: u64, bytes: Bytes) -> Result<Record, String> {
    let headers = envelope::headers_count(&bytes);
    if headers > RECORD_HEADERS_MAX {
        return Err(format!(
            "record has {headers} headers, more than {RECORD_HEADERS_MAX}"
        ));
    }
    let record = Record::decode(bytes).map_err(|error| error.to_string())?;
    if record.number == number {
        return Ok(record);
    }
    Err(format!(
        "record says its number is {}, its place says {number}",
        record.number
    ))
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
