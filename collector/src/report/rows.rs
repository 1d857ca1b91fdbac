//! Pairs and unpaired calls as rows of the `pairs` and `differences` datasets.

use crate::call::Role;
use crate::call::{Call, CorrelationKey};
use crate::compare::{Outcome, Verdict};
use crate::pair::{Pair, Unpaired};
use crate::store::parquet::{DifferenceRow, PairRow, SideRow};

/// The row of a pair.
pub fn pair_row(pair: &Pair, verdict: &Verdict) -> PairRow {
    let counted = size(verdict.counted().count()).saturating_add(verdict.counted_omitted);
    let ignored = size(verdict.differences.len())
        .saturating_add(verdict.differences_omitted)
        .saturating_sub(counted);
    let is_cut = |call: &Call| call.request.truncated || call.response.truncated;
    PairRow {
        verdict: verdict.outcome.name(),
        reason: match verdict.outcome {
            Outcome::Incomparable(reason) => Some(reason.name()),
            _ => None,
        },
        found_by: Some(pair.found_by.name()),
        is_ambiguous: pair.is_ambiguous,
        rpc_method: pair.primary.rpc_method.clone(),
        correlation_key: correlation_text(&pair.primary),
        primary: Some(side_row(&pair.primary)),
        candidate: Some(side_row(&pair.candidate)),
        attempts_count: pair.attempts_count,
        differences_count: u32::try_from(counted).unwrap_or(u32::MAX),
        ignored_count: u32::try_from(ignored).unwrap_or(u32::MAX),
        truncated: verdict.differences_omitted > 0
            || verdict.is_cut
            || is_cut(&pair.primary)
            || is_cut(&pair.candidate),
    }
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The row of a call without a partner.
pub fn unpaired_row(unpaired: &Unpaired) -> PairRow {
    let call = &unpaired.call;
    let side = Some(side_row(call));
    let (primary, candidate) = if call.role == Role::Candidate {
        (None, side)
    } else {
        (side, None)
    };
    PairRow {
        verdict: "unpaired",
        reason: Some(unpaired.reason.name()),
        rpc_method: call.rpc_method.clone(),
        correlation_key: correlation_text(call),
        primary,
        candidate,
        attempts_count: unpaired.attempts_count,
        truncated: call.request.truncated || call.response.truncated,
        ..PairRow::default()
    }
}

/// The rows of a pair's differences.
pub fn difference_rows<'a>(
    pair: &'a Pair,
    verdict: &'a Verdict,
) -> impl Iterator<Item = DifferenceRow> + 'a {
    verdict.differences.iter().map(|difference| DifferenceRow {
        correlation_key: correlation_text(&pair.primary),
        rpc_method: pair.primary.rpc_method.clone(),
        primary: pair.primary.id,
        candidate: pair.candidate.id,
        place: difference.place.name(),
        path: difference.path.clone(),
        message_index: difference.message_index,
        kind: difference.kind.name(),
        primary_value: difference.primary.clone(),
        candidate_value: difference.candidate.clone(),
        ignored_by: difference.ignored_by.clone(),
        explanation: difference.looks_like.map(crate::compare::LooksLike::name),
    })
}

fn side_row(call: &Call) -> SideRow {
    SideRow {
        id: call.id,
        started_unix_ns: call.started_unix_ns,
        status_code: call.status.map(|status| status.0),
        duration_ns: call.timing.duration_ns,
    }
}

/// The strongest id of `call`, readable; empty if it has none.
pub fn correlation_text(call: &Call) -> String {
    match CorrelationKey::of(call) {
        CorrelationKey::PairId(id) | CorrelationKey::RequestId(id) => {
            String::from_utf8_lossy(&id).into_owned()
        }
        CorrelationKey::TraceId(id) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
        CorrelationKey::None => String::new(),
    }
}

/// What `twintap show` finds `call` by: its strongest id, else that of its record.
pub fn name_to_show(call: &Call) -> String {
    let name = correlation_text(call);
    match name.is_empty() {
        true => call.id.to_string(),
        false => name,
    }
}

/// Nanoseconds since the Unix epoch as RFC 3339.
pub fn time_text(unix_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_ns))
        .map_or_else(|_| format!("{unix_ns} ns"), |time| time.to_string())
}
