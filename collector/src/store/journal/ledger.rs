//! What the journal knows of every producer: which records it has, and what the producer counted.
//!
//! The ledger changes only by frames ([`Ledger::batch`], [`Ledger::published`]), in their order, so
//! replaying a journal gives the ledger that was lost. It decides what is new (exactly-once) and
//! holds the figures of the accounting file.
//!
//! Bounds: [`PRODUCERS_MAX_DEFAULT`] producers, [`INTERVALS_MAX`] intervals of numbers each.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use twintap_record::{Counters, PRODUCER_ID_LEN};

use super::frame::{BatchMeta, PublishedMeta};
use super::intervals::Intervals;

/// Producers kept, unless configured.
pub const PRODUCERS_MAX_DEFAULT: usize = 10_000;
/// Intervals of record numbers kept per producer. Beyond it the oldest gap is given up: its
/// numbers are undelivered for good, and should they come after all they are duplicates.
pub const INTERVALS_MAX: usize = 256;
/// A full table makes room by forgetting a producer that has been silent for at least this long.
pub const EVICTION_IDLE_MIN: Duration = Duration::from_secs(600);

/// Id of a producer.
pub type ProducerId = [u8; PRODUCER_ID_LEN];

/// How long and how many producers are remembered.
#[derive(Clone, Copy, Debug)]
pub struct LedgerLimits {
    /// Producers kept.
    pub producers_max: usize,
    /// A producer silent for this long is forgotten.
    pub producer_expiry: Duration,
    /// A number that has not come this long after a later counter told of it is undelivered.
    pub undelivered_grace: Duration,
}

/// Everything known of one producer; also its encoding in a snapshot.
#[derive(Clone, PartialEq, Message)]
pub struct ProducerState {
    /// 16 bytes.
    #[prost(bytes = "bytes", tag = "1")]
    pub producer_id: Bytes,
    /// Bounds of the intervals of record numbers seen; empty outside snapshots.
    #[prost(uint64, repeated, tag = "2")]
    pub seen_bounds: Vec<u64>,
    /// The newest counters of the producer.
    #[prost(message, optional, tag = "3")]
    pub counters: Option<Counters>,
    /// Sequence of the batch that brought them.
    #[prost(uint64, tag = "4")]
    pub counters_sequence: u64,
    /// Batches received.
    #[prost(uint64, tag = "5")]
    pub batches: u64,
    /// Records received, duplicates included.
    #[prost(uint64, tag = "6")]
    pub received: u64,
    /// Records that had been received before.
    #[prost(uint64, tag = "7")]
    pub duplicates: u64,
    /// Records that could not be decoded.
    #[prost(uint64, tag = "8")]
    pub quarantined: u64,
    /// Records in Parquet.
    #[prost(uint64, tag = "9")]
    pub published: u64,
    /// Numbers of gaps that were given up.
    #[prost(uint64, tag = "10")]
    pub gaps_closed: u64,
    /// First and last word from it, collector's clock.
    #[prost(uint64, tag = "11")]
    pub first_seen_unix_ns: u64,
    /// See above.
    #[prost(uint64, tag = "12")]
    pub last_seen_unix_ns: u64,
    /// Highest number known to exist at `mark_unix_ns`.
    #[prost(uint64, tag = "13")]
    pub mark_recorded: u64,
    /// When the mark was set.
    #[prost(uint64, tag = "14")]
    pub mark_unix_ns: u64,
    /// Highest number known to exist for at least the grace period.
    #[prost(uint64, tag = "15")]
    pub settled: u64,
}

impl ProducerState {
    /// Records that are durable, in the journal or in Parquet.
    pub fn stored(&self) -> u64 {
        self.received
            .saturating_sub(self.duplicates)
            .saturating_sub(self.quarantined)
    }
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
}

/// One producer in memory.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Figures.
    pub state: ProducerState,
    /// Record numbers seen.
    pub seen: Intervals,
}

impl Entry {
    /// Highest record number known to exist, from the counters or from a record.
    pub fn recorded(&self) -> u64 {
        let counted = self
            .state
            .counters
            .as_ref()
            .map_or(0, |counters| counters.recorded);
        counted.max(self.seen.max())
    }

    /// Records refused for good, as the producer counts them.
    pub fn refused(&self) -> u64 {
        self.state
            .counters
            .as_ref()
            .map_or(0, |counters| counters.refused)
    }

    /// Numbers that never came although they have existed for `grace`, and those that may yet
    /// come: `recorded = distinct seen + refused + undelivered + pending`.
    pub fn outstanding(&self, now_unix_ns: u64, grace: Duration) -> (u64, u64) {
        let given_up = self.state.gaps_closed;
        let seen = self.seen.count() - given_up.min(self.seen.count());
        let all = self
            .recorded()
            .saturating_sub(seen)
            .saturating_sub(self.refused());
        let quiet = now_unix_ns.saturating_sub(self.state.mark_unix_ns) >= nanos(grace);
        let settled = if quiet {
            self.state.mark_recorded
        } else {
            self.state.settled
        };
        let overdue = settled
            .saturating_add(given_up)
            .saturating_sub(self.seen.count_up_to(settled))
            .saturating_sub(self.refused())
            .min(all);
        (overdue, all - overdue)
    }

    fn observe(&mut self, meta: &BatchMeta, grace: Duration) {
        let now = meta.received_unix_ns;
        let state = &mut self.state;
        if state.batches == 0 {
            state.first_seen_unix_ns = now;
        }
        state.batches += 1;
        state.last_seen_unix_ns = state.last_seen_unix_ns.max(now);
        if meta.counters.is_some() && meta.batch_sequence >= state.counters_sequence {
            state.counters.clone_from(&meta.counters);
            state.counters_sequence = meta.batch_sequence;
        }
        let accepted = Intervals::from_bounds(&meta.accepted);
        state.received += u64::from(meta.records_count);
        state.duplicates += u64::from(meta.records_count).saturating_sub(accepted.count());
        for pair in accepted.to_bounds().chunks_exact(2) {
            if let [start, end] = *pair {
                self.seen.insert(start..end);
            }
        }
        while self.seen.len() > INTERVALS_MAX {
            self.state.gaps_closed += self.seen.close_lowest_gap();
        }
        let recorded = self.recorded();
        let state = &mut self.state;
        if now.saturating_sub(state.mark_unix_ns) >= nanos(grace) {
            state.settled = state.mark_recorded;
            state.mark_recorded = recorded;
            state.mark_unix_ns = now;
        }
    }
}

/// The table is full of producers that were active lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

/// Everything the journal knows.
#[derive(Debug)]
pub struct Ledger {
    limits: LedgerLimits,
    producers: HashMap<ProducerId, Entry>,
    forgotten: ProducerState,
    forgotten_count: u64,
    forgotten_undelivered: u64,
    published_segments: BTreeSet<u64>,
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
            forgotten_undelivered: 0,
            published_segments: BTreeSet::new(),
            damaged_stretches: 0,
            stored: 0,
            published: 0,
        }
    }

    /// Makes room for a batch of `producer`, if it is a new one.
    pub fn admit(&mut self, producer: &ProducerId, now_unix_ns: u64) -> Result<(), TableFull> {
        if self.producers.contains_key(producer) {
            return Ok(());
        }
        if self.producers.len() >= self.limits.producers_max {
            let idlest = self
                .producers
                .iter()
                .min_by_key(|(_, entry)| entry.state.last_seen_unix_ns)
                .map(|(id, entry)| (*id, entry.state.last_seen_unix_ns));
            match idlest {
                Some((id, seen))
                    if now_unix_ns.saturating_sub(seen) >= nanos(EVICTION_IDLE_MIN) =>
                {
                    self.forget(&id, now_unix_ns);
                }
                _ => return Err(TableFull),
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

    /// All records of a segment are in Parquet or set aside.
    pub fn published(&mut self, meta: &PublishedMeta) {
        if !self.published_segments.insert(meta.segment_sequence) {
            return;
        }
        self.damaged_stretches = self
            .damaged_stretches
            .saturating_add(meta.damaged_stretches);
        for outcome in &meta.outcomes {
            let known = ProducerId::try_from(outcome.producer_id.as_ref())
                .ok()
                .and_then(|id| self.producers.get_mut(&id));
            let state = known.map_or(&mut self.forgotten, |entry| &mut entry.state);
            state.published = state.published.saturating_add(outcome.published);
            state.quarantined = state.quarantined.saturating_add(outcome.quarantined);
            self.published = self.published.saturating_add(outcome.published);
            self.stored = self.stored.saturating_sub(outcome.quarantined);
        }
    }

    /// Was this segment published?
    pub fn is_published(&self, sequence: u64) -> bool {
        self.published_segments.contains(&sequence)
    }

    /// The file of a published segment is gone.
    pub fn removed(&mut self, sequence: u64) {
        self.published_segments.remove(&sequence);
    }

    /// Forgets producers that have been silent for too long. Returns how many.
    pub fn expire(&mut self, now_unix_ns: u64) -> usize {
        let expiry = nanos(self.limits.producer_expiry);
        let expired: Vec<ProducerId> = self
            .producers
            .iter()
            .filter(|(_, e)| now_unix_ns.saturating_sub(e.state.last_seen_unix_ns) >= expiry)
            .map(|(id, _)| *id)
            .collect();
        for id in &expired {
            self.forget(id, now_unix_ns);
        }
        expired.len()
    }

    fn forget(&mut self, id: &ProducerId, now_unix_ns: u64) {
        let Some(entry) = self.producers.remove(id) else {
            return;
        };
        let (undelivered, pending) = entry.outstanding(now_unix_ns, self.limits.undelivered_grace);
        self.forgotten_undelivered = self
            .forgotten_undelivered
            .saturating_add(undelivered)
            .saturating_add(pending);
        self.forgotten_count += 1;
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
            forgotten_undelivered: self.forgotten_undelivered,
            published_segments: self.published_segments.iter().copied().collect(),
            damaged_stretches: self.damaged_stretches,
        }
    }

    /// The ledger that `snapshot` was taken of.
    pub fn from_snapshot(limits: LedgerLimits, snapshot: LedgerSnapshot) -> Self {
        let mut ledger = Self {
            forgotten: snapshot.forgotten.unwrap_or_default(),
            forgotten_count: snapshot.forgotten_count,
            forgotten_undelivered: snapshot.forgotten_undelivered,
            published_segments: snapshot.published_segments.into_iter().collect(),
            damaged_stretches: snapshot.damaged_stretches,
            ..Self::new(limits)
        };
        for mut state in snapshot.producers {
            let Ok(id) = ProducerId::try_from(state.producer_id.as_ref()) else {
                continue;
            };
            let seen = Intervals::from_bounds(&std::mem::take(&mut state.seen_bounds));
            state.producer_id = Bytes::new();
            ledger.producers.insert(id, Entry { state, seen });
        }
        let states = || {
            ledger
                .producers
                .values()
                .map(|e| &e.state)
                .chain([&ledger.forgotten])
        };
        let (stored, published) =
            states().fold((0, 0), |sum, s| (sum.0 + s.stored(), sum.1 + s.published));
        (ledger.stored, ledger.published) = (stored, published);
        ledger
    }

    /// The producers, in no order.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (&ProducerId, &Entry)> {
        self.producers.iter()
    }

    /// Sum, count and undelivered records of the producers that were forgotten.
    pub fn forgotten(&self) -> (&ProducerState, u64, u64) {
        (
            &self.forgotten,
            self.forgotten_count,
            self.forgotten_undelivered,
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

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
