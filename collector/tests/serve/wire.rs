//! Cases of HTTP/2: bytes that a client sends, and in a line what comes back.
//!
//! A case is a name, what is sent, and what comes back until the collector closes the connection: how
//! often each answer of a stream, then the code of the GOAWAY. Behind each case the same connection asks
//! for `/healthz`, so that it shows whether others on it are still served.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;

use twintap_decode::hpack::{Decoder, Expected};

use super::cases::{Case, exchange};
use super::collector::Collector;
use super::http2_bytes::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame, integer,
};

/// Stream of the request behind each case.
const LAST: u32 = 2001;
/// How long a connection is idle until the collector closes it, and with it ends the case.
const IDLE: &str = "1s";

/// A field that is not indexed.
pub(crate) fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| [integer(0, 7, text.len()), text.to_vec()].concat();
    [vec![0], text(name), text(value)].concat()
}

/// GET or POST of `path` over http, with more fields.
pub(crate) fn block(method: &str, path: &str, more: &[u8]) -> Vec<u8> {
    [
        &field(b":method", method.as_bytes())[..],
        &[0x86],
        &field(b":path", path.as_bytes()),
        &field(b":authority", b"t"),
        more,
    ]
    .concat()
}

pub(crate) fn get(stream: u32) -> Vec<u8> {
    with_block(stream, &block("GET", "/healthz", b""))
}

/// A request that is its header block.
pub(crate) fn with_block(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

/// GET with more fields.
pub(crate) fn with_field(name: &[u8], value: &[u8]) -> Vec<u8> {
    with_block(1, &block("GET", "/healthz", &field(name, value)))
}

/// The head of a POST of records.
pub(crate) fn post(stream: u32, more: &[u8]) -> Vec<u8> {
    let kind = field(b"content-type", b"application/x-protobuf");
    let block = block("POST", "/v1/records", &[&kind, more].concat());
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// Behind the preface and empty SETTINGS.
pub(crate) fn begun(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[]), bytes.as_ref()].concat()
}

fn name_of(code: u32) -> String {
    let names = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
    ];
    let name = names.get(usize::try_from(code).unwrap());
    name.map_or_else(|| code.to_string(), ToString::to_string)
}

/// What came back, in a line.
fn told(mut bytes: &[u8]) -> String {
    if bytes.starts_with(b"HTTP/1.1") {
        let text = String::from_utf8_lossy(bytes);
        return text.lines().next().unwrap_or_default().to_owned();
    }
    let mut decoder = Decoder::new(false);
    let mut streams: BTreeMap<u32, String> = BTreeMap::new();
    let mut goaway = None;
    while let [a, b, c, kind, _, d, e, f, g, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *a, *b, *c]);
        let stream = u32::from_be_bytes([*d, *e, *f, *g]);
        let Some((payload, rest)) = rest.split_at_checked(usize::try_from(length).unwrap()) else {
            break;
        };
        let code = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match *kind {
            HEADERS => {
                let block = decoder.decode(payload, 0, Expected::Any);
                let field = &block.fields()[0];
                let status = String::from_utf8_lossy(block.value(field).unwrap()).into_owned();
                streams.insert(stream, status);
            }
            DATA => {
                let body: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
                let code = body.and_then(|body| Some(format!(" {}", body["code"].as_str()?)));
                streams
                    .entry(stream)
                    .or_default()
                    .push_str(&code.unwrap_or_default());
            }
            RST_STREAM => {
                // Behind an answer to a request that has not ended, or instead of one.
                let told = streams.entry(stream).or_default();
                let space = if told.is_empty() { "" } else { " " };
                told.push_str(&format!("{space}reset {}", name_of(code(0))));
            }
            GOAWAY => goaway = Some(name_of(code(4))),
            _ => {}
        }
        bytes = rest;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for answer in streams.into_values() {
        *counts.entry(answer).or_default() += 1;
    }
    let mut told: Vec<String> = counts
        .into_iter()
        .map(|(answer, count)| match count {
            1 => answer,
            _ => format!("{count} x {answer}"),
        })
        .collect();
    told.extend(goaway.map(|code| format!("GOAWAY {code}")));
    told.join(", ")
}

/// Compares what comes back for each case.
pub(crate) fn check(collector: &Collector, cases: &[Case]) {
    let send = |stream: &mut TcpStream, bytes: &[u8]| {
        // It may be closed before all is written.
        stream.write_all(&[bytes, &get(LAST)].concat()).ok();
    };
    exchange(collector, cases, send, told);
}

/// A collector that soon closes what is idle. A body whose length is not said counts as the largest: small
/// enough for all cases at the same time.
pub(crate) fn start(data_dir: &std::path::Path) -> Collector {
    let timeouts = ["idle_timeout", "header_timeout", "body_timeout"];
    let mut keys = timeouts.map(|key| format!("{key}={IDLE}")).to_vec();
    keys.push("body_bytes_max=64KiB".to_owned());
    Collector::start(
        data_dir,
        &keys.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}
