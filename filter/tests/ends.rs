//! The end of a root: what it has left is sent, taken over, or given up and counted. The host does as Envoy: of roots
//! with an equal configuration only the last to end is kept, and none without one that is not ending.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail as tests do"
)]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::{GRPC, INBOUND, PLENTY, RESPONSE, ROOT, Rig, Sizes, UPSTREAM, message};
use twintap_filter::host::Map;
use twintap_record::Reason;

const SMALL_SLOTS: Sizes = Sizes {
    slots: 3,
    slot_bytes: 16 * 1024,
    ..PLENTY
};

const MANY_SLOTS: Sizes = Sizes {
    slots: 16,
    slot_bytes: 16 * 1024,
    ..PLENTY
};

/// A root that records nothing and keeps the VM.
const OTHER: u32 = 9;

fn beside_another(sizes: Sizes) -> Rig {
    let mut rig = Rig::with_sizes(INBOUND, sizes);
    rig.root(OTHER, r#"{"position":"outbound"}"#);
    rig
}

fn call(rig: &mut Rig, bytes: usize) {
    rig.unary(&message(&vec![1; bytes]), &message(b"ok"));
}

#[test]
fn a_root_that_ends_sends_what_it_has_until_it_is_acknowledged() {
    let mut rig = beside_another(PLENTY);
    call(&mut rig, 10);
    assert!(!rig.done(ROOT));
    rig.tick();
    assert_eq!(rig.records().len(), 1);
    for token in 1..10 {
        rig.answer(token, 503);
        assert!(rig.host.done.is_empty(), "the collector may come back");
        rig.tick_after(3000);
        assert_eq!(rig.host.posts.len(), token as usize + 1);
    }
    rig.answer(10, 200);
    // How often it tried is news, too.
    rig.tick();
    rig.answer(11, 200);
    assert_eq!(rig.host.done, [ROOT]);
    assert!(!rig.host.metrics.contains_key("Dropped"));
    let mut rig = beside_another(PLENTY);
    assert!(rig.done(ROOT), "nothing to wait for");
}

#[test]
fn a_root_that_ends_gives_up_after_a_minute_and_counts_what_it_gave_up() {
    for refused in [None, Some("post")] {
        let mut rig = beside_another(PLENTY);
        for _ in 0..3 {
            call(&mut rig, 10);
        }
        rig.host.refuse_named = refused;
        assert!(!rig.done(ROOT));
        for second in 0..60 {
            assert!(rig.host.done.is_empty(), "{second}");
            rig.tick_after(1000);
            rig.answer_all(503);
        }
        assert_eq!(rig.host.done, [ROOT]);
        assert_eq!(rig.host.metrics["Dropped"], 3);
    }
}

#[test]
fn a_root_that_ends_makes_room_for_another() {
    let mut rig = beside_another(SMALL_SLOTS);
    for _ in 0..60 {
        call(&mut rig, 2000);
    }
    let recorded = rig.counters().recorded();
    let dropped = rig.counters().dropped();
    rig.root(2, INBOUND);
    assert!(!rig.done(ROOT));
    rig.tick();
    rig.answer_all(503);
    let context = rig.begin_at(2, GRPC);
    rig.done(context);
    let counters = rig.engine.counters(2).unwrap();
    assert_eq!((counters.recorded(), counters.dropped()), (1, 0));
    for _ in 0..3 {
        rig.tick_after(3000);
        rig.answer_all(200);
    }
    assert_eq!(rig.host.done, [ROOT]);
    let given_up = u64::try_from(rig.host.metrics["Dropped"]).unwrap() - dropped;
    assert!(
        (1..recorded).contains(&given_up),
        "{given_up} of {recorded}"
    );
}

#[test]
fn a_root_that_ends_gives_nothing_up_for_one_that_may_hold_no_more() {
    let mut rig = beside_another(SMALL_SLOTS);
    rig.root(2, INBOUND);
    rig.root(3, INBOUND);
    let context = rig.begin_at(2, GRPC);
    rig.done(context);
    assert!(!rig.done(2));
    rig.engine.on_tick(&mut rig.host, 2);
    rig.answer_all(503);
    for _ in 0..60 {
        call(&mut rig, 2000);
    }
    assert!(rig.counters().dropped() > 0);
    assert_eq!(rig.engine.counters(2).unwrap().given_up, 0);
}

#[test]
fn a_root_that_ends_tells_what_it_dropped_since_its_last_batch() {
    let mut rig = beside_another(SMALL_SLOTS);
    for _ in 0..5 {
        call(&mut rig, 2000);
        rig.tick();
    }
    for _ in 0..20 {
        call(&mut rig, 2000);
    }
    let dropped = rig.counters().dropped();
    assert!(dropped > 0);
    assert!(!rig.done(ROOT));
    for _ in 0..4 {
        rig.tick();
        rig.answer_all(200);
    }
    assert_eq!(rig.host.done, [ROOT]);
    assert_eq!(rig.count(Reason::BufferFull), dropped);
}

#[test]
fn a_root_that_ends_sends_nothing_when_a_batch_fails_until_its_tick() {
    for status in [0, 503] {
        let mut rig = beside_another(PLENTY);
        call(&mut rig, 10);
        let open = rig.begin(GRPC);
        assert!(!rig.done(ROOT));
        rig.tick();
        rig.done(open);
        rig.answer(1, status);
        assert_eq!(rig.host.posts.len(), 1, "{status}");
        rig.tick_after(3000);
        rig.answer_all(200);
        rig.tick();
        rig.answer_all(200);
        assert_eq!(rig.records().len(), 2);
        assert_eq!(rig.host.done, [ROOT]);
    }
}

#[test]
fn a_new_configuration_takes_over_while_the_old_one_ends() {
    let mut rig = beside_another(PLENTY);
    let old_stream = rig.begin(GRPC);
    rig.root(2, INBOUND);
    assert!(!rig.done(ROOT), "the last counters are to be told");
    rig.tick();
    assert_eq!(rig.host.posts.len(), 1);
    rig.answer(1, 200);
    assert_eq!(rig.host.done, [ROOT]);
    rig.block(old_stream, Map::ResponseHeaders, RESPONSE, true);
    rig.done(old_stream);
    let context = rig.begin_at(2, GRPC);
    rig.done(context);
    rig.engine.on_tick(&mut rig.host, 2);
    assert_eq!(rig.records().len(), 1);
    assert_eq!(rig.engine.held(), (0, 0, 0));
}

#[test]
fn a_configuration_that_comes_back_takes_over_what_its_earlier_root_has_left() {
    let mut rig = beside_another(MANY_SLOTS);
    let texts = [
        INBOUND,
        r#"{"position":"inbound","collector_cluster":"other"}"#,
    ];
    for context in 1..=6 {
        if context > 1 {
            rig.root(context, texts[usize::from(context % 2 == 0)]);
        }
        for _ in 0..10 {
            let stream = rig.begin_at(context, GRPC);
            rig.done(stream);
        }
        // Some is under way, some waits, some has failed.
        rig.tick_all_after(3000);
        rig.answer(1, 503);
        let stream = rig.begin_at(context, GRPC);
        rig.done(stream);
        assert!(!rig.done(context));
    }
    assert!(rig.host.destroyed.is_empty(), "{:?}", rig.host.destroyed);
    for _ in 0..10 {
        rig.answer_all(200);
        rig.tick_all_after(3000);
    }
    assert_eq!(rig.records().len(), 66);
    assert!(!rig.host.metrics.contains_key("Dropped"));
    let mut done = rig.host.done.clone();
    done.sort_unstable();
    assert_eq!(done, [1, 2, 3, 4, 5, 6], "each once");
    assert_eq!(rig.host.metrics["Records"], 66);
}

#[test]
fn a_root_whose_ticks_are_missing_is_given_up_by_another() {
    let mut rig = beside_another(PLENTY);
    call(&mut rig, 10);
    rig.tick();
    call(&mut rig, 10);
    assert!(!rig.done(ROOT));
    for _ in 0..61 {
        rig.host.now_ns += 1_000_000_000;
        rig.engine.on_tick(&mut rig.host, OTHER);
    }
    assert_eq!(rig.host.metrics["Dropped"], 2);
    assert!(rig.engine.counters(ROOT).is_none(), "its place is free");
}

#[test]
fn with_the_last_root_what_all_have_left_is_counted_as_given_up() {
    let mut rig = Rig::new(INBOUND);
    rig.root(2, UPSTREAM);
    for _ in 0..3 {
        call(&mut rig, 10);
        rig.tick();
    }
    assert!(!rig.done(ROOT), "the other one keeps the VM");
    let stream = rig.begin_at(2, GRPC);
    rig.done(stream);
    assert!(!rig.host.metrics.contains_key("Dropped"));
    assert!(rig.done(2), "nothing comes any more");
    assert_eq!(rig.host.metrics["Dropped"], 4);
    assert_eq!(rig.host.metrics["Records"], 4);
}

#[test]
fn a_new_configuration_gets_the_place_of_the_root_that_has_been_ending_for_longest() {
    let mut rig = beside_another(MANY_SLOTS);
    for context in 1..=20 {
        if context > 1 {
            let text = format!(r#"{{"position":"inbound","collector_cluster":"c{context}"}}"#);
            rig.root(context + OTHER, &text);
            assert!(!rig.done(if context == 2 {
                ROOT
            } else {
                context + OTHER - 1
            }));
        }
        let root = if context == 1 { ROOT } else { context + OTHER };
        let stream = rig.begin_at(root, GRPC);
        rig.done(stream);
        assert_eq!(rig.engine.counters(root).unwrap().recorded(), 1);
    }
    assert!(rig.host.warnings.is_empty());
    assert_eq!(rig.host.done[..2], [ROOT, OTHER + 2]);
    assert_eq!(rig.host.metrics["Dropped"] as usize, rig.host.done.len());
    for _ in 0..3 {
        rig.tick_all_after(1000);
        rig.answer_all(200);
    }
    assert_eq!(
        rig.records().len() + rig.host.metrics["Dropped"] as usize,
        20
    );
}

#[test]
fn a_root_that_was_refused_keeps_the_vm_too() {
    for refused in [vec![2], (2..=9).collect()] {
        let mut rig = Rig::new(INBOUND);
        call(&mut rig, 10);
        for context in &refused {
            rig.root(*context, "{}");
        }
        for context in refused.iter().rev().skip(1) {
            assert!(rig.done(*context));
        }
        assert!(!rig.done(ROOT), "{refused:?}");
        rig.tick();
        rig.answer_all(200);
        assert_eq!(rig.host.done, [ROOT]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_configured_and_ended_each_record_is_delivered_or_counted(
        steps in proptest::collection::vec((0_u8..4, 0_usize..3, 0_usize..30), 0..80)
    ) {
        let texts = [INBOUND, UPSTREAM, r#"{"position":"inbound","collector_cluster":"other"}"#];
        let mut rig = beside_another(SMALL_SLOTS);
        let (mut root, mut made, mut delivered) = (ROOT, 0, BTreeMap::new());
        for (step, which, number) in steps {
            match step {
                0 => {
                    // As an update does it: the new one first.
                    let before = root;
                    root = before.max(OTHER) + 1;
                    rig.root(root, texts[which]);
                    rig.done(before);
                }
                1 if rig.engine.counters(root).is_some() => for _ in 0..number {
                    let stream = rig.begin_at(root, GRPC);
                    rig.request(stream, &message(&[1; 900]), true);
                    rig.done(stream);
                    made += 1;
                },
                1 => {}
                2 => rig.tick_all_after(number as u64 * 200),
                _ => {
                    let token = rig.host.posts.len().saturating_sub(number) as u32;
                    let post = rig.host.posts.iter().find(|post| post.token == token);
                    if let Some(post) = post.filter(|post| which == 0 && !rig.host.is_gone(post.root)) {
                        let id = (post.batch.producer_id.clone(), post.batch.batch_sequence);
                        delivered.insert(id, post.batch.records.len() as i64);
                    }
                    rig.answer(token, [200, 503, 0][which]);
                }
            }
        }
        rig.done(root);
        rig.done(OTHER);
        let dropped = rig.host.metrics.get("Dropped").copied().unwrap_or(0);
        let delivered: i64 = delivered.values().sum();
        // One of which nobody told whether it was delivered is counted as dropped.
        prop_assert!(delivered + dropped >= made, "{delivered} + {dropped} of {made}");
        prop_assert!(rig.host.destroyed.is_empty());
    }
}
