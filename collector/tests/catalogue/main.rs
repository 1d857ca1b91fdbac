//! Bad input, case by case, with the answer that each must get: calls that break gRPC's framing, protobuf,
//! Parquet, rules files, descriptor sets, command lines.
//!
//! A case is a name, the input, and what is expected; all cases of a table are tried before the test
//! fails. A crash that is found elsewhere becomes a case here.

#![cfg(test)]
#![allow(missing_docs, reason = "tests document themselves")]

mod calls;
mod command_line;
mod descriptors;
mod files;
mod framing;
mod pages;
mod parquet;
mod protobuf;
mod rules;
mod size;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// Time that one case may take in a test build on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(20);

/// Tries each case; fails with all that got another answer than expected, panicked or took too long.
fn check<I>(cases: &[(&str, I, &str)], answer: impl Fn(&I) -> String) {
    let mut unlike = Vec::new();
    for (name, input, expected) in cases {
        let clock = jiff::Timestamp::now();
        let answer = catch_unwind(AssertUnwindSafe(|| answer(input)));
        let took = jiff::Timestamp::now().duration_since(clock).unsigned_abs();
        let answer = answer.unwrap_or_else(|_| "PANIC".to_owned());
        let is_like = match expected.strip_suffix('…') {
            Some(start) => answer.starts_with(start),
            None => answer == *expected,
        };
        if !is_like {
            unlike.push(format!(
                "{name}\n    expected {expected}\n    answer   {answer}"
            ));
        }
        if took > TIME_MAX {
            unlike.push(format!("{name} took {took:?}"));
        }
    }
    let count = cases.len();
    assert!(
        unlike.is_empty(),
        "{} of {count} cases:\n{}",
        unlike.len(),
        unlike.join("\n")
    );
}
