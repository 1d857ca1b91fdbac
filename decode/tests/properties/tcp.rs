//! Segments against a model: a map of the bytes that were captured, by their place in the stream.
//!
//! What a byte is follows from its place, so wherever a connection begins, its bytes and gaps can
//! be laid over the model: every byte delivered must have been captured at that place. In scripts
//! of the other kind bytes are arbitrary, and only what is said of them must be consistent
//! (`support::Recorder` and `support::reassemble` assert that).

use std::collections::BTreeSet;
use std::sync::OnceLock;

use twintap_decode::link::{Segment, flags};
use twintap_decode::stream::Start;
use twintap_decode::tcp::Limits;

use super::script::Script;
use crate::support::packets::{With, answered, sent};
use crate::support::{Stream, reassemble};

/// Bits of the first byte of a step.
pub(crate) mod bits {
    /// From the server.
    pub(crate) const ANSWER: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const FIN: u8 = 4;
    pub(crate) const RST: u8 = 8;
    pub(crate) const ACK: u8 = 16;
    /// Bytes behind the payload were not captured.
    pub(crate) const CUT: u8 = 32;
}

/// Nanoseconds for each unit of a step's time.
const STEP_NS: u64 = 5_000_000;

/// Sequence number of the first byte of both ways: they wrap.
const FIRST_SEQ: u32 = u32::MAX - 1000;

/// Places in the stream: as many as a step can name, and some behind them.
const PLACES: usize = (1 << 16) + 1024;

/// The stream, made once.
static STREAM: OnceLock<Vec<u8>> = OnceLock::new();

/// `bytes` are segments, all of one connection; the first byte says whether what they carry is
/// right.
pub(crate) fn check(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let is_honest = script.byte().is_some_and(|kind| kind & 1 == 0);
    let stream = STREAM.get_or_init(|| (0..PLACES).map(byte_at).collect());
    let mut captured = [BTreeSet::new(), BTreeSet::new()];
    let mut segments = Vec::new();
    let mut now = 0;
    while let Some(step) = Step::read(&mut script) {
        now += u64::from(step.delay) * STEP_NS;
        let lie = usize::from(!is_honest) * usize::from(step.delay);
        let range = step.at..step.at + usize::from(step.len);
        let payload = &stream[range.start + lie..range.end + lie];
        if !step.has(bits::RST) {
            captured[usize::from(step.has(bits::ANSWER))].extend(range);
        }
        segments.push(step.segment(payload).at(now));
    }
    let (connections, _) = reassemble(Limits::default(), segments);
    if !is_honest {
        return;
    }
    for (name, streams) in &connections {
        let client_first = name.initiator == crate::support::packets::client();
        let (client, server) = match client_first {
            true => (&streams.forward, &streams.reverse),
            false => (&streams.reverse, &streams.forward),
        };
        assert_captured(client, stream, &captured[0]);
        assert_captured(server, stream, &captured[1]);
    }
}

/// Is there a place from which all that was delivered was captured?
fn assert_captured(delivered: &Stream, stream: &[u8], captured: &BTreeSet<usize>) {
    let Some((offset, first)) = delivered.runs.first_key_value() else {
        return;
    };
    let offset = usize::try_from(*offset).unwrap();
    let fits = |base: usize| {
        delivered.runs.iter().all(|(offset, run)| {
            let at = base + usize::try_from(*offset).unwrap();
            stream.get(at..at + run.len()) == Some(&run[..])
                && (at..at + run.len()).all(|place| captured.contains(&place))
        })
    };
    let places = captured.iter().filter(|place| stream[**place] == first[0]);
    let mut bases = places.filter_map(|place| place.checked_sub(offset));
    let is_seen = delivered.start == Some(Start::Seen);
    assert!(
        bases.any(fits),
        "bytes that were not captured, seen from the start: {is_seen}"
    );
}

/// Bytes that tell where they are.
fn byte_at(place: usize) -> u8 {
    let mixed = (place as u64 ^ 0x5bd1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[0]
}

/// One segment of a script.
#[derive(Clone, Copy, Debug)]
struct Step {
    what: u8,
    delay: u8,
    at: usize,
    len: u8,
    ack: u16,
}

impl Step {
    fn read(script: &mut Script<'_>) -> Option<Self> {
        Some(Self {
            what: script.byte()?,
            delay: script.byte()?,
            at: usize::from(script.u16()?),
            len: script.byte()?,
            ack: script.u16()?,
        })
    }

    fn has(self, bit: u8) -> bool {
        self.what & bit != 0
    }

    fn segment(self, payload: &[u8]) -> Segment<'_> {
        let seq = FIRST_SEQ.wrapping_add(u32::try_from(self.at).unwrap());
        // The SYN's own place is the one before its bytes.
        let seq = seq.wrapping_sub(u32::from(self.has(bits::SYN)));
        let mut segment = match self.has(bits::ANSWER) {
            true => answered(seq, payload),
            false => sent(seq, payload),
        };
        for (bit, flag) in [
            (bits::SYN, flags::SYN),
            (bits::FIN, flags::FIN),
            (bits::RST, flags::RST),
        ] {
            if self.has(bit) {
                segment = segment.flag(flag);
            }
        }
        if self.has(bits::ACK) {
            segment = segment.ack(FIRST_SEQ.wrapping_add(u32::from(self.ack)));
        }
        segment.cut(if self.has(bits::CUT) {
            u32::from(self.delay)
        } else {
            0
        })
    }
}
