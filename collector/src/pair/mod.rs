//! Primary and candidate calls to pairs, or unpaired with a reason. No I/O, no clock.
//!
//! [`pair_calls`] takes whole pairing buckets ([`crate::call::pair_bucket`]) in any order and
//! answers in an order that depends on the calls alone. A call is looked up by the strongest id it
//! carries: the pair id, else `x-request-id`, else the trace id, else (only if asked for) nothing
//! but method and request body. Never by span id.
//!
//! - A pair id is one per request. Several primaries of one pair id and one request are **attempts** of one
//!   call, if each follows the one before: the last is compared, or of hedged ones the last that was not
//!   aborted. Mirrored calls are never retried. Where a pair id was used for several requests all the same,
//!   their bodies tell them apart.
//! - Request and trace ids are shared by many calls, so method and request body digest stand beside
//!   them, and calls that are equal in all of that are matched by **occurrence**: first with first.
//!   Such pairs are marked ambiguous. If both sides do not have the same number, nobody can say
//!   which one is missing: all of them stay unpaired, as ambiguous.
//! - The same call may be recorded at **several places** (caller and server). One place per side is
//!   chosen, one that saw both sides if there is any. Records of other places are duplicate views as far as the
//!   chosen place has a call for each: by number, and where an id may be shared also by time. The rest are
//!   other calls: they are paired place by place, as ambiguous.
//! - A call may be mirrored to **several candidates**. They are told apart by their names
//!   ([`Settings::candidate`] chooses one); without a choice, a call of which several mirrors were recorded stays
//!   unpaired with them all, and one of which a single mirror was recorded is paired with that. A secondary is
//!   a second copy of the old service and never a candidate, unless [`Settings::against`] asks for it.
//! - The partner of a call that is **younger** than [`Settings::awaiting_from_ns`] may still come.
//!
//! Every call is accounted for:
//! `calls = 2 * pairs + unpaired + duplicate_views + duplicate_records + earlier_attempts`.
//!
//! A call of which one side lost an id that the other kept is looked for once more, when all buckets
//! were seen: [`Leftovers`]. What is alone then, and was recorded with a pair id elsewhere, is a duplicate view:
//! [`Stripped`].

mod attempts;
mod clocks;
mod duplicates;
mod group;
mod leftovers;
mod requests;
mod rivals;
mod stripped;
mod timely;
mod variant;
mod views;

#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod million_tests;
#[cfg(test)]
mod tests;

pub use clocks::Sighting;
pub use leftovers::{LEFTOVERS_MAX, Leftovers, Match, Reunited};
pub use rivals::Rivals;
pub use stripped::Stripped;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use xxhash_rust::xxh3::Xxh3;

use crate::call::{Call, CorrelationKey, Role, pair_bucket_of};

/// What code sets for pairing.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Are calls without any id paired by method, request body and occurrence?
    pub by_digest: bool,
    /// Furthest apart two calls may start that share a request or trace id (or only their body), to be sides
    /// or views of one, in nanoseconds; and how long after one attempt the next may start. A client that sends
    /// a constant id must not pair a call with yesterday's.
    pub start_gap_max_ns: u64,
    /// The same where one recorder saw both, so that clocks do not matter: how long after the end of
    /// a request its mirror may start.
    pub mirror_delay_max_ns: u64,
    /// The side that primaries are paired with: candidates, or secondaries to measure noise.
    pub against: Role,
    /// Which of several candidates: its service, workload, `version` label or Envoy cluster. Absent:
    /// there is but one.
    pub candidate: Option<String>,
    /// Calls that started from here on, in nanoseconds since the Unix epoch, may still find a
    /// partner; absent: no call may.
    pub awaiting_from_ns: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            by_digest: false,
            start_gap_max_ns: 60_000_000_000,
            mirror_delay_max_ns: 1_000_000_000,
            against: Role::Candidate,
            candidate: None,
            awaiting_from_ns: None,
        }
    }
}

/// Two sides of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The old service's side: of several attempts the one that counts.
    pub primary: Box<Call>,
    /// The new service's side.
    pub candidate: Box<Call>,
    /// How they found each other.
    pub found_by: FoundBy,
    /// May it be the wrong pair: several equal calls matched by occurrence, one pair id with two different
    /// requests, found by an id that other calls have too, or one attempt of several that only clocks of two
    /// hosts tell apart?
    pub is_ambiguous: bool,
    /// Attempts of the primary call, the compared one included; at least 1.
    pub attempts_count: u32,
}

/// What two sides have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FoundBy {
    /// The pair id.
    PairId,
    /// The request id, method and request body.
    RequestId,
    /// The trace id, method and request body.
    TraceId,
    /// Method and request body alone.
    Digest,
}

impl FoundBy {
    /// Stable name, as in the `pairs` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::PairId => "pair_id",
            Self::RequestId => "request_id",
            Self::TraceId => "trace_id",
            Self::Digest => "digest",
        }
    }

    fn of(key: &CorrelationKey) -> Self {
        match key {
            CorrelationKey::PairId(_) => Self::PairId,
            CorrelationKey::RequestId(_) => Self::RequestId,
            CorrelationKey::TraceId(_) => Self::TraceId,
            CorrelationKey::None => Self::Digest,
        }
    }
}

/// A call without a partner.
#[derive(Clone, Debug, PartialEq)]
pub struct Unpaired {
    /// The call.
    pub call: Box<Call>,
    /// Why it has none.
    pub reason: Reason,
    /// Attempts seen of it; at least 1.
    pub attempts_count: u32,
    /// When the first of them started, in nanoseconds since the Unix epoch.
    pub first_started_unix_ns: u64,
}

impl Unpaired {
    /// A call that was tried once.
    pub fn of(call: Box<Call>, reason: Reason) -> Self {
        Self {
            first_started_unix_ns: call.started_unix_ns,
            call,
            reason,
            attempts_count: 1,
        }
    }
}

/// Why a call has no partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A primary call whose mirrored side was not recorded.
    CandidateMissing,
    /// A mirrored call whose primary side was not recorded.
    PrimaryMissing,
    /// Several calls would fit and nothing tells which.
    Ambiguous,
    /// Neither configuration nor position says which side it is.
    RoleUnknown,
    /// It carries no id, and pairing by request body was not asked for.
    NoId,
    /// A second run of the old service, kept to measure noise: not compared.
    Secondary,
    /// It was mirrored to several candidates, and none was chosen.
    SeveralCandidates,
    /// A mirrored call to another candidate than the one that was chosen.
    OtherCandidate,
    /// So many calls share its id that memory does not hold them.
    TooMany,
    /// It is so young that its partner may still come.
    AwaitingPartner,
}

impl Reason {
    /// Those for which a call should have no partner: the second run of the old service, a call to another candidate
    /// than the chosen one, one that is too young.
    pub(crate) const NOT_MISSING: [Self; 3] =
        [Self::Secondary, Self::OtherCandidate, Self::AwaitingPartner];

    /// Is a call missing its partner, if it has none for the reason of this name?
    pub fn misses_partner(name: &str) -> bool {
        !Self::NOT_MISSING.iter().any(|reason| reason.name() == name)
    }

    /// Stable name, as in the `pairs` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::CandidateMissing => "candidate_missing",
            Self::PrimaryMissing => "primary_missing",
            Self::Ambiguous => "ambiguous",
            Self::RoleUnknown => "role_unknown",
            Self::NoId => "no_id",
            Self::Secondary => "secondary",
            Self::SeveralCandidates => "several_candidates",
            Self::OtherCandidate => "other_candidate",
            Self::TooMany => "too_many",
            Self::AwaitingPartner => "awaiting_partner",
        }
    }
}

/// What became of a range of buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairing {
    /// In order of bucket, key, method and start.
    pub pairs: Vec<Pair>,
    /// Likewise. After [`Self::is_second_look`], without metadata and messages.
    pub unpaired: Vec<Unpaired>,
    /// Calls that may have lost an id, whole: none of the answer yet, they come back in a pair or unpaired
    /// when they were looked for by another id.
    pub withheld: Vec<Unpaired>,
    /// Were all of these calls in [`Self::withheld`] before?
    pub is_second_look: bool,
    /// Calls that are neither.
    pub counts: Counts,
    /// What calls that two places recorded say of their clocks.
    pub sightings: Vec<Sighting>,
    /// Of `unpaired`, calls that may have lost an id and were not looked for by another, because there
    /// are more than [`LEFTOVERS_MAX`].
    pub not_sought: u64,
}

/// Calls that are neither in a pair nor unpaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The same call, recorded at another place as well.
    pub duplicate_views: u64,
    /// The same record, read twice.
    pub duplicate_records: u64,
    /// Attempts that were followed by the one that counts.
    pub earlier_attempts: u64,
}

/// Pairs the calls of whole buckets.
pub fn pair_calls(
    calls: impl IntoIterator<Item = impl Into<Box<Call>>>,
    settings: &Settings,
) -> Pairing {
    let mut pairing = Pairing::default();
    let mut keyed = Vec::new();
    let mut seen = HashSet::new();
    for call in calls {
        let call: Box<Call> = call.into();
        if !seen.insert(call.id) {
            pairing.counts.duplicate_records += 1;
            continue;
        }
        match refusal(&call, settings) {
            Some(reason) => {
                pairing.unpaired.push(Unpaired::of(call, reason));
            }
            None => keyed.push(Keyed::of(call)),
        }
    }
    pairing.unpaired.sort_by_key(|unpaired| unpaired.call.id);
    // Files are in this order by themselves, nearly: merging what is sorted costs little.
    keyed.sort_by(Keyed::compare);
    let mut keyed = keyed.into_iter().peekable();
    while let Some(first) = keyed.next() {
        let key = first.key.clone();
        let mut calls = vec![first.call];
        while let Some(next) = keyed.next_if(|next| {
            let same = calls.first().map(|first| Keyed::group(&key, first));
            same == Some(Keyed::group(&next.key, &next.call))
        }) {
            calls.push(next.call);
        }
        group::pair(&key, calls, settings, &mut pairing);
    }
    if let Some(from) = settings.awaiting_from_ns {
        await_partners(&mut pairing.unpaired, from);
    }
    pairing
}

/// As [`pair_calls`], and looks for calls that lost an id at once: for few calls, that are all there are.
pub fn pair_calls_of_all_ids(
    calls: impl IntoIterator<Item = impl Into<Box<Call>>>,
    settings: &Settings,
) -> Pairing {
    let calls: Vec<Box<Call>> = calls.into_iter().map(Into::into).collect();
    let all: Vec<_> = calls
        .iter()
        .map(|call| leftovers::without_payload(call))
        .collect();
    let mut pairing = pair_calls(calls, settings);
    let mut leftovers = Leftovers::default();
    let given_up = leftovers.hold(&mut pairing);
    let withheld = std::mem::take(&mut pairing.withheld).into_iter();
    let mut whole: BTreeMap<_, _> = withheld.map(|held| (held.call.id, held.call)).collect();
    pairing.not_sought = leftovers.not_sought();
    let reunited = leftovers.reunite(settings);
    let mut rivals = Rivals::of(&reunited.matches, settings);
    all.iter().for_each(|call| rivals.see(call));
    for mut found in reunited.matches {
        rivals.contest(&mut found);
        let sides = (
            whole.remove(&found.primary.id),
            whole.remove(&found.candidate.id),
        );
        if let (Some(primary), Some(candidate)) = sides {
            pairing.pairs.push(found.into_pair(primary, candidate));
        }
    }
    let mut alone = reunited.unpaired;
    let mut stripped = Stripped::of(&alone, settings);
    all.iter().for_each(|call| stripped.see(call));
    pairing.counts.duplicate_views += stripped.strike(&mut alone);
    for mut unpaired in given_up.into_iter().chain(alone) {
        if let Some(call) = whole.remove(&unpaired.call.id) {
            unpaired.call = call;
        }
        pairing.unpaired.push(unpaired);
    }
    pairing
}

/// Says of calls that started at `from_ns` or later that their partner may still come.
fn await_partners(unpaired: &mut [Unpaired], from_ns: u64) {
    for call in unpaired {
        let may_change = matches!(
            call.reason,
            Reason::CandidateMissing | Reason::PrimaryMissing | Reason::Ambiguous
        );
        if may_change && call.call.started_unix_ns >= from_ns {
            call.reason = Reason::AwaitingPartner;
        }
    }
}

/// What to do with calls of which there are too many to pair: none is, each says why.
pub fn refuse_calls(calls: impl IntoIterator<Item = Box<Call>>, settings: &Settings) -> Pairing {
    let refuse = |call: Box<Call>| {
        let reason = refusal(&call, settings).unwrap_or(Reason::TooMany);
        Unpaired::of(call, reason)
    };
    Pairing {
        unpaired: calls.into_iter().map(refuse).collect(),
        ..Pairing::default()
    }
}

/// Equal for calls that could be in one pair: parts a bucket that is too large to be held.
pub fn group_hash(call: &Call) -> u64 {
    let key = CorrelationKey::of(call);
    let (_, rpc_method, request) = Keyed::group(&key, call);
    let mut hasher = Xxh3::new();
    hasher.update(key.as_bytes());
    // No byte of UTF-8, so that no id and method read as others.
    hasher.update(&[0xff]);
    hasher.update(rpc_method.as_bytes());
    if let Some((bytes, digest)) = request {
        hasher.update(&bytes.to_le_bytes());
        hasher.update(&digest.unwrap_or_default().to_le_bytes());
    }
    hasher.digest()
}

/// Why a call is not even looked up.
fn refusal(call: &Call, settings: &Settings) -> Option<Reason> {
    match call.role {
        Role::Unknown => return Some(Reason::RoleUnknown),
        Role::Secondary if settings.against != Role::Secondary => return Some(Reason::Secondary),
        Role::Candidate if settings.against != Role::Candidate => {
            return Some(Reason::OtherCandidate);
        }
        Role::Primary => {}
        Role::Candidate | Role::Secondary => {
            let chosen = settings.candidate.as_deref();
            if chosen.is_some_and(|name| !variant::is_named(call, name)) {
                return Some(Reason::OtherCandidate);
            }
        }
    }
    let has_id = CorrelationKey::of(call) != CorrelationKey::None;
    // Requests of which nothing says what they are could be any of their length.
    let is_known = settings.by_digest && is_request_known(call);
    (!has_id && !is_known).then_some(Reason::NoId)
}

/// May the two be of different requests? By pair id: both are whole, and unlike. By other ids, which several may
/// share: nothing is known of the body.
fn may_be_other_request(key: &CorrelationKey, primary: &Call, candidate: &Call) -> bool {
    match key {
        CorrelationKey::PairId(_) => is_other_request(primary, candidate),
        _ => !is_request_known(primary),
    }
}

/// Can equal requests be told from others of the same length? Of those without a byte there is one.
fn is_request_known(call: &Call) -> bool {
    call.request.body_digest.is_some() || call.request.body_bytes == 0
}

/// Did both sides receive whole requests that differ? Then the pair id may have been used twice.
fn is_other_request(primary: &Call, candidate: &Call) -> bool {
    let (a, b) = (&primary.request, &candidate.request);
    a.end_stream
        && b.end_stream
        && a.body_digest.is_some()
        && b.body_digest.is_some()
        && a.body_digest != b.body_digest
}

/// A call, and by what it is looked up.
struct Keyed {
    bucket: u16,
    key: CorrelationKey,
    call: Box<Call>,
}

/// What calls must share to be looked at together: key, method, and the request body where the key alone is not one
/// per request.
type Group<'a> = (&'a CorrelationKey, &'a str, Option<(u64, Option<u64>)>);

impl Keyed {
    fn of(call: Box<Call>) -> Self {
        let key = CorrelationKey::of(&call);
        Self {
            bucket: pair_bucket_of(&key, &call),
            key,
            call,
        }
    }

    fn group<'a>(key: &'a CorrelationKey, call: &'a Call) -> Group<'a> {
        let request = (!matches!(key, CorrelationKey::PairId(_)))
            .then_some((call.request.body_bytes, call.request.body_digest));
        (key, &call.rpc_method, request)
    }

    /// Groups one after the other, each in order of start.
    fn compare(&self, other: &Self) -> Ordering {
        let start = |keyed: &Self| (keyed.call.started_unix_ns, keyed.call.id);
        self.bucket
            .cmp(&other.bucket)
            .then_with(|| {
                let group = Self::group(&self.key, &self.call);
                group.cmp(&Self::group(&other.key, &other.call))
            })
            .then_with(|| start(self).cmp(&start(other)))
    }
}
