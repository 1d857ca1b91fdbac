//! Segments to exchanges: follows every connection that is wanted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use twintap_decode::exchange::{ConnectionName, Exchange, Limits, SharedBudget, Tally};
use twintap_decode::http2::{self, Protocol};
use twintap_decode::link::Segment;
use twintap_decode::tcp::{self, Connection, Connections, TcpCounters, Tracker};
use twintap_decode::tls::{self, KeyLog, Keys, Outcome};

use super::{TlsWatched, Wanted};

/// Connections that are followed at a time, over all watchers; the one that was quiet for longest is evicted, and
/// counted.
const CONNECTIONS_MAX: usize = 250_000;
/// Bytes behind gaps that wait for what is missing, of all connections, over all watchers.
const WAITING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes that open exchanges of all connections keep, over all watchers.
const KEPT_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What became of everything that one watcher saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watched {
    /// Of segments, bytes and connections.
    pub tcp: TcpCounters,
    /// Of streams.
    pub streams: Tally,
    /// Gaps within HTTP/2 connections.
    pub gaps: u64,
    /// Bytes in them.
    pub gap_bytes: u64,
    /// Captured bytes of HTTP/2 connections that nothing told the meaning of.
    pub unread_bytes: u64,
    /// Header blocks that were damaged.
    pub damaged_header_blocks: u64,
    /// Frames that no peer may send. What was in DATA is missing from its call, and not counted in `gaps`.
    pub malformed_frames: u64,
    /// Of TLS connections and their records.
    pub tls: TlsWatched,
    /// Connections that spoke HTTP/2, also within TLS.
    pub http2_connections: u64,
    /// Of those, begun before the capture.
    pub midway_connections: u64,
    /// Connections that spoke TLS and whose content was not seen.
    pub encrypted_connections: u64,
    /// Connections that spoke something else.
    pub other_connections: u64,
    /// Connections of which too little was captured to tell.
    pub unknown_connections: u64,
}

impl Watched {
    /// Adds what another watcher saw.
    pub fn add(&mut self, other: &Self) {
        self.tcp.merge(&other.tcp);
        self.streams.add(&other.streams);
        self.gaps += other.gaps;
        self.gap_bytes += other.gap_bytes;
        self.unread_bytes += other.unread_bytes;
        self.damaged_header_blocks += other.damaged_header_blocks;
        self.malformed_frames += other.malformed_frames;
        self.tls.add(&other.tls);
        self.http2_connections += other.http2_connections;
        self.midway_connections += other.midway_connections;
        self.encrypted_connections += other.encrypted_connections;
        self.other_connections += other.other_connections;
        self.unknown_connections += other.unknown_connections;
    }
}

type Calls = Arc<Mutex<VecDeque<Box<Exchange>>>>;

/// Follows connections. May move from thread to thread.
#[derive(Debug)]
pub struct Watcher {
    tracker: Tracker<Hub>,
    calls: Calls,
    keys: Keys,
}

impl Watcher {
    /// Watcher `index` of `count`, each of which has its share of the limits.
    pub fn new(index: usize, count: usize) -> Self {
        let (calls, keys) = (Calls::default(), Keys::default());
        let limits = tcp::Limits {
            connections_max: CONNECTIONS_MAX / count.max(1),
            waiting_bytes_total_max: WAITING_BYTES_MAX / count.max(1),
            ..tcp::Limits::default()
        };
        let hub = Hub {
            calls: Arc::clone(&calls),
            keys: Arc::clone(&keys),
            wanted: Wanted::default(),
            index: index as u64,
            count: count as u64,
            budget: SharedBudget::new(KEPT_BYTES_MAX / count.max(1)),
            watched: Watched::default(),
        };
        Self {
            tracker: Tracker::new(limits, hub),
            calls,
            keys,
        }
    }

    /// The same, with the secrets of TLS connections.
    pub fn with_key_log(self, key_log: Arc<KeyLog>) -> Self {
        *lock(&self.keys) = KeyLog::over(key_log);
        self
    }

    /// The same; TLS connections with these servers are missed where they cannot be read.
    pub fn with_wanted(mut self, wanted: Wanted) -> Self {
        self.tracker.connections_mut().wanted = wanted;
        self
    }

    /// Takes secrets that come with the packets, in the format of a key log: of connections whose
    /// handshake is not over.
    pub fn secrets(&mut self, key_log: &[u8]) {
        let added = lock(&self.keys).add(key_log);
        let hub = self.tracker.connections_mut();
        // All watchers hear of the same secrets.
        if hub.index == 0 {
            hub.watched.tls.key_log.merge(&added);
        }
    }

    /// Takes the next segment.
    pub fn segment(&mut self, segment: &Segment<'_>) {
        self.tracker.segment(segment);
    }

    /// Time has come to `unix_ns`, with or without segments: what can no longer come is given up.
    pub fn advance(&mut self, unix_ns: u64) {
        self.tracker.advance(unix_ns);
    }

    /// Takes the exchanges that finished.
    pub fn take(&mut self) -> VecDeque<Box<Exchange>> {
        std::mem::take(&mut *lock(&self.calls))
    }

    /// The capture has ended: ends all connections.
    pub fn finish(self) -> (VecDeque<Box<Exchange>>, Watched) {
        let (hub, tcp) = self.tracker.finish();
        let watched = Watched { tcp, ..hub.watched };
        (std::mem::take(&mut *lock(&self.calls)), watched)
    }
}

/// Nobody else has it: one thread at a time follows the connections of a watcher.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens and closes HTTP/2 connections.
#[derive(Debug)]
struct Hub {
    calls: Calls,
    keys: Keys,
    wanted: Wanted,
    index: u64,
    count: u64,
    budget: SharedBudget,
    watched: Watched,
}

impl Connections for Hub {
    type Sink = tls::Connection<http2::Connection<Calls>>;

    fn open(&mut self, connection: &Connection) -> Option<Self::Sink> {
        let name = ConnectionName {
            // Unique among all watchers.
            id: connection.number * self.count + self.index,
            forward: connection.initiator.socket_address(),
            reverse: connection.responder.socket_address(),
        };
        let calls = Arc::clone(&self.calls);
        let mut http2 = http2::Connection::new(name, Limits::default(), calls);
        http2.share(&self.budget);
        Some(tls::Connection::new(Arc::clone(&self.keys), http2))
    }

    fn close(&mut self, connection: &Connection, mut sink: Self::Sink) {
        sink.finish();
        let ends = [connection.initiator, connection.responder].map(|end| end.socket_address());
        let is_wanted = ends.iter().any(|end| self.wanted.has(*end));
        let tls = &mut self.watched.tls;
        tls.count(sink.outcome(), &sink.counters(), is_wanted);
        if matches!(sink.outcome(), Outcome::Undecrypted(_)) {
            self.watched.encrypted_connections += 1;
            return;
        }
        let mut sink = sink.into_inner();
        sink.finish();
        let (watched, counters) = (&mut self.watched, sink.counters());
        watched.streams.add(&sink.tally());
        *match sink.protocol() {
            Protocol::Http2 => &mut watched.http2_connections,
            Protocol::Encrypted => &mut watched.encrypted_connections,
            Protocol::Other => &mut watched.other_connections,
            Protocol::Unknown => &mut watched.unknown_connections,
        } += 1;
        if sink.protocol() == Protocol::Http2 {
            watched.midway_connections += u64::from(sink.is_midway());
            watched.gaps += counters.gaps;
            watched.gap_bytes += counters.gap_bytes;
            watched.unread_bytes += counters.unread_bytes;
            watched.damaged_header_blocks += counters.damaged_header_blocks;
            watched.malformed_frames += counters.malformed_frames;
        }
    }
}
