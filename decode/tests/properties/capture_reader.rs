//! Files: packets lie in the input, are counted, and do not depend on how the input is cut.

use twintap_decode::capture::{CAPTURED_LEN_MAX, Damage, LinkType, ReaderCounters};

use crate::support::each_packet;

/// Windows by which the same input is read again.
const WINDOW_BYTES: [usize; 2] = [1, 61];

#[derive(Debug, PartialEq, Eq)]
struct Read {
    packets: Vec<Packet>,
    counters: ReaderCounters,
    damages: Vec<Damage>,
}

#[derive(Debug, PartialEq, Eq)]
struct Packet {
    number: u64,
    offset: u64,
    unix_ns: u64,
    link_type: LinkType,
    bytes: Vec<u8>,
    original_len: u32,
}

/// `bytes` are a capture file.
pub(crate) fn check(bytes: &[u8]) {
    let whole = read(bytes, bytes.len().max(1));
    let counters = whole.counters;
    assert_eq!(counters.packets, whole.packets.len() as u64);
    assert_eq!(counters.damages, whole.damages.len() as u64);
    let lens = whole.packets.iter().map(|packet| packet.bytes.len() as u64);
    assert_eq!(counters.packet_bytes, lens.sum::<u64>());
    assert!(counters.skipped_bytes <= bytes.len() as u64);
    let numbers = whole.packets.windows(2);
    assert!(numbers.into_iter().all(|two| two[0].number < two[1].number));
    for packet in &whole.packets {
        let len = packet.bytes.len() as u64;
        assert!(len <= u64::from(CAPTURED_LEN_MAX), "{packet:?}");
        assert!(len <= u64::from(packet.original_len), "{packet:?}");
        assert!(packet.offset + len <= bytes.len() as u64, "{packet:?}");
    }
    for window in WINDOW_BYTES {
        assert_eq!(read(bytes, window), whole, "window of {window} bytes");
    }
}

fn read(bytes: &[u8], window: usize) -> Read {
    let mut packets = Vec::new();
    let (counters, damages) = each_packet(bytes, window, |packet| {
        packets.push(Packet {
            number: packet.number,
            offset: packet.offset,
            unix_ns: packet.unix_ns,
            link_type: packet.link_type,
            bytes: packet.bytes.to_vec(),
            original_len: packet.original_len,
        });
    });
    Read {
        packets,
        counters,
        damages,
    }
}
