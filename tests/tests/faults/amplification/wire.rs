//! What the two ends of a connection send, as a capture, and what that counts as.

use std::net::SocketAddr;

use twintap_e2e::relay::{ACK, Packet, SYN, pcap, segment};

use crate::floods::frames::preface;

/// Payload of a packet.
pub(super) const PACKET_BYTES: usize = 1448;
/// Before a packet in a capture.
const RECORD_BYTES: usize = 16;
const PORT: u16 = 50_051;

/// A file, and what it counts as.
pub(super) struct Capture {
    pub(super) file: Vec<u8>,
    /// Headers as the size of their list, and a connection as the shortest that is one.
    pub(super) counts_as: usize,
}

/// Frames that are sent again and again.
#[derive(Default)]
pub(super) struct Frames {
    /// The client's.
    bytes: Vec<u8>,
    /// The server's, to these.
    answer: Vec<u8>,
    /// By how much the size of their header lists (RFC 9113, 6.5.2) is beyond what these take here.
    lists_beyond: usize,
}

impl Frames {
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            ..Self::default()
        }
    }

    /// And this behind them.
    pub(super) fn and(mut self, bytes: Vec<u8>) -> Self {
        self.bytes.extend(bytes);
        self
    }

    pub(super) fn answered(self, answer: Vec<u8>) -> Self {
        Self { answer, ..self }
    }

    /// `block` encodes these fields.
    pub(super) fn with_list(mut self, block: &[u8], fields: &[(&str, &str)]) -> Self {
        let size = |(name, value): &(&str, &str)| name.len() + value.len() + 32;
        let list: usize = fields.iter().map(size).sum();
        self.lists_beyond += list.saturating_sub(block.len());
        self
    }
}

/// One connection, over which this is sent again and again in packets with so much payload: a capture of
/// about `bytes`.
pub(super) fn connection(bytes: usize, payload: usize, again: impl Fn(u32) -> Frames) -> Capture {
    let mut wire = Wire::open(payload);
    let packet_bytes = wire.packets[0].len() + RECORD_BYTES + payload;
    let payload_bytes = bytes / packet_bytes * payload;
    wire.unsent[0] = preface(&[]);
    let (mut sent, mut lists_beyond, mut n) = (wire.unsent[0].len(), 0, 0);
    while sent < payload_bytes {
        let frames = again(n);
        sent += frames.bytes.len() + frames.answer.len();
        lists_beyond += frames.lists_beyond;
        wire.unsent[0].extend(frames.bytes);
        wire.unsent[1].extend(frames.answer);
        wire.send(payload);
        n += 1;
    }
    wire.send(1);
    let file = file(wire.packets);
    Capture {
        counts_as: file.len() + lists_beyond,
        file,
    }
}

/// As many connections of one packet as make about so many bytes.
pub(super) fn openings(bytes: usize) -> Capture {
    let packet = |n: u32| {
        let client = SocketAddr::from(([10, 1, (n >> 16) as u8, 1], n as u16));
        segment(client, ends()[1], [0, 0], SYN, &[])
    };
    let count = bytes / (packet(0).len() + RECORD_BYTES);
    let count = u32::try_from(count).expect("not so many");
    let file = file((0..count).map(packet).collect());
    Capture {
        counts_as: file.len(),
        file,
    }
}

/// The client and the server.
fn ends() -> [SocketAddr; 2] {
    [([10, 0, 0, 1], 40_000).into(), ([10, 0, 0, 2], PORT).into()]
}

/// A connection, being written.
struct Wire {
    payload: usize,
    packets: Vec<Vec<u8>>,
    /// Of the client, of the server.
    unsent: [Vec<u8>; 2],
    next: [u32; 2],
}

impl Wire {
    fn open(payload: usize) -> Self {
        let [client, server] = ends();
        Self {
            payload,
            packets: vec![
                segment(client, server, [0, 0], SYN, &[]),
                segment(server, client, [0, 1], SYN | ACK, &[]),
                segment(client, server, [1, 1], ACK, &[]),
            ],
            unsent: [vec![], vec![]],
            next: [1, 1],
        }
    }

    /// Sends packets of at least so many bytes.
    fn send(&mut self, least: usize) {
        for side in [0, 1] {
            let unsent = std::mem::take(&mut self.unsent[side]);
            let mut rest = unsent.as_slice();
            while rest.len() >= least {
                let (piece, more) = rest.split_at(self.payload.min(rest.len()));
                let (from, to) = (ends()[side], ends()[1 - side]);
                let numbers = [self.next[side], self.next[1 - side]];
                self.packets.push(segment(from, to, numbers, ACK, piece));
                let len = u32::try_from(piece.len()).expect("a packet");
                self.next[side] = self.next[side].wrapping_add(len);
                rest = more;
            }
            self.unsent[side] = rest.to_vec();
        }
    }
}

/// A packet each 10 µs.
fn file(packets: Vec<Vec<u8>>) -> Vec<u8> {
    let at = |(index, bytes)| Packet {
        unix_ns: 1_767_225_600_000_000_000 + index as u64 * 10_000,
        bytes,
    };
    let packets: Vec<_> = packets.into_iter().enumerate().map(at).collect();
    pcap(&packets)
}
