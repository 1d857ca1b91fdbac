//! True differences, which no rule may hide that is learned from noise above or beside them.
//!
//! A rule covers what lies below its path. Where a list varies in length, `ignore: [missing]` on its elements would
//! also hide a field that the candidate never sets in them.

use std::collections::BTreeMap;

use super::fit::Fit;
use super::{Action, Key};
use crate::compare::rules::{element_end, may_cover};
use crate::compare::{Kind, Place};

/// True differences, by method and place, then by the names in their paths: those that a rule covers begin with its own.
#[derive(Debug, Default)]
pub(super) struct Protected(BTreeMap<(String, Place), BTreeMap<String, Vec<Difference>>>);

#[derive(Debug)]
struct Difference {
    path: String,
    kind: Kind,
    /// What the candidate showed.
    fit: Fit,
}

impl Protected {
    pub(super) fn add(&mut self, key: &Key, candidate: &Fit) {
        let there = (key.rpc_method.clone(), key.place);
        let named = self.0.entry(there).or_default();
        named.entry(names(&key.path)).or_default().push(Difference {
            path: key.path.clone(),
            kind: key.kind,
            fit: candidate.clone(),
        });
    }

    /// One that a rule learned from `key` would hide, wholly or in part: its path and kind.
    pub(super) fn hidden_by(&self, key: &Key, action: &Action) -> Option<(&str, Kind)> {
        let there = (key.rpc_method.clone(), key.place);
        let names = names(&key.path);
        let covered = self.0.get(&there)?.range(names.clone()..);
        let covered = covered.take_while(|(name, _)| name.starts_with(&names));
        let found = covered.flat_map(|(_, found)| found).find(|it| {
            let is_itself = (&it.path, it.kind) == (&key.path, key.kind);
            !is_itself && action.may_take(it.kind, &it.path, &it.fit) && covers(key, action, it)
        })?;
        Some((&found.path, found.kind))
    }
}

/// A path without what stands in brackets.
fn names(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        let end = element_end(after).unwrap_or(after.len());
        rest = after.get(end + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Metadata has names, not paths. A map that is missing as a whole is no difference where rules take each of its
/// entries.
fn covers(key: &Key, action: &Action, found: &Difference) -> bool {
    let path = &found.path;
    if key.place.is_metadata() {
        return key.path == *path;
    }
    let is_exact = *action == Action::Unordered;
    let may_be_map = matches!(found.kind, Kind::Missing | Kind::Extra);
    may_be_map && is_entry(&key.path, path) || may_cover(&key.path, path, is_exact).unwrap_or(true)
}

/// Is `entry` the path of an entry, or element, of what is at `path`?
fn is_entry(entry: &str, path: &str) -> bool {
    let inside = entry
        .strip_prefix(path)
        .and_then(|rest| rest.strip_prefix('['));
    inside.is_some_and(|inside| element_end(inside).is_some_and(|end| end + 1 == inside.len()))
}
