//! What a fault of the collector cost the calls: measured, printed, kept.

use std::time::Duration;

use serde_json::json;
use twintap_e2e::figures;

use crate::load::Round;

/// Rounds without the filter and with it, in turn, while the collector failed in one way.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pairs: Vec<(Round, Round)>,
    /// What Envoy's resident memory grew by, at most, over what it was before the fault.
    pub(crate) grown_bytes: u64,
}

impl Measured {
    pub(crate) fn add(&mut self, pair: (Round, Round)) {
        self.pairs.push(pair);
    }

    /// Failed calls with the filter and without.
    pub(crate) fn failed(&self) -> (u64, u64) {
        let with = self.pairs.iter().map(|(_, with)| with.failed).sum();
        let without = self.pairs.iter().map(|(without, _)| without.failed).sum();
        (with, without)
    }

    /// The slowest calls with the filter and without.
    pub(crate) fn slowest(&self) -> (Duration, Duration) {
        let with = self.pairs.iter().map(|(_, with)| with.slowest());
        let without = self.pairs.iter().map(|(without, _)| without.slowest());
        (
            with.max().unwrap_or_default(),
            without.max().unwrap_or_default(),
        )
    }

    /// What the filter adds to the 99th percentile: the median over pairs of rounds, milliseconds.
    pub(crate) fn added_ms(&self) -> f64 {
        let added = self.p99s().map(|(without, with)| with - without);
        median(added.collect())
    }

    /// Do more than a quarter of the pairs say that more than `limit_ms` is added, and more than a quarter that
    /// it is not?
    pub(crate) fn is_undecided(&self, limit_ms: f64) -> bool {
        let above = self
            .p99s()
            .filter(|(without, with)| with - without > limit_ms);
        let (above, all) = (above.count(), self.pairs.len());
        4 * above > all && 4 * (all - above) > all
    }

    /// By how much the 99th percentile differs between two rounds without the filter, the median: no
    /// difference below it can be told from none. Milliseconds.
    pub(crate) fn noise_ms(&self) -> f64 {
        let without: Vec<f64> = self.p99s().map(|(without, _)| without).collect();
        let differences = without.windows(2).map(|two| (two[0] - two[1]).abs());
        median(differences.collect())
    }

    /// Prints the row and keeps it.
    pub(crate) fn keep(&self, family: &str, fault: &str) {
        let (failed, _) = self.failed();
        let row = json!({
            "fault": fault,
            "calls": self.pairs.iter().map(|(_, with)| with.calls).sum::<u64>(),
            "failed": failed,
            "p99_without_ms": median(self.p99s().map(|(without, _)| without).collect()),
            "p99_with_ms": median(self.p99s().map(|(_, with)| with).collect()),
            "added_ms": self.added_ms(),
            "noise_ms": self.noise_ms(),
            "grown_mib": self.grown_bytes.div_ceil(1 << 20),
        });
        eprintln!("{family}: {row}");
        figures::keep("traffic", family, row);
    }

    fn p99s(&self) -> impl Iterator<Item = (f64, f64)> {
        let ms = |round: &Round| round.quantile(0.99).as_secs_f64() * 1e3;
        self.pairs
            .iter()
            .map(move |(without, with)| (ms(without), ms(with)))
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() {
        0 => 0.0,
        len if len % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    };
    // Microseconds are more than anybody reads.
    (median * 1e3).round() / 1e3
}
