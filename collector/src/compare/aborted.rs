//! Why a mirrored call broke off: the new service's fault, the mirror's nature, or not to be told.
//!
//! When the primary answers before the request is over, Envoy resets the mirror with it: that says
//! nothing of the new service. It never does so once the mirrored request was sent whole; a call that
//! breaks off then was refused, reset or too slow.
//!
//! What tells them apart, the first that does:
//!
//! - **Envoy's response flags** of the mirrored call, where its recorder sat at the new service
//!   (position upstream has none: Envoy does not set them on a mirror).
//! - **Whether the request was over**, and at position upstream **which came first**, the primary's
//!   answer or the mirror's end: one recorder has one clock.
//!
//! Where they do not, the reason stays [`Incomparable::CandidateAborted`]. Packets tell a reset from an
//! answer and not whose it was, so calls from captures stay there too.

use super::Incomparable;
use crate::call::{Call, End, Position};

/// Envoy response flags that say the way to the server failed, or that it took too long: UH, UT, UR,
/// UF, UC, UO, URX, UMSDR, UPE, NC, DF, DO.
const UPSTREAM_FAILED: u64 = bits(&[1, 2, 4, 5, 6, 7, 15, 19, 23, 24, 26, 27]);

/// Flags that say the client's side went away: DC, DR.
const DOWNSTREAM_GONE: u64 = bits(&[14, 28]);

const fn bits(numbers: &[u32]) -> u64 {
    let mut bits = 0;
    let mut rest = numbers;
    while let [number, others @ ..] = rest {
        bits |= 1 << *number;
        rest = others;
    }
    bits
}

/// Why a pair with a side that was aborted cannot be judged; `None` if neither was.
pub fn aborted(primary: &Call, candidate: &Call) -> Option<Incomparable> {
    match (primary.end, candidate.end) {
        (End::Aborted, _) => Some(Incomparable::PrimaryAborted),
        (_, End::Aborted) => Some(why(primary, candidate)),
        _ => None,
    }
}

/// Did Envoy answer in place of a server that it could not reach, or that gave no whole answer?
pub(super) fn is_envoys_answer(call: &Call) -> bool {
    call.trailers_only && call.response_flags & UPSTREAM_FAILED != 0
}

fn why(primary: &Call, candidate: &Call) -> Incomparable {
    let has = |flags| candidate.response_flags & flags != 0;
    let may_be_cancelled = primary.end == End::ResponseFirst && !candidate.request.end_stream;
    match (has(UPSTREAM_FAILED), has(DOWNSTREAM_GONE)) {
        (true, false) => Incomparable::CandidateFailed,
        (false, true) if may_be_cancelled => Incomparable::CandidateCancelled,
        // The caller's Envoy gave up: the new service was too slow, or the caller went away.
        (_, true) => Incomparable::CandidateAborted,
        (false, false) if !is_one_recorder(primary, candidate) => Incomparable::CandidateAborted,
        (false, false) if may_be_cancelled => by_time(primary, candidate),
        (false, false) if primary.end == End::Complete => Incomparable::CandidateFailed,
        (false, false) => Incomparable::CandidateAborted,
    }
}

/// Did the mirror end before there was a reason to reset it?
fn by_time(primary: &Call, candidate: &Call) -> Incomparable {
    let at = |call: &Call, ns: Option<u64>| call.started_unix_ns.checked_add(ns?);
    let answered = at(primary, primary.timing.response_end_ns);
    let ended = at(candidate, candidate.timing.duration_ns);
    match answered.zip(ended) {
        Some((answered, ended)) if ended < answered => Incomparable::CandidateFailed,
        Some(_) => Incomparable::CandidateCancelled,
        None => Incomparable::CandidateAborted,
    }
}

/// Did one Envoy see both, as their client?
fn is_one_recorder(primary: &Call, candidate: &Call) -> bool {
    primary.position == Position::Upstream
        && candidate.position == Position::Upstream
        && primary.id.producer_id == candidate.id.producer_id
}
