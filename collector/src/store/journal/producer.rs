//! What is known of one producer: its newest counters, which record numbers came, and what that says of
//! those that did not.
//!
//! A producer counts the records that were acknowledged (`Counters.acknowledged`, which the filter's `ship.rs`
//! adds up). What was acknowledged and is not here went elsewhere: to a collector with another data directory,
//! or to this one before the producer was forgotten. As many of the numbers before the first batch that was
//! heard of are `recorded_before`: they are no loss of this directory. Nothing else proves that, least of all
//! the batch's sequence: any batch before it may be under way. Such records are awaited as any others.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use twintap_record::Counters;

use super::frame::BatchMeta;
use super::intervals::Intervals;

/// Intervals of record numbers kept per producer. Beyond it the oldest gap is given up: its numbers are undelivered
/// for good. Should they come after all they are refused, and so is what was stored between given-up gaps and comes
/// again: nobody knows which is which.
pub const INTERVALS_MAX: usize = 256;

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
    /// The gaps that were given up are from this number on.
    #[prost(uint64, tag = "19")]
    pub given_up_from: u64,
    /// And end before this one; 0 if there are none.
    #[prost(uint64, tag = "20")]
    pub given_up_to: u64,
    /// Highest number known to exist at `mark_unix_ns`.
    #[prost(uint64, tag = "13")]
    pub mark_recorded: u64,
    /// When the mark was set.
    #[prost(uint64, tag = "14")]
    pub mark_unix_ns: u64,
    /// Highest number known to exist for at least the grace period.
    #[prost(uint64, tag = "15")]
    pub settled: u64,
    /// First record number of the first batch.
    #[prost(uint64, tag = "16")]
    pub heard_from: u64,
    /// Records that were acknowledged elsewhere, at least. (Tag 17 was something else.)
    #[prost(uint64, tag = "18")]
    pub acknowledged_elsewhere: u64,
}

impl ProducerState {
    /// Records that are durable, in the journal or in Parquet.
    pub fn stored(&self) -> u64 {
        self.received
            .saturating_sub(self.duplicates)
            .saturating_sub(self.quarantined)
    }

    /// Records that are durable and not in Parquet yet.
    pub fn unpublished(&self) -> u64 {
        self.stored().saturating_sub(self.published)
    }

    /// So many records are in Parquet and in quarantine now. Returns how many of them cannot be of this producer.
    pub(super) fn credit(&mut self, published: u64, quarantined: u64) -> (u64, u64) {
        let of_this = published.min(self.unpublished());
        self.came_to_be(of_this, 0);
        let set_aside = quarantined.min(self.unpublished());
        self.came_to_be(0, set_aside);
        (published - of_this, quarantined - set_aside)
    }

    /// As [`Self::credit`], of this producer whatever it stored.
    pub(super) fn came_to_be(&mut self, published: u64, quarantined: u64) {
        self.published = self.published.saturating_add(published);
        self.quarantined = self.quarantined.saturating_add(quarantined);
    }
}

/// Record numbers that were given to records which did not come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outstanding {
    /// Before the producer was heard of: they went elsewhere.
    pub recorded_before: u64,
    /// For longer than the grace period.
    pub undelivered: u64,
    /// They may yet come.
    pub pending: u64,
}

/// One producer in memory.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Figures.
    pub state: ProducerState,
    /// Record numbers seen.
    pub seen: Intervals,
    /// How long this process has heard nothing of it.
    pub(super) silent_for: Duration,
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

    /// Numbers that were not seen: `recorded = distinct seen + refused + recorded_before + undelivered +
    /// pending`. Those that have existed for `grace` are undelivered, the others may yet come.
    pub fn outstanding(&self, now_unix_ns: u64, grace: Duration) -> Outstanding {
        let given_up = self.state.gaps_closed;
        let seen = self.seen.count() - given_up.min(self.seen.count());
        let all = self
            .recorded()
            .saturating_sub(seen)
            .saturating_sub(self.refused());
        let recorded_before = self.recorded_before().min(all);
        let all = all - recorded_before;
        let quiet = now_unix_ns.saturating_sub(self.state.mark_unix_ns) >= nanos(grace);
        let settled = if quiet {
            self.state.mark_recorded
        } else {
            self.state.settled
        };
        let undelivered = settled
            .saturating_add(given_up)
            .saturating_sub(self.seen.count_up_to(settled))
            .saturating_sub(self.refused())
            .saturating_sub(recorded_before)
            .min(all);
        Outstanding {
            recorded_before,
            undelivered,
            pending: all - undelivered,
        }
    }

    /// Numbers before the first batch that did not come and were acknowledged elsewhere.
    fn recorded_before(&self) -> u64 {
        let last = self.state.heard_from.saturating_sub(1);
        let unseen = last.saturating_sub(self.seen.count_up_to(last));
        unseen.min(self.state.acknowledged_elsewhere)
    }

    /// Is one of the numbers of `range` among gaps that were given up, and not known to be missing?
    pub fn is_given_up(&self, range: Range<u64>) -> bool {
        let start = range.start.max(self.state.given_up_from);
        let end = range.end.min(self.state.given_up_to);
        let missing = self.seen.missing(start..end);
        let missing: u64 = missing.iter().map(|range| range.end - range.start).sum();
        missing < end.saturating_sub(start)
    }

    fn give_up(&mut self, gap: Range<u64>) {
        let state = &mut self.state;
        state.gaps_closed = state.gaps_closed.saturating_add(gap.end - gap.start);
        if state.given_up_to == 0 {
            state.given_up_from = gap.start;
        }
        state.given_up_from = state.given_up_from.min(gap.start);
        state.given_up_to = state.given_up_to.max(gap.end);
    }

    /// The clock shows `now_unix_ns`. Where it was set back, the grace period of what the mark tells begins anew: till it
    /// is as late again nothing would be undelivered.
    pub(super) fn look_at_clock(&mut self, now_unix_ns: u64) {
        self.state.mark_unix_ns = self.state.mark_unix_ns.min(now_unix_ns);
    }

    /// A batch came.
    pub(super) fn observe(&mut self, meta: &BatchMeta, grace: Duration) {
        let now = meta.received_unix_ns;
        self.silent_for = Duration::ZERO;
        self.look_at_clock(now);
        let state = &mut self.state;
        if state.batches == 0 {
            state.first_seen_unix_ns = now;
            state.heard_from = meta.first_record_number;
        }
        // Here was acknowledged what was seen before this batch, at most.
        let acknowledged = meta.counters.as_ref().map_or(0, |told| told.acknowledged);
        let elsewhere = acknowledged.saturating_sub(self.seen.count());
        state.acknowledged_elsewhere = state.acknowledged_elsewhere.max(elsewhere);
        state.batches = state.batches.saturating_add(1);
        state.last_seen_unix_ns = state.last_seen_unix_ns.max(now);
        if meta.counters.is_some() && meta.batch_sequence >= state.counters_sequence {
            state.counters.clone_from(&meta.counters);
            state.counters_sequence = meta.batch_sequence;
        }
        let accepted = Intervals::from_bounds(&meta.accepted);
        let records = u64::from(meta.records_count);
        let duplicates = records.saturating_sub(accepted.count());
        state.received = state.received.saturating_add(records);
        state.duplicates = state.duplicates.saturating_add(duplicates);
        for pair in accepted.to_bounds().chunks_exact(2) {
            if let [start, end] = *pair {
                self.seen.insert(start..end);
            }
        }
        while self.seen.len() > INTERVALS_MAX {
            let gap = self.seen.close_lowest_gap();
            self.give_up(gap);
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

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batch `sequence` of ten records each, sealed when so many batches had been `acknowledged`.
    fn batch(sequence: u64, acknowledged: u64) -> BatchMeta {
        let first = 10 * (sequence - 1) + 1;
        BatchMeta {
            batch_sequence: sequence,
            first_record_number: first,
            records_count: 10,
            accepted: vec![first, first + 10],
            counters: Some(Counters {
                recorded: first + 9,
                acknowledged: 10 * acknowledged,
                ..Counters::default()
            }),
            received_unix_ns: 1,
            ..BatchMeta::default()
        }
    }

    fn with_refused(mut batch: BatchMeta, refused: u64) -> BatchMeta {
        batch.counters.as_mut().unwrap().refused = refused;
        batch
    }

    fn outstanding(batches: impl IntoIterator<Item = BatchMeta>) -> Outstanding {
        let mut entry = Entry::default();
        for batch in batches {
            entry.observe(&batch, Duration::ZERO);
        }
        let found = entry.outstanding(2, Duration::ZERO);
        let seen = entry.seen.count() + entry.refused();
        let sum = seen + found.recorded_before + found.undelivered + found.pending;
        assert_eq!(entry.recorded(), sum);
        found
    }

    fn before(recorded_before: u64, undelivered: u64) -> Outstanding {
        Outstanding {
            recorded_before,
            undelivered,
            pending: 0,
        }
    }

    #[test]
    fn a_clock_that_is_set_back_delays_what_is_undelivered_by_one_grace_period() {
        let (grace, day) = (Duration::from_secs(10), 86_400_000_000_000);
        let mut entry = Entry::default();
        let at = |sequence, received_unix_ns| BatchMeta {
            received_unix_ns,
            ..batch(sequence, 0)
        };
        entry.observe(&at(1, 2 * day), grace);
        // Batch 2 is lost.
        entry.observe(&at(3, day), grace);
        entry.observe(&at(4, day + nanos(grace)), grace);
        let undelivered = |at_ns| entry.outstanding(at_ns, grace).undelivered;
        assert_eq!(undelivered(day + nanos(grace)), 0);
        assert_eq!(undelivered(day + 2 * nanos(grace)), 10);
        // Set back again, and nothing comes.
        entry.look_at_clock(1);
        let undelivered = |at_ns| entry.outstanding(at_ns, grace).undelivered;
        assert_eq!(undelivered(1), 0);
        assert_eq!(undelivered(1 + nanos(grace)), 10);
    }

    #[test]
    fn what_comes_after_its_gap_was_given_up_is_neither_stored_nor_known() {
        let mut entry = Entry::default();
        let last = 2 * INTERVALS_MAX as u64 + 3;
        // Every second batch, as where others go elsewhere.
        for sequence in (1..=last).step_by(2) {
            entry.observe(&batch(sequence, 0), Duration::ZERO);
        }
        let is_given_up = |sequence: u64| {
            let first = batch(sequence, 0).first_record_number;
            entry.is_given_up(first..first + 10)
        };
        assert_eq!(entry.state.gaps_closed, 20);
        let unknown: Vec<u64> = (1..=last).filter(|it| is_given_up(*it)).collect();
        assert_eq!(unknown, [2, 3, 4]);
        assert!(entry.is_given_up(40..42) && !entry.is_given_up(41..51));
        assert!(!entry.is_given_up(11..11), "a heartbeat");
        // The sender counts what was refused, and it is counted once.
        let found = entry.outstanding(2, Duration::ZERO);
        let seen = entry.seen.count() - entry.state.gaps_closed;
        assert_eq!(entry.recorded(), seen + found.undelivered);
        let told = with_refused(batch(last + 1, 0), 20);
        entry.observe(&told, Duration::ZERO);
        let after = entry.outstanding(2, Duration::ZERO);
        let seen = entry.seen.count() - entry.state.gaps_closed;
        assert_eq!(after.undelivered, found.undelivered - 20);
        assert_eq!(entry.recorded(), seen + 20 + after.undelivered);
    }

    #[test]
    fn what_was_acknowledged_before_the_first_batch_is_no_loss() {
        assert_eq!(outstanding([batch(100, 99)]), before(990, 0));
        assert_eq!(
            outstanding([batch(100, 99), batch(102, 100)]),
            before(990, 10),
            "what is missing since is"
        );
        assert_eq!(
            outstanding([batch(5, 4)]),
            before(40, 0),
            "however little it is"
        );
    }

    #[test]
    fn overtaken_batches_that_never_arrive_are_lost() {
        assert_eq!(outstanding([batch(100, 92)]), before(920, 70));
        let later = [batch(100, 92), batch(101, 93), batch(102, 94)];
        assert_eq!(outstanding(later), before(920, 70));
    }

    #[test]
    fn overtaken_batches_that_come_are_stored() {
        let all = [batch(100, 97), batch(98, 97), batch(99, 97)];
        assert_eq!(outstanding(all), before(970, 0));
    }

    #[test]
    fn a_batch_that_was_acknowledged_elsewhere_after_the_first_was_sealed_is_no_loss() {
        let first = batch(100, 97);
        assert_eq!(outstanding([first.clone()]), before(970, 20), "not yet");
        assert_eq!(outstanding([first, batch(101, 100)]), before(990, 0));
    }

    #[test]
    fn what_was_acknowledged_here_was_not_acknowledged_elsewhere() {
        let all = [batch(3, 0), batch(4, 1), batch(5, 2)];
        assert_eq!(outstanding(all.clone()), before(0, 20));
        let all = all.into_iter().chain([batch(6, 4)]);
        assert_eq!(outstanding(all), before(10, 10));
    }

    #[test]
    fn records_that_were_refused_before_are_counted_once() {
        let first = with_refused(batch(100, 96), 30);
        assert_eq!(outstanding([first.clone()]), before(960, 0));
        let later = with_refused(batch(102, 97), 40);
        assert_eq!(outstanding([first, later]), before(960, 0));
    }

    #[test]
    fn a_producer_that_does_not_count_what_was_acknowledged_proves_nothing() {
        assert_eq!(outstanding([batch(100, 0)]), before(0, 990));
    }
}
