//! Hand-made segments and packets. Packets are built from the inside out:
//! `ethernet(IPV4, &ipv4(TCP, &tcp(..)))`.

use twintap_decode::capture::{LinkType, Packet};
use twintap_decode::link::{Endpoint, FlowKey, Segment, flags};

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const IPV6: u16 = 0x86dd;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(crate) const SERVER: [u8; 4] = [10, 0, 0, 2];
pub(crate) const CLIENT_PORT: u16 = 60_000;
pub(crate) const SERVER_PORT: u16 = 50_051;
/// Between two segments, in nanoseconds.
pub(crate) const STEP_NS: u64 = 1_000;

pub(crate) fn client() -> Endpoint {
    Endpoint::v4(CLIENT, CLIENT_PORT)
}

pub(crate) fn server() -> Endpoint {
    Endpoint::v4(SERVER, SERVER_PORT)
}

/// A segment from the client.
pub(crate) fn sent(seq: u32, payload: &[u8]) -> Segment<'_> {
    segment(client(), server(), seq, payload)
}

/// A segment from the server.
pub(crate) fn answered(seq: u32, payload: &[u8]) -> Segment<'_> {
    segment(server(), client(), seq, payload)
}

fn segment(source: Endpoint, destination: Endpoint, seq: u32, payload: &[u8]) -> Segment<'_> {
    let (flow, sender) = FlowKey::new(source, destination, 0);
    Segment {
        unix_ns: 0,
        flow,
        sender,
        seq,
        ack: 0,
        flags: 0,
        window: 65_535,
        payload,
        missing_tail: 0,
    }
}

/// What a segment may have besides its bytes.
pub(crate) trait With: Sized {
    fn ack(self, ack: u32) -> Self;
    fn flag(self, flag: u8) -> Self;
    fn cut(self, missing_tail: u32) -> Self;
    fn at(self, unix_ns: u64) -> Self;
}

impl With for Segment<'_> {
    fn ack(mut self, ack: u32) -> Self {
        self.ack = ack;
        self.flags |= flags::ACK;
        self
    }

    fn flag(mut self, flag: u8) -> Self {
        self.flags |= flag;
        self
    }

    fn cut(mut self, missing_tail: u32) -> Self {
        self.missing_tail = missing_tail;
        self
    }

    fn at(mut self, unix_ns: u64) -> Self {
        self.unix_ns = unix_ns;
        self
    }
}

/// SYN, SYN-ACK and ACK; the client's bytes begin at `client_seq`, the server's at `server_seq`.
pub(crate) fn handshake(client_seq: u32, server_seq: u32) -> [Segment<'static>; 3] {
    [
        sent(client_seq.wrapping_sub(1), b"").flag(flags::SYN),
        answered(server_seq.wrapping_sub(1), b"")
            .flag(flags::SYN)
            .ack(client_seq),
        sent(client_seq, b"").ack(server_seq),
    ]
}

/// A packet of this link type, captured whole.
pub(crate) fn packet(link_type: LinkType, bytes: &[u8]) -> Packet<'_> {
    Packet {
        number: 1,
        offset: 24,
        unix_ns: 1,
        link_type,
        bytes,
        original_len: u32::try_from(bytes.len()).unwrap(),
    }
}

pub(crate) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2; 12];
    bytes.extend(ether_type.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_fragment(protocol, 7, 0x4000, payload)
}

/// `flags_and_offset` as in the header: bit 13 says that more follow, the offset counts by 8.
pub(crate) fn ipv4_fragment(
    protocol: u8,
    identification: u16,
    flags_and_offset: u16,
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap();
    let mut bytes = vec![0x45, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend(identification.to_be_bytes());
    bytes.extend(flags_and_offset.to_be_bytes());
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend(CLIENT);
    bytes.extend(SERVER);
    bytes.extend(payload);
    bytes
}

pub(crate) fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([next_header, 64]);
    for last in [1, 2] {
        bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    bytes.extend(payload);
    bytes
}

pub(crate) fn tcp(seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(CLIENT_PORT.to_be_bytes());
    bytes.extend(SERVER_PORT.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend([0, 0, 0, 9, 0x80, flags, 1, 0, 0, 0, 0, 0]);
    bytes.extend([1; 12]);
    bytes.extend(payload);
    let sum = checksum(&bytes).to_be_bytes();
    bytes[16..18].copy_from_slice(&sum);
    bytes
}

/// The checksum of a segment from the client that has 0 in its place.
fn checksum(segment: &[u8]) -> u16 {
    let length = u16::try_from(segment.len()).unwrap().to_be_bytes();
    let pseudo_header = [&CLIENT[..], &SERVER, &[0, TCP], &length].concat();
    let padded = [&pseudo_header, segment, &[0]].concat();
    let words = padded.chunks_exact(2);
    let sum: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    !u16::try_from(sum % 0xffff).unwrap()
}

pub(crate) fn udp(destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let mut bytes = vec![0xc0, 0];
    bytes.extend(destination_port.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// `before` and then `after`.
pub(crate) fn join(before: &[u8], after: &[u8]) -> Vec<u8> {
    [before, after].concat()
}
