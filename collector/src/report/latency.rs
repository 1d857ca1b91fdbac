//! Latencies: HDR histograms, three significant digits, mergeable.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency told apart: one hour, in microseconds.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// Percentiles in microseconds; absent if nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Calls measured.
    pub count: u64,
    /// Half of the calls took no longer.
    pub p50_us: Option<u64>,
    /// 95 of 100 calls took no longer.
    pub p95_us: Option<u64>,
}

/// Collects latencies; nothing is allocated before the first.
#[derive(Debug, Default)]
pub(super) struct Latencies(Option<Histogram<u64>>);

impl Latencies {
    pub(super) fn record(&mut self, duration_ns: Option<u64>) {
        let Some(duration_ns) = duration_ns else {
            return;
        };
        if self.0.is_none() {
            self.0 = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).ok();
        }
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record((duration_ns / 1_000).clamp(1, LATENCY_MAX_US));
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
        }
    }
}
