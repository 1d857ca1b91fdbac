//! The HTTP port: accepts connections, a task each, as many as may be; renews certificates.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::pipeline::spawn_blocking;
use crate::sources::Intake;
use crate::sources::http::tls::RELOAD_INTERVAL;
use crate::sources::http::{Service, Tls, serve_connection};

/// Pause after a failed accept, so that running out of file descriptors is not a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection is served with.
#[derive(Clone, Debug)]
pub(super) struct Port<I: Intake> {
    pub(super) service: Service<I>,
    pub(super) tls: Option<Arc<Tls>>,
}

impl<I: Intake> Port<I> {
    /// Takes connections until `shutdown`; they end soon after it, at once with `cut`.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
        connections: &TaskTracker,
        shutdown: &CancellationToken,
        cut: &CancellationToken,
    ) {
        let metrics = self.service.metrics();
        let free = Arc::new(Semaphore::new(self.service.limits().connections_max));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => match Arc::clone(&free).try_acquire_owned() {
                    Ok(permit) => {
                        let connection = connection(stream, self.clone(), shutdown.clone(), permit);
                        connections.spawn(cut.clone().run_until_cancelled_owned(connection));
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

    /// Reads certificates again when they change, away from the threads that serve connections.
    pub(super) async fn renew_certificates(&self) -> Infallible {
        let Some(tls) = &self.tls else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            let tls = Arc::clone(tls);
            if let Err(error) = spawn_blocking(move || tls.reload()).await {
                warn!(%error, "failed to look for renewed certificates");
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
