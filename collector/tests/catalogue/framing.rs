//! Calls whose framing, status, encoding or headers break gRPC's rules: what is known of them is kept, and
//! what cannot be judged is said to be so.

use bytes::Bytes;
use twintap::call::{Call, Recorder, from_record};
use twintap::compare::{Settings, compare};
use twintap_record::{Body, Header, HeaderBlock, Producer, Record};

use super::calls::describe;
use super::check;

const GOOD: &[u8] = b"\0\0\0\0\x02\x08\x01";

/// A call, as its parts on the wire.
#[derive(Clone)]
struct Parts {
    request: Vec<(&'static str, Vec<u8>)>,
    response: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
    trailers: Option<Vec<(&'static str, Vec<u8>)>>,
}

fn good() -> Parts {
    let text = |value: &str| value.as_bytes().to_vec();
    Parts {
        request: vec![
            (":path", text("/bad.v1.Bad/Get")),
            ("content-type", text("application/grpc")),
        ],
        response: vec![
            (":status", text("200")),
            ("content-type", text("application/grpc")),
        ],
        body: GOOD.to_vec(),
        trailers: Some(vec![("grpc-status", text("0"))]),
    }
}

impl Parts {
    fn call(&self) -> Call {
        let block = |headers: &[(&'static str, Vec<u8>)]| HeaderBlock {
            headers: headers
                .iter()
                .map(|(name, value)| Header {
                    name: Bytes::from_static(name.as_bytes()),
                    value: value.clone().into(),
                    redacted: false,
                })
                .collect(),
            ..HeaderBlock::default()
        };
        let body = |bytes: &[u8]| Body {
            captured: Bytes::copy_from_slice(bytes),
            bytes_count: bytes.len() as u64,
            digest: Some(xxhash_rust::xxh3::xxh3_64(bytes)),
            messages_count: 1,
            end_stream: true,
            ..Body::default()
        };
        let record = Record {
            number: 1,
            started_unix_ns: 1_785_578_400_000_000_000,
            request_headers: Some(block(&self.request)),
            request_body: Some(body(GOOD)),
            response_headers: Some(block(&self.response)),
            response_body: Some(body(&self.body)),
            response_trailers: self.trailers.as_deref().map(block),
            end: twintap_record::End::Complete as i32,
            ..Record::default()
        };
        from_record(&Recorder::new([7; 16], &Producer::default()), record)
    }
}

/// What is known of the call, then the verdict on it and a good one.
fn answer(parts: &Parts) -> String {
    let call = parts.call();
    let status = call
        .status
        .map_or("none".to_owned(), |status| status.0.to_string());
    let message = String::from_utf8_lossy(&call.status_message).into_owned();
    let incomplete = if call.incomplete { " incomplete" } else { "" };
    let messages: Vec<usize> = call
        .response
        .messages
        .iter()
        .map(|message| message.bytes.len())
        .collect();
    let verdict = describe(&compare(&good().call(), &call, &Settings::default()));
    format!("status {status} {message:?}{incomplete}, messages {messages:?}: {verdict}")
}

fn with(change: impl FnOnce(&mut Parts)) -> Parts {
    let mut parts = good();
    change(&mut parts);
    parts
}

fn body(bytes: &[u8]) -> Parts {
    with(|parts| parts.body = bytes.to_vec())
}

fn trailers(trailers: &[(&'static str, &'static str)]) -> Parts {
    let bytes = |(name, value): &(&'static str, &str)| (*name, value.as_bytes().to_vec());
    with(|parts| parts.trailers = Some(trailers.iter().map(bytes).collect()))
}

fn request(name: &'static str, value: &str) -> Parts {
    with(|parts| parts.request.push((name, value.as_bytes().to_vec())))
}

fn encoded(encoding: &'static str, flag: u8, message: &[u8]) -> Parts {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    with(|parts| {
        parts.body = [&[flag][..], &length, message].concat();
        if !encoding.is_empty() {
            parts
                .response
                .push(("grpc-encoding", encoding.as_bytes().to_vec()));
        }
    })
}

fn content_type(value: &'static str) -> Parts {
    with(|parts| parts.response[1].1 = value.as_bytes().to_vec())
}

#[test]
fn calls_that_break_the_rules_of_grpc_have_an_answer_each() {
    let zstd = zstd::encode_all(&b"\x08\x01"[..], 1).unwrap();
    let cases: Vec<(&str, Parts, &str)> = vec![
        (
            "a good call",
            good(),
            r#"status 0 "", messages [2]: matched"#,
        ),
        (
            "a length of 2^32-1",
            body(b"\0\xff\xff\xff\xff\x08\x01"),
            r#"status 0 "" incomplete, messages [2]: incomparable, message_missing"#,
        ),
        (
            "a length beyond the end",
            body(b"\0\0\0\0\x03\x08\x01"),
            r#"status 0 "" incomplete, messages [2]: incomparable, message_missing"#,
        ),
        (
            "a byte behind the message",
            body(&[GOOD, &[0]].concat()),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "two bytes behind it",
            body(&[GOOD, &[0; 2]].concat()),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "three bytes behind it",
            body(&[GOOD, &[0; 3]].concat()),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "four bytes behind it",
            body(&[GOOD, &[0; 4]].concat()),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "a flag of 2",
            body(b"\x02\0\0\0\x02\x08\x01"),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "a flag of 255",
            body(b"\xff\0\0\0\x02\x08\x01"),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "compressed, without an encoding",
            encoded("", 1, b"\x08\x01"),
            r#"status 0 "", messages [2]: mismatched, undecodable"#,
        ),
        (
            "compressed, by identity",
            encoded("identity", 1, b"\x08\x01"),
            r#"status 0 "", messages [2]: mismatched, undecodable"#,
        ),
        (
            "not compressed, by gzip",
            encoded("gzip", 0, b"\x08\x01"),
            r#"status 0 "", messages [2]: matched"#,
        ),
        (
            "gzip that is zstd",
            encoded("gzip", 1, &zstd),
            r#"status 0 "", messages [11]: incomparable"#,
        ),
        (
            "gzip that is nothing",
            encoded("gzip", 1, b"\x08\x01"),
            r#"status 0 "", messages [2]: incomparable"#,
        ),
        (
            "an encoding that nobody knows",
            encoded("x-good", 1, b"\x08\x01"),
            r#"status 0 "", messages [2]: incomparable"#,
        ),
        (
            "a message behind a status",
            with(|parts| {
                parts.response.push(("grpc-status", b"0".to_vec()));
                parts.trailers = None;
            }),
            r#"status 0 "", messages [2]: matched"#,
        ),
        (
            "no status",
            trailers(&[]),
            r#"status none "", messages [2]: mismatched, value"#,
        ),
        (
            "two statuses",
            trailers(&[("grpc-status", "0"), ("grpc-status", "13")]),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "a status of letters",
            trailers(&[("grpc-status", "abc")]),
            r#"status none "" incomplete, messages [2]: incomparable, value"#,
        ),
        (
            "a status of -1",
            trailers(&[("grpc-status", "-1")]),
            r#"status none "" incomplete, messages [2]: incomparable, value"#,
        ),
        (
            "a status of 2^31",
            trailers(&[("grpc-status", "2147483648")]),
            r#"status none "" incomplete, messages [2]: incomparable, value"#,
        ),
        (
            "a status that is empty",
            trailers(&[("grpc-status", "")]),
            r#"status none "" incomplete, messages [2]: incomparable, value"#,
        ),
        (
            "a message of broken escapes",
            trailers(&[("grpc-status", "0"), ("grpc-message", "100%, %zz, %2")]),
            r#"status 0 "100%, %zz, %2", messages [2]: mismatched, extra"#,
        ),
        (
            "details that are no base64",
            trailers(&[("grpc-status", "0"), ("grpc-status-details-bin", "*")]),
            r#"status 0 "" incomplete, messages [2]: incomparable"#,
        ),
        (
            "metadata that is no base64",
            trailers(&[("grpc-status", "0"), ("x-a-bin", "*")]),
            r#"status 0 "", messages [2]: mismatched, extra x-a-bin"#,
        ),
        (
            "a timeout of 99999999 hours",
            request("grpc-timeout", "99999999H"),
            r#"status 0 "", messages [2]: matched"#,
        ),
        (
            "a timeout of 0",
            request("grpc-timeout", "0n"),
            r#"status 0 "", messages [2]: matched"#,
        ),
        (
            "a timeout of -1 second",
            request("grpc-timeout", "-1S"),
            r#"status 0 "", messages [2]: matched"#,
        ),
        (
            "a content type of another codec",
            content_type("application/grpc+foo"),
            r#"status 0 "", messages [2]: mismatched, value content-type"#,
        ),
        (
            "a content type that is none",
            content_type("\u{0}"),
            r#"status 0 "", messages [2]: mismatched, value content-type"#,
        ),
        (
            "a path without a method",
            with(|parts| parts.request[0].1 = b"/".to_vec()),
            r#"status 0 "" incomplete, messages [2]: incomparable, value :path"#,
        ),
    ];
    check(&cases, answer);
}
