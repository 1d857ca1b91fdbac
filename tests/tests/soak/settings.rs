//! How long, and how much.

use std::env;
use std::time::Duration;

/// Of a run without `TWINTAP_SOAK_MINUTES`.
const SHORT: Duration = Duration::from_secs(36);
/// Calls per second without `TWINTAP_SOAK_RATE`: a check shares its machine.
const SHORT_RATE: u32 = 200;
/// Samples of a run, about: a line through more of them is no better.
const SAMPLES: u32 = 240;
const SAMPLE_EVERY_MAX: Duration = Duration::from_secs(10);
/// Between two lines that tell how it goes.
const LINE_EVERY: Duration = Duration::from_secs(60);
/// The collector's default.
const PUBLISH_INTERVAL_MAX: Duration = Duration::from_secs(30);
/// Longer than the filters can buffer at the usual rates, so that some records are dropped, and counted.
const AWAY_MAX: Duration = Duration::from_secs(8);
/// Between two faults.
const GAP_MAX: Duration = Duration::from_secs(60);

/// What a run is to be.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Of the load.
    pub(crate) duration: Duration,
    /// Calls per second.
    pub(crate) rate: u32,
    pub(crate) sample_every: Duration,
    pub(crate) line_every: Duration,
    /// Of the collector.
    pub(crate) publish_interval: Duration,
    /// The collector is away or stopped for less than this.
    pub(crate) away_max: Duration,
    /// Between two faults, about.
    pub(crate) gap_max: Duration,
}

impl Settings {
    /// From `TWINTAP_SOAK_MINUTES` and `TWINTAP_SOAK_RATE`; else the short run.
    pub(crate) fn of_environment() -> Self {
        let minutes = number("TWINTAP_SOAK_MINUTES");
        let duration = minutes.map_or(SHORT, |minutes| Duration::from_secs(60 * minutes));
        let rate = number("TWINTAP_SOAK_RATE").map_or(SHORT_RATE, |rate| {
            u32::try_from(rate).expect("a rate that a machine can make")
        });
        assert!(rate > 0 && !duration.is_zero(), "nothing to do");
        Self {
            duration,
            rate,
            sample_every: (duration / SAMPLES).min(SAMPLE_EVERY_MAX),
            line_every: (duration / 4).min(LINE_EVERY),
            publish_interval: (duration / 20).min(PUBLISH_INTERVAL_MAX),
            away_max: (duration / 20).min(AWAY_MAX),
            gap_max: (duration / 24).min(GAP_MAX),
        }
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{name} is {text:?}, which is no whole number")))
}
