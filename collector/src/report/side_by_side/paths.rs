//! Where a line of either side stands, in the paths of differences.
//!
//! These count elements as the primary does: the candidate's `[3]` stands at `[2]` if the comparison
//! held it against the primary's `[2]`. What only the candidate has keeps the candidate's index, which
//! may be that of another element of the primary: inside the report such a step is `[+3]`.

use crate::compare::contents::Line;
use crate::compare::{Difference, Kind, LinedUp, Spot};

/// A path as differences write it, and a key that no other element shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub(super) path: String,
    pub(super) key: String,
}

impl At {
    /// Is the path the candidate's own?
    pub(super) fn is_candidates(&self) -> bool {
        self.key != self.path
    }

    /// Where no two share a path.
    pub(super) fn of(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            key: path.to_owned(),
        }
    }

    fn push(&mut self, step: &str) {
        // A step that was the first may follow another one here, and the other way round.
        let name = step.strip_prefix('.').unwrap_or(step);
        for text in [&mut self.path, &mut self.key] {
            if !text.is_empty() && !name.starts_with('[') {
                text.push('.');
            }
            text.push_str(name);
        }
    }

    fn push_element(&mut self, index: usize, is_alone: bool) {
        self.path.push_str(&format!("[{index}]"));
        let plus = if is_alone { "+" } else { "" };
        self.key.push_str(&format!("[{plus}{index}]"));
    }
}

/// Where `line` of `spot` stands, of the candidate or else of the primary.
pub(super) fn of_line(line: &Line, spot: Spot, is_candidate: bool, seen: &LinedUp) -> At {
    let mut at = At::default();
    let mut start = 0;
    // Is this inside an element that only this side has?
    let mut is_alone = false;
    let mut ends = line.ends.iter().copied().peekable();
    while let Some(end) = ends.next() {
        let step = line.path.get(start..end).unwrap_or_default();
        start = end;
        let list = seen.list(spot, &at.key).filter(|_| !is_alone);
        match (list, element(step)) {
            (Some(partners), Some(index)) => {
                is_alone = enter(&mut at, partners, index, is_candidate)
            }
            _ => {
                let name = step.strip_prefix('.').unwrap_or(step);
                let other = seen.name(spot, &at.key, is_candidate, name);
                at.push(other.filter(|_| !is_alone).unwrap_or(step));
            }
        }
        // By wire field a list of one is written like the value.
        let next = ends.peek().and_then(|end| line.path.get(start..*end));
        let list = seen.list(spot, &at.key).filter(|_| !is_alone);
        if let Some(partners) = list
            && next.and_then(element).is_none()
        {
            is_alone = enter(&mut at, partners, 0, is_candidate);
        }
    }
    at
}

/// Appends an element; is it one that only the candidate has?
fn enter(at: &mut At, partners: &[Option<usize>], index: usize, is_candidate: bool) -> bool {
    let beside = match is_candidate {
        true => partners.get(index).copied().flatten(),
        false => Some(index),
    };
    at.push_element(beside.unwrap_or(index), beside.is_none());
    beside.is_none()
}

/// The key of the path of `found`.
pub(super) fn key_of(found: &Difference, seen: &LinedUp) -> String {
    let key = || -> Option<String> {
        let (list, last) = found.path.split_at(found.path.rfind('[')?);
        let index = element(last).filter(|_| found.kind == Kind::Extra)?;
        let spot = Spot {
            place: found.place,
            message_index: found.message_index,
        };
        let partners = seen.list(spot, list)?;
        let is_alone = partners.get(index)?.is_none();
        is_alone.then(|| format!("{list}[+{index}]"))
    };
    key().unwrap_or_else(|| found.path.clone())
}

/// The index of `[index]`.
fn element(step: &str) -> Option<usize> {
    step.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// Is `path` the path `above`, or below it?
pub(super) fn is_within(path: &str, above: &str) -> bool {
    above.is_empty()
        || path
            .strip_prefix(above)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// What `path` is a member or an element of.
pub(super) fn parent(path: &str) -> &str {
    let end = path.rfind(['.', '[']).unwrap_or_default();
    path.get(..end).unwrap_or_default()
}
