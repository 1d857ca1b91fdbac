//! How likely a split is by chance, and how much it tells. Pure arithmetic.

use crate::share::float;

/// How a feature splits the sampled pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    /// Differing pairs, ...
    pub(super) cases: u64,
    /// ... and those of them with the feature.
    pub(super) cases_with: u64,
    /// The other pairs, ...
    pub(super) controls: u64,
    /// ... and those of them with the feature.
    pub(super) controls_with: u64,
}

impl Split {
    /// Natural logarithm of the probability that at least so many cases have the feature, if cases
    /// were drawn at random (Fisher's exact test, one-sided).
    pub(super) fn ln_chance(&self) -> f64 {
        let with = self.cases_with + self.controls_with;
        let all = self.cases + self.controls;
        let most = self.cases.min(with);
        let total = ln_choose(all, self.cases);
        // Of most to least likely from here on up: the first term dominates, so that few are needed.
        let terms = (self.cases_with..=most).map(|count| {
            ln_choose(with, count) + ln_choose(all - with, self.cases - count) - total
        });
        let terms: Vec<f64> = terms.collect();
        let greatest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if greatest == f64::NEG_INFINITY {
            return 0.0;
        }
        let sum: f64 = terms.iter().map(|term| (term - greatest).exp()).sum();
        (greatest + sum.ln()).min(0.0)
    }

    /// Share of the cases with the feature.
    pub(super) fn case_share(&self) -> f64 {
        float(self.cases_with) / float(self.cases.max(1))
    }

    /// Share of the others with it.
    pub(super) fn control_share(&self) -> f64 {
        float(self.controls_with) / float(self.controls.max(1))
    }

    /// Shares of pairs that differ, among those with and those without the feature, where `rate` of
    /// all differ.
    pub(super) fn rates(&self, rate: f64) -> (f64, f64) {
        let of = |case_share: f64, control_share: f64| {
            let (cases, others) = (rate * case_share, (1.0 - rate) * control_share);
            if cases + others > 0.0 {
                cases / (cases + others)
            } else {
                0.0
            }
        };
        let (cases, others) = (self.case_share(), self.control_share());
        (of(cases, others), of(1.0 - cases, 1.0 - others))
    }

    /// Bits by which the feature makes it surer whether a pair differs, where `rate` of all do.
    pub(super) fn gain(&self, rate: f64) -> f64 {
        let (with, without) = self.rates(rate);
        let share_with = rate * self.case_share() + (1.0 - rate) * self.control_share();
        entropy(rate) - share_with * entropy(with) - (1.0 - share_with) * entropy(without)
    }
}

fn entropy(share: f64) -> f64 {
    let term = |share: f64| {
        if share > 0.0 {
            -share * share.log2()
        } else {
            0.0
        }
    };
    term(share) + term(1.0 - share)
}

fn ln_choose(n: u64, k: u64) -> f64 {
    if k > n {
        return f64::NEG_INFINITY;
    }
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Stirling's series; exact enough (1e-10) from 10 on, below that multiplied out.
fn ln_factorial(n: u64) -> f64 {
    if n < 10 {
        return (2..=n).map(|factor| float(factor).ln()).sum();
    }
    let x = float(n) + 1.0;
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_fishers_tea() {
        // The lady tasting tea: 4 of 4 right by chance is 1/70, 3 or more 17/70.
        let split = |cases_with, controls_with| Split {
            cases: 4,
            cases_with,
            controls: 4,
            controls_with,
        };
        assert!((split(4, 0).ln_chance().exp() - 1.0 / 70.0).abs() < 1e-9);
        assert!((split(3, 1).ln_chance().exp() - 17.0 / 70.0).abs() < 1e-9);
        assert!((split(0, 4).ln_chance().exp() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn factorials_are_those_of_the_definition() {
        let mut exact = 0.0;
        for n in 1..200u64 {
            exact += float(n).ln();
            assert!(
                (ln_factorial(n) - exact).abs() < 1e-8 * exact.max(1.0),
                "{n}"
            );
        }
    }

    #[test]
    fn a_split_that_tells_all_gains_all() {
        let split = Split {
            cases: 50,
            cases_with: 50,
            controls: 50,
            controls_with: 0,
        };
        assert_eq!(split.rates(0.1), (1.0, 0.0));
        assert!((split.gain(0.1) - entropy(0.1)).abs() < 1e-12);
        let nothing = Split {
            cases_with: 20,
            controls_with: 20,
            ..split
        };
        assert!(nothing.gain(0.1).abs() < 1e-12);
    }
}
