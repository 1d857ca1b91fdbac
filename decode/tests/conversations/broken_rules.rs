//! Peers that do not keep to the rules of HTTP/2 or gRPC: what they sent is flagged, or is what their peer took it for.

use super::frames::{data, frame, headers, message, messages, request};
use super::{END_STREAM, PATH, assert_unary, begun, only, unary_request, unary_response};
use twintap_decode::exchange::{Certainty, ExchangeEnd};

const PADDED: u8 = 8;
const GOAWAY: u8 = 7;

#[test]
fn a_frame_with_more_padding_than_payload_is_a_gap() {
    let malformed = data(1, PADDED, &[&[0xff][..], &message(b"lost")].concat());
    for at in [0, 1, 9, 10, 12, malformed.len()] {
        let (mut watched, mut client, mut server) = begun();
        watched.client(&headers(1, 0, &client.block(&request(PATH))));
        watched.client(&data(1, 0, &message(b"ping")));
        let (first, rest) = malformed.split_at(at);
        watched.client(first).client(rest);
        watched.client(&data(1, END_STREAM, b""));
        watched.server(&unary_response(&mut server, 1, "0", b"pong"));
        let call = only(watched.end());
        assert_eq!(messages(&call.request), [b"ping"], "cut at {at}");
        assert!(call.has_gap(), "cut at {at}");
        assert_eq!(watched.connection.counters().malformed_frames, 1);
    }
}

#[test]
fn what_comes_behind_the_end_of_a_stream_is_late() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.client(&data(1, END_STREAM, &message(b"more")));
    let block = client.block(&request("/a.A/Other"));
    watched.client(&headers(1, END_STREAM, &block));
    watched.client(&data(1, PADDED, &[0xff, 0]));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    assert_unary(&only(watched.end()), b"ping", b"pong");
}

#[test]
fn an_error_page_has_no_messages_and_lacks_nothing() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    let page = [(":status", "503"), ("content-type", "text/plain")];
    watched.server(&headers(1, 0, &server.block(&page)));
    watched.server(&data(1, END_STREAM, b"upstream connect error"));
    let call = only(watched.end());
    assert_eq!(call.status, Certainty::Unknown);
    let body = &call.response.body;
    assert_eq!((body.messages_count(), body.bytes_count()), (Some(0), 22));
    assert!(!call.is_truncated() && !call.has_gap());
}

#[test]
fn a_body_may_end_within_a_prefix() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&headers(1, 0, &client.block(&request(PATH))));
    watched.client(&data(1, END_STREAM, &message(b"ping")[..4]));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let call = only(watched.end());
    assert!(call.request.body.ends_in_prefix());
    assert!(!call.response.body.ends_in_prefix());
}

#[test]
fn trailers_in_the_body_are_those_of_grpc_web_only() {
    let trailers = [&[0x80, 0, 0, 0, 14][..], b"grpc-status: 5"].concat();
    for (content_type, status) in [
        ("application/grpc", Certainty::Unknown),
        ("application/grpc-web+proto", Certainty::Seen(5)),
    ] {
        let (mut watched, mut client, mut server) = begun();
        watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
        let opening = [(":status", "200"), ("content-type", content_type)];
        watched.server(&headers(1, 0, &server.block(&opening)));
        watched.server(&data(1, END_STREAM, &trailers));
        let call = only(watched.end());
        assert_eq!(call.status, status, "{content_type}");
        let is_reserved =
            call.response.body.messages()[0].is_flag_reserved(call.response.may_be_web());
        assert_eq!(is_reserved, status == Certainty::Unknown);
    }
}

#[test]
fn a_stream_that_opens_above_a_goaway_is_refused() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    watched.server(&frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]));
    watched.client(&unary_request(&mut client, 3, PATH, b"ping"));
    let ends: Vec<_> = watched.end().iter().map(|call| call.end).collect();
    assert_eq!(ends, [ExchangeEnd::Complete, ExchangeEnd::Refused]);
}
