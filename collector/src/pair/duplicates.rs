//! Records of one place that another place has too: of the same calls, by number and time.
//!
//! Places that share an id need not have seen the same calls: one may be the only one that recorded some. So a
//! record is a duplicate only where it has a call to be one of, once for each of its attempts.

use super::attempts::Logical;
use crate::call::Call;

/// Takes out of `records` those that are of `calls` too, and says how many. Both are sorted by start; a record
/// starts at most `gap_max_ns` from its call, or at any time.
pub(super) fn strike(
    calls: &[Logical],
    records: &mut Vec<Box<Call>>,
    gap_max_ns: Option<u64>,
) -> u64 {
    let before = records.len();
    let spans = calls.iter().map(|logical| Span {
        first_ns: logical.first_started_unix_ns,
        last_ns: logical.call.started_unix_ns,
        attempts: logical.attempts_count,
    });
    let mut seen_as = seen_as(spans, gap_max_ns.unwrap_or(u64::MAX));
    records.retain(|record| !seen_as(record.started_unix_ns));
    u64::try_from(before - records.len()).unwrap_or(u64::MAX)
}

/// When the attempts of a call started.
pub(super) struct Span {
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    pub(super) attempts: u32,
}

/// Says of one record after the other, by when they started, in order, whether there is an attempt of a call left
/// for it.
pub(super) fn seen_as(
    mut spans: impl Iterator<Item = Span>,
    gap_max_ns: u64,
) -> impl FnMut(u64) -> bool {
    let mut span = spans.next();
    move |started_ns| {
        let is_over =
            |it: &Span| it.attempts == 0 || it.last_ns.saturating_add(gap_max_ns) < started_ns;
        while span.as_ref().is_some_and(is_over) {
            span = spans.next();
        }
        let has_begun = |it: &&mut Span| it.first_ns.saturating_sub(gap_max_ns) <= started_ns;
        let Some(it) = span.as_mut().filter(has_begun) else {
            return false;
        };
        it.attempts -= 1;
        true
    }
}
