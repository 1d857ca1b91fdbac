//! Several records of one place to calls: which are attempts of the same call.

use crate::call::{Call, End};

/// One call of one side, as one place saw it.
#[derive(Debug)]
pub(super) struct Logical {
    /// The attempt that counts: the last; of hedged attempts, the last that was not aborted, as the losers are.
    pub(super) call: Box<Call>,
    /// When the first of them started, in nanoseconds since the Unix epoch.
    pub(super) first_started_unix_ns: u64,
    /// Attempts seen, the highest number if they are numbered.
    pub(super) attempts_count: u32,
    /// Records folded into it besides `call`.
    pub(super) folded: u64,
}

/// Header in which Envoy counts attempts; Istio switches it on.
const ATTEMPT_COUNT: &[u8] = b"x-envoy-attempt-count";

/// Folds the records of one place, sorted by start, into calls. `one_call` says that the key is one
/// per request, so that unnumbered records are attempts. The records come back as an error if that
/// cannot be told.
pub(super) fn fold(
    records: Vec<Box<Call>>,
    one_call: bool,
) -> Result<Vec<Logical>, Vec<Box<Call>>> {
    if records.len() == 1 {
        return Ok(fold_none(records));
    }
    let numbers: Option<Vec<u32>> = records.iter().map(|call| attempt_of(call)).collect();
    let Some(numbers) = numbers else {
        return Ok(if one_call {
            fold_all(records, None)
        } else {
            fold_none(records)
        });
    };
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() == numbers.len() {
        // 1, 2, 3: attempts of one call.
        Ok(fold_all(records, sorted.last().copied()))
    } else if sorted.as_slice() == [1] {
        // 1, 1, 1: calls that were never retried.
        Ok(fold_none(records))
    } else {
        Err(records)
    }
}

/// Each record is a call of its own, as mirrored ones are.
pub(super) fn fold_none(records: Vec<Box<Call>>) -> Vec<Logical> {
    records.into_iter().map(single).collect()
}

fn single(call: Box<Call>) -> Logical {
    let attempts_count = attempt_of(&call).unwrap_or(1).max(1);
    Logical {
        first_started_unix_ns: call.started_unix_ns,
        call,
        attempts_count,
        folded: 0,
    }
}

fn fold_all(mut records: Vec<Box<Call>>, attempts: Option<u32>) -> Vec<Logical> {
    records.sort_by_key(|call| (attempt_of(call), call.started_unix_ns, call.id));
    let count = records.len();
    let starts = records.iter().map(|call| call.started_unix_ns);
    let first_started_unix_ns = starts.min().unwrap_or_default();
    let last = count.saturating_sub(1);
    let answered = records.iter().rposition(|call| call.end != End::Aborted);
    let index = answered
        .filter(|answered| is_beside_all_behind(&records, *answered))
        .unwrap_or(last);
    let Some(call) = records.into_iter().nth(index) else {
        return Vec::new();
    };
    let attempts_count = attempts.unwrap_or_else(|| u32::try_from(count).unwrap_or(u32::MAX));
    let folded = u64::try_from(count.saturating_sub(1)).unwrap_or(u64::MAX);
    vec![Logical {
        call,
        first_started_unix_ns,
        attempts_count,
        folded,
    }]
}

/// Was the attempt at `index` still under way when those behind it started, as hedged attempts are? Where one began
/// after its end, the caller went on without what it answered.
fn is_beside_all_behind(records: &[Box<Call>], index: usize) -> bool {
    let (seen, behind) = records.split_at(index.saturating_add(1));
    let end_unix_ns = seen
        .last()
        .and_then(|call| call.started_unix_ns.checked_add(call.timing.duration_ns?));
    let mut behind = behind.iter();
    behind.all(|later| end_unix_ns.is_some_and(|end| later.started_unix_ns <= end))
}

/// The number of this attempt, from 1: from Envoy's property, else its header.
fn attempt_of(call: &Call) -> Option<u32> {
    call.attempt.or_else(|| {
        let header = call
            .request_metadata
            .iter()
            .find(|header| header.name == ATTEMPT_COUNT)?;
        std::str::from_utf8(&header.value)
            .ok()?
            .parse()
            .ok()
            .filter(|attempt| *attempt > 0)
    })
}
