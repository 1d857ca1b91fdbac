//! Passes: every call once, whatever fits into memory.

use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::call::{CallId, Message, Position, Role, pair_bucket};
use crate::pair::Reason;
use crate::store::parquet::{WriteSettings, write_part};

fn call(number: u64, role: Role, request_id: String) -> Call {
    let mut call = Call {
        id: CallId {
            producer_id: [role as u8; 16],
            record_number: number + 1,
        },
        role,
        rpc_method: "shop.v1.Shop/Get".to_owned(),
        started_unix_ns: 1_800_000_000_000_000_000 + number * 1_000,
        request_id: Bytes::from(request_id),
        sampled_ppm: 1_000_000,
        ..Call::default()
    };
    call.request.body_digest = Some(number);
    call
}

fn both(number: u64, id: &str) -> [Call; 2] {
    [Role::Primary, Role::Candidate].map(|role| call(number, role, id.to_owned()))
}

/// Hands the passes over a dataset of these calls to `take`.
pub(super) fn in_passes(
    calls: impl AsRef<[Call]>,
    memory_bytes_max: u64,
    is_wanted: impl Fn(&Call) -> bool + Sync,
    seen: impl FnMut(u64),
    take: impl FnMut(&Pairing) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    write_part(calls, folder.path(), Uuid::nil(), &WriteSettings::default())?;
    let dataset = Dataset::open(folder.path())?;
    let settings = Settings {
        memory_bytes_max,
        projection: Projection::Everything,
        pairing: pair::Settings::default(),
    };
    pair_dataset(&dataset, &settings, is_wanted, seen, take)
}

/// Pairs, unpaired by reason, passes.
fn run(calls: Vec<Call>, memory_bytes_max: u64) -> (usize, Vec<Reason>, usize) {
    let (mut pairs, mut reasons, mut passes) = (0, Vec::new(), 0);
    let take = |pairing: &Pairing| {
        passes += 1;
        pairs += pairing.pairs.len();
        reasons.extend(pairing.unpaired.iter().map(|unpaired| unpaired.reason));
        Ok(())
    };
    in_passes(calls, memory_bytes_max, |_| true, |_| {}, take).unwrap();
    (pairs, reasons, passes)
}

#[test]
fn a_bucket_that_memory_does_not_hold_is_read_in_shards() {
    // One id, so one bucket; other requests, so other pairs.
    let calls: Vec<Call> = (0..300)
        .flat_map(|number| both(number, "constant"))
        .collect();
    let (pairs, reasons, passes) = run(calls, 100_000);
    assert_eq!((pairs, reasons.len()), (300, 0));
    assert!(passes > 8, "{passes}");
}

#[test]
fn calls_that_nothing_parts_are_refused_and_counted() {
    let mut calls: Vec<Call> = (0..300)
        .flat_map(|number| both(number, "constant"))
        .collect();
    for call in &mut calls {
        call.request.body_digest = None;
    }
    calls.extend(both(1_000, "another"));
    let (pairs, reasons, _) = run(calls, 100_000);
    assert_eq!((pairs, reasons.len()), (1, 600));
    assert!(reasons.iter().all(|reason| *reason == Reason::TooMany));
}

#[test]
fn equal_buckets_take_the_passes_that_memory_asks_for() {
    let calls: Vec<Call> = (0..500)
        .flat_map(|number| both(number, &format!("id-{number}")))
        .collect();
    for (memory, least) in [(u64::MAX, 1), (1_000_000, 3), (100_000, 20)] {
        let (pairs, reasons, passes) = run(calls.clone(), memory);
        assert_eq!((pairs, reasons.len()), (500, 0));
        assert!(passes >= least, "{memory}: {passes}");
    }
}

#[test]
fn passes_that_are_read_at_the_same_time_come_in_order() {
    // Many alike, so that some passes are split while later ones are read.
    let calls = (0..1_500).flat_map(|number| both(number, &format!("id-{}", number % 40)));
    let calls: Vec<Call> = calls.collect();
    let (mut buckets, mut passes, mut rows) = (Vec::new(), 0, 0);
    let take = |pairing: &Pairing| {
        passes += 1;
        buckets.extend(pairing.pairs.iter().map(|pair| pair_bucket(&pair.primary)));
        Ok(())
    };
    in_passes(calls, 300_000, |_| true, |read| rows += read, take).unwrap();
    assert!(passes > 40, "{passes}");
    assert_eq!((buckets.len(), rows), (1_500, 3_000));
    assert!(buckets.is_sorted(), "{buckets:?}");
}

/// Many passes over 200 pairs, of which `take` gets the first few.
fn ended_by(
    is_wanted: impl Fn(&Call) -> bool + Sync,
    take: impl FnMut(&Pairing) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let calls = (0..200).flat_map(|number| both(number, &format!("id-{number}")));
    let calls: Vec<Call> = calls.collect();
    in_passes(calls, 100_000, is_wanted, |_| {}, take)
}

#[test]
fn a_caller_that_fails_gets_its_own_error_and_no_further_pass() {
    let mut passes = 0;
    let take = |_: &Pairing| {
        passes += 1;
        anyhow::ensure!(passes < 3, "enough");
        Ok(())
    };
    let error = ended_by(|_| true, take).unwrap_err();
    assert_eq!((error.to_string(), passes), ("enough".to_owned(), 3));
}

#[test]
fn a_panic_of_a_thread_that_reads_is_the_callers() {
    let is_wanted = |call: &Call| {
        assert!(call.id.record_number != 150, "number 150");
        true
    };
    let run = std::panic::AssertUnwindSafe(|| ended_by(is_wanted, |_| Ok(())));
    let panic = std::panic::catch_unwind(run).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "number 150");
}

#[test]
fn a_wanted_call_does_not_keep_its_neighbours_in_memory() {
    let mut calls: Vec<Call> = (0..500)
        .flat_map(|number| both(number, &format!("id-{number}")))
        .collect();
    for call in &mut calls {
        let bytes = Bytes::from(vec![7; 100]);
        call.request.messages.push(Message {
            bytes,
            ..Message::default()
        });
    }
    let is_rare = |call: &Call| call.id.record_number % 100 == 1;
    let mut held = 0;
    let take = |pairing: &Pairing| {
        for call in pairing
            .pairs
            .iter()
            .flat_map(|pair| [&pair.primary, &pair.candidate])
        {
            held += 1;
            assert!(call.request.messages[0].bytes.is_unique());
        }
        Ok(())
    };
    in_passes(calls, u64::MAX, is_rare, |_| {}, take).unwrap();
    assert_eq!(held, 10);
}

/// Both sides of call `number`: the primary has a pair id too, and all share a request id.
fn reunited(number: u64) -> [Call; 2] {
    let [mut primary, candidate] = both(number, "shared");
    primary.pair_id = Bytes::from(format!("pair-{number}"));
    [primary, candidate]
}

#[test]
fn what_other_ids_reunite_is_read_again_in_as_few_passes_as_memory_allows() {
    // Each pass reads all that have the request id: more of them would cost their square.
    let calls: Vec<Call> = (0..2_000).flat_map(reunited).collect();
    let (pairs, reasons, passes) = run(calls.clone(), u64::MAX);
    assert_eq!((pairs, reasons.len(), passes), (2_000, 0, 4));
    let memory = 4_000_000;
    let (pairs, reasons, passes) = run(calls, memory);
    assert_eq!((pairs, reasons.len()), (2_000, 0));
    assert!((4..16).contains(&passes), "{passes}");
}

#[test]
fn what_another_place_recorded_with_a_pair_id_is_a_duplicate_view() {
    let mut calls = Vec::new();
    for number in 0..200 {
        let [mut primary, mut candidate] = both(number, &format!("request-{number}"));
        for call in [&mut primary, &mut candidate] {
            call.position = Position::Upstream;
            call.pair_id = Bytes::from(format!("pair-{number}"));
        }
        let mut at_server = candidate.clone();
        at_server.position = Position::Inbound;
        at_server.id.producer_id = [9; 16];
        at_server.pair_id = Bytes::new();
        calls.extend([primary, candidate, at_server]);
    }
    // Its caller has no recorder.
    let mut alone = both(999, "alone")[1].clone();
    alone.position = Position::Inbound;
    calls.push(alone);
    let (mut pairs, mut unpaired, mut views) = (0, Vec::new(), 0);
    let take = |pairing: &Pairing| {
        pairs += pairing.pairs.len();
        views += pairing.counts.duplicate_views;
        unpaired.extend(pairing.unpaired.iter().map(|unpaired| unpaired.reason));
        Ok(())
    };
    in_passes(calls, 100_000, |_| true, |_| {}, take).unwrap();
    assert_eq!((pairs, views), (200, 200));
    assert_eq!(unpaired, [Reason::PrimaryMissing]);
}

#[test]
fn a_pair_found_by_an_id_that_others_share_is_ambiguous() {
    let mut calls = reunited(1).to_vec();
    let ambiguous = |calls: Vec<Call>| {
        let mut found = Vec::new();
        let take = |pairing: &Pairing| {
            let pairs = pairing.pairs.iter();
            found.extend(pairs.map(|pair| (pair.found_by, pair.is_ambiguous)));
            Ok(())
        };
        in_passes(calls, 1_000_000, |_| true, |_| {}, take).unwrap();
        found.sort();
        found
    };
    assert_eq!(ambiguous(calls.clone()), [(FoundBy::RequestId, false)]);
    // The same request once more, with a pair id on both sides.
    for (number, mut call) in (7..).zip(both(1, "shared")) {
        call.id.record_number = number;
        call.pair_id = Bytes::from_static(b"another");
        calls.push(call);
    }
    let expected = [(FoundBy::PairId, false), (FoundBy::RequestId, true)];
    assert_eq!(ambiguous(calls), expected);
}
