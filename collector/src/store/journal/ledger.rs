//! What the journal knows of every producer: which records it has, and what the producer counted.
//!
//! What was sent and published changes by frames only ([`Ledger::batch`], [`Ledger::published`]), in their order, so
//! replaying a journal gives the ledger that was lost. The rest is in the next segment's snapshot: who was forgotten,
//! what was sealed, removed and lost. It decides what is new (exactly-once) and holds the figures of the accounting file.
//!
//! Bounds: [`PRODUCERS_MAX_DEFAULT`] producers, of which one that is silent is forgotten when its records are in
//! Parquet; what is kept of each is bounded too ([`super::producer`]).

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use twintap_record::{Counters, PRODUCER_ID_LEN};

use super::frame::{BatchMeta, PublishedMeta};
use super::held::{Held, SealedSegment};
use super::intervals::Intervals;
use super::producer::{Entry, Outstanding, ProducerState};

/// Producers kept, unless configured.
pub const PRODUCERS_MAX_DEFAULT: usize = 10_000;
/// A full table makes room by forgetting a producer that has been silent for at least this long.
pub const EVICTION_IDLE_MIN: Duration = Duration::from_secs(600);

/// Id of a producer.
pub type ProducerId = [u8; PRODUCER_ID_LEN];

/// How long and how many producers are remembered.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Producers kept.
    pub producers_max: usize,
    /// A producer silent for this long, while somebody listened, is forgotten.
    pub producer_expiry: Duration,
    /// A number that has not come this long after a later counter told of it is undelivered.
    pub undelivered_grace: Duration,
}

/// Meta of a snapshot frame.
#[derive(Clone, PartialEq, Message)]
pub struct LedgerSnapshot {
    /// The producers.
    #[prost(message, repeated, tag = "1")]
    pub producers: Vec<ProducerState>,
    /// Sum of the producers that were forgotten.
    #[prost(message, optional, tag = "2")]
    pub forgotten: Option<ProducerState>,
    /// How many were forgotten.
    #[prost(uint64, tag = "3")]
    pub forgotten_count: u64,
    /// Their undelivered records.
    #[prost(uint64, tag = "4")]
    pub forgotten_undelivered: u64,
    /// Sequences of published segments whose files may still be there.
    #[prost(uint64, repeated, tag = "5")]
    pub published_segments: Vec<u64>,
    /// Damaged stretches found in segments so far.
    #[prost(uint64, tag = "6")]
    pub damaged_stretches: u64,
    /// Their records that were made before they were heard of, and went elsewhere.
    #[prost(uint64, tag = "7")]
    pub forgotten_recorded_before: u64,
    /// Segments that were sealed before this one was begun, and not published.
    #[prost(message, repeated, tag = "8")]
    pub sealed_segments: Vec<SealedSegment>,
}

/// The table is full of producers that were active lately, or whose records are not in Parquet yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// Everything the journal knows.
#[derive(Debug)]
pub struct Ledger {
    limits: LedgerLimits,
    producers: HashMap<ProducerId, Entry>,
    forgotten: ProducerState,
    forgotten_count: u64,
    forgotten_outstanding: Outstanding,
    published_segments: BTreeSet<u64>,
    held: Held,
    damaged_stretches: u64,
    stored: u64,
    published: u64,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(limits: LedgerLimits) -> Self {
        Self {
            limits,
            producers: HashMap::new(),
            forgotten: ProducerState::default(),
            forgotten_count: 0,
            forgotten_outstanding: Outstanding::default(),
            published_segments: BTreeSet::new(),
            held: Held::default(),
            damaged_stretches: 0,
            stored: 0,
            published: 0,
        }
    }

    /// Makes room for a batch of `producer`, if it is a new one. As for [`Ledger::expire`], only time in which
    /// the others would have been heard counts.
    pub fn admit(&mut self, producer: &ProducerId, now_unix_ns: u64) -> Result<(), TableFull> {
        if self.producers.contains_key(producer) {
            return Ok(());
        }
        if self.producers.len() >= self.limits.producers_max {
            let idle = self
                .producers
                .iter()
                .filter(|(_, entry)| entry.silent_for >= EVICTION_IDLE_MIN);
            // What was lost in the journal will never be published; it must not keep others out for ever.
            let may_be_lost = self.damaged_stretches > 0;
            let idlest = idle
                .filter(|(_, entry)| may_be_lost || entry.state.unpublished() == 0)
                .max_by_key(|(_, entry)| (entry.state.unpublished() == 0, entry.silent_for))
                .map(|(id, _)| *id);
            match idlest {
                Some(id) => self.forget(&id, now_unix_ns),
                None => return Err(TableFull),
            }
        }
        Ok(())
    }

    /// The numbers of `range` that `producer` has not sent before.
    pub fn new_numbers(&self, producer: &ProducerId, range: Range<u64>) -> Vec<Range<u64>> {
        match self.producers.get(producer) {
            Some(entry) => entry.seen.missing(range),
            None if range.is_empty() => Vec::new(),
            None => vec![range],
        }
    }

    /// Is it not known any more which of the numbers of `range` were stored?
    pub fn is_given_up(&self, producer: &ProducerId, range: Range<u64>) -> bool {
        let entry = self.producers.get(producer);
        entry.is_some_and(|entry| entry.is_given_up(range))
    }

    /// A batch was journaled.
    pub fn batch(&mut self, meta: &BatchMeta) {
        let Ok(id) = ProducerId::try_from(meta.producer_id.as_ref()) else {
            return;
        };
        let entry = self.producers.entry(id).or_default();
        let before = entry.state.stored();
        entry.observe(meta, self.limits.undelivered_grace);
        let new = entry.state.stored().saturating_sub(before);
        self.stored = self.stored.saturating_add(new);
    }

    /// All records of a segment are in Parquet or set aside, or gone with its file.
    pub fn published(&mut self, meta: &PublishedMeta) {
        if !meta.is_gone && !self.published_segments.insert(meta.segment_sequence) {
            return;
        }
        self.held.forget(meta.segment_sequence);
        self.damaged_stretches = self
            .damaged_stretches
            .saturating_add(meta.damaged_stretches);
        for outcome in &meta.outcomes {
            let known = ProducerId::try_from(outcome.producer_id.as_ref())
                .ok()
                .and_then(|id| self.producers.get_mut(&id));
            let (published, quarantined) = (outcome.published, outcome.quarantined);
            match known {
                // Of one that was forgotten and heard again, the rest is of before.
                Some(Entry { state, .. }) => {
                    let rest = state.credit(published, quarantined);
                    let excess = self.forgotten.credit(rest.0, rest.1);
                    state.came_to_be(excess.0, excess.1);
                }
                None => self.forgotten.came_to_be(published, quarantined),
            }
            self.published = self.published.saturating_add(outcome.published);
            self.stored = self.stored.saturating_sub(outcome.quarantined);
        }
    }

    /// A segment with so many records is complete.
    pub fn sealed(&mut self, sequence: u64, records: u64) {
        self.held.sealed(sequence, records);
    }

    /// What the sealed segments should hold.
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// The records of a segment are lost with its file.
    pub fn lost(&mut self, sequence: u64) {
        self.held.forget(sequence);
        self.damaged_stretches = self.damaged_stretches.saturating_add(1);
    }

    /// Was this segment published?
    pub fn is_published(&self, sequence: u64) -> bool {
        self.published_segments.contains(&sequence)
    }

    /// The file of a published segment is gone.
    pub fn removed(&mut self, sequence: u64) {
        self.published_segments.remove(&sequence);
    }

    /// The files of all published segments are gone.
    pub fn all_removed(&mut self) {
        self.published_segments.clear();
    }

    /// Time passes, `elapsed` since the last time: forgets producers that have been silent for too long. Returns how
    /// many.
    ///
    /// Only time in which they would have been heard counts: after a day of downtime, or a clock that is set,
    /// they still send what they sent before. Nor is one forgotten whose records are not in Parquet yet: heard again, it
    /// would be credited with them.
    pub fn expire(&mut self, elapsed: Duration, now_unix_ns: u64) -> usize {
        let expiry = self.limits.producer_expiry;
        let mut expired: Vec<ProducerId> = Vec::new();
        for (id, entry) in &mut self.producers {
            entry.silent_for = entry.silent_for.saturating_add(elapsed);
            entry.look_at_clock(now_unix_ns);
            if entry.silent_for >= expiry && entry.state.unpublished() == 0 {
                expired.push(*id);
            }
        }
        for id in &expired {
            self.forget(id, now_unix_ns);
        }
        expired.len()
    }

    fn forget(&mut self, id: &ProducerId, now_unix_ns: u64) {
        let Some(entry) = self.producers.remove(id) else {
            return;
        };
        let outstanding = entry.outstanding(now_unix_ns, self.limits.undelivered_grace);
        let sum = &mut self.forgotten_outstanding;
        sum.recorded_before = sum
            .recorded_before
            .saturating_add(outstanding.recorded_before);
        // What is pending will never be heard of.
        sum.undelivered = sum
            .undelivered
            .saturating_add(outstanding.undelivered)
            .saturating_add(outstanding.pending);
        self.forgotten_count = self.forgotten_count.saturating_add(1);
        let (sum, state) = (&mut self.forgotten, entry.state);
        sum.batches = sum.batches.saturating_add(state.batches);
        sum.received = sum.received.saturating_add(state.received);
        sum.duplicates = sum.duplicates.saturating_add(state.duplicates);
        sum.quarantined = sum.quarantined.saturating_add(state.quarantined);
        sum.published = sum.published.saturating_add(state.published);
        if let Some(counters) = &state.counters {
            add_counters(sum.counters.get_or_insert_default(), counters);
        }
    }

    /// The ledger as a snapshot frame holds it.
    pub fn snapshot(&self) -> LedgerSnapshot {
        LedgerSnapshot {
            producers: self
                .producers
                .iter()
                .map(|(id, entry)| ProducerState {
                    producer_id: Bytes::copy_from_slice(id),
                    seen_bounds: entry.seen.to_bounds(),
                    ..entry.state.clone()
                })
                .collect(),
            forgotten: Some(self.forgotten.clone()),
            forgotten_count: self.forgotten_count,
            forgotten_undelivered: self.forgotten_outstanding.undelivered,
            forgotten_recorded_before: self.forgotten_outstanding.recorded_before,
            published_segments: self.published_segments.iter().copied().collect(),
            damaged_stretches: self.damaged_stretches,
            sealed_segments: self.held.to_notes(),
        }
    }

    /// The ledger that `snapshot` was taken of.
    pub fn from_snapshot(limits: LedgerLimits, snapshot: LedgerSnapshot) -> Self {
        let mut ledger = Self {
            forgotten: snapshot.forgotten.unwrap_or_default(),
            forgotten_count: snapshot.forgotten_count,
            forgotten_outstanding: Outstanding {
                recorded_before: snapshot.forgotten_recorded_before,
                undelivered: snapshot.forgotten_undelivered,
                pending: 0,
            },
            published_segments: snapshot.published_segments.into_iter().collect(),
            held: Held::from_notes(snapshot.sealed_segments),
            damaged_stretches: snapshot.damaged_stretches,
            ..Self::new(limits)
        };
        for mut state in snapshot.producers {
            let Ok(id) = ProducerId::try_from(state.producer_id.as_ref()) else {
                continue;
            };
            let seen = Intervals::from_bounds(&std::mem::take(&mut state.seen_bounds));
            state.producer_id = Bytes::new();
            let entry = Entry {
                state,
                seen,
                ..Entry::default()
            };
            ledger.producers.insert(id, entry);
        }
        let states = || {
            ledger
                .producers
                .values()
                .map(|e| &e.state)
                .chain([&ledger.forgotten])
        };
        // As they are added up one by one: no sum overflows.
        let sum = |of: fn(&ProducerState) -> u64| states().map(of).fold(0, u64::saturating_add);
        let (stored, published) = (sum(ProducerState::stored), sum(|state| state.published));
        (ledger.stored, ledger.published) = (stored, published);
        ledger
    }

    /// The producers, in no order.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (&ProducerId, &Entry)> {
        self.producers.iter()
    }

    /// Sum, count and outstanding records of the producers that were forgotten.
    pub fn forgotten(&self) -> (&ProducerState, u64, Outstanding) {
        (
            &self.forgotten,
            self.forgotten_count,
            self.forgotten_outstanding,
        )
    }

    /// Damaged stretches found in segments so far.
    pub fn damaged_stretches(&self) -> u64 {
        self.damaged_stretches
    }

    /// Records that are durable but not in Parquet yet.
    pub fn unpublished(&self) -> u64 {
        self.stored.saturating_sub(self.published)
    }

    /// The limits in force.
    pub fn limits(&self) -> &LedgerLimits {
        &self.limits
    }
}

/// Adds `counters` to `sum`, reason by reason.
pub fn add_counters(sum: &mut Counters, counters: &Counters) {
    sum.observed = sum.observed.saturating_add(counters.observed);
    sum.recorded = sum.recorded.saturating_add(counters.recorded);
    sum.in_flight = sum.in_flight.saturating_add(counters.in_flight);
    sum.refused = sum.refused.saturating_add(counters.refused);
    sum.batches_retried = sum.batches_retried.saturating_add(counters.batches_retried);
    sum.host_errors = sum.host_errors.saturating_add(counters.host_errors);
    for (to, from) in [
        (&mut sum.dropped, &counters.dropped),
        (&mut sum.skipped, &counters.skipped),
    ] {
        for count in from {
            match to.iter_mut().find(|have| have.reason == count.reason) {
                Some(have) => have.count = have.count.saturating_add(count.count),
                None => to.push(*count),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Outcome;
    use super::super::producer::nanos;
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const LIMITS: LedgerLimits = LedgerLimits {
        producers_max: 10,
        producer_expiry: DAY,
        undelivered_grace: Duration::from_secs(10),
    };

    /// One record of producer 7, journaled at `received_unix_ns`.
    fn batch(received_unix_ns: u64) -> BatchMeta {
        BatchMeta {
            producer_id: Bytes::from_static(&[7; PRODUCER_ID_LEN]),
            first_record_number: 1,
            records_count: 1,
            accepted: vec![1, 2],
            received_unix_ns,
            ..BatchMeta::default()
        }
    }

    fn heartbeat() -> BatchMeta {
        BatchMeta {
            records_count: 0,
            accepted: Vec::new(),
            ..batch(1)
        }
    }

    #[test]
    fn a_producer_that_was_not_heard_for_so_long_is_forgotten() {
        let mut ledger = Ledger::new(LIMITS);
        ledger.batch(&batch(1));
        assert_eq!(ledger.expire(DAY / 2, 1), 0);
        ledger.batch(&heartbeat());
        assert_eq!(ledger.expire(DAY / 2, 1), 0, "heard in between");
        ledger.published(&in_parquet(1));
        assert_eq!(ledger.expire(DAY / 2, 1), 1);
        assert!(!ledger.new_numbers(&[7; 16], 1..2).is_empty(), "it is new");
    }

    /// The only record of producer 7 is in Parquet.
    fn in_parquet(segment_sequence: u64) -> PublishedMeta {
        PublishedMeta {
            segment_sequence,
            outcomes: vec![Outcome {
                producer_id: Bytes::from_static(&[7; PRODUCER_ID_LEN]),
                published: 1,
                quarantined: 0,
            }],
            damaged_stretches: 0,
            is_gone: false,
        }
    }

    #[test]
    fn a_producer_is_not_forgotten_before_its_records_are_in_parquet() {
        let limits = LedgerLimits {
            producers_max: 1,
            ..LIMITS
        };
        let mut ledger = Ledger::new(limits);
        ledger.batch(&batch(1));
        assert_eq!(ledger.expire(2 * DAY, 1), 0);
        assert_eq!(ledger.admit(&[8; 16], 1), Err(TableFull));
        ledger.published(&in_parquet(1));
        assert_eq!(ledger.admit(&[8; 16], 1), Ok(()));
        assert_eq!(ledger.forgotten().1, 1);
        let mut ledger = Ledger::new(LIMITS);
        ledger.batch(&batch(1));
        ledger.published(&in_parquet(1));
        assert_eq!(ledger.expire(2 * DAY, 1), 1);
    }

    #[test]
    fn where_records_were_lost_their_producer_makes_room_and_sums_hold_if_it_comes_again() {
        let limits = LedgerLimits {
            producers_max: 1,
            ..LIMITS
        };
        let mut ledger = Ledger::new(limits);
        ledger.batch(&batch(1));
        ledger.lost(9);
        ledger.expire(2 * DAY, 1);
        assert_eq!(ledger.admit(&[8; 16], 1), Ok(()));
        ledger.batch(&batch(2));
        for (segment, forgotten) in [(1, 0), (2, 1)] {
            ledger.published(&in_parquet(segment));
            let sum = |state: &ProducerState| (state.stored(), state.published);
            let known = ledger.producers().map(|(_, entry)| sum(&entry.state));
            assert_eq!(known.collect::<Vec<_>>(), [(1, 1)]);
            assert_eq!(sum(ledger.forgotten().0), (1, forgotten));
        }
        assert_eq!(ledger.unpublished(), 0);
    }

    #[test]
    fn a_clock_that_is_set_or_a_day_of_downtime_forgets_nobody() {
        let mut ledger = Ledger::new(LIMITS);
        ledger.batch(&batch(1));
        let later = nanos(2 * DAY);
        assert_eq!(ledger.expire(Duration::from_secs(1), later), 0);
        let limits = LedgerLimits {
            producers_max: 1,
            ..LIMITS
        };
        let mut ledger = Ledger::from_snapshot(limits, ledger.snapshot());
        assert_eq!(ledger.expire(Duration::from_secs(1), later), 0);
        assert_eq!(ledger.admit(&[8; 16], later), Err(TableFull));
        assert!(ledger.new_numbers(&[7; 16], 1..2).is_empty(), "it is known");
    }
}
