//! Calls that lost their pair id on the way, and that another place recorded with it.
//!
//! A proxy between the caller's recorder and the servers' may strip `x-twintap-pair-id`. Where one of these
//! servers has a recorder and the other has none, what it recorded has no partner, though the call has one:
//! with its pair id. Such a call is not missing, it is a duplicate view. Found by request id, method and
//! request; only if all that lost the id fit, for otherwise nobody can tell which of them do not.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::duplicates::{Span, seen_as};
use super::leftovers::{Key, weaker_key};
use super::views::View;
use super::{FoundBy, Settings, Unpaired, refusal};
use crate::call::{Call, CorrelationKey, Role};

/// Calls of one request id and request that are looked at; if there are more, it tells too little.
const SEEN_MAX: usize = 100;

/// Looks, among all calls, for those of which calls without a partner are duplicate views.
#[derive(Debug)]
pub struct Stripped<'s> {
    settings: &'s Settings,
    /// By side, and what all have in common: when calls with a pair id started, by place.
    seen: BTreeMap<(bool, Key), BTreeMap<View, Vec<u64>>>,
}

impl<'s> Stripped<'s> {
    /// Nothing seen yet.
    pub fn of<'u>(
        unpaired: impl IntoIterator<Item = &'u Unpaired>,
        settings: &'s Settings,
    ) -> Self {
        let alone = unpaired.into_iter().filter(|alone| is_stripped(alone));
        let keys = alone.filter_map(|alone| side_key(&alone.call));
        Self {
            settings,
            seen: keys.map(|key| (key, BTreeMap::new())).collect(),
        }
    }

    /// By which [`Self::see`] has to be told of calls, once of each.
    pub fn request_ids(&self) -> BTreeSet<Bytes> {
        let ids = self.seen.keys().map(|(_, (id, ..))| id);
        ids.map(|id| Bytes::copy_from_slice(id)).collect()
    }

    /// Takes note of a call.
    pub fn see(&mut self, call: &Call) {
        let has_pair_id = matches!(CorrelationKey::of(call), CorrelationKey::PairId(_));
        if !has_pair_id || refusal(call, self.settings).is_some() {
            return;
        }
        if let Some(places) = side_key(call).and_then(|key| self.seen.get_mut(&key)) {
            let starts = places.entry(View::of(call)).or_default();
            if starts.len() <= SEEN_MAX {
                starts.push(call.started_unix_ns);
            }
        }
    }

    /// Takes the duplicate views out of `unpaired`, and says how many.
    pub fn strike(&self, unpaired: &mut Vec<Unpaired>) -> u64 {
        let mut alone: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        let place = |unpaired: &Unpaired| {
            let key = side_key(&unpaired.call).filter(|_| is_stripped(unpaired))?;
            Some((key, View::of(&unpaired.call)))
        };
        for call in unpaired.iter() {
            if let Some(place) = place(call) {
                let starts = alone.entry(place).or_default();
                starts.push(call.call.started_unix_ns);
            }
        }
        alone.retain(|(key, view), starts| self.are_seen_elsewhere(key, view, starts));
        let before = unpaired.len();
        unpaired.retain(|call| place(call).is_none_or(|place| !alone.contains_key(&place)));
        u64::try_from(before - unpaired.len()).unwrap_or(u64::MAX)
    }

    /// Did one other place see all that started then, and those that kept their id here?
    fn are_seen_elsewhere(&self, key: &(bool, Key), view: &View, alone: &[u64]) -> bool {
        let Some(places) = self.seen.get(key) else {
            return false;
        };
        let kept = places.get(view).map_or(&[][..], Vec::as_slice);
        let mut here: Vec<u64> = [alone, kept].concat();
        here.sort_unstable();
        let is_elsewhere = |place: &View| {
            let are_callers = place.is_at_caller() && view.is_at_caller();
            place != view && !are_callers
        };
        let mut elsewhere = places.iter().filter(|(place, _)| is_elsewhere(place));
        elsewhere.any(|(_, starts)| {
            let mut starts = starts.clone();
            starts.sort_unstable();
            let spans = starts.iter().map(|start| Span {
                first_ns: *start,
                last_ns: *start,
                attempts: 1,
            });
            let mut is_seen = seen_as(spans, self.settings.start_gap_max_ns);
            starts.len() <= SEEN_MAX
                && here.len() <= starts.len()
                && here.iter().all(|start| is_seen(*start))
        })
    }
}

/// Has it no pair id, but a request id?
fn is_stripped(unpaired: &Unpaired) -> bool {
    FoundBy::of(&CorrelationKey::of(&unpaired.call)) == FoundBy::RequestId
}

fn side_key(call: &Call) -> Option<(bool, Key)> {
    Some((
        call.role == Role::Primary,
        weaker_key(FoundBy::RequestId, call)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::super::{Pairing, Reason, pair_calls_of_all_ids};
    use super::*;
    use crate::call::{CallId, Position};

    const SECOND: u64 = 1_000_000_000;

    fn call(number: u64, role: Role, position: Position) -> Call {
        let mut call = Call {
            id: CallId {
                producer_id: [10 * role as u8 + position as u8; 16],
                record_number: number,
            },
            role,
            position,
            started_unix_ns: 100 * SECOND,
            request_id: Bytes::from_static(b"request"),
            ..Call::default()
        };
        if position == Position::Upstream {
            call.pair_id = Bytes::from(format!("pair-{number}"));
        }
        call.request.body_digest = Some(1);
        call
    }

    fn pair_all(calls: Vec<Call>) -> Pairing {
        pair_calls_of_all_ids(calls, &Settings::default())
    }

    #[test]
    fn a_call_that_another_place_recorded_with_its_pair_id_is_a_duplicate_view() {
        let of_caller =
            [Role::Primary, Role::Candidate].map(|role| call(1, role, Position::Upstream));
        let of_server = |number| call(number, Role::Candidate, Position::Inbound);
        let pairing = pair_all([&of_caller[..], &[of_server(1)]].concat());
        let counted = |pairing: &Pairing| {
            (
                pairing.pairs.len(),
                pairing.unpaired.len(),
                pairing.counts.duplicate_views,
            )
        };
        assert_eq!(counted(&pairing), (1, 0, 1));
        // One more than the caller made, and one at another time.
        let pairing = pair_all([&of_caller[..], &[of_server(1), of_server(2)]].concat());
        assert_eq!(counted(&pairing), (1, 2, 0));
        let later = Call {
            started_unix_ns: 161 * SECOND,
            ..of_server(1)
        };
        let pairing = pair_all([&of_caller[..], &[later]].concat());
        assert_eq!(counted(&pairing), (1, 1, 0));
        assert_eq!(pairing.unpaired[0].reason, Reason::PrimaryMissing);
        // That which kept its id at the server is the one that the caller made.
        let kept = Call {
            pair_id: of_caller[1].pair_id.clone(),
            ..of_server(2)
        };
        let pairing = pair_all([&of_caller[..], &[of_server(1), kept]].concat());
        assert_eq!(counted(&pairing), (1, 1, 1));
    }
}
