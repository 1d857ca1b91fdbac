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
//! recorded = stored + quarantined + refused + undelivered + pending
//! observed = recorded + in_flight + sum(dropped) + sum(skipped)      as the producer counts
//! ```
//!
//! Each ingested capture has a file of the same form beside it, `accounting-<producer id>.json`; there,
//! `observed` are the streams that were seen, and `dropped` those of which too little was captured. That of a
//! live capture is replaced with each part of the dataset, says that it is open, and counts packets.
//!
//! Readers accept [`VERSION`] only, and ignore keys they do not know.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use twintap_record::{Counters, Reason, ReasonCount};

use super::data_dir;
use super::hex::hex;
use super::journal::disk::FILE_MODE;
use super::journal::ledger::{Entry, Ledger, ProducerState};

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "accounting.json";
/// Names of the files of captures.
const CAPTURE_PREFIX: &str = "accounting-";
const CAPTURE_SUFFIX: &str = ".json";
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
    /// Damaged stretches of the journal; the records in them are lost although acknowledged.
    pub damaged_stretches: u64,
    /// Those that are remembered, by id.
    pub producers: Vec<ProducerFigures>,
    /// Packets of a live capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<PacketFigures>,
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
    /// Numbers that never came, for longer than the grace period.
    pub undelivered: u64,
    /// Numbers that have not come yet. Lost too, if neither side runs any more.
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
    /// The figures of `ledger` at `now_unix_ns`.
    pub fn of(ledger: &Ledger, now_unix_ns: u64) -> Self {
        let (state, forgotten_count, undelivered) = ledger.forgotten();
        let mut forgotten = Figures::of(state);
        forgotten.undelivered = undelivered;
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

    /// Reads all of `data_dir`: the collector's and those of captures. Without the lock held by anyone,
    /// a capture that was not over was cut short.
    pub fn load_all(data_dir: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for name in names(data_dir)? {
            all.push(Self::load_file(data_dir, &name)?);
        }
        if all.iter().any(|accounting| accounting.is_open) && !data_dir::is_in_use(data_dir)? {
            all.iter_mut().for_each(Self::cut_short);
        }
        Ok(all)
    }

    /// Reads those of captures.
    pub fn of_captures(data_dir: &Path) -> io::Result<Vec<Self>> {
        let mut names = names(data_dir)?;
        names.retain(|name| name != FILE_NAME);
        let all = names.iter().map(|name| Self::load_file(data_dir, name));
        all.collect()
    }

    /// For whoever has taken the lock of `data_dir`: captures that were not over never will be.
    pub(super) fn cut_short_all(data_dir: &Path) -> io::Result<()> {
        for name in names(data_dir)?
            .into_iter()
            .filter(|name| name != FILE_NAME)
        {
            // One that this version cannot read is for those who want to read it to complain about.
            if let Ok(mut accounting) = Self::load_file(data_dir, &name)
                && accounting.is_open
            {
                accounting.cut_short();
                accounting.save_capture(data_dir)?;
            }
        }
        Ok(())
    }

    /// Nobody knows what was captured since it was written.
    fn cut_short(&mut self) {
        self.damaged_stretches += u64::from(std::mem::take(&mut self.is_open));
    }

    /// Reads the collector's file of `data_dir`.
    pub fn load(data_dir: &Path) -> io::Result<Self> {
        Self::load_file(data_dir, FILE_NAME)
    }

    fn load_file(data_dir: &Path, name: &str) -> io::Result<Self> {
        let accounting: Self = serde_json::from_slice(&fs::read(data_dir.join(name))?)?;
        if accounting.version != VERSION {
            let problem = format!("{name} has version {}, not {VERSION}", accounting.version);
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        Ok(accounting)
    }

    /// Replaces the file of `data_dir`. Not synced: it can be rebuilt from the journal.
    pub fn save(&self, data_dir: &Path) -> io::Result<()> {
        self.save_file(data_dir, FILE_NAME)
    }

    /// Writes the file of a capture into `data_dir`, durably: nothing could rebuild it.
    pub fn save_capture(&self, data_dir: &Path) -> io::Result<()> {
        let name = self.capture_name();
        self.save_file(data_dir, &name)?;
        File::open(data_dir.join(name))?.sync_all()?;
        File::open(data_dir)?.sync_all()
    }

    /// Removes the file of a capture, durably: as if it had never been ingested.
    pub fn remove_capture(&self, data_dir: &Path) -> io::Result<()> {
        fs::remove_file(data_dir.join(self.capture_name()))?;
        File::open(data_dir)?.sync_all()
    }

    fn capture_name(&self) -> String {
        let producer = self.producers.first();
        let id = producer.map_or("", |producer| &producer.producer_id);
        format!("{CAPTURE_PREFIX}{id}{CAPTURE_SUFFIX}")
    }

    fn save_file(&self, data_dir: &Path, name: &str) -> io::Result<()> {
        let temporary = data_dir.join(format!("{name}.tmp"));
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&temporary)?;
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        file.write_all(&json)?;
        fs::rename(&temporary, data_dir.join(name))
    }
}

/// Names of all accounting files of `data_dir`.
fn names(data_dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(data_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_capture = name.starts_with(CAPTURE_PREFIX) && name.ends_with(CAPTURE_SUFFIX);
        if name == FILE_NAME || is_capture {
            names.push(name);
        }
    }
    Ok(names)
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
            undelivered: 0,
            pending: 0,
            received: state.received,
            duplicates: state.duplicates,
            quarantined: state.quarantined,
            stored: state.stored(),
            published: state.published,
            journaled: state.stored().saturating_sub(state.published),
            batches: state.batches,
            batches_retried: counters.batches_retried,
            host_errors: counters.host_errors,
        }
    }

    fn of_entry(entry: &Entry, now_unix_ns: u64, ledger: &Ledger) -> Self {
        let grace = ledger.limits().undelivered_grace;
        let (undelivered, pending) = entry.outstanding(now_unix_ns, grace);
        Self {
            recorded: entry.recorded(),
            undelivered,
            pending,
            ..Self::of(&entry.state)
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |sum: &mut u64, value: u64| *sum = sum.saturating_add(value);
        add(&mut self.observed, other.observed);
        add(&mut self.in_flight, other.in_flight);
        add(&mut self.recorded, other.recorded);
        add(&mut self.refused, other.refused);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::data_dir::DataDir;

    fn of_running_capture() -> Accounting {
        Accounting {
            is_open: true,
            ..Accounting::of_capture(&[7; 16], Figures::default(), 2, 1)
        }
    }

    fn damaged_stretches(data_dir: &Path) -> u64 {
        let all = Accounting::load_all(data_dir).unwrap();
        all.iter()
            .map(|accounting| accounting.damaged_stretches)
            .sum()
    }

    #[test]
    fn a_capture_that_runs_lacks_nothing_that_it_does_not_say() {
        let dir = tempfile::tempdir().unwrap();
        let _running = DataDir::open(dir.path()).unwrap();
        of_running_capture().save_capture(dir.path()).unwrap();
        assert_eq!(damaged_stretches(dir.path()), 2);
    }

    #[test]
    fn a_capture_that_was_killed_lacks_its_end() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::open(dir.path()).unwrap());
        of_running_capture().save_capture(dir.path()).unwrap();
        assert_eq!(damaged_stretches(dir.path()), 3, "as nobody runs");
        for _ in 0..2 {
            let _other = DataDir::open(dir.path()).unwrap();
            assert_eq!(
                damaged_stretches(dir.path()),
                3,
                "nor does another make it run"
            );
        }
    }

    #[test]
    fn a_collector_is_not_a_capture() {
        let dir = tempfile::tempdir().unwrap();
        let _collector = DataDir::open(dir.path()).unwrap();
        Accounting {
            version: VERSION,
            ..Accounting::default()
        }
        .save(dir.path())
        .unwrap();
        let text = fs::read_to_string(dir.path().join(FILE_NAME)).unwrap();
        assert!(
            !text.contains("is_open") && !text.contains("packets"),
            "{text}"
        );
        assert_eq!(damaged_stretches(dir.path()), 0);
    }
}
