//! Calls without a name, held until what names them may have been learnt.
//!
//! Calls of files are held to the end of the last one, those of a live source for
//! [`LIVE_DELAY_MAX`]; never more than [`HELD_CALLS_MAX`] of them, or [`HELD_BYTES_MAX`] bytes, over
//! all workers, which share this [`Room`] as they need it. Where there is none left, a worker that holds one more
//! lets its oldest go, named by what is known then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use twintap_decode::exchange::{Certainty, Exchange, Rule};

use super::learner::Learner;
use super::quota::Quota;

/// Calls held, over all workers.
pub const HELD_CALLS_MAX: usize = 65_536;
/// Bytes of the calls held, over all workers.
pub const HELD_BYTES_MAX: usize = 32 << 20;
/// How long a call of a live source is held.
pub const LIVE_DELAY_MAX: Duration = Duration::from_secs(2);

/// Before the end, a name holds for so many lessons, since to look for it again costs time.
const AGE_MAX: u64 = 256;

/// What an exchange takes besides its bodies and header blocks, and what these share.
const EXCHANGE_BYTES: usize = 1024;

/// What became of calls whose method was not captured. Their sum is the number of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameCounts {
    /// Named by a sister connection.
    pub by_sister: u64,
    /// Named by descriptors.
    pub by_descriptors: u64,
    /// Not named.
    pub unnamed: u64,
    /// Of the unnamed, those that were given up before their time, to stay within the limits.
    pub given_up: u64,
}

impl NameCounts {
    /// Adds what became of others.
    pub fn add(&mut self, other: &Self) {
        self.by_sister += other.by_sister;
        self.by_descriptors += other.by_descriptors;
        self.unnamed += other.unnamed;
        self.given_up += other.given_up;
    }

    /// Calls whose method was not captured.
    pub fn total(&self) -> u64 {
        self.by_sister + self.by_descriptors + self.unnamed
    }
}

/// How much all workers hold, and how much they may.
#[derive(Debug)]
pub struct Room {
    calls_max: usize,
    bytes_max: usize,
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

impl Default for Room {
    fn default() -> Self {
        Self::of(HELD_CALLS_MAX, HELD_BYTES_MAX)
    }
}

impl Room {
    /// With limits of its own.
    pub fn of(calls_max: usize, bytes_max: usize) -> Self {
        Self {
            calls_max,
            bytes_max,
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    fn take(&self, bytes: usize) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_exceeded(&self) -> bool {
        self.calls.load(Ordering::Relaxed) > self.calls_max
            || self.bytes.load(Ordering::Relaxed) > self.bytes_max
    }
}

/// Holds the nameless calls of one worker.
#[derive(Debug)]
pub struct Held {
    learner: Arc<Learner>,
    quota: Quota,
    /// How long, at most; `None`: until the end.
    delay: Option<Duration>,
    room: Arc<Room>,
    held: VecDeque<Waiting>,
    counts: NameCounts,
}

#[derive(Debug)]
struct Waiting {
    since: Duration,
    bytes_count: usize,
    exchange: Box<Exchange>,
}

impl Held {
    /// Holds calls until the end, or for `delay`, as long as there is `room`.
    pub fn new(learner: Arc<Learner>, delay: Option<Duration>, room: Arc<Room>) -> Self {
        Self {
            learner,
            quota: Quota::default(),
            delay,
            room,
            held: VecDeque::new(),
            counts: NameCounts::default(),
        }
    }

    /// Takes calls as they finish, at a time that never goes back; gives back those that wait for
    /// nothing.
    pub fn pass(
        &mut self,
        exchanges: VecDeque<Box<Exchange>>,
        now: Duration,
    ) -> VecDeque<Box<Exchange>> {
        let mut ready = VecDeque::with_capacity(exchanges.len());
        for exchange in exchanges {
            if self.quota.admits(&exchange) {
                self.learner.learn(&exchange);
            }
            if exchange.method != Certainty::Unknown {
                ready.push_back(exchange);
            } else if exchange.method_class.is_none() {
                self.counts.unnamed += 1;
                ready.push_back(exchange);
            } else {
                let bytes_count = EXCHANGE_BYTES + exchange.kept_bytes();
                self.room.take(bytes_count);
                self.held.push_back(Waiting {
                    since: now,
                    bytes_count,
                    exchange,
                });
            }
            while self.room.is_exceeded() && !self.held.is_empty() {
                let named = self.release(&mut ready, AGE_MAX);
                self.counts.given_up += u64::from(named.is_none());
            }
        }
        self.due(now, &mut ready);
        ready
    }

    /// Gives back what was held long enough.
    pub fn due(&mut self, now: Duration, ready: &mut VecDeque<Box<Exchange>>) {
        let Some(delay) = self.delay else { return };
        while let Some(oldest) = self.held.front() {
            if now.saturating_sub(oldest.since) < delay {
                break;
            }
            self.release(ready, AGE_MAX);
        }
    }

    /// When [`Self::due`] has something to give back; `None`: never.
    pub fn due_at(&self) -> Option<Duration> {
        Some(self.held.front()?.since + self.delay?)
    }

    /// Gives back all that is held, for all workers have told the learner all.
    pub fn finish(mut self) -> (VecDeque<Box<Exchange>>, NameCounts) {
        let mut ready = VecDeque::with_capacity(self.held.len());
        while !self.held.is_empty() {
            self.release(&mut ready, 0);
        }
        (ready, self.counts)
    }

    /// Gives the oldest back, with a name if it has one by now.
    fn release(&mut self, ready: &mut VecDeque<Box<Exchange>>, age_max: u64) -> Option<Rule> {
        let mut waiting = self.held.pop_front()?;
        self.room.give_back(waiting.bytes_count);
        let rule = self.learner.name(&mut waiting.exchange, age_max);
        *match rule {
            Some(Rule::SisterConnection) => &mut self.counts.by_sister,
            Some(_) => &mut self.counts.by_descriptors,
            None => &mut self.counts.unnamed,
        } += 1;
        ready.push_back(waiting.exchange);
        rule
    }
}

#[cfg(test)]
#[path = "held_tests.rs"]
mod tests;
