//! Calls that share an id, recorded at several places, tried several times, or neither.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::call::{CallId, End, Position, Status, Workload};

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3_600 * SECOND;

/// Ids that requests may share.
#[derive(Clone, Copy, Debug, PartialEq)]
enum By {
    Pair,
    Request,
    Trace,
    Nothing,
}

/// A record of `host`, which sits at `position`, of a request with `body`.
fn at(host: &str, position: Position, role: Role, started_unix_ns: u64, body: u64) -> Call {
    let mut call = Call {
        role,
        position,
        started_unix_ns,
        rpc_method: "shop.v1.Shop/Get".to_owned(),
        workload: Workload {
            node_id: host.to_owned(),
            ..Workload::default()
        }
        .into(),
        status: Some(Status::OK),
        end: End::Complete,
        ..Call::default()
    };
    call.request.body_bytes = 5;
    call.request.body_digest = Some(body);
    call.request.end_stream = true;
    call.timing.duration_ns = Some(1_000);
    call
}

fn at_gateway(role: Role, started_unix_ns: u64, body: u64) -> Call {
    at("gateway", Position::Upstream, role, started_unix_ns, body)
}

fn at_server(role: Role, started_unix_ns: u64, body: u64) -> Call {
    let host = role.as_str();
    at(host, Position::Inbound, role, started_unix_ns, body)
}

/// Both sides as `place` records them.
fn both(place: fn(Role, u64, u64) -> Call, started_unix_ns: u64, body: u64) -> [Call; 2] {
    [
        place(Role::Primary, started_unix_ns, body),
        place(Role::Candidate, started_unix_ns + 1_000, body),
    ]
}

/// Pairs calls that have the same id, in two orders, and checks that each is accounted for.
fn pair_by(by: By, calls: impl IntoIterator<Item = Call>) -> Pairing {
    pair_with(by, calls, &Settings::default())
}

fn pair_with(by: By, calls: impl IntoIterator<Item = Call>, settings: &Settings) -> Pairing {
    let identify = |(number, mut call): (usize, Call)| {
        let number = number as u64;
        // A recorder has one place and one role.
        let producer = [call.workload.host(), call.role.as_str()].concat();
        let mut producer_id = [0; 16];
        for (to, from) in producer_id.iter_mut().zip(producer.bytes()) {
            *to = from;
        }
        call.id = CallId {
            producer_id,
            record_number: number,
        };
        match by {
            By::Pair => call.pair_id = Bytes::from_static(b"id"),
            By::Request => call.request_id = Bytes::from_static(b"id"),
            By::Trace => call.trace_id = Some([1; 16]),
            By::Nothing => {}
        }
        call
    };
    let calls: Vec<Call> = calls.into_iter().enumerate().map(identify).collect();
    let count = calls.len() as u64;
    let settings = Settings {
        by_digest: true,
        ..settings.clone()
    };
    let pairing = pair_calls(calls.clone(), &settings);
    let reversed = pair_calls(calls.into_iter().rev(), &settings);
    assert_eq!(pairing, reversed);
    let counts = pairing.counts;
    let found = 2 * pairing.pairs.len() as u64 + pairing.unpaired.len() as u64;
    assert_eq!(
        found + counts.duplicate_views + counts.earlier_attempts,
        count
    );
    pairing
}

fn ambiguous(pairing: &Pairing) -> usize {
    let pairs = pairing.pairs.iter();
    pairs.filter(|pair| pair.is_ambiguous).count()
}

fn reasons(pairing: &Pairing) -> Vec<Reason> {
    let reasons = pairing.unpaired.iter().map(|unpaired| unpaired.reason);
    let mut reasons: Vec<_> = reasons.collect();
    reasons.sort_unstable();
    reasons
}

#[test]
fn calls_that_only_one_place_recorded_are_no_duplicates_of_what_another_did() {
    for by in [By::Request, By::Trace, By::Nothing] {
        // An hour later, from callers without a recorder.
        let later = (0..5).flat_map(|n| both(at_server, HOUR + n * SECOND, 1));
        let pairing = pair_by(by, both(at_gateway, SECOND, 1).into_iter().chain(later));
        assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (6, 6), "{by:?}");
        assert_eq!(pairing.counts.duplicate_views, 0);
        // At the same time: one of them is the same call.
        let meanwhile = (0..5).flat_map(|n| both(at_server, n * SECOND, 1));
        let pairing = pair_by(by, both(at_gateway, SECOND, 1).into_iter().chain(meanwhile));
        assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (5, 5), "{by:?}");
        assert_eq!(pairing.counts.duplicate_views, 2);
    }
    let later = (0..5).flat_map(|n| both(at_server, HOUR + n * SECOND, 1));
    let pairing = pair_by(
        By::Pair,
        both(at_gateway, SECOND, 1).into_iter().chain(later),
    );
    assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (5, 5));
}

#[test]
fn a_call_of_another_caller_is_no_duplicate() {
    let other = at("other", Position::Upstream, Role::Primary, SECOND, 1);
    let calls = || {
        both(at_gateway, SECOND, 1)
            .into_iter()
            .chain([other.clone()])
    };
    let pairing = pair_by(By::Trace, calls());
    assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (1, 0));
    assert_eq!(reasons(&pairing), [Reason::Ambiguous]);
    // By a pair id it is the same call: one that sends it to the gateway.
    let pairing = pair_by(By::Pair, calls());
    assert_eq!(
        (pairing.pairs.len(), pairing.counts.duplicate_views),
        (1, 1)
    );
}

#[test]
fn attempts_that_two_places_recorded_are_duplicates_numbered_or_not() {
    for by in [By::Pair, By::Request] {
        let mut calls = both(at_gateway, 0, 1).to_vec();
        calls.extend(both(at_server, 0, 1));
        for place in [at_gateway, at_server] {
            calls.push(place(Role::Primary, SECOND, 1));
        }
        let at_the_gateway = calls
            .iter_mut()
            .filter(|call| call.position == Position::Upstream && call.role == Role::Primary);
        (1..)
            .zip(at_the_gateway)
            .for_each(|(n, call)| call.attempt = Some(n));
        let pairing = pair_by(by, calls);
        assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (1, 0), "{by:?}");
        assert_eq!(pairing.pairs[0].attempts_count, 2);
        let counts = pairing.counts;
        assert_eq!((counts.duplicate_views, counts.earlier_attempts), (3, 1));
    }
}

#[test]
fn a_pair_id_that_was_used_for_several_requests_does_not_hide_them() {
    let primary = |body| at_gateway(Role::Primary, body * SECOND, body);
    let of = |count| (0..count).map(primary);
    let mirror = at_gateway(Role::Candidate, 2 * SECOND, 2);
    let pairing = pair_by(By::Pair, of(3).chain([mirror.clone()]));
    assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (1, 0));
    assert_eq!(reasons(&pairing), [Reason::CandidateMissing; 2]);
    assert_eq!(
        reasons(&pair_by(By::Pair, of(3))),
        [Reason::CandidateMissing; 3]
    );
    // Seen at two places, the requests are others too.
    let servers = (1..4).flat_map(|body| both(at_server, HOUR + body * SECOND, body));
    let pairing = pair_by(
        By::Pair,
        both(at_gateway, SECOND, 0).into_iter().chain(servers),
    );
    assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (4, 0));
    // A request that was cut short may be any of them.
    let mut cut = mirror;
    cut.request.end_stream = false;
    let pairing = pair_by(By::Pair, of(3).chain([cut]));
    assert_eq!(reasons(&pairing), [Reason::Ambiguous; 4]);
    // A mirror with another request than its primary is an ambiguous pair, however often it was seen.
    let [old, new] = [at_gateway, at_server].map(|place| {
        [
            place(Role::Primary, SECOND, 1),
            place(Role::Candidate, SECOND, 2),
        ]
    });
    let pairing = pair_by(By::Pair, old.into_iter().chain(new));
    assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (1, 1));
}

#[test]
fn what_is_asked_again_much_later_or_after_a_good_answer_is_no_attempt() {
    let tried = |second: u64, status| Call {
        status: Some(status),
        ..at_gateway(Role::Primary, second * SECOND, 1)
    };
    let mirror = at_gateway(Role::Candidate, 1_000, 1);
    let pair = |calls: [Call; 2]| pair_by(By::Pair, calls.into_iter().chain([mirror.clone()]));
    let (failed, good) = (Status(14), Status::OK);
    assert_eq!(pair([tried(0, failed), tried(60, good)]).pairs.len(), 1);
    for calls in [
        [tried(0, failed), tried(61, good)],
        [tried(0, good), tried(1, good)],
    ] {
        assert_eq!(reasons(&pair(calls)), [Reason::Ambiguous; 3]);
    }
    // Numbers do not make one call of what lies hours apart.
    for (seconds, pairs) in [(60, 1), (4_000, 0)] {
        let [mut first, mut second] = [tried(0, failed), tried(seconds, good)];
        (first.attempt, second.attempt) = (Some(1), Some(2));
        for by in [By::Pair, By::Request] {
            let calls = [first.clone(), second.clone(), mirror.clone()];
            assert_eq!(pair_by(by, calls).pairs.len(), pairs);
        }
    }
}

#[test]
fn clocks_of_two_hosts_do_not_tell_which_attempt_was_the_last() {
    // The first attempt failed, on a host whose clock is 5 s ahead.
    let first = Call {
        status: Some(Status(14)),
        ..at("a", Position::Inbound, Role::Primary, 5 * SECOND, 1)
    };
    let second = at("b", Position::Inbound, Role::Primary, SECOND, 1);
    let mirror = at_server(Role::Candidate, SECOND, 1);
    let pairing = pair_by(By::Pair, [first.clone(), second.clone(), mirror.clone()]);
    assert_eq!(reasons(&pairing), [Reason::Ambiguous; 3]);
    // One that was cut off was hardly the one that counts.
    let aborted = Call {
        end: End::Aborted,
        ..first.clone()
    };
    let pairing = pair_by(By::Pair, [aborted, second.clone(), mirror.clone()]);
    assert_eq!(ambiguous(&pairing), 1);
    assert_eq!(pairing.pairs[0].primary.status, Some(Status::OK));
    // Numbers do tell.
    let numbered = |attempt, call| Call {
        attempt: Some(attempt),
        ..call
    };
    let pairing = pair_by(By::Pair, [numbered(1, first), numbered(2, second), mirror]);
    assert_eq!((pairing.pairs.len(), ambiguous(&pairing)), (1, 0));
    assert_eq!(pairing.pairs[0].primary.attempt, Some(2));
}

#[test]
fn a_young_call_among_others_with_its_id_awaits_its_partner() {
    let settings = Settings {
        awaiting_from_ns: Some(10 * SECOND),
        ..Settings::default()
    };
    let young = at_server(Role::Primary, 10 * SECOND, 1);
    let calls = both(at_server, SECOND, 1).into_iter().chain([young]);
    let pairing = pair_with(By::Request, calls, &settings);
    assert_eq!(
        reasons(&pairing),
        [
            Reason::Ambiguous,
            Reason::Ambiguous,
            Reason::AwaitingPartner
        ]
    );
}

/// Any record of calls that share an id.
fn record() -> impl Strategy<Value = Call> {
    let position = prop_oneof![
        Just(Position::Upstream),
        Just(Position::Inbound),
        Just(Position::Outbound),
        Just(Position::Wire),
    ];
    let role = prop_oneof![Just(Role::Primary), Just(Role::Candidate)];
    let seconds = prop_oneof![0_u64..3, Just(30), Just(200), Just(4_000)];
    let is_whole = prop::bool::weighted(0.9);
    let rest = (0_u64..3, 0_u32..4, any::<bool>(), is_whole);
    ((0_u8..3), position, role, seconds, rest).prop_map(
        |(host, position, role, seconds, (body, attempt, failed, is_whole))| {
            let started = seconds * SECOND;
            let mut call = at(&host.to_string(), position, role, started, body);
            call.attempt = (attempt > 0).then_some(attempt);
            call.status = Some(if failed { Status(14) } else { Status::OK });
            call.request.end_stream = is_whole;
            call
        },
    )
}

proptest! {
    #[test]
    fn whoever_recorded_what_the_sums_add_up_in_any_order(
        calls in prop::collection::vec(record(), 1..40),
        by in prop_oneof![Just(By::Pair), Just(By::Request), Just(By::Trace), Just(By::Nothing)],
    ) {
        // `pair_by` checks the sums and the order.
        let pairing = pair_by(by, calls);
        for pair in pairing.pairs.iter().filter(|pair| !pair.is_ambiguous) {
            let (old, new) = (&pair.primary.request, &pair.candidate.request);
            let are_whole = old.end_stream && new.end_stream;
            prop_assert!(!are_whole || old.body_digest == new.body_digest);
        }
    }
}
