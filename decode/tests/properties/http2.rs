//! One connection: both ways interleaved, in pieces of any size, with gaps.
//!
//! Every stream has one place in the tally and what a call says of itself lies in its bytes. Where
//! nothing is missing and no time passes in which a stream is given up, it makes no difference how the bytes are cut.

use std::collections::VecDeque;

use twintap_decode::exchange::{ConnectionName, Exchange, Limits};
use twintap_decode::http2::Connection;
use twintap_decode::stream::{ByteSink, Ending, Start, Way};

use super::script::Script;

/// Bits of the first byte of a step.
pub(crate) mod bits {
    /// From the server.
    pub(crate) const ANSWER: u8 = 1;
    /// As many bytes as the payload has were lost.
    pub(crate) const GAP: u8 = 2;
    /// A long time has passed.
    pub(crate) const LATER: u8 = 4;
}

/// Bits of the first byte of a script.
pub(crate) mod beginnings {
    /// The client's bytes begin in the middle.
    pub(crate) const CLIENT_MIDWAY: u8 = 1;
    /// The server's bytes begin in the middle.
    pub(crate) const SERVER_MIDWAY: u8 = 2;
}

/// Short: not even the longest script waits for longer than an open half is waited for.
const STEP_NS: u64 = 1_000;
const LATER_NS: u64 = 61_000_000_000;

/// `bytes` say how both ways begin, then what comes: way, gap or bytes, and the bytes behind their
/// length.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let Some(beginnings) = script.byte() else {
        return;
    };
    let mut steps = Vec::new();
    while let (Some(what), Some(payload)) = (script.byte(), script.payload()) {
        steps.push((what, payload));
    }
    let whole = replay(beginnings, &steps, usize::MAX);
    let is_steady = |(what, _): &(u8, _)| what & (bits::GAP | bits::LATER) == 0;
    if steps.iter().all(is_steady) && beginnings & 3 == 0 {
        let cut = replay(beginnings, &steps, 1);
        assert_eq!(format!("{whole:?}"), format!("{cut:?}"));
    }
}

/// The calls of a connection whose bytes come in pieces of at most `piece` bytes.
fn replay(beginnings: u8, steps: &[(u8, &[u8])], piece: usize) -> VecDeque<Box<Exchange>> {
    let name = ConnectionName {
        id: 1,
        forward: ([10, 0, 0, 1], 60_000).into(),
        reverse: ([10, 0, 0, 2], 50_051).into(),
    };
    let mut connection = Connection::new(name, Limits::default(), VecDeque::new());
    for (way, midway) in [
        (Way::Forward, beginnings::CLIENT_MIDWAY),
        (Way::Reverse, beginnings::SERVER_MIDWAY),
    ] {
        let is_midway = beginnings & midway != 0;
        let start = if is_midway {
            Start::Midway
        } else {
            Start::Seen
        };
        connection.start(0, way, start);
    }
    let mut now = 0;
    for (what, payload) in steps {
        now += if what & bits::LATER != 0 {
            LATER_NS
        } else {
            STEP_NS
        };
        let is_answer = what & bits::ANSWER != 0;
        let way = if is_answer {
            Way::Reverse
        } else {
            Way::Forward
        };
        if what & bits::GAP != 0 {
            connection.gap(now, way, payload.len().max(1) as u64);
            continue;
        }
        for bytes in payload.chunks(piece) {
            connection.bytes(now, way, bytes);
        }
    }
    connection.end(now, Way::Forward, Ending::Fin);
    connection.end(now, Way::Reverse, Ending::CaptureEnd);
    let tally = connection.tally();
    assert!(tally.adds_up(), "{tally:?}");
    assert_eq!(tally.live, 0);
    let calls = connection.into_sink();
    assert_eq!(tally.calls, calls.len() as u64);
    calls.iter().for_each(|call| assert_consistent(call));
    calls
}

/// Does what a call says of itself fit its bytes?
pub(crate) fn assert_consistent(call: &Exchange) {
    assert!(call.stream_id & 1 == 1, "{call:?}");
    for half in [&call.request, &call.response] {
        let kept = half.body.kept();
        assert!(kept.len() as u64 <= half.body.bytes_count());
        for message in half.body.messages() {
            let bytes = kept.get(message.range());
            assert!(bytes.is_some(), "{message:?}");
        }
    }
}
