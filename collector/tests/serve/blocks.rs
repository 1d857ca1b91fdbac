//! Bad input at the HTTP port, as HPACK has it: header blocks that break a rule, and the code that each is
//! answered with.

use super::cases::{Case, assert_nothing};
use super::http2_bytes::{CONTINUATION, END_HEADERS, END_STREAM, HEADERS, frame, inserted};
use super::wire::{begun, block, check, field, post, start, with_block, with_field};

#[test]
fn header_blocks_that_break_a_rule_have_their_code() {
    let data = tempfile::tempdir().unwrap();
    let collector = start(data.path());
    // A request, and behind it what is to be tried.
    let tried = |bytes: &[u8]| begun(with_block(1, &block("GET", "/healthz", bytes)));
    let whole = |fields: &[(&str, &str)]| {
        let fields = fields
            .iter()
            .flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes()));
        begun(with_block(1, &fields.collect::<Vec<_>>()))
    };
    // All of a block that one frame may hold, and the rest.
    let bomb = {
        let large = inserted("x-large", &"a".repeat(3900));
        let first = [block("GET", "/healthz", &large), vec![0xbe; 12_000]].concat();
        let first = frame(HEADERS, END_STREAM, 1, &first);
        begun([first, frame(CONTINUATION, END_HEADERS, 1, &[0xbe; 4_000])].concat())
    };
    let storm = [
        inserted("x-large", &"a".repeat(2000)),
        inserted("x", "y").repeat(1_500),
    ];
    let storm: Vec<u8> = (0..20)
        .flat_map(|n| {
            let block = [
                block("GET", "/healthz", b""),
                storm[usize::from(n % 2 == 1)].clone(),
            ];
            with_block(2 * n + 1, &block.concat())
        })
        .collect();
    let cases: Vec<Case> = vec![
        ("index 0", tried(&[0x80]), "GOAWAY PROTOCOL_ERROR"),
        (
            "an index beyond the table",
            tried(&[0xbe]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "an index of 2^32",
            tried(&[0xff, 0x81, 0xff, 0xff, 0xff, 0x0f]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "an integer without end",
            tried(&[0xff; 12]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a field cut short",
            tried(&[0, 5, b'x']),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "EOS in a value",
            tried(b"\0\x01x\x84\xff\xff\xff\xff"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "eight bits of padding",
            tried(b"\0\x01x\x82\x1f\xff"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "padding of zeros",
            tried(b"\0\x01x\x81\x1e"),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a table larger than allowed",
            begun(with_block(
                1,
                &[&[0x3f, 0xe2, 0x1f][..], &block("GET", "/healthz", b"")].concat(),
            )),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a size update behind a field",
            tried(&[0x20]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "three size updates",
            begun(with_block(
                1,
                &[
                    &[0x20, 0x3f, 0xe1, 0x1f, 0x20][..],
                    &block("GET", "/healthz", b""),
                ]
                .concat(),
            )),
            "2 x 200",
        ),
        (
            "an entry of 4 KiB, 16 000 times",
            bomb,
            "GOAWAY ENHANCE_YOUR_CALM",
        ),
        ("evictions without end", begun(storm), "11 x 200, 10 x 431"),
        (
            "a field that is never indexed",
            tried(b"\x10\x01x\x01y"),
            "2 x 200",
        ),
        (
            "a name in upper case",
            begun(with_field(b"X-A", b"b")),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a name with a space",
            begun(with_field(b"x a", b"b")),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a name of no byte, a value of none",
            begun(with_field(b"", b"")),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "NUL in a value",
            begun(with_field(b"x", b"a\0b")),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "CR in a value",
            begun(with_field(b"x", b"a\rb")),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "LF in a value",
            begun(with_field(b"x", b"a\nb")),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "bytes beyond ASCII in a value",
            begun(with_field(b"x", b"\xff\x80")),
            "2 x 200",
        ),
        (
            "a pseudo-header behind a regular one",
            whole(&[
                (":method", "GET"),
                (":scheme", "http"),
                ("x", "y"),
                (":path", "/healthz"),
            ]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "a pseudo-header twice",
            whole(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/healthz"),
                (":path", "/"),
            ]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "a pseudo-header that nobody knows",
            whole(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/healthz"),
                (":odd", "/"),
            ]),
            "GOAWAY PROTOCOL_ERROR",
        ),
        (
            "a status in a request",
            whole(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":path", "/healthz"),
                (":status", "200"),
            ]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "no path",
            whole(&[(":method", "GET"), (":scheme", "http")]),
            "200, 404 not_found",
        ),
        (
            "no method",
            whole(&[(":scheme", "http"), (":path", "/healthz")]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "no scheme",
            whole(&[(":method", "GET"), (":path", "/healthz")]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "an empty path",
            whole(&[(":method", "GET"), (":scheme", "http"), (":path", "")]),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "CONNECT",
            whole(&[(":method", "CONNECT"), (":authority", "t:80")]),
            "200, 404 not_found",
        ),
        (
            "a header of the connection",
            begun(with_field(b"connection", b"close")),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "te that is not trailers",
            begun(with_field(b"te", b"gzip")),
            "200, reset PROTOCOL_ERROR",
        ),
        (
            "a pseudo-header in trailers",
            begun(
                [
                    post(1, b""),
                    with_block(1, &field(b":path", b"/v1/records")),
                ]
                .concat(),
            ),
            "200, 422 unsupported_version",
        ),
    ];
    check(&collector, &cases);
    assert_nothing(collector, data.path());
}
