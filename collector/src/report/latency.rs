//! Latencies: HDR histograms, three significant digits, mergeable; and how far the candidate's
//! quantiles lie from the primary's.
//!
//! The interval of a shift: each side's quantile has an order-statistic interval
//! ([`super::statistics`]) of 97.5 %, so both hold at once with at least 95 %, however the two sides
//! of a pair depend on each other; the shift then lies between their outermost differences. That is
//! wider than a bootstrap would give, and needs neither the single values, nor random numbers, nor
//! any assumption on the shape of the distribution.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::statistics::{Interval, quantile_ranks};
use crate::share::float;

/// Longest latency told apart: four weeks, in microseconds. What is longer counts as that.
const LATENCY_MAX_US: u64 = 28 * 86_400 * 1_000_000;

/// Probability that one end of one side's interval misses: four of them make up the 5 % that are
/// missing to 95 %.
const MISS: f64 = 0.05 / 4.0;

/// Percentiles in microseconds; absent if nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Calls measured.
    pub count: u64,
    /// Half of the calls took no longer.
    pub p50_us: Option<u64>,
    /// 95 of 100 calls took no longer.
    pub p95_us: Option<u64>,
    /// 99 of 100 calls took no longer.
    pub p99_us: Option<u64>,
}

/// How the candidate's latency differs from the primary's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LatencyShift {
    /// Of the median.
    pub p50: Shift,
    /// Of the 95th percentile.
    pub p95: Shift,
    /// Of the 99th percentile.
    pub p99: Shift,
}

/// How one quantile differs. All but `count` and `count_needed` are absent where fewer calls than
/// needed were measured: then nothing is claimed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shift {
    /// Calls measured, of the side with fewer.
    pub count: u64,
    /// Calls of each side from which on the quantile has an interval.
    pub count_needed: u64,
    /// Candidate minus primary, in microseconds.
    pub shift_us: Option<i64>,
    /// Its 95 % interval.
    pub shift_us_interval: Option<Interval<i64>>,
    /// Candidate by primary, minus 1: 0.1 is 10 % slower.
    pub shift: Option<f64>,
    /// Its 95 % interval.
    pub shift_interval: Option<Interval<f64>>,
}

impl Shift {
    /// Does the whole interval lie on one side of no shift?
    pub fn is_sure(&self) -> bool {
        self.shift_us_interval
            .is_some_and(|interval| interval.low > 0 || interval.high < 0)
    }

    /// Which way the candidate's latency moved for sure.
    pub(super) fn direction(&self) -> Option<Direction> {
        let shift_us = self.shift_us.filter(|_| self.is_sure())?;
        Some(match shift_us {
            1.. => Direction::Slower,
            _ => Direction::Faster,
        })
    }
}

/// Which way a latency moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The candidate takes longer.
    Slower,
    /// It takes less time.
    Faster,
}

/// Collects latencies; nothing is allocated before the first.
#[derive(Debug, Default)]
pub(super) struct Latencies(Option<Histogram<u64>>);

/// A quantile of one side, and where it may lie.
struct Quantile {
    value: i64,
    low: i64,
    high: i64,
}

impl Latencies {
    pub(super) fn record(&mut self, duration_ns: Option<u64>) {
        let Some(duration_ns) = duration_ns else {
            return;
        };
        if self.0.is_none() {
            // Grows with its largest value: most methods need a fraction of what is possible.
            self.0 = Histogram::new(3).ok();
        }
        if let Some(histogram) = &mut self.0 {
            let us = (duration_ns / 1_000).clamp(1, LATENCY_MAX_US);
            // Refused only beyond what memory can address; saturating_record would not grow.
            histogram.record(us).unwrap_or_default();
        }
    }

    /// Adds the values of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            // It grows, so nothing is out of range.
            (Some(ours), Some(theirs)) => ours.add(theirs).unwrap_or_default(),
            (ours @ None, Some(theirs)) => *ours = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    pub(super) fn summary(&self) -> Latency {
        let Some(histogram) = &self.0 else {
            return Latency::default();
        };
        Latency {
            count: histogram.len(),
            p50_us: Some(histogram.value_at_quantile(0.5)),
            p95_us: Some(histogram.value_at_quantile(0.95)),
            p99_us: Some(histogram.value_at_quantile(0.99)),
        }
    }

    /// How `candidate` differs from these.
    pub(super) fn shift_to(&self, candidate: &Self) -> LatencyShift {
        LatencyShift {
            p50: shift(self, candidate, 0.5),
            p95: shift(self, candidate, 0.95),
            p99: shift(self, candidate, 0.99),
        }
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    fn quantile(&self, quantile: f64) -> Option<Quantile> {
        let histogram = self.0.as_ref()?;
        let ranks = quantile_ranks(histogram.len(), quantile, MISS)?;
        let value = histogram.value_at_quantile(quantile);
        // A bucket's values are taken for its ends, so that the interval is not too narrow.
        let low = histogram.lowest_equivalent(at_rank(histogram, ranks.low)?);
        let high = histogram.highest_equivalent(at_rank(histogram, ranks.high)?);
        let signed = |us: u64| i64::try_from(us).ok();
        Some(Quantile {
            value: signed(value)?,
            low: signed(low.max(1))?,
            high: signed(high)?,
        })
    }
}

/// The value of that rank, counted from 1.
fn at_rank(histogram: &Histogram<u64>, rank: u64) -> Option<u64> {
    let mut seen = 0;
    histogram.iter_recorded().find_map(|step| {
        seen += step.count_since_last_iteration();
        (seen >= rank).then(|| step.value_iterated_to())
    })
}

/// Values from which on a quantile of at least one half has an interval: the largest of them must be
/// beyond it.
fn count_needed(quantile: f64) -> u64 {
    let (mut count, mut all_below) = (1, quantile);
    while all_below > MISS {
        count += 1;
        all_below *= quantile;
    }
    count
}

fn shift(primary: &Latencies, candidate: &Latencies, quantile: f64) -> Shift {
    let unknown = Shift {
        count: primary.count().min(candidate.count()),
        count_needed: count_needed(quantile),
        ..Shift::default()
    };
    let (Some(old), Some(new)) = (primary.quantile(quantile), candidate.quantile(quantile)) else {
        return unknown;
    };
    let relative = |new: i64, old: i64| {
        let float = |us: i64| float(us.unsigned_abs());
        (float(new) - float(old)) / float(old)
    };
    Shift {
        shift_us: Some(new.value - old.value),
        shift_us_interval: Some(Interval {
            low: new.low - old.high,
            high: new.high - old.low,
        }),
        shift: Some(relative(new.value, old.value)),
        shift_interval: Some(Interval {
            low: relative(new.low, old.high),
            high: relative(new.high, old.low),
        }),
        ..unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations_us: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for us in durations_us {
            latencies.record(Some(us * 1_000));
        }
        latencies
    }

    #[test]
    fn nothing_is_claimed_of_too_few_calls() {
        for (quantile, needed) in [(0.5, 7), (0.95, 86), (0.99, 437)] {
            assert_eq!(count_needed(quantile), needed);
            assert!(quantile_ranks(needed, quantile, MISS).is_some());
            assert!(quantile_ranks(needed - 1, quantile, MISS).is_none());
        }
        let shift = of(1..=86).shift_to(&of(1..=85));
        assert!(shift.p50.shift.is_some());
        assert_eq!((shift.p95.shift_us, shift.p95.count), (None, 85));
        assert_eq!(Latencies::default().shift_to(&of(1..9)).p50.count, 0);
    }

    #[test]
    fn a_slower_candidate_is_told_from_an_equal_one() {
        let old = of((0..2_000).map(|n| 1_000 + n % 100));
        let slower = old.shift_to(&of((0..2_000).map(|n| 1_200 + n % 100)));
        for shift in [&slower.p50, &slower.p95, &slower.p99] {
            let interval = shift.shift_us_interval.unwrap();
            assert!(interval.low <= 200 && 200 <= interval.high, "{shift:?}");
            assert!(shift.is_sure(), "{shift:?}");
        }
        let equal = old.shift_to(&of((0..2_000).map(|n| 1_000 + n * 7 % 100)));
        assert!(!equal.p50.is_sure() && equal.p50.shift_us == Some(0));
    }

    #[test]
    fn merged_latencies_are_those_of_all_calls() {
        let mut merged = Latencies::default();
        merged.merge(&of(1..500));
        merged.merge(&Latencies::default());
        merged.merge(&of(500..=1_000));
        assert_eq!(merged.summary(), of(1..=1_000).summary());
        merged.merge(&of([u64::MAX / 1_000]));
        let longest = merged.0.as_ref().unwrap().max();
        assert!(
            longest >= LATENCY_MAX_US && merged.count() == 1_001,
            "{longest}"
        );
    }
}
