//! Values that always become the same other value.

use std::collections::BTreeMap;

use super::{EXPLAINED_MIN, Explanation};
use crate::report::figures::thousands;

/// Old values told apart; with more, it is no renaming.
const RENAMES_MAX: usize = 16;

/// Longer texts are no names, and might be cut.
const NAME_CHARS_MAX: usize = 64;

/// Renamings named in words.
const SHOWN_MAX: usize = 3;

#[derive(Clone, Debug, Default)]
pub(super) struct Renames {
    known: BTreeMap<String, String>,
    /// Is there a value that is no name, or became two, or are there too many?
    is_broken: bool,
}

impl Renames {
    pub(super) fn add(&mut self, old: Option<&str>, new: Option<&str>) {
        if self.is_broken {
            return;
        }
        match (old, new) {
            (Some(old), Some(new)) if is_name(old) && is_name(new) => self.note(old, new),
            _ => self.give_up(),
        }
    }

    fn note(&mut self, old: &str, new: &str) {
        let is_full = self.known.len() >= RENAMES_MAX;
        match self.known.get(old) {
            Some(known) if known == new => {}
            None if !is_full => {
                self.known.insert(old.to_owned(), new.to_owned());
            }
            _ => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        self.is_broken = true;
        self.known.clear();
    }

    pub(super) fn explain(&self, count: u64) -> Option<Explanation> {
        let olds = u64::try_from(self.known.len()).ok()?;
        // Each was seen so often on average that it is no chance.
        if self.is_broken || olds == 0 || count < olds * EXPLAINED_MIN {
            return None;
        }
        let mut shown: Vec<String> = self
            .known
            .iter()
            .take(SHOWN_MAX)
            .map(|(old, new)| format!("{old} became {new}"))
            .collect();
        let hidden = self.known.len().saturating_sub(SHOWN_MAX);
        if hidden > 0 {
            shown.push(format!("{} more", thousands(u64::try_from(hidden).ok()?)));
        }
        let text = format!("always {}", shown.join(", "));
        Some(Explanation::new("renamed", text))
    }
}

fn is_name(text: &str) -> bool {
    text.chars().nth(NAME_CHARS_MAX).is_none()
}
