//! What is known of one producer: its newest counters, which record numbers came, and what that says of
//! those that did not.
//!
//! A producer keeps a batch until it is answered, sends the oldest first, and has few under way at once
//! ([`UNANSWERED_BATCHES_MAX`]). So where the first batch that is heard of has a higher sequence, earlier ones
//! were answered, and not from here: by a collector with another data directory, or with this one before the
//! producer was forgotten. Records with lower numbers are `recorded_before`: they are no loss of this
//! directory. Where the sequence is lower nothing proves that, and they are awaited as any others.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use twintap_record::Counters;

use super::frame::BatchMeta;
use super::intervals::Intervals;

/// Intervals of record numbers kept per producer. Beyond it the oldest gap is given up: its
/// numbers are undelivered for good, and should they come after all they are duplicates.
pub const INTERVALS_MAX: usize = 256;
/// Batches that a producer may have sent without having heard of one of them: four with records, and a
/// heartbeat.
pub const UNANSWERED_BATCHES_MAX: u64 = 5;

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
    /// First record number of the first batch, if that proves that earlier ones went elsewhere; else 0.
    #[prost(uint64, tag = "16")]
    pub heard_from: u64,
    /// Records that had been refused before that batch.
    #[prost(uint64, tag = "17")]
    pub refused_before: u64,
}

impl ProducerState {
    /// Records that are durable, in the journal or in Parquet.
    pub fn stored(&self) -> u64 {
        self.received
            .saturating_sub(self.duplicates)
            .saturating_sub(self.quarantined)
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

    /// Numbers before the first batch that were neither refused nor came after all.
    fn recorded_before(&self) -> u64 {
        let last = self.state.heard_from.saturating_sub(1);
        let unseen = last.saturating_sub(self.seen.count_up_to(last));
        unseen.saturating_sub(self.state.refused_before)
    }

    /// A batch came.
    pub(super) fn observe(&mut self, meta: &BatchMeta, grace: Duration) {
        let now = meta.received_unix_ns;
        let state = &mut self.state;
        if state.batches == 0 {
            state.first_seen_unix_ns = now;
            if meta.batch_sequence > UNANSWERED_BATCHES_MAX {
                state.heard_from = meta.first_record_number;
                state.refused_before = meta.counters.as_ref().map_or(0, |told| told.refused);
            }
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

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batch `sequence` of ten records each.
    fn batch(sequence: u64, refused: u64) -> BatchMeta {
        let first = 10 * (sequence - 1) + 1;
        BatchMeta {
            batch_sequence: sequence,
            first_record_number: first,
            records_count: 10,
            accepted: vec![first, first + 10],
            counters: Some(Counters {
                recorded: first + 9,
                refused,
                ..Counters::default()
            }),
            received_unix_ns: 1,
            ..BatchMeta::default()
        }
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
    fn what_was_recorded_before_the_first_batch_is_no_loss() {
        assert_eq!(outstanding([batch(100, 0)]), before(990, 0));
        assert_eq!(
            outstanding([batch(100, 0), batch(102, 0)]),
            before(990, 10),
            "what is missing since is"
        );
    }

    #[test]
    fn batches_that_were_overtaken_are_not_counted_as_gone_elsewhere() {
        assert_eq!(outstanding([batch(100, 0), batch(98, 0)]), before(980, 0));
    }

    #[test]
    fn records_that_were_refused_before_are_counted_once() {
        assert_eq!(outstanding([batch(100, 30)]), before(960, 0));
        assert_eq!(
            outstanding([batch(100, 30), batch(102, 40)]),
            before(960, 0)
        );
    }

    #[test]
    fn a_first_batch_that_others_may_precede_proves_nothing() {
        let sequence = UNANSWERED_BATCHES_MAX;
        assert_eq!(outstanding([batch(sequence, 0)]), before(0, 40));
        assert_eq!(outstanding([batch(sequence + 1, 0)]), before(50, 0));
    }
}
