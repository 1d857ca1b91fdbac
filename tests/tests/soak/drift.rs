//! Does a figure grow? The median of the last third of its samples against that of the first third says by how
//! much, and each figure has a limit.
//!
//! Neither a peak nor a backlog that is being worked off moves a median; a leak does, whether it comes drop by
//! drop or in steps.

use std::time::Duration;

use crate::sample::{Process, Sample};

/// What a figure may grow by in the second half of a run: the same for all lengths, so the longer the run the
/// smaller a leak it finds; only memory and files may grow by more while it is [`WARMING_UP`].
struct Limit {
    name: &'static str,
    of: fn(&Sample) -> u64,
    grown_max: f64,
    /// The same while it is [`WARMING_UP`].
    warming_up_max: f64,
}

const MIB: f64 = 1024.0 * 1024.0;
/// Of resident memory: what allocators keep differs by a few MiB from one backlog to the next.
const RSS_GROWN_MAX: f64 = 16.0 * MIB;
/// A half as short as this is over before allocators have what they need for the longest backlogs, the collector
/// for Parquet files of its largest segments, and Envoy the connections for a burst, of which each is a file of
/// both: then only what is out of all proportion is seen.
const WARMING_UP: Duration = Duration::from_secs(600);
const WARMING_UP_RSS_GROWN_MAX: f64 = 512.0 * MIB;
const WARMING_UP_FILES_GROWN_MAX: f64 = 100.0;

const LIMITS: &[Limit] = &[
    Limit {
        name: "collector rss bytes",
        of: |sample| sample.collector.rss_bytes,
        grown_max: RSS_GROWN_MAX,
        warming_up_max: WARMING_UP_RSS_GROWN_MAX,
    },
    Limit {
        name: "envoy rss bytes",
        of: |sample| sample.envoy.rss_bytes,
        grown_max: RSS_GROWN_MAX,
        warming_up_max: WARMING_UP_RSS_GROWN_MAX,
    },
    // A linear memory never shrinks: what a backlog needed stays.
    Limit {
        name: "largest vm bytes",
        of: |sample| sample.vm_bytes,
        grown_max: RSS_GROWN_MAX,
        warming_up_max: WARMING_UP_RSS_GROWN_MAX,
    },
    Limit {
        name: "collector files",
        of: |sample| sample.collector.files,
        grown_max: 2.0,
        warming_up_max: WARMING_UP_FILES_GROWN_MAX,
    },
    Limit {
        name: "envoy files",
        of: |sample| sample.envoy.files,
        grown_max: 2.0,
        warming_up_max: WARMING_UP_FILES_GROWN_MAX,
    },
    Limit {
        name: "collector threads",
        of: |sample| sample.collector.threads,
        grown_max: 2.0,
        warming_up_max: 2.0,
    },
    Limit {
        name: "envoy threads",
        of: |sample| sample.envoy.threads,
        grown_max: 1.0,
        warming_up_max: 1.0,
    },
    Limit {
        name: "journal files",
        of: |sample| sample.journal_files,
        grown_max: 1.0,
        warming_up_max: 4.0,
    },
];

/// How a figure went in the second half.
#[derive(Clone, Debug)]
pub(crate) struct Drift {
    pub(crate) name: &'static str,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) per_hour: f64,
    /// From the first sample to the last, had it grown evenly.
    pub(crate) grown: f64,
    pub(crate) grown_max: f64,
}

impl Drift {
    pub(crate) fn is_too_much(&self) -> bool {
        self.grown > self.grown_max
    }
}

/// Of each figure that may not grow.
pub(crate) fn drifts(samples: &[Sample]) -> Vec<Drift> {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return vec![];
    };
    let took = last.at.saturating_sub(first.at);
    let drift = |limit: &Limit| {
        let grown = grown(samples, limit.of);
        Drift {
            name: limit.name,
            first: (limit.of)(first),
            last: (limit.of)(last),
            per_hour: grown * 3600.0 / took.as_secs_f64().max(1.0),
            grown,
            grown_max: match took < WARMING_UP {
                true => limit.warming_up_max,
                false => limit.grown_max,
            },
        }
    };
    LIMITS.iter().map(drift).collect()
}

/// The middles of the first and the last third are two thirds of all samples apart.
fn grown(samples: &[Sample], of: fn(&Sample) -> u64) -> f64 {
    let third = samples.len().div_ceil(3);
    let (first, last) = (&samples[..third], &samples[samples.len() - third..]);
    (median(last, of) - median(first, of)) * 1.5
}

fn median(samples: &[Sample], of: fn(&Sample) -> u64) -> f64 {
    let mut values: Vec<u64> = samples.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default() as f64
}

fn samples(seconds: u64, rss_bytes: fn(u64) -> u64) -> Vec<Sample> {
    let sample = |second| Sample {
        at: Duration::from_secs(second),
        collector: Process {
            rss_bytes: rss_bytes(second),
            files: 20,
            ..Process::default()
        },
        ..Sample::default()
    };
    (0..seconds).map(sample).collect()
}

fn too_much(samples: &[Sample]) -> Vec<&'static str> {
    let all = drifts(samples).into_iter();
    let too_much = all.filter(Drift::is_too_much);
    too_much.map(|drift| drift.name).collect()
}

#[test]
fn a_leak_below_the_noise_is_found_when_the_run_is_long_enough() {
    // 4 KiB a second under 3 MiB of noise.
    let leaking = |second: u64| (50 << 20) + (second << 12) + (second % 7) * (1 << 19);
    assert_eq!(too_much(&samples(900, leaking)), [""; 0]);
    assert_eq!(too_much(&samples(9000, leaking)), ["collector rss bytes"]);
}

#[test]
fn a_backlog_is_no_leak() {
    let peak = |second: u64| match second {
        400..460 => 500 << 20,
        _ => (50 << 20) + (second % 5) * (1 << 18),
    };
    assert_eq!(too_much(&samples(600, peak)), [""; 0]);
}

#[test]
fn files_that_are_left_open_once_are_found() {
    let mut samples = samples(900, |_| 1);
    for sample in &mut samples[450..] {
        sample.collector.files += 3;
    }
    assert_eq!(too_much(&samples), ["collector files"]);
}

#[test]
fn one_file_a_minute_that_stays_open_is_found() {
    let mut samples = samples(900, |_| 1);
    for sample in &mut samples {
        sample.collector.files += sample.at.as_secs() / 60;
    }
    assert_eq!(too_much(&samples), ["collector files"]);
}
