//! What a comparison held against what: for those who show both sides next to each other.
//!
//! Kept only where [`compare_lined_up`](super::compare_lined_up) asks for it; trials keep nothing. Paths
//! are those of differences: of the primary, of the candidate in what only it has. Of lists that were
//! found equal at first sight nothing is kept: in them each index belongs to itself.

use std::collections::{BTreeMap, BTreeSet};

use super::align::Step;
use super::difference::Place;

/// A part of a call, and which message of it.
pub type Part = (Place, Option<u32>);

/// Which elements, names and parts of the two sides belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinedUp {
    /// Of each of the candidate's elements the primary's that belongs to it.
    lists: BTreeMap<(Part, String), Vec<Option<usize>>>,
    /// Last steps of paths that one side writes in another way than differences: by the path they stand
    /// at, and whether it is the candidate.
    names: BTreeMap<(Part, String, bool, String), String>,
    /// Fields of oneofs of which the sides set different ones.
    arms: BTreeSet<(Part, String)>,
    /// What was compared.
    judged: BTreeSet<Part>,
    /// What was not compared to its end.
    stopped: BTreeSet<Part>,
    /// Were there more differences than are kept, so that what has none may differ all the same?
    pub(super) is_full: bool,
    /// Did the calls end with different codes, so that the rest of the answer follows from that?
    pub(super) has_other_status: bool,
}

impl LinedUp {
    /// Of each of the candidate's messages the primary's; `None` if each index belongs to itself.
    pub fn stream(&self, place: Place) -> Option<&[Option<usize>]> {
        self.list((place, None), "")
    }

    /// Likewise of the elements of the list at `path`.
    pub fn list(&self, part: Part, path: &str) -> Option<&[Option<usize>]> {
        // A key of borrowed text would need a type of its own.
        let partners = self.lists.get(&(part, path.to_owned()))?;
        Some(partners)
    }

    /// What differences call `step` at `path`, where that is another name.
    pub fn name(&self, part: Part, path: &str, of_candidate: bool, step: &str) -> Option<&str> {
        if self.names.is_empty() {
            return None;
        }
        let key = (part, path.to_owned(), of_candidate, step.to_owned());
        self.names.get(&key).map(String::as_str)
    }

    /// The fields of oneofs in `part` of which the sides set different ones.
    pub fn arms(&self, part: Part) -> impl Iterator<Item = &str> {
        let of_part = self.arms.iter().filter(move |(other, _)| *other == part);
        of_part.map(|(_, path)| path.as_str())
    }

    /// Was this part compared to its end, so that what no difference names is equal?
    pub fn is_judged(&self, part: Part) -> bool {
        let whole = (part.0, None);
        let is_compared = self.judged.contains(&part) || self.judged.contains(&whole);
        is_compared && !self.is_full && !self.stopped.contains(&part)
    }

    /// Did the calls end with different codes, so that the rest of the answer follows from that?
    pub fn has_other_status(&self) -> bool {
        self.has_other_status
    }

    /// Keeps how a list was aligned; `equal` are pairs besides those of `steps`.
    pub(super) fn add_list(
        &mut self,
        (part, path): (Part, &str),
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
        self.lists.insert((part, path.to_owned()), partners);
    }

    /// Keeps that differences call `step` of one side `name`.
    pub(super) fn add_name(
        &mut self,
        (part, path): (Part, &str),
        of_candidate: bool,
        step: String,
        name: String,
    ) {
        if step != name {
            let key = (part, path.to_owned(), of_candidate, step);
            self.names.insert(key, name);
        }
    }

    /// Keeps which fields of a oneof the two sides set.
    pub(super) fn add_arms(&mut self, (part, path): (Part, &str), arms: [&str; 2]) {
        let dot = if path.is_empty() { "" } else { "." };
        let paths = arms.map(|arm| (part, format!("{path}{dot}{arm}")));
        self.arms.extend(paths);
    }

    /// Keeps that this part was compared.
    pub(super) fn add_judged(&mut self, part: Part) {
        self.judged.insert(part);
    }

    /// Keeps that comparing this part ended early.
    pub(super) fn add_stopped(&mut self, part: Part) {
        self.stopped.insert(part);
    }
}
