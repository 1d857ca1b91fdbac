//! Calls that make a pair doubtful that was found by a weaker id.

use std::collections::BTreeMap;

use super::leftovers::{Key, Match, weaker_key};
use super::{FoundBy, Settings, refusal};
use crate::call::{Call, CorrelationKey};

/// Finds, among all calls, those that share the id of a match and are neither of its calls, nor a view or an
/// attempt of them: then the id is not of one call alone, and the match may be wrong.
///
/// Such calls may have partners of their own and so be no leftovers.
#[derive(Debug)]
pub struct Rivals<'s> {
    settings: &'s Settings,
    /// The strongest ids of the two calls, when the primary started, whether a rival was seen.
    by_key: BTreeMap<(FoundBy, Key), ([CorrelationKey; 2], u64, bool)>,
}

impl<'s> Rivals<'s> {
    /// Nothing seen yet.
    pub fn of(matches: &[Match], settings: &'s Settings) -> Self {
        let entry = |found: &Match| {
            let strongest = [&found.primary, &found.candidate].map(|call| CorrelationKey::of(call));
            let key = weaker_key(found.found_by(), &found.primary)?;
            let started = found.primary.started_unix_ns;
            Some(((found.found_by(), key), (strongest, started, false)))
        };
        Self {
            settings,
            by_key: matches.iter().filter_map(entry).collect(),
        }
    }

    /// Takes note of a call.
    pub fn see(&mut self, call: &Call) {
        if refusal(call, self.settings).is_some() {
            return;
        }
        for found_by in [FoundBy::RequestId, FoundBy::TraceId] {
            let key = weaker_key(found_by, call);
            let entry = key.and_then(|key| self.by_key.get_mut(&(found_by, key)));
            if let Some((strongest, started, is_seen)) = entry {
                let gap = call.started_unix_ns.abs_diff(*started);
                *is_seen |= gap <= self.settings.start_gap_max_ns
                    && !strongest.contains(&CorrelationKey::of(call));
            }
        }
    }

    /// Says of `found` if another call was seen that it may belong to.
    pub fn contest(&self, found: &mut Match) {
        let key = weaker_key(found.found_by(), &found.primary);
        let entry = key.and_then(|key| self.by_key.get(&(found.found_by(), key)));
        if entry.is_some_and(|(_, _, is_seen)| *is_seen) {
            found.contest();
        }
    }
}
