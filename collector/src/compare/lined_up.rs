//! What a comparison held against what: for those who show both sides next to each other.
//!
//! Kept only where [`compare_lined_up`](super::compare_lined_up) asks for it; trials keep nothing. Paths
//! are those of differences: of the primary, of the candidate in what only it has. Of lists that were
//! found equal at first sight nothing is kept: in them each index belongs to itself.

use std::collections::{BTreeMap, BTreeSet};

use super::align::Step;
use super::difference::Place;

/// Where in a call a value or a list is: its place, and which message of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// Part of the call.
    pub place: Place,
    /// Message of the stream, from 0.
    pub message_index: Option<u32>,
}

impl Spot {
    /// All of a place.
    fn whole(place: Place) -> Self {
        Self {
            place,
            message_index: None,
        }
    }
}

/// Which elements, names and parts of the two sides belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinedUp {
    /// Of each of the candidate's elements the primary's that belongs to it.
    lists: BTreeMap<(Spot, String), Vec<Option<usize>>>,
    /// Last steps of paths that one side writes in another way than differences: by the path they stand
    /// at, and whether it is the candidate.
    names: BTreeMap<(Spot, String, bool, String), String>,
    /// Fields of oneofs of which the sides set different ones.
    arms: BTreeMap<Spot, BTreeSet<String>>,
    /// What was compared.
    judged: BTreeSet<Spot>,
    /// What was not compared to its end.
    stopped: BTreeSet<Spot>,
    /// Were there more differences than are kept, so that what has none may differ all the same?
    pub(super) is_full: bool,
    /// Did the calls end with different codes, so that the rest of the answer follows from that?
    pub(super) has_other_status: bool,
}

impl LinedUp {
    /// Of each of the candidate's messages the primary's; `None` if each index belongs to itself.
    pub fn stream(&self, place: Place) -> Option<&[Option<usize>]> {
        self.list(Spot::whole(place), "")
    }

    /// Likewise of the elements of the list at `path`.
    pub fn list(&self, spot: Spot, path: &str) -> Option<&[Option<usize>]> {
        // A key of borrowed text would need a type of its own.
        let partners = self.lists.get(&(spot, path.to_owned()))?;
        Some(partners)
    }

    /// What differences call `step` at `path`, where that is another name.
    pub fn name(&self, spot: Spot, path: &str, of_candidate: bool, step: &str) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let key = (spot, path.to_owned(), of_candidate, step.to_owned());
        self.names.get(&key).map(String::as_str)
    }

    /// The fields of oneofs in `spot` of which the sides set different ones.
    pub fn arms(&self, spot: Spot) -> impl Iterator<Item = &str> {
        let paths = self.arms.get(&spot).into_iter().flatten();
        paths.map(String::as_str)
    }

    /// Was this part compared to its end, so that what no difference names is equal?
    pub fn is_judged(&self, spot: Spot) -> bool {
        let whole = Spot::whole(spot.place);
        let is_compared = self.judged.contains(&spot) || self.judged.contains(&whole);
        is_compared && !self.is_full && !self.stopped.contains(&spot)
    }

    /// Did the calls end with different codes, so that the rest of the answer follows from that?
    pub fn has_other_status(&self) -> bool {
        self.has_other_status
    }

    /// Keeps how a list was aligned; `equal` are pairs besides those of `steps`.
    pub(super) fn add_list(
        &mut self,
        (spot, path): (Spot, &str),
        (steps, equal): (&[Step], &[(usize, usize)]),
        candidate_count: usize,
    ) {
        let mut partners = vec![None; candidate_count];
        let both = steps.iter().filter_map(|step| match step {
            Step::Both(i, j) => Some((*i, *j)),
            Step::Primary(_) | Step::Candidate(_) => None,
        });
        for (i, j) in both.chain(equal.iter().copied()) {
            if let Some(partner) = partners.get_mut(j) {
                *partner = Some(i);
            }
        }
        self.lists.insert((spot, path.to_owned()), partners);
    }

    /// Keeps that differences call `step` of one side `name`.
    pub(super) fn add_name(
        &mut self,
        (spot, path): (Spot, &str),
        of_candidate: bool,
        step: String,
        name: String,
    ) {
        if step != name {
            let key = (spot, path.to_owned(), of_candidate, step);
            self.names.insert(key, name);
        }
    }

    /// Keeps which fields of a oneof the two sides set.
    pub(super) fn add_arms(&mut self, (spot, path): (Spot, &str), arms: [&str; 2]) {
        let dot = if path.is_empty() { "" } else { "." };
        let paths = arms.map(|arm| format!("{path}{dot}{arm}"));
        self.arms.entry(spot).or_default().extend(paths);
    }

    /// Keeps that this part was compared.
    pub(super) fn add_judged(&mut self, spot: Spot) {
        self.judged.insert(spot);
    }

    /// Keeps that comparing this part ended early.
    pub(super) fn add_stopped(&mut self, spot: Spot) {
        self.stopped.insert(spot);
    }
}
