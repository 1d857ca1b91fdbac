//! How often each of the elements differs that one place stands for (`items[*].note`).
//!
//! What varies in one element says nothing of another: the values of a map, or of a list in which each position has a
//! meaning of its own. Kept are counts of those elements that have the smallest hashes: the same, whatever order
//! pairs come in.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use super::{BySource, Source};

/// Elements of one place that are told apart.
pub const ELEMENTS_MAX: usize = 128;

/// Pairs in which each element differs.
#[derive(Clone, Debug, Default)]
pub(super) struct Elements {
    pairs: BTreeMap<u64, BySource<u32>>,
    /// Were there more than are kept?
    pub(super) is_cut: bool,
}

impl Elements {
    /// Notes a pair in which the element at `path` differs.
    pub(super) fn add(&mut self, path: &str, source: Source) {
        let counts = self.pairs.entry(xxh3_64(path.as_bytes())).or_default();
        if let Some(count) = counts.get_mut(source.index()) {
            *count = count.saturating_add(1);
        }
        if self.pairs.len() > ELEMENTS_MAX {
            self.is_cut = true;
            self.pairs.pop_last();
        }
    }

    /// Is there one that differs in the candidate, clearly more often than `source` shows? One of many does so by
    /// chance: how often it would have to be seen grows with their number.
    pub(super) fn has_true_difference(&self, source: Source, judged: &BySource<u64>) -> bool {
        let number = u32::try_from(self.pairs.len()).unwrap_or(u32::MAX);
        let most_by_chance = 3.0 + 2.0 * f64::from(number).ln();
        let [candidate_judged, ..] = *judged;
        let noise_judged = judged.get(source.index()).copied().unwrap_or_default();
        let noise_per_pair = crate::share::rate(noise_judged, candidate_judged);
        self.pairs.values().any(|counts| {
            let [candidate, ..] = *counts;
            let noise = counts.get(source.index()).copied().unwrap_or_default();
            f64::from(candidate) * noise_per_pair > 3.0 * f64::from(noise) + most_by_chance
        })
    }
}
