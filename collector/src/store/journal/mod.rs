//! The journal: a batch is on stable storage here before it is acknowledged.
//!
//! Append-only segment files with checksums ([`frame`] documents the format), one thread that
//! writes and syncs in groups ([`writer`]), and a ledger of what every producer has sent
//! ([`ledger`]), by which each record is stored once however often it comes. Full segments are
//! handed to the publisher through [`SealedSegments`] and removed when their records are in Parquet.
//!
//! Every bound is named in [`JournalSettings`] or beside its constant. Not supported: two processes
//! on one directory (the data directory is locked), reading newer formats (refused).

pub mod disk;
pub mod frame;
pub mod held;
pub mod intervals;
pub mod ledger;
pub mod producer;
pub mod recovery;
pub mod segment;
pub mod writer;

mod health;
mod sealed;
#[cfg(test)]
mod tests;

pub use health::{Failure, Health};
pub use sealed::SealedSegments;

use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::store::accounting::Accounting;
use crate::store::data_dir::MARKER;
use frame::PublishedMeta;
use ledger::LedgerLimits;
use recovery::RecoveryError;
use twintap_decode::envelope::Envelope;
use writer::Writer;

/// Directory of the journal inside the data directory.
pub const DIRECTORY: &str = "journal";
/// How often a full queue is asked again to take the end.
const DRAIN_PAUSE: Duration = Duration::from_millis(10);

/// What the journal may use.
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// The data directory; segments are in its folder [`DIRECTORY`].
    pub data_dir: PathBuf,
    /// A segment is sealed when its batches reach this size.
    pub segment_bytes_max: u64,
    /// A segment is sealed when it holds this many records.
    pub segment_records_max: u64,
    /// A segment with records is sealed at this age.
    pub publish_interval: Duration,
    /// Batches are refused while the journal is at least this large, without snapshot and notes of the open segment.
    pub journal_bytes_max: u64,
    /// Batches are refused while the disk has less room than this.
    pub disk_free_bytes_min: u64,
    /// Batches that may wait for the journal's thread.
    pub queue_batches_max: usize,
    /// What is remembered of producers.
    pub ledger: LedgerLimits,
}

/// A batch is durable: what became of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Records that were new.
    pub stored: u64,
    /// Records that had been stored before.
    pub duplicates: u64,
}

/// Why the journal did not take a batch. Nothing of it was kept; sending it again is right, but for [`Self::GivenUp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More batches wait than may.
    #[error("the queue to the journal is full")]
    QueueFull,
    /// Parquet is not written, or more slowly than batches arrive.
    #[error(
        "the journal has reached journal_bytes_max: its segments cannot be read or written as Parquet, which the log \
         says, or not as fast as records come"
    )]
    JournalFull,
    /// No next segment can be begun, and the open one is as large as one may be.
    #[error(
        "the open segment of the journal is full, and no next one can be begun: file descriptors, inodes or room \
         are used up"
    )]
    SegmentFull,
    /// A write failed.
    #[error("the journal could not be written")]
    DiskFull,
    /// The disk has less room than it must.
    #[error("the disk of the data directory has less than disk_free_bytes_min left")]
    DiskLow,
    /// The table of producers is full of those that are active, or whose records are not in Parquet yet.
    #[error(
        "there are producers_max recorders that are active, or whose records are not in Parquet yet"
    )]
    TooManyProducers,
    /// Whether its records were stored is not known any more.
    #[error(
        "more than {} gaps came after these record numbers, so that it is not known any more which of them are \
         stored: those that are not count as lost",
        producer::INTERVALS_MAX
    )]
    GivenUp,
    /// A sync failed, or the directory is gone: only a restart helps.
    #[error("the journal has failed")]
    JournalFailed,
    /// The collector is shutting down.
    #[error("the collector is shutting down")]
    ShuttingDown,
}

impl Refusal {
    /// The machine-readable name, used in answers and as a metric label.
    pub fn code(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::JournalFull => "journal_full",
            Self::SegmentFull => "segment_full",
            Self::DiskFull => "disk_full",
            Self::DiskLow => "disk_low",
            Self::TooManyProducers => "too_many_producers",
            Self::GivenUp => "given_up",
            Self::JournalFailed => "journal_failed",
            Self::ShuttingDown => "shutting_down",
        }
    }
}

/// A batch on its way into the journal.
#[derive(Debug)]
pub struct Append {
    envelope: Envelope,
    body: Bytes,
    answer: oneshot::Sender<Result<Ack, Refusal>>,
    // Gives the memory back when the batch is written or refused.
    _memory: Option<OwnedSemaphorePermit>,
}

impl Append {
    fn answer(self, result: Result<Ack, Refusal>) {
        // The producer may have gone away; it will ask again.
        self.answer.send(result).ok();
    }
}

/// What the journal's thread is told.
#[derive(Debug)]
pub enum Command {
    /// Store a batch.
    Append(Append),
    /// A segment may go.
    Published(PublishedMeta),
    /// Seal what there is; nothing more will come.
    Drain,
}

/// Hands batches to the journal's thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Journal {
    commands: SyncSender<Command>,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

impl Journal {
    /// Stores a batch; returns when it is on stable storage. `memory` is held until then.
    pub async fn append(
        &self,
        envelope: Envelope,
        body: Bytes,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<Ack, Refusal> {
        self.health.check()?;
        let (answer, answered) = oneshot::channel();
        let bytes = body.len();
        self.metrics.queue_entered(bytes);
        let append = Append {
            envelope,
            body,
            answer,
            _memory: memory,
        };
        if let Err(error) = self.commands.try_send(Command::Append(append)) {
            self.metrics.queue_left(bytes);
            return Err(match error {
                TrySendError::Full(_) => Refusal::QueueFull,
                TrySendError::Disconnected(_) => Refusal::ShuttingDown,
            });
        }
        answered.await.unwrap_or(Err(Refusal::ShuttingDown))
    }

    /// Whether batches can be taken, as far as is known.
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// The records of a segment are in Parquet. Blocks while the queue is full.
    pub fn published(&self, meta: PublishedMeta) -> Result<(), Refusal> {
        self.commands
            .send(Command::Published(meta))
            .map_err(|_| Refusal::ShuttingDown)
    }

    /// Seals the open segment; [`SealedSegments`] ends after it. Waits while the queue is full.
    pub async fn drain(&self) -> Result<(), Refusal> {
        loop {
            match self.commands.try_send(Command::Drain) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(_)) => tokio::time::sleep(DRAIN_PAUSE).await,
                Err(TrySendError::Disconnected(_)) => return Err(Refusal::ShuttingDown),
            }
        }
    }
}

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is there cannot be read.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// No new segment could be begun.
    #[error("begin a segment in {path}: {error}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The figures of a journal that forgot them cannot be kept.
    #[error("keep the accounting of a damaged journal: {error}")]
    Figures {
        /// What the system said.
        error: std::io::Error,
    },
}

/// An open journal, before its thread runs.
#[derive(Debug)]
pub struct Opened {
    /// For those who send batches.
    pub journal: Journal,
    /// For the journal's thread: `writer.run(&commands)`.
    pub writer: Writer,
    /// For the journal's thread.
    pub commands: Receiver<Command>,
    /// For the publisher.
    pub sealed: Arc<SealedSegments>,
}

/// Recovers the journal in `settings.data_dir`, which `lock` locks, and begins a new segment.
pub fn open(
    settings: JournalSettings,
    lock: Arc<File>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Result<Opened, OpenError> {
    let dir = directory(&settings.data_dir);
    let create = |error| OpenError::Create {
        path: dir.clone(),
        error,
    };
    let disk = disk::DirDisk::open(&dir).map_err(create)?;
    let disk = disk.locked_by(lock, settings.data_dir.join(MARKER));
    open_on(settings, Box::new(disk), clock, metrics)
}

/// As [`open`], writing through `disk`.
pub fn open_on(
    settings: JournalSettings,
    disk: Box<dyn disk::Disk>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> Result<Opened, OpenError> {
    let dir = directory(&settings.data_dir);
    let recovered = recovery::recover(&dir, settings.ledger)?;
    if recovered.torn_bytes > 0 {
        tracing::warn!(
            bytes = recovered.torn_bytes,
            "cut the unreadable end of the journal: unacknowledged if power or disk space ran out"
        );
        metrics.torn_tail(recovered.torn_bytes);
    }
    if recovered.missing_segments > 0 {
        tracing::error!(
            segments = recovered.missing_segments,
            "segments of the journal are gone that were not in Parquet, acknowledged records are lost"
        );
        metrics.journal_damaged(recovered.missing_segments);
    }
    if let Some(segment) = recovered.forgot_at {
        tracing::error!(
            "no snapshot of the journal can be read: which records came before is forgotten, and those that come \
             again are stored again; the figures so far are kept in a file of their own"
        );
        let kept = Accounting::keep_forgotten(&settings.data_dir, segment);
        kept.map_err(|error| OpenError::Figures { error })?;
    }
    let (sender, commands) = sync_channel(settings.queue_batches_max);
    let health = Arc::new(Health::default());
    let sealed = Arc::new(SealedSegments::default());
    let journal = Journal {
        commands: sender,
        health: Arc::clone(&health),
        metrics: Arc::clone(&metrics),
    };
    let writer = Writer::try_new(
        settings,
        disk,
        clock,
        metrics,
        health,
        recovered,
        Arc::clone(&sealed),
    )
    .map_err(|error| OpenError::Create { path: dir, error })?;
    Ok(Opened {
        journal,
        writer,
        commands,
        sealed,
    })
}

/// Where the segments of `data_dir` are.
pub fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join(DIRECTORY)
}
