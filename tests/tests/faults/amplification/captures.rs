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
/// Of the shortest that is whole.
const PACKETS_OF_A_CONNECTION: usize = 7;

/// A kind of capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// One of about so many bytes.
    pub(super) capture: fn(usize) -> Capture,
}

/// A file, and what it counts as.
pub(super) struct Capture {
    pub(super) file: Vec<u8>,
    /// Headers as the size of their list, and a connection as the shortest that is one.
    pub(super) counts_as: usize,
}

/// Frames that are sent again and again.
struct Frames {
    bytes: Vec<u8>,
    /// By how much the size of their header list (RFC 9113, 6.5.2) is beyond what it takes here.
    list_beyond: usize,
}

impl Frames {
    fn plain(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            list_beyond: 0,
        }
    }

    /// `block` is what of them encodes `fields`.
    fn with_list<'f>(
        bytes: Vec<u8>,
        block: &[u8],
        fields: impl IntoIterator<Item = &'f (&'f str, &'f str)>,
    ) -> Self {
        let size = |(name, value): &(&str, &str)| name.len() + value.len() + 32;
        let list: usize = fields.into_iter().map(size).sum();
        Self {
            bytes,
            list_beyond: list.saturating_sub(block.len()),
        }
    }
}

/// What [`get`] encodes for `/a.A/B`.
const GET: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/a.A/B"),
    (":authority", "harness"),
];

/// What [`post`] encodes for `/shop.Cart/Add`.
const POST: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/shop.Cart/Add"),
    (":authority", "harness"),
    ("content-type", "application/x-protobuf"),
];

/// Calls with a message each way.
pub(super) const ORDINARY: Kind = Kind {
    name: "ordinary calls",
    capture: |bytes| {
        let message = [&[0, 0, 0, 0, 200][..], &[7; 200]].concat();
        connection(bytes, PACKET_BYTES, |n| {
            let mark = n.to_string();
            let block = [post("/shop.Cart/Add"), field("x-mark", &mark)].concat();
            let head = frame(HEADERS, END_HEADERS, stream(n), &block);
            let bytes = [head, frame(DATA, END_STREAM, stream(n), &message)].concat();
            Frames::with_list(bytes, &block, POST.iter().chain(&[("x-mark", &*mark)]))
        })
    },
};

pub(super) const HOSTILE: &[Kind] = &[
    Kind {
        name: "blocks of a thousand headers in a kilobyte",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let mut block = match n {
                    0 => [get("/a.A/B", 0), indexed("a", "")].concat(),
                    _ => vec![0x82, 0x86, 0xc0, 0xbf],
                };
                block.extend([0xbe; FIELDS]);
                let bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block);
                Frames::with_list(bytes, &block, GET.iter().chain(&[("a", ""); FIELDS]))
            })
        },
    },
    Kind {
        name: "requests in thirteen bytes",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let block = get("/a.A/B", n);
                let bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block);
                Frames::with_list(bytes, &block, &GET)
            })
        },
    },
    Kind {
        name: "rapid reset",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let block = get("/a.A/B", n);
                let head = frame(HEADERS, END_HEADERS, stream(n), &block);
                let reset = frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]);
                Frames::with_list([head, reset].concat(), &block, &GET)
            })
        },
    },
    Kind {
        name: "PING",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |_| {
                Frames::plain(frame(PING, 0, 0, &[7; 8]))
            })
        },
    },
    Kind {
        name: "SETTINGS",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |_| {
                Frames::plain(frame(SETTINGS, 0, 0, SAME_TABLE))
            })
        },
    },
    Kind {
        name: "empty DATA",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => Frames::plain(frame(HEADERS, END_HEADERS, 1, &post("/a.A/B"))),
                _ => Frames::plain(frame(DATA, 0, 1, &[])),
            })
        },
    },
    Kind {
        name: "CONTINUATION without end",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => Frames::plain(frame(HEADERS, 0, 1, &post("/a.A/B"))),
                _ => {
                    let block = field("a", "b");
                    let bytes = frame(CONTINUATION, 0, 1, &block);
                    Frames::with_list(bytes, &block, &[("a", "b")])
                }
            })
        },
    },
    Kind {
        name: "gRPC messages of no byte",
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => Frames::plain(frame(HEADERS, END_HEADERS, 1, &post("/a.A/B"))),
                _ => Frames::plain(frame(DATA, 0, 1, &[0; 10_000])),
            })
        },
    },
    Kind {
        name: "packets of a byte",
        capture: |bytes| connection(bytes, 1, |_| Frames::plain(frame(PING, 0, 0, &[7; 8]))),
    },
    Kind {
        name: "connections of a packet",
        capture: |bytes| {
            let packet = |n: u32| {
                let client = SocketAddr::from(([10, 1, (n >> 16) as u8, 1], n as u16));
                segment(client, server(), [0, 0], SYN, &[])
            };
            let count = bytes / (packet(0).len() + RECORD_BYTES);
            let count = u32::try_from(count).expect("not so many");
            let packets: Vec<_> = (0..count).map(|n| at(n as usize, packet(n))).collect();
            let file = pcap(&packets);
            Capture {
                counts_as: file.len() * PACKETS_OF_A_CONNECTION,
                file,
            }
        },
    },
];

/// Frames that are nothing but zeros: what compresses best.
pub(super) const PADDED: Kind = Kind {
    name: "frames of zeros",
    capture: |bytes| {
        connection(bytes, PACKET_BYTES, |_| {
            Frames::plain(frame(0xfa, 0, 0, &[0; 16_000]))
        })
    },
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
fn connection(bytes: usize, payload: usize, again: impl Fn(u32) -> Frames) -> Capture {
    let client = SocketAddr::from(([10, 0, 0, 1], 40_000));
    let mut packets = vec![
        segment(client, server(), [0, 0], SYN, &[]),
        segment(server(), client, [0, 1], SYN | ACK, &[]),
        segment(client, server(), [1, 1], ACK, &[]),
    ];
    let packet_bytes = packets[0].len() + RECORD_BYTES + payload;
    let payload_bytes = bytes / packet_bytes * payload;
    let (mut sent, mut n, mut lists_beyond) = (preface(&[]), 0, 0);
    while sent.len() < payload_bytes {
        let frames = again(n);
        sent.extend(frames.bytes);
        lists_beyond += frames.list_beyond;
        n += 1;
    }
    let mut next = 1_u32;
    for piece in sent.chunks(payload) {
        packets.push(segment(client, server(), [next, 1], ACK, piece));
        next = next.wrapping_add(u32::try_from(piece.len()).expect("a packet"));
    }
    let packets = packets.into_iter().enumerate();
    let packets: Vec<_> = packets.map(|(index, bytes)| at(index, bytes)).collect();
    let file = pcap(&packets);
    Capture {
        counts_as: file.len() + lists_beyond,
        file,
    }
}
