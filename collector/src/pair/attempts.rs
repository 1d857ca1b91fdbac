//! Several records of one place to calls: which are attempts of the same call.
//!
//! An attempt follows the one before within the time that two calls with one id may be apart. One that nobody
//! numbered follows none that was answered well: what is asked again then is another call. And only where one
//! host recorded them do clocks tell which of those was the last.

use super::Settings;
use crate::call::{Call, End, Status};

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
    /// May another of them be the one that counts?
    pub(super) is_doubtful: bool,
}

/// Header in which Envoy counts attempts; Istio switches it on.
const ATTEMPT_COUNT: &[u8] = b"x-envoy-attempt-count";

/// Folds the records of one place, sorted by start, into calls. `one_call` says that the key is one
/// per request, so that unnumbered records are attempts. The records come back as an error if that
/// cannot be told.
pub(super) fn fold(
    records: Vec<Box<Call>>,
    one_call: bool,
    settings: &Settings,
) -> Result<Vec<Logical>, Vec<Box<Call>>> {
    if records.len() == 1 {
        return Ok(fold_none(records));
    }
    let gap_max_ns = settings.start_gap_max_ns;
    let numbers: Option<Vec<u32>> = records.iter().map(|call| attempt_of(call)).collect();
    let Some(mut numbers) = numbers else {
        return match one_call {
            true => fold_unnumbered(records, gap_max_ns),
            false => Ok(fold_none(records)),
        };
    };
    let count = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.as_slice() == [1] {
        // 1, 1, 1: calls that were never retried.
        return Ok(fold_none(records));
    }
    let mut in_order = records;
    in_order.sort_by_key(|call| attempt_of(call));
    if numbers.len() == count && are_neighbours(&in_order, |a, b| is_soon_after(a, b, gap_max_ns)) {
        // 1, 2, 3: attempts of one call.
        let attempts = numbers.last().copied().unwrap_or(1);
        let (records, last) = (in_order, count.saturating_sub(1));
        let counts = not_aborted_beside_the_last(&records).unwrap_or(last);
        let is_doubtful = counts != last && !has_one_clock(&records);
        Ok(fold_all(records, counts, attempts, is_doubtful))
    } else {
        Err(in_order)
    }
}

/// As [`fold`], of records of one request, sorted by start, of which nothing says what attempts they are.
fn fold_unnumbered(
    records: Vec<Box<Call>>,
    gap_max_ns: u64,
) -> Result<Vec<Logical>, Vec<Box<Call>>> {
    let attempts = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let last = records.len().saturating_sub(1);
    let is_one_call = are_neighbours(&records, |a, b| is_soon_after(a, b, gap_max_ns));
    if has_one_clock(&records) {
        let goes_on = |a: &Call, b: &Call| !is_answered(a) || b.started_unix_ns <= end_of(a);
        if is_one_call && are_neighbours(&records, goes_on) {
            let counts = not_aborted_beside_the_last(&records).unwrap_or(last);
            return Ok(fold_all(records, counts, attempts, false));
        }
    } else if is_one_call {
        let mut not_aborted = (0..)
            .zip(&records)
            .filter(|(_, call)| call.end != End::Aborted);
        if let (Some((counts, _)), None) = (not_aborted.next(), not_aborted.next()) {
            return Ok(fold_all(records, counts, attempts, true));
        }
    }
    Err(records)
}

fn are_neighbours(records: &[Box<Call>], are: impl Fn(&Call, &Call) -> bool) -> bool {
    records.is_sorted_by(|a, b| are(a, b))
}

/// Were all timed by one host?
fn has_one_clock(records: &[Box<Call>]) -> bool {
    are_neighbours(records, |a, b| {
        let (host, other) = (a.workload.host(), b.workload.host());
        a.id.producer_id == b.id.producer_id || !host.is_empty() && host == other
    })
}

/// May `next` be what was tried after `call`?
fn is_soon_after(call: &Call, next: &Call, gap_max_ns: u64) -> bool {
    next.started_unix_ns <= end_of(call).saturating_add(gap_max_ns)
        && call.started_unix_ns <= next.started_unix_ns.saturating_add(gap_max_ns)
}

/// Was it answered so that nobody would try again?
pub(super) fn is_answered(call: &Call) -> bool {
    call.end == End::Complete && call.status == Some(Status::OK)
}

fn end_of(call: &Call) -> u64 {
    let lasted = call.timing.duration_ns.unwrap_or_default();
    call.started_unix_ns.saturating_add(lasted)
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
        is_doubtful: false,
    }
}

/// All of these as one call, of which the one at index `counts` is compared.
fn fold_all(
    records: Vec<Box<Call>>,
    counts: usize,
    attempts_count: u32,
    is_doubtful: bool,
) -> Vec<Logical> {
    let folded = u64::try_from(records.len().saturating_sub(1)).unwrap_or(u64::MAX);
    let starts = records.iter().map(|call| call.started_unix_ns);
    let first_started_unix_ns = starts.min().unwrap_or_default();
    let logical = |call| Logical {
        call,
        first_started_unix_ns,
        attempts_count,
        folded,
        is_doubtful,
    };
    records
        .into_iter()
        .nth(counts)
        .map(logical)
        .into_iter()
        .collect()
}

/// Of hedged attempts, the last that was not aborted.
fn not_aborted_beside_the_last(records: &[Box<Call>]) -> Option<usize> {
    let answered = records.iter().rposition(|call| call.end != End::Aborted);
    answered.filter(|answered| is_beside_all_behind(records, *answered))
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
pub(super) fn attempt_of(call: &Call) -> Option<u32> {
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
