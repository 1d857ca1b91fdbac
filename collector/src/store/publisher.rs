//! Sealed segments to Parquet: read, decode, write, and only then let the segment go.
//!
//! What a segment becomes is a function of its bytes alone: the same parts with the same names. So
//! a crash anywhere in here is repaired by doing it again. A record that cannot be decoded, or that
//! the Parquet encoder refuses, is set aside ([`super::quarantine`]) and counted. A failure to write
//! is tried again, with growing pauses, for as long as it takes: the segment is durable, and the
//! journal's limit holds back the rest.
//!
//! Memory: one segment and the calls of one part, see [`PART_WEIGHT_MAX`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tracing::{error, info, warn};
use twintap_record::{PRODUCER_ID_LEN, Record};
use uuid::Uuid;

use super::hex::hex;
use super::journal::frame::{BatchMeta, Frames, Kind, Outcome, PublishedMeta};
use super::journal::intervals::Intervals;
use super::journal::recovery::read_segment;
use super::journal::segment::SegmentId;
use super::journal::{self, Journal, SealedSegments};
use super::parquet::{Published, StartWindow, WriteError, WriteSettings, unfit_calls, write_part};
use super::quarantine::{self, SetAside};
use crate::call::{Call, CallId, Recorder, from_record};
use crate::metrics::Metrics;
use twintap_decode::envelope;

/// A part is closed when its calls weigh this much, see [`weight`]. Part of the format: a segment
/// must be cut into the same parts whenever it is published.
const PART_WEIGHT_MAX: usize = 256 << 20;
/// Pause after the first failure; doubles with each.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause between two attempts.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);

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
    #[error("write quarantine: {0}")]
    Quarantine(#[from] std::io::Error),
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
    /// needs a thread of its own. `pause` waits, or returns false to give up.
    pub fn run(
        &self,
        sealed: &SealedSegments,
        journal: &Journal,
        pause: impl Fn(Duration) -> bool,
    ) {
        while let Some(segment) = sealed.next() {
            let mut delay = RETRY_PAUSE_MIN;
            let meta = loop {
                match self.publish(segment) {
                    Ok(meta) => break meta,
                    Err(error) => {
                        self.metrics.publish_failed();
                        error!(
                            error = %chain(&error), segment = %segment.id, retry_ms = delay.as_millis(),
                            "failed to publish, the segment stays in the journal"
                        );
                    }
                }
                if !pause(delay) {
                    return;
                }
                delay = (delay * 2).min(RETRY_PAUSE_MAX);
            };
            if journal.published(meta).is_err() {
                return;
            }
        }
    }

    /// Publishes one segment.
    pub fn publish(&self, segment: SegmentId) -> Result<PublishedMeta, PublishError> {
        let bytes = read_segment(&journal::directory(&self.data_dir), segment)?;
        let mut frames = Frames::new(segment.id, bytes);
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
        let damaged_stretches = frames.damaged_stretches();
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
        })
    }
}

/// Calls on their way into Parquet files.
struct Parts<'a> {
    publisher: &'a Publisher,
    segment: Uuid,
    open: Vec<Call>,
    /// The records that the open calls were made of.
    encoded: Vec<Bytes>,
    /// First and last moment at which the open calls were received.
    received: Option<(u64, u64)>,
    weight: usize,
    count: u32,
    calls: u64,
    refiled: u64,
}

impl<'a> Parts<'a> {
    fn new(publisher: &'a Publisher, segment: Uuid) -> Self {
        Self {
            publisher,
            segment,
            open: Vec::new(),
            encoded: Vec::new(),
            received: None,
            weight: 0,
            count: 0,
            calls: 0,
            refiled: 0,
        }
    }

    fn push(
        &mut self,
        call: Call,
        encoded: Bytes,
        received_unix_ns: u64,
        tally: &mut Tally,
    ) -> Result<(), PublishError> {
        self.weight += weight(&call, encoded.len());
        self.open.push(call);
        self.encoded.push(encoded);
        let (first, last) = self
            .received
            .unwrap_or((received_unix_ns, received_unix_ns));
        self.received = Some((first.min(received_unix_ns), last.max(received_unix_ns)));
        if self.weight >= PART_WEIGHT_MAX {
            self.close(tally)
        } else {
            Ok(())
        }
    }

    fn close(&mut self, tally: &mut Tally) -> Result<(), PublishError> {
        let calls = std::mem::take(&mut self.open);
        let encoded = std::mem::take(&mut self.encoded);
        let received = self.received.take();
        self.weight = 0;
        if calls.is_empty() {
            return Ok(());
        }
        let id = part_id(self.segment, self.count);
        self.count += 1;
        let settings = WriteSettings {
            start_window: received.map(|(first, last)| StartWindow::of_received(first, last)),
            ..self.publisher.settings.clone()
        };
        let published = self.write(calls, &encoded, id, &settings, tally)?;
        self.calls += published.rows;
        self.refiled += published.refiled_rows;
        self.publisher.metrics.parts_published(&published);
        Ok(())
    }

    /// Writes a part of `calls`, without those that the encoder refuses.
    fn write(
        &self,
        mut calls: Vec<Call>,
        encoded: &[Bytes],
        id: Uuid,
        settings: &WriteSettings,
        tally: &mut Tally,
    ) -> Result<Published, PublishError> {
        let root = &self.publisher.data_dir;
        let mut written = write_part(&calls, root, id, settings);
        if let Err(error @ WriteError::Encode { .. }) = &written {
            let unfit = unfit_calls(&calls, settings);
            if !unfit.is_empty() {
                let reason = chain(error);
                for index in unfit.iter().rev() {
                    let id = calls.remove(*index).id;
                    let bytes = encoded.get(*index).map_or(&[][..], |bytes| bytes);
                    tally.set_aside(id, reason.clone(), bytes);
                }
                written = write_part(&calls, root, id, settings);
            }
        }
        let published = written?;
        for calls in calls.chunk_by(|a, b| a.id.producer_id == b.id.producer_id) {
            if let Some(call) = calls.first() {
                tally.outcome(call.id).0 += calls.len() as u64;
            }
        }
        Ok(published)
    }
}

/// Names the parts of a segment: the first as the segment, so that a part tells where it is from.
fn part_id(segment: Uuid, index: u32) -> Uuid {
    Uuid::from_u128(segment.as_u128() ^ u128::from(index))
}

/// What became of the records of a segment.
#[derive(Default)]
struct Tally {
    outcomes: HashMap<[u8; PRODUCER_ID_LEN], (u64, u64)>,
    set_aside: Vec<SetAside>,
}

impl Tally {
    /// Records published and set aside of the producer of `id`.
    fn outcome(&mut self, id: CallId) -> &mut (u64, u64) {
        self.outcomes.entry(id.producer_id).or_default()
    }

    fn set_aside(&mut self, id: CallId, reason: String, encoded: &[u8]) {
        self.outcome(id).1 += 1;
        if self.set_aside.len() >= quarantine::SEGMENT_RECORDS_MAX {
            return;
        }
        let kept = encoded.get(..quarantine::RECORD_BYTES_MAX);
        self.set_aside.push(SetAside {
            producer_id: hex(&id.producer_id),
            record_number: id.record_number,
            reason,
            bytes: hex(kept.unwrap_or(encoded)),
        });
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
    let record = Record::decode(bytes).map_err(|error| error.to_string())?;
    if record.number == number {
        return Ok(record);
    }
    Err(format!(
        "record says its number is {}, its place says {number}",
        record.number
    ))
}

/// What a call takes in memory, near enough: its bytes, itself, and its lists.
fn weight(call: &Call, encoded_len: usize) -> usize {
    let headers = call.request_metadata.len() + call.response_metadata.len() + call.trailers.len();
    let messages = call.request.messages.len() + call.response.messages.len();
    size_of::<Call>() + encoded_len + 64 * (headers + messages)
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
