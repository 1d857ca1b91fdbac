//! The datasets of a comparison run: files and streaming.

use std::fs;

use twintap::call::CallId;
use twintap::store::parquet::{
    DifferenceRow, DifferencesWriter, PairRow, PairsWriter, SideRow, describe_differences,
    describe_pairs,
};
use uuid::Uuid;

use crate::samples::STARTED_UNIX_NS;

pub(crate) fn pair(number: u64) -> PairRow {
    let side = |producer, status| SideRow {
        id: CallId {
            producer_id: [producer; 16],
            record_number: number,
        },
        started_unix_ns: STARTED_UNIX_NS + number,
        status_code: Some(status),
        duration_ns: Some(1000 + number),
    };
    let is_paired = !number.is_multiple_of(4);
    PairRow {
        verdict: if is_paired { "mismatched" } else { "unpaired" },
        reason: (!is_paired).then_some("no_candidate"),
        found_by: is_paired.then_some("pair_id"),
        is_ambiguous: false,
        rpc_method: "shop.v1.Cart/Add".into(),
        correlation_key: format!("pair-{number}"),
        primary: Some(side(1, 0)),
        candidate: is_paired.then(|| side(2, 5)),
        attempts_count: 1,
        differences_count: u32::from(is_paired),
        ignored_count: 0,
        truncated: false,
    }
}

pub(crate) fn difference(number: u64) -> DifferenceRow {
    DifferenceRow {
        correlation_key: format!("pair-{number}"),
        rpc_method: "shop.v1.Cart/Add".into(),
        primary: CallId {
            producer_id: [1; 16],
            record_number: 2 * number,
        },
        candidate: CallId {
            producer_id: [2; 16],
            record_number: 2 * number + 1,
        },
        place: "response_message",
        path: "items[2].price".into(),
        message_index: Some(0),
        kind: "value_changed",
        primary_value: Some("1.005".into()),
        candidate_value: if number.is_multiple_of(2) {
            Some("1.01".into())
        } else {
            None
        },
        ignored_by: None,
        explanation: Some("rounding"),
    }
}

#[test]
fn a_run_has_one_file_of_each_kind_once_it_is_finished() {
    let root = tempfile::tempdir().unwrap();
    let run = Uuid::now_v7();
    let mut pairs = PairsWriter::create(root.path(), run).unwrap();
    let mut differences = DifferencesWriter::create(root.path(), run).unwrap();
    for number in 0..10_000 {
        pairs.push(pair(number)).unwrap();
        differences.push(difference(number)).unwrap();
    }
    let file = |dataset: &str| {
        root.path()
            .join(format!("{dataset}/v1/run={run}/part-0.parquet"))
    };
    assert!(!file("pairs").exists());
    let (pairs, differences) = (pairs.finish().unwrap(), differences.finish().unwrap());
    for (published, dataset) in [(pairs, "pairs"), (differences, "differences")] {
        let path = file(dataset);
        assert_eq!(
            (published.rows, published.bytes),
            (10_000, fs::metadata(&path).unwrap().len())
        );
        assert_eq!(published.paths, [path]);
    }
}

#[test]
fn an_abandoned_run_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    let run = Uuid::now_v7();
    let mut pairs = PairsWriter::create(root.path(), run).unwrap();
    pairs.push(pair(1)).unwrap();
    drop(pairs);
    let folder = root.path().join(format!("pairs/v1/run={run}"));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn the_columns_of_a_row_have_names_of_their_own() {
    for columns in [describe_pairs(), describe_differences()] {
        let names: std::collections::HashSet<_> = columns.iter().map(|c| &c.name).collect();
        assert_eq!(names.len(), columns.len());
    }
}
