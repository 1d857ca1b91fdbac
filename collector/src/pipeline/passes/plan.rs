//! What is read at a time, and how what memory does not hold is parted.
//!
//! A pass that turns out too large is read to its end, and what it weighs noted by bucket and shard
//! ([`Weights`]). That says into which passes to split it, so that each call is read twice: once to weigh it,
//! once to pair it. Trying smaller and smaller passes instead would cost a reading each.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::call::{Call, PAIR_BUCKETS, pair_bucket};
use crate::pair::group_hash;
use crate::store::parquet::{Calls, Dataset, Projection, Shards};

/// Shards that one bucket is split into at most.
pub const SHARDS_MAX: u64 = 4096;

/// What a row takes in memory besides its decoded bytes, about: the call and its lists.
const ROW_BYTES: u64 = 2048;

/// Passes that a dataset is read in even if memory holds it all: several are read at a time.
const PASSES: u64 = 16;

/// A pass is not made smaller than this for that: opening every part costs something each time.
const PASS_BYTES: u64 = 8 << 20;

/// Part of the dataset: buckets, or some shards of one bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    buckets: Range<u16>,
    shards: Range<u64>,
}

impl Pass {
    /// All shards of `buckets`.
    pub(super) fn of_buckets(buckets: Range<u16>) -> Self {
        Self {
            buckets,
            shards: 0..SHARDS_MAX,
        }
    }

    pub(super) fn is_sharded(&self) -> bool {
        self.shards != (0..SHARDS_MAX)
    }

    /// Is it one shard, which nothing splits?
    pub(super) fn is_smallest(&self) -> bool {
        self.shards.end - self.shards.start <= 1
    }

    /// Its calls, unpaired.
    pub(super) fn calls<'d>(&self, dataset: &'d Dataset, projection: Projection) -> Calls<'d> {
        let calls = dataset.calls_in_buckets(self.buckets.clone(), projection);
        if !self.is_sharded() {
            return calls;
        }
        calls.in_shards(Shards {
            hash: group_hash,
            count: SHARDS_MAX,
            wanted: self.shards.clone(),
        })
    }

    /// The same in passes that weigh at most `bytes_max` or are one shard, in order.
    pub(super) fn split(&self, weights: &Weights, bytes_max: u64) -> Vec<Self> {
        let mut passes = Vec::new();
        if self.is_sharded() {
            passes.extend(weights.runs_of_shards(self.buckets.start, &self.shards, bytes_max));
            return passes;
        }
        let is_light = |bucket: &u16| weights.of_bucket(*bucket) <= bytes_max;
        let mut start = self.buckets.start;
        for bucket in self.buckets.clone().filter(|bucket| !is_light(bucket)) {
            passes.extend(weights.runs(start..bucket, bytes_max));
            passes.extend(weights.runs_of_shards(bucket, &self.shards, bytes_max));
            start = bucket.saturating_add(1);
        }
        passes.extend(weights.runs(start..self.buckets.end, bytes_max));
        passes
    }
}

/// What the calls of a pass weigh in memory, by bucket and shard: at most 8 MiB.
#[derive(Debug, Default)]
pub(super) struct Weights(BTreeMap<u16, Vec<u64>>);

impl Weights {
    /// Adds a call of `pass`.
    pub(super) fn add(&mut self, pass: &Pass, call: &Call, bytes: u64) {
        // As the file says it, should somebody else have written that.
        let last = pass.buckets.end.saturating_sub(1).max(pass.buckets.start);
        let bucket = pair_bucket(call).clamp(pass.buckets.start, last);
        let shards = self.0.entry(bucket).or_default();
        let shard = usize::try_from(group_hash(call) % SHARDS_MAX).unwrap_or_default();
        if shards.len() <= shard {
            shards.resize(shard + 1, 0);
        }
        if let Some(weight) = shards.get_mut(shard) {
            *weight = weight.saturating_add(bytes);
        }
    }

    fn of_bucket(&self, bucket: u16) -> u64 {
        let shards = self.0.get(&bucket).into_iter().flatten();
        shards.fold(0, |sum: u64, bytes| sum.saturating_add(*bytes))
    }

    fn of_shard(&self, bucket: u16, shard: u64) -> u64 {
        let shards = self.0.get(&bucket);
        let weight = |shards: &Vec<u64>| shards.get(usize::try_from(shard).ok()?).copied();
        shards.and_then(weight).unwrap_or_default()
    }

    /// Neighbouring `buckets`, as many as fit: all of them, also those of which nothing is known.
    fn runs(&self, buckets: Range<u16>, bytes_max: u64) -> impl Iterator<Item = Pass> {
        let weights = buckets.clone().map(|bucket| self.of_bucket(bucket).max(1));
        runs(weights, bytes_max).into_iter().map(move |run| {
            let border = |index| {
                buckets
                    .start
                    .saturating_add(u16::try_from(index).unwrap_or(u16::MAX))
            };
            Pass::of_buckets(border(run.start)..border(run.end))
        })
    }

    /// Neighbouring `shards` of `bucket`, as many as fit.
    fn runs_of_shards(
        &self,
        bucket: u16,
        shards: &Range<u64>,
        bytes_max: u64,
    ) -> impl Iterator<Item = Pass> {
        let weights = shards.clone().map(|shard| self.of_shard(bucket, shard));
        let first = shards.start;
        runs(weights, bytes_max).into_iter().map(move |run| {
            let border = |index| first.saturating_add(u64::try_from(index).unwrap_or(u64::MAX));
            Pass {
                buckets: bucket..bucket.saturating_add(1),
                shards: border(run.start)..border(run.end),
            }
        })
    }
}

/// Cuts `weights` into runs of neighbours that weigh at most `bytes_max` or are one alone. Nothing is
/// read for what weighs nothing.
fn runs(weights: impl Iterator<Item = u64>, bytes_max: u64) -> Vec<Range<usize>> {
    let mut runs: Vec<(Range<usize>, u64)> = Vec::new();
    for (index, bytes) in weights.enumerate().filter(|(_, bytes)| *bytes > 0) {
        match runs.last_mut() {
            Some((run, sum)) if sum.saturating_add(bytes) <= bytes_max => {
                run.end = index + 1;
                *sum += bytes;
            }
            _ => runs.push((index..index + 1, bytes)),
        }
    }
    runs.into_iter().map(|(run, _)| run).collect()
}

/// Hands out ranges of buckets that likely fit into memory: by the size of the files first, then by
/// what the buckets before took.
#[derive(Debug)]
pub(super) struct Buckets {
    next: u64,
    /// In a pass, whatever memory holds, as long as that makes no pass too small.
    enough: u64,
    /// Guessed, until one is known.
    bucket_bytes: u64,
    /// Buckets read, and what they took.
    known: (u64, u64),
}

impl Buckets {
    pub(super) fn of(dataset: &Dataset) -> Self {
        let bytes = dataset.decoded_bytes() + dataset.rows().saturating_mul(ROW_BYTES);
        // Looking everything up anew in each pass would cost more than waiting.
        let passes = if dataset.keeps_layouts() { PASSES } else { 1 };
        Self::in_passes(bytes, passes)
    }

    fn in_passes(bytes: u64, passes: u64) -> Self {
        Self {
            next: 0,
            enough: PAIR_BUCKETS / passes,
            bucket_bytes: bytes.div_ceil(PAIR_BUCKETS),
            known: (0, 0),
        }
    }

    /// The next buckets; `None` after the last.
    pub(super) fn next(&mut self, memory_bytes: u64) -> Option<Pass> {
        // Buckets differ: a fifth is left free.
        let free = memory_bytes - memory_bytes / 5;
        let bucket_bytes = self.bucket_bytes.max(1);
        let enough = self.enough.max(PASS_BYTES / bucket_bytes);
        let count = (free / bucket_bytes).min(enough).clamp(1, PAIR_BUCKETS);
        let start = self.next;
        self.next = (start + count).min(PAIR_BUCKETS);
        let border = |bucket: u64| u16::try_from(bucket).unwrap_or(u16::MAX);
        (start < PAIR_BUCKETS).then(|| Pass::of_buckets(border(start)..border(self.next)))
    }

    /// Takes note of what `pass` took. Shards say nothing of buckets.
    pub(super) fn learn(&mut self, pass: &Pass, bytes: u64) {
        if !pass.is_sharded() {
            self.known.0 += u64::try_from(pass.buckets.len()).unwrap_or(u64::MAX);
            self.known.1 += bytes;
            self.bucket_bytes = self.known.1.div_ceil(self.known.0.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn call(id: u64) -> Call {
        Call {
            request_id: Bytes::from(format!("id-{id}")),
            ..Call::default()
        }
    }

    /// How 1000 calls of one byte each split `pass`: all of one id and so one bucket, or each of its own.
    fn split(pass: &Pass, share_id: bool, bytes_max: u64) -> Vec<Pass> {
        let mut weights = Weights::default();
        for number in 0..1000 {
            let mut call = call(if share_id { 0 } else { number });
            call.request.body_digest = Some(number);
            weights.add(pass, &call, 1);
        }
        pass.split(&weights, bytes_max)
    }

    /// Passes over a dataset that memory holds, of which each bucket weighs so many times what was guessed.
    fn passes(bytes: u64, times: u64) -> u64 {
        let mut buckets = Buckets::in_passes(bytes, PASSES);
        let weight = bytes / PAIR_BUCKETS * times;
        let mut count = 0;
        while let Some(pass) = buckets.next(u64::MAX) {
            buckets.learn(&pass, weight * pass.buckets.len() as u64);
            count += 1;
        }
        count
    }

    #[test]
    fn what_memory_holds_is_still_read_in_several_passes_unless_it_is_small() {
        assert_eq!(passes(0, 1), 1);
        assert_eq!(passes(PASS_BYTES, 1), 1);
        assert_eq!(passes(PASS_BYTES * 100, 1), PASSES);
        assert_eq!(passes(PASS_BYTES * 100, 10), PASSES);
    }

    #[test]
    fn buckets_are_split_into_neighbours_without_gaps() {
        let all = Pass::of_buckets(0..256);
        let passes = split(&all, false, 100);
        assert!((10..24).contains(&passes.len()), "{passes:?}");
        let mut next = 0;
        for pass in passes {
            assert!(!pass.is_sharded() && pass.buckets.start == next);
            next = pass.buckets.end;
        }
        assert_eq!(next, 256);
    }

    #[test]
    fn a_heavy_bucket_is_split_by_shards_and_the_others_stay_together() {
        let bucket = pair_bucket(&call(0));
        let passes = split(&Pass::of_buckets(0..256), true, 100);
        let (shards, others): (Vec<_>, Vec<_>) = passes.iter().partition(|pass| pass.is_sharded());
        let mut of_others = others.iter().flat_map(|pass| pass.buckets.clone());
        assert!(others.len() <= 6 && of_others.all(|other| other != bucket));
        assert!((10..24).contains(&shards.len()), "{shards:?}");
        let holds = |shard| {
            shards
                .iter()
                .filter(|pass| pass.shards.contains(&shard))
                .count()
        };
        for number in 0..1000 {
            let mut call = call(0);
            call.request.body_digest = Some(number);
            assert_eq!(holds(group_hash(&call) % SHARDS_MAX), 1);
        }
    }

    #[test]
    fn each_split_is_smaller_until_one_shard_is_left() {
        let bucket = pair_bucket(&call(0));
        let whole = Pass::of_buckets(bucket..bucket + 1);
        for part in split(&whole, true, 0) {
            assert!(part.is_smallest() && part.is_sharded() && part.buckets == whole.buckets);
        }
        // Weighed wrongly, as calls of a file are that somebody else wrote.
        let elsewhere = Pass::of_buckets(0..1);
        assert!(split(&elsewhere, false, 999).iter().all(Pass::is_sharded));
    }
}
