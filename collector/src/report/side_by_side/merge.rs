//! The lines of two sides next to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::marks::Mark;
use super::paths::At;
use crate::compare::Difference;

/// Lines of one side and where they stand.
pub(super) type Lines = Vec<(At, String)>;

/// A row in the making: values in full.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) at: At,
    pub(super) primary: Option<String>,
    pub(super) candidate: Option<String>,
    pub(super) mark: Mark,
}

impl Draft {
    /// The row of a difference that no line shows.
    pub(super) fn of_difference(found: &Difference, mark: Mark) -> Self {
        Self {
            at: At::of(&found.path),
            primary: found.primary.clone(),
            candidate: found.candidate.clone(),
            mark,
        }
    }

    pub(super) fn is_of_one_side(&self) -> bool {
        self.primary.is_none() || self.candidate.is_none()
    }
}

/// Lines of the same key side by side, in the order of the old side; what only the new one has
/// stands behind what it follows there. Of a key that repeats, the first meets the first.
pub(super) fn merge(old: Lines, new: Lines) -> Vec<Draft> {
    let (old_keys, new_keys) = (keys(&old), keys(&new));
    let (old, new) = (
        without_hollow(old, &new_keys),
        without_hollow(new, &old_keys),
    );
    let mut places: BTreeMap<(String, usize), usize> = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut rows = Vec::with_capacity(old.len());
    for (at, value) in old {
        let count = counts.entry(at.key.clone()).or_default();
        places.insert((at.key.clone(), *count), rows.len());
        *count += 1;
        rows.push(Draft {
            at,
            primary: Some(value),
            ..Draft::default()
        });
    }
    counts.clear();
    // What only the new side has, by the old row that it stands behind.
    let mut extra: BTreeMap<usize, Vec<Draft>> = BTreeMap::new();
    let mut behind = 0;
    for (at, value) in new {
        let count = counts.entry(at.key.clone()).or_default();
        let place = places.get(&(at.key.clone(), *count)).copied();
        *count += 1;
        match place.and_then(|place| Some((place, rows.get_mut(place)?))) {
            Some((place, row)) => {
                row.candidate = Some(value);
                behind = place + 1;
            }
            None => extra.entry(behind).or_default().push(Draft {
                at,
                candidate: Some(value),
                ..Draft::default()
            }),
        }
    }
    let mut merged = extra.remove(&0).unwrap_or_default();
    for (index, row) in rows.into_iter().enumerate() {
        merged.push(row);
        merged.extend(extra.remove(&(index + 1)).unwrap_or_default());
    }
    merged
}

fn keys(lines: &Lines) -> BTreeSet<String> {
    lines.iter().map(|(at, _)| at.key.clone()).collect()
}

/// Without messages that are empty, where the other side has something in them.
fn without_hollow(mut lines: Lines, others: &BTreeSet<String>) -> Lines {
    let has_below = |key: &str| {
        ['.', '['].iter().any(|separator| {
            let below = format!("{key}{separator}");
            let next = others.range(below.clone()..).next();
            next.is_some_and(|next| next.starts_with(&below))
        })
    };
    let is_hollow = |value: &str| matches!(value, "{}" | "\"\"");
    lines.retain(|(at, value)| !(is_hollow(value) && has_below(&at.key)));
    lines
}
