//! The keys of a mapping: those that are known, each once.

use serde_saphyr::Location;

use super::Reader;
use super::node::{At, Node};
use super::scalars::Read;

/// Edits between a key and the one that may be meant.
const TYPOS_MAX: usize = 2;

/// The entries of one mapping, taken one by one.
pub(super) struct Entries {
    /// Where the mapping stands.
    pub(super) at: Location,
    /// Is there a key that is none? It may be meant for any that is missing.
    pub(super) has_unknown: bool,
    entries: Vec<(String, At<Node>)>,
}

impl Reader<'_> {
    /// The entries of `node` under `keys`; other keys, repeated ones and what is no mapping are
    /// problems.
    pub(super) fn entries(&mut self, node: At<Node>, what: &str, keys: &[&str]) -> Option<Entries> {
        let at = node.referenced;
        let Node::Map(written) = node.value else {
            let found = node.value.what();
            let keys = keys.join(", ");
            self.problem(
                at,
                format!("{what} is expected, with {keys}; found {found}"),
            );
            return None;
        };
        let mut entries: Vec<(String, At<Node>)> = Vec::new();
        let mut has_unknown = false;
        for (key, value) in written {
            let place = key.referenced;
            let name = match key.value {
                Node::Text(name) => name,
                other => {
                    self.problem(place, format!("a key is expected, found {}", other.what()));
                    continue;
                }
            };
            if !keys.contains(&name.as_str()) {
                has_unknown = true;
                self.problem(place, unknown(&name, keys));
            } else if entries.iter().any(|(known, _)| *known == name) {
                self.problem(place, format!("duplicate key `{name}`"));
            } else {
                entries.push((name, value));
            }
        }
        Some(Entries {
            at,
            has_unknown,
            entries,
        })
    }

    /// The value of `key`: none if it is not there, none inside if it is wrong.
    pub(super) fn value<T>(
        &mut self,
        entries: &mut Entries,
        key: &str,
        read: impl Fn(&Node) -> Read<T>,
    ) -> Option<Option<At<T>>> {
        let node = entries.take(key)?;
        match read(&node.value) {
            Ok(value) => Some(Some(At {
                value,
                referenced: node.referenced,
                defined: node.defined,
            })),
            Err(faults) => {
                for fault in faults {
                    let at = fault.at.unwrap_or(node.referenced);
                    self.problem(at, format!("`{key}`: {}", fault.text));
                }
                Some(None)
            }
        }
    }

    /// The value of `key`, without which nothing works.
    pub(super) fn required<T>(
        &mut self,
        entries: &mut Entries,
        key: &str,
        read: impl Fn(&Node) -> Read<T>,
    ) -> Option<At<T>> {
        let value = self.value(entries, key, read);
        if value.is_none() {
            self.problem(entries.at, format!("missing field `{key}`"));
        }
        value.flatten()
    }
}

impl Entries {
    pub(super) fn take(&mut self, key: &str) -> Option<At<Node>> {
        let index = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.swap_remove(index).1)
    }
}

fn unknown(name: &str, keys: &[&str]) -> String {
    let distance = |key: &&&str| strsim::damerau_levenshtein(name, key);
    let nearest = keys.iter().min_by_key(distance);
    match nearest.filter(|key| distance(key) <= TYPOS_MAX) {
        Some(key) => format!("unknown field `{name}`, did you mean `{key}`?"),
        None => format!(
            "unknown field `{name}`, expected one of {}",
            keys.join(", ")
        ),
    }
}
