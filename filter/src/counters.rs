//! Exact accounting: `observed = in_flight + recorded + dropped + skipped`, at every moment.
//!
//! The only way to count is to call what happened; each method moves one stream from one place to
//! another, so the identity holds by construction.

use crate::wire::{Encoder, nested_len, uint_len};

/// Why a stream was never meant to be recorded; numbers of `record.proto`'s `Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Skipped {
    /// Not chosen by the sampling rate.
    NotSampled = 1,
    /// Method excluded or not included.
    MethodExcluded = 2,
    /// Content-type is not `application/grpc*`.
    NotGrpc = 3,
    /// Carries the replay mark.
    Replay = 4,
    /// Only the pair id is stamped here.
    StampOnly = 5,
}

/// Why a call was lost before it got a number; numbers of `record.proto`'s `Reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Dropped {
    /// Every batch buffer was full.
    BufferFull = 6,
    /// No memory left for another stream.
    StreamMemory = 7,
    /// The record was larger than a batch.
    RecordTooLarge = 8,
    /// The host refused the request headers.
    HostError = 9,
}

const SKIPPED: [u8; 5] = [1, 2, 3, 4, 5];
const DROPPED: [u8; 4] = [6, 7, 8, 9];

/// Counters of one producer, since it was configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    observed: u64,
    recorded: u64,
    in_flight: u64,
    dropped: [u64; DROPPED.len()],
    skipped: [u64; SKIPPED.len()],
    /// Numbered records that the collector refused for good: 4xx other than 401, 403, 408 and 429.
    pub refused: u64,
    /// Batches sent again.
    pub batches_retried: u64,
    /// Host calls with an unexpected status.
    pub host_errors: u64,
    /// Numbered records that the collector acknowledged.
    pub acknowledged: u64,
    /// Batches the collector acknowledged. Host metric only.
    pub batches_sent: u64,
    /// Attempts to send that failed. Host metric only.
    pub batches_failed: u64,
    /// Numbered records that a root gave up when it ended. Host metric only: the root can tell nobody else.
    pub given_up: u64,
}

impl Counters {
    /// Nothing counted; all zero.
    pub const ZERO: Self = Self {
        observed: 0,
        recorded: 0,
        in_flight: 0,
        dropped: [0; DROPPED.len()],
        skipped: [0; SKIPPED.len()],
        refused: 0,
        batches_retried: 0,
        host_errors: 0,
        acknowledged: 0,
        batches_sent: 0,
        batches_failed: 0,
        given_up: 0,
    };

    /// A stream came that is not recorded.
    pub fn skip(&mut self, reason: Skipped) {
        increment(&mut self.observed);
        if let Some(count) = self
            .skipped
            .get_mut(usize::from(reason as u8).wrapping_sub(1))
        {
            increment(count);
        }
    }

    /// A stream came of which nothing can be kept.
    pub fn drop_at_once(&mut self, reason: Dropped) {
        self.begin();
        self.drop_call(reason);
    }

    /// A stream came that is to be recorded.
    pub fn begin(&mut self) {
        increment(&mut self.observed);
        increment(&mut self.in_flight);
    }

    /// A call in flight got its record number.
    pub fn record(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
        increment(&mut self.recorded);
    }

    /// A call in flight is lost.
    pub fn drop_call(&mut self, reason: Dropped) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(count) = self
            .dropped
            .get_mut(usize::from(reason as u8).wrapping_sub(6))
        {
            increment(count);
        }
    }

    /// A host call answered with an unexpected status.
    pub fn host_error(&mut self) {
        increment(&mut self.host_errors);
    }

    /// Streams that reached the filter.
    pub fn observed(&self) -> u64 {
        self.observed
    }

    /// Calls with a number.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Streams seen and not ended.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Calls lost before they got a number, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.dropped
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Streams not meant to be recorded, for whatever reason.
    pub fn skipped(&self) -> u64 {
        self.skipped
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Would the collector learn the same from both? What it acknowledged it knows.
    pub fn tells_the_same_as(&self, other: &Self) -> bool {
        let told = |counters: &Self| Self {
            acknowledged: 0,
            batches_sent: 0,
            batches_failed: 0,
            given_up: 0,
            ..*counters
        };
        told(self) == told(other)
    }

    /// Bytes of the encoded `Counters` message.
    pub fn encoded_len(&self) -> usize {
        let mut len = 0_usize;
        for (field, value) in self.plain() {
            len = len.saturating_add(uint_len(field, value));
        }
        for (field, reason, count) in self.reasons() {
            len = len.saturating_add(nested_len(field, reason_len(reason, count)));
        }
        len
    }

    /// Encodes the `Counters` message.
    pub fn encode(&self, encoder: &mut Encoder<'_>) {
        for (field, value) in self.plain() {
            encoder.uint(field, value);
        }
        for (field, reason, count) in self.reasons() {
            encoder.nested(field, reason_len(reason, count));
            encoder.uint(1, u64::from(reason));
            encoder.uint(2, count);
        }
    }

    fn plain(&self) -> [(u32, u64); 7] {
        [
            (1, self.observed),
            (2, self.recorded),
            (3, self.in_flight),
            (6, self.refused),
            (7, self.batches_retried),
            (8, self.host_errors),
            (9, self.acknowledged),
        ]
    }

    /// Field, reason and count of every reason that occurred.
    fn reasons(&self) -> impl Iterator<Item = (u32, u8, u64)> {
        let dropped = DROPPED
            .iter()
            .zip(&self.dropped)
            .map(|(reason, count)| (4, *reason, *count));
        let skipped = SKIPPED
            .iter()
            .zip(&self.skipped)
            .map(|(reason, count)| (5, *reason, *count));
        dropped.chain(skipped).filter(|(_, _, count)| *count > 0)
    }
}

fn reason_len(reason: u8, count: u64) -> usize {
    uint_len(1, u64::from(reason)).saturating_add(uint_len(2, count))
}

fn increment(count: &mut u64) {
    *count = count.saturating_add(1);
}
