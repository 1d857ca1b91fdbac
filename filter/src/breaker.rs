//! When to try the collector again: exponential backoff, one probe, then everything.
//!
//! ```text
//!            failure                     time is up: one POST
//!  Closed ───────────▶ Open{until} ───────────────────────────▶ Probing
//!    ▲                    ▲                 failure                │
//!    │                    └────────────────────────────────────────┤
//!    └──────────────────────────── success ────────────────────────┘
//! ```
//! Success closes from every state. Waits double from 100 ms to 2 s, shortened by up to half at
//! random, so that workers do not come back in step; `Retry-After` can lengthen one to 5 s. The
//! longest time from recovery to the next POST is thus below 5 s.
//!
//! The host has no other clock than the wall's. Set back, it shows a time before the failure: then
//! the time is up, too.

/// First wait.
const WAIT_FIRST_MS: u64 = 100;
/// Longest wait of our own.
const WAIT_MAX_MS: u64 = 2000;
/// Longest wait the collector can ask for.
pub const RETRY_AFTER_MAX_MS: u64 = 5000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { since_ns: u64, until_ns: u64 },
    Probing,
}

/// The state of one producer's way to its collector.
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    state: State,
    failures: u8,
}

impl Breaker {
    /// Nothing failed yet; all zero.
    pub const CLOSED: Self = Self {
        state: State::Closed,
        failures: 0,
    };

    /// May a POST be sent now? Moves from `Open` to `Probing` if the time is up.
    pub fn may_send(&mut self, now_ns: u64) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { since_ns, until_ns } if now_ns >= until_ns || now_ns < since_ns => {
                self.state = State::Probing;
                true
            }
            State::Open { .. } | State::Probing => false,
        }
    }

    /// A POST was acknowledged, or refused by a collector that is well.
    pub fn succeeded(&mut self) {
        *self = Self::CLOSED;
    }

    /// A POST failed. Of several in flight together only the first counts.
    pub fn failed(&mut self, now_ns: u64, retry_after_ms: u64, random: u64) {
        if matches!(self.state, State::Open { .. }) {
            return;
        }
        let wait_ms = (WAIT_FIRST_MS << self.failures.min(5)).min(WAIT_MAX_MS);
        let wait_ns = wait_ms.saturating_mul(1_000_000);
        // From half the wait to the whole of it.
        let shortened = (wait_ns >> 1).saturating_mul(random >> 56) >> 8;
        let asked_ns = retry_after_ms
            .min(RETRY_AFTER_MAX_MS)
            .saturating_mul(1_000_000);
        let wait_ns = wait_ns.saturating_sub(shortened).max(asked_ns);
        self.state = State::Open {
            since_ns: now_ns,
            until_ns: now_ns.saturating_add(wait_ns),
        };
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn one_probe_goes_out_and_its_success_closes() {
        let mut breaker = Breaker::CLOSED;
        breaker.failed(0, 0, 0);
        assert!(!breaker.may_send(99_000_000));
        assert!(breaker.may_send(100_000_000));
        assert!(!breaker.may_send(100_000_000));
        breaker.succeeded();
        assert!(breaker.may_send(100_000_000) && breaker.may_send(100_000_000));
    }

    #[test]
    fn failures_of_one_burst_count_once() {
        let mut breaker = Breaker::CLOSED;
        for _ in 0..4 {
            breaker.failed(0, 0, 0);
        }
        assert!(breaker.may_send(100_000_000));
    }

    #[test]
    fn no_wait_is_longer_than_two_seconds_unless_the_collector_asks() {
        let mut breaker = Breaker::CLOSED;
        let mut now = 0;
        for _ in 0..300 {
            breaker.failed(now, 0, u64::MAX);
            now += 2 * SECOND_NS;
            assert!(breaker.may_send(now));
        }
        breaker.failed(now, 3600 * 1000, 0);
        assert!(!breaker.may_send(now + 5 * SECOND_NS - 1));
        assert!(breaker.may_send(now + 5 * SECOND_NS));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_lengthen_a_wait() {
        let day_ns = 24 * 3600 * SECOND_NS;
        let mut breaker = Breaker::CLOSED;
        breaker.failed(day_ns, 0, 0);
        assert!(!breaker.may_send(day_ns));
        assert!(breaker.may_send(0));
        // Nor does one that was far ahead.
        breaker.failed(u64::MAX, 0, 0);
        assert!(breaker.may_send(day_ns));
    }
}
