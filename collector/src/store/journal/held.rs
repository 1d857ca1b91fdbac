//! How many records each sealed segment holds that is not in Parquet yet.
//!
//! Noted in the snapshot of every later segment. A segment that was emptied, cut between two frames or removed has
//! nothing in it that looks damaged: only this tells that acknowledged records are gone. Journals that were
//! written before there were such notes have none, and of what is not noted nothing is missed.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::frame::PublishedMeta;

/// A note, as a snapshot has it.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct SealedSegment {
    /// Sequence of the segment.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// Records that were accepted into it.
    #[prost(uint64, tag = "2")]
    pub records: u64,
}

/// Records by the sequence of their segment.
#[derive(Clone, Debug, Default)]
pub struct Held {
    records: BTreeMap<u64, u64>,
}

impl Held {
    /// A segment is complete. Said again, the larger number holds.
    pub fn sealed(&mut self, sequence: u64, records: u64) {
        let noted = self.records.entry(sequence).or_default();
        *noted = records.max(*noted);
    }

    /// A segment may go, or is lost: it counts no more.
    pub fn forget(&mut self, sequence: u64) {
        self.records.remove(&sequence);
    }

    /// Were there more than the `found` records in this segment?
    pub fn lacks(&self, sequence: u64, found: u64) -> bool {
        self.records
            .get(&sequence)
            .is_some_and(|noted| found < *noted)
    }

    /// What became of a segment, with one more damaged stretch if records are gone and none was found to say so.
    pub fn judge(&self, mut meta: PublishedMeta) -> PublishedMeta {
        let outcomes = meta.outcomes.iter();
        let found = outcomes.map(|outcome| outcome.published.saturating_add(outcome.quarantined));
        let found = found.fold(0, u64::saturating_add);
        if meta.damaged_stretches == 0 && self.lacks(meta.segment_sequence, found) {
            meta.damaged_stretches = 1;
        }
        meta
    }

    /// Segments with records that are not among those that are `there`.
    pub fn missing(&self, there: &BTreeSet<u64>) -> Vec<u64> {
        let with_records = self.records.iter().filter(|(_, records)| **records > 0);
        let sequences = with_records.map(|(sequence, _)| *sequence);
        sequences.filter(|one| !there.contains(one)).collect()
    }

    /// As a snapshot has it.
    pub fn to_notes(&self) -> Vec<SealedSegment> {
        let notes = self.records.iter();
        notes
            .map(|(&sequence, &records)| SealedSegment { sequence, records })
            .collect()
    }

    /// From a snapshot.
    pub fn from_notes(notes: Vec<SealedSegment>) -> Self {
        let notes = notes.into_iter();
        Self {
            records: notes.map(|note| (note.sequence, note.records)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Outcome;
    use super::*;

    fn outcome(published: u64, quarantined: u64, damaged_stretches: u64) -> PublishedMeta {
        PublishedMeta {
            segment_sequence: 3,
            outcomes: vec![Outcome {
                published,
                quarantined,
                ..Outcome::default()
            }],
            damaged_stretches,
            is_gone: false,
        }
    }

    #[test]
    fn a_segment_with_fewer_records_than_were_noted_is_damaged() {
        let mut held = Held::default();
        held.sealed(3, 10);
        let damaged = |meta| held.judge(meta).damaged_stretches;
        assert_eq!(damaged(outcome(9, 1, 0)), 0);
        assert_eq!(damaged(outcome(8, 1, 0)), 1);
        assert_eq!(damaged(outcome(8, 1, 2)), 2, "which is known");
        assert_eq!(Held::default().judge(outcome(0, 0, 0)), outcome(0, 0, 0));
    }

    #[test]
    fn a_segment_with_records_is_missing_until_it_is_published() {
        let mut held = Held::default();
        for (sequence, records) in [(3, 10), (4, 0), (5, 7)] {
            held.sealed(sequence, records);
        }
        let mut held = Held::from_notes(held.to_notes());
        assert_eq!(held.missing(&BTreeSet::from([5])), [3]);
        held.forget(3);
        assert!(held.missing(&BTreeSet::from([5])).is_empty());
    }
}
