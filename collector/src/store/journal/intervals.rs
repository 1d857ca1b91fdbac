//! A set of record numbers, kept as the few intervals that a well-behaved producer leaves.

use std::ops::Range;

/// A set of `u64`, as sorted, disjoint, non-adjacent half-open intervals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    ranges: Vec<Range<u64>>,
}

impl Intervals {
    /// The parts of `range` that are not in the set, in order.
    pub fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut missing = Vec::new();
        let mut start = range.start;
        let first = self.ranges.partition_point(|seen| seen.end <= range.start);
        for seen in self
            .ranges
            .iter()
            .skip(first)
            .take_while(|seen| seen.start < range.end)
        {
            if start < seen.start {
                missing.push(start..seen.start);
            }
            start = start.max(seen.end);
        }
        if start < range.end {
            missing.push(start..range.end);
        }
        missing
    }

    /// Adds `range`.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|seen| seen.end < range.start);
        let last = self.ranges.partition_point(|seen| seen.start <= range.end);
        let touched = self.ranges.get(first..last).unwrap_or_default();
        let start = touched
            .first()
            .map_or(range.start, |seen| seen.start.min(range.start));
        let end = touched
            .last()
            .map_or(range.end, |seen| seen.end.max(range.end));
        self.ranges.splice(first..last, std::iter::once(start..end));
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u64 {
        self.ranges.iter().map(|seen| seen.end - seen.start).sum()
    }

    /// How many numbers up to and including `last` are in the set.
    pub fn count_up_to(&self, last: u64) -> u64 {
        let end = last.saturating_add(1);
        self.ranges
            .iter()
            .map(|seen| seen.end.min(end).saturating_sub(seen.start))
            .sum()
    }

    /// The largest number; 0 if the set is empty.
    pub fn max(&self) -> u64 {
        self.ranges
            .last()
            .map_or(0, |seen| seen.end.saturating_sub(1))
    }

    /// Number of intervals.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Is the set empty?
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Gives up the oldest gap: the two lowest intervals become one. Returns the gap.
    pub fn close_lowest_gap(&mut self) -> Range<u64> {
        let (Some(low), Some(high)) = (self.ranges.first(), self.ranges.get(1)) else {
            return 0..0;
        };
        let (gap, merged) = (low.end..high.start, low.start..high.end);
        self.ranges.splice(..2, [merged]);
        gap
    }

    /// As bounds: start, end, start, end, ...
    pub fn to_bounds(&self) -> Vec<u64> {
        self.ranges
            .iter()
            .flat_map(|seen| [seen.start, seen.end])
            .collect()
    }

    /// From bounds as [`Self::to_bounds`] gives them, in any order.
    pub fn from_bounds(bounds: &[u64]) -> Self {
        let mut set = Self::default();
        for pair in bounds.chunks_exact(2) {
            if let [start, end] = *pair {
                set.insert(start..end);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_numbers(
            inserts in proptest::collection::vec((0_u64..60, 0_u64..12), 0..40),
            probe in (0_u64..70, 0_u64..20),
        ) {
            let mut set = Intervals::default();
            let mut model = BTreeSet::new();
            for (start, length) in inserts {
                set.insert(start..start + length);
                model.extend(start..start + length);
            }
            let range = probe.0..probe.0 + probe.1;
            let missing: Vec<u64> = set.missing(range.clone()).into_iter().flatten().collect();
            let expected: Vec<u64> = range.clone().filter(|n| !model.contains(n)).collect();
            prop_assert_eq!(missing, expected);
            prop_assert_eq!(set.count(), model.len() as u64);
            prop_assert_eq!(set.count_up_to(probe.0), model.range(..=probe.0).count() as u64);
            prop_assert_eq!(set.max(), model.last().copied().unwrap_or(0));
            prop_assert_eq!(Intervals::from_bounds(&set.to_bounds()), set);
        }
    }

    #[test]
    fn numbers_in_order_are_one_interval() {
        let mut set = Intervals::default();
        (0..100).for_each(|start| set.insert(start * 10..start * 10 + 10));
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn a_gap_that_is_given_up_counts_as_seen() {
        let mut set = Intervals::from_bounds(&[1, 5, 8, 9, 20, 30]);
        assert_eq!(set.close_lowest_gap(), 5..8);
        assert_eq!(set.to_bounds(), [1, 9, 20, 30]);
    }
}
