//! The table of connections: which one a segment belongs to, and which ones have to go.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::begun::Begun;
use super::connection::{Belongs, Conversation, Shared};
use super::slots::{Index, Slots};
use super::{Connections, Limits, TcpCounters};
use crate::bytes_at;
use crate::link::{FlowKey, Segment, flags};
use crate::stream::Ending;

/// The order of last use is kept to this precision, so that most segments do not touch it.
const TOUCH_NS: u64 = 1_000_000_000;

/// Entries of a queue that are of connections that are gone, beside as many as there are others.
const GONE_MAX: usize = 64;

/// Follows connections, and hands their bytes to the sinks that `C` makes.
#[derive(Debug)]
pub struct Tracker<C: Connections> {
    connections: C,
    limits: Limits,
    counters: TcpCounters,
    table: HashTable<Index>,
    slots: Slots<Entry<C::Sink>>,
    seed: u64,
    waiting_total: usize,
    /// Connections in which something waits, by the time to look at them again. Each is in it
    /// once at most; those that are gone are taken out before they are many.
    waiting: VecDeque<Due>,
    /// Connections that are over, by the time to forget them. The same is true of it.
    lingering: VecDeque<Due>,
    entries_count: u64,
    begun: Begun,
    clock: Clock,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    unix_ns: u64,
    index: Index,
    /// The entry that was meant: its place may have another by now.
    entry: u64,
}

#[derive(Debug)]
struct Entry<S> {
    flow: FlowKey,
    hash: u64,
    last_unix_ns: u64,
    touched_unix_ns: u64,
    /// Number of the entry among all that were made.
    number: u64,
    /// Is it in the queue of those in which something waits?
    is_queued: bool,
    /// Is it in the queue of those that are over?
    is_lingering: bool,
    conversation: Conversation<S>,
}

impl<C: Connections> Tracker<C> {
    /// A tracker that has seen nothing.
    pub fn new(limits: Limits, connections: C) -> Self {
        Self {
            connections,
            limits,
            counters: TcpCounters::default(),
            table: HashTable::new(),
            slots: Slots::default(),
            // Where an entry lies is never seen outside, so the seed may differ in each run.
            seed: foldhash::fast::RandomState::default().hash_one(0_u64),
            waiting_total: 0,
            waiting: VecDeque::new(),
            lingering: VecDeque::new(),
            entries_count: 0,
            begun: Begun::default(),
            clock: Clock::default(),
        }
    }

    /// What has become of everything so far.
    pub fn counters(&self) -> TcpCounters {
        self.counters
    }

    /// Connections in the table.
    pub fn connections_count(&self) -> usize {
        self.slots.len()
    }

    /// What makes the sinks.
    pub fn connections_mut(&mut self) -> &mut C {
        &mut self.connections
    }

    /// Takes one segment.
    #[inline]
    pub fn segment(&mut self, segment: &Segment<'_>) {
        self.counters.segments += 1;
        self.counters.payload_bytes += bytes_at::count(segment.payload.len());
        self.observe(segment.unix_ns);
        let hash = segment.flow.hash(self.seed);
        let slots = &self.slots;
        let is_it = |index: &Index| {
            slots
                .get(*index)
                .is_some_and(|entry| entry.flow == segment.flow)
        };
        let index = match self.table.find(hash, is_it) {
            Some(index) => *index,
            None => match self.insert(segment, hash) {
                Some(index) => index,
                None => {
                    self.counters.strays += 1;
                    return;
                }
            },
        };
        if self.give(segment, index) == Some(Belongs::ToTheNext) {
            self.begin_again(segment, index);
        }
    }

    /// Capture time has come to `unix_ns`, with or without segments: gives up what has been waited
    /// for long enough, ends idle connections, and tells the others the time. Live captures call this
    /// about once a second; segments do the first two by themselves.
    pub fn advance(&mut self, unix_ns: u64) {
        // Twice: a time that is seen once is not believed.
        self.observe(unix_ns);
        self.observe(unix_ns);
        for entry in self.slots.values_mut() {
            entry.conversation.tell_time(self.clock.now_unix_ns);
        }
    }

    /// The capture has ended: everything that waits is handed on, and all connections end.
    pub fn finish(mut self) -> (C, TcpCounters) {
        while let Some(index) = self.slots.oldest() {
            self.end(index, Ending::CaptureEnd);
        }
        (self.connections, self.counters)
    }

    #[inline]
    fn observe(&mut self, unix_ns: u64) {
        if self.clock.observe(unix_ns) {
            self.close_idle();
        }
        let now = self.clock.now_unix_ns;
        if self
            .waiting
            .front()
            .is_some_and(|first| first.unix_ns <= now)
        {
            self.look_at_waiting(now);
        }
        if self
            .lingering
            .front()
            .is_some_and(|first| first.unix_ns <= now)
        {
            self.forget_over(now);
        }
    }

    /// Forgets connections that were over long ago.
    #[cold]
    fn forget_over(&mut self, now: u64) {
        while let Some(first) = self.lingering.front().copied()
            && first.unix_ns <= now
        {
            self.forget_first_over();
        }
    }

    /// Forgets the connection that was over first; says whether there was one.
    fn forget_first_over(&mut self) -> bool {
        let Some(first) = self.lingering.pop_front() else {
            return false;
        };
        let entry = self.slots.get(first.index);
        if entry.is_some_and(|entry| entry.number == first.entry) {
            self.end(first.index, Ending::Evicted);
        }
        true
    }

    #[cold]
    fn look_at_waiting(&mut self, now: u64) {
        // Those that go on waiting are put behind, and not looked at again.
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.front().copied() else {
                break;
            };
            if waiting.unix_ns > now {
                break;
            }
            self.waiting.pop_front();
            let entry = self.slots.get_mut(waiting.index);
            let Some(entry) = entry.filter(|entry| entry.number == waiting.entry) else {
                continue;
            };
            let mut shared = Shared {
                connections: &mut self.connections,
                counters: &mut self.counters,
                limits: &self.limits,
                waiting_total: &mut self.waiting_total,
            };
            entry.conversation.wait(now, &mut shared);
            entry.is_queued = entry.conversation.is_waiting();
            if entry.is_queued {
                self.waiting.push_back(Due {
                    unix_ns: now.saturating_add(self.limits.hole_age_ns),
                    ..waiting
                });
            }
        }
    }

    #[inline]
    fn give(&mut self, segment: &Segment<'_>, index: Index) -> Option<Belongs> {
        let entry = self.slots.get_mut(index)?;
        entry.last_unix_ns = entry.last_unix_ns.max(segment.unix_ns);
        let is_stale = segment.unix_ns.saturating_sub(entry.touched_unix_ns) >= TOUCH_NS;
        if is_stale {
            entry.touched_unix_ns = segment.unix_ns;
        }
        let mut shared = Shared {
            connections: &mut self.connections,
            counters: &mut self.counters,
            limits: &self.limits,
            waiting_total: &mut self.waiting_total,
        };
        let belongs = entry.conversation.segment(segment, &mut shared);
        if !entry.is_queued && entry.conversation.is_waiting() {
            entry.is_queued = true;
            self.waiting.push_back(Due {
                unix_ns: self
                    .clock
                    .now_unix_ns
                    .saturating_add(self.limits.hole_age_ns),
                index,
                entry: entry.number,
            });
        }
        if !entry.is_lingering && entry.conversation.is_over() {
            entry.is_lingering = true;
            self.lingering.push_back(Due {
                unix_ns: self.clock.now_unix_ns.saturating_add(self.limits.linger_ns),
                index,
                entry: entry.number,
            });
        }
        if is_stale {
            self.slots.touch(index);
        }
        Some(belongs)
    }

    /// Makes an entry for a flow, if the segment has anything to say of it.
    fn insert(&mut self, segment: &Segment<'_>, hash: u64) -> Option<Index> {
        let has_bytes = !segment.payload.is_empty() || segment.missing_tail > 0;
        let begins = segment.has(flags::SYN) || segment.has(flags::FIN) || has_bytes;
        if segment.has(flags::RST) || !begins {
            let bytes = bytes_at::count(segment.payload.len());
            let reason = super::DiscardReason::Reset;
            self.counters.discarded_bytes.add(reason, bytes);
            return None;
        }
        while self.slots.len() >= self.limits.connections_max.max(1) {
            if !self.forget_first_over() {
                let oldest = self.slots.oldest()?;
                self.end(oldest, Ending::Evicted);
            }
        }
        self.forget_gone();
        let is_first = segment.has(flags::SYN) && !segment.has(flags::ACK);
        if is_first {
            let first_seq = segment.seq.wrapping_add(1);
            let is_known = self.begun.knows(&segment.flow, segment.sender, first_seq);
            self.counters.repeated += u64::from(is_known);
        }
        self.entries_count += 1;
        let index = self.slots.insert(Entry {
            flow: segment.flow,
            hash,
            last_unix_ns: segment.unix_ns,
            touched_unix_ns: segment.unix_ns,
            number: self.entries_count,
            is_queued: false,
            is_lingering: false,
            conversation: Conversation::new(segment.unix_ns),
        })?;
        let slots = &self.slots;
        let hash_of = |index: &Index| slots.get(*index).map_or(0, |entry| entry.hash);
        self.table.insert_unique(hash, index, hash_of);
        Some(index)
    }

    /// Keeps the queues as bounded as the table, whatever the clock does.
    fn forget_gone(&mut self) {
        let queued_max = self.slots.len().saturating_mul(2).saturating_add(GONE_MAX);
        for queue in [&mut self.waiting, &mut self.lingering] {
            if queue.len() > queued_max {
                let slots = &self.slots;
                queue.retain(|due| {
                    slots
                        .get(due.index)
                        .is_some_and(|entry| entry.number == due.entry)
                });
            }
        }
    }

    /// Ends the connection of a flow, because `segment` begins another one.
    #[cold]
    fn begin_again(&mut self, segment: &Segment<'_>, index: Index) {
        self.end(index, Ending::Reused);
        let hash = segment.flow.hash(self.seed);
        if let Some(index) = self.insert(segment, hash) {
            self.give(segment, index);
        }
    }

    /// Ends and forgets a connection.
    fn end(&mut self, index: Index, ending: Ending) {
        let Some(mut entry) = self.slots.remove(index) else {
            return;
        };
        if let Ok(place) = self.table.find_entry(entry.hash, |other| *other == index) {
            place.remove();
        }
        if let Some((side, first_seq)) = entry.conversation.beginning() {
            self.begun.remember(&entry.flow, side, first_seq);
        }
        if entry.conversation.is_open() {
            match ending {
                Ending::Reused => self.counters.reused += 1,
                Ending::Idle => self.counters.idle += 1,
                Ending::Evicted => self.counters.evicted += 1,
                Ending::Fin | Ending::Reset | Ending::CaptureEnd => {}
            }
        }
        let mut shared = Shared {
            connections: &mut self.connections,
            counters: &mut self.counters,
            limits: &self.limits,
            waiting_total: &mut self.waiting_total,
        };
        entry
            .conversation
            .finish(entry.last_unix_ns, ending, &mut shared);
    }

    #[cold]
    fn close_idle(&mut self) {
        while let Some(index) = self.slots.oldest() {
            let Some(entry) = self.slots.get_mut(index) else {
                break;
            };
            let is_idle =
                |since| self.clock.now_unix_ns.saturating_sub(since) > self.limits.idle_ns;
            if is_idle(entry.last_unix_ns) {
                self.end(index, Ending::Idle);
            } else if is_idle(entry.touched_unix_ns) {
                entry.touched_unix_ns = entry.last_unix_ns;
                self.slots.touch(index);
            } else {
                break;
            }
        }
    }
}

/// Capture time that only goes on, and that one damaged time stamp cannot move.
#[derive(Debug, Default)]
struct Clock {
    now_unix_ns: u64,
    last_unix_ns: u64,
    /// When to look for idle connections next.
    due_unix_ns: u64,
}

impl Clock {
    /// Takes note of a packet's time; says whether to look for idle connections.
    #[inline]
    fn observe(&mut self, unix_ns: u64) -> bool {
        let agreed = unix_ns.min(self.last_unix_ns);
        self.last_unix_ns = unix_ns;
        self.now_unix_ns = self.now_unix_ns.max(agreed);
        if self.now_unix_ns < self.due_unix_ns {
            return false;
        }
        self.due_unix_ns = self.now_unix_ns.saturating_add(TOUCH_NS);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Endpoint;
    use crate::stream::{ByteSink, Start, Way};

    /// Keeps nothing.
    struct Discard;

    impl Connections for Discard {
        type Sink = Self;
        fn open(&mut self, _: &super::super::Connection) -> Option<Self> {
            Some(Self)
        }
        fn close(&mut self, _: &super::super::Connection, _: Self) {}
    }

    impl ByteSink for Discard {
        fn start(&mut self, _: u64, _: Way, _: Start) {}
        fn bytes(&mut self, _: u64, _: Way, _: &[u8]) {}
        fn gap(&mut self, _: u64, _: Way, _: u64) {}
        fn end(&mut self, _: u64, _: Way, _: Ending) {}
        fn time(&mut self, _: u64) {}
        fn gap_up_to(&mut self, _: u64, _: Way, _: u64) {}
    }

    #[test]
    fn queues_forget_connections_that_are_gone() {
        let mut tracker = Tracker::new(Limits::default(), Discard);
        let (flow, sender) = FlowKey::new(
            Endpoint::v4([10, 0, 0, 1], 40_000),
            Endpoint::v4([10, 0, 0, 2], 50_051),
            0,
        );
        let segment = |sender, flags, seq, ack, payload| Segment {
            unix_ns: 1,
            flow,
            sender,
            seq,
            ack,
            flags,
            window: 1,
            payload,
            missing_tail: 0,
        };
        // The same ports again and again, while the clock stands still.
        for first in (1..1_000_u32).map(|round| round.wrapping_mul(0x1000_0000)) {
            let (there, back) = (sender, sender.other());
            tracker.segment(&segment(there, flags::SYN, first, 0, b""));
            tracker.segment(&segment(back, flags::SYN | flags::ACK, 7, first + 1, b""));
            tracker.segment(&segment(there, flags::ACK, first + 5, 8, b"ab"));
            tracker.segment(&segment(there, flags::RST | flags::ACK, first + 1, 8, b""));
        }
        assert!(tracker.entries_count > 900);
        assert!(tracker.waiting.len() <= 2 + GONE_MAX);
        assert!(tracker.lingering.len() <= 2 + GONE_MAX);
    }

    #[test]
    fn an_idle_connection_costs_less_than_a_kibibyte() {
        assert!(size_of::<Entry<[u64; 32]>>() < 1_024);
    }
}
