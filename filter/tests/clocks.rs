//! The host's clock is the wall's, and somebody may set it: that costs a time, never a record.
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

use support::{GRPC, INBOUND, RESPONSE, Rig, TRAILERS, message};
use twintap_filter::host::Map;
use twintap_record::End;

const DAY_S: i64 = 86_400;
/// Promised: from recovery to the next POST.
const RESUMES_WITHIN_MS: u64 = 5000;
const TICK_MS: u64 = 50;

/// Ticks until something is posted; panics where that takes too long.
fn resumes(rig: &mut Rig, what: &str) {
    let before = rig.host.posts.len();
    for _ in 0..RESUMES_WITHIN_MS / TICK_MS {
        rig.tick_after(TICK_MS);
        if rig.host.posts.len() > before {
            return;
        }
    }
    panic!("{what}: nothing is sent for {RESUMES_WITHIN_MS} ms");
}

#[test]
fn a_clock_that_is_set_while_the_collector_is_away_does_not_lengthen_the_wait() {
    for seconds in [-DAY_S, -3600, -1, 1, 3600, DAY_S] {
        let mut rig = Rig::new(INBOUND);
        for _ in 0..100 {
            rig.unary(&message(b"a"), &message(b"b"));
            rig.tick();
            rig.answer_all(503);
        }
        rig.set_clock(seconds);
        resumes(&mut rig, &format!("set by {seconds} s"));
        rig.answer_all(200);
        for _ in 0..10 {
            rig.tick();
            rig.answer_all(200);
        }
        let numbers: Vec<u64> = rig.records().iter().map(|record| record.number).collect();
        assert_eq!(numbers, (1..=100).collect::<Vec<_>>(), "{seconds}");
    }
}

#[test]
fn counters_are_told_in_time_though_the_clock_was_set_back() {
    let mut rig = Rig::new(INBOUND);
    let open = rig.begin(GRPC);
    rig.tick_after(1100);
    rig.answer_all(200);
    rig.set_clock(-DAY_S);
    rig.done(open);
    rig.tick();
    rig.answer_all(200);
    rig.begin(GRPC);
    rig.set_clock(-DAY_S);
    resumes(&mut rig, "counters");
    let counters = rig.host.posts.last().unwrap().batch.counters.clone();
    assert_eq!(counters.unwrap().in_flight, 1);
}

#[test]
fn a_call_during_which_the_clock_is_set_is_recorded_whole() {
    for seconds in [-DAY_S, DAY_S] {
        // Before each callback in turn.
        for moment in 0..5 {
            let mut rig = Rig::new(INBOUND);
            let set = |rig: &mut Rig, now: usize| {
                if now == moment {
                    rig.set_clock(seconds);
                }
            };
            let context = rig.begin(GRPC);
            set(&mut rig, 0);
            rig.request(context, &message(b"question"), true);
            set(&mut rig, 1);
            rig.block(context, Map::ResponseHeaders, RESPONSE, false);
            set(&mut rig, 2);
            rig.response(context, &message(b"answer"), false);
            set(&mut rig, 3);
            rig.block(context, Map::ResponseTrailers, TRAILERS, true);
            set(&mut rig, 4);
            rig.done(context);
            let record = rig.record();
            let what = format!("{seconds} s before callback {moment}");
            assert_eq!(record.end(), End::Complete, "{what}");
            let captured = |body: Option<twintap_record::Body>| body.unwrap().captured;
            assert_eq!(
                captured(record.request_body),
                message(b"question"),
                "{what}"
            );
            assert_eq!(captured(record.response_body), message(b"answer"), "{what}");
            assert!(record.response_trailers.is_some(), "{what}");
        }
    }
}
