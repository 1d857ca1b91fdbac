//! Pairing against a model: whatever is lost, repeated or reordered, a pair that is not marked
//! ambiguous is right, and every call is accounted for.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::call::{CallId, Direction, End, Header, Position, Workload};

/// One record of request number `request`, as the tests make it.
fn record(request: u64, role: Role, number: u64) -> Call {
    Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: number,
        },
        role,
        position: Position::Upstream,
        rpc_method: "shop.v1.Shop/Get".to_owned(),
        started_unix_ns: 1_000_000 * request + u64::from(role == Role::Candidate),
        pair_id: Bytes::from(format!("p{request}")),
        attempt: Some(1),
        request: Direction {
            body_digest: Some(request),
            end_stream: true,
            ..Direction::default()
        },
        // Which request it truly belongs to, hidden where pairing does not look.
        response_flags: request,
        end: End::Complete,
        ..Call::default()
    }
}

fn accounted(pairing: &Pairing) -> u64 {
    let counts = pairing.counts;
    2 * pairing.pairs.len() as u64
        + pairing.unpaired.len() as u64
        + counts.duplicate_views
        + counts.duplicate_records
        + counts.earlier_attempts
}

fn pair_all(calls: Vec<Call>) -> Pairing {
    let settings = Settings {
        by_digest: true,
        ..Settings::default()
    };
    pair_calls(calls, &settings)
}

#[test]
fn the_last_attempt_is_compared() {
    let attempt = |number: u32| Call {
        attempt: Some(number),
        started_unix_ns: 1_000_000 + u64::from(number),
        ..record(1, Role::Primary, u64::from(number))
    };
    let calls = vec![
        attempt(2),
        record(1, Role::Candidate, 1),
        attempt(3),
        attempt(1),
    ];
    let pairing = pair_all(calls);
    assert_eq!(pairing.pairs.len(), 1);
    assert_eq!(pairing.pairs[0].primary.attempt, Some(3));
    assert_eq!(pairing.pairs[0].attempts_count, 3);
    assert_eq!(pairing.counts.earlier_attempts, 2);
}

#[test]
fn of_hedged_attempts_the_one_that_was_not_aborted_counts() {
    let attempt = |number: u32, started_unix_ns, end| {
        let mut call = Call {
            attempt: Some(number),
            started_unix_ns,
            end,
            ..record(1, Role::Primary, number.into())
        };
        call.timing.duration_ns = Some(100);
        call
    };
    // Where the second begins after the first has ended, it was a retry: its answer is what the caller waited for.
    for (second_unix_ns, counts) in [(1_050, 1), (1_100, 1), (1_101, 2)] {
        let calls = vec![
            attempt(1, 1_000, End::Complete),
            attempt(2, second_unix_ns, End::Aborted),
            record(1, Role::Candidate, 1),
        ];
        let pairing = pair_all(calls);
        assert_eq!(pairing.pairs[0].primary.attempt, Some(counts));
        assert_eq!(pairing.pairs[0].attempts_count, 2);
    }
}

#[test]
fn unnumbered_records_of_one_pair_id_are_attempts() {
    let at_server = |number: u64, role: Role| Call {
        position: Position::Inbound,
        attempt: None,
        started_unix_ns: number,
        ..record(1, role, number)
    };
    let calls = vec![
        at_server(1, Role::Primary),
        at_server(2, Role::Primary),
        at_server(1, Role::Candidate),
    ];
    let pairing = pair_all(calls);
    assert_eq!(
        (pairing.pairs.len(), pairing.pairs[0].attempts_count),
        (1, 2)
    );
    assert_eq!(pairing.pairs[0].primary.id.record_number, 2);
}

#[test]
fn the_attempt_count_header_numbers_attempts_too() {
    let attempt = |number: &'static str, record_number: u64| Call {
        attempt: None,
        pair_id: Bytes::new(),
        request_id: Bytes::from_static(b"r"),
        request_metadata: vec![Header {
            name: Bytes::from_static(b"x-envoy-attempt-count"),
            value: Bytes::from_static(number.as_bytes()),
            redacted: false,
        }],
        ..record(1, Role::Primary, record_number)
    };
    let mirror = Call {
        role: Role::Candidate,
        ..attempt("1", 1)
    };
    let mirror = Call {
        id: CallId {
            producer_id: [9; 16],
            ..mirror.id
        },
        ..mirror
    };
    let pairing = pair_all(vec![attempt("1", 1), attempt("2", 2), mirror]);
    assert_eq!(
        (pairing.pairs.len(), pairing.counts.earlier_attempts),
        (1, 1)
    );
    assert_eq!(pairing.pairs[0].found_by, FoundBy::RequestId);
}

#[test]
fn a_call_seen_at_two_places_is_one_call() {
    let inbound = |role: Role| Call {
        position: Position::Inbound,
        attempt: None,
        id: CallId {
            producer_id: [50 + role as u8; 16],
            record_number: 1,
        },
        ..record(1, role, 1)
    };
    let (p, c) = (record(1, Role::Primary, 1), record(1, Role::Candidate, 1));
    let all = vec![
        p.clone(),
        inbound(Role::Primary),
        c.clone(),
        inbound(Role::Candidate),
    ];
    let pairing = pair_all(all);
    assert_eq!(
        (pairing.pairs.len(), pairing.counts.duplicate_views),
        (1, 2)
    );
    assert_eq!(pairing.pairs[0].primary.position, Position::Upstream);
    // The candidate's sidecar alone saw the candidate: the place that saw both is chosen.
    let pairing = pair_all(vec![
        p.clone(),
        inbound(Role::Primary),
        inbound(Role::Candidate),
    ]);
    assert_eq!(pairing.pairs[0].primary.position, Position::Inbound);
    // No place saw both.
    let pairing = pair_all(vec![p, inbound(Role::Candidate)]);
    assert_eq!(pairing.pairs.len(), 1);
}

#[test]
fn calls_of_two_gateways_that_share_a_request_id_are_ambiguous() {
    let at = |gateway: &str, role: Role, number: u64| Call {
        pair_id: Bytes::new(),
        request_id: Bytes::from_static(b"r"),
        workload: Workload {
            node_id: gateway.to_owned(),
            ..Workload::default()
        }
        .into(),
        ..record(1, role, number)
    };
    let calls: Vec<Call> = [("a", 1), ("b", 2)]
        .into_iter()
        .flat_map(|(gateway, number)| {
            [Role::Primary, Role::Candidate].map(|role| at(gateway, role, number))
        })
        .collect();
    let pairing = pair_all(calls);
    assert_eq!((pairing.pairs.len(), accounted(&pairing)), (0, 4));
    let is_ambiguous = |unpaired: &Unpaired| unpaired.reason == Reason::Ambiguous;
    assert!(pairing.unpaired.len() == 4 && pairing.unpaired.iter().all(is_ambiguous));
}

#[test]
fn calls_that_cannot_be_looked_up_say_why() {
    let unknown = Call {
        role: Role::Unknown,
        ..record(1, Role::Primary, 1)
    };
    let second = Call {
        role: Role::Secondary,
        ..record(2, Role::Primary, 2)
    };
    let no_id = Call {
        pair_id: Bytes::new(),
        ..record(3, Role::Primary, 3)
    };
    let pairing = pair_calls(vec![unknown, second, no_id], &Settings::default());
    let reasons: Vec<_> = pairing
        .unpaired
        .iter()
        .map(|unpaired| unpaired.reason.name())
        .collect();
    assert_eq!(reasons, ["role_unknown", "secondary", "no_id"]);
}

#[test]
fn calls_without_id_pair_by_request_if_asked() {
    let bare = |role, number| Call {
        pair_id: Bytes::new(),
        ..record(7, role, number)
    };
    let pairing = pair_all(vec![bare(Role::Primary, 1), bare(Role::Candidate, 1)]);
    assert_eq!(pairing.pairs[0].found_by, FoundBy::Digest);
}

#[test]
fn equal_calls_of_one_trace_are_ambiguous_and_never_shifted() {
    let call = |role, number: u64| Call {
        pair_id: Bytes::new(),
        trace_id: Some([7; 16]),
        started_unix_ns: number * 1_000,
        ..record(1, role, number)
    };
    let both: Vec<Call> = (1..4)
        .flat_map(|n| [call(Role::Primary, n), call(Role::Candidate, n)])
        .collect();
    let pairing = pair_all(both.clone());
    assert!(pairing.pairs.len() == 3 && pairing.pairs.iter().all(|pair| pair.is_ambiguous));
    let lossy = both.into_iter().skip(1).collect();
    let pairing = pair_all(lossy);
    assert!(pairing.pairs.is_empty());
    assert!(
        pairing
            .unpaired
            .iter()
            .all(|unpaired| unpaired.reason == Reason::Ambiguous)
    );
}

#[test]
fn a_constant_request_id_does_not_pair_calls_of_different_days() {
    let call = |role, started: u64| Call {
        pair_id: Bytes::new(),
        request_id: Bytes::from_static(b"constant"),
        started_unix_ns: started,
        ..record(1, role, 1)
    };
    let day = 86_400_000_000_000;
    let pairing = pair_all(vec![
        call(Role::Primary, day),
        call(Role::Candidate, 2 * day),
    ]);
    let reasons: Vec<_> = pairing
        .unpaired
        .iter()
        .map(|unpaired| unpaired.reason.name())
        .collect();
    assert_eq!(reasons, ["candidate_missing", "primary_missing"]);
}

/// What happens to one request in the model.
#[derive(Clone, Debug)]
struct Fate {
    attempts: u32,
    primary_lost: bool,
    candidate_lost: bool,
    repeated: bool,
    /// The id it uses: several requests share one where ids are reused.
    id: u64,
    by: u8,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = (1u32..4, 0u8..10, 0u8..10, any::<bool>(), 0u64..12, 0u8..3).prop_map(
        |(attempts, primary, candidate, repeated, id, by)| Fate {
            attempts,
            primary_lost: primary == 0,
            candidate_lost: candidate == 0,
            repeated,
            id,
            by,
        },
    );
    prop::collection::vec(fate, 1..40)
}

fn calls_of(fates: &[Fate], reuse: bool) -> Vec<Call> {
    let mut calls = Vec::new();
    for (index, fate) in fates.iter().enumerate() {
        let request = index as u64;
        let id = if reuse { fate.id } else { request };
        let identify = |call: Call| {
            let name = Bytes::from(format!("id-{id}"));
            match fate.by {
                0 => Call {
                    pair_id: name,
                    ..call
                },
                1 => Call {
                    pair_id: Bytes::new(),
                    request_id: name,
                    ..call
                },
                _ => Call {
                    pair_id: Bytes::new(),
                    trace_id: Some([u8::try_from(id).unwrap() + 1; 16]),
                    ..call
                },
            }
        };
        let attempts = if reuse { 1 } else { fate.attempts };
        if !fate.primary_lost {
            for attempt in 1..=attempts {
                let number = request * 10 + u64::from(attempt);
                let call = record(request, Role::Primary, number);
                calls.push(identify(Call {
                    attempt: Some(attempt),
                    ..call
                }));
            }
        }
        if !fate.candidate_lost {
            calls.push(identify(record(request, Role::Candidate, request * 10)));
        }
        if fate.repeated
            && let Some(last) = calls.last().cloned()
        {
            calls.push(last);
        }
    }
    calls
}

proptest! {
    #[test]
    fn with_unique_ids_every_pair_is_found_and_right(fates in fates(), seed in any::<u64>()) {
        let mut calls = calls_of(&fates, false);
        let total = calls.len() as u64;
        shuffle(&mut calls, seed);
        let pairing = pair_all(calls);
        prop_assert_eq!(accounted(&pairing), total);
        let whole = fates.iter().filter(|fate| !fate.primary_lost && !fate.candidate_lost).count();
        prop_assert_eq!(pairing.pairs.len(), whole);
        for pair in &pairing.pairs {
            prop_assert_eq!(pair.primary.response_flags, pair.candidate.response_flags);
            prop_assert!(!pair.is_ambiguous);
        }
    }

    #[test]
    fn with_reused_ids_no_unmarked_pair_is_wrong(fates in fates(), seed in any::<u64>()) {
        let mut calls = calls_of(&fates, true);
        let total = calls.len() as u64;
        shuffle(&mut calls, seed);
        let pairing = pair_all(calls);
        prop_assert_eq!(accounted(&pairing), total);
        for pair in pairing.pairs.iter().filter(|pair| !pair.is_ambiguous) {
            prop_assert_eq!(pair.primary.response_flags, pair.candidate.response_flags);
        }
    }

    #[test]
    fn the_order_of_input_does_not_matter(fates in fates(), reuse in any::<bool>(), seed in any::<u64>()) {
        let calls = calls_of(&fates, reuse);
        let mut shuffled = calls.clone();
        shuffle(&mut shuffled, seed);
        prop_assert_eq!(pair_all(calls), pair_all(shuffled));
    }
}

/// A deterministic shuffle.
fn shuffle(calls: &mut [Call], mut seed: u64) {
    for index in (1..calls.len()).rev() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(seed >> 33).unwrap() % (index + 1);
        calls.swap(index, other);
    }
}

#[test]
fn requests_of_which_nothing_is_known_are_no_pair_by_digest_and_ambiguous_by_other_ids() {
    let unknown = |role, number| {
        let mut call = record(1, role, number);
        call.pair_id = Bytes::new();
        call.request.body_digest = None;
        call.request.body_bytes = 7;
        call
    };
    let pairing = pair_all(vec![unknown(Role::Primary, 1), unknown(Role::Candidate, 2)]);
    assert!(pairing.pairs.is_empty());
    assert!(pairing.unpaired.iter().all(|it| it.reason == Reason::NoId));
    let traced = |role, number| Call {
        trace_id: Some([7; 16]),
        ..unknown(role, number)
    };
    let pairing = pair_all(vec![traced(Role::Primary, 1), traced(Role::Candidate, 2)]);
    assert_eq!(pairing.pairs.len(), 1);
    assert!(pairing.pairs[0].is_ambiguous);
    // A stream of no messages is known.
    let empty = |role, number| {
        let mut call = traced(role, number);
        call.request.body_bytes = 0;
        call
    };
    let pairing = pair_all(vec![empty(Role::Primary, 1), empty(Role::Candidate, 2)]);
    assert!(!pairing.pairs[0].is_ambiguous);
}
