//! Resets: the ones that their receiver takes end the connection, the others do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use support::conversation::{C, S, SECOND_NS, after_handshake, one};
use support::packets::{With, answered, sent};
use support::{Recorder, Streams};
use twintap_decode::link::{Segment, flags};
use twintap_decode::stream::Ending;
use twintap_decode::tcp::{DiscardReason, Limits, TcpCounters, Tracker};

/// A question, an answer, this, and another of both.
fn between<'a>(middle: impl IntoIterator<Item = Segment<'a>>) -> (Streams, TcpCounters) {
    let before = [
        sent(C, b"abc").ack(S),
        answered(S, b"uvw").ack(C + 3),
        sent(C + 3, b"").ack(S + 3),
    ];
    let after = [
        sent(C + 3, b"def").ack(S + 3),
        answered(S + 3, b"xyz").ack(C + 6),
        sent(C + 6, b"").ack(S + 6),
    ];
    let all = before.into_iter().chain(middle).chain(after);
    one(after_handshake(all))
}

fn is_whole((streams, counters): &(Streams, TcpCounters)) -> bool {
    streams.forward.whole() == b"abcdef"
        && streams.reverse.whole() == b"uvwxyz"
        && streams.forward.ending == Some(Ending::CaptureEnd)
        && (counters.ignored_resets, counters.outlived) == (1, 0)
}

#[test]
fn a_reset_behind_or_ahead_of_what_its_receiver_expects_ends_nothing() {
    for reset in [
        sent(C - 300, b""),
        sent(C + 1, b"").ack(S + 3),
        sent(C + 5_000, b"").ack(S + 3),
        answered(S + 70_000, b""),
    ] {
        let reset = reset.flag(flags::RST);
        let challenge = answered(S + 3, b"").ack(C + 3);
        let seen = between([reset, challenge]);
        assert!(is_whole(&seen), "{reset:?}: {seen:?}");
    }
}

#[test]
fn a_reset_where_its_receiver_expects_it_ends_both_ways() {
    for reset in [
        sent(C + 3, b""),
        sent(C + 3, b"").ack(S + 3),
        answered(S + 3, b"").ack(C + 3),
    ] {
        let (streams, counters) = one(after_handshake([
            sent(C, b"abc").ack(S),
            answered(S, b"uvw").ack(C + 3),
            reset.flag(flags::RST),
        ]));
        assert_eq!(streams.forward.ending, Some(Ending::Reset), "{reset:?}");
        assert_eq!(streams.reverse.ending, Some(Ending::Reset), "{reset:?}");
        assert_eq!((counters.ignored_resets, counters.outlived), (0, 0));
    }
}

#[test]
fn what_was_acknowledged_before_a_reset_and_not_captured_is_a_gap() {
    for (reset, lost) in [
        // A reset without an acknowledgment, as of a socket that is closed already.
        (sent(C + 3, b""), 300),
        // One that says less than was said before.
        (sent(C + 3, b"").ack(S + 3), 300),
        // What was acknowledged may be a FIN.
        (sent(C + 3, b""), 1),
    ] {
        let (streams, counters) = one(after_handshake([
            sent(C, b"abc").ack(S),
            answered(S, b"uvw").ack(C + 3),
            sent(C + 3, b"").ack(S + 3 + lost),
            reset.flag(flags::RST),
        ]));
        let expected = if lost > 1 { u64::from(lost) } else { 0 };
        assert_eq!(counters.gap_bytes.total(), expected, "{reset:?}");
        assert_eq!(streams.reverse.ending, Some(Ending::Reset), "{reset:?}");
    }
}

#[test]
fn a_reset_captured_before_the_bytes_in_front_of_it_waits_for_them() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").ack(S),
        sent(C + 6, b"").flag(flags::RST),
        sent(C + 3, b"def").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(streams.forward.ending, Some(Ending::Reset));
    assert_eq!(counters.ignored_resets, 0);
}

#[test]
fn a_reset_behind_lost_bytes_ends_both_ways_when_nothing_follows() {
    let segments = after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"uvw").ack(C + 3),
        sent(C + 6, b"").flag(flags::RST),
    ]);
    let (streams, _) = one(segments.clone());
    assert_eq!(streams.forward.gaps, [(3, 3)]);
    assert_eq!(streams.forward.ending, Some(Ending::Reset));

    let mut tracker = Tracker::new(Limits::default(), Recorder::default());
    segments.iter().for_each(|it| tracker.segment(it));
    tracker.advance(SECOND_NS);
    tracker.advance(2 * SECOND_NS);
    tracker.advance(3 * SECOND_NS);
    assert_eq!(tracker.counters().closed, 1);
}

#[test]
fn a_way_that_goes_on_behind_a_reset_is_lost_and_said_to_be() {
    let reset = |segment: Segment<'static>| segment.flag(flags::RST);
    for (from, reset) in [
        ("client", reset(sent(C + 3, b""))),
        ("server", reset(answered(S + 3, b""))),
    ] {
        let (streams, counters) = between([reset]);
        assert_eq!(streams.forward.whole(), b"abc");
        assert_eq!(counters.discarded_bytes.of(DiscardReason::AfterEnd), 6);
        assert_eq!(counters.outlived, 2, "{from}");
    }
}

#[test]
fn bytes_on_their_way_when_a_reset_came_are_not_lost() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"uvw").ack(C + 3),
        sent(C + 3, b"").flag(flags::RST).ack(S + 3),
        answered(S + 3, b"late").ack(C + 3),
        answered(S + 7, b"later").ack(C + 3),
        sent(C + 3, b"").flag(flags::RST),
    ]));
    assert_eq!(streams.reverse.whole(), b"uvw");
    assert_eq!(counters.discarded_bytes.of(DiscardReason::AfterEnd), 9);
    assert_eq!((counters.ignored_resets, counters.outlived), (0, 0));
}

#[test]
fn a_reset_ends_both_ways_after_what_was_sent_before() {
    let (streams, counters) = one(after_handshake([
        sent(C + 3, b"def").ack(S),
        answered(S, b"").flag(flags::RST).ack(C + 6),
        sent(C, b"abc").ack(S),
        sent(C + 6, b"late").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(streams.forward.ending, Some(Ending::Reset));
    assert_eq!(counters.discarded_bytes.of(DiscardReason::AfterEnd), 4);
}

#[test]
fn a_reset_from_far_outside_the_window_is_not_believed() {
    let (streams, _) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S + 0x4000_0000, b"").flag(flags::RST),
        sent(C + 3, b"def").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(streams.forward.ending, Some(Ending::CaptureEnd));
}
