//! What was not captured is not known: ways that begin late or never, ends that nobody saw, and what was taken for
//! frames behind a loss.

use super::frames::{
    Encoder, PREFACE, RESPONSE, SETTINGS, Watched, data, frame, headers, message, request,
};
use super::{END_STREAM, PATH, begun, only, unary_request, unary_response};
use twintap_decode::exchange::{Exchange, ExchangeEnd};
use twintap_decode::stream::{Ending, Start, Way};

const CANCEL: [u8; 4] = [0, 0, 0, 8];
const SECOND_NS: u64 = 1_000_000_000;

fn cancelled(begin: impl FnOnce(&mut Watched), then: impl FnOnce(&mut Watched)) -> Exchange {
    let mut watched = Watched::of_client(Start::Seen);
    watched.client(PREFACE).client(&SETTINGS);
    begin(&mut watched);
    watched.client(&unary_request(&mut Encoder::default(), 1, PATH, b"ping"));
    then(&mut watched);
    watched.client(&frame(3, 0, 1, &CANCEL));
    watched.connection.finish();
    let mut calls = watched.calls();
    calls.extend(watched.end());
    only(calls)
}

fn server_begins(start: Start) -> impl FnOnce(&mut Watched) {
    move |watched| {
        watched.start(Way::Reverse, start).server(&SETTINGS);
    }
}

#[test]
fn a_way_that_was_not_captured_may_have_answered() {
    let call = cancelled(|_| {}, |_| {});
    assert!(call.has_gap());
    assert_eq!(call.response.body.messages_count(), None);
    assert_eq!(call.request.body.messages_count(), Some(1));
}

#[test]
fn a_way_that_was_captured_from_later_on_may_have_answered() {
    let call = cancelled(
        |_| {},
        |watched| server_begins(Start::Midway)(watched.wait(1)),
    );
    assert!(call.has_gap());
    assert_eq!(call.response.body.messages_count(), None);
    // And what comes first is no SETTINGS frame.
    let call = cancelled(
        |_| {},
        |watched| {
            let pings = frame(6, 0, 0, &[0; 8]).repeat(3);
            watched
                .wait(1)
                .start(Way::Reverse, Start::Midway)
                .server(&pings);
        },
    );
    assert!(call.has_gap());
}

#[test]
fn a_way_that_was_captured_before_the_call_has_not_answered() {
    for start in [Start::Seen, Start::Midway] {
        let call = cancelled(server_begins(start), |_| {});
        assert!(!call.has_gap(), "{start:?}");
        assert_eq!(call.response.body.messages_count(), Some(0));
    }
}

#[test]
fn a_call_that_is_cancelled_while_a_frame_is_hunted_for_may_have_been_answered() {
    let noise = [0xee; 40];
    let hunt = |watched: &mut Watched| {
        server_begins(Start::Seen)(watched);
        watched.gap(Way::Reverse, 40).server(&noise);
    };
    let call = cancelled(hunt, |watched| {
        watched.server(&noise);
    });
    assert!(call.has_gap());
    // Behind the call what is hunted for is found: what was given up may have been its answer.
    let call = cancelled(hunt, |watched| {
        watched.server(&noise);
        let updates = frame(8, 0, 0, &[0, 0, 1, 0]).repeat(3);
        watched.server(&updates);
    });
    assert!(call.has_gap());
}

#[test]
fn a_call_whose_request_was_going_on_when_the_capture_ended_ended_nobody_knows_how() {
    for (ending, end) in [
        (Ending::Fin, ExchangeEnd::ResponseFirst),
        (Ending::Reset, ExchangeEnd::ResponseFirst),
        (
            Ending::CaptureEnd,
            ExchangeEnd::Connection(Ending::CaptureEnd),
        ),
        (Ending::Idle, ExchangeEnd::Connection(Ending::Idle)),
    ] {
        let (mut watched, mut client, mut server) = begun();
        watched.client(&headers(1, 0, &client.block(&request(PATH))));
        watched.server(&unary_response(&mut server, 1, "0", b"pong"));
        assert_eq!(only(watched.end_by(ending)).end, end);
    }
    // The server's reset may not have come to the client yet; the client's is its last word.
    let unknown = ExchangeEnd::Connection(Ending::CaptureEnd);
    for (way, end) in [
        (Way::Reverse, unknown),
        (Way::Forward, ExchangeEnd::ResponseFirst),
    ] {
        let (mut watched, mut client, mut server) = begun();
        watched.client(&headers(1, 0, &client.block(&request(PATH))));
        watched.server(&unary_response(&mut server, 1, "0", b"pong"));
        watched.bytes(way, &frame(3, 0, 1, &[0; 4]));
        assert_eq!(only(watched.end_by(Ending::CaptureEnd)).end, end);
    }
}

#[test]
fn a_call_ends_when_its_connection_is_reset() {
    let (mut watched, mut client, _) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.client(&unary_request(&mut client, 3, PATH, b"ping"));
    watched.client(&frame(3, 0, 3, &CANCEL));
    let calls = watched.wait(5 * SECOND_NS).end_by(Ending::Reset);
    let lasted = |call: &Exchange| call.ended_unix_ns - call.started_unix_ns;
    assert_eq!(lasted(&calls[0]), 5 * SECOND_NS + 2_000);
    // This one ended before.
    assert_eq!(lasted(&calls[1]), 1_000);
}

#[test]
fn what_was_taken_for_frames_swallows_no_call_silently() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.server(&headers(1, 0, &server.block(&RESPONSE)));
    // A body that holds what looks like frames, the last of them a large one.
    let update = frame(8, 0, 1, &[0, 0, 1, 0]);
    let large = frame(0, 0, 1 << 20, &[]);
    let decoy = [&update.repeat(3)[..], &[0xff, 0xff, 0xff], &large[3..]].concat();
    watched.gap(Way::Reverse, 100).server(&decoy);
    for id in [3, 5] {
        watched.client(&unary_request(&mut client, id, PATH, b"ping"));
    }
    watched.server(&data(1, END_STREAM, &message(b"end of the body")));
    watched.server(&unary_response(&mut server, 3, "0", b"pong"));
    watched.client(&frame(3, 0, 5, &CANCEL));
    watched.server(&frame(8, 0, 0, &[0, 0, 1, 0]).repeat(3));
    let calls = watched.end();
    let counters = watched.connection.counters();
    assert!(counters.unread_bytes > 0, "{counters:?}");
    assert!(counters.resyncs > 1, "{counters:?}");
    let of = |id| calls.iter().find(|call| call.stream_id == id).unwrap();
    assert!(of(1).has_gap());
    // Its answer was found again.
    assert_eq!(of(3).end, ExchangeEnd::Complete);
}
