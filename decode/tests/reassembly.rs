//! One known stream of bytes, cut, repeated, reordered, overlapped and dropped: what is delivered
//! is right, or a gap of the right length.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers of tests are not marked as tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::packets::{STEP_NS, With, answered, handshake, sent};
use support::{Stream, reassemble};
use twintap_decode::link::Segment;
use twintap_decode::stream::Start;
use twintap_decode::tcp::Limits;

/// A part of the stream in one segment.
#[derive(Clone, Debug)]
struct Part {
    at: usize,
    bytes: Vec<u8>,
}

/// What happens to a part on its way into the capture.
#[derive(Clone, Debug)]
struct Fate {
    is_dropped: bool,
    /// Places by which it comes later.
    delay: usize,
    /// It comes again, this much earlier and later than the first time, in bytes.
    again: Option<(usize, usize)>,
    /// The repetition has other content.
    differs: bool,
}

fn fate(loss: f64, differing: f64) -> impl Strategy<Value = Fate> {
    (
        prop::bool::weighted(loss),
        prop_oneof![4 => Just(0_usize), 1 => 1_usize..9],
        prop::option::weighted(0.2, (0_usize..40, 0_usize..40)),
        prop::bool::weighted(differing),
    )
        .prop_map(|(is_dropped, delay, again, differs)| Fate {
            is_dropped,
            delay,
            again,
            differs,
        })
}

/// Initial positions: anywhere, and just before both wraps.
fn initial() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0_u32..3_000).prop_map(|back| u32::MAX - back),
        (0_u32..3_000).prop_map(|back| 0x8000_0000 - back),
    ]
}

fn stream(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..len).map(next).collect()
}

/// The parts in the order in which they are captured.
fn captured(whole: &[u8], cuts: &[(usize, Fate)]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    for (place, (len, fate)) in cuts.iter().enumerate() {
        let end = (at + len).min(whole.len());
        if at >= end {
            break;
        }
        if !fate.is_dropped {
            let bytes = whole[at..end].to_vec();
            parts.push((place + fate.delay, Part { at, bytes }));
        }
        if let Some((earlier, later)) = fate.again {
            let (from, to) = (at.saturating_sub(earlier), (end + later).min(whole.len()));
            // Nothing is repeated before it was sent.
            let to = to.min(end);
            let mut bytes = whole[from..to].to_vec();
            if fate.differs {
                bytes.iter_mut().for_each(|byte| *byte = !*byte);
            }
            parts.push((place + fate.delay + later % 5, Part { at: from, bytes }));
        }
        at = end;
    }
    parts.sort_by_key(|(place, _)| *place);
    parts.into_iter().map(|(_, part)| part).collect()
}

/// What was captured first for each position.
fn model(parts: &[Part]) -> BTreeMap<u64, u8> {
    let mut first = BTreeMap::new();
    for part in parts {
        for (index, byte) in part.bytes.iter().enumerate() {
            first
                .entry(u64::try_from(part.at + index).unwrap())
                .or_insert(*byte);
        }
    }
    first
}

/// Positions that were captured as different bytes.
fn disputed(parts: &[Part]) -> BTreeSet<u64> {
    let first = model(parts);
    let mut disputed = BTreeSet::new();
    for part in parts {
        for (index, byte) in part.bytes.iter().enumerate() {
            let at = u64::try_from(part.at + index).unwrap();
            if first[&at] != *byte {
                disputed.insert(at);
            }
        }
    }
    disputed
}

fn delivered(stream: &Stream) -> BTreeMap<u64, u8> {
    let mut bytes = BTreeMap::new();
    for (at, run) in &stream.runs {
        bytes.extend((*at..).zip(run.iter().copied()));
    }
    bytes
}

/// The parts as segments of the client, each acknowledged by the server.
fn conversation<'a>(parts: &'a [Part], seq: u32, with_handshake: bool) -> Vec<Segment<'a>> {
    let mut segments = Vec::new();
    if with_handshake {
        segments.extend(handshake(seq, 77));
    }
    let mut acked = 0;
    for part in parts {
        let offset = |at: usize| seq.wrapping_add(u32::try_from(at).unwrap());
        segments.push(sent(offset(part.at), &part.bytes).ack(77));
        acked = acked.max(part.at + part.bytes.len());
        segments.push(answered(77, b"").ack(offset(acked)));
    }
    let at = |(index, segment): (usize, Segment<'a>)| {
        segment.at(u64::try_from(index).unwrap() * STEP_NS)
    };
    segments.into_iter().enumerate().map(at).collect()
}

fn cuts(loss: f64, differing: f64) -> impl Strategy<Value = Vec<(usize, Fate)>> {
    prop::collection::vec((2_usize..100, fate(loss, differing)), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn without_loss_every_byte_comes_once_and_in_order(
        cuts in cuts(0.0, 0.0),
        seq in initial(),
    ) {
        let whole = stream(6_000);
        let parts = captured(&whole, &cuts);
        let sent_len = cuts.iter().map(|(len, _)| len).sum::<usize>().min(whole.len());
        let (connections, _) = reassemble(Limits::default(), conversation(&parts, seq, true));
        let [(_, streams)] = connections.as_slice() else { panic!("{connections:?}") };
        prop_assert_eq!(streams.forward.start, Some(Start::Seen));
        prop_assert!(streams.forward.gaps.is_empty());
        prop_assert_eq!(streams.forward.whole(), &whole[..sent_len]);
    }

    #[test]
    fn with_loss_exactly_what_was_captured_comes_and_the_rest_is_gaps(
        cuts in cuts(0.1, 0.0),
        seq in initial(),
    ) {
        let whole = stream(6_000);
        let parts = captured(&whole, &cuts);
        let (connections, _) = reassemble(Limits::default(), conversation(&parts, seq, true));
        let expected = model(&parts);
        match connections.as_slice() {
            [] => prop_assert!(expected.is_empty()),
            [(_, streams)] => {
                prop_assert_eq!(delivered(&streams.forward), expected);
            }
            more => panic!("{more:?}"),
        }
    }

    #[test]
    fn where_overlaps_differ_the_first_captured_comes_or_none(
        cuts in cuts(0.05, 0.3),
        seq in initial(),
    ) {
        let whole = stream(6_000);
        let parts = captured(&whole, &cuts);
        let (connections, _) = reassemble(Limits::default(), conversation(&parts, seq, true));
        let first = model(&parts);
        let disputed = disputed(&parts);
        for (_, streams) in connections {
            let delivered = delivered(&streams.forward);
            for (at, byte) in &first {
                match delivered.get(at) {
                    Some(found) => prop_assert_eq!(found, byte, "at {}", at),
                    None => prop_assert!(disputed.contains(at), "at {}", at),
                }
            }
            prop_assert!(delivered.keys().all(|at| first.contains_key(at)));
        }
    }

    #[test]
    fn joined_midway_what_comes_is_right_relative_to_its_first_byte(
        cuts in cuts(0.1, 0.0),
        seq in initial(),
    ) {
        let whole = stream(6_000);
        let parts = captured(&whole, &cuts);
        let (connections, _) = reassemble(Limits::default(), conversation(&parts, seq, false));
        let expected = model(&parts);
        for (_, streams) in connections {
            prop_assert_eq!(streams.forward.start, Some(Start::Midway));
            let begin = expected.keys().next().copied().unwrap_or_default();
            let moved = delivered(&streams.forward).into_iter().map(|(at, byte)| (at + begin, byte));
            prop_assert_eq!(moved.collect::<BTreeMap<_, _>>(), expected.clone());
        }
    }

    #[test]
    fn limits_that_are_reached_lose_bytes_but_deliver_no_wrong_one(
        cuts in cuts(0.2, 0.0),
        seq in initial(),
        waiting_bytes_max in 100_usize..2_000,
    ) {
        let whole = stream(6_000);
        let parts = captured(&whole, &cuts);
        let limits = Limits {
            waiting_bytes_max,
            hole_segments_count: 3,
            ..Limits::default()
        };
        let (connections, _) = reassemble(limits, conversation(&parts, seq, true));
        let expected = model(&parts);
        for (_, streams) in connections {
            for (at, byte) in delivered(&streams.forward) {
                prop_assert_eq!(expected.get(&at), Some(&byte));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_segments_at_all_are_accounted_for(
        segments in prop::collection::vec(
            (any::<bool>(), any::<u32>(), any::<u32>(), any::<u8>(), 0_usize..50, 0_u32..20, any::<u8>()),
            0..200,
        ),
    ) {
        let payload = [7; 64];
        let segments = segments.iter().map(|(from_client, seq, ack, flags, len, cut, near)| {
            // Half of the numbers are near each other, so that something happens.
            let (seq, ack) = if near & 1 == 0 { (seq % 4_096, ack % 4_096) } else { (*seq, *ack) };
            let bytes = &payload[..*len];
            let segment = if *from_client { sent(seq, bytes) } else { answered(seq, bytes) };
            segment.ack(ack).flag(flags & 0x17).cut(*cut).at(u64::from(*near) * 100_000_000)
        });
        // The recorder and the identity of the counters assert the rest.
        reassemble(Limits { waiting_bytes_max: 1_000, connections_max: 2, ..Limits::default() }, segments);
    }
}
