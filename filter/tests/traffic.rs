//! The bad-input catalogue of the traffic that the filter sees: each case is recorded as far as it is
//! known, and costs neither the accounting nor the memory anything.
//!
//! A case is a name, what the host calls, and the one record in a line. That the same traffic passes
//! a real Envoy unchanged is in `tests/tests/e2e/` and `tests/tests/traffic/`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use support::{GRPC, INBOUND, RESPONSE, ROOT, Rig, TRAILERS, message};
use twintap_filter::host::Map;
use twintap_record::{Body, Record};

const HOUR_MS: u64 = 3_600_000;

/// Name, what the host calls after the request's headers, the record.
type Case = (&'static str, fn(&mut Rig, u32), &'static str);

fn body(body: Option<&Body>) -> String {
    let Some(body) = body else {
        return "none".to_owned();
    };
    let (bytes, messages) = (body.bytes_count, body.messages_count);
    let kept = body.captured.len();
    let cut = format!("{:?}", body.cut());
    let open = if body.end_stream { "" } else { " open" };
    format!("{bytes} bytes {messages} messages {kept} kept {cut}{open}")
}

/// The record in a line.
fn told(record: &Record) -> String {
    let block = |block: &Option<twintap_record::HeaderBlock>| match block {
        Some(block) => format!("{}+{}", block.headers.len(), block.omitted_count),
        None => "none".to_owned(),
    };
    let hours = record.timing.map_or(0, |timing| timing.end_ns) / 1_000_000 / HOUR_MS;
    let hours = if hours > 0 {
        format!(" after {hours} h")
    } else {
        String::new()
    };
    format!(
        "{:?}{hours}; request {}, {}; response {}, {}, {}",
        record.end(),
        block(&record.request_headers),
        body(record.request_body.as_ref()),
        block(&record.response_headers),
        body(record.response_body.as_ref()),
        block(&record.response_trailers),
    )
}

fn check(cases: &[Case]) {
    let mut unlike = Vec::new();
    for (name, script, expected) in cases {
        let mut rig = Rig::new(INBOUND);
        let context = rig.begin(GRPC);
        script(&mut rig, context);
        rig.done(context);
        let answer = told(&rig.record());
        if answer != *expected {
            unlike.push(format!(
                "{name}\n    expected {expected}\n    answer   {answer}"
            ));
        }
        let counters = rig.counters();
        assert_eq!((counters.observed(), counters.recorded()), (1, 1), "{name}");
        assert_eq!(rig.engine.held(), (0, 0, 0), "{name}");
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

/// The request, and the answer's headers.
fn answered(rig: &mut Rig, context: u32) {
    rig.request(context, &message(b"x"), true);
    rig.block(context, Map::ResponseHeaders, RESPONSE, false);
}

fn ended(rig: &mut Rig, context: u32) {
    rig.block(context, Map::ResponseTrailers, TRAILERS, true);
}

#[test]
fn bodies_of_any_shape_are_counted_exactly() {
    check(&[
        (
            "END_STREAM in DATA of no byte",
            |rig, context| {
                rig.request(context, b"", true);
                rig.block(context, Map::ResponseHeaders, RESPONSE, false);
                ended(rig, context);
            },
            "Complete; request 5+0, 0 bytes 0 messages 0 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "DATA of no byte, 10 000 times",
            |rig, context| {
                for _ in 0..10_000 {
                    rig.request(context, b"", false);
                }
                answered(rig, context);
                for _ in 0..10_000 {
                    rig.response(context, b"", false);
                }
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "a message a byte at a time",
            |rig, context| {
                for byte in message(b"0123456789") {
                    rig.request(context, &[byte], false);
                }
                answered(rig, context);
                ended(rig, context);
            },
            "Complete; request 5+0, 21 bytes 2 messages 21 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "100 000 messages",
            |rig, context| {
                answered(rig, context);
                for _ in 0..1000 {
                    rig.response(context, &message(b"").repeat(100), false);
                }
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 500000 bytes 100000 messages 65536 kept Limit, 2+0",
        ),
        (
            "a prefix of 2 GiB",
            |rig, context| {
                rig.request(context, b"\0\x80\0\0\0abc", false);
                answered(rig, context);
                ended(rig, context);
            },
            "Complete; request 5+0, 14 bytes 1 messages 14 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "every flag but 0 and 1",
            |rig, context| {
                answered(rig, context);
                for flag in 2..=255 {
                    rig.response(context, &[flag, 0, 0, 0, 1, b'x'], false);
                }
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 1524 bytes 254 messages 1524 kept None, 2+0",
        ),
        (
            "a compressed message without an encoding",
            |rig, context| {
                rig.request(context, b"\x01\0\0\0\x03abc", false);
                answered(rig, context);
                ended(rig, context);
            },
            "Complete; request 5+0, 14 bytes 2 messages 14 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "a buffer shorter than the host said",
            |rig, context| {
                answered(rig, context);
                rig.host.body = b"\0\0\0\0\x05ab".to_vec();
                rig.engine
                    .on_response_body(&mut rig.host, context, 10, false);
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 10 bytes 1 messages 7 kept HostError, 2+0",
        ),
        (
            "a buffer longer than the host said",
            |rig, context| {
                answered(rig, context);
                rig.host.body = message(b"hello, and more than that");
                rig.engine
                    .on_response_body(&mut rig.host, context, 10, false);
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 10 bytes 1 messages 10 kept None, 2+0",
        ),
        (
            "a stream that is open for 30 hours",
            |rig, context| {
                answered(rig, context);
                for _ in 0..30 {
                    rig.tick_after(HOUR_MS);
                    rig.response(context, &message(b"still here"), false);
                    rig.answer_all(200);
                }
                ended(rig, context);
            },
            "Complete after 30 h; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 450 bytes 30 messages 450 kept None, 2+0",
        ),
    ]);
}

#[test]
fn blocks_of_any_shape_are_kept_as_far_as_they_go() {
    check(&[
        (
            "no grpc-status",
            |rig, context| {
                answered(rig, context);
                rig.response(context, &message(b"y"), true);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 6 bytes 1 messages 6 kept None, none",
        ),
        (
            "trailers of nothing",
            |rig, context| {
                answered(rig, context);
                rig.block(context, Map::ResponseTrailers, &[], true);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 0+0",
        ),
        (
            "an empty name and an empty value",
            |rig, context| {
                answered(rig, context);
                rig.block(
                    context,
                    Map::ResponseTrailers,
                    &[(b"", b"x"), (b"x", b""), (b"", b""), (b"grpc-status", b"0")],
                    true,
                );
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 4+0",
        ),
        (
            "bytes that are no UTF-8",
            |rig, context| {
                answered(rig, context);
                rig.block(
                    context,
                    Map::ResponseTrailers,
                    &[(b"x-\xff", b"\x80\xfe"), (b"grpc-status", b"\xff")],
                    true,
                );
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "a header of 64 KiB",
            |rig, context| {
                answered(rig, context);
                let value = vec![b'v'; 64 * 1024];
                let pairs: [(&[u8], &[u8]); 2] = [(b"x-large", &value), (b"grpc-status", b"0")];
                rig.block(context, Map::ResponseTrailers, &pairs, true);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 1+1",
        ),
        (
            "1 025 headers",
            |rig, context| {
                answered(rig, context);
                let pairs: Vec<(&[u8], &[u8])> = vec![(b"a", b"1"); 1025];
                rig.block(context, Map::ResponseTrailers, &pairs, true);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 1024+1",
        ),
        (
            "pairs of more than 1 MiB",
            |rig, context| {
                answered(rig, context);
                let value = vec![b'v'; 60_000];
                let pairs: Vec<(&[u8], &[u8])> = vec![(b"x-large", &value); 20];
                rig.block(context, Map::ResponseTrailers, &pairs, true);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 0+20",
        ),
        (
            "a request id twice",
            |rig, context| {
                answered(rig, context);
                rig.block(
                    context,
                    Map::ResponseTrailers,
                    &[(b"x-request-id", b"a"), (b"x-request-id", b"b")],
                    true,
                );
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "headers of an answer twice, as of two attempts",
            |rig, context| {
                answered(rig, context);
                rig.block(
                    context,
                    Map::ResponseHeaders,
                    &[(b":status", b"503"), (b"x", b"1"), (b"y", b"2")],
                    false,
                );
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "reset before headers",
            |rig, context| rig.request(context, &message(b"x"), true),
            "Aborted; request 5+0, 6 bytes 1 messages 6 kept None; \
 response none, 0 bytes 0 messages 0 kept None open, none",
        ),
        (
            "reset after headers",
            answered,
            "Aborted; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None open, none",
        ),
        (
            "callbacks after the end",
            |rig, context| {
                answered(rig, context);
                ended(rig, context);
                rig.done(context);
                rig.response(context, b"late", true);
                rig.block(context, Map::ResponseTrailers, TRAILERS, true);
                rig.engine.on_request_headers(&mut rig.host, context, true);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
        (
            "a tick of a root that was never there, and of a stream",
            |rig, context| {
                for root in [0, 7, context, u32::MAX] {
                    rig.engine.on_tick(&mut rig.host, root);
                }
                answered(rig, context);
                ended(rig, context);
            },
            "Complete; request 5+0, 6 bytes 1 messages 6 kept None; \
 response 2+0, 0 bytes 0 messages 0 kept None, 2+0",
        ),
    ]);
}

#[test]
fn a_request_that_ends_with_its_headers_has_no_body() {
    let mut rig = Rig::new(INBOUND);
    rig.host.set_map(Map::RequestHeaders, GRPC);
    rig.engine.on_context_create(7, ROOT);
    rig.engine.on_request_headers(&mut rig.host, 7, true);
    rig.block(7, Map::ResponseHeaders, RESPONSE, true);
    rig.done(7);
    let expected = "Complete; request 5+0, 0 bytes 0 messages 0 kept None; \
                    response 2+0, 0 bytes 0 messages 0 kept None, none";
    assert_eq!(told(&rig.record()), expected);
}

#[test]
fn two_calls_of_one_request_id_are_two_records() {
    let mut rig = Rig::new(INBOUND);
    let both = [rig.begin(GRPC), rig.begin(GRPC)];
    for context in both {
        answered(&mut rig, context);
        ended(&mut rig, context);
        rig.done(context);
    }
    rig.tick();
    let numbers: Vec<u64> = rig.records().iter().map(|record| record.number).collect();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn what_a_changed_configuration_finds_under_way_ends_under_the_old_one() {
    let mut rig = Rig::new(INBOUND);
    let context = rig.begin(GRPC);
    rig.request(context, &message(b"before"), false);
    // Another root of other limits; then the old one is told to end.
    rig.root(
        2,
        r#"{"position":"inbound","collector_cluster":"c","body_bytes_max":3}"#,
    );
    assert!(!rig.done(ROOT), "it has something to ship");
    rig.request(context, &message(b"behind"), true);
    let new = rig.begin_at(2, GRPC);
    rig.request(new, &message(b"before"), true);
    for context in [context, new] {
        rig.block(context, Map::ResponseHeaders, RESPONSE, false);
        ended(&mut rig, context);
        rig.done(context);
    }
    rig.tick();
    rig.engine.on_tick(&mut rig.host, 2);
    let kept: Vec<usize> = rig
        .records()
        .iter()
        .map(|record| record.request_body.as_ref().unwrap().captured.len())
        .collect();
    assert_eq!(kept, [22, 3]);
}
