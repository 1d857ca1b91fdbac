//! Confidence intervals: of a share, and of a quantile. Pure arithmetic, the same on every machine.
//!
//! - A **share** has Wilson's score interval, which stays inside 0 to 1 and says something sensible
//!   where nothing (or everything) was mismatched.
//! - A **quantile** lies between two of the sample's own values, whose ranks follow from the binomial
//!   distribution alone: no assumption on how latencies are distributed, no random resampling. Of
//!   too few values no two enclose it, and then there is no interval.
//!
//! Both take the calls for independent of each other. Calls of one burst are not: the intervals are
//! then too narrow.

use serde::Serialize;

use crate::share::float;

/// Two-sided 95 % of the normal distribution, in standard deviations.
const Z_95: f64 = 1.959_963_984_540_054;

/// Share of the largest probability below which a term no longer counts.
const NEGLIGIBLE: f64 = 1e-20;

/// From where to where a value lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval<T> {
    /// Its lower end.
    pub low: T,
    /// Its upper end.
    pub high: T,
}

/// Wilson's 95 % score interval of `part` of `whole`; none of nothing.
pub(super) fn wilson(part: u64, whole: u64) -> Option<Interval<f64>> {
    if whole == 0 {
        return None;
    }
    let (n, share) = (float(whole), float(part.min(whole)) / float(whole));
    let z2 = Z_95 * Z_95;
    let centre = share + z2 / (2.0 * n);
    let spread = Z_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let end = |value: f64| (value / (1.0 + z2 / n)).clamp(0.0, 1.0);
    Some(Interval {
        low: if part == 0 { 0.0 } else { end(centre - spread) },
        high: if part >= whole {
            1.0
        } else {
            end(centre + spread)
        },
    })
}

/// Ranks, counted from 1, of the two of `count` sorted values between which their population's
/// quantile lies, each end missing it with a probability of at most `miss`; none if there are too
/// few values.
pub(super) fn quantile_ranks(count: u64, quantile: f64, miss: f64) -> Option<Interval<u64>> {
    if count == 0 || quantile <= 0.0 || quantile >= 1.0 {
        return None;
    }
    let terms = Binomial::around_mode(count, quantile);
    let total: f64 = terms.weights.iter().sum();
    // The value of rank `low` is beyond the quantile if fewer than `low` values are below it.
    let low = terms.first + first_over(terms.weights.iter(), miss * total);
    // That of rank `high` is below it if at least `high` values are.
    let high =
        (terms.last() + 1).checked_sub(first_over(terms.weights.iter().rev(), miss * total))?;
    (low >= 1 && high <= count).then_some(Interval { low, high })
}

/// Index of the first weight with which the sum passes `limit`.
fn first_over<'a>(weights: impl Iterator<Item = &'a f64>, limit: f64) -> u64 {
    let mut sum = 0.0;
    let within = weights.take_while(|weight| {
        sum += **weight;
        sum <= limit
    });
    u64::try_from(within.count()).unwrap_or(u64::MAX)
}

/// Terms of a binomial distribution that count, relative to the largest: about twenty standard
/// deviations, so that ten million values cost some ten thousand steps.
struct Binomial {
    /// Successes of the first weight.
    first: u64,
    weights: Vec<f64>,
}

impl Binomial {
    fn around_mode(n: u64, p: f64) -> Self {
        let odds = p / (1.0 - p);
        // Largest term, found by bisection of the ratio between neighbours: `(n-k)/(k+1)*odds > 1`.
        let (mut mode, mut end) = (0, n);
        while mode < end {
            let k = mode + (end - mode) / 2;
            if float(n - k) * odds > float(k + 1) {
                mode = k + 1;
            } else {
                end = k;
            }
        }
        let mut weights = Vec::new();
        let (mut k, mut weight) = (mode, 1.0);
        while k > 0 {
            weight *= float(k) / (float(n - k + 1) * odds);
            if weight < NEGLIGIBLE {
                break;
            }
            weights.push(weight);
            k -= 1;
        }
        weights.reverse();
        let first = mode - u64::try_from(weights.len()).unwrap_or(mode);
        weights.push(1.0);
        (k, weight) = (mode, 1.0);
        while k < n {
            weight *= float(n - k) * odds / float(k + 1);
            if weight < NEGLIGIBLE {
                break;
            }
            weights.push(weight);
            k += 1;
        }
        Self { first, weights }
    }

    fn last(&self) -> u64 {
        let count = u64::try_from(self.weights.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(count).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wilsons_interval_is_that_of_the_textbook() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (part, whole, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(part, whole).unwrap();
            assert!((found.low - low).abs() < 5e-5, "{found:?}");
            assert!((found.high - high).abs() < 5e-5, "{found:?}");
        }
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(7, 7).unwrap().high, 1.0);
    }

    #[test]
    fn the_ranks_around_a_median_are_those_of_the_textbook() {
        // Conover, Practical Nonparametric Statistics: sign test bounds at 95 %.
        for (count, low, high) in [(6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)] {
            let found = quantile_ranks(count, 0.5, 0.025);
            assert_eq!(found, Some(Interval { low, high }), "{count}");
        }
        assert_eq!(quantile_ranks(5, 0.5, 0.025), None);
    }

    #[test]
    fn ten_million_values_have_ranks_near_the_normal_approximation() {
        let found = quantile_ranks(10_000_000, 0.99, 0.025).unwrap();
        let spread = Z_95 * (1e7_f64 * 0.99 * 0.01).sqrt();
        assert!(
            (float(found.low) - (9.9e6 - spread)).abs() < 3.0,
            "{found:?}"
        );
        assert!(
            (float(found.high) - (9.9e6 + spread)).abs() < 3.0,
            "{found:?}"
        );
    }

    proptest! {
        #[test]
        fn intervals_enclose_what_was_seen(part in 0u64..2_000, more in 0u64..2_000) {
            let whole = part + more;
            if let Some(found) = wilson(part, whole) {
                let share = float(part) / float(whole);
                prop_assert!(0.0 <= found.low && found.low <= share);
                prop_assert!(share <= found.high && found.high <= 1.0);
            }
            if let Some(found) = quantile_ranks(whole, 0.95, 0.0125) {
                let rank = (float(whole) * 0.95).ceil();
                prop_assert!(float(found.low) <= rank && rank <= float(found.high));
            }
        }
    }
}
