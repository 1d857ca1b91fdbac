//! A capture file to its calls, through all layers: every layer's counters add up, each handing on
//! what the one before it counted.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use twintap_decode::exchange::{ConnectionName, Exchange, Limits, Tally};
use twintap_decode::http2;
use twintap_decode::link::{Dissection, Dissector, LinkConfig};
use twintap_decode::tcp::{Connection, Connections, Limits as TcpLimits, Tracker};

use crate::support::each_packet;

type Calls = Arc<Mutex<VecDeque<Box<Exchange>>>>;

#[derive(Default)]
struct Opener {
    calls: Calls,
    tally: Tally,
    gaps: u64,
}

impl Connections for Opener {
    type Sink = http2::Connection<Calls>;

    fn open(&mut self, connection: &Connection) -> Option<Self::Sink> {
        let name = ConnectionName {
            id: connection.number,
            forward: connection.initiator.socket_address(),
            reverse: connection.responder.socket_address(),
        };
        let calls = Arc::clone(&self.calls);
        Some(http2::Connection::new(name, Limits::default(), calls))
    }

    fn close(&mut self, _: &Connection, mut sink: Self::Sink) {
        sink.finish();
        self.tally.add(&sink.tally());
        self.gaps += sink.counters().gaps;
    }
}

/// `bytes` are a capture file.
pub(crate) fn check(bytes: &[u8]) {
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut tracker = Tracker::new(TcpLimits::default(), Opener::default());
    let (reader, _) = each_packet(bytes, bytes.len().max(1), |packet| {
        if let Dissection::Segment(segment) = dissector.packet(packet) {
            tracker.segment(&segment);
        }
    });
    let (opener, tcp) = tracker.finish();
    let link = dissector.counters();
    assert!(link.adds_up(), "{link:?}");
    assert_eq!(link.packets, reader.packets);
    assert!(tcp.adds_up(), "{tcp:?}");
    assert_eq!(tcp.segments, link.segments);
    assert_eq!((tcp.waiting_bytes, tcp.opened), (0, tcp.closed));
    assert!(opener.gaps <= tcp.gaps.total());
    assert!(opener.tally.adds_up(), "{:?}", opener.tally);
    assert_eq!(opener.tally.live, 0);
    let calls = std::mem::take(&mut *opener.calls.lock().unwrap());
    assert_eq!(opener.tally.calls, calls.len() as u64);
    calls
        .iter()
        .for_each(|call| super::http2::assert_consistent(call));
}
