//! `<data>/accounting.json`: what became of every call, so that loss can be proved or ruled out.
//!
//! Replaced whole (temporary file, rename) about once a second while anything changes, and when the
//! collector ends. All figures are since the data directory was made; producers that have been
//! silent too long are summed up in `forgotten`. Identities that hold exactly, per producer and in
//! `total`:
//!
//! ```text
//! received = stored + duplicates + quarantined
//! stored   = published + journaled
//! recorded = stored + quarantined + refused + recorded_before + undelivered + pending
//! observed = recorded + in_flight + sum(dropped) + sum(skipped)      as the producer counts
//! ```
//!
//! Each ingested capture has a file of the same form beside it, `accounting-<producer id>.json`; there,
//! `observed` are the streams that were seen, and `dropped` those of which too little was captured. That of a
//! live capture is replaced with each part of the dataset, says that it is open, and counts packets. Where the
//! journal was damaged so that it knows of nothing before, what was counted before is in such a file, too.
//!
//! Readers accept [`VERSION`] only, and ignore keys they do not know.

mod files;
mod journaled;
mod recorders;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use twintap_record::{Counters, Reason, ReasonCount};
use uuid::Uuid;

use super::hex::hex;
use super::journal::ledger::Ledger;
use super::journal::producer::{Entry, Outstanding, ProducerState};
use crate::metrics::FilterFigures;

pub use files::{FILE_NAME, LoadedFile};
pub use recorders::{Recorder, Recorders};

/// Version of the file's layout.
pub const VERSION: u32 = 1;

/// The file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Accounting {
    /// [`VERSION`].
    pub version: u32,
    /// When these figures were true, nanoseconds since the Unix epoch, collector's clock.
    pub written_unix_ns: u64,
    /// Sum over all producers, forgotten ones included.
    pub total: Figures,
    /// Sum over producers that were forgotten because they were silent.
    pub forgotten: Figures,
    /// How many were forgotten.
    pub forgotten_count: u64,
    /// Damaged stretches of the journal, segments that are gone or lack records included; the records in them are lost
    /// although acknowledged, and stay `journaled`.
    pub damaged_stretches: u64,
    /// Those that are remembered, by id.
    pub producers: Vec<ProducerFigures>,
    /// Packets of a live capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<PacketFigures>,
    /// Files that `twintap fsck --repair` moved aside, each of which counts as a damaged stretch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub moved_aside: u64,
    /// The names of those that are of `calls`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved_files: Vec<String>,
    /// Files of an ingested capture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<CapturedFile>,
    /// Is this of a capture that was not over when it was written? Where nobody holds the data directory
    /// any more, it was cut short.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
    /// Did the ingest not come to its end, so that only some of the calls of `files` are in the dataset?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
}

/// A file whose calls are in the dataset, or were to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedFile {
    /// As it was given.
    pub path: String,
    /// Says which file it is, whatever its name; opaque.
    pub fingerprint: String,
}

/// What became of the packets of a live capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketFigures {
    /// Let through by the kernel's filter, the others of these included; on the loopback, each twice.
    pub received: u64,
    /// Read, and made into calls where they were of any.
    pub written: u64,
    /// Dropped because the kernel's buffer was full.
    pub kernel_dropped: u64,
    /// Dropped by the interface, before the filter.
    pub interface_dropped: u64,
    /// Dropped by `twintap-capture` because they were not taken in time at the end.
    pub own_dropped: u64,
}

/// Figures of one producer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProducerFigures {
    /// 32 hexadecimal digits.
    pub producer_id: String,
    /// First batch, collector's clock.
    pub first_seen_unix_ns: u64,
    /// Newest batch, collector's clock.
    pub last_seen_unix_ns: u64,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// What was counted. Calls, unless the name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Reached the filter; as the producer last told.
    pub observed: u64,
    /// Not ended yet; as the producer last told.
    pub in_flight: u64,
    /// Got a record number.
    pub recorded: u64,
    /// Meant to be recorded and lost in the filter, by reason; as the producer last told.
    pub dropped: BTreeMap<String, u64>,
    /// Never meant to be recorded, by reason; as the producer last told.
    pub skipped: BTreeMap<String, u64>,
    /// Refused for good by the collector; as the producer last told.
    pub refused: u64,
    /// Numbers from before this directory first heard of the producer, which went elsewhere: no loss.
    #[serde(default)]
    pub recorded_before: u64,
    /// Numbers that have not arrived for longer than the grace period. A filter may still hold their records and
    /// send them again.
    pub undelivered: u64,
    /// Numbers that have not arrived yet. Lost too, if neither side runs any more.
    pub pending: u64,
    /// Records that came, duplicates included.
    pub received: u64,
    /// Records that came again and were not stored again.
    pub duplicates: u64,
    /// Records that could not be decoded and were set aside.
    pub quarantined: u64,
    /// Records that are durable: in Parquet or in the journal.
    pub stored: u64,
    /// Records that are in Parquet.
    pub published: u64,
    /// Records that are in the journal and not in Parquet yet.
    pub journaled: u64,
    /// Batches that came.
    pub batches: u64,
    /// Batches sent again; as the producer last told.
    pub batches_retried: u64,
    /// Host calls that failed in the filter; as the producer last told.
    pub host_errors: u64,
}

impl Accounting {
    /// What `/metrics` says of it.
    pub fn filter_figures(&self) -> FilterFigures<'_> {
        let total = &self.total;
        FilterFigures {
            producers_count: self.producers.len(),
            observed: total.observed,
            recorded: total.recorded,
            refused: total.refused,
            recorded_before: total.recorded_before,
            undelivered: total.undelivered,
            pending: total.pending,
            dropped: &total.dropped,
            skipped: &total.skipped,
        }
    }

    /// Ids of the producers that it names.
    pub fn producer_ids(&self) -> impl Iterator<Item = Uuid> {
        let producers = self.producers.iter();
        producers.filter_map(|producer| Uuid::parse_str(&producer.producer_id).ok())
    }

    /// The figures of `ledger` at `now_unix_ns`.
    pub fn of(ledger: &Ledger, now_unix_ns: u64) -> Self {
        let (state, forgotten_count, outstanding) = ledger.forgotten();
        let forgotten = Figures::of(state).with(outstanding);
        let mut total = forgotten.clone();
        let mut producers: Vec<ProducerFigures> = ledger
            .producers()
            .map(|(id, entry)| {
                let figures = Figures::of_entry(entry, now_unix_ns, ledger);
                total.add(&figures);
                ProducerFigures {
                    producer_id: hex(id),
                    first_seen_unix_ns: entry.state.first_seen_unix_ns,
                    last_seen_unix_ns: entry.state.last_seen_unix_ns,
                    figures,
                }
            })
            .collect();
        producers.sort_by(|left, right| left.producer_id.cmp(&right.producer_id));
        Self {
            version: VERSION,
            written_unix_ns: now_unix_ns,
            total,
            forgotten,
            forgotten_count,
            damaged_stretches: ledger.damaged_stretches(),
            producers,
            ..Self::default()
        }
    }

    /// The figures of one capture that was ingested. `damaged_stretches` are places where calls may
    /// have been that nobody saw: lost bytes, damaged records, unreadable files.
    pub fn of_capture(
        producer_id: &[u8],
        figures: Figures,
        damaged_stretches: u64,
        now_unix_ns: u64,
    ) -> Self {
        Self {
            version: VERSION,
            written_unix_ns: now_unix_ns,
            total: figures.clone(),
            damaged_stretches,
            producers: vec![ProducerFigures {
                producer_id: hex(producer_id),
                first_seen_unix_ns: now_unix_ns,
                last_seen_unix_ns: now_unix_ns,
                figures,
            }],
            ..Self::default()
        }
    }
}

impl Figures {
    fn of(state: &ProducerState) -> Self {
        let default = Counters::default();
        let counters = state.counters.as_ref().unwrap_or(&default);
        Self {
            observed: counters.observed,
            in_flight: counters.in_flight,
            recorded: counters.recorded,
            dropped: by_reason(&counters.dropped),
            skipped: by_reason(&counters.skipped),
            refused: counters.refused,
            recorded_before: 0,
            undelivered: 0,
            pending: 0,
            received: state.received,
            duplicates: state.duplicates,
            quarantined: state.quarantined,
            stored: state.stored(),
            published: state.published,
            journaled: state.unpublished(),
            batches: state.batches,
            batches_retried: counters.batches_retried,
            host_errors: counters.host_errors,
        }
    }

    fn of_entry(entry: &Entry, now_unix_ns: u64, ledger: &Ledger) -> Self {
        let grace = ledger.limits().undelivered_grace;
        Self {
            recorded: entry.recorded(),
            ..Self::of(&entry.state).with(entry.outstanding(now_unix_ns, grace))
        }
    }

    fn with(self, outstanding: Outstanding) -> Self {
        Self {
            recorded_before: outstanding.recorded_before,
            undelivered: outstanding.undelivered,
            pending: outstanding.pending,
            ..self
        }
    }

    /// Leaves out the records that are in the journal.
    fn without_journal(&mut self) {
        self.received = self.received.saturating_sub(self.journaled);
        self.stored = self.stored.saturating_sub(self.journaled);
        self.recorded = self.recorded.saturating_sub(self.journaled);
        self.observed = self.observed.saturating_sub(self.journaled);
        self.journaled = 0;
    }

    fn add(&mut self, other: &Self) {
        let add = |sum: &mut u64, value: u64| *sum = sum.saturating_add(value);
        add(&mut self.observed, other.observed);
        add(&mut self.in_flight, other.in_flight);
        add(&mut self.recorded, other.recorded);
        add(&mut self.refused, other.refused);
        add(&mut self.recorded_before, other.recorded_before);
        add(&mut self.undelivered, other.undelivered);
        add(&mut self.pending, other.pending);
        add(&mut self.received, other.received);
        add(&mut self.duplicates, other.duplicates);
        add(&mut self.quarantined, other.quarantined);
        add(&mut self.stored, other.stored);
        add(&mut self.published, other.published);
        add(&mut self.journaled, other.journaled);
        add(&mut self.batches, other.batches);
        add(&mut self.batches_retried, other.batches_retried);
        add(&mut self.host_errors, other.host_errors);
        for (sum, counts) in [
            (&mut self.dropped, &other.dropped),
            (&mut self.skipped, &other.skipped),
        ] {
            for (reason, count) in counts {
                add(sum.entry(reason.clone()).or_default(), *count);
            }
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Counts by the contract's names: `REASON_BUFFER_FULL` is `buffer_full`; numbers this version does
/// not know are `unknown`.
fn by_reason(counts: &[ReasonCount]) -> BTreeMap<String, u64> {
    let mut named = BTreeMap::new();
    for count in counts {
        let name = Reason::try_from(count.reason).map_or("unknown", |reason| reason.as_str_name());
        let name = name
            .strip_prefix("REASON_")
            .unwrap_or(name)
            .to_ascii_lowercase();
        let sum: &mut u64 = named.entry(name).or_default();
        *sum = sum.saturating_add(count.count);
    }
    named
}
