//! What is sent, over and over, and what the collector must make of it.

use twintap_record::PATH;

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NO_WINDOW, PING, PRIORITY, RST_STREAM,
    SAME_TABLE, SETTINGS, UNKNOWN, WINDOW_UPDATE, field, frame, get, indexed, post, preface,
    stream,
};

/// RFC 9113, section 7.
const ENHANCE_YOUR_CALM: u32 = 11;

/// One kind of flood, over one connection after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) first: fn() -> Vec<u8>,
    /// What is sent the n-th time; nothing: this connection has done its part.
    pub(super) again: fn(u32) -> Vec<u8>,
    /// Does the attacker read what is answered?
    pub(super) reads: bool,
    /// The code of the GOAWAY that ends every connection, if the flood is not to be borne.
    pub(super) sent_away: Option<u32>,
}

const TAKEN: Attack = Attack {
    name: "",
    first: hello,
    again: |_| vec![],
    reads: true,
    sent_away: None,
};

const SENT_AWAY: Attack = Attack {
    sent_away: Some(ENHANCE_YOUR_CALM),
    ..TAKEN
};

fn hello() -> Vec<u8> {
    preface(&[])
}

/// A POST without its body on the n-th stream.
fn open(n: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream(n), &post(PATH))
}

fn open_first() -> Vec<u8> {
    [hello(), open(0)].concat()
}

fn whole_get(path: &str, n: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &get(path, n))
}

/// Streams of one connection that stall: as many as may be open.
pub(super) const STALLED_STREAMS: u32 = 100;
/// Fields that fit into the list of a request: of `header_bytes_max`, 33 bytes each.
const FIELDS: usize = 980;

fn settings(_: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, SAME_TABLE)
}

fn ping(_: u32) -> Vec<u8> {
    frame(PING, 0, 0, &[7; 8])
}

/// All of them.
pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "rapid reset",
        again: |n| {
            let reset = frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]);
            [open(n), reset].concat()
        },
        ..SENT_AWAY
    },
    Attack {
        name: "resets that the server is made to send",
        // A window beyond its limit is an error of the stream.
        again: |n| {
            let beyond = [0x7f, 0xff, 0xff, 0xff];
            [open(n), frame(WINDOW_UPDATE, 0, stream(n), &beyond)].concat()
        },
        ..SENT_AWAY
    },
    Attack {
        name: "CONTINUATION without end",
        first: || [hello(), frame(HEADERS, 0, 1, &post(PATH))].concat(),
        again: |_| frame(CONTINUATION, 0, 1, &field("a", "b").repeat(2000)),
        ..SENT_AWAY
    },
    Attack {
        name: "empty CONTINUATION without end",
        first: || [hello(), frame(HEADERS, 0, 1, &post(PATH))].concat(),
        again: |_| frame(CONTINUATION, 0, 1, &[]),
        ..SENT_AWAY
    },
    Attack {
        name: "empty DATA",
        first: open_first,
        again: |_| frame(DATA, 0, 1, &[]),
        ..SENT_AWAY
    },
    Attack {
        name: "SETTINGS",
        again: settings,
        ..TAKEN
    },
    Attack {
        name: "SETTINGS, answers not read",
        again: settings,
        reads: false,
        ..TAKEN
    },
    Attack {
        name: "PING",
        again: ping,
        ..TAKEN
    },
    Attack {
        name: "PING, answers not read",
        again: ping,
        reads: false,
        ..TAKEN
    },
    Attack {
        name: "PRIORITY and unknown frames",
        again: |_| {
            let priority = frame(PRIORITY, 0, 3, &[0, 0, 0, 5, 7]);
            [priority, frame(UNKNOWN, 0, 0, &[])].concat()
        },
        ..TAKEN
    },
    Attack {
        name: "requests of a thousand headers in a kilobyte",
        again: |n| {
            let mut block = match n {
                0 => [get("/healthz", 0), indexed("a", "")].concat(),
                // The entry above has moved the others.
                _ => vec![0x82, 0x86, 0xc0, 0xbf],
            };
            block.extend(vec![0xbe; FIELDS]);
            frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block)
        },
        ..TAKEN
    },
    Attack {
        name: "GET /healthz in thirteen bytes",
        again: |n| whole_get("/healthz", n),
        ..TAKEN
    },
    Attack {
        name: "GET /metrics in thirteen bytes",
        again: |n| whole_get("/metrics", n),
        ..TAKEN
    },
    Attack {
        name: "GET /metrics, answers not taken",
        first: || preface(NO_WINDOW),
        again: |n| match n {
            ..STALLED_STREAMS => whole_get("/metrics", n),
            _ => vec![],
        },
        ..TAKEN
    },
    Attack {
        name: "HTTP/1.1 requests in one go",
        first: Vec::new,
        again: |_| b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
        ..TAKEN
    },
    Attack {
        name: "HTTP/1.1 chunks of a byte",
        first: || {
            let head = format!(
                "POST {PATH} HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\n\
                 transfer-encoding: chunked\r\n\r\n"
            );
            head.into_bytes()
        },
        again: |_| b"1\r\na\r\n".to_vec(),
        ..TAKEN
    },
];
