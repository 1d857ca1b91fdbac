//! What is missing: when it is waited for, when it becomes a gap, and what is no byte at all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use support::conversation::{C, S, SECOND_NS, after_handshake, one};
use support::packets::{With, answered, handshake, sent};
use support::{Recorder, reassemble};
use twintap_decode::link::{Segment, flags};
use twintap_decode::tcp::{DiscardReason, GapReason, Limits, Tracker};

/// So many acknowledgments of everything before `ack`.
fn acks(count: usize, ack: u32) -> impl Iterator<Item = Segment<'static>> {
    (0..count).map(move |_| answered(S, b"").ack(ack))
}

#[test]
fn keep_alive_probes_are_no_bytes() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"").ack(C + 3),
        sent(C + 2, b"\0").ack(S),
        answered(S, b"").ack(C + 3),
        sent(C + 2, b"").ack(S),
        sent(C + 3, b"def").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(counters.duplicate_bytes, 1);
}

#[test]
fn a_probe_within_lost_bytes_does_not_put_its_byte_in_their_place() {
    let lost_three = [
        answered(S, b"").ack(C + 3),
        sent(C + 2, b"\0").ack(S).at(SECOND_NS),
    ];
    let rest = [sent(C + 3, b"def").ack(S)];
    let (streams, counters) = one(after_handshake(
        lost_three.into_iter().chain(rest).chain(acks(40, C + 6)),
    ));
    assert_eq!(streams.forward.gaps, [(0, 3)]);
    assert_eq!(streams.forward.runs[&3], b"def");
    assert_eq!(counters.discarded_bytes.of(DiscardReason::Probe), 1);
}

#[test]
fn a_probe_in_place_of_a_lost_byte_does_not_become_that_byte() {
    let (streams, _) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"").ack(C + 4),
        sent(C + 3, b"\0").ack(S).at(SECOND_NS),
        sent(C + 3, b"\0").ack(S).at(SECOND_NS),
        sent(C + 4, b"efg").ack(S),
    ]));
    assert_eq!(streams.forward.gaps, [(3, 1)]);
    assert_eq!(streams.forward.runs[&4], b"efg");
}

#[test]
fn a_single_byte_captured_just_after_its_acknowledgment_is_delivered() {
    let (streams, _) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"").ack(C + 4),
        sent(C + 3, b"d").ack(S).at(SECOND_NS / 100),
    ]));
    assert_eq!(streams.forward.whole(), b"abcd");
}

#[test]
fn of_copies_that_differ_neither_comes() {
    let (streams, counters) = one(after_handshake([
        sent(C + 3, b"defghi").ack(S),
        sent(C + 3, b"deFgHi").ack(S),
        sent(C + 7, b"h").ack(S),
        sent(C, b"abc").ack(S),
        answered(S, b"").ack(C + 9),
    ]));
    assert_eq!(streams.forward.gaps, [(5, 3)]);
    assert_eq!(streams.forward.runs[&0], b"abcde");
    assert_eq!(streams.forward.runs[&8], b"i");
    assert_eq!(counters.gaps.of(GapReason::Differing), 1);
    assert_eq!((counters.differing_bytes, counters.duplicate_bytes), (6, 4));
}

#[test]
fn a_probe_with_another_byte_takes_none_away() {
    let (streams, counters) = one(after_handshake([
        sent(C + 3, b"def").ack(S),
        sent(C + 5, b"\0").ack(S),
        sent(C, b"abc").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(counters.differing_bytes, 1);
}

#[test]
fn a_hole_in_a_connection_that_fell_quiet_is_given_up_by_time() {
    let mut tracker = Tracker::new(Limits::default(), Recorder::default());
    let segments = [
        sent(C, b"abc").ack(S),
        sent(C + 6, b"ghi").ack(S),
        answered(S, b"").ack(C + 9),
    ];
    for segment in after_handshake(segments) {
        tracker.segment(&segment);
    }
    tracker.advance(SECOND_NS / 10);
    assert_eq!(tracker.counters().gaps.total(), 0);
    tracker.advance(SECOND_NS);
    assert_eq!(tracker.counters().gaps.of(GapReason::Acknowledged), 1);
    assert_eq!(tracker.counters().waiting_bytes, 0);
}

#[test]
fn time_is_told_where_nothing_waits() {
    let mut tracker = Tracker::new(Limits::default(), Recorder::default());
    let segments = [sent(C, b"abc").ack(S), sent(C + 6, b"ghi").ack(S)];
    for segment in after_handshake(segments) {
        tracker.segment(&segment);
    }
    tracker.advance(SECOND_NS);
    tracker.segment(&answered(S, b"").ack(C + 9).at(SECOND_NS));
    tracker.advance(2 * SECOND_NS);
    let (recorder, _) = tracker.finish();
    assert_eq!(
        recorder.connections[0].1.times,
        [2 * SECOND_NS],
        "not before the hole"
    );
}

#[test]
fn a_zero_window_probe_with_the_next_byte_is_that_byte() {
    let (streams, _) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"").ack(C + 3),
        sent(C + 3, b"d").ack(S),
        answered(S, b"").ack(C + 3),
        sent(C + 3, b"def").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
}

#[test]
fn an_acknowledged_hole_becomes_a_gap_after_enough_segments() {
    let segments = after_handshake([sent(C, b"abc").ack(S), sent(C + 10, b"klm").ack(S)]);
    let (streams, counters) = one(segments.into_iter().chain(acks(40, C + 13)));
    assert_eq!(streams.forward.gaps, [(3, 7)]);
    assert_eq!(counters.gap_bytes.of(GapReason::Acknowledged), 7);
}

#[test]
fn a_hole_that_is_not_acknowledged_is_waited_for() {
    let segments = after_handshake([sent(C, b"abc").ack(S), sent(C + 6, b"ghi").ack(S)]);
    let late = [sent(C + 3, b"def").ack(S).at(60 * SECOND_NS)];
    let (streams, _) = one(segments.into_iter().chain(acks(400, C + 3)).chain(late));
    assert_eq!(streams.forward.whole(), b"abcdefghi");
}

#[test]
fn a_hole_in_a_connection_captured_one_way_is_given_up_after_a_while() {
    let (streams, counters) = one([
        sent(C - 1, b"").flag(flags::SYN),
        sent(C, b"abc").ack(S),
        sent(C + 6, b"ghi").ack(S),
        sent(C + 9, b"jkl").ack(S).at(4 * SECOND_NS),
    ]);
    assert_eq!(streams.forward.gaps, [(3, 3)]);
    assert_eq!(counters.gaps.of(GapReason::Unacknowledged), 1);
}

#[test]
fn a_limit_on_waiting_bytes_gives_holes_up() {
    let limits = Limits {
        waiting_bytes_max: 200,
        ..Limits::default()
    };
    let block = [7; 100];
    let segments = after_handshake([sent(C + 3, &block).ack(S), sent(C + 103, &block).ack(S)]);
    let (connections, counters) = reassemble(limits, segments);
    assert_eq!(connections[0].1.forward.gaps, [(0, 3)]);
    assert_eq!(counters.gaps.of(GapReason::Budget), 1);
}

#[test]
fn what_the_snapshot_length_cut_is_a_gap_at_once() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").cut(4).ack(S),
        sent(C + 7, b"hij").cut(1).ack(S),
    ]));
    assert_eq!(streams.forward.gaps, [(3, 4), (10, 1)]);
    assert_eq!(streams.forward.runs[&7], b"hij");
    assert_eq!(counters.gap_bytes.of(GapReason::Cut), 5);
}

#[test]
fn bytes_lost_at_the_end_are_a_gap_when_the_capture_ends() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"").ack(C + 10),
    ]));
    assert_eq!(streams.forward.gaps, [(3, 7)]);
    assert_eq!(counters.gaps.of(GapReason::End), 1);
}

#[test]
fn a_lost_fin_is_no_lost_byte() {
    let (streams, _) = one(after_handshake([
        sent(C, b"abc").ack(S),
        answered(S, b"xyz").flag(flags::FIN).ack(C + 4),
    ]));
    assert_eq!(streams.forward.whole(), b"abc");
}

#[test]
fn holes_of_a_connection_in_a_burst_of_loss_are_given_up_together() {
    // Every other segment lost: the evidence for the first hole is evidence for all.
    static BLOCK: [u8; 10] = [1; 10];
    let kept = (0..20_u32).map(|index| sent(C + 20 * index, &BLOCK).ack(S));
    let segments = handshake(C, S)
        .into_iter()
        .chain(kept)
        .chain(acks(33, C + 390));
    let limits = Limits {
        hole_age_ns: u64::MAX,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(limits, Recorder::default());
    for segment in segments {
        tracker.segment(&segment);
    }
    assert_eq!(tracker.counters().gaps.of(GapReason::Acknowledged), 19);
    tracker.finish();
}
