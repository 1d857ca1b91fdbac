//! A collector that acknowledges everything and keeps it in memory: for what the filter ships.
//!
//! It is no stand-in for `twintap serve` (see `collector.rs`), but shows batches as they were sent.
//! HTTP/1.1 and HTTP/2, as the client likes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use twintap_record::{
    ACKNOWLEDGED_HEADER, Counters, Message, Reason, ReasonCount, Record, RecordBatch,
};

/// HTTP/2 windows: several batches of the largest size fit.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// What a sink has received.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Batches.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// The batches themselves, if they are kept.
    pub kept: Vec<RecordBatch>,
    latest: BTreeMap<Bytes, RecordBatch>,
}

impl Received {
    /// All kept records, in the order of arrival.
    pub fn all_records(&self) -> impl Iterator<Item = &Record> {
        self.kept.iter().flat_map(|batch| &batch.records)
    }

    /// The latest counters of every producer.
    pub fn counters(&self) -> impl Iterator<Item = &Counters> {
        self.latest
            .values()
            .filter_map(|batch| batch.counters.as_ref())
    }

    /// Streams that reached the filters.
    pub fn observed(&self) -> u64 {
        self.counters().map(|counters| counters.observed).sum()
    }

    /// Calls that got a record number.
    pub fn recorded(&self) -> u64 {
        self.counters().map(|counters| counters.recorded).sum()
    }

    /// Streams seen and not ended yet.
    pub fn in_flight(&self) -> u64 {
        self.counters().map(|counters| counters.in_flight).sum()
    }

    /// Calls dropped, for whatever reason.
    pub fn dropped(&self) -> u64 {
        total(self.counters().flat_map(|counters| &counters.dropped))
    }

    /// Calls skipped, for whatever reason.
    pub fn skipped(&self) -> u64 {
        total(self.counters().flat_map(|counters| &counters.skipped))
    }

    /// Calls skipped for this reason.
    pub fn skipped_as(&self, reason: Reason) -> u64 {
        let skipped = self.counters().flat_map(|counters| &counters.skipped);
        total(skipped.filter(|skipped| skipped.reason == reason as i32))
    }

    /// Panics unless observed = recorded + in flight + dropped + skipped.
    pub fn assert_identity(&self) {
        let accounted = self.recorded() + self.in_flight() + self.dropped() + self.skipped();
        assert_eq!(
            self.observed(),
            accounted,
            "observed and accounted: {:#?}",
            self.latest
        );
    }
}

fn total<'a>(counts: impl Iterator<Item = &'a ReasonCount>) -> u64 {
    counts.map(|counted| counted.count).sum()
}

/// A running sink; stops when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    received: Arc<Mutex<Received>>,
    accepting: AbortHandle,
}

impl Sink {
    /// Counts and keeps every batch.
    pub async fn keeping() -> Self {
        Self::start(true).await
    }

    /// Counts only.
    pub async fn counting() -> Self {
        Self::start(false).await
    }

    async fn start(keep: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let received = Arc::new(Mutex::new(Received::default()));
        let accepting = tokio::spawn(accept(listener, keep, received.clone())).abort_handle();
        Self {
            address,
            received,
            accepting,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has come so far.
    pub fn received(&self) -> Received {
        self.received.lock().expect("no holder panics").clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, keep: bool, received: Arc<Mutex<Received>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let ledger = Ledger {
            keep,
            received: received.clone(),
        };
        connections.spawn(serve(stream, move |body| {
            let status = ledger.take(body);
            async move { status }
        }));
        while connections.try_join_next().is_some() {}
    }
}

/// Writes batches into a [`Received`].
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) keep: bool,
    pub(crate) received: Arc<Mutex<Received>>,
}

impl Ledger {
    /// Counts one request body.
    pub(crate) fn take(&self, body: Bytes) -> StatusCode {
        let bytes = body.len() as u64;
        let Ok(mut batch) = RecordBatch::decode(body) else {
            return StatusCode::BAD_REQUEST;
        };
        let mut received = self.received.lock().expect("no holder panics");
        received.batches += 1;
        received.records += batch.records.len() as u64;
        received.bytes += bytes;
        if self.keep {
            received.kept.push(batch.clone());
        }
        batch.records.clear();
        let newer = |held: &RecordBatch| held.batch_sequence > batch.batch_sequence;
        if !received.latest.get(&batch.producer_id).is_some_and(newer) {
            received.latest.insert(batch.producer_id.clone(), batch);
        }
        StatusCode::OK
    }
}

/// Serves one connection, HTTP/1.1 or HTTP/2, with `answer` to each request body.
pub(crate) async fn serve<Answer>(
    stream: TcpStream,
    answer: impl Fn(Bytes) -> Answer + Clone + Send + Sync + 'static,
) where
    Answer: Future<Output = StatusCode> + Send + 'static,
{
    drop(stream.set_nodelay(true));
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer.clone();
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = answer(body).await;
            if response.status() == StatusCode::OK {
                let said = HeaderValue::from_static("1");
                response.headers_mut().insert(ACKNOWLEDGED_HEADER, said);
            }
            Ok::<_, hyper::Error>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().initial_stream_window_size(STREAM_WINDOW);
    builder
        .http2()
        .initial_connection_window_size(CONNECTION_WINDOW);
    // The peer may go away at any moment.
    drop(
        builder
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}
