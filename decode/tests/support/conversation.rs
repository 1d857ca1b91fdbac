//! One client, one server, and what a tracker makes of their segments.

use twintap_decode::link::Segment;
use twintap_decode::tcp::{Limits, TcpCounters};

use super::packets::handshake;
use super::{Streams, reassemble};

/// The client's initial sequence number.
pub(crate) const C: u32 = 1_000;
/// The server's.
pub(crate) const S: u32 = 9_000;
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// What each connection of these segments carried.
pub(crate) fn run<'a>(
    segments: impl IntoIterator<Item = Segment<'a>>,
) -> (Vec<Streams>, TcpCounters) {
    let (connections, counters) = reassemble(Limits::default(), segments);
    (
        connections
            .into_iter()
            .map(|(_, streams)| streams)
            .collect(),
        counters,
    )
}

/// What the only connection of these segments carried.
pub(crate) fn one<'a>(segments: impl IntoIterator<Item = Segment<'a>>) -> (Streams, TcpCounters) {
    let (mut all, counters) = run(segments);
    assert_eq!(all.len(), 1, "{all:?}");
    (all.remove(0), counters)
}

/// A handshake, then these.
pub(crate) fn after_handshake<'a>(rest: impl IntoIterator<Item = Segment<'a>>) -> Vec<Segment<'a>> {
    handshake(C, S).into_iter().chain(rest).collect()
}
