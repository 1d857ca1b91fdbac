//! Calls that share one id: what they cost grows as they do.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::tests::in_passes;
use super::*;
use crate::call::{CallId, Role};
use crate::pair::Reason;

/// What a pass of the tests holds: about a hundred calls.
const PASS_BYTES: u64 = 100_000;

/// Both sides of `count` requests, all with the same trace id and nothing else.
fn of_one_trace(count: u64) -> Vec<Call> {
    let both = |number| [Role::Primary, Role::Candidate].map(|role| side(number, role));
    (0..count).flat_map(both).collect()
}

fn side(number: u64, role: Role) -> Call {
    let mut call = Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: number + 1,
        },
        role,
        rpc_method: "shop.v1.Shop/Get".to_owned(),
        started_unix_ns: 1_800_000_000_000_000_000 + number * 1_000,
        trace_id: Some([7; 16]),
        sampled_ppm: 1_000_000,
        ..Call::default()
    };
    call.request.body_digest = Some(number);
    call
}

/// The same with equal requests.
fn of_equal_requests(count: u64) -> Vec<Call> {
    let mut calls = of_one_trace(count);
    calls
        .iter_mut()
        .for_each(|call| call.request.body_digest = None);
    calls
}

/// The same, each request with an id of its own.
fn with_request_ids(count: u64) -> Vec<Call> {
    let mut calls = of_one_trace(count);
    for call in &mut calls {
        call.request_id = Bytes::from(format!("request-{}", call.id.record_number));
    }
    calls
}

/// What became of calls, and how many were decoded for it.
#[derive(Debug, Default)]
struct Outcome {
    pairs: usize,
    unpaired: Vec<Reason>,
    decoded: usize,
    told: u64,
}

fn outcome(calls: &[Call], pass_bytes: u64) -> Outcome {
    let decoded = AtomicUsize::new(0);
    let is_wanted = |_: &Call| {
        decoded.fetch_add(1, Ordering::Relaxed);
        true
    };
    let mut outcome = Outcome::default();
    let mut told = 0;
    let take = |pairing: &Pairing| {
        outcome.pairs += pairing.pairs.len();
        let reasons = pairing.unpaired.iter().map(|unpaired| unpaired.reason);
        outcome.unpaired.extend(reasons);
        Ok(())
    };
    let memory = pass_bytes.saturating_mul(SHARES);
    in_passes(calls, memory, is_wanted, |rows| told += rows, take).unwrap();
    Outcome {
        decoded: decoded.into_inner(),
        told,
        ..outcome
    }
}

#[test]
fn each_is_decoded_to_be_weighed_and_to_be_paired() {
    for of in [of_one_trace, with_request_ids] {
        for requests in [200, 400, 800] {
            let calls = of(requests);
            let outcome = outcome(&calls, PASS_BYTES);
            assert_eq!(outcome.pairs, calls.len() / 2);
            assert!(outcome.decoded <= 2 * calls.len(), "{outcome:?}");
            assert_eq!(outcome.told, calls.len() as u64);
        }
    }
}

#[test]
fn what_nothing_parts_is_decoded_once_more_at_most() {
    for requests in [200, 400, 800] {
        let mut calls = of_equal_requests(requests);
        // With as many on both sides, and with one less.
        for _ in 0..2 {
            let outcome = outcome(&calls, PASS_BYTES);
            assert_eq!(outcome.unpaired, vec![Reason::TooMany; calls.len()]);
            assert!(outcome.decoded <= 4 * calls.len(), "{}", outcome.decoded);
            calls.pop();
        }
    }
}

#[test]
fn what_memory_holds_is_decoded_once() {
    let mut calls = of_equal_requests(400);
    let held = outcome(&calls, u64::MAX / 2);
    assert_eq!((held.pairs, held.decoded), (400, calls.len()));
    calls.pop();
    let held = outcome(&calls, u64::MAX / 2);
    assert_eq!(held.unpaired, vec![Reason::Ambiguous; calls.len()]);
    assert_eq!(held.decoded, calls.len());
}
