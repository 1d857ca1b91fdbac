//! A run of `serve`: wires the port, the journal, the publisher and the end.
//!
//! ```text
//! connections ──▶ HTTP tasks ──▶ queue ──▶ journal thread ──▶ sealed segments ──▶ publisher thread
//! (bounded)       (bounded)     (bounded)  (fsync, then 200)  (bounded)           (Parquet)
//! ```
//!
//! The end, in order: no new connections; requests in flight are answered, and dropped after half of the
//! time; the journal seals; the publisher publishes what there is; done. Whatever is cut short by the deadline
//! is durable.

mod memory;
mod port;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::config::Config;
use crate::pipeline::spawn_blocking;
use crate::sources::http::{Limits, Service, Tls, TlsError, TlsFiles, TokenError, Tokens};
use crate::store::data_dir::DataDirError;
use crate::store::journal::ledger::LedgerLimits;
use crate::store::journal::{JournalSettings, OpenError};
use crate::store::parquet::WriteSettings;
use port::Port;
use store::Store;

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
    #[error("failed to look up the listener's address: {0}")]
    Listener(std::io::Error),
    /// No thread could be started.
    #[error("failed to start a thread: {0}")]
    Thread(std::io::Error),
    /// A sync failed while running. What was acknowledged before is safe.
    #[error("the journal in {0} failed, see the log; what was acknowledged is safe")]
    JournalFailed(PathBuf),
    /// Somebody took the directory away while running.
    #[error(
        "data directory {0} or its journal was removed or moved while in use: what was acknowledged and is not in \
         Parquet went with it"
    )]
    Removed(PathBuf),
    /// The journal's thread ended by itself, which is a bug.
    #[error("the journal ended unexpectedly, what was acknowledged is safe")]
    JournalEnded,
    /// The publisher ended by itself, which is a bug.
    #[error("the publisher ended unexpectedly, its segments stay in the journal")]
    PublisherEnded,
}

impl RunError {
    /// Is it what the configuration names that can be read and is not valid?
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_invalid(),
            Self::Tokens(error) => error.is_invalid(),
            _ => false,
        }
    }
}

/// Serves on `listener` until `shutdown`, then drains.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let address = listener.local_addr().map_err(RunError::Listener)?;
    let (tls, tokens) = guards(&settings, address)?;
    let opening = {
        let (settings, clock) = (settings.clone(), Arc::clone(&clock));
        move || Store::open(&settings, clock)
    };
    let Some(store) = unless(&shutdown, opening).await? else {
        info!("asked to end before the journal was open");
        return Ok(());
    };
    let mut store = store?;
    let intake = store.intake(shutdown.clone());
    let metrics = Arc::clone(store.metrics());
    let service = Service::new(intake, settings.limits, metrics, clock).with_tokens(tokens);
    let port = Port { service, tls };
    let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
    // The port is in the log: with port 0 nobody else knows it.
    info!(%address, data_dir = %store.path().display(), "listening");
    let mut outcome = tokio::select! {
        () = port.accept(&listener, &connections, &shutdown, &cut) => Ok(()),
        never = port.renew_certificates() => match never {},
        error = store.failed() => Err(error),
    };
    drop(listener);
    shutdown.cancel();
    let unbroken = store.unbroken();

    let drained = async {
        connections.close();
        // The other half is for what is acknowledged, whatever clients do.
        if timeout(settings.drain_timeout / 2, connections.wait())
            .await
            .is_err()
        {
            warn!(
                connections = connections.len(),
                "dropping connections that do not end"
            );
            cut.cancel();
            connections.wait().await;
        }
        drop(port);
        store.drain().await
    };
    match timeout(settings.drain_timeout, drained).await {
        Ok(drained) => outcome = outcome.and(drained),
        Err(_) => match unbroken() {
            Ok(()) => warn!("drain deadline reached, the rest stays in the journal"),
            broken => outcome = outcome.and(broken),
        },
    }
    outcome
}

/// Does `work` away from the threads that serve connections; `None` if `shutdown` comes first. What is under way
/// then ends with the process, and is as if it had been killed.
async fn unless<T: Send + 'static>(
    shutdown: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, RunError> {
    let work = spawn_blocking(work);
    match shutdown.run_until_cancelled(work).await {
        Some(Ok(done)) => Ok(Some(done)),
        Some(Err(error)) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(RunError::Thread(error.into())),
        },
        None => Ok(None),
    }
}

/// What keeps others out: certificates and tokens.
type Guards = (Option<Tls>, Option<Tokens>);

/// Reads what keeps others out.
pub fn read_guards(settings: &Settings) -> Result<Guards, RunError> {
    let tls = settings.tls.clone().map(Tls::open).transpose()?;
    let tokens = settings.token_file.as_deref();
    Ok((tls, tokens.map(Tokens::read).transpose()?))
}

/// What keeps others out; fails before anything is touched.
fn guards(
    settings: &Settings,
    address: SocketAddr,
) -> Result<(Option<Arc<Tls>>, Option<Tokens>), RunError> {
    let (tls, tokens) = read_guards(settings)?;
    if tokens.is_some() && tls.is_none() && !address.ip().is_loopback() {
        warn!("tokens and records go over the network in the clear: set tls_certificate_file");
    }
    Ok((tls.map(Arc::new), tokens))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_journal_that_takes_its_time_to_open_does_not_keep_it_from_ending() {
        let shutdown = CancellationToken::new();
        let (end, ended) = sync_channel::<()>(0);
        let (begin, begun) = sync_channel(1);
        let asked = shutdown.clone();
        let ask = async move {
            tokio::task::block_in_place(|| begun.recv()).ok();
            asked.cancel();
        };
        let opening = unless(&shutdown, move || {
            begin.send(()).ok();
            ended.recv().ok();
        });
        let (opened, ()) = tokio::join!(opening, ask);
        assert!(matches!(opened, Ok(None)));
        drop(end);
        assert!(matches!(unless(&shutdown, || ()).await, Ok(None)));
    }

    #[tokio::test]
    #[should_panic(expected = "a bug")]
    async fn a_bug_while_it_is_opened_is_no_lack_of_threads() {
        let opened = unless(&CancellationToken::new(), || panic!("a bug")).await;
        assert!(matches!(opened, Ok(Some(()))));
    }
}
