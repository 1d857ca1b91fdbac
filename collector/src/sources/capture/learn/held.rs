//! Calls without a name, held until what names them may have been learnt.
//!
//! Calls of files are held to the end of the last one, those of a live source for
//! [`LIVE_DELAY_MAX`]; never more than [`HELD_CALLS_MAX`] of them, or [`HELD_BYTES_MAX`] bytes, over
//! all workers, which share the [`Room`] as they need it. Where there is none left, a worker that holds one more lets
//! its oldest go, named by what is known then.

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

/// How much all workers hold, and how much they may. Half of it is divided among them, so that none goes without;
/// the other half is for those that need more.
#[derive(Debug)]
pub struct Room {
    /// Calls and bytes that each worker has for itself.
    own: Amount,
    /// How much more all of them may hold together.
    shared: Amount,
    shared_calls: AtomicUsize,
    shared_bytes: AtomicUsize,
}

/// So many calls, of so many bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    calls: usize,
    bytes: usize,
}

impl Amount {
    /// What of it is more than `own`.
    fn beyond(self, own: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(own.calls),
            bytes: self.bytes.saturating_sub(own.bytes),
        }
    }
}

impl Room {
    /// For so many workers.
    pub fn new(workers_count: usize) -> Self {
        Self::of(HELD_CALLS_MAX, HELD_BYTES_MAX, workers_count)
    }

    /// With limits of its own.
    pub fn of(calls_max: usize, bytes_max: usize, workers_count: usize) -> Self {
        let parts = 2 * workers_count.max(1);
        Self {
            own: Amount {
                calls: calls_max / parts,
                bytes: bytes_max / parts,
            },
            shared: Amount {
                calls: calls_max.div_ceil(2),
                bytes: bytes_max.div_ceil(2),
            },
            shared_calls: AtomicUsize::new(0),
            shared_bytes: AtomicUsize::new(0),
        }
    }

    /// A worker holds `now` where it held `before`.
    fn changed(&self, before: Amount, now: Amount) {
        let (before, now) = (before.beyond(self.own), now.beyond(self.own));
        // Wrapping around adds what is less.
        let calls = now.calls.wrapping_sub(before.calls);
        let bytes = now.bytes.wrapping_sub(before.bytes);
        self.shared_calls.fetch_add(calls, Ordering::Relaxed);
        self.shared_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Has a worker that holds `held` to let calls go?
    fn is_too_much(&self, held: Amount) -> bool {
        let beyond = held.beyond(self.own);
        (beyond.calls > 0 && self.shared_calls.load(Ordering::Relaxed) > self.shared.calls)
            || (beyond.bytes > 0 && self.shared_bytes.load(Ordering::Relaxed) > self.shared.bytes)
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
    amount: Amount,
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
            amount: Amount::default(),
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
                self.held.push_back(Waiting {
                    since: now,
                    bytes_count,
                    exchange,
                });
                self.holds(Amount {
                    calls: self.held.len(),
                    bytes: self.amount.bytes + bytes_count,
                });
                while self.room.is_too_much(self.amount) {
                    let named = self.release(&mut ready, AGE_MAX);
                    self.counts.given_up += u64::from(named.is_none());
                }
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

    fn holds(&mut self, now: Amount) {
        self.room.changed(self.amount, now);
        self.amount = now;
    }

    /// Gives the oldest back, with a name if it has one by now.
    fn release(&mut self, ready: &mut VecDeque<Box<Exchange>>, age_max: u64) -> Option<Rule> {
        let mut waiting = self.held.pop_front()?;
        self.holds(Amount {
            calls: self.held.len(),
            bytes: self.amount.bytes - waiting.bytes_count,
        });
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
