//! Conversations as bytes: an HPACK encoder that indexes everything it can, frames, and calls.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use twintap_decode::exchange::{ConnectionName, Exchange, Limits};
use twintap_decode::http2::Connection;
use twintap_decode::stream::{ByteSink, Ending, Start, Way};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(crate) const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Encodes header blocks of one way, with incremental indexing of nearly every field.
#[derive(Default)]
pub(crate) struct Encoder {
    newest_first: VecDeque<(String, String)>,
}

impl Encoder {
    pub(crate) fn block(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            if let Some(index) = statically(name, value) {
                block.push(0x80 | index);
                continue;
            }
            let same = |(n, v): &(String, String)| n == name && v == value;
            if let Some(index) = self.newest_first.iter().position(same) {
                block.push(0x80 | u8::try_from(62 + index).unwrap());
            } else if name.starts_with("x-once") {
                // A value of its own, not indexed.
                block.extend([&[0x00][..], &string(name), &string(value)].concat());
            } else {
                block.extend([&[0x40][..], &string(name), &string(value)].concat());
                self.newest_first
                    .push_front(((*name).to_owned(), (*value).to_owned()));
            }
        }
        block
    }
}

/// The entry of the static table, of those that gRPC uses.
fn statically(name: &str, value: &str) -> Option<u8> {
    match (name, value) {
        (":method", "POST") => Some(3),
        (":scheme", "http") => Some(6),
        (":status", "200") => Some(8),
        _ => None,
    }
}

fn string(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

pub(crate) fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [
        &length[1..],
        &[kind, flags],
        &stream_id.to_be_bytes(),
        payload,
    ]
    .concat()
}

pub(crate) fn headers(stream_id: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(1, flags | 4, stream_id, block)
}

pub(crate) fn data(stream_id: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(0, flags, stream_id, payload)
}

pub(crate) fn message(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0][..], &length, bytes].concat()
}

pub(crate) fn request(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "svc:1"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "test/1"),
    ]
}

pub(crate) const RESPONSE: [(&str, &str); 3] = [
    (":status", "200"),
    ("content-type", "application/grpc"),
    ("grpc-accept-encoding", "gzip"),
];

/// A connection under test and what it handed on.
pub(crate) struct Watched {
    pub(crate) connection: Connection<Arc<Mutex<VecDeque<Box<Exchange>>>>>,
    calls: Arc<Mutex<VecDeque<Box<Exchange>>>>,
    now: u64,
}

impl Watched {
    pub(crate) fn new(start: Start) -> Self {
        let mut watched = Self::of_client(start);
        watched.start(Way::Reverse, start);
        watched
    }

    /// Of the server's way nothing was captured yet.
    pub(crate) fn of_client(start: Start) -> Self {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let name = ConnectionName {
            id: 7,
            forward: address(40_000),
            reverse: address(50_051),
        };
        let calls = Arc::default();
        let mut connection = Connection::new(name, Limits::default(), Arc::clone(&calls));
        connection.start(0, Way::Forward, start);
        Self {
            connection,
            calls,
            now: 0,
        }
    }

    pub(crate) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes(Way::Forward, bytes)
    }

    pub(crate) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes(Way::Reverse, bytes)
    }

    pub(crate) fn bytes(&mut self, way: Way, bytes: &[u8]) -> &mut Self {
        self.now += 1_000;
        self.connection.bytes(self.now, way, bytes);
        self
    }

    pub(crate) fn gap(&mut self, way: Way, len: usize) -> &mut Self {
        self.connection.gap(self.now, way, len as u64);
        self
    }

    pub(crate) fn gap_up_to(&mut self, way: Way, len_max: usize) -> &mut Self {
        self.connection.gap_up_to(self.now, way, len_max as u64);
        self
    }

    pub(crate) fn wait(&mut self, nanoseconds: u64) -> &mut Self {
        self.now += nanoseconds;
        self
    }

    pub(crate) fn start(&mut self, way: Way, start: Start) -> &mut Self {
        self.connection.start(self.now, way, start);
        self
    }

    pub(crate) fn end(&mut self) -> Vec<Exchange> {
        self.end_by(Ending::Fin)
    }

    pub(crate) fn end_by(&mut self, ending: Ending) -> Vec<Exchange> {
        self.connection.end(self.now, Way::Forward, ending);
        self.connection.end(self.now, Way::Reverse, ending);
        assert!(
            self.connection.tally().adds_up(),
            "{:?}",
            self.connection.tally()
        );
        self.calls()
    }

    pub(crate) fn calls(&mut self) -> Vec<Exchange> {
        self.calls
            .lock()
            .unwrap()
            .drain(..)
            .map(|call| *call)
            .collect()
    }
}

/// The bytes of the messages of one half.
pub(crate) fn messages(half: &twintap_decode::exchange::HalfStream) -> Vec<Vec<u8>> {
    let messages = half.body.messages().iter();
    messages
        .map(|message| half.body.kept()[message.range()].to_vec())
        .collect()
}
