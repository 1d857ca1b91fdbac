//! One plugin configuration on one worker: a producer of batches.

use core::ops::Range;

use crate::batch::Identity;
use crate::breaker::Breaker;
use crate::config::Config;
use crate::copy::Text;
use crate::counters::Counters;

/// Producers of one VM (plugins with the same `vm_id`).
pub const ROOTS_MAX: usize = 8;

/// Of their places.
#[expect(clippy::cast_possible_truncation, reason = "there are few")]
pub(crate) const INDICES: Range<u8> = 0..ROOTS_MAX as u8;

/// How long a root that ends goes on trying.
pub const CLOSING_NS_MAX: u64 = 60_000_000_000;

/// Encoded bytes of `Producer`.
pub const PRODUCER_BYTES_MAX: usize = 2048;

/// What a root context is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No root context has this place.
    Free,
    /// Created, not configured.
    Created,
    /// Recording or stamping.
    Active,
    /// Its configuration was refused: passes traffic, counts nothing.
    Inert,
    /// Being taken down: sends what it has, and gives up what cannot be sent in [`CLOSING_NS_MAX`].
    Closing,
}

/// A root context. All zero is a free place.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// Context id; 0 if free.
    pub context: u32,
    /// Context that sends for it, and gets ticks and answers: its own, or the one that took it over.
    pub served_by: u32,
    /// Of the roots that there were so far, the how manyeth.
    pub number: u32,
    /// What it is doing.
    pub phase: Phase,
    /// Checked configuration; of use while active or closing.
    pub config: Config,
    /// `RecordBatch.producer_id`.
    pub producer_id: [u8; 16],
    /// Encoded `Producer`.
    pub producer: Text<PRODUCER_BYTES_MAX>,
    /// What happened.
    pub counters: Counters,
    /// What the host's metrics know of that.
    pub reported: Counters,
    /// What the collector was told last.
    pub told: Counters,
    /// When the collector was told last, nanoseconds since the Unix epoch.
    pub told_ns: u64,
    /// Records numbered so far.
    pub records: u64,
    /// Batches sealed so far.
    pub batches: u64,
    /// Whether to try the collector.
    pub breaker: Breaker,
    /// Token of a heartbeat that was not answered yet, plus 1; 0 if there is none.
    pub heartbeat: u64,
    /// Second in which the heartbeat metric was set last.
    pub heartbeat_s: u64,
    /// Since when it is being taken down, nanoseconds since the Unix epoch.
    pub closing_since_ns: u64,
    /// Does the host's gauge of refused configurations count it?
    pub is_told_invalid: bool,
}

impl Root {
    /// All zero.
    pub const FREE: Self = Self {
        context: 0,
        served_by: 0,
        number: 0,
        phase: Phase::Free,
        config: Config::NONE,
        producer_id: [0; 16],
        producer: Text::EMPTY,
        counters: Counters::ZERO,
        reported: Counters::ZERO,
        told: Counters::ZERO,
        told_ns: 0,
        records: 0,
        batches: 0,
        breaker: Breaker::CLOSED,
        heartbeat: 0,
        heartbeat_s: 0,
        closing_since_ns: 0,
        is_told_invalid: false,
    };

    /// What its batches say of it.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            producer_id: &self.producer_id,
            producer: self.producer.as_bytes(),
        }
    }

    /// Has it seen a stream, and is there a collector to hear of it?
    pub fn has_audience(&self) -> bool {
        self.counters.observed() != 0 && !self.config.collector_cluster.as_bytes().is_empty()
    }

    /// Has it been trying to end for too long?
    pub fn gives_up(&mut self, now_ns: u64) -> bool {
        // A clock that was set back does not tell for how long: from now on, then.
        self.closing_since_ns = self.closing_since_ns.min(now_ns);
        self.phase == Phase::Closing
            && now_ns.saturating_sub(self.closing_since_ns) >= CLOSING_NS_MAX
    }

    /// Do the counters tell more than the collector was told last?
    pub fn has_news(&self) -> bool {
        !self.counters.tells_the_same_as(&self.told)
    }
}
