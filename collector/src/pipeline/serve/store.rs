//! The store as it runs: the data directory, and the two threads that write to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use twintap_decode::envelope::Envelope;

use super::{RunError, Settings};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::pipeline::spawn;
use crate::sources::http::routes::draining;
use crate::sources::{Intake, NotTaken, Taken};
use crate::store::data_dir::DataDir;
use crate::store::journal::{self, Failure, Health, Journal, Opened, Refusal, SealedSegments};
use crate::store::parquet::sweep_unfinished;
use crate::store::publisher::Publisher;

/// When to come again to a journal that is full or failing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// All that is behind the port.
pub(super) struct Store {
    data_dir: DataDir,
    journal: Journal,
    metrics: Arc<Metrics>,
    threads: Threads,
}

impl Store {
    /// Locks the data directory, recovers the journal, starts the threads.
    pub(super) fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, RunError> {
        let data_dir = DataDir::open(&settings.journal.data_dir)?;
        match sweep_unfinished(data_dir.path()) {
            Ok(0) => {}
            Ok(files) => info!(files, "removed half-written files of a crash"),
            Err(error) => warn!(%error, "failed to look for half-written files of a crash"),
        }
        let metrics = Arc::new(Metrics::default());
        let opened = journal::open(
            settings.journal.clone(),
            data_dir.lock(),
            clock,
            Arc::clone(&metrics),
        )?;
        let publisher = Publisher::new(
            data_dir.path(),
            settings.parquet.clone(),
            Arc::clone(&metrics),
        );
        Ok(Self {
            data_dir,
            journal: opened.journal.clone(),
            metrics,
            threads: Threads::start(opened, publisher)?,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.data_dir.path()
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// For sources; takes nothing any more after `shutdown`.
    pub(super) fn intake(&self, shutdown: CancellationToken) -> JournalIntake {
        let journal = self.journal.clone();
        JournalIntake { journal, shutdown }
    }

    /// Waits until something is broken.
    pub(super) async fn failed(&mut self) -> RunError {
        tokio::select! {
            failure = self.journal.health().poisoned() => told(failure, self.path()),
            () = self.threads.journal_done.cancelled() => RunError::JournalEnded,
            () = self.threads.publisher_done.cancelled() => RunError::PublisherEnded,
        }
    }

    /// For when this is gone, too: has the journal failed?
    pub(super) fn unbroken(&self) -> impl Fn() -> Result<(), RunError> + use<> {
        let (health, path) = (Arc::clone(self.journal.health()), self.path().to_owned());
        move || match health.failure() {
            Some(failure) => Err(told(failure, &path)),
            None => Ok(()),
        }
    }

    /// Seals, publishes and ends both threads. Nobody else may have the journal any more.
    pub(super) async fn drain(self) -> Result<(), RunError> {
        let unbroken = self.unbroken();
        let Self {
            data_dir: _locked,
            journal,
            threads,
            ..
        } = self;
        let left = threads.drain(journal).await;
        unbroken()?;
        match left? {
            0 => info!("drained"),
            segments => warn!(
                segments,
                "not all is in Parquet, the rest stays in the journal until the next start"
            ),
        }
        Ok(())
    }
}

fn told(failure: Failure, data_dir: &Path) -> RunError {
    match failure {
        Failure::Disk => RunError::JournalFailed(data_dir.to_owned()),
        Failure::Removed => RunError::Removed(data_dir.to_owned()),
    }
}

/// The journal, as sources see it.
#[derive(Clone, Debug)]
pub(super) struct JournalIntake {
    journal: Journal,
    shutdown: CancellationToken,
}

impl Intake for JournalIntake {
    async fn take(
        &self,
        envelope: Envelope,
        body: Bytes,
        memory: OwnedSemaphorePermit,
    ) -> Result<Taken, NotTaken> {
        let ack = self
            .journal
            .append(envelope, body, Some(memory))
            .await
            .map_err(not_taken)?;
        Ok(Taken {
            stored: ack.stored,
            duplicates: ack.duplicates,
        })
    }

    fn check(&self) -> Result<(), NotTaken> {
        self.unless_draining(Health::check)
    }

    fn ready(&self) -> Result<(), NotTaken> {
        self.unless_draining(Health::ready)
    }
}

impl JournalIntake {
    fn unless_draining(&self, ask: fn(&Health) -> Result<(), Refusal>) -> Result<(), NotTaken> {
        if self.shutdown.is_cancelled() {
            return Err(draining());
        }
        ask(self.journal.health()).map_err(not_taken)
    }
}

fn not_taken(refusal: Refusal) -> NotTaken {
    NotTaken {
        code: refusal.code(),
        reason: refusal.to_string(),
        retry_after: (refusal != Refusal::GivenUp).then_some(RETRY_AFTER),
    }
}

/// The two threads, and how to end them.
struct Threads {
    /// Answers how many segments are left.
    journal: JoinHandle<usize>,
    journal_done: CancellationToken,
    publisher_done: CancellationToken,
    stop: Option<SyncSender<()>>,
}

impl Threads {
    fn start(opened: Opened, publisher: Publisher) -> Result<Self, RunError> {
        let Opened {
            journal,
            writer,
            commands,
            sealed,
        } = opened;
        // Dropped, and so told, however a thread ends.
        let (journal_done, publisher_done) = (CancellationToken::new(), CancellationToken::new());
        let journal_ended = journal_done.clone().drop_guard();
        let publisher_ended = publisher_done.clone().drop_guard();
        let (stop, stopped) = sync_channel(1);
        let running = spawn("journal", move || {
            let _ended = journal_ended;
            writer.run(&commands)
        })
        .map_err(RunError::Thread)?;
        spawn("publisher", move || {
            let _ended = publisher_ended;
            publish(&publisher, &sealed, &journal, &stopped);
        })
        .map_err(RunError::Thread)?;
        Ok(Self {
            journal: running,
            journal_done,
            publisher_done,
            stop: Some(stop),
        })
    }

    /// Seals, publishes and ends both threads. Returns how many segments are left for the next start.
    async fn drain(mut self, journal: Journal) -> Result<usize, RunError> {
        let health = Arc::clone(journal.health());
        // Else the thread has ended.
        journal.drain().await.ok();
        drop(journal);
        tokio::select! {
            () = self.journal_done.cancelled() => {}
            // There is nothing to publish any more, however often it is tried.
            () = removed(&health) => {
                self.stop.take();
                self.journal_done.cancelled().await;
            }
        }
        self.journal.join().map_err(|_| RunError::JournalEnded)
    }
}

/// Returns when the directory is gone.
async fn removed(health: &Health) {
    if health.poisoned().await != Failure::Removed {
        std::future::pending::<()>().await;
    }
}

fn publish(
    publisher: &Publisher,
    sealed: &SealedSegments,
    journal: &Journal,
    stopped: &Receiver<()>,
) {
    publisher.run(sealed, journal, |pause| {
        stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
    });
}
