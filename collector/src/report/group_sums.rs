//! What is summed of one group of differences.

use std::collections::{BTreeMap, BTreeSet};

use super::correlate::Correlation;
use super::explain::Trend;
use super::group::{Example, Group, GroupKey};
use super::rows::{name_to_show, time_text};
use crate::compare::{Difference, LooksLike};
use crate::pair::Pair;
use crate::share::rate;

/// Examples kept of one group, each of another pair.
pub const EXAMPLES_MAX: usize = 3;

#[derive(Debug, Default)]
pub(super) struct GroupSums {
    pairs: u64,
    occurrences: u64,
    /// Were some of them not kept? Then nothing can be said of all.
    is_cut: bool,
    looks_like: BTreeMap<LooksLike, u64>,
    ignored_by: BTreeSet<String>,
    trend: Trend,
    /// Start of the earliest and of the latest primary call that has it.
    seen: Option<(u64, u64)>,
    /// By start of the primary call and the pair's key; of one pair the smallest.
    examples: BTreeMap<(u64, String), Example>,
}

impl GroupSums {
    /// Adds a difference; `is_first`: of its pair.
    pub(super) fn add(&mut self, pair: &Pair, difference: &Difference, is_first: bool) {
        self.pairs += u64::from(is_first);
        self.occurrences += 1 + difference.more_alike;
        self.is_cut |= difference.more_alike > 0;
        if let Some(looks_like) = difference.looks_like {
            *self.looks_like.entry(looks_like).or_default() += 1;
        }
        if let Some(rule) = &difference.ignored_by
            && !self.ignored_by.contains(rule)
        {
            self.ignored_by.insert(rule.clone());
        }
        self.trend.add(difference);
        let started = pair.primary.started_unix_ns;
        let (first, last) = self.seen.unwrap_or((started, started));
        self.seen = Some((first.min(started), last.max(started)));
        let is_full = self.examples.len() >= EXAMPLES_MAX;
        let last_kept = self.examples.last_key_value();
        if !is_full || last_kept.is_none_or(|((kept, _), _)| started <= *kept) {
            self.example(pair, difference);
        }
    }

    fn example(&mut self, pair: &Pair, difference: &Difference) {
        let started = pair.primary.started_unix_ns;
        let example = Example {
            at: time_text(started),
            correlation_key: name_to_show(&pair.primary),
            path: difference.path.clone(),
            message_index: difference.message_index,
            primary: difference.primary.clone(),
            candidate: difference.candidate.clone(),
        };
        let key = (started, example.correlation_key.clone());
        match self.examples.get_mut(&key) {
            Some(kept) if *kept <= example => {}
            Some(kept) => *kept = example,
            None => {
                self.examples.insert(key, example);
            }
        }
        if self.examples.len() > EXAMPLES_MAX {
            self.examples.pop_last();
        }
    }

    /// Pairs that have it.
    pub(super) fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Start of the earliest and of the latest primary call that has it.
    pub(super) fn seen(&self) -> Option<(u64, u64)> {
        self.seen
    }

    /// The group of `key`, of a method with that many judged pairs.
    pub(super) fn into_group(
        self,
        key: GroupKey,
        judged: u64,
        correlations: Vec<Correlation>,
    ) -> Group {
        let (first, last) = self.seen.unwrap_or_default();
        let mut examples = self.examples.into_values();
        Group {
            rpc_method: key.rpc_method,
            place: key.place.name(),
            path: key.path,
            kind: key.kind.name(),
            severity: key.severity,
            ignored_by: self.ignored_by.into_iter().collect(),
            pairs: self.pairs,
            rate: rate(self.pairs, judged),
            occurrences: self.occurrences,
            explanation: match self.is_cut {
                true => None,
                false => self.trend.explain(&self.looks_like),
            },
            looks_like: self.looks_like,
            correlations,
            first_seen: time_text(first),
            last_seen: time_text(last),
            example: examples.next().unwrap_or_default(),
            more_examples: examples.collect(),
        }
    }
}
