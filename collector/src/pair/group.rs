//! One group of calls that share key and method (and request body): who belongs to whom.
//!
//! The records of one place are used, and those of other places that are of the same calls are struck
//! ([`duplicates`]). What other places recorded besides are other calls with the same key: they are paired
//! among themselves, place by place, and such pairs are ambiguous.

use std::collections::BTreeMap;

use super::attempts::{self, Logical};
use super::views::View;
use super::{FoundBy, Pair, Pairing, Reason, Settings, Unpaired, may_be_other_request};
use super::{clocks, duplicates, requests, timely, variant};
use crate::call::{Call, CorrelationKey, Role};

/// What one place recorded of the group, by side.
#[derive(Default)]
struct Seen {
    primaries: Vec<Box<Call>>,
    candidates: Vec<Box<Call>>,
}

impl Seen {
    fn saw_both(&self) -> bool {
        !self.primaries.is_empty() && !self.candidates.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.primaries.is_empty() && self.candidates.is_empty()
    }
}

/// What a place saw of one side.
type Side = fn(&mut Seen) -> &mut Vec<Box<Call>>;

fn primaries_of(seen: &mut Seen) -> &mut Vec<Box<Call>> {
    &mut seen.primaries
}

fn candidates_of(seen: &mut Seen) -> &mut Vec<Box<Call>> {
    &mut seen.candidates
}

/// The records of one side that are used, and whose they are.
type Chosen = (Option<View>, Vec<Box<Call>>);

type Views = BTreeMap<View, Seen>;

/// The primaries and the candidates of a group.
type Sides = (Vec<Logical>, Vec<Logical>);

/// What is known of a group.
struct Group<'a> {
    key: &'a CorrelationKey,
    settings: &'a Settings,
    /// Is its key one per request?
    one_call: bool,
    /// May other calls have its key too?
    is_shared: bool,
}

/// Pairs `calls`, sorted by start.
pub(super) fn pair(
    key: &CorrelationKey,
    calls: Vec<Box<Call>>,
    settings: &Settings,
    out: &mut Pairing,
) {
    let one_call = matches!(key, CorrelationKey::PairId(_));
    let mut group = Group {
        key,
        settings,
        one_call,
        is_shared: !one_call,
    };
    let calls = match one_of_each_side(calls) {
        Ok(sides) => return group.by_occurrence(sides, false, out),
        Err(calls) => calls,
    };
    if !one_call {
        return group.by_place(calls, out);
    }
    match requests::part(calls) {
        Ok(parts) => {
            group.is_shared = parts.len() > 1;
            parts
                .into_iter()
                .for_each(|calls| group.by_place(calls, out));
        }
        Err(calls) => unpaired(attempts::fold_none(calls), Reason::Ambiguous, out),
    }
}

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

impl Group<'_> {
    /// Pairs what the best place recorded, then what others recorded besides.
    fn by_place(&self, calls: Vec<Box<Call>>, out: &mut Pairing) {
        let mut views = Views::new();
        for call in calls {
            let seen = views.entry(View::of(&call)).or_default();
            match call.role {
                Role::Primary => seen.primaries.push(call),
                _ => seen.candidates.push(call),
            }
        }
        if self.one_call && !self.is_shared {
            let primaries = views.values().map(|seen| seen.primaries.as_slice());
            let candidates = views.values().map(|seen| seen.candidates.as_slice());
            out.sightings.extend(clocks::sighting(primaries));
            out.sightings.extend(clocks::sighting(candidates));
        }
        self.by_best_place(&mut views, false, out);
        while views.values().any(Seen::saw_both) {
            self.by_best_place(&mut views, true, out);
        }
        let rest = views
            .into_values()
            .flat_map(|seen| [seen.primaries, seen.candidates]);
        rest.for_each(|calls| unpaired(attempts::fold_none(calls), Reason::Ambiguous, out));
    }

    /// Pairs the calls of one place, and strikes what others have of them. `are_others` says that another
    /// place had calls before that are none of these.
    fn by_best_place(&self, views: &mut Views, are_others: bool, out: &mut Pairing) {
        if !self.one_call
            && let Some(rank) = rank_of_several(views)
        {
            return self.several_calls(views, rank, out);
        }
        let [(of_primaries, primaries), (of_candidates, candidates)] = choose(views);
        let several_candidates = variant::are_several(&candidates);
        // Unnumbered records of one pair id are attempts only beside at most one mirrored call.
        let is_retried = self.one_call && (candidates.len() <= 1 || several_candidates);
        let (primaries, is_told) = match attempts::fold(primaries, is_retried, self.settings) {
            Ok(primaries) => (primaries, true),
            Err(records) => (attempts::fold_none(records), false),
        };
        let candidates = attempts::fold_none(candidates);
        self.strike(of_primaries.as_ref(), &primaries, views, primaries_of, out);
        self.strike(
            of_candidates.as_ref(),
            &candidates,
            views,
            candidates_of,
            out,
        );
        // Calls of another caller are no doubt where one saw both: its mirrors are its own.
        let place = of_primaries.filter(|place| Some(place) == of_candidates.as_ref());
        let is_doubt = |view: &View| !self.are_other_callers(place.as_ref(), view);
        let is_doubtful = are_others || views.keys().any(is_doubt);
        out.counts.earlier_attempts += primaries.iter().map(|call| call.folded).sum::<u64>();
        let reason = match (is_told, several_candidates) {
            (false, _) => Reason::Ambiguous,
            (true, true) => Reason::SeveralCandidates,
            (true, false) => {
                return self.by_occurrence((primaries, candidates), is_doubtful, out);
            }
        };
        unpaired(primaries, reason, out);
        unpaired(candidates, reason, out);
    }

    /// Several places at one position saw both sides of calls that share an id: nobody can tell who saw which.
    fn several_calls(&self, views: &mut Views, rank: u8, out: &mut Pairing) {
        let all = std::mem::take(views);
        let (several, others): (Views, Views) =
            all.into_iter().partition(|(view, _)| view.rank() == rank);
        *views = others;
        let (mut primaries, mut candidates) = (Vec::new(), Vec::new());
        for seen in several.into_values() {
            primaries.extend(attempts::fold_none(seen.primaries));
            candidates.extend(attempts::fold_none(seen.candidates));
        }
        for side in [&mut primaries, &mut candidates] {
            side.sort_by_key(|logical| (logical.call.started_unix_ns, logical.call.id));
        }
        self.strike(None, &primaries, views, primaries_of, out);
        self.strike(None, &candidates, views, candidates_of, out);
        unpaired(primaries, Reason::Ambiguous, out);
        unpaired(candidates, Reason::Ambiguous, out);
    }

    /// Counts what `views` have of these calls of one side too, which `place` recorded, as duplicates.
    fn strike(
        &self,
        place: Option<&View>,
        calls: &[Logical],
        views: &mut Views,
        side: Side,
        out: &mut Pairing,
    ) {
        // Of one pair id, clocks that are hours apart do not matter.
        let gap_max_ns = (!self.one_call).then_some(self.settings.start_gap_max_ns);
        for (view, seen) in views.iter_mut() {
            if !self.are_other_callers(place, view) {
                out.counts.duplicate_views += duplicates::strike(calls, side(seen), gap_max_ns);
            }
        }
        views.retain(|_, seen| !seen.is_empty());
    }

    /// Have two callers each calls of their own? By a shared id, nothing says that they are the same.
    fn are_other_callers(&self, place: Option<&View>, view: &View) -> bool {
        !self.one_call && place.is_some_and(View::is_at_caller) && view.is_at_caller()
    }

    /// First with first, second with second, if both sides have the same number, and if they can be of
    /// one call by their times. `is_doubtful` says that other calls were seen that have the key too.
    fn by_occurrence(&self, (primaries, candidates): Sides, is_doubtful: bool, out: &mut Pairing) {
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
        let is_shared = self.is_shared || several || is_doubtful;
        for (primary, candidate) in primaries.into_iter().zip(candidates) {
            if !timely::may_be_one_call(&primary, &candidate.call, is_shared, self.settings) {
                unpaired(vec![primary], Reason::CandidateMissing, out);
                unpaired(vec![candidate], Reason::PrimaryMissing, out);
            } else {
                out.pairs.push(Pair {
                    found_by: FoundBy::of(self.key),
                    is_ambiguous: several
                        || is_doubtful
                        || primary.is_doubtful
                        || may_be_other_request(self.key, &primary.call, &candidate.call),
                    primary: primary.call,
                    candidate: candidate.call,
                    attempts_count: primary.attempts_count,
                });
            }
        }
    }
}

/// The position at which several places saw both sides, if there is one: then several calls share
/// the id, since one call is mirrored at one place. (A pair id is made for one call, and is not
/// asked.)
fn rank_of_several(views: &Views) -> Option<u8> {
    let mut ranks = views
        .iter()
        .filter(|(_, seen)| seen.saw_both())
        .map(|(view, _)| view.rank());
    // Views are in order of rank, so equal ones are neighbours.
    let mut last = ranks.next()?;
    ranks.find(|rank| std::mem::replace(&mut last, *rank) == *rank)
}

/// Takes the records to use: of the places that saw both sides, one with as many primaries as candidates,
/// then the preferred one; without such a place, each side's own best.
fn choose(views: &mut Views) -> [Chosen; 2] {
    let both = views
        .iter()
        .filter(|(_, seen)| seen.saw_both())
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
    let mut take = |view: &Option<View>, side: Side| {
        let seen = view.as_ref().and_then(|view| views.get_mut(view));
        seen.map(|seen| std::mem::take(side(seen)))
            .unwrap_or_default()
    };
    let primaries = take(&of_primary, primaries_of);
    let candidates = take(&of_candidate, candidates_of);
    views.retain(|_, seen| !seen.is_empty());
    [(of_primary, primaries), (of_candidate, candidates)]
}

fn unpaired(calls: Vec<Logical>, reason: Reason, out: &mut Pairing) {
    let unpaired = |logical: Logical| Unpaired {
        call: logical.call,
        reason,
        attempts_count: logical.attempts_count,
        first_started_unix_ns: logical.first_started_unix_ns,
    };
    out.unpaired.extend(calls.into_iter().map(unpaired));
}
