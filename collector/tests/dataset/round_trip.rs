//! Written calls are read back equal, whatever they hold.

use std::ops::Range;
use std::path::Path;

use proptest::prelude::*;
use twintap::call::{Call, CorrelationKey, pair_bucket};
use twintap::store::parquet::{Dataset, Projection, WriteSettings, write_part};
use uuid::Uuid;

use crate::samples::{any_call, call, calls};

fn read(root: &Path, buckets: Range<u16>) -> Vec<Call> {
    let dataset = Dataset::open(root).unwrap();
    dataset
        .calls_in_buckets(buckets, Projection::Everything)
        .map(|call| *call.unwrap())
        .collect()
}

fn by_id(mut calls: Vec<Call>) -> Vec<Call> {
    calls.sort_by_key(|call| (call.id, call.started_unix_ns));
    calls
}

#[test]
fn every_field_of_a_call_comes_back() {
    let root = tempfile::tempdir().unwrap();
    write_part(
        calls(20),
        root.path(),
        Uuid::now_v7(),
        &WriteSettings::default(),
    )
    .unwrap();
    assert_eq!(by_id(read(root.path(), 0..256)), by_id(calls(20)));
}

#[test]
fn ranges_of_buckets_split_the_calls_and_lose_none() {
    let root = tempfile::tempdir().unwrap();
    let settings = WriteSettings {
        row_group_rows_max: 300,
        ..WriteSettings::default()
    };
    for part in 0..2 {
        let calls: Vec<Call> = (part * 1000..part * 1000 + 1000).map(call).collect();
        write_part(calls, root.path(), Uuid::now_v7(), &settings).unwrap();
    }
    let dataset = Dataset::open(root.path()).unwrap();
    assert_eq!(dataset.rows(), 2000);
    let mut all = Vec::new();
    for range in [0..1, 1..100, 100..255, 255..256] {
        let calls = read(root.path(), range.clone());
        assert!(calls.iter().all(|call| range.contains(&pair_bucket(call))));
        all.extend(calls);
    }
    assert_eq!(by_id(all), by_id(calls(2000)));
    assert_eq!(read(root.path(), 9..9), []);
}

#[test]
fn rows_are_in_order_of_bucket_key_and_start() {
    let root = tempfile::tempdir().unwrap();
    let at_once = |number| Call {
        started_unix_ns: number % 7,
        ..call(number)
    };
    let calls: Vec<Call> = (0..500).map(at_once).collect();
    write_part(
        calls,
        root.path(),
        Uuid::now_v7(),
        &WriteSettings::default(),
    )
    .unwrap();
    let read = read(root.path(), 0..256);
    let key = |call: &Call| {
        (
            pair_bucket(call),
            CorrelationKey::of(call),
            call.started_unix_ns,
        )
    };
    assert!(read.is_sorted_by_key(key));
}

#[test]
fn without_payload_metadata_and_messages_stay_empty() {
    let root = tempfile::tempdir().unwrap();
    write_part(
        calls(4),
        root.path(),
        Uuid::now_v7(),
        &WriteSettings::default(),
    )
    .unwrap();
    let dataset = Dataset::open(root.path()).unwrap();
    for call in dataset.calls_in_buckets(0..256, Projection::WithoutPayload) {
        let call = call.unwrap();
        assert!(call.request_metadata.is_empty() && call.response.messages.is_empty());
        assert_eq!(
            (call.response.messages_count, call.response.body_bytes),
            (Some(3), 4_000)
        );
        assert!(!call.rpc_method.is_empty());
    }
}

#[test]
fn a_time_range_opens_only_the_hours_it_needs() {
    let root = tempfile::tempdir().unwrap();
    const HOUR_NS: u64 = 3_600_000_000_000;
    let hourly: Vec<Call> = (0..5)
        .map(|hour| Call {
            started_unix_ns: hour * HOUR_NS,
            ..call(hour)
        })
        .collect();
    write_part(
        hourly,
        root.path(),
        Uuid::now_v7(),
        &WriteSettings::default(),
    )
    .unwrap();
    std::fs::write(
        root.path()
            .join("calls/v1/dt=1970-01-01/hh=04/part-x.parquet"),
        "broken",
    )
    .unwrap();
    let dataset = Dataset::open_within(root.path(), HOUR_NS..HOUR_NS * 2 + 1).unwrap();
    assert_eq!((dataset.paths().count(), dataset.rows()), (2, 2));
    assert!(Dataset::open(root.path()).is_err());
}

#[test]
fn ids_that_are_not_text_are_kept_readable() {
    let root = tempfile::tempdir().unwrap();
    let odd = Call {
        pair_id: b"\xffid"[..].into(),
        ..call(0)
    };
    write_part(
        vec![odd],
        root.path(),
        Uuid::now_v7(),
        &WriteSettings::default(),
    )
    .unwrap();
    assert_eq!(read(root.path(), 0..256)[0].pair_id, "\u{fffd}id");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_calls_come_back_equal(
        calls in prop::collection::vec(any_call(), 0..30),
        row_group_rows_max in 1..20_usize,
    ) {
        let root = tempfile::tempdir().unwrap();
        let settings = WriteSettings { row_group_rows_max, ..WriteSettings::default() };
        let published = write_part(calls.clone(), root.path(), Uuid::now_v7(), &settings).unwrap();
        prop_assert_eq!(published.rows, calls.len() as u64);
        prop_assert_eq!(by_id(read(root.path(), 0..256)), by_id(calls));
    }
}
