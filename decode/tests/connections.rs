//! Connections: how they begin, what belongs to them, how they end.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use support::conversation::{C, S, SECOND_NS, after_handshake, one, run};
use support::packets::{With, answered, handshake, sent};
use support::{Recorder, reassemble};
use twintap_decode::link::flags;
use twintap_decode::stream::{ByteSink, Ending, Start, Way};
use twintap_decode::tcp::{Connection, Connections, DiscardReason, Limits, Tracker};

#[test]
fn both_ways_are_delivered_as_they_were_sent() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"question").ack(S),
        answered(S, b"ans").ack(C + 8),
        answered(S + 3, b"wer").ack(C + 8),
        sent(C + 8, b"").flag(flags::FIN).ack(S + 6),
        answered(S + 6, b"").flag(flags::FIN).ack(C + 9),
    ]));
    assert_eq!(streams.forward.whole(), b"question");
    assert_eq!(streams.reverse.whole(), b"answer");
    assert_eq!(streams.forward.start, Some(Start::Seen));
    assert_eq!(streams.forward.ending, Some(Ending::Fin));
    assert_eq!(streams.reverse.ending, Some(Ending::Fin));
    assert_eq!(counters.delivered_bytes, 14);
}

#[test]
fn retransmitted_segment_is_ignored() {
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").ack(S),
        sent(C, b"abc").ack(S),
        sent(C + 1, b"bcd").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcd");
    assert_eq!(counters.duplicate_bytes, 5);
}

#[test]
fn the_initiator_is_who_sent_the_syn_whatever_the_ports() {
    let syn = [
        answered(S - 1, b"").flag(flags::SYN),
        sent(C - 1, b"").flag(flags::SYN).ack(S),
        answered(S, b"hello").ack(C),
    ];
    let (connections, _) = reassemble(Limits::default(), syn);
    assert_eq!(connections[0].0.initiator, support::packets::server());
    assert_eq!(connections[0].1.forward.whole(), b"hello");
}

#[test]
fn bytes_in_the_syn_are_the_first_of_the_stream() {
    let (streams, _) = one([
        sent(C - 1, b"early").flag(flags::SYN),
        answered(S - 1, b"").flag(flags::SYN).ack(C + 5),
        sent(C + 5, b" bird").ack(S),
    ]);
    assert_eq!(streams.forward.whole(), b"early bird");
}

#[test]
fn a_syn_captured_after_the_first_bytes_still_begins_the_stream() {
    let [syn, syn_ack, ack] = handshake(C, S);
    let (streams, _) = one([
        sent(C, b"first").ack(S),
        syn_ack,
        ack,
        syn,
        sent(C + 5, b"!").ack(S),
    ]);
    assert_eq!(streams.forward.start, Some(Start::Seen));
    assert_eq!(streams.forward.whole(), b"first!");
}

#[test]
fn a_connection_joined_midway_starts_with_its_lowest_bytes() {
    let (streams, _) = one([
        sent(C + 3, b"def").ack(S),
        sent(C, b"abc").ack(S),
        answered(S, b"xyz").ack(C + 6),
    ]);
    assert_eq!(streams.forward.start, Some(Start::Midway));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(streams.reverse.whole(), b"xyz");
}

#[test]
fn bytes_after_a_refused_connection_open_no_sink() {
    let [syn, ..] = handshake(C, S);
    let refusal = answered(0, b"").flag(flags::RST).ack(C);
    let (all, counters) = run([syn, refusal, sent(C, b"late").ack(S)]);
    assert_eq!((all.len(), counters.opened), (0, 0));
    assert_eq!(counters.discarded_bytes.of(DiscardReason::AfterEnd), 4);
}

#[test]
fn a_syn_after_the_end_begins_another_connection() {
    let ended = after_handshake([
        sent(C, b"one").ack(S),
        sent(C + 3, b"").flag(flags::FIN).ack(S),
        answered(S, b"").flag(flags::FIN).ack(C + 4),
    ]);
    let again = handshake(500_000, 700_000).into_iter();
    let (all, _) = run(ended
        .into_iter()
        .chain(again)
        .chain([sent(500_000, b"two").ack(700_000)]));
    assert_eq!(all[0].forward.whole(), b"one");
    assert_eq!(all[1].forward.whole(), b"two");
}

#[test]
fn a_syn_seen_twice_begins_nothing() {
    let [syn, syn_ack, ack] = handshake(C, S);
    let (streams, _) = one([
        syn,
        syn,
        syn_ack,
        syn_ack,
        ack,
        sent(C, b"abc").ack(S),
        syn,
        syn_ack,
    ]);
    assert_eq!(streams.forward.whole(), b"abc");
}

#[test]
fn a_syn_on_an_open_connection_ends_it() {
    let open = after_handshake([sent(C, b"one").ack(S)]);
    let again = handshake(500_000, 700_000).into_iter();
    let (all, counters) = run(open
        .into_iter()
        .chain(again)
        .chain([sent(500_000, b"two").ack(700_000)]));
    assert_eq!(all[0].forward.ending, Some(Ending::Reused));
    assert_eq!(all[1].forward.whole(), b"two");
    assert_eq!(counters.reused, 1);
}

#[test]
fn a_syn_on_a_connection_joined_midway_ends_it_however_near_its_number() {
    for below in [1, 1_000, 1 << 23, 1 << 25] {
        let (c, s) = (50_000_000, 70_000_000);
        let midway = [
            sent(c, b"one").ack(s),
            answered(s, b"two").ack(c + 3),
            sent(c + 3, b"").ack(s + 3),
        ];
        let (c, s) = (c - below, s - below);
        let rest = [sent(c, b"three").ack(s), answered(s, b"four").ack(c + 5)];
        let again = handshake(c, s).into_iter().chain(rest);
        let again = again.map(|segment| segment.at(2 * SECOND_NS));
        let (all, counters) = run(midway.into_iter().chain(again));
        assert_eq!(all.len(), 2, "{below}");
        assert_eq!(all[0].forward.whole(), b"one");
        assert_eq!(all[0].reverse.whole(), b"two");
        assert_eq!(all[1].forward.start, Some(Start::Seen));
        assert_eq!(all[1].forward.whole(), b"three");
        assert_eq!(all[1].reverse.whole(), b"four");
        assert_eq!(counters.discarded_bytes.total(), 0);
    }
}

#[test]
fn segments_far_outside_the_window_become_another_connection_only_if_they_persist() {
    let far = 0x4000_0000_u32;
    let strange = |index: u32| sent(C + far + 3 * index, b"new").ack(S + far);
    let (streams, counters) = one(after_handshake([
        sent(C, b"abc").ack(S),
        strange(0),
        sent(C + 3, b"def").ack(S),
    ]));
    assert_eq!(streams.forward.whole(), b"abcdef");
    assert_eq!(counters.discarded_bytes.of(DiscardReason::OutOfWindow), 3);

    let segments = after_handshake([sent(C, b"abc").ack(S)]);
    let (all, _) = run(segments.into_iter().chain((0..5).map(strange)));
    assert_eq!(all[1].forward.start, Some(Start::Midway));
    assert_eq!(all[1].forward.whole(), b"newnew");
}

#[test]
fn a_far_segment_that_acknowledges_the_other_way_is_a_large_gap() {
    let far = 100_000_000;
    let (streams, _) = one(after_handshake([
        answered(S, b"xyz").ack(C),
        sent(C, b"abc").ack(S + 3),
        sent(C + far, b"def").ack(S + 3),
    ]));
    assert_eq!(streams.forward.gaps, [(3, u64::from(far) - 3)]);
}

#[test]
fn a_quiet_connection_ends_and_a_damaged_time_stamp_ends_none() {
    let quiet = after_handshake([sent(C, b"abc").ack(S)]);
    let other = |at_s: u64| {
        let mut segment = sent(5, b"other").ack(1).at(at_s * SECOND_NS);
        let source = twintap_decode::link::Endpoint::v4([9, 9, 9, 9], 1);
        let target = support::packets::server();
        (segment.flow, segment.sender) = twintap_decode::link::FlowKey::new(source, target, 0);
        segment
    };
    // Long pauses are usual; longer than those between keep-alive probes, they are none.
    let (all, counters) = run(quiet.iter().copied().chain([other(8_000), other(8_001)]));
    assert_eq!(all[0].forward.ending, Some(Ending::CaptureEnd));
    assert_eq!(counters.idle, 0);

    let (all, counters) = run(quiet.iter().copied().chain([other(11_000), other(11_001)]));
    assert_eq!(all[0].forward.ending, Some(Ending::Idle));
    assert_eq!(counters.idle, 1);

    let (all, counters) = run(quiet.into_iter().chain([other(700_000), other(2)]));
    assert_eq!(all[0].forward.ending, Some(Ending::CaptureEnd));
    assert_eq!(counters.idle, 0);
}

#[test]
fn a_connection_that_is_read_again_after_its_end_was_captured_twice() {
    let whole = after_handshake([
        sent(C, b"one").ack(S),
        sent(C + 3, b"").flag(flags::FIN).ack(S),
        answered(S, b"").flag(flags::FIN).ack(C + 4),
    ]);
    // What goes on for so long that the first is forgotten.
    let mut later = sent(5, b"other").ack(1);
    let source = twintap_decode::link::Endpoint::v4([9, 9, 9, 9], 1);
    let target = support::packets::server();
    (later.flow, later.sender) = twintap_decode::link::FlowKey::new(source, target, 0);
    let later = [61, 62, 120, 121].map(|at_s| later.at(at_s * SECOND_NS));
    let again = whole.clone();
    let (all, counters) = run(whole.into_iter().chain(later).chain(again));
    assert_eq!((all.len(), counters.repeated), (3, 1));
}

#[test]
fn a_full_table_evicts_the_connection_that_was_quiet_for_longest() {
    let limits = Limits {
        connections_max: 10,
        ..Limits::default()
    };
    let from = |port: u16| {
        let mut segment = sent(5, b"hello").ack(1).at(u64::from(port) * 2 * SECOND_NS);
        let source = twintap_decode::link::Endpoint::v4([9, 9, 9, 9], port);
        let target = support::packets::server();
        (segment.flow, segment.sender) = twintap_decode::link::FlowKey::new(source, target, 0);
        segment
    };
    let (connections, counters) = reassemble(limits, (0..15).map(from));
    assert_eq!(connections.len(), 15);
    assert_eq!(counters.evicted, 5);
    let endings = connections
        .iter()
        .map(|(_, streams)| streams.forward.ending.or(streams.reverse.ending));
    assert_eq!(
        endings
            .filter(|ending| *ending == Some(Ending::Evicted))
            .count(),
        5
    );
    assert!(connections[..5].iter().all(|(_, streams)| {
        streams.forward.ending.or(streams.reverse.ending) == Some(Ending::Evicted)
    }));
}

#[test]
fn a_connection_that_is_over_makes_room_before_one_that_is_not() {
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(limits, Recorder::default());
    let other = |address: u8, at_s: u64| {
        let mut segment = sent(5, b"hello").ack(1).at(at_s * SECOND_NS);
        let source = twintap_decode::link::Endpoint::v4([9, 9, 9, address], 60_001);
        let target = support::packets::server();
        (segment.flow, segment.sender) = twintap_decode::link::FlowKey::new(source, target, 0);
        segment
    };
    tracker.segment(&other(1, 0));
    let over = after_handshake([
        sent(C, b"one").ack(S),
        sent(C + 3, b"").flag(flags::RST).ack(S),
    ]);
    over.iter().for_each(|segment| tracker.segment(segment));
    assert_eq!(tracker.connections_count(), 2);
    tracker.segment(&other(2, 1));
    assert_eq!(tracker.counters().evicted, 0);
    over.iter()
        .for_each(|segment| tracker.segment(&segment.at(2 * SECOND_NS)));
    assert_eq!(tracker.counters().evicted, 1);
    // It is forgotten after a minute.
    tracker.advance(50 * SECOND_NS);
    assert_eq!(tracker.connections_count(), 2);
    tracker.advance(100 * SECOND_NS);
    assert_eq!(tracker.connections_count(), 1);
}

#[test]
fn half_open_connections_and_scans_open_no_sink() {
    let segments = (0..1_000_u32).flat_map(|index| {
        let mut syn = sent(index, b"").flag(flags::SYN);
        let source = twintap_decode::link::Endpoint::v4(index.to_be_bytes(), 1);
        let target = support::packets::server();
        (syn.flow, syn.sender) = twintap_decode::link::FlowKey::new(source, target, 0);
        let mut refusal = answered(0, b"").flag(flags::RST).ack(index + 1);
        (refusal.flow, refusal.sender) = twintap_decode::link::FlowKey::new(target, source, 0);
        [syn, refusal]
    });
    let (connections, counters) = reassemble(Limits::default(), segments);
    assert_eq!((connections.len(), counters.opened), (0, 0));
}

#[test]
fn an_unwanted_connection_is_counted_and_dropped() {
    #[derive(Debug)]
    struct Nothing;
    struct Never;
    impl ByteSink for Never {
        fn start(&mut self, _: u64, _: Way, _: Start) {}
        fn bytes(&mut self, _: u64, _: Way, _: &[u8]) {}
        fn gap(&mut self, _: u64, _: Way, _: u64) {}
        fn time(&mut self, _: u64) {}
        fn gap_up_to(&mut self, _: u64, _: Way, _: u64) {}
        fn end(&mut self, _: u64, _: Way, _: Ending) {}
    }
    impl Connections for Nothing {
        type Sink = Never;
        fn open(&mut self, _: &Connection) -> Option<Never> {
            None
        }
        fn close(&mut self, _: &Connection, _: Never) {}
    }
    let mut tracker = Tracker::new(Limits::default(), Nothing);
    for segment in after_handshake([sent(C, b"abc").ack(S), sent(C + 3, b"def").ack(S)]) {
        tracker.segment(&segment);
    }
    let (_, counters) = tracker.finish();
    assert!(counters.adds_up());
    assert_eq!(counters.discarded_bytes.of(DiscardReason::Unwanted), 6);
    assert_eq!((counters.unwanted, counters.opened), (1, 0));
}
