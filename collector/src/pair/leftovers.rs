//! Calls of which one side lost the id that the other kept: found by the next one both have.
//!
//! A call is looked up by its strongest id. Where a proxy on the way strips `x-twintap-pair-id` (or an
//! application drops `x-request-id`), the sides of one call are looked up by different ids, which may lie
//! in different buckets, and both are left alone. [`Leftovers`] keeps such calls, without what they
//! carried; when all buckets were seen, [`Leftovers::reunite`] finds those of which exactly one primary and
//! one candidate share the next id, method and request, by different strongest ids. The caller reads
//! their calls again.
//!
//! Bounded: beyond [`LEFTOVERS_MAX`] the search is given up for all of them, so that the answer does not
//! depend on which came first, and it is told.

use std::collections::{BTreeMap, BTreeSet};

use super::attempts::fold_none;
use super::{FoundBy, Pair, Pairing, Reason, Settings, Unpaired, is_other_request, timely};
use crate::call::{Call, CorrelationKey, Role, normalize_request_id};

/// Calls kept at most: about 100 MiB.
pub const LEFTOVERS_MAX: usize = 100_000;

/// Calls without a partner, for a second look.
#[derive(Debug, Default)]
pub struct Leftovers {
    held: Vec<Unpaired>,
    kinds: BTreeSet<FoundBy>,
    is_given_up: bool,
    not_sought: u64,
}

/// What a second look came to.
#[derive(Debug, Default)]
pub struct Reunited {
    /// Primaries and candidates that belong together, by which id.
    pub matches: Vec<Match>,
    /// Calls that still have no partner.
    pub unpaired: Vec<Unpaired>,
}

/// Two calls that belong together, without what they carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The old service's side.
    pub primary: Call,
    /// The new service's.
    pub candidate: Call,
    /// Attempts of the primary.
    pub attempts_count: u32,
    found_by: FoundBy,
}

impl Match {
    /// The id that both have.
    pub fn found_by(&self) -> FoundBy {
        self.found_by
    }

    /// The pair, given both calls with all that they carried.
    pub fn into_pair(self, primary: Call, candidate: Call) -> Pair {
        Pair {
            found_by: self.found_by,
            is_ambiguous: is_other_request(&primary, &candidate),
            primary,
            candidate,
            attempts_count: self.attempts_count,
        }
    }

    /// Both calls for themselves, if one could not be read again.
    pub fn into_unpaired(self) -> [Unpaired; 2] {
        let alone = |call, reason, attempts_count| Unpaired {
            call,
            reason,
            attempts_count,
        };
        [
            alone(self.primary, Reason::CandidateMissing, self.attempts_count),
            alone(self.candidate, Reason::PrimaryMissing, 1),
        ]
    }
}

impl Leftovers {
    /// Moves those of the unpaired that may be found by another id to [`Pairing::withheld`], and keeps
    /// them without what they carried. Once there are too many, hands back all that are kept, and takes
    /// none any more.
    pub fn hold(&mut self, pairing: &mut Pairing) -> Vec<Unpaired> {
        if self.is_given_up {
            let lost = pairing
                .unpaired
                .iter()
                .filter(|call| may_have_lost_an_id(call));
            self.not_sought += u64::try_from(lost.count()).unwrap_or(u64::MAX);
            return Vec::new();
        }
        let unpaired = std::mem::take(&mut pairing.unpaired);
        (pairing.withheld, pairing.unpaired) = unpaired.into_iter().partition(may_have_lost_an_id);
        for unpaired in &pairing.withheld {
            self.kinds.insert(kind(&unpaired.call));
            self.held.push(without_payload(unpaired));
        }
        if self.held.len() <= LEFTOVERS_MAX {
            return Vec::new();
        }
        self.is_given_up = true;
        self.not_sought += u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        std::mem::take(&mut self.held)
    }

    /// Calls handed back because there were too many.
    pub fn not_sought(&self) -> u64 {
        self.not_sought
    }

    /// Looks once more, by the request id, then by the trace id.
    pub fn reunite(self, settings: &Settings) -> Reunited {
        let mut reunited = Reunited {
            matches: Vec::new(),
            unpaired: self.held,
        };
        // All have lost the same: then none has lost anything.
        if self.kinds.len() > 1 {
            reunited.by(FoundBy::RequestId, request_id, settings);
            reunited.by(FoundBy::TraceId, trace_id, settings);
        }
        reunited
    }
}

/// What both sides must have in common.
type Key = (Vec<u8>, String, u64, Option<u64>);

impl Reunited {
    fn by(&mut self, found_by: FoundBy, id: fn(&Call) -> Option<Vec<u8>>, settings: &Settings) {
        let mut groups: BTreeMap<Key, Vec<Unpaired>> = BTreeMap::new();
        for unpaired in std::mem::take(&mut self.unpaired) {
            let call = &unpaired.call;
            match id(call) {
                Some(id) => {
                    let request = &call.request;
                    let key = (
                        id,
                        call.rpc_method.clone(),
                        request.body_bytes,
                        request.body_digest,
                    );
                    groups.entry(key).or_default().push(unpaired);
                }
                None => self.unpaired.push(unpaired),
            }
        }
        for group in groups.into_values() {
            match one_of_each(&group, settings) {
                true => self.matches.extend(to_match(group, found_by)),
                false => self.unpaired.extend(group),
            }
        }
        self.unpaired.sort_by_key(|unpaired| unpaired.call.id);
    }
}

/// One primary and one other, looked up by different ids before, at a time that fits?
fn one_of_each(group: &[Unpaired], settings: &Settings) -> bool {
    let [a, b] = group else {
        return false;
    };
    let (primary, candidate) = match (a.call.role, b.call.role) {
        (Role::Primary, Role::Primary) => return false,
        (Role::Primary, _) => (a, b),
        (_, Role::Primary) => (b, a),
        _ => return false,
    };
    let logical = fold_none(vec![primary.call.clone()]);
    kind(&primary.call) != kind(&candidate.call)
        && logical
            .iter()
            .all(|primary| timely::may_be_one_call(primary, &candidate.call, true, settings))
}

fn to_match(group: Vec<Unpaired>, found_by: FoundBy) -> Option<Match> {
    let (primaries, candidates): (Vec<_>, Vec<_>) = group
        .into_iter()
        .partition(|unpaired| unpaired.call.role == Role::Primary);
    let (primary, candidate) = (
        primaries.into_iter().next()?,
        candidates.into_iter().next()?,
    );
    Some(Match {
        attempts_count: primary.attempts_count,
        primary: primary.call,
        candidate: candidate.call,
        found_by,
    })
}

/// Is it alone, and has it an id besides the strongest (or could another call have one besides this)?
fn may_have_lost_an_id(unpaired: &Unpaired) -> bool {
    let is_missing = matches!(
        unpaired.reason,
        Reason::CandidateMissing | Reason::PrimaryMissing
    );
    is_missing && (request_id(&unpaired.call).is_some() || unpaired.call.trace_id.is_some())
}

fn kind(call: &Call) -> FoundBy {
    FoundBy::of(&CorrelationKey::of(call))
}

fn request_id(call: &Call) -> Option<Vec<u8>> {
    (!call.request_id.is_empty()).then(|| normalize_request_id(&call.request_id).to_vec())
}

fn trace_id(call: &Call) -> Option<Vec<u8>> {
    call.trace_id.map(|id| id.to_vec())
}

/// What is needed to count and list it, sharing no memory with others.
fn without_payload(unpaired: &Unpaired) -> Unpaired {
    let mut call = unpaired.call.clone();
    call.request_metadata = Vec::new();
    call.response_metadata = Vec::new();
    call.trailers = Vec::new();
    call.request.messages = Vec::new();
    call.response.messages = Vec::new();
    call.detach();
    Unpaired {
        call,
        reason: unpaired.reason,
        attempts_count: unpaired.attempts_count,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Pairing, pair_calls_of_all_ids};
    use super::*;
    use crate::call::{CallId, Position};

    /// One side of call `number`, with a pair id and a request id.
    fn call(number: u64, role: Role) -> Call {
        let mut call = Call {
            id: CallId {
                producer_id: [role as u8; 16],
                record_number: number,
            },
            role,
            position: Position::Upstream,
            rpc_method: "shop.v1.Shop/Get".to_owned(),
            started_unix_ns: 10_000_000_000 * number,
            pair_id: Bytes::from(format!("p{number}")),
            request_id: Bytes::from(format!("r{number}")),
            ..Call::default()
        };
        call.request.body_digest = Some(number);
        call
    }

    fn without_pair_id(number: u64, role: Role) -> Call {
        Call {
            pair_id: Bytes::new(),
            ..call(number, role)
        }
    }

    fn pair_all(calls: Vec<Call>) -> Pairing {
        pair_calls_of_all_ids(calls, &Settings::default())
    }

    #[test]
    fn a_side_that_lost_its_pair_id_is_found_by_the_request_id() {
        for (old, new) in [
            (call(1, Role::Primary), without_pair_id(1, Role::Candidate)),
            (without_pair_id(1, Role::Primary), call(1, Role::Candidate)),
        ] {
            let pairing = pair_all(vec![old, new, call(2, Role::Primary)]);
            assert_eq!((pairing.pairs.len(), pairing.unpaired.len()), (1, 1));
            assert_eq!(pairing.pairs[0].found_by, FoundBy::RequestId);
        }
    }

    #[test]
    fn a_side_that_lost_its_request_id_is_found_by_the_trace() {
        let traced = |call: Call| Call {
            pair_id: Bytes::new(),
            trace_id: Some([1; 16]),
            ..call
        };
        let old = traced(call(1, Role::Primary));
        let new = Call {
            request_id: Bytes::new(),
            ..traced(call(1, Role::Candidate))
        };
        let pairing = pair_all(vec![old, new]);
        assert_eq!(pairing.pairs[0].found_by, FoundBy::TraceId);
    }

    #[test]
    fn calls_that_kept_their_ids_and_share_another_stay_apart() {
        let shared = |call: Call| Call {
            request_id: Bytes::from_static(b"shared"),
            ..call
        };
        let mut other = shared(call(2, Role::Candidate));
        other.request.body_digest = Some(1);
        other.started_unix_ns = call(1, Role::Primary).started_unix_ns;
        let pairing = pair_all(vec![shared(call(1, Role::Primary)), other.clone()]);
        assert_eq!((pairing.pairs.len(), pairing.unpaired.len()), (0, 2));
        // Two would fit: nobody can tell.
        let lost = |number| Call {
            id: CallId {
                record_number: number,
                ..other.id
            },
            pair_id: Bytes::new(),
            ..other.clone()
        };
        let pairing = pair_all(vec![shared(call(1, Role::Primary)), lost(8), lost(9)]);
        assert_eq!((pairing.pairs.len(), pairing.unpaired.len()), (0, 3));
    }

    #[test]
    fn too_many_are_handed_back_and_counted() {
        let unpaired = |number: u64| Unpaired {
            call: call(number, Role::Primary),
            reason: Reason::CandidateMissing,
            attempts_count: 1,
        };
        let count = u64::try_from(LEFTOVERS_MAX).unwrap() + 1;
        let mut leftovers = Leftovers::default();
        let mut back = 0;
        for number in 0..count {
            let mut pairing = Pairing {
                unpaired: vec![unpaired(number)],
                ..Pairing::default()
            };
            back += leftovers.hold(&mut pairing).len();
            assert_eq!((pairing.unpaired.len(), pairing.withheld.len()), (0, 1));
        }
        let mut pairing = Pairing {
            unpaired: vec![unpaired(count)],
            ..Pairing::default()
        };
        back += leftovers.hold(&mut pairing).len() + pairing.unpaired.len();
        assert_eq!(back, LEFTOVERS_MAX + 2);
        assert_eq!(leftovers.not_sought(), count + 1);
        assert!(leftovers.reunite(&Settings::default()).unpaired.is_empty());
    }
}
