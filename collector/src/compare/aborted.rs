//! Why a mirrored call broke off: the new service's fault, the mirror's nature, or not to be told. And answers that
//! both services ended at the caller's deadline.
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
use crate::call::{Call, End, Position, Status};

/// Envoy's response flags (numbers of `StreamInfo::CoreResponseFlag`) that say how a call ended: on which
/// side of the Envoy, and in words.
const FLAGS: [(u32, Side, &str); 15] = [
    (1, Side::Upstream, "no healthy host"),                   // UH
    (2, Side::Upstream, "timeout"),                           // UT
    (4, Side::Upstream, "reset by the service"),              // UR
    (5, Side::Upstream, "no connection"),                     // UF
    (6, Side::Upstream, "connection broke"),                  // UC
    (7, Side::Upstream, "too many requests for its cluster"), // UO
    (8, Side::Upstream, "no route"),                          // NR
    (14, Side::Downstream, "caller disconnected"),            // DC
    (15, Side::Upstream, "no attempt left"),                  // URX
    (19, Side::Upstream, "longest duration reached"),         // UMSDR
    (23, Side::Upstream, "protocol error of the service"),    // UPE
    (24, Side::Upstream, "no cluster"),                       // NC
    (26, Side::Upstream, "name not resolved"),                // DF
    (27, Side::Upstream, "dropped for overload"),             // DO
    (28, Side::Downstream, "reset by the caller"),            // DR
];

/// A side of the Envoy that set a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The way to the server failed, or it took too long.
    Upstream,
    /// The client's side went away.
    Downstream,
}

impl Side {
    /// Does `call` have a flag of this side?
    fn is_flagged(self, call: &Call) -> bool {
        flags_of(call).any(|(_, side, _)| *side == self)
    }
}

fn flags_of(call: &Call) -> impl Iterator<Item = &'static (u32, Side, &'static str)> {
    let set = call.response_flags;
    FLAGS
        .iter()
        .filter(move |(number, ..)| set >> number & 1 == 1)
}

/// What Envoy's response flags say of the end of `call`, in words.
pub(crate) fn told_by_flags(call: &Call) -> impl Iterator<Item = &'static str> {
    flags_of(call).map(|(_, _, says)| *says)
}

/// Why a pair with a side that was cut off cannot be judged; `None` if neither was.
pub fn aborted(primary: &Call, candidate: &Call) -> Option<Incomparable> {
    match (primary.end, candidate.end) {
        (End::Aborted, _) => Some(Incomparable::PrimaryAborted),
        (_, End::Aborted) => Some(why(primary, candidate)),
        _ => None,
    }
}

/// Why nothing can be said of what one answer has more than the other: a stream that the caller's deadline ends is
/// as long as it has come by then. `None` if that ended neither or both are as long.
pub(super) fn ended_by_deadline(primary: &Call, candidate: &Call) -> Option<Incomparable> {
    let (a, b) = (&primary.response, &candidate.response);
    let (differs, reason) = match a.messages_count.zip(b.messages_count) {
        Some((a, b)) => (a != b, Incomparable::DeadlineExceeded),
        // Of a body that was cut nobody may know how many messages it had.
        None => (a.body_bytes != b.body_bytes, Incomparable::Truncated),
    };
    (differs && ran_into_deadline(primary) && ran_into_deadline(candidate)).then_some(reason)
}

/// Of the time that the caller gave, how much has to be over where its end is the reason: clocks and ways
/// take their part.
const DEADLINE_SHARE_MIN: u128 = 9;
const DEADLINE_SHARES: u128 = 10;

/// Did it end with `DEADLINE_EXCEEDED`, about when its caller's `grpc-timeout` was over?
fn ran_into_deadline(call: &Call) -> bool {
    let timeout = call
        .request_metadata
        .iter()
        .find(|header| header.name == GRPC_TIMEOUT);
    let timeout_ns = timeout.and_then(|header| timeout_ns(&header.value));
    let lasted_ns = call.timing.response_end_ns.or(call.timing.duration_ns);
    call.status == Some(Status::DEADLINE_EXCEEDED)
        && timeout_ns
            .zip(lasted_ns)
            .is_some_and(|(timeout_ns, lasted_ns)| {
                u128::from(lasted_ns) * DEADLINE_SHARES >= timeout_ns * DEADLINE_SHARE_MIN
            })
}

const GRPC_TIMEOUT: &[u8] = b"grpc-timeout";

/// `200m`: at most 8 digits, and a unit.
fn timeout_ns(value: &[u8]) -> Option<u128> {
    let (unit, digits) = value.split_last()?;
    let unit_ns: u128 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.len() <= 8)?;
    Some(digits.parse::<u128>().ok()? * unit_ns)
}

/// Did Envoy answer in place of a server that it could not reach, or that gave no whole answer?
pub(crate) fn is_envoys_answer(call: &Call) -> bool {
    call.trailers_only && Side::Upstream.is_flagged(call)
}

fn why(primary: &Call, candidate: &Call) -> Incomparable {
    let has = |side: Side| side.is_flagged(candidate);
    let may_be_cancelled = primary.end == End::ResponseFirst && !candidate.request.end_stream;
    match (has(Side::Upstream), has(Side::Downstream)) {
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
