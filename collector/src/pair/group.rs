//! One group of calls that share key and method (and request body): who belongs to whom.

use std::collections::BTreeMap;

use super::attempts::{self, Logical};
use super::views::View;
use super::{FoundBy, Pair, Pairing, Reason, Settings, Unpaired, may_be_other_request};
use super::{clocks, timely, variant};
use crate::call::{Call, CorrelationKey, Role};

/// What one place recorded of the group, by side.
#[derive(Default)]
struct Seen {
    primaries: Vec<Box<Call>>,
    candidates: Vec<Box<Call>>,
}

/// Pairs `calls`, sorted by start.
pub(super) fn pair(
    key: &CorrelationKey,
    calls: Vec<Box<Call>>,
    settings: &Settings,
    out: &mut Pairing,
) {
    let one_call = matches!(key, CorrelationKey::PairId(_));
    let calls = match one_of_each_side(calls) {
        Ok(sides) => return by_occurrence(key, sides, !one_call, settings, out),
        Err(calls) => calls,
    };
    let mut views: BTreeMap<View, Seen> = BTreeMap::new();
    for call in calls {
        let seen = views.entry(View::of(&call)).or_default();
        match call.role {
            Role::Primary => seen.primaries.push(call),
            _ => seen.candidates.push(call),
        }
    }
    if !one_call && let Some(rank) = rank_of_several(&views) {
        let (several, others) = views.into_iter().partition(|(view, _)| view.rank() == rank);
        count_duplicates(&others, out);
        return several_calls(several, out);
    }
    if one_call {
        let primaries = views.values().map(|seen| seen.primaries.as_slice());
        let candidates = views.values().map(|seen| seen.candidates.as_slice());
        out.sightings.extend(clocks::sighting(primaries));
        out.sightings.extend(clocks::sighting(candidates));
    }
    let (primaries, candidates) = choose(views, out);
    let several_candidates = variant::are_several(&candidates);
    // Unnumbered records of one pair id are attempts only beside at most one mirrored call.
    let is_retried = one_call && (candidates.len() <= 1 || several_candidates);
    match attempts::fold(primaries, is_retried) {
        Ok(primaries) => {
            let candidates = attempts::fold_none(candidates);
            out.counts.earlier_attempts += primaries.iter().map(|call| call.folded).sum::<u64>();
            if several_candidates {
                unpaired(primaries, Reason::SeveralCandidates, out);
                unpaired(candidates, Reason::SeveralCandidates, out);
            } else if one_call {
                by_pair_id(key, primaries, candidates, settings, out);
            } else {
                by_occurrence(key, (primaries, candidates), true, settings, out);
            }
        }
        Err(primaries) => {
            unpaired(attempts::fold_none(primaries), Reason::Ambiguous, out);
            unpaired(attempts::fold_none(candidates), Reason::Ambiguous, out);
        }
    }
}

/// The primaries and the candidates of a group.
type Sides = (Vec<Logical>, Vec<Logical>);

/// The usual case: one place saw one call of each side. There is nothing to choose and nothing to fold.
fn one_of_each_side(calls: Vec<Box<Call>>) -> Result<Sides, Vec<Box<Call>>> {
    let [a, b]: [Box<Call>; 2] = calls.try_into()?;
    let (primary, other) = match (a.role, b.role) {
        (Role::Primary, role) if role != Role::Primary => (a, b),
        (role, Role::Primary) if role != Role::Primary => (b, a),
        _ => return Err(vec![a, b]),
    };
    if View::of(&primary) != View::of(&other) {
        return Err(vec![primary, other]);
    }
    let logical = |call| attempts::fold_none(vec![call]);
    Ok((logical(primary), logical(other)))
}

/// The position at which several places saw both sides, if there is one: then several calls share
/// the id, since one call is mirrored at one place. (A pair id is made for one call, and is not
/// asked.)
fn rank_of_several(views: &BTreeMap<View, Seen>) -> Option<u8> {
    let mut ranks = views
        .iter()
        .filter(|(_, seen)| !seen.primaries.is_empty() && !seen.candidates.is_empty())
        .map(|(view, _)| view.rank());
    // Views are in order of rank, so equal ones are neighbours.
    let mut last = ranks.next()?;
    ranks.find(|rank| std::mem::replace(&mut last, *rank) == *rank)
}

fn several_calls(views: BTreeMap<View, Seen>, out: &mut Pairing) {
    for seen in views.into_values() {
        unpaired(attempts::fold_none(seen.primaries), Reason::Ambiguous, out);
        unpaired(attempts::fold_none(seen.candidates), Reason::Ambiguous, out);
    }
}

fn count_duplicates(views: &BTreeMap<View, Seen>, out: &mut Pairing) {
    let left: usize = views
        .values()
        .map(|seen| seen.primaries.len() + seen.candidates.len())
        .sum();
    out.counts.duplicate_views += u64::try_from(left).unwrap_or(u64::MAX);
}

/// Chooses the records to use and counts the others as duplicate views: of the places that saw both
/// sides, one with as many primaries as candidates, then the preferred one; without such a place,
/// each side's own best.
fn choose(mut views: BTreeMap<View, Seen>, out: &mut Pairing) -> (Vec<Box<Call>>, Vec<Box<Call>>) {
    let both = views
        .iter()
        .filter(|(_, seen)| !seen.primaries.is_empty() && !seen.candidates.is_empty())
        .min_by_key(|(view, seen)| {
            (
                seen.primaries.len() != seen.candidates.len(),
                (*view).clone(),
            )
        })
        .map(|(view, _)| view.clone());
    let alone = |has: fn(&Seen) -> bool| {
        let of_side = views.iter().filter(|(_, seen)| has(seen));
        of_side
            .map(|(view, _)| view.clone())
            .min_by_key(|view| (view.alone_rank(), view.clone()))
    };
    let of_primary = both
        .clone()
        .or_else(|| alone(|seen| !seen.primaries.is_empty()));
    let of_candidate = both.or_else(|| alone(|seen| !seen.candidates.is_empty()));
    let mut take = |view: Option<View>, side: fn(&mut Seen) -> &mut Vec<Box<Call>>| {
        view.and_then(|view| views.get_mut(&view))
            .map(|seen| std::mem::take(side(seen)))
    };
    let primaries = take(of_primary, |seen| &mut seen.primaries).unwrap_or_default();
    let candidates = take(of_candidate, |seen| &mut seen.candidates).unwrap_or_default();
    count_duplicates(&views, out);
    (primaries, candidates)
}

/// A pair id is one per request: one and one belong together. Where it was used again all the same,
/// the request body has to tell.
fn by_pair_id(
    key: &CorrelationKey,
    primaries: Vec<Logical>,
    candidates: Vec<Logical>,
    settings: &Settings,
    out: &mut Pairing,
) {
    if primaries.len() <= 1 && candidates.len() <= 1 {
        return by_occurrence(key, (primaries, candidates), false, settings, out);
    }
    let mut requests: BTreeMap<_, (Vec<Logical>, Vec<Logical>)> = BTreeMap::new();
    let request = |logical: &Logical| {
        (
            logical.call.request.body_bytes,
            logical.call.request.body_digest,
        )
    };
    for logical in primaries {
        requests
            .entry(request(&logical))
            .or_default()
            .0
            .push(logical);
    }
    for logical in candidates {
        requests
            .entry(request(&logical))
            .or_default()
            .1
            .push(logical);
    }
    for (primaries, candidates) in requests.into_values() {
        by_occurrence(key, (primaries, candidates), true, settings, out);
    }
}

/// First with first, second with second, if both sides have the same number, and if they can be of
/// one call by their times. `is_shared` says that other calls may have the key too.
fn by_occurrence(
    key: &CorrelationKey,
    (primaries, candidates): Sides,
    is_shared: bool,
    settings: &Settings,
    out: &mut Pairing,
) {
    if candidates.is_empty() {
        return unpaired(primaries, Reason::CandidateMissing, out);
    }
    if primaries.is_empty() {
        return unpaired(candidates, Reason::PrimaryMissing, out);
    }
    if primaries.len() != candidates.len() {
        unpaired(primaries, Reason::Ambiguous, out);
        return unpaired(candidates, Reason::Ambiguous, out);
    }
    let several = primaries.len() > 1;
    for (primary, candidate) in primaries.into_iter().zip(candidates) {
        if !timely::may_be_one_call(&primary, &candidate.call, is_shared, settings) {
            unpaired(vec![primary], Reason::CandidateMissing, out);
            unpaired(vec![candidate], Reason::PrimaryMissing, out);
        } else {
            out.pairs.push(Pair {
                found_by: FoundBy::of(key),
                is_ambiguous: several || may_be_other_request(key, &primary.call, &candidate.call),
                primary: primary.call,
                candidate: candidate.call,
                attempts_count: primary.attempts_count,
            });
        }
    }
}

fn unpaired(calls: Vec<Logical>, reason: Reason, out: &mut Pairing) {
    out.unpaired
        .extend(calls.into_iter().map(|logical| Unpaired {
            call: logical.call,
            reason,
            attempts_count: logical.attempts_count,
        }));
}
