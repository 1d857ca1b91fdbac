//! What one call, recorded at its caller and at its server, says of their clocks.
//!
//! The server saw the request begin after the caller did, and the answer end before. So the server's
//! clock, less the caller's, is no more than the server's start less the caller's, and no less than the
//! same of their ends. The bounds are as far apart as the call's way there and back.
//!
//! One record of another attempt would make the bounds wrong for good. So of a call that may have been tried
//! again, nothing is taken: of primaries, all but those that were answered OK at the first attempt, alike at
//! both places.

use std::sync::Arc;

use super::attempts::{attempt_of, is_answered};
use crate::call::{Call, Position, Role, Workload};

/// Bounds of the difference between two clocks.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Who recorded the call at the caller.
    pub caller: Arc<Workload>,
    /// Who recorded it at the server.
    pub server: Arc<Workload>,
    /// The server's clock less the caller's, at least, in nanoseconds; absent if an end was not seen.
    pub low_ns: Option<i64>,
    /// The same, at most.
    pub high_ns: i64,
}

/// The bounds from what each place recorded of one side of one call; none unless it was recorded once
/// at its caller and once at its server.
pub(super) fn sighting<'a>(places: impl Iterator<Item = &'a [Box<Call>]>) -> Option<Sighting> {
    let (mut caller, mut server) = (None, None);
    for calls in places {
        let [call] = calls else {
            if calls.is_empty() {
                continue;
            }
            return None;
        };
        let place = match call.position {
            Position::Upstream => &mut caller,
            Position::Inbound => &mut server,
            Position::Unknown | Position::Outbound | Position::Wire => continue,
        };
        if place.replace(call).is_some() {
            return None;
        }
    }
    let (caller, server) = (caller?, server?);
    if !are_of_one_attempt(caller, server) {
        return None;
    }
    let end = |call: &Call| {
        call.started_unix_ns
            .checked_add(call.timing.response_end_ns?)
    };
    let ends = end(server).zip(end(caller));
    Some(Sighting {
        caller: Arc::clone(&caller.workload),
        server: Arc::clone(&server.workload),
        low_ns: ends.map(|(server, caller)| less(server, caller)),
        high_ns: less(server.started_unix_ns, caller.started_unix_ns),
    })
}

/// Did both see the same attempt? Mirrored calls have but one.
fn are_of_one_attempt(caller: &Call, server: &Call) -> bool {
    let answer = |call: &Call| (call.response.body_bytes, call.response.body_digest);
    let is_first = |call: &Call| attempt_of(call).is_none_or(|attempt| attempt == 1);
    let is_sure = |call: &Call| is_first(call) && is_answered(call);
    caller.role != Role::Primary
        || is_sure(caller) && is_sure(server) && answer(caller) == answer(server)
}

/// `a - b`, of two times.
fn less(a: u64, b: u64) -> i64 {
    let apart = i64::try_from(a.abs_diff(b)).unwrap_or(i64::MAX);
    if a < b { -apart } else { apart }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, pair_calls};
    use super::*;
    use crate::call::{CallId, End, Status, Timing};
    use bytes::Bytes;

    fn at(position: Position, started_ns: u64, took_ns: u64) -> Call {
        Call {
            id: CallId {
                producer_id: [position as u8; 16],
                record_number: 1,
            },
            role: Role::Primary,
            position,
            pair_id: Bytes::from_static(b"p"),
            status: Some(Status::OK),
            end: End::Complete,
            started_unix_ns: started_ns,
            timing: Timing {
                response_end_ns: Some(took_ns),
                ..Timing::default()
            },
            ..Call::default()
        }
    }

    #[test]
    fn a_call_seen_at_both_ends_bounds_the_clocks() {
        // The server is 1000 ns ahead; 30 ns there, 40 ns of work, 20 ns back.
        let calls = vec![
            at(Position::Upstream, 5_000, 90),
            at(Position::Inbound, 6_030, 40),
        ];
        let pairing = pair_calls(calls, &Settings::default());
        let [sighting] = pairing.sightings.as_slice() else {
            panic!("{:?}", pairing.sightings);
        };
        assert_eq!((sighting.low_ns, sighting.high_ns), (Some(980), 1_030));
        let alone = pair_calls([at(Position::Upstream, 1, 1)], &Settings::default());
        assert!(alone.sightings.is_empty());
    }

    #[test]
    fn what_may_be_two_attempts_says_nothing_of_clocks() {
        let caller = at(Position::Upstream, 5_000, 90);
        let server = at(Position::Inbound, 6_030, 40);
        let failed = Call {
            status: Some(Status(14)),
            ..caller.clone()
        };
        let second = Call {
            attempt: Some(2),
            ..caller.clone()
        };
        let mut other = caller.clone();
        other.response.body_digest = Some(1);
        for caller in [failed.clone(), second, other] {
            let pairing = pair_calls([caller, server.clone()], &Settings::default());
            assert!(pairing.sightings.is_empty());
        }
        // A mirror is never tried again.
        let mirrored = |call: Call| Call {
            role: Role::Candidate,
            ..call
        };
        let calls = [failed, server].map(mirrored);
        assert_eq!(pair_calls(calls, &Settings::default()).sightings.len(), 1);
    }
}
