//! What becomes of batches: retried, refused, held back, given up, and never miscounted.
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

use support::{GRPC, INBOUND, RESPONSE, ROOT, Rig, Sizes, message};
use twintap_filter::host::Map;

const SMALL_SLOTS: Sizes = Sizes {
    slots: 3,
    slot_bytes: 16 * 1024,
    ..support::PLENTY
};

const EIGHT_SMALL_SLOTS: Sizes = Sizes {
    slots: 8,
    ..SMALL_SLOTS
};

fn call(rig: &mut Rig, bytes: usize) {
    rig.unary(&message(&vec![1; bytes]), &message(b"ok"));
}

#[test]
fn nothing_is_sent_while_there_is_nothing_to_tell() {
    let mut rig = Rig::new(INBOUND);
    for _ in 0..100 {
        rig.tick_after(1000);
    }
    assert!(rig.host.posts.is_empty());
}

#[test]
fn a_failed_batch_is_sent_again_byte_by_byte() {
    for status in [0, 401, 403, 408, 429, 500, 503, 504] {
        let mut rig = Rig::new(INBOUND);
        call(&mut rig, 10);
        rig.tick();
        rig.answer(1, status);
        rig.tick_after(10);
        assert_eq!(rig.host.posts.len(), 1, "{status}: too early");
        rig.tick_after(3000);
        assert_eq!(rig.host.posts.len(), 2, "{status}");
        assert_eq!(rig.host.posts[0].bytes, rig.host.posts[1].bytes);
        rig.answer(2, 200);
        assert_eq!(rig.counters().batches_retried, 1);
    }
}

#[test]
fn an_answer_that_does_not_say_so_is_no_acknowledgement() {
    let of_grpc: &[(&[u8], &[u8])] = &[
        (b":status", b"200"),
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"12"),
    ];
    let of_a_page: &[(&[u8], &[u8])] = &[(b":status", b"200"), (b"content-type", b"text/html")];
    for answer in [of_grpc, of_a_page, &[(b":status", b"204")]] {
        let mut rig = Rig::new(INBOUND);
        call(&mut rig, 10);
        rig.tick();
        rig.host.set_map(Map::CallResponse, answer);
        let headers = answer.len() as u32;
        rig.engine
            .on_http_call_response(&mut rig.host, ROOT, 1, headers);
        let counters = rig.counters();
        assert_eq!((counters.batches_sent, counters.batches_failed), (0, 1));
        assert_eq!(counters.acknowledged, 0);
        rig.tick_after(3000);
        assert_eq!(rig.host.posts.len(), 2, "it is sent again");
        rig.answer(2, 200);
        assert_eq!(rig.counters().acknowledged, 1);
    }
}

#[test]
fn a_batch_tells_how_many_records_were_acknowledged_when_it_was_sealed() {
    let mut rig = Rig::new(INBOUND);
    for status in [200, 413, 200, 200] {
        call(&mut rig, 10);
        call(&mut rig, 10);
        rig.tick();
        rig.answer(rig.host.posts.len() as u32, status);
    }
    let told = |post: &support::Posted| post.batch.counters.clone().unwrap().acknowledged;
    assert_eq!(
        rig.host.posts.iter().map(told).collect::<Vec<_>>(),
        [0, 2, 2, 4]
    );
    assert_eq!(rig.counters().acknowledged, 6);
}

#[test]
fn a_refused_batch_is_given_up_and_counted() {
    for status in [400, 404, 413, 415, 422] {
        let mut rig = Rig::new(INBOUND);
        call(&mut rig, 10);
        rig.tick();
        rig.answer(1, status);
        assert_eq!(rig.counters().refused, 1);
        call(&mut rig, 10);
        rig.tick();
        assert_eq!(rig.host.posts.len(), 2);
        assert_eq!(rig.host.posts[1].batch.first_record_number, 2);
    }
}

#[test]
fn with_every_slot_full_the_newest_records_are_dropped_and_counted() {
    let mut rig = Rig::with_sizes(INBOUND, SMALL_SLOTS);
    rig.host.refuse_named = Some("post");
    for _ in 0..60 {
        call(&mut rig, 2000);
        rig.tick();
    }
    let counters = rig.counters();
    assert!(counters.dropped() > 0 && counters.recorded() > 10);
    assert_eq!(counters.recorded() + counters.dropped(), 60);
    // The collector comes back: what was numbered arrives whole, in order, without gaps.
    rig.host.refuse_named = None;
    for _ in 0..5 {
        rig.tick_after(3000);
        rig.answer_all(200);
    }
    let numbers: Vec<u64> = rig.records().iter().map(|record| record.number).collect();
    assert_eq!(numbers, (1..=counters.recorded()).collect::<Vec<_>>());
}

#[test]
fn recording_resumes_within_five_seconds_after_the_collector_heals() {
    let mut rig = Rig::new(INBOUND);
    for _ in 0..600 {
        call(&mut rig, 10);
        rig.tick();
        rig.answer_all(503);
    }
    let before = rig.host.posts.len();
    let healed_ns = rig.host.now_ns;
    while rig.host.posts.len() == before {
        rig.tick();
        assert!(rig.host.now_ns - healed_ns < 5_000_000_000);
    }
}

#[test]
fn at_most_four_batches_are_under_way() {
    let mut rig = Rig::with_sizes(INBOUND, EIGHT_SMALL_SLOTS);
    for _ in 0..40 {
        call(&mut rig, 2000);
        rig.tick();
    }
    assert_eq!(rig.host.posts.len(), 4);
    rig.answer(1, 200);
    assert_eq!(rig.host.posts.len(), 5);
}

#[test]
fn batches_of_two_roots_under_way_leave_room_for_what_comes_next() {
    let mut rig = Rig::with_sizes(INBOUND, EIGHT_SMALL_SLOTS);
    rig.root(2, INBOUND);
    // The collector is silent; what comes of one root fits half a slot.
    for _ in 0..8 {
        for root in [ROOT, 2] {
            let context = rig.begin_at(root, GRPC);
            rig.request(context, &message(&[1; 2000]), true);
            rig.block(context, Map::ResponseHeaders, RESPONSE, true);
            rig.done(context);
        }
        rig.tick();
        rig.engine.on_tick(&mut rig.host, 2);
    }
    let dropped = |rig: &Rig, root| rig.engine.counters(root).unwrap().dropped();
    assert_eq!((dropped(&rig, ROOT), dropped(&rig, 2)), (0, 0));
    for root in [ROOT, 2] {
        let under_way = rig.host.posts.iter().filter(|post| post.root == root);
        assert_eq!(under_way.count(), 2);
    }
    rig.answer_all(200);
    rig.tick();
    assert_eq!(rig.host.posts.len(), 5);
}

#[test]
fn a_root_is_not_kept_waiting_by_the_batches_of_another() {
    let mut rig = Rig::new(INBOUND);
    rig.root(2, INBOUND);
    for _ in 0..10 {
        call(&mut rig, 10);
        rig.tick();
    }
    assert_eq!(rig.host.posts.len(), 4);
    let context = rig.begin_at(2, GRPC);
    rig.done(context);
    rig.engine.on_tick(&mut rig.host, 2);
    assert_eq!(rig.host.posts.len(), 5);
}

#[test]
fn a_record_larger_than_a_batch_is_dropped_and_counted() {
    let mut rig = Rig::with_sizes(INBOUND, SMALL_SLOTS);
    call(&mut rig, 20_000);
    assert_eq!(rig.counters().dropped(), 1);
    call(&mut rig, 10);
    rig.tick();
    assert_eq!(rig.records().len(), 1);
}

#[test]
fn a_nearly_full_batch_leaves_with_the_next_stream_without_waiting_for_the_tick() {
    let mut rig = Rig::with_sizes(
        INBOUND,
        Sizes {
            slot_bytes: 1 << 20,
            ..support::PLENTY
        },
    );
    for _ in 0..14 {
        call(&mut rig, 60_000);
    }
    // None leaves with the end of a stream: `FakeHost::is_ending`.
    assert_eq!(rig.host.posts.len(), 0);
    rig.begin(GRPC);
    assert_eq!(rig.host.posts.len(), 1);
    assert_eq!(rig.records().len(), 14);
}

#[test]
fn changed_counters_are_told_once_a_second_and_silence_is_broken_after_ten() {
    let mut rig = Rig::new(INBOUND);
    let open = rig.begin(GRPC);
    rig.tick_after(1100);
    assert_eq!(rig.host.posts.len(), 1);
    let heartbeat = rig.host.posts[0].batch.clone();
    assert!(heartbeat.records.is_empty());
    assert_eq!(heartbeat.counters.unwrap().in_flight, 1);
    rig.answer(1, 200);
    for _ in 0..9 {
        rig.tick_after(1000);
    }
    assert_eq!(rig.host.posts.len(), 1);
    rig.tick_after(1500);
    assert_eq!(rig.host.posts.len(), 2);
    rig.done(open);
}

#[test]
fn what_a_heartbeat_could_not_tell_is_told_soon() {
    let mut rig = Rig::new(INBOUND);
    let open = rig.begin(GRPC);
    rig.tick_after(1100);
    assert_eq!(rig.host.posts.len(), 1);
    rig.answer(1, 503);
    rig.tick_after(1100);
    assert_eq!(rig.host.posts.len(), 2);
    rig.done(open);
}

#[test]
fn metrics_follow_the_counters() {
    let mut rig = Rig::new(INBOUND);
    for _ in 0..3 {
        call(&mut rig, 10);
    }
    rig.tick();
    rig.answer(1, 200);
    rig.tick();
    assert_eq!(
        (rig.host.metrics["Records"], rig.host.metrics["BatchesSent"]),
        (3, 1)
    );
    assert!(rig.host.metrics["Heartbeat"] >= 1_700_000_000);
}
