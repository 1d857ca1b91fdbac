//! Requests that no gRPC library makes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use twintap_e2e::grpc::{Call, Send, framed};
use twintap_e2e::random::Random;

use super::answer::ANSWER_HEADER;

const PATHS: [&str; 10] = [
    "/shop.v1.Orders/Get",
    "/",
    "//",
    "/shop.v1.Orders",
    "/shop.v1.Orders/",
    "/shop.v1.Orders/Get/More",
    "/grpc.health.v1.Health/Check",
    "/%ff%00%zz/%2e%2e",
    "/shop.v1.Orders/Get?q=%F0%9F%92%A9&x=1",
    "/.././shop",
];
const CONTENT_TYPES: [&[u8]; 12] = [
    b"application/grpc",
    b"application/grpc",
    b"application/grpc",
    b"application/grpc+proto",
    b"application/grpc+\xff\xfe",
    b"application/grpc-web-text",
    b"application/grpc;charset=\xe9",
    b"APPLICATION/GRPC",
    b"application/grpcx",
    b"application/json",
    b"\xc3\x28",
    b"",
];
/// Headers that the filter reads.
const READ: [&str; 10] = [
    "x-twintap-pair-id",
    "x-twintap-replay",
    "x-request-id",
    "traceparent",
    "b3",
    "x-b3-traceid",
    "grpc-encoding",
    "grpc-timeout",
    "authorization",
    "cookie",
];
const ODD_NAMES: [&str; 4] = ["x!#$%&'*+-.^_`|~", "0", "-", "grpc-status"];

/// A hostile request, and somewhere in it how the server is to answer.
pub(super) fn hostile(random: &mut Random) -> Call {
    let methods = [
        Method::POST,
        Method::POST,
        Method::POST,
        Method::GET,
        Method::HEAD,
    ];
    let method = match random.below(8) {
        0 => Method::from_bytes(b"BREW").expect("a method"),
        _ => random.pick(&methods).clone(),
    };
    let mut path = (*random.pick(&PATHS)).to_owned();
    if random.once_in(50) {
        path.push_str(&"a".repeat(random.length(32 * 1024)));
    }
    Call::raw(method, &path, headers(random), steps(random))
}

fn headers(random: &mut Random) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut add = |name: &str, value: Vec<u8>| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        headers.append(name, value_of(value));
    };
    add(
        ANSWER_HEADER,
        random.below(1 << 30).to_string().into_bytes(),
    );
    if !random.once_in(10) {
        add("content-type", random.pick(&CONTENT_TYPES).to_vec());
    }
    for _ in 0..random.below(4) {
        let name = *random.pick(&READ);
        let longest = *random.pick(&[1, 40, 40, 40, 300, 5000]);
        let length = random.length(longest);
        add(name, random.bytes(length));
    }
    if random.once_in(4) {
        let name = *random.pick(&ODD_NAMES);
        add(name, random.bytes(20));
    }
    if random.once_in(100) {
        add("x-giant", random.bytes(64 * 1024));
    }
    if random.once_in(100) {
        for number in 0..random.below(1500) {
            add(&format!("x-{number}"), vec![]);
        }
    }
    headers
}

/// As near to `bytes` as a header's value can be: control characters are what HTTP refuses.
pub(super) fn value_of(mut bytes: Vec<u8>) -> HeaderValue {
    for byte in &mut bytes {
        if *byte < 0x20 || *byte == 0x7f {
            *byte |= 0x80;
        }
    }
    HeaderValue::from_bytes(&bytes).expect("without control characters")
}

fn steps(random: &mut Random) -> Vec<Send> {
    let body = body(random);
    let mut steps = pieces(random, &body);
    match random.below(10) {
        0 => steps.push(Send::Cancel),
        1 => {
            steps.push(Send::Sleep(Duration::from_millis(random.below(10))));
            steps.push(Send::Cancel);
        }
        2 => {
            let mut trailers = HeaderMap::new();
            trailers.append("x-last", value_of(random.bytes(100)));
            trailers.append("grpc-status", HeaderValue::from_static("7"));
            steps.push(Send::Trailers(trailers));
        }
        // Half open until somebody loses patience.
        3 if random.once_in(30) => {}
        _ => steps.push(Send::End),
    }
    if random.once_in(20) {
        // Headers with END_STREAM, or with RST_STREAM right behind them.
        steps = vec![random.pick(&[Send::End, Send::Cancel]).clone()];
    }
    steps
}

/// What calls itself gRPC frames.
fn body(random: &mut Random) -> Vec<u8> {
    let rest = random.length(300);
    let rest = random.bytes(rest);
    let prefix: Vec<u8> = match random.below(10) {
        0 => vec![0, 0xff, 0xff, 0xff, 0xff],
        1 => vec![0, 0x7f, 0xff, 0xff, 0xff],
        2 => vec![1, 0, 0, 0, 3],
        3 => vec![
            u8::try_from(2 + random.below(254)).expect("a byte"),
            0,
            0,
            0,
            1,
        ],
        4 => vec![0; random.length(5)],
        5 => vec![0; 5 * random.length(200)],
        6 => framed(&rest).to_vec(),
        7 => [framed(&rest), framed(b""), framed(&rest)].concat(),
        8 if random.once_in(20) => framed(&random.bytes(200 * 1024)).to_vec(),
        _ => vec![],
    };
    [prefix, rest].concat()
}

/// The body cut anywhere, also into nothing.
fn pieces(random: &mut Random, mut body: &[u8]) -> Vec<Send> {
    let longest = *random.pick(&[1, 7, 100, 1 << 20, 1 << 20]);
    let mut steps = vec![];
    while !body.is_empty() && steps.len() < 300 {
        let length = (1 + random.length(longest)).min(body.len());
        let (piece, rest) = body.split_at(length);
        steps.push(Send::Data(Bytes::copy_from_slice(piece)));
        if random.once_in(10) {
            steps.push(Send::Data(Bytes::new()));
        }
        body = rest;
    }
    steps
}
