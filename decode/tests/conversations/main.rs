//! Conversations over HTTP/2, one feature or one fault each.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests, with the helpers that only they use"
)]

mod broken_rules;
mod frames;
mod live;
mod property;
mod unseen;

use frames::{
    Encoder, PREFACE, RESPONSE, SETTINGS, Watched, data, frame, headers, message, messages, request,
};
use twintap_decode::exchange::{Certainty, Exchange, ExchangeEnd, Rule};
use twintap_decode::grpc::Damage;
use twintap_decode::http2::Protocol;
use twintap_decode::stream::{Start, Way};

const PATH: &str = "/a.A/B";
const END_STREAM: u8 = 1;

/// A connection that has begun, and the encoders of its two ways.
fn begun() -> (Watched, Encoder, Encoder) {
    let mut watched = Watched::new(Start::Seen);
    watched.client(PREFACE).client(&SETTINGS).server(&SETTINGS);
    (watched, Encoder::default(), Encoder::default())
}

fn unary_request(client: &mut Encoder, stream_id: u32, path: &str, body: &[u8]) -> Vec<u8> {
    let block = client.block(&request(path));
    [
        headers(stream_id, 0, &block),
        data(stream_id, END_STREAM, &message(body)),
    ]
    .concat()
}

fn unary_response(server: &mut Encoder, stream_id: u32, status: &str, body: &[u8]) -> Vec<u8> {
    let opening = headers(stream_id, 0, &server.block(&RESPONSE));
    let closing = headers(
        stream_id,
        END_STREAM,
        &server.block(&[("grpc-status", status)]),
    );
    [opening, data(stream_id, 0, &message(body)), closing].concat()
}

fn only(mut calls: Vec<Exchange>) -> Exchange {
    assert_eq!(calls.len(), 1, "{calls:#?}");
    calls.remove(0)
}

fn assert_unary(call: &Exchange, request: &[u8], response: &[u8]) {
    assert_eq!(call.method, Certainty::Seen(PATH.into()));
    assert_eq!(call.status, Certainty::Seen(0));
    assert_eq!(messages(&call.request), [request]);
    assert_eq!(messages(&call.response), [response]);
    assert_eq!(call.end, ExchangeEnd::Complete);
    assert!(!call.has_gap() && !call.is_truncated() && !call.headers_incomplete());
}

#[test]
fn a_unary_call_is_handed_on_as_soon_as_it_is_finished() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let call = only(watched.calls());
    assert_unary(&call, b"ping", b"pong");
    assert_eq!(call.client_address().unwrap().port(), 40_000);
    assert_eq!(watched.connection.protocol(), Protocol::Http2);
}

#[test]
fn a_response_may_be_decoded_before_its_request() {
    let (mut watched, mut client, mut server) = begun();
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    assert_unary(&only(watched.end()), b"ping", b"pong");
}

#[test]
fn padding_and_priority_are_taken_off() {
    let (mut watched, mut client, mut server) = begun();
    let block = client.block(&request(PATH));
    let padded = [&[3][..], &[0, 0, 0, 0, 16], &block, &[0; 3]].concat();
    watched.client(&frame(1, 4 | 8 | 0x20, 1, &padded));
    let body = [&[200][..], &message(b"ping"), &[0; 200]].concat();
    watched.client(&data(1, END_STREAM | 8, &body));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    assert_unary(&only(watched.end()), b"ping", b"pong");
}

#[test]
fn continuation_frames_are_joined() {
    let (mut watched, mut client, mut server) = begun();
    let block = client.block(&request(PATH));
    let (first, rest) = block.split_at(10);
    watched.client(&frame(1, 0, 1, first));
    for (index, byte) in rest.iter().enumerate().take(40) {
        watched.client(&frame(9, 0, 1, &[*byte]));
        assert!(index < 40);
    }
    watched.client(&frame(9, 4, 1, &rest[40..]));
    watched.client(&data(1, END_STREAM, &message(b"ping")));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    assert_unary(&only(watched.end()), b"ping", b"pong");
}

#[test]
fn a_continuation_flood_is_capped() {
    let (mut watched, mut client, _) = begun();
    watched.client(&frame(1, 0, 1, &client.block(&request(PATH))));
    for _ in 0..10_000 {
        watched.client(&frame(9, 0, 1, &[0; 1000]));
    }
    assert!(watched.connection.counters().damaged_header_blocks > 0);
    let call = only(watched.end());
    assert!(call.headers_incomplete());
}

#[test]
fn a_promise_goes_through_hpack_and_makes_no_call() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    let promise = [&[0, 0, 0, 2][..], &server.block(&request("/pushed"))].concat();
    watched.server(&frame(5, 4, 1, &promise));
    watched.server(&headers(2, END_STREAM, &server.block(&RESPONSE)));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    assert_unary(&only(watched.end()), b"ping", b"pong");
}

#[test]
fn unknown_frames_ping_and_window_updates_say_nothing() {
    let (mut watched, mut client, mut server) = begun();
    watched
        .client(&frame(0xfa, 0xff, 1, &[1; 100]))
        .client(&frame(6, 0, 0, &[0; 8]));
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched
        .client(&frame(8, 0, 1, &[0, 0, 1, 0]))
        .client(&frame(2, 0, 1, &[0; 5]));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    assert_unary(&only(watched.end()), b"ping", b"pong");
}

#[test]
fn interim_responses_are_counted_and_passed() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.server(&headers(
        1,
        0,
        &server.block(&[(":status", "103"), ("link", "x")]),
    ));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let call = only(watched.end());
    assert_unary(&call, b"ping", b"pong");
    assert_eq!(call.response.interim_count, 1);
}

#[test]
fn trailers_only_is_one_block_with_the_status() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    let fields = [&RESPONSE[..], &[("grpc-status", "5")]].concat();
    watched.server(&headers(1, END_STREAM, &server.block(&fields)));
    let call = only(watched.end());
    assert!(call.is_trailers_only());
    assert_eq!(call.status, Certainty::Seen(5));
}

#[test]
fn a_reset_ends_a_call_and_late_frames_make_none() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&headers(1, 0, &client.block(&request(PATH))));
    watched.client(&frame(3, 0, 1, &[0, 0, 0, 8]));
    watched.server(&headers(1, 0, &server.block(&RESPONSE)));
    watched
        .wait(1_000_000_000)
        .client(&frame(6, 0, 0, &[0; 8]))
        .server(&frame(6, 1, 0, &[0; 8]));
    let call = only(watched.calls());
    assert_eq!(
        call.end,
        ExchangeEnd::Reset {
            by_client: true,
            code: 8
        }
    );
    assert_eq!(call.status, Certainty::Unknown);
    watched.server(&data(1, 0, &message(b"late")));
    assert!(watched.end().is_empty());
    assert_eq!(watched.connection.tally().late_frames, 1);
}

#[test]
fn a_response_that_ends_first_is_told_so() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&headers(1, 0, &client.block(&request(PATH))));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    watched.server(&frame(3, 0, 1, &[0; 4]));
    assert_eq!(only(watched.end()).end, ExchangeEnd::ResponseFirst);
}

#[test]
fn streams_above_goaway_are_refused() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.client(&unary_request(&mut client, 3, PATH, b"ping"));
    watched.server(&frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let ends: Vec<_> = watched
        .end()
        .iter()
        .map(|call| (call.stream_id, call.end))
        .collect();
    assert_eq!(
        ends,
        [(1, ExchangeEnd::Complete), (3, ExchangeEnd::Refused)]
    );
}

#[test]
fn what_is_not_grpc_is_counted_and_not_handed_on() {
    let (mut watched, mut client, mut server) = begun();
    let get = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "a"),
    ];
    watched.client(&headers(1, END_STREAM, &client.block(&get)));
    let html = [(":status", "200"), ("content-type", "text/html")];
    watched.server(&headers(1, END_STREAM, &server.block(&html)));
    assert!(watched.end().is_empty());
    assert_eq!(watched.connection.tally().not_grpc, 1);
}

#[test]
fn tls_and_other_protocols_are_recognised() {
    for (bytes, protocol) in [
        (&[0x16, 3, 1, 2, 0, 1, 0][..], Protocol::Encrypted),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Protocol::Other),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Protocol::Other),
    ] {
        let mut watched = Watched::new(Start::Seen);
        watched.client(bytes);
        assert_eq!(watched.connection.protocol(), protocol, "{bytes:?}");
        assert!(watched.end().is_empty());
    }
}

#[test]
fn grpc_web_text_is_base64_with_its_trailers_in_the_body() {
    use base64::Engine as _;
    let (mut watched, mut client, mut server) = begun();
    let mut fields = request(PATH);
    fields[5].1 = "application/grpc-web-text";
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    watched.client(&headers(1, 0, &client.block(&fields)));
    watched.client(&data(1, END_STREAM, base64(&message(b"ping")).as_bytes()));
    let opening = [
        (":status", "200"),
        ("content-type", "application/grpc-web-text"),
    ];
    watched.server(&headers(1, 0, &server.block(&opening)));
    let trailers = b"grpc-status: 7\r\n";
    let length = u8::try_from(trailers.len()).unwrap();
    let trailers = [&[0x80, 0, 0, 0, length][..], trailers].concat();
    let body = [base64(&message(b"pong")), base64(&trailers)].concat();
    let (first, rest) = body.split_at(7);
    watched
        .server(&data(1, 0, first.as_bytes()))
        .server(&data(1, END_STREAM, rest.as_bytes()));
    let call = only(watched.end());
    assert_eq!(messages(&call.request), [b"ping"]);
    assert_eq!(messages(&call.response)[0], b"pong");
    assert_eq!(call.status, Certainty::Seen(7));
}

#[test]
fn a_loss_touches_only_calls_that_have_begun_and_not_ended() {
    let (mut watched, mut client, mut server) = begun();
    for stream_id in [1, 3, 5] {
        watched.client(&unary_request(&mut client, stream_id, PATH, b"ping"));
    }
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let opening = headers(3, 0, &server.block(&RESPONSE));
    watched.server(&opening);
    // What was lost may have been of stream 3, and of others that are not known. The opening of the
    // response on stream 5 comes after it.
    watched.gap(Way::Reverse, 40);
    let closing = headers(3, END_STREAM, &server.block(&[("grpc-status", "0")]));
    watched.server(&closing);
    watched.server(&unary_response(&mut server, 5, "0", b"pong"));
    let calls = watched.end();
    let flagged: Vec<_> = calls.iter().filter(|call| call.has_gap()).collect();
    assert_eq!(
        (calls.len(), flagged.len(), flagged[0].stream_id),
        (3, 1, 3)
    );
}

#[test]
fn a_response_that_never_begins_after_a_loss_may_have_been_lost() {
    let (mut watched, mut client, mut server) = begun();
    for stream_id in [1, 3] {
        watched.client(&unary_request(&mut client, stream_id, PATH, b"ping"));
    }
    watched.gap(Way::Reverse, 40);
    watched.server(&unary_response(&mut server, 3, "0", b"pong"));
    watched.client(&frame(3, 0, 1, &[0, 0, 0, 8]));
    let calls = watched.end();
    assert!(
        calls
            .iter()
            .all(|call| call.has_gap() == (call.stream_id == 1))
    );
}

#[test]
fn a_gap_within_a_frame_damages_one_message_and_the_next_is_whole() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&headers(1, 0, &client.block(&request(PATH))));
    let body = data(1, 0, &message(&[7; 100]));
    watched
        .client(&body[..50])
        .gap(Way::Forward, 30)
        .client(&body[80..]);
    watched.client(&data(1, END_STREAM, &message(b"whole")));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let call = only(watched.end());
    let damages: Vec<_> = call
        .request
        .body
        .messages()
        .iter()
        .map(|m| m.damage)
        .collect();
    assert_eq!(damages, [Damage::Certain, Damage::None]);
    assert_eq!(messages(&call.request)[1], b"whole");
    assert!(call.has_gap() && call.status == Certainty::Seen(0));
}

#[test]
fn a_gap_of_unknown_length_costs_the_rest_of_its_frame_and_the_next_is_found() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&headers(1, 0, &client.block(&request(PATH))));
    let body = data(1, 0, &message(&[7; 100]));
    watched
        .client(&body[..50])
        .gap_up_to(Way::Forward, 40)
        .client(&body[80..]);
    watched.client(&data(1, 0, &message(b"whole")));
    watched.client(&data(1, END_STREAM, &message(b"last")));
    watched.client(&unary_request(&mut client, 3, PATH, b"next"));
    for stream_id in [1, 3] {
        watched.server(&unary_response(&mut server, stream_id, "0", b"pong"));
    }
    let calls = watched.end();
    let of = |stream_id| {
        let mut its = calls.iter().filter(|call| call.stream_id == stream_id);
        its.next().unwrap()
    };
    let damages: Vec<_> = of(1)
        .request
        .body
        .messages()
        .iter()
        .map(|m| m.damage)
        .collect();
    // What was lost behind the frame may have been of this stream, too.
    let possible = Damage::Possible;
    assert_eq!(damages, [Damage::Certain, possible, possible]);
    assert!(of(1).has_gap());
    assert!(!of(3).has_gap());
    assert_eq!(messages(&of(3).request), [b"next"]);
    assert_eq!(watched.connection.counters().resyncs, 1);
}

#[test]
fn after_a_lost_segment_the_next_frame_is_found() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"one"));
    let lost = unary_request(&mut client, 3, PATH, b"two");
    watched.gap(Way::Forward, lost.len());
    watched.client(&unary_request(&mut client, 5, PATH, b"three"));
    for stream_id in [1, 3, 5] {
        watched.server(&unary_response(&mut server, stream_id, "0", b"pong"));
    }
    let calls = watched.end();
    let methods: Vec<_> = calls
        .iter()
        .map(|call| (call.stream_id, call.method.as_str()))
        .collect();
    assert_eq!(methods, [(1, "seen"), (5, "seen"), (3, "unknown")]);
    assert!(!calls[1].headers_incomplete());
    assert_eq!(watched.connection.counters().resyncs, 1);
}

#[test]
fn a_capture_that_begins_midway_names_classes_and_infers_ok() {
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    // Before the capture.
    for path in [PATH, "/a.A/C"] {
        client.block(&request(path));
    }
    server.block(&RESPONSE);
    server.block(&[("grpc-status", "0")]);
    let mut watched = Watched::new(Start::Midway);
    for index in 0..40_u32 {
        let (id, path) = (
            101 + 2 * index,
            if index % 3 == 0 { "/a.A/C" } else { PATH },
        );
        watched.client(&unary_request(&mut client, id, path, b"ping"));
        watched.server(&unary_response(&mut server, id, "0", b"pong"));
    }
    let mut calls = watched.end();
    calls.sort_by_key(|call| call.stream_id);
    assert_eq!(calls.len(), 40);
    let class = |call: &Exchange| call.method_class.as_ref().unwrap().to_string();
    for (index, call) in calls.iter().enumerate() {
        assert_eq!(
            class(call) == class(&calls[0]),
            index % 3 == 0,
            "{}",
            class(call)
        );
        assert!(class(call).starts_with("?7/#-"));
        assert_eq!(messages(&call.request), [b"ping"]);
        assert_eq!(call.status, Certainty::Inferred(0, Rule::UsualTrailers));
    }
}
