//! HTTP/2 conversations: each frame, each way to begin, with and without gaps.

use crate::properties::http2::{beginnings, bits};
use crate::properties::script::ScriptWriter;
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, client_opening, frame, message, request,
    request_block, response, response_block,
};

const GAP: u8 = bits::GAP;
const ANSWER: u8 = bits::ANSWER;

pub(super) fn conversations() -> Vec<(&'static str, Vec<u8>)> {
    let script = |beginning: u8, steps: &[(u8, Vec<u8>)]| {
        let write = |writer: ScriptWriter, (what, bytes): &(u8, Vec<u8>)| {
            writer.bytes(&[*what]).payload(bytes)
        };
        steps.iter().fold(ScriptWriter(vec![beginning]), write).0
    };
    let settings = frame(SETTINGS, 0, 0, &[0, 1, 0, 0, 16, 0]);
    let two = vec![
        (
            0,
            [client_opening(), request(1, "/a.A/One", b"first")].concat(),
        ),
        (ANSWER, [settings.clone(), response(1, b"answer")].concat()),
        (0, request(3, "/a.A/Two", b"second")),
        (ANSWER, response(3, b"answer")),
    ];
    let mut lossy = two.clone();
    lossy.insert(2, (GAP, vec![0; 40]));
    lossy.extend([
        (
            0,
            [
                request(5, "/a.A/One", b"third"),
                request(7, "/a.A/One", b""),
            ]
            .concat(),
        ),
        (ANSWER | GAP, vec![0; 9]),
        (ANSWER, response(7, b"answer")),
    ]);
    let midway = beginnings::CLIENT_MIDWAY | beginnings::SERVER_MIDWAY;
    vec![
        ("two_calls", script(0, &two)),
        ("lossy", script(0, &lossy)),
        ("midway", script(midway, &lossy[2..])),
        ("rare_frames", script(0, &rare_frames())),
        ("upgrade", script(0, &upgrade())),
        (
            "encrypted",
            script(0, &[(0, vec![22, 3, 1, 0, 5, 1, 2, 3, 4, 5])]),
        ),
    ]
}

fn rare_frames() -> Vec<(u8, Vec<u8>)> {
    let block = request_block("/a.A/Rare");
    let (head, tail) = block.split_at(9);
    let padded = [&[3, 0, 0, 0, 0, 16][..], head, &[0; 3]].concat();
    let data = [&[2][..], &message(0, b"padded"), &[0; 2]].concat();
    let promise = [&[0, 0, 0, 2][..], &request_block("/a.A/Pushed")].concat();
    let client = [
        client_opening(),
        frame(HEADERS, PADDED | PRIORITY, 1, &padded),
        frame(CONTINUATION, END_HEADERS, 1, tail),
        frame(DATA, PADDED, 1, &data),
        frame(DATA, END_STREAM, 1, b""),
        frame(0xfa, 0xff, 5, b"unknown"),
        frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
    ];
    let server = [
        frame(SETTINGS, 0, 0, &[0, 5, 0, 1, 0, 0]),
        frame(PING, 0, 0, &[0; 8]),
        frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 0]),
        frame(PUSH_PROMISE, END_HEADERS, 1, &promise),
        frame(HEADERS, END_HEADERS, 1, &response_block()),
        frame(GOAWAY, 0, 0, &[0; 8]),
    ];
    vec![
        (0, client.concat()),
        (bits::LATER | ANSWER, server.concat()),
    ]
}

fn upgrade() -> Vec<(u8, Vec<u8>)> {
    let head = b"POST /a.A/Up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Type: application/grpc\r\n\
        Content-Length: 7\r\n\r\n";
    let switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n";
    let settings = frame(SETTINGS, 0, 0, &[]);
    vec![
        (
            0,
            [&head[..], &message(0, b"hi"), PREFACE, &settings].concat(),
        ),
        (
            ANSWER,
            [&switch[..], &settings, &response(1, b"answer")].concat(),
        ),
    ]
}
