//! Wires sources, store and shutdown; the only place that spawns.
//!
//! ```text
//! connections ──▶ HTTP tasks ──▶ queue ──▶ journal thread ──▶ sealed segments ──▶ publisher thread
//! (bounded)       (bounded)     (bounded)  (fsync, then 200)  (bounded)           (Parquet)
//! ```
//!
//! The end, in order: no new connections; requests in flight are answered; the journal seals; the
//! publisher publishes what there is; done. Whatever is cut short by the deadline is durable.

pub mod capture;
pub mod ingest;
pub mod partners;
pub mod passes;
mod signals;

pub use signals::{EXIT_INTERRUPTED, StopSignals, stop_on_signals, stop_signal};

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::sources::http::routes::draining;
use crate::sources::http::{
    Limits, Service, Tls, TlsError, TlsFiles, TokenError, Tokens, serve_connection,
};
use crate::sources::{Busy, Intake, Taken};
use crate::store::data_dir::{DataDir, DataDirError};
use crate::store::journal::ledger::LedgerLimits;
use crate::store::journal::{
    self, Health, Journal, JournalSettings, OpenError, Opened, Refusal, SealedSegments,
};
use crate::store::parquet::WriteSettings;
use crate::store::parquet::sweep_unfinished;
use crate::store::publisher::Publisher;
use twintap_decode::envelope::Envelope;

/// Pause after a failed accept, so that running out of file descriptors is not a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// When to come again to a journal that is full or failing.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What [`run`] needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the HTTP port takes.
    pub limits: Limits,
    /// Certificates of the HTTP port.
    pub tls: Option<TlsFiles>,
    /// Who may send records, if not everyone who can.
    pub token_file: Option<PathBuf>,
    /// What the journal may use; says where the data directory is.
    pub journal: JournalSettings,
    /// How Parquet is written.
    pub parquet: WriteSettings,
    /// For a graceful end.
    pub drain_timeout: Duration,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let bytes = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        Self {
            limits: Limits {
                connections_max: config.connections_max,
                streams_max: config.streams_max,
                header_bytes_max: config.header_bytes_max,
                body_bytes_max: bytes(config.body_bytes_max),
                batch_records_max: config.batch_records_max,
                ingest_bytes_max: bytes(config.ingest_bytes_max),
                header_timeout: config.header_timeout,
                body_timeout: config.body_timeout,
                idle_timeout: config.idle_timeout,
            },
            tls: config
                .tls_certificate_file
                .clone()
                .zip(config.tls_private_key_file.clone())
                .map(|(certificate, private_key)| TlsFiles {
                    certificate,
                    private_key,
                    client_ca: config.tls_client_ca_file.clone(),
                }),
            token_file: config.token_file.clone(),
            journal: JournalSettings {
                data_dir: config.data_dir.clone(),
                segment_bytes_max: config.segment_bytes_max,
                segment_records_max: config.segment_records_max,
                publish_interval: config.publish_interval,
                journal_bytes_max: config.journal_bytes_max,
                disk_free_bytes_min: config.disk_free_bytes_min,
                queue_batches_max: config.queue_batches_max,
                ledger: LedgerLimits {
                    producers_max: config.producers_max,
                    producer_expiry: config.producer_expiry,
                    undelivered_grace: config.undelivered_grace,
                },
            },
            parquet: WriteSettings::default(),
            drain_timeout: config.drain_timeout,
        }
    }
}

/// Why the collector could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// The listener is not one.
    #[error("look up the listener's address: {0}")]
    Listener(std::io::Error),
    /// No thread could be started.
    #[error("start thread: {0}")]
    Thread(std::io::Error),
    /// A sync failed while running. What was acknowledged before is safe.
    #[error("the journal in {0} failed, see the log; what was acknowledged is safe")]
    JournalFailed(PathBuf),
    /// The journal's thread ended by itself, which is a bug.
    #[error("the journal ended unexpectedly, what was acknowledged is safe")]
    JournalEnded,
    /// The publisher ended by itself, which is a bug.
    #[error("the publisher ended unexpectedly, its segments stay in the journal")]
    PublisherEnded,
}

/// Serves on `listener` until `shutdown`, then drains.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let tls = settings
        .tls
        .map(|files| Tls::open(files, Arc::clone(&clock)));
    let tls = tls.transpose()?.map(Arc::new);
    let tokens = settings
        .token_file
        .as_deref()
        .map(Tokens::read)
        .transpose()?;
    let address = listener.local_addr().map_err(RunError::Listener)?;
    if tokens.is_some() && tls.is_none() && !address.ip().is_loopback() {
        warn!("tokens and records go over the network in the clear: set tls_certificate_file");
    }
    let data_dir = DataDir::open(&settings.journal.data_dir)?;
    match sweep_unfinished(data_dir.path()) {
        Ok(0) => {}
        Ok(files) => info!(files, "removed half-written files of a crash"),
        Err(error) => warn!(%error, "failed to look for half-written files of a crash"),
    }
    let metrics = Arc::new(Metrics::default());
    let opened = journal::open(
        settings.journal.clone(),
        Arc::clone(&clock),
        Arc::clone(&metrics),
    )?;
    let journal = opened.journal.clone();
    let publisher = Publisher::new(
        data_dir.path(),
        settings.parquet.clone(),
        Arc::clone(&metrics),
    );
    let mut threads = Threads::start(opened, publisher)?;

    let intake = JournalIntake {
        journal: journal.clone(),
        shutdown: shutdown.clone(),
    };
    let service = Service::new(intake, settings.limits, metrics, clock).with_tokens(tokens);
    let port = Port { service, tls };
    let connections = TaskTracker::new();
    // The port is in the log: with port 0 nobody else knows it.
    info!(%address, data_dir = %data_dir.path().display(), "listening");
    let mut outcome = tokio::select! {
        () = accept(&listener, &port, &connections, &shutdown) => Ok(()),
        () = journal.health().poisoned() => {
            Err(RunError::JournalFailed(data_dir.path().to_owned()))
        }
        () = threads.journal_done.cancelled() => Err(RunError::JournalEnded),
        () = threads.publisher_done.cancelled() => Err(RunError::PublisherEnded),
    };
    drop(listener);
    shutdown.cancel();

    let drained = async {
        connections.close();
        connections.wait().await;
        drop(port);
        threads.drain(journal).await;
    };
    if timeout(settings.drain_timeout, drained).await.is_err() {
        warn!("drain deadline reached, the rest stays in the journal");
    } else if outcome.is_ok() && threads.poisoned() {
        outcome = Err(RunError::JournalFailed(data_dir.path().to_owned()));
    }
    outcome
}

/// Takes connections until `shutdown`.
async fn accept<I: Intake>(
    listener: &TcpListener,
    port: &Port<I>,
    connections: &TaskTracker,
    shutdown: &CancellationToken,
) {
    let metrics = port.service.metrics();
    let free = Arc::new(Semaphore::new(port.service.limits().connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&free).try_acquire_owned() {
                Ok(permit) => {
                    let connection = connection(stream, port.clone(), shutdown.clone(), permit);
                    connections.spawn(connection);
                }
                Err(_) => metrics.connection_refused("connections_max"),
            },
            Err(error) => {
                metrics.connection_refused("accept_error");
                warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<I: Intake>(
    stream: TcpStream,
    Port { service, tls }: Port<I>,
    shutdown: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    let metrics = Arc::clone(service.metrics());
    let _open = metrics.connection_opened();
    stream.set_nodelay(true).ok();
    let Some(tls) = tls else {
        return serve_connection(stream, service, shutdown).await;
    };
    let handshake = timeout(
        service.limits().header_timeout,
        tls.acceptor().accept(stream),
    );
    let handshake = tokio::select! {
        handshake = handshake => handshake,
        () = shutdown.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => serve_connection(stream, service, shutdown).await,
        Ok(Err(error)) => {
            debug!(%error, "TLS handshake failed");
            metrics.connection_refused("tls_handshake");
        }
        Err(_) => metrics.connection_refused("header_timeout"),
    }
}

/// What a connection is served with.
#[derive(Clone, Debug)]
struct Port<I: Intake> {
    service: Service<I>,
    tls: Option<Arc<Tls>>,
}

/// The journal, as sources see it.
#[derive(Clone, Debug)]
struct JournalIntake {
    journal: Journal,
    shutdown: CancellationToken,
}

impl Intake for JournalIntake {
    async fn take(
        &self,
        envelope: Envelope,
        body: Bytes,
        memory: OwnedSemaphorePermit,
    ) -> Result<Taken, Busy> {
        let ack = self
            .journal
            .append(envelope, body, Some(memory))
            .await
            .map_err(busy)?;
        Ok(Taken {
            stored: ack.stored,
            duplicates: ack.duplicates,
        })
    }

    fn check(&self) -> Result<(), Busy> {
        self.unless_draining(Health::check)
    }

    fn ready(&self) -> Result<(), Busy> {
        self.unless_draining(Health::ready)
    }
}

impl JournalIntake {
    fn unless_draining(&self, ask: fn(&Health) -> Result<(), Refusal>) -> Result<(), Busy> {
        if self.shutdown.is_cancelled() {
            return Err(draining());
        }
        ask(self.journal.health()).map_err(busy)
    }
}

fn busy(refusal: Refusal) -> Busy {
    Busy {
        code: refusal.code(),
        reason: refusal.to_string(),
        retry_after: RETRY_AFTER,
    }
}

/// The two threads, and how to end them.
struct Threads {
    journal_done: CancellationToken,
    publisher_done: CancellationToken,
    health: Arc<Health>,
    stop: Option<std::sync::mpsc::SyncSender<()>>,
}

impl Threads {
    fn start(opened: Opened, publisher: Publisher) -> Result<Self, RunError> {
        let Opened {
            journal,
            writer,
            commands,
            sealed,
        } = opened;
        let health = Arc::clone(journal.health());
        // Dropped, and so told, however a thread ends.
        let (journal_done, publisher_done) = (CancellationToken::new(), CancellationToken::new());
        let journal_ended = journal_done.clone().drop_guard();
        let publisher_ended = publisher_done.clone().drop_guard();
        let (stop, stopped) = sync_channel(1);
        spawn("journal", move || {
            let _ended = journal_ended;
            writer.run(&commands);
        })
        .map_err(RunError::Thread)?;
        spawn("publisher", move || {
            let _ended = publisher_ended;
            publish(&publisher, &sealed, &journal, &stopped);
        })
        .map_err(RunError::Thread)?;
        Ok(Self {
            journal_done,
            publisher_done,
            health,
            stop: Some(stop),
        })
    }

    /// Seals, publishes and ends both threads.
    async fn drain(&mut self, journal: Journal) {
        if journal.drain().await.is_err() {
            return;
        }
        drop(journal);
        self.journal_done.cancelled().await;
        self.stop.take();
        info!("drained");
    }

    fn poisoned(&self) -> bool {
        self.health.ready() == Err(Refusal::Poisoned)
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

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place that spawns"
)]
fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
}
