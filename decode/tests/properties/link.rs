//! Packets: each has one place in the counters, and a segment holds no more than its packet or
//! datagram.

use twintap_decode::capture::{LinkType, Packet};
use twintap_decode::ip::FRAGMENT_BYTES_MAX;
use twintap_decode::link::{Dissection, Dissector, LinkConfig};

use super::script::Script;

/// Link types by the first byte of a step.
pub(crate) const LINK_TYPES: [u16; 8] = [1, 0, 101, 113, 276, 108, 228, 229];

/// Nanoseconds for each unit of a step's second byte.
const STEP_NS: u64 = 250_000_000;

/// Largest payload of an IP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// `bytes` are packets: link type, time since the one before, bytes that were not captured, and
/// the bytes that were behind their length.
pub(crate) fn check(bytes: &[u8]) {
    let mut dissector = Dissector::new(LinkConfig::default());
    let mut script = Script::new(bytes);
    let (mut number, mut unix_ns) = (0, 0);
    while let Some((kind, delay, cut, captured)) = step(&mut script) {
        number += 1;
        unix_ns += u64::from(delay) * STEP_NS;
        let packet = Packet {
            number,
            offset: 0,
            unix_ns,
            link_type: LinkType(LINK_TYPES[usize::from(kind) % LINK_TYPES.len()].into()),
            bytes: captured,
            original_len: u32::try_from(captured.len()).unwrap() + u32::from(cut),
        };
        if let Dissection::Segment(segment) = dissector.packet(&packet) {
            let is_in_packet = segment.payload_range_in(captured).is_some();
            let len = segment.payload.len();
            assert!(is_in_packet || len <= DATAGRAM_BYTES_MAX, "{segment:?}");
            assert_eq!(segment.unix_ns, unix_ns);
            let missing = usize::try_from(segment.missing_tail).unwrap();
            assert!(missing <= DATAGRAM_BYTES_MAX.max(packet.original_len as usize));
        }
        let counters = dissector.counters();
        assert!(counters.adds_up(), "{counters:?}");
        assert_eq!(counters.packets, number);
    }
    let fragments = dissector.fragment_counters();
    let settled = fragments.joined + fragments.dropped.total();
    assert!(settled <= fragments.held, "{fragments:?}");
    assert!(
        bytes.len() < FRAGMENT_BYTES_MAX,
        "a longer input needs its own limit"
    );
}

fn step<'a>(script: &mut Script<'a>) -> Option<(u8, u8, u8, &'a [u8])> {
    Some((
        script.byte()?,
        script.byte()?,
        script.byte()?,
        script.payload()?,
    ))
}
