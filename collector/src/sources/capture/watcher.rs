//! Segments to exchanges: follows every connection that is wanted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use twintap_decode::exchange::{ConnectionName, Exchange, Limits, SharedBudget, Tally};
use twintap_decode::http2::{self, Protocol};
use twintap_decode::link::Segment;
use twintap_decode::tcp::{self, Connection, Connections, TcpCounters, Tracker};

/// Bytes that open exchanges of all connections keep, over all watchers.
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;

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
    /// Connections that spoke HTTP/2.
    pub http2_connections: u64,
    /// Connections that spoke TLS: what is inside was not seen.
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
        self.http2_connections += other.http2_connections;
        self.encrypted_connections += other.encrypted_connections;
        self.other_connections += other.other_connections;
        self.unknown_connections += other.unknown_connections;
    }
}

type Calls = Rc<RefCell<VecDeque<Box<Exchange>>>>;

/// Follows connections.
#[derive(Debug)]
pub struct Watcher {
    tracker: Tracker<Hub>,
    calls: Calls,
}

impl Watcher {
    /// Watcher number `index` of `count`.
    pub fn new(index: usize, count: usize) -> Self {
        let calls = Calls::default();
        let hub = Hub {
            calls: Rc::clone(&calls),
            index: index as u64,
            count: count as u64,
            budget: SharedBudget::new(KEPT_BYTES_MAX / count.max(1)),
            watched: Watched::default(),
        };
        Self {
            tracker: Tracker::new(tcp::Limits::default(), hub),
            calls,
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
        self.calls.take()
    }

    /// The capture has ended: ends all connections.
    pub fn finish(self) -> (VecDeque<Box<Exchange>>, Watched) {
        let (hub, tcp) = self.tracker.finish();
        let watched = Watched { tcp, ..hub.watched };
        (self.calls.take(), watched)
    }
}

/// Opens and closes HTTP/2 connections.
#[derive(Debug)]
struct Hub {
    calls: Calls,
    index: u64,
    count: u64,
    budget: SharedBudget,
    watched: Watched,
}

impl Connections for Hub {
    type Sink = http2::Connection<Calls>;

    fn open(&mut self, connection: &Connection) -> Option<Self::Sink> {
        let name = ConnectionName {
            // Unique among all watchers.
            id: connection.number * self.count + self.index,
            forward: connection.initiator.socket_address(),
            reverse: connection.responder.socket_address(),
        };
        let calls = Rc::clone(&self.calls);
        let mut sink = http2::Connection::new(name, Limits::default(), calls);
        sink.share(&self.budget);
        Some(sink)
    }

    fn close(&mut self, _: &Connection, mut sink: Self::Sink) {
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
            watched.gaps += counters.gaps;
            watched.gap_bytes += counters.gap_bytes;
            watched.unread_bytes += counters.unread_bytes;
            watched.damaged_header_blocks += counters.damaged_header_blocks;
        }
    }
}
