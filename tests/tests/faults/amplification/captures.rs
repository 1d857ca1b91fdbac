//! Hostile captures, of one connection or of very many: whole packets, nothing that is refused.

use super::wire::{Capture, Frames, PACKET_BYTES, connection, openings};
use crate::floods::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SAME_TABLE, SETTINGS,
    answer, call, field, frame, indexed, stream,
};

/// Fields of one block, a byte each.
const FIELDS: usize = 900;

/// A kind of capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Is there a call in it?
    pub(super) has_calls: bool,
    /// One of about so many bytes.
    pub(super) capture: fn(usize) -> Capture,
}

/// What [`call`] encodes for `/a.A/B`.
const REQUEST: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/a.A/B"),
    (":authority", "harness"),
    ("content-type", "application/grpc"),
];

/// What [`answer`] encodes.
const ANSWER: [(&str, &str); 2] = [(":status", "200"), ("content-type", "application/grpc")];
const TRAILERS: [(&str, &str); 1] = [("grpc-status", "0")];

/// The frame of such a request.
fn request(n: u32, flags: u8) -> Frames {
    let block = call("/a.A/B", n);
    let bytes = frame(HEADERS, END_HEADERS | flags, stream(n), &block);
    Frames::of(bytes).with_list(&block, &REQUEST)
}

/// Calls with a message each way.
pub(super) const ORDINARY: Kind = Kind {
    name: "ordinary calls",
    has_calls: true,
    capture: |bytes| {
        let message = [&[0, 0, 0, 0, 200][..], &[7; 200]].concat();
        connection(bytes, PACKET_BYTES, |n| {
            let mark = n.to_string();
            let (block, marked) = (call("/a.A/B", n), field("x-mark", &mark));
            let [head, trailers] = answer(n);
            let of = |kind, flags, payload: &[u8]| frame(kind, flags, stream(n), payload);
            let request = [
                of(HEADERS, END_HEADERS, &[&*block, &*marked].concat()),
                of(DATA, END_STREAM, &message),
            ];
            let answer = [
                if n == 0 {
                    frame(SETTINGS, 0, 0, &[])
                } else {
                    vec![]
                },
                of(HEADERS, END_HEADERS, &head),
                of(DATA, 0, &message),
                of(HEADERS, END_HEADERS | END_STREAM, &trailers),
            ];
            Frames::of(request.concat())
                .answered(answer.concat())
                .with_list(&block, &REQUEST)
                .with_list(&marked, &[("x-mark", &mark)])
                .with_list(&head, &ANSWER)
                .with_list(&trailers, &TRAILERS)
        })
    },
};

pub(super) const HOSTILE: &[Kind] = &[
    Kind {
        name: "blocks of a thousand headers in a kilobyte",
        has_calls: true,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let block = match n {
                    0 => [call("/a.A/B", 0), indexed("a", "")].concat(),
                    _ => vec![0x83, 0x86, 0xc1, 0xc0, 0xbf],
                };
                let again = [0xbe; FIELDS];
                let whole = [&*block, &again].concat();
                let bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &whole);
                Frames::of(bytes)
                    .with_list(&block, &REQUEST)
                    .with_list(&again, &[("a", ""); FIELDS])
            })
        },
    },
    Kind {
        name: "requests in fourteen bytes",
        has_calls: true,
        capture: |bytes| connection(bytes, PACKET_BYTES, |n| request(n, END_STREAM)),
    },
    Kind {
        name: "rapid reset",
        has_calls: true,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                let reset = frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]);
                request(n, 0).and(reset)
            })
        },
    },
    Kind {
        name: "PING",
        has_calls: false,
        capture: |bytes| connection(bytes, PACKET_BYTES, |_| ping()),
    },
    Kind {
        name: "SETTINGS",
        has_calls: false,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |_| {
                Frames::of(frame(SETTINGS, 0, 0, SAME_TABLE))
            })
        },
    },
    Kind {
        name: "empty DATA",
        has_calls: true,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => request(0, 0),
                _ => Frames::of(frame(DATA, 0, 1, &[])),
            })
        },
    },
    Kind {
        name: "CONTINUATION without end",
        has_calls: true,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => Frames::of(frame(HEADERS, 0, 1, &call("/a.A/B", 0))),
                _ => {
                    let block = field("a", "b");
                    Frames::of(frame(CONTINUATION, 0, 1, &block)).with_list(&block, &[("a", "b")])
                }
            })
        },
    },
    Kind {
        name: "gRPC messages of no byte",
        has_calls: true,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| match n {
                0 => request(0, 0),
                _ => Frames::of(frame(DATA, 0, 1, &[0; 10_000])),
            })
        },
    },
    Kind {
        name: "calls of two thousand gRPC messages of no byte",
        has_calls: true,
        capture: |bytes| {
            connection(bytes, PACKET_BYTES, |n| {
                request(n, 0).and(frame(DATA, END_STREAM, stream(n), &[0; 10_000]))
            })
        },
    },
    Kind {
        name: "packets of a byte",
        has_calls: false,
        capture: |bytes| connection(bytes, 1, |_| ping()),
    },
    Kind {
        name: "connections of a packet",
        has_calls: false,
        capture: openings,
    },
];

/// Frames that are nothing but zeros: what compresses best.
pub(super) const PADDED: Kind = Kind {
    name: "frames of zeros",
    has_calls: false,
    capture: |bytes| {
        connection(bytes, PACKET_BYTES, |_| {
            Frames::of(frame(0xfa, 0, 0, &[0; 16_000]))
        })
    },
};

fn ping() -> Frames {
    Frames::of(frame(PING, 0, 0, &[7; 8]))
}
