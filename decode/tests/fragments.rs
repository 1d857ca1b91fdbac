//! Fragments in any order make their datagram, within limits, and overlapping ones do not.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use support::packets::*;
use twintap_decode::capture::{LinkType, Packet};
use twintap_decode::ip::{DropReason, FRAGMENT_AGE_MAX_NS};
use twintap_decode::link::{BreakReason, Dissection, Dissector, LinkConfig, flags};

const SEQ: u32 = 1_000;
const PAYLOAD: &[u8] = b"what was said";

/// The segment in three fragments, as packets at these times.
fn fragments() -> [Vec<u8>; 3] {
    let segment = tcp(SEQ, flags::ACK, PAYLOAD);
    let fragment = |from: usize, to: usize, more: u16| {
        let offset = more | u16::try_from(from / 8).unwrap();
        ethernet(IPV4, &ipv4_fragment(TCP, 7, offset, &segment[from..to]))
    };
    [
        fragment(0, 16, 0x2000),
        fragment(16, 32, 0x2000),
        fragment(32, segment.len(), 0),
    ]
}

#[test]
fn fragments_in_any_order_make_the_segment() {
    let parts = fragments();
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut dissector = Dissector::default();
        for index in &order[..2] {
            let held = dissector.packet(&packet(LinkType::ETHERNET, &parts[*index]));
            assert_eq!(held, Dissection::Held, "{order:?}");
        }
        match dissector.packet(&packet(LinkType::ETHERNET, &parts[order[2]])) {
            Dissection::Segment(segment) => assert_eq!(segment.payload, PAYLOAD),
            other => panic!("{order:?}: {other:?}"),
        }
        assert!(dissector.counters().adds_up());
        assert_eq!(dissector.fragment_counters().joined, 2);
    }
}

#[test]
fn a_fragment_seen_twice_is_taken_once() {
    let parts = fragments();
    let mut dissector = Dissector::default();
    for index in [0, 0, 1, 0] {
        let held = dissector.packet(&packet(LinkType::ETHERNET, &parts[index]));
        assert_eq!(held, Dissection::Held);
    }
    let whole = dissector.packet(&packet(LinkType::ETHERNET, &parts[2]));
    assert!(matches!(whole, Dissection::Segment(_)));
    assert_eq!(dissector.fragment_counters().dropped.total(), 2);
}

/// A segment in two fragments with an identification that is used again.
fn halves(seq: u32, payload: &[u8]) -> [Vec<u8>; 2] {
    let segment = tcp(seq, flags::ACK, payload);
    let fragment = |bytes, offset| ethernet(IPV4, &ipv4_fragment(TCP, 7, offset, bytes));
    [
        fragment(&segment[..32], 0x2000),
        fragment(&segment[32..], 32 / 8),
    ]
}

fn at(unix_ns: u64, bytes: &[u8]) -> Packet<'_> {
    Packet {
        unix_ns,
        ..packet(LinkType::ETHERNET, bytes)
    }
}

#[test]
fn a_copy_of_the_last_fragment_is_no_beginning_of_another_datagram() {
    let [a, b] = halves(SEQ, b"the first of two");
    let [a2, b2] = halves(SEQ + 16, b"the other of two");
    let mut dissector = Dissector::default();
    dissector.packet(&at(1_000_000, &a));
    dissector.packet(&at(2_000_000, &b));
    assert_eq!(dissector.packet(&at(3_000_000, &b)), Dissection::Held);
    assert_eq!(dissector.packet(&at(2_000_000_000, &a2)), Dissection::Held);
    match dissector.packet(&at(2_000_000_001, &b2)) {
        Dissection::Segment(segment) => assert_eq!(segment.payload, b"the other of two"),
        other => panic!("{other:?}"),
    }
    let dropped = dissector.fragment_counters().dropped;
    assert_eq!((dropped.of(DropReason::Duplicate), dropped.total()), (1, 1));
    assert!(dissector.counters().adds_up());
}

#[test]
fn fragments_of_two_datagrams_make_none_and_the_newer_one_is_found() {
    let [_, stale] = halves(SEQ, b"the first of two");
    let [a2, b2] = halves(SEQ + 16, b"the other of two");
    let mut dissector = Dissector::default();
    dissector.packet(&at(1_000_000, &stale));
    let mixed = dissector.packet(&at(2_000_000_000, &a2));
    assert_eq!(mixed, Dissection::Broken(BreakReason::Checksum));
    match dissector.packet(&at(2_000_000_001, &b2)) {
        Dissection::Segment(segment) => assert_eq!(segment.payload, b"the other of two"),
        other => panic!("{other:?}"),
    }
    let fragments = dissector.fragment_counters();
    assert_eq!((fragments.datagrams, fragments.joined), (1, 1));
    assert_eq!(
        (fragments.held, fragments.dropped.of(DropReason::Checksum)),
        (2, 1)
    );
    assert!(dissector.counters().adds_up());
}

#[test]
fn overlapping_fragments_spoil_their_datagram() {
    let parts = fragments();
    let overlapping = ethernet(IPV4, &ipv4_fragment(TCP, 7, 0x2001, &[0; 16]));
    let mut dissector = Dissector::default();
    for bytes in [&parts[0], &overlapping, &parts[1], &parts[2]] {
        let held = dissector.packet(&packet(LinkType::ETHERNET, bytes));
        assert_eq!(held, Dissection::Held);
    }
    let counters = dissector.fragment_counters();
    assert_eq!((counters.held, counters.dropped.total()), (4, 4));
}

#[test]
fn what_never_becomes_whole_is_lost_if_it_may_be_of_a_wanted_port() {
    let of =
        |protocol, part: &[u8], offset| ethernet(IPV4, &ipv4_fragment(protocol, 7, offset, part));
    let segment = tcp(SEQ, flags::ACK, PAYLOAD);
    let first = of(TCP, &segment[..32], 0x2000);
    let last = of(TCP, &segment[32..], 4);
    let overlapping = of(TCP, &[0; 16], 0x2001);
    for (ports, parts, lost) in [
        (vec![], vec![&first], 1),
        (vec![SERVER_PORT, 1], vec![&first], 1),
        (vec![1], vec![&first], 0),
        (vec![1], vec![&last], 1),
        (vec![], vec![&of(UDP, &[0; 16], 0x2000)], 0),
        (vec![], vec![&of(47, &[0; 16], 0x2000)], 1),
        (vec![], vec![&first, &last], 0),
        (vec![], vec![&first, &overlapping, &last], 1),
    ] {
        let mut dissector = Dissector::new(LinkConfig {
            wanted_ports: ports,
            ..LinkConfig::default()
        });
        for part in parts {
            dissector.packet(&at(1, part));
        }
        assert_eq!(dissector.fragment_counters().lost_datagrams, lost);
        let other = ethernet(IPV4, &ipv4_fragment(UDP, 8, 0x2000, &[0; 8]));
        dissector.packet(&at(FRAGMENT_AGE_MAX_NS + 2, &other));
        assert_eq!(dissector.fragment_counters().lost_datagrams, lost);
        assert_eq!(dissector.fragment_counters().waiting(), 1);
    }
}

#[test]
fn fragments_wait_no_longer_than_their_limits() {
    let parts = fragments();
    let mut dissector = Dissector::default();
    let mut at = |index: usize, unix_ns| {
        let packet = Packet {
            unix_ns,
            ..packet(LinkType::ETHERNET, &parts[index])
        };
        matches!(dissector.packet(&packet), Dissection::Held)
    };
    assert!(at(0, 1) && at(1, 2));
    assert!(at(2, FRAGMENT_AGE_MAX_NS + 2), "the first two are too old");
    assert_eq!(dissector.fragment_counters().dropped.total(), 2);

    let mut dissector = Dissector::default();
    for identification in 0..20_000 {
        let bytes = ethernet(
            IPV4,
            &ipv4_fragment(TCP, identification, 0x2000, &[0; 1024]),
        );
        assert_eq!(
            dissector.packet(&packet(LinkType::ETHERNET, &bytes)),
            Dissection::Held
        );
    }
    let counters = dissector.fragment_counters();
    assert!(
        counters.held - counters.dropped.total() < 4_096,
        "{counters:?}"
    );
    assert!(dissector.counters().adds_up());
}
