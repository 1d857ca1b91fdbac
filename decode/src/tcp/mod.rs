//! Segments to the bytes of connections: each byte once, in order, or a gap of known length.
//!
//! A [`Tracker`] keeps a table of connections, and for each of the two ways of one what comes
//! next. A segment in order is handed on without being copied; others wait in a sorted list for
//! what is missing. Every byte that was captured is delivered or counted:
//!
//! ```text
//! payload = delivered + duplicate + differing + discarded{reason} + waiting
//! ```
//!
//! What is missing is given up, and becomes a gap, when it can no longer come: the other end has
//! acknowledged it and [`Limits::hole_segments_count`] more segments or [`Limits::hole_age_ns`]
//! have passed; or a limit on memory is reached; or the connection ends. Where segments overlap,
//! the one captured first counts; if it waits and they differ, neither does, and there is a gap:
//! which one the other end took is not known. A byte that could be a keep-alive probe's is not delivered. A
//! reset ends the connection only where its receiver believes it, as far as the capture can tell
//! what that expects next; a way that goes on behind its end is counted in [`TcpCounters::outlived`].
//!
//! ```text
//!  one way:            SYN                    first byte
//!  Silent ──────────────────────────▶ Ready ─────────────▶ Flowing ──FIN, RST──▶ Ended
//!     ├──bytes, no SYN──▶ Settling ──────┘
//!     └──RST──▶ Ended
//! ```
//!
//! `Settling` waits a moment for the SYN or for earlier bytes that were captured late: the capture
//! may begin in the middle of the connection, or its packets be out of order.
//!
//! Not supported: urgent data (its byte stays in the stream), and gaps of 2 GiB and more.

mod begun;
mod connection;
mod counters;
mod half;
mod limits;
mod pieces;
mod sequence;
mod slots;
mod tracker;

pub use counters::{DiscardReason, GapReason, TcpCounters};
pub use limits::Limits;
pub use tracker::Tracker;

use crate::link::{Endpoint, FlowKey};
use crate::stream::ByteSink;

/// One connection's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Connection {
    /// Number among the connections of the tracker, from 1, in the order of their first bytes.
    pub number: u64,
    /// The flow it belongs to. Connections that follow one another may have the same.
    pub flow: FlowKey,
    /// The end that [`crate::stream::Way::Forward`] comes from: who sent the SYN, if it was seen,
    /// else the one with the higher port.
    pub initiator: Endpoint,
    /// The other end.
    pub responder: Endpoint,
    /// When its first packet was captured.
    pub since_unix_ns: u64,
}

/// Makes and takes back the sinks of connections.
pub trait Connections {
    /// What takes the bytes of one connection.
    type Sink: ByteSink;

    /// A connection is about to deliver its first bytes. `None`: it is not wanted, and its bytes
    /// are counted and dropped. (Flows that are known to be unwanted by their addresses should
    /// not be given to the tracker at all.)
    fn open(&mut self, connection: &Connection) -> Option<Self::Sink>;

    /// A connection has ended, in both of its ways.
    fn close(&mut self, connection: &Connection, sink: Self::Sink);
}
