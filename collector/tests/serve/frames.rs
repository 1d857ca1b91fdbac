//! Bad input at the HTTP port, as HTTP/2 has it: frames that break a rule, and the code that each is
//! answered with. Floods of frames are in `tests/tests/faults/floods/`.

use super::batches::Sender;
use super::cases::{Case, assert_nothing};
use super::collector::{Collector, stored};
use super::http2_bytes::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
};
use super::wire::{begun, block, check, field, get, post, start};

/// Of no specification.
const UNKNOWN: u8 = 0xfa;

#[test]
fn frames_that_break_a_rule_have_their_code_and_nothing_is_stored() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    let on = |stream: u32, kind: u8, payload: &[u8]| begun(frame(kind, 0, stream, payload));
    let after = |frames: &[Vec<u8>]| begun(frames.concat());
    let padded = [&[255][..], &[0; 254]].concat();
    let length = |bytes: &str| field(b"content-length", bytes.as_bytes());
    let cases: Vec<Case> = vec![
        ("a whole request", begun(get(1)), "2 x 200"),
        (
            "another preface",
            b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
            "HTTP/1.1 400 Bad Request",
        ),
        (
            "a preface cut short",
            PREFACE[..20].to_vec(),
            "HTTP/1.1 400 Bad Request",
        ),
        ("no SETTINGS", [PREFACE, &get(1)].concat(), "2 x 200"),
        (
            "SETTINGS of 5 bytes",
            on(0, SETTINGS, &[0; 5]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "SETTINGS on a stream",
            on(1, SETTINGS, &[]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "SETTINGS that acknowledge and say something",
            begun(frame(SETTINGS, 1, 0, &[0, 1, 0, 0, 16, 0])),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a window of 2^31 in SETTINGS",
            on(0, SETTINGS, &[0, 4, 0x80, 0, 0, 0]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "frames of 16 383 bytes in SETTINGS",
            on(0, SETTINGS, &[0, 5, 0, 0, 0x3f, 0xff]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "ENABLE_PUSH of 2",
            on(0, SETTINGS, &[0, 2, 0, 0, 0, 2]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "SETTINGS that nobody knows",
            on(0, SETTINGS, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            "200",
        ),
        (
            "PING of 7 bytes",
            on(0, PING, &[0; 7]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "PING on a stream",
            on(1, PING, &[0; 8]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "GOAWAY of 7 bytes",
            on(0, GOAWAY, &[0; 7]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a request behind a GOAWAY",
            after(&[frame(GOAWAY, 0, 0, &[0; 8]), get(1)]),
            "2 x 200, GOAWAY NO_ERROR",
        ),
        (
            "a window grown by 0",
            on(0, WINDOW_UPDATE, &[0; 4]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a window grown beyond 2^31",
            on(0, WINDOW_UPDATE, &[0x7f, 0xff, 0xff, 0xff]),
            "GOAWAY FLOW_CONTROL_ERROR",
        ),
        (
            "a stream's window grown by 0",
            after(&[post(1, b""), frame(WINDOW_UPDATE, 0, 1, &[0; 4])]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a stream's window grown beyond 2^31",
            after(&[
                post(1, b""),
                frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]),
            ]),
            "200, reset FLOW_CONTROL_ERROR",
        ),
        (
            "a window of 0 that is never opened",
            after(&[frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]), get(1)]),
            "2 x 200",
        ),
        (
            "padding of 255 of 255 bytes",
            after(&[post(1, b""), frame(DATA, PADDED, 1, &padded)]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "padding of headers beyond their end",
            begun(frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0x82])),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "headers on stream 0",
            begun(get(0)),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "headers on stream 2",
            begun(get(2)),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a stream that was used",
            after(&[get(1), get(1)]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a stream below the last",
            after(&[get(5), get(3)]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a stream that depends on itself",
            begun(frame(
                HEADERS,
                END_HEADERS | END_STREAM | PRIORITY,
                1,
                &[&[0, 0, 0, 1, 0][..], &block("GET", "/healthz", b"")].concat(),
            )),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "DATA on stream 0",
            on(0, DATA, b"x"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "DATA on a stream that is idle",
            on(1, DATA, b"x"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "DATA behind the end of its stream",
            after(&[get(1), frame(DATA, 0, 1, b"x")]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a reset of stream 0",
            on(0, RST_STREAM, &[0; 4]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a reset of a stream that is idle",
            on(1, RST_STREAM, &[0; 4]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a reset of 3 bytes",
            after(&[post(1, b""), frame(RST_STREAM, 0, 1, &[0; 3])]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a frame of 16 385 bytes",
            after(&[post(1, b""), frame(DATA, 0, 1, &[0; 16_385])]),
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        (
            "a frame that says it has 2^24-1 bytes",
            after(&[post(1, b""), vec![0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1]]),
            "GOAWAY FRAME_SIZE_ERROR",
        ),
        (
            "frames that nobody knows",
            after(&[
                frame(UNKNOWN, 0xff, 0, &[1; 100]),
                frame(UNKNOWN, 0, 7, &[]),
                get(1),
            ]),
            "2 x 200",
        ),
        (
            "a promise of a client",
            on(1, PUSH_PROMISE, &[0, 0, 0, 2, 0x82]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "CONTINUATION of nothing",
            on(1, CONTINUATION, &[0x82]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "DATA between HEADERS and CONTINUATION",
            after(&[frame(HEADERS, 0, 1, &[0x82]), frame(DATA, 0, 1, b"x")]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "CONTINUATION of another stream",
            after(&[
                frame(HEADERS, 0, 1, &[0x82]),
                frame(CONTINUATION, END_HEADERS, 3, &[0x86]),
            ]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "fewer bytes than content-length says",
            after(&[post(1, &length("10")), frame(DATA, END_STREAM, 1, b"abc")]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "more bytes than content-length says",
            after(&[post(1, &length("2")), frame(DATA, END_STREAM, 1, b"abc")]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "a content-length below 0",
            after(&[post(1, &length("-1")), frame(DATA, END_STREAM, 1, b"abc")]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "a body that never comes",
            begun(post(1, b"")),
            "200, 408 body_timeout reset NO_ERROR",
        ),
        (
            "a body of 40 000 frames of a byte",
            after(&[post(1, b""), frame(DATA, 0, 1, b"x").repeat(40_000)]),
            "GOAWAY ENHANCE_YOUR_CALM",
        ),
        (
            "trailers without END_STREAM",
            after(&[
                post(1, b""),
                frame(HEADERS, END_HEADERS, 1, &field(b"x", b"y")),
            ]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "HTTP/1.1 behind the preface",
            begun(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n"),
            "GOAWAY FRAME_SIZE_ERROR",
        ),
    ];
    check(&collector, &cases);
    assert_nothing(collector, data.path());
}

#[test]
fn of_101_streams_at_once_100_are_served() {
    let data = tempfile::tempdir().unwrap();
    // Long enough that none ends before the last has begun.
    let collector = Collector::start(
        data.path(),
        &["body_timeout=8s", "idle_timeout=1s", "body_bytes_max=64KiB"],
    );
    let stalled: Vec<u8> = (0..101).flat_map(|n| post(2 * n + 1, b"")).collect();
    // And that of the request behind them.
    let answers = "100 x 408 body_timeout reset NO_ERROR, 2 x reset REFUSED_STREAM";
    check(&collector, &[("101 streams", begun(stalled), answers)]);
    assert_nothing(collector, data.path());
}

#[test]
fn a_batch_that_comes_a_byte_a_frame_and_padded_is_taken() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    let batch = Sender::new(9).encoded(3);
    let bytes = batch.iter().flat_map(|byte| {
        let padded = [&[20, *byte][..], &[0; 20]].concat();
        frame(DATA, PADDED, 1, &padded)
    });
    let whole = [
        post(1, b""),
        bytes.collect(),
        frame(DATA, END_STREAM, 1, &[]),
    ]
    .concat();
    check(&collector, &[("a byte a frame", begun(whole), "2 x 200")]);
    assert!(collector.stop().success());
    assert_eq!(stored(data.path()), [(9, 1), (9, 2), (9, 3)]);
}
