//! What a group of differences hangs on: `only when request.country = "DE"`, `only from candidate pod
//! "web-1"`, `only since 14:05`.
//!
//! Of each method a sample of its judged pairs is kept, and a sample of those that differ, both by the
//! smallest hashes of the primary's record: the same whatever order pairs come in.
//! [`decide`] compares pairs that have a group with pairs that have not.
//!
//! Memory: [`SAMPLE_MAX`] pairs of each sort a method, [`SAMPLES_MAX`] in all methods, each of at most
//! [`features::FEATURES_MAX`] short features.

mod correlation;
mod decide;
mod features;
mod statistic;
mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::group::GroupKey;
use crate::compare::Schema;
use crate::pair::Pair;
use features::Features;

pub use correlation::{Correlation, Relation};
pub(crate) use decide::{GROUPS_MAX, Wanted};

/// Pairs of one sort kept of one method.
pub(crate) const SAMPLE_MAX: usize = 2_048;

/// Pairs of one sort kept in all: with many methods each has fewer.
pub(crate) const SAMPLES_MAX: usize = 32_768;

/// Methods sampled.
const METHODS_MAX: usize = 2_048;

/// Samples of all methods.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Message types, to name the fields of requests.
    schema: Option<Schema>,
    methods: BTreeMap<String, Sample>,
    /// Judged pairs of further methods.
    pairs_left_out: u64,
}

/// How much correlations were told from, as in the JSON report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CorrelationLimits {
    /// Judged pairs sampled.
    pub sampled_pairs: u64,
    /// Pairs sampled of those that differ, partly the same.
    pub sampled_differing: u64,
    /// Judged pairs sampled that have more features than are looked at, or a request that was not
    /// captured whole.
    pub features_cut: u64,
    /// Judged pairs of methods beyond the limit of 2048.
    pub pairs_left_out: u64,
    /// Groups beyond the 200 most frequent.
    pub groups_left_out: u64,
}

/// Sample of one method, by hash.
#[derive(Debug, Default)]
struct Sample {
    /// Of all judged pairs.
    judged: BTreeMap<u64, Arc<Sampled>>,
    /// Of those that differ.
    differing: BTreeMap<u64, Arc<Sampled>>,
}

/// What is kept of a pair.
#[derive(Debug)]
struct Sampled {
    started_unix_ns: u64,
    features: Features,
    /// Hashes of the groups that it has, sorted.
    groups: Vec<u64>,
}

impl Sampled {
    fn has(&self, group: u64) -> bool {
        self.groups.binary_search(&group).is_ok()
    }
}

impl Samples {
    /// One that names the fields of requests by these types.
    pub(crate) fn with_schema(schema: Option<Schema>) -> Self {
        Self {
            schema,
            ..Self::default()
        }
    }

    /// Adds a judged pair that has these groups of differences.
    pub(crate) fn add<'k>(&mut self, pair: &Pair, groups: impl Iterator<Item = &'k GroupKey>) {
        let rpc_method = &pair.primary.rpc_method;
        let (mut most, is_full) = (self.most(), self.methods.len() >= METHODS_MAX);
        if let (None, false) = (self.methods.get(rpc_method), is_full) {
            self.methods.insert(rpc_method.clone(), Sample::default());
            most = self.most();
            self.shrink();
        }
        let Some(sample) = self.methods.get_mut(rpc_method) else {
            self.pairs_left_out += 1;
            return;
        };
        let hash = pair_hash(pair);
        let mut groups = groups.peekable();
        let differs = groups.peek().is_some();
        let in_judged = wants(&sample.judged, hash, most);
        let in_differing = differs && wants(&sample.differing, hash, most);
        if !in_judged && !in_differing {
            return;
        }
        let mut groups: Vec<u64> = groups.map(group_hash).collect();
        groups.sort_unstable();
        let sampled = Arc::new(Sampled {
            started_unix_ns: pair.primary.started_unix_ns,
            features: Features::of(pair, self.schema.as_ref()),
            groups,
        });
        if in_judged {
            sample.judged.insert(hash, Arc::clone(&sampled));
            shrink(&mut sample.judged, most);
        }
        if in_differing {
            sample.differing.insert(hash, sampled);
            shrink(&mut sample.differing, most);
        }
    }

    /// How much there is to tell from, given how many groups were not looked at.
    pub(crate) fn limits(&self, groups_left_out: usize) -> CorrelationLimits {
        let sum = |count: fn(&Sample) -> usize| {
            let all: usize = self.methods.values().map(count).sum();
            u64::try_from(all).unwrap_or(u64::MAX)
        };
        CorrelationLimits {
            sampled_pairs: sum(|sample| sample.judged.len()),
            sampled_differing: sum(|sample| sample.differing.len()),
            features_cut: sum(|sample| {
                let judged = sample.judged.values();
                judged.filter(|sampled| sampled.features.is_cut()).count()
            }),
            pairs_left_out: self.pairs_left_out,
            groups_left_out: u64::try_from(groups_left_out).unwrap_or(u64::MAX),
        }
    }

    /// Pairs of one sort kept of a method, by the number of methods.
    fn most(&self) -> usize {
        (SAMPLES_MAX / self.methods.len().max(1)).min(SAMPLE_MAX)
    }

    fn shrink(&mut self) {
        let most = self.most();
        for sample in self.methods.values_mut() {
            shrink(&mut sample.judged, most);
            shrink(&mut sample.differing, most);
        }
    }
}

fn wants(sample: &BTreeMap<u64, Arc<Sampled>>, hash: u64, most: usize) -> bool {
    sample.len() < most
        || sample
            .last_key_value()
            .is_some_and(|(last, _)| hash < *last)
}

fn shrink(sample: &mut BTreeMap<u64, Arc<Sampled>>, most: usize) {
    while sample.len() > most {
        sample.pop_last();
    }
}

fn pair_hash(pair: &Pair) -> u64 {
    let id = pair.primary.id;
    let mut bytes = [0; 24];
    let (producer, record) = bytes.split_at_mut(16);
    producer.copy_from_slice(&id.producer_id);
    record.copy_from_slice(&id.record_number.to_le_bytes());
    xxh3_64(&bytes)
}

fn group_hash(key: &GroupKey) -> u64 {
    let mut hasher = Xxh3::new();
    for part in [
        key.place.name(),
        &key.path,
        key.kind.name(),
        key.severity.name(),
    ] {
        hasher.update(&part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest()
}
