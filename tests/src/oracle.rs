//! Knows every call that was made and judges what was stored: each exactly once, each as it was.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::stored::Stored;
use crate::traffic::{Mix, Plan, digest};

/// What was made: planned calls with these numbers.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// Their mix.
    pub mix: Mix,
    /// Their numbers.
    pub numbers: std::ops::Range<u64>,
}

impl Oracle {
    /// Panics unless every call is stored exactly once, as it was planned.
    pub fn assert_complete(&self, side: &str, stored: &Stored) {
        let calls = stored.by_call();
        let missing: Vec<u64> = self
            .numbers
            .clone()
            .filter(|number| !calls.contains_key(number))
            .collect();
        assert!(
            missing.is_empty(),
            "{side}: {} not stored: {:?}",
            missing.len(),
            head(&missing)
        );
        self.assert_correct(side, &calls);
    }

    /// Panics unless what is stored was made, is stored once, and is as it was planned. Returns
    /// how many are stored.
    pub fn assert_subset(&self, side: &str, stored: &Stored) -> u64 {
        let calls = stored.by_call();
        self.assert_correct(side, &calls);
        calls.len() as u64
    }

    fn assert_correct(&self, side: &str, calls: &BTreeMap<u64, Vec<&Value>>) {
        for (number, rows) in calls {
            assert!(
                self.numbers.contains(number),
                "{side}: call {number} was never made"
            );
            assert_eq!(
                rows.len(),
                1,
                "{side}: call {number} is stored more than once"
            );
            if let Some(difference) = difference(&Plan::new(self.mix, *number), rows[0]) {
                panic!("{side}: call {number}: {difference}: {:#}", rows[0]);
            }
        }
    }
}

/// Panics unless every call of `left` has exactly one partner in `right`, by pair id.
pub fn assert_paired(left: &Stored, right: &Stored) {
    let left = by_pair_id(left);
    let right = by_pair_id(right);
    assert_eq!(left.len(), right.len(), "distinct pair ids on both sides");
    for (pair_id, number) in left {
        assert_eq!(
            right.get(&pair_id),
            Some(&number),
            "partner of call {number}"
        );
    }
}

fn by_pair_id(stored: &Stored) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for (number, rows) in stored.by_call() {
        let pair_id = rows[0]["pair_id"].as_str();
        let pair_id = pair_id.unwrap_or_else(|| panic!("call {number} has no pair id"));
        assert!(
            calls.insert(pair_id.to_owned(), number).is_none(),
            "pair id of {number} is new"
        );
    }
    calls
}

/// The first column of `row` that is not as planned.
pub fn difference(plan: &Plan, row: &Value) -> Option<String> {
    let (request, response) = (plan.request_body(), plan.response_body());
    let expected: [(&str, Value); 11] = [
        ("rpc_method", plan.rpc_method().into()),
        ("status_code", plan.status.into()),
        ("http_status", 200.into()),
        ("trailers_only", plan.trailers_only.into()),
        ("request_body_bytes", request.len().into()),
        ("response_body_bytes", response.len().into()),
        ("request_body_digest", signed(digest(&request))),
        ("response_body_digest", signed(digest(&response))),
        ("request_messages_count", plan.request.len().into()),
        ("response_messages_count", plan.response.len().into()),
        ("incomplete", false.into()),
    ];
    let is_other = |(column, value): &(&str, Value)| {
        // A direction without DATA has no body to digest.
        let is_empty = match column.starts_with("request") {
            true => request.is_empty(),
            false => response.is_empty(),
        };
        let is_absent = is_empty && row[column].is_null() && column.ends_with("_digest");
        !is_absent && row[column] != *value
    };
    let (column, value) = expected.into_iter().find(is_other)?;
    Some(format!("{column} is {}, planned {value}", row[column]))
}

/// Parquet has no unsigned column: the same 64 bits.
fn signed(digest: u64) -> Value {
    digest.cast_signed().into()
}

fn head(numbers: &[u64]) -> &[u64] {
    &numbers[..numbers.len().min(20)]
}
