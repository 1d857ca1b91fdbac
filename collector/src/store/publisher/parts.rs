//! Calls of a segment, cut into parts; what became of each.
//!
//! A call that the Parquet encoder refuses costs itself only: it is set aside, and the part written
//! without it.

use std::collections::HashMap;

use bytes::Bytes;
use twintap_record::PRODUCER_ID_LEN;
use uuid::Uuid;

use super::{PublishError, Publisher, chain};
use crate::call::{Call, CallId};
use crate::store::hex::hex;
use crate::store::parquet::{
    Published, StartWindow, WriteError, WriteSettings, unfit_calls, write_part,
};
use crate::store::quarantine::{self, SetAside};

/// A part is closed when its calls weigh this much, see [`Call::weight`]. Part of the format: a segment
/// must be cut into the same parts whenever it is published.
const PART_WEIGHT_MAX: usize = 256 << 20;

/// Calls on their way into Parquet files.
pub(super) struct Parts<'a> {
    publisher: &'a Publisher,
    segment: Uuid,
    open: Vec<Call>,
    /// The records that the open calls were made of.
    encoded: Vec<Bytes>,
    /// First and last moment at which the open calls were received.
    received: Option<(u64, u64)>,
    weight: usize,
    /// Parts written.
    pub(super) count: u32,
    /// Calls in them.
    pub(super) calls: u64,
    /// Those that are filed elsewhere than under the hour of their start.
    pub(super) refiled: u64,
}

impl<'a> Parts<'a> {
    pub(super) fn new(publisher: &'a Publisher, segment: Uuid) -> Self {
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

    pub(super) fn push(
        &mut self,
        call: Call,
        encoded: Bytes,
        received_unix_ns: u64,
        tally: &mut Tally,
    ) -> Result<(), PublishError> {
        self.weight += call.weight(encoded.len());
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

    pub(super) fn close(&mut self, tally: &mut Tally) -> Result<(), PublishError> {
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
        self.publisher.metrics.parts_published(
            published.paths.len(),
            published.bytes,
            published.refiled_rows,
        );
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
                let mut unfit = unfit.into_iter().peekable();
                let mut records = encoded.iter().enumerate();
                calls.retain(|call| {
                    let Some((index, bytes)) = records.next() else {
                        return true;
                    };
                    let is_unfit = unfit.next_if_eq(&index).is_some();
                    if is_unfit {
                        tally.set_aside(call.id, reason.clone(), bytes);
                    }
                    !is_unfit
                });
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
pub(super) struct Tally {
    /// Records published and set aside, by producer.
    pub(super) outcomes: HashMap<[u8; PRODUCER_ID_LEN], (u64, u64)>,
    /// Those set aside, as far as they are kept.
    pub(super) set_aside: Vec<SetAside>,
}

impl Tally {
    /// Records published and set aside of the producer of `id`.
    fn outcome(&mut self, id: CallId) -> &mut (u64, u64) {
        self.outcomes.entry(id.producer_id).or_default()
    }

    pub(super) fn set_aside(&mut self, id: CallId, reason: String, encoded: &[u8]) {
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
