//! Hostile captures, of one connection or of very many: whole packets, nothing that is refused.

use std::net::SocketAddr;

use twintap_e2e::relay::{ACK, Packet, SYN, pcap, segment};

use crate::floods::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SAME_TABLE, SETTINGS,
    field, frame, get, indexed, post, preface, stream,
};

/// Payload of a packet.
const PACKET_BYTES: usize = 1448;
/// Fields of one block, a byte each.
const FIELDS: usize = 900;
const PORT: u16 = 50_051;

/// A kind of capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Each byte of it counts as so many: headers as the size of their list, and a connection as the shortest that
    /// is one, of seven packets.
    pub(super) counts_as: usize,
    /// One of about so many bytes.
    pub(super) packets: fn(usize) -> Vec<Packet>,
}

/// Calls with a message each way.
pub(super) const ORDINARY: Kind = Kind {
    name: "ordinary calls",
    counts_as: 1,
    packets: |bytes| {
        let message = [&[0, 0, 0, 0, 200][..], &[7; 200]].concat();
        connection(bytes, PACKET_BYTES, |n| {
            let block = [post("/shop.Cart/Add"), field("x-mark", &n.to_string())].concat();
            let head = frame(HEADERS, END_HEADERS, stream(n), &block);
            [head, frame(DATA, END_STREAM, stream(n), &message)].concat()
        })
    },
};

pub(super) const HOSTILE: &[Kind] = &[
    Kind {
        name: "blocks of a thousand headers in a kilobyte",
        counts_as: 30,
        packets: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let mut block = match n {
                    0 => [get("/a.A/B", 0), indexed("a", "")].concat(),
                    _ => vec![0x82, 0x86, 0xc0, 0xbf],
                };
                block.extend([0xbe; FIELDS]);
                frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block)
            })
        },
    },
    Kind {
        name: "requests in thirteen bytes",
        counts_as: 1,
        packets: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let block = get("/a.A/B", n);
                frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block)
            })
        },
    },
    Kind {
        name: "rapid reset",
        counts_as: 1,
        packets: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let head = frame(HEADERS, END_HEADERS, stream(n), &get("/a.A/B", n));
                let reset = frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]);
                [head, reset].concat()
            })
        },
    },
    Kind {
        name: "PING",
        counts_as: 1,
        packets: |bytes| connection(bytes, PACKET_BYTES, |_| frame(PING, 0, 0, &[7; 8])),
    },
    Kind {
        name: "SETTINGS",
        counts_as: 1,
        packets: |bytes| connection(bytes, PACKET_BYTES, |_| frame(SETTINGS, 0, 0, SAME_TABLE)),
    },
    Kind {
        name: "empty DATA",
        counts_as: 1,
        packets: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => frame(HEADERS, END_HEADERS, 1, &post("/a.A/B")),
                _ => frame(DATA, 0, 1, &[]),
            })
        },
    },
    Kind {
        name: "CONTINUATION without end",
        counts_as: 1,
        packets: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => frame(HEADERS, 0, 1, &post("/a.A/B")),
                _ => frame(CONTINUATION, 0, 1, &field("a", "b")),
            })
        },
    },
    Kind {
        name: "gRPC messages of no byte",
        counts_as: 1,
        packets: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => frame(HEADERS, END_HEADERS, 1, &post("/a.A/B")),
                _ => frame(DATA, 0, 1, &[0; 10_000]),
            })
        },
    },
    Kind {
        name: "packets of a byte",
        counts_as: 1,
        packets: |bytes| connection(bytes, 1, |_| frame(PING, 0, 0, &[7; 8])),
    },
    Kind {
        name: "connections of a packet",
        counts_as: 7,
        packets: |bytes| {
            let packet = |n: u32| {
                let client = SocketAddr::from(([10, 1, (n >> 16) as u8, 1], n as u16));
                segment(client, server(), [0, 0], SYN, &[])
            };
            let count = bytes / (packet(0).len() + RECORD_BYTES);
            let count = u32::try_from(count).expect("not so many");
            (0..count).map(|n| at(n as usize, packet(n))).collect()
        },
    },
];

/// Frames that are nothing but zeros: what compresses best.
pub(super) const PADDED: Kind = Kind {
    name: "frames of zeros",
    counts_as: 1,
    packets: |bytes| connection(bytes, PACKET_BYTES, |_| frame(0xfa, 0, 0, &[0; 16_000])),
};

/// Before a packet in a capture.
const RECORD_BYTES: usize = 16;

fn server() -> SocketAddr {
    ([10, 0, 0, 2], PORT).into()
}

/// A packet each 10 µs.
fn at(index: usize, bytes: Vec<u8>) -> Packet {
    Packet {
        unix_ns: 1_767_225_600_000_000_000 + index as u64 * 10_000,
        bytes,
    }
}

/// What a client sends, over and over, in packets with so much payload, as a capture of about `bytes`.
fn connection(bytes: usize, payload: usize, again: impl Fn(u32) -> Vec<u8>) -> Vec<Packet> {
    let client = SocketAddr::from(([10, 0, 0, 1], 40_000));
    let mut packets = vec![
        segment(client, server(), [0, 0], SYN, &[]),
        segment(server(), client, [0, 1], SYN | ACK, &[]),
        segment(client, server(), [1, 1], ACK, &[]),
    ];
    let packet_bytes = packets[0].len() + RECORD_BYTES + payload;
    let payload_bytes = bytes / packet_bytes * payload;
    let (mut sent, mut n) = (preface(&[]), 0);
    while sent.len() < payload_bytes {
        sent.extend(again(n));
        n += 1;
    }
    let mut next = 1_u32;
    for piece in sent.chunks(payload) {
        packets.push(segment(client, server(), [next, 1], ACK, piece));
        next = next.wrapping_add(u32::try_from(piece.len()).expect("a packet"));
    }
    let packets = packets.into_iter().enumerate();
    packets.map(|(index, bytes)| at(index, bytes)).collect()
}

/// The file.
pub(super) fn file(kind: Kind, bytes: usize) -> Vec<u8> {
    pcap(&(kind.packets)(bytes))
}
