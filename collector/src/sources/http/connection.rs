//! One connection from first byte to last: protocol detection, limits, time-outs, graceful end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::limits::{
    H1_BUFFER_BYTES, H1_HEADERS_MAX, H2_CONNECTION_WINDOW, H2_ERROR_RESETS_MAX,
    H2_PENDING_RESETS_MAX, H2_PING_INTERVAL, H2_PING_TIMEOUT, H2_STREAM_WINDOW, Limits,
};
use super::routes::Service;
use super::turns::Turns;
use crate::sources::Intake;

/// Serves one connection until the peer leaves, a limit ends it, or `shutdown` has been asked for
/// and the requests in flight are answered.
pub async fn serve_connection<I: Intake>(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    service: Service<I>,
    shutdown: CancellationToken,
) {
    let limits = *service.limits();
    let metrics = Arc::clone(service.metrics());
    let has_date = service.has_date();
    let opened = Instant::now();
    let activity = Arc::new(Activity::default());
    let watched = Arc::clone(&activity);
    let handler = service_fn(move |request| {
        let (service, activity) = (service.clone(), Arc::clone(&watched));
        async move {
            let _request = activity.begin(opened);
            Ok::<_, Infallible>(service.answer(request).await)
        }
    });
    let builder = builder(&limits, has_date);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Turns::new(stream)), handler));
    let mut ending = false;
    loop {
        let deadline = opened + activity.idle_deadline(&limits);
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = shutdown.cancelled(), if !ending => {
                ending = true;
                if activity.requests_begun() == 0 {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            }
            () = sleep_until(deadline) => {
                if !activity.is_idle_since(&limits, opened.elapsed()) {
                    continue;
                }
                if activity.requests_begun() == 0 {
                    metrics.connection_refused("header_timeout");
                } else {
                    metrics.connection_refused("idle_timeout");
                }
                return;
            }
        }
    }
}

/// Without `has_date` answers tell no time: hyper cannot write one before 1970.
fn builder(limits: &Limits, has_date: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .auto_date_header(has_date)
        .timer(TokioTimer::new())
        // Also runs while a kept-alive connection waits for its next request.
        .header_read_timeout(limits.idle_timeout)
        .max_headers(H1_HEADERS_MAX)
        .max_buf_size(H1_BUFFER_BYTES);
    builder
        .http2()
        .auto_date_header(has_date)
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(limits.header_bytes_max)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(H2_ERROR_RESETS_MAX)
        .keep_alive_interval(H2_PING_INTERVAL)
        .keep_alive_timeout(H2_PING_TIMEOUT);
    builder
}

/// What happens on a connection, in milliseconds since it was opened.
#[derive(Debug, Default)]
struct Activity {
    begun: AtomicUsize,
    in_flight: AtomicUsize,
    last_ms: AtomicU64,
}

impl Activity {
    fn begin(self: &Arc<Self>, opened: Instant) -> InFlight {
        self.begun.fetch_add(1, Ordering::AcqRel);
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight {
            activity: Arc::clone(self),
            opened,
        }
    }

    fn requests_begun(&self) -> usize {
        self.begun.load(Ordering::Acquire)
    }

    /// When, after opening, the connection will have been idle for too long.
    fn idle_deadline(&self, limits: &Limits) -> Duration {
        if self.requests_begun() == 0 {
            return limits.header_timeout;
        }
        Duration::from_millis(self.last_ms.load(Ordering::Acquire)) + limits.idle_timeout
    }

    fn is_idle_since(&self, limits: &Limits, age: Duration) -> bool {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            self.touch(age);
            return false;
        }
        self.idle_deadline(limits) <= age
    }

    fn touch(&self, age: Duration) {
        let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.last_ms.fetch_max(ms, Ordering::AcqRel);
    }
}

/// A request that is being answered.
struct InFlight {
    activity: Arc<Activity>,
    opened: Instant,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.activity.touch(self.opened.elapsed());
        self.activity.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}
