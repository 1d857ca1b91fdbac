//! A live line that has fallen silent: what time alone tells.

use twintap_decode::exchange::{Certainty, ExchangeEnd};
use twintap_decode::stream::{ByteSink, Start};

use super::frames::{Encoder, Watched, data, headers, message, request};
use super::{PATH, begun, only, unary_request, unary_response};

const MILLISECOND: u64 = 1_000_000;

#[test]
fn an_answer_before_the_end_of_its_request_is_told_without_more_packets() {
    let (mut watched, mut client, mut server) = begun();
    let block = client.block(&request(PATH));
    watched.client(&headers(1, 0, &block));
    watched.client(&data(1, 0, &message(b"the first of many")));
    watched.server(&unary_response(&mut server, 1, "8", b""));
    watched.connection.time(100 * MILLISECOND);
    assert!(watched.calls().is_empty(), "the request may end yet");
    watched.connection.time(300 * MILLISECOND);
    let call = only(watched.calls());
    assert_eq!(call.status, Certainty::Seen(8));
    assert_eq!(call.end, ExchangeEnd::ResponseFirst);
}

#[test]
fn time_ends_no_call_that_is_under_way() {
    let (mut watched, mut client, mut server) = begun();
    watched.client(&unary_request(&mut client, 1, PATH, b"ping"));
    watched.connection.time(3_600_000 * MILLISECOND);
    assert!(watched.calls().is_empty(), "the server may take an hour");
    watched.wait(3_600_000 * MILLISECOND);
    watched.server(&unary_response(&mut server, 1, "0", b"pong"));
    let call = only(watched.calls());
    assert_eq!(call.end, ExchangeEnd::Complete);
}

#[test]
fn evidence_is_not_waited_for_for_ever() {
    let mut watched = Watched::new(Start::Midway);
    let (mut client, mut server) = (Encoder::default(), Encoder::default());
    // Inserted before the capture began: it sees references only.
    for stream_id in [1, 3] {
        let (request, response) = (
            unary_request(&mut client, stream_id, PATH, b"ping"),
            unary_response(&mut server, stream_id, "0", b"pong"),
        );
        if stream_id == 3 {
            watched.client(&request).server(&response);
        }
    }
    let before = watched.calls();
    watched.connection.time(30_000 * MILLISECOND);
    assert!(before.is_empty() && watched.calls().is_empty());
    watched.connection.time(61_000 * MILLISECOND);
    let call = only(watched.calls());
    assert_eq!(call.status, Certainty::Unknown, "and it is not guessed");
}
