//! A capture file to its calls, through all layers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use twintap_decode::capture::{Reader, Step};
use twintap_decode::exchange::{ConnectionName, Exchange, Limits, Tally};
use twintap_decode::http2::{Connection as Http2, Counters, Protocol};
use twintap_decode::link::{Dissection, Dissector, LinkConfig};
use twintap_decode::tcp::{Connection, Connections, Limits as TcpLimits, Tracker};

/// What a capture decodes to.
#[derive(Default)]
pub(crate) struct Replay {
    pub(crate) calls: VecDeque<Box<Exchange>>,
    pub(crate) tally: Tally,
    pub(crate) connections: Vec<(Protocol, Counters)>,
}

struct Opener {
    calls: Arc<Mutex<VecDeque<Box<Exchange>>>>,
    replay: Replay,
}

impl Connections for Opener {
    type Sink = Http2<Arc<Mutex<VecDeque<Box<Exchange>>>>>;

    fn open(&mut self, connection: &Connection) -> Option<Self::Sink> {
        let name = ConnectionName {
            id: connection.number,
            forward: connection.initiator.socket_address(),
            reverse: connection.responder.socket_address(),
        };
        Some(Http2::new(name, Limits::default(), Arc::clone(&self.calls)))
    }

    fn close(&mut self, _: &Connection, mut sink: Self::Sink) {
        sink.finish();
        self.replay.tally.add(&sink.tally());
        self.replay
            .connections
            .push((sink.protocol(), sink.counters()));
    }
}

/// Decodes a capture in memory.
pub(crate) fn replay(mut capture: &[u8]) -> Replay {
    let calls = Arc::default();
    let opener = Opener {
        calls: Arc::clone(&calls),
        replay: Replay::default(),
    };
    let mut tracker = Tracker::new(TcpLimits::default(), opener);
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut reader = Reader::new();
    loop {
        match reader.next(&mut capture, true) {
            Step::Packet(packet) => {
                if let Dissection::Segment(segment) = dissector.packet(&packet) {
                    tracker.segment(&segment);
                }
            }
            Step::End | Step::More(_) => break,
            Step::Secrets(_) | Step::Broken(_) => {}
        }
    }
    let (opener, _) = tracker.finish();
    let mut replay = opener.replay;
    replay.calls = std::mem::take(&mut *calls.lock().unwrap());
    replay
}
