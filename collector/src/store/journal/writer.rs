//! The journal's thread: takes what is queued, writes it, syncs once, then lets all go.
//!
//! ```text
//!  queue ──▶ append, append, ... ──▶ one fdatasync ──▶ acknowledge all ──▶ seal? ──▶ again
//! ```
//!
//! A write that fails is taken back and refused: the disk may be full, and is asked again with the
//! next batch. A sync that fails is final ([`Health::poison`]): nobody can say what is on the disk,
//! so nothing of that group is acknowledged, nothing more is accepted, and the operator is told. So is a
//! directory that is removed or moved ([`place`]).

mod place;
mod sealing;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::disk::Disk;
use super::frame::{BatchMeta, Kind, PublishedMeta};
use super::ledger::Ledger;
use super::segment::{NotBegun, OpenSegment, SegmentId};
use super::{Ack, Append, Command, Failure, Health, JournalSettings, Refusal, SealedSegments};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::accounting::Accounting;

/// Batches written under one sync at most.
const GROUP_BATCHES_MAX: usize = 256;
/// Bytes written under one sync at most (and one batch more): bounds the time to an ack.
const GROUP_BYTES_MAX: usize = 16 << 20;
/// How often the free space of the disk is looked up.
const DISK_CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// How often figures that only age are refreshed, and silent producers forgotten.
const TICK: Duration = Duration::from_secs(1);

/// State of the journal's thread.
#[derive(Debug)]
pub struct Writer {
    settings: JournalSettings,
    disk: Box<dyn Disk>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    ledger: Ledger,
    segment: OpenSegment,
    segment_records: u64,
    segment_opened: Duration,
    seals_failed: u32,
    next_sequence: u64,
    sealed: Arc<SealedSegments>,
    sealed_bytes: u64,
    sizes: Vec<(u64, u64)>,
    unnoted: Vec<PublishedMeta>,
    disk_checked: Option<Duration>,
    write_failed: Option<Duration>,
    accounting_written: Option<Duration>,
    changed: bool,
    draining: bool,
}

/// Answers that wait for the sync.
type Waiting = Vec<(Append, Ack)>;

impl Writer {
    /// Begins a new segment, after those in `recovered`.
    pub(super) fn try_new(
        settings: JournalSettings,
        mut disk: Box<dyn Disk>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        recovered: super::recovery::Recovered,
        sealed: Arc<SealedSegments>,
    ) -> std::io::Result<Self> {
        let super::recovery::Recovered {
            ledger,
            unpublished,
            next_sequence,
            ..
        } = recovered;
        let id = SegmentId {
            sequence: next_sequence,
            id: segment_uuid(clock.unix_ns()),
        };
        let segment = OpenSegment::create(disk.as_mut(), id, &ledger.snapshot())
            .map_err(|NotBegun { error, .. }| error)?;
        let sizes: Vec<(u64, u64)> = unpublished
            .iter()
            .map(|(id, size)| (id.sequence, *size))
            .collect();
        for (id, _) in unpublished {
            sealed.push(id);
        }
        Ok(Self {
            segment_opened: clock.monotonic(),
            sealed_bytes: sizes.iter().map(|(_, size)| size).sum(),
            settings,
            disk,
            clock,
            metrics,
            health,
            ledger,
            segment,
            segment_records: 0,
            seals_failed: 0,
            next_sequence: next_sequence + 1,
            sealed,
            sizes,
            unnoted: Vec::new(),
            disk_checked: None,
            write_failed: None,
            accounting_written: None,
            changed: true,
            draining: false,
        })
    }

    /// Works until every [`super::Journal`] handle is dropped. Blocks: needs a thread of its own. Returns how many
    /// segments are left for the next start to publish.
    pub fn run(mut self, commands: &Receiver<Command>) -> usize {
        loop {
            self.check_disk();
            self.health.set_journal_full(self.is_full());
            self.health.set_segment_full(self.is_overdue());
            match commands.recv_timeout(self.until_next_duty()) {
                Ok(first) => self.group(Some(first), commands),
                Err(RecvTimeoutError::Timeout) if self.unnoted.is_empty() => {}
                Err(RecvTimeoutError::Timeout) => self.group(None, commands),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.duties();
        }
        self.write_accounting();
        self.sizes.len() + usize::from(self.segment_records > 0)
    }

    fn group(&mut self, first: Option<Command>, commands: &Receiver<Command>) {
        let mut waiting = Waiting::new();
        let mut written = 0;
        let mut next = first;
        let mut taken = 0;
        while let Some(command) = next {
            taken += 1;
            match command {
                Command::Append(append) => {
                    written += append.body.len();
                    self.metrics.queue_left(append.body.len());
                    self.append(append, &mut waiting);
                }
                Command::Published(meta) => self.take_published(meta),
                Command::Drain => self.draining = true,
            }
            let full = taken >= GROUP_BATCHES_MAX || written >= GROUP_BYTES_MAX;
            next = if full { None } else { commands.try_recv().ok() };
        }
        let published = self.note_published();
        if waiting.is_empty() && published.is_empty() {
            return;
        }
        if self.sync() {
            for (append, ack) in waiting {
                append.answer(Ok(ack));
            }
            for (sequence, is_gone) in published {
                self.remove(sequence, is_gone);
            }
        } else {
            for (append, _) in waiting {
                append.answer(Err(Refusal::JournalFailed));
            }
        }
    }

    fn append(&mut self, append: Append, waiting: &mut Waiting) {
        match self.try_append(&append) {
            Ok(ack) => waiting.push((append, ack)),
            Err(refusal) => append.answer(Err(refusal)),
        }
    }

    fn try_append(&mut self, append: &Append) -> Result<Ack, Refusal> {
        self.health.check()?;
        if self.is_full() {
            return Err(Refusal::JournalFull);
        }
        if self.is_overdue() {
            return Err(Refusal::SegmentFull);
        }
        let now = self.clock.unix_ns();
        let envelope = &append.envelope;
        self.ledger
            .admit(&envelope.producer_id, now)
            .map_err(|_| Refusal::TooManyProducers)?;
        if self
            .ledger
            .is_given_up(&envelope.producer_id, envelope.numbers())
        {
            return Err(Refusal::GivenUp);
        }
        let accepted = self
            .ledger
            .new_numbers(&envelope.producer_id, envelope.numbers());
        let accepted_count: u64 = accepted.iter().map(|range| range.end - range.start).sum();
        let meta = BatchMeta {
            producer_id: Bytes::copy_from_slice(&envelope.producer_id),
            batch_sequence: envelope.batch_sequence,
            first_record_number: envelope.first_record_number,
            records_count: envelope.records_count,
            accepted: accepted
                .iter()
                .flat_map(|range| [range.start, range.end])
                .collect(),
            counters: envelope.counters.clone(),
            received_unix_ns: now,
        };
        let body: &[u8] = if accepted_count > 0 {
            &append.body
        } else {
            &[]
        };
        self.write(Kind::Batch, &meta.encode_to_vec(), body)?;
        self.ledger.batch(&meta);
        self.segment_records += accepted_count;
        let duplicates = u64::from(envelope.records_count) - accepted_count;
        self.metrics.batch_received(accepted_count, duplicates);
        Ok(Ack {
            stored: accepted_count,
            duplicates,
        })
    }

    fn write(&mut self, kind: Kind, meta: &[u8], body: &[u8]) -> Result<(), Refusal> {
        match self.segment.try_append(kind, meta, body) {
            Ok(Ok(())) => {
                self.health.set_disk_full(false);
                self.changed = true;
                Ok(())
            }
            Ok(Err(error)) => {
                if !self.disk_failed() {
                    warn!(%error, "journal write failed, nothing lost, refusing until it works");
                }
                Err(Refusal::DiskFull)
            }
            Err(error) => {
                self.poison("cut back after a failed write", &error);
                Err(Refusal::JournalFailed)
            }
        }
    }

    /// Returns whether that was known.
    fn disk_failed(&mut self) -> bool {
        self.metrics.journal_write_error();
        self.write_failed = Some(self.clock.monotonic());
        self.health.set_disk_full(true)
    }

    fn sync(&mut self) -> bool {
        if self.health.check_poison().is_err() {
            return false;
        }
        let before = self.clock.monotonic();
        match self.segment.sync() {
            Ok(()) => {
                self.metrics
                    .synced(self.clock.monotonic().saturating_sub(before));
                self.ensure_in_place()
            }
            Err(error) => {
                self.poison("sync", &error);
                false
            }
        }
    }

    fn poison(&self, action: &'static str, error: &std::io::Error) {
        self.health.poison(Failure::Disk);
        error!(
            action, %error,
            "journal failed, accepting nothing more; check the disk, then start again"
        );
    }

    /// A segment is in Parquet, as far as it could be read.
    fn take_published(&mut self, meta: PublishedMeta) {
        let found = meta.damaged_stretches;
        let meta = self.ledger.held().judge(meta);
        if meta.damaged_stretches > found {
            error!(
                sequence = meta.segment_sequence,
                "segment held more records than are in it, acknowledged records are lost"
            );
            self.metrics.journal_damaged(meta.damaged_stretches - found);
        }
        self.unnoted.push(meta);
    }

    /// Segments are in Parquet: notes it, so that their records are counted as such after a restart.
    /// Returns those whose files may go, and whether they were gone before. A note that cannot be written is tried again with the next
    /// group, and its segment stays until then: `disk_free_bytes_min` keeps room for notes.
    fn note_published(&mut self) -> Vec<(u64, bool)> {
        let mut noted = Vec::new();
        // What the publisher did not find because it is elsewhere must not be noted there as done with.
        let may_note = !self.unnoted.is_empty()
            && self.ensure_in_place()
            && self.health.check_poison().is_ok();
        while may_note && let Some(meta) = self.unnoted.pop() {
            let note = self.write(Kind::Published, &meta.encode_to_vec(), &[]);
            if note.is_err() {
                self.unnoted.push(meta);
                break;
            }
            self.ledger.published(&meta);
            noted.push((meta.segment_sequence, meta.is_gone));
        }
        noted
    }

    fn remove(&mut self, sequence: u64, is_gone: bool) {
        let Some(index) = self.sizes.iter().position(|(known, _)| *known == sequence) else {
            return;
        };
        let (_, size) = self.sizes.swap_remove(index);
        self.sealed_bytes = self.sealed_bytes.saturating_sub(size);
        let Some(id) = self.sealed.finished(sequence) else {
            return;
        };
        if is_gone {
            // Somebody may put it back.
            return;
        }
        match self.disk.remove(&id.file_name()) {
            Ok(()) => self.ledger.removed(sequence),
            Err(error) if error.kind() == ErrorKind::NotFound => self.ledger.removed(sequence),
            Err(error) => warn!(%error, segment = %id.id, "failed to remove a published segment"),
        }
    }

    /// What is due after each group: seals the segment ([`Self::is_seal_due`]), closes the queue of sealed ones at the
    /// end, refreshes figures.
    fn duties(&mut self) {
        // What a failed write left at its end is cut off durably: an end that is no frame will count as damage.
        if self.is_seal_due() && self.sync() {
            self.seal();
        }
        if self.draining {
            self.sealed.close();
        }
        let now = self.clock.monotonic();
        let elapsed = self.accounting_written.map(|at| now.saturating_sub(at));
        if elapsed.is_none_or(|elapsed| elapsed >= TICK) {
            self.accounting_written = Some(now);
            // While batches are refused, or the disk holds this thread up, nobody is heard.
            let elapsed = match self.health.check() {
                Ok(()) => elapsed.unwrap_or_default().min(2 * TICK),
                Err(_) => Duration::ZERO,
            };
            let expired = self.ledger.expire(elapsed, self.clock.unix_ns());
            self.metrics.producers_forgotten(expired);
            if std::mem::take(&mut self.changed) || expired > 0 {
                // What is pending becomes undelivered by the passing of time alone.
                self.changed = self.write_accounting() > 0;
            }
            self.metrics.set_journal(
                self.journal_bytes(),
                self.sealed.backlog(),
                self.ledger.unpublished(),
            );
        }
    }

    fn is_full(&self) -> bool {
        // The open segment's snapshot and notes do not go away by publishing.
        let bytes = self.sealed_bytes.saturating_add(self.segment.batch_bytes());
        bytes >= self.settings.journal_bytes_max
    }

    fn journal_bytes(&self) -> u64 {
        self.sealed_bytes.saturating_add(self.segment.bytes())
    }

    fn check_disk(&mut self) {
        let now = self.clock.monotonic();
        if self
            .disk_checked
            .is_some_and(|at| now.saturating_sub(at) < DISK_CHECK_INTERVAL)
        {
            return;
        }
        self.disk_checked = Some(now);
        self.ensure_in_place();
        match self.disk.free_bytes() {
            Ok(free) => {
                self.metrics.set_disk_free(free);
                let low = free < self.settings.disk_free_bytes_min;
                // Where nobody sends to a collector that is not ready, nothing else would find out.
                let retry = |at| !low && now.saturating_sub(at) >= TICK;
                if self.write_failed.is_some_and(retry) {
                    self.write_failed = None;
                    self.health.set_disk_full(false);
                }
                if self.health.set_disk_low(low) != low {
                    if low {
                        warn!(free_bytes = free, "disk is nearly full, refusing batches");
                    } else {
                        info!(free_bytes = free, "disk has room again");
                    }
                }
            }
            Err(error) => warn!(%error, "failed to look up free disk space"),
        }
    }

    fn until_next_duty(&self) -> Duration {
        if self.health.is_disk_low() {
            DISK_CHECK_INTERVAL
        } else {
            TICK
        }
        .min(self.settings.publish_interval)
    }

    /// Returns how many records are pending.
    fn write_accounting(&self) -> u64 {
        let accounting = Accounting::of(&self.ledger, self.clock.unix_ns());
        self.metrics
            .set_filter_figures(&accounting.filter_figures());
        // Where it is gone, this may be another collector's directory by now.
        if self.ensure_in_place()
            && let Err(error) = accounting.save(&self.settings.data_dir)
        {
            warn!(%error, "failed to write the accounting file");
        }
        accounting.total.pending
    }
}

/// A time-ordered name for a segment begun at `unix_ns`.
fn segment_uuid(unix_ns: u64) -> Uuid {
    let (seconds, nanos) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000);
    let nanos = u32::try_from(nanos).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos))
}
