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
use crate::call::{Call, CallId, CorrelationKey, Role, normalize_request_id};

/// Calls kept at most: about 100 MiB.
pub const LEFTOVERS_MAX: usize = 100_000;

/// Calls without a partner, for a second look.
#[derive(Debug, Default)]
pub struct Leftovers {
    held: Vec<Unpaired>,
    kinds: BTreeSet<FoundBy>,
    /// Has any call in a pair, or without a partner, a pair id?
    has_pair_ids: bool,
    /// What the kept calls take in memory with all that they carry.
    bytes: BTreeMap<CallId, u64>,
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
    /// Calls of which several share an id, so that it did not tell who belongs to whom.
    contested: BTreeSet<CallId>,
}

/// Two calls that belong together, without what they carried.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The old service's side.
    pub primary: Box<Call>,
    /// The new service's.
    pub candidate: Box<Call>,
    /// Attempts of the primary.
    pub attempts_count: u32,
    first_started_unix_ns: u64,
    /// What both take in memory with all that they carry.
    pub bytes_count: u64,
    found_by: FoundBy,
    /// Would other calls have fitted as well, by this id or a stronger one?
    is_contested: bool,
}

impl Match {
    /// The id that both have.
    pub fn found_by(&self) -> FoundBy {
        self.found_by
    }

    /// Says that other calls share the id by which these were found.
    pub fn contest(&mut self) {
        self.is_contested = true;
    }

    /// The pair, given both calls with all that they carried.
    pub fn into_pair(self, primary: Box<Call>, candidate: Box<Call>) -> Pair {
        Pair {
            found_by: self.found_by,
            is_ambiguous: self.is_contested || is_other_request(&primary, &candidate),
            primary,
            candidate,
            attempts_count: self.attempts_count,
        }
    }

    /// Both calls for themselves, if one could not be read again.
    pub fn into_unpaired(self) -> [Unpaired; 2] {
        let primary = Unpaired {
            attempts_count: self.attempts_count,
            first_started_unix_ns: self.first_started_unix_ns,
            ..Unpaired::of(self.primary, Reason::CandidateMissing)
        };
        [
            primary,
            Unpaired::of(self.candidate, Reason::PrimaryMissing),
        ]
    }
}

impl Leftovers {
    /// Moves those of the unpaired that may be found by another id to [`Pairing::withheld`], and keeps
    /// them without what they carried. Once there are too many, hands back all that are kept, and takes
    /// none any more.
    pub fn hold(&mut self, pairing: &mut Pairing) -> Vec<Unpaired> {
        let (mut pairs, mut alone) = (pairing.pairs.iter(), pairing.unpaired.iter());
        self.has_pair_ids |= pairs.any(|pair| pair.found_by == FoundBy::PairId)
            || alone.any(|unpaired| kind(&unpaired.call) == FoundBy::PairId);
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
            let weight = unpaired.call.weight(unpaired.call.bytes_count());
            let weight = u64::try_from(weight).unwrap_or(u64::MAX);
            self.bytes.insert(unpaired.call.id, weight);
            self.held.push(Unpaired {
                call: without_payload(&unpaired.call),
                ..*unpaired
            });
        }
        if self.held.len() <= LEFTOVERS_MAX {
            return Vec::new();
        }
        self.is_given_up = true;
        self.bytes.clear();
        self.not_sought += u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        std::mem::take(&mut self.held)
    }

    /// Kept calls that may be duplicate views of calls that kept their pair id: none where no call has one.
    pub fn may_be_stripped(&self) -> bool {
        self.has_pair_ids && self.kinds.contains(&FoundBy::RequestId)
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
            contested: BTreeSet::new(),
        };
        // All have lost the same: then none has lost anything.
        if self.kinds.len() > 1 {
            reunited.by(FoundBy::RequestId, request_id, settings);
            reunited.by(FoundBy::TraceId, trace_id, settings);
        }
        let weight = |call: &Call| self.bytes.get(&call.id).copied().unwrap_or_default();
        for found in &mut reunited.matches {
            found.bytes_count = weight(&found.primary).saturating_add(weight(&found.candidate));
        }
        reunited
    }
}

/// What both sides must have in common.
pub(super) type Key = (Vec<u8>, String, u64, Option<u64>);

fn key(id: Vec<u8>, call: &Call) -> Key {
    let request = &call.request;
    let method = call.rpc_method.clone();
    (id, method, request.body_bytes, request.body_digest)
}

/// What both sides of a pair found by `found_by` have in common.
pub(super) fn weaker_key(found_by: FoundBy, call: &Call) -> Option<Key> {
    let id = match found_by {
        FoundBy::RequestId => request_id(call),
        _ => trace_id(call),
    };
    Some(key(id?, call))
}

impl Reunited {
    fn by(&mut self, found_by: FoundBy, id: fn(&Call) -> Option<Vec<u8>>, settings: &Settings) {
        let mut groups: BTreeMap<Key, Vec<Unpaired>> = BTreeMap::new();
        for unpaired in std::mem::take(&mut self.unpaired) {
            let call = &unpaired.call;
            match id(call) {
                Some(id) => groups.entry(key(id, call)).or_default().push(unpaired),
                None => self.unpaired.push(unpaired),
            }
        }
        for group in groups.into_values() {
            if one_of_each(&group, settings) {
                let is_contested = group
                    .iter()
                    .any(|unpaired| self.contested.contains(&unpaired.call.id));
                self.matches.extend(to_match(group, found_by, is_contested));
            } else {
                let primaries = group
                    .iter()
                    .filter(|unpaired| unpaired.call.role == Role::Primary)
                    .count();
                // One and one that do not fit by their times leave no choice.
                if group.len() > 2 && (1..group.len()).contains(&primaries) {
                    let ids = group.iter().map(|unpaired| unpaired.call.id);
                    self.contested.extend(ids);
                }
                self.unpaired.extend(group);
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
    let mut logical = fold_none(vec![primary.call.clone()]);
    for call in &mut logical {
        call.first_started_unix_ns = primary.first_started_unix_ns;
    }
    kind(&primary.call) != kind(&candidate.call)
        && logical
            .iter()
            .all(|primary| timely::may_be_one_call(primary, &candidate.call, true, settings))
}

fn to_match(group: Vec<Unpaired>, found_by: FoundBy, is_contested: bool) -> Option<Match> {
    let (primaries, candidates): (Vec<_>, Vec<_>) = group
        .into_iter()
        .partition(|unpaired| unpaired.call.role == Role::Primary);
    let (primary, candidate) = (
        primaries.into_iter().next()?,
        candidates.into_iter().next()?,
    );
    Some(Match {
        attempts_count: primary.attempts_count,
        first_started_unix_ns: primary.first_started_unix_ns,
        primary: primary.call,
        candidate: candidate.call,
        bytes_count: 0,
        found_by,
        is_contested,
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
pub(super) fn without_payload(call: &Call) -> Box<Call> {
    let mut call = Box::new(call.clone());
    call.request_metadata = Vec::new();
    call.response_metadata = Vec::new();
    call.trailers = Vec::new();
    call.request.messages = Vec::new();
    call.response.messages = Vec::new();
    call.detach();
    call
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Pairing, pair_calls_of_all_ids};
    use super::*;
    use crate::call::Position;

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
    fn a_mirror_that_lost_its_pair_id_is_found_however_late_the_last_attempt_was() {
        let attempt = |number: u64| Call {
            attempt: u32::try_from(number).ok(),
            started_unix_ns: number * 20_000_000_000,
            ..call(1, Role::Primary)
        };
        let last = Call {
            id: call(2, Role::Primary).id,
            ..attempt(2)
        };
        let mut mirror = without_pair_id(1, Role::Candidate);
        mirror.started_unix_ns = attempt(1).started_unix_ns + 1;
        let pairing = pair_all(vec![attempt(1), last, mirror]);
        assert_eq!((pairing.pairs.len(), pairing.unpaired.len()), (1, 0));
        assert_eq!(pairing.pairs[0].attempts_count, 2);
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
    fn a_pair_is_ambiguous_if_others_share_the_id_it_was_found_by() {
        let shared = |number, role, pair_id: &'static str| Call {
            pair_id: Bytes::from_static(pair_id.as_bytes()),
            request_id: Bytes::from_static(b"shared"),
            request: call(1, role).request,
            started_unix_ns: 1,
            ..call(number, role)
        };
        let reunited = vec![
            shared(1, Role::Primary, "p1"),
            shared(2, Role::Candidate, ""),
        ];
        assert!(!pair_all(reunited.clone()).pairs[0].is_ambiguous);
        // The same call, as another place recorded it.
        let mut again = shared(9, Role::Primary, "p1");
        again.position = Position::Inbound;
        let pairing = pair_all([reunited.clone(), vec![again]].concat());
        assert!(!pairing.pairs[0].is_ambiguous);
        let others = vec![
            shared(3, Role::Primary, "p3"),
            shared(4, Role::Candidate, "p3"),
        ];
        let pairing = pair_all([reunited, others].concat());
        let is_ambiguous = |by| {
            let mut pairs = pairing.pairs.iter();
            pairs.find(|pair| pair.found_by == by).unwrap().is_ambiguous
        };
        assert_eq!(pairing.pairs.len(), 2);
        assert!(is_ambiguous(FoundBy::RequestId) && !is_ambiguous(FoundBy::PairId));
    }

    #[test]
    fn a_pair_is_ambiguous_if_a_stronger_id_left_the_choice_to_a_weaker_one() {
        let lost = |number, trace| Call {
            pair_id: Bytes::new(),
            request_id: Bytes::from_static(b"shared"),
            request: call(1, Role::Candidate).request,
            started_unix_ns: 1,
            trace_id: Some([trace; 16]),
            ..call(number, Role::Candidate)
        };
        let mut primary = lost(1, 1);
        primary.id.producer_id = [9; 16];
        primary.role = Role::Primary;
        primary.pair_id = Bytes::from_static(b"p1");
        let pairing = pair_all(vec![primary, lost(2, 1), lost(3, 2)]);
        assert_eq!(pairing.pairs.len(), 1);
        assert!(pairing.pairs[0].is_ambiguous && pairing.pairs[0].found_by == FoundBy::TraceId);
    }

    #[test]
    fn too_many_are_handed_back_and_counted() {
        let unpaired = |number: u64| {
            let call = Box::new(call(number, Role::Primary));
            Unpaired::of(call, Reason::CandidateMissing)
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
