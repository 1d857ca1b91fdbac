//! One way of a connection: what comes next, what waits, and when what is missing is given up.

mod holes;
mod place;
mod reset;

use self::reset::Beyond;
use super::Limits;
use super::counters::{DiscardReason, GapReason, TcpCounters};
use super::pieces::{Arrival, Content, Pieces};
use super::sequence::{self, ORIGIN};
use crate::bytes_at;
use crate::stream::{ByteSink, Ending, Start, Way};

/// One way of a connection.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) state: State,
    /// Position of the next byte to deliver.
    next: u64,
    /// Its sequence number.
    pub(super) next_seq: u32,
    /// Position of the first byte of the way as delivered.
    first: u64,
    pieces: Pieces,
    /// Highest acknowledgment number that the other end has sent.
    acked: Option<u32>,
    /// When it sent it.
    acked_unix_ns: u64,
    /// Where and how the way ends.
    end: Option<(u64, Ending, Arrival)>,
    /// The first segment, while settling.
    settling_since: Arrival,
    /// What came behind the end.
    beyond: Beyond,
    /// Was it the other end that reset it?
    is_reset_by_peer: bool,
}

/// How far a way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing has come.
    Silent,
    /// Bytes came, but their beginning was not seen.
    Settling,
    /// It is known where the way starts; the sink has not been told.
    Ready(Start),
    /// Bytes have been delivered.
    Flowing(Start),
    /// No more will come.
    Ended,
}

/// Where output goes, and what it costs.
pub(super) struct Output<'o, S> {
    pub(super) sink: Option<&'o mut S>,
    pub(super) way: Way,
    pub(super) unix_ns: u64,
    pub(super) counters: &'o mut TcpCounters,
    pub(super) limits: &'o Limits,
    /// What all waiting bytes of all connections cost.
    pub(super) waiting_total: &'o mut usize,
}

/// The part of a segment that matters to its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'a> {
    pub(super) seq: u32,
    pub(super) bytes: &'a [u8],
    /// Bytes after these that were sent and not captured.
    pub(super) missing_tail: u32,
    pub(super) is_final: bool,
    pub(super) arrival: Arrival,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            state: State::Silent,
            next: ORIGIN,
            next_seq: 0,
            first: ORIGIN,
            pieces: Pieces::default(),
            acked: None,
            acked_unix_ns: 0,
            end: None,
            settling_since: Arrival::default(),
            beyond: Beyond::Nothing,
            is_reset_by_peer: false,
        }
    }
}

impl Half {
    /// Are `bytes` at `seq` exactly what comes next, with nothing else to think of? (One byte may
    /// be a probe's.)
    #[inline]
    pub(super) fn is_in_order(&self, seq: u32, bytes: &[u8]) -> bool {
        matches!(self.state, State::Flowing(_))
            && seq == self.next_seq
            && bytes.len() != 1
            && self.pieces.is_empty()
            && self.end.is_none()
    }

    /// Does something wait that time or further segments may free?
    #[inline]
    pub(super) fn is_waiting(&self) -> bool {
        !self.pieces.is_empty() || self.state == State::Settling || self.end.is_some()
    }

    /// The other end acknowledges everything before `ack`.
    #[inline]
    pub(super) fn acknowledged(&mut self, ack: u32, unix_ns: u64) {
        let is_plausible = match self.state {
            State::Silent => true,
            _ => sequence::is_near(ack, self.next_seq),
        };
        let is_news = self
            .acked
            .is_none_or(|acked| sequence::distance(ack, acked) > 0);
        if is_plausible && is_news {
            self.acked = Some(ack);
            self.acked_unix_ns = unix_ns;
        }
    }

    /// Does an initial sequence number fit this way? `None`: it does, and says nothing new.
    pub(super) fn fits_initial(&self, initial: u32, now: Arrival, limits: &Limits) -> Option<bool> {
        let first_seq = initial.wrapping_add(1);
        match self.state {
            State::Silent => {
                Some(self.acked.is_none_or(|acked| {
                    (0..=1 << 24).contains(&sequence::distance(acked, first_seq))
                }))
            }
            State::Settling => {
                Some(
                    self.first_waiting()
                        .is_none_or(|first| match self.has_settled(now, limits) {
                            true => self.position(first_seq) == first,
                            false => self.is_shortly_before(first_seq, first),
                        }),
                )
            }
            // Where it started is settled: any other is of another connection, however near.
            _ if self.position(first_seq) == self.first => None,
            _ => Some(false),
        }
    }

    /// The way starts after this initial sequence number.
    pub(super) fn begin(&mut self, initial: u32) {
        let first_seq = initial.wrapping_add(1);
        if self.state == State::Silent {
            (self.next, self.next_seq) = (ORIGIN, first_seq);
        } else {
            self.move_to(self.position(first_seq));
        }
        self.first = self.next;
        self.state = State::Ready(Start::Seen);
    }

    /// Sequence number of the first byte of the way.
    pub(super) fn first_seq(&self) -> u32 {
        let behind = sequence::step(self.next.wrapping_sub(self.first));
        self.next_seq.wrapping_sub(behind)
    }

    /// Takes in-order bytes: see [`Self::is_in_order`].
    #[inline]
    pub(super) fn deliver<S: ByteSink>(&mut self, bytes: &[u8], out: &mut Output<'_, S>) {
        let len = bytes_at::count(bytes.len());
        self.next += len;
        self.next_seq = self.next_seq.wrapping_add(sequence::step(len));
        out.counters.delivered_bytes += len;
        if let Some(sink) = out.sink.as_deref_mut() {
            sink.bytes(out.unix_ns, out.way, bytes);
        }
    }

    /// Takes any segment that is near what is expected.
    pub(super) fn receive<S: ByteSink>(&mut self, chunk: &Chunk<'_>, out: &mut Output<'_, S>) {
        if self.state == State::Silent {
            self.next_seq = chunk.seq;
            self.state = State::Settling;
            self.settling_since = chunk.arrival;
        }
        let start = self.position(chunk.seq);
        let mut stop = start + bytes_at::count(chunk.bytes.len());
        let tail = stop;
        if !chunk.bytes.is_empty() {
            self.place(start, chunk, out);
        }
        if chunk.missing_tail > 0 && self.state != State::Ended {
            stop += u64::from(chunk.missing_tail);
            let from = tail.max(self.next);
            if stop > from && self.end.is_none_or(|(end, ..)| stop <= end) {
                self.account(out, |half, _| {
                    half.pieces.insert_absent(from, stop - from, chunk.arrival);
                });
            }
        }
        if chunk.is_final {
            self.ends_at(stop, Ending::Fin, chunk.arrival);
        }
    }

    /// Bytes after `position` will not come.
    pub(super) fn ends_at(&mut self, position: u64, ending: Ending, arrival: Arrival) {
        if self.end.is_none() && self.state != State::Ended {
            self.end = Some((position.max(self.next), ending, arrival));
        }
    }

    /// Hands on what has become free, and gives up what cannot come any more.
    pub(super) fn advance<S: ByteSink>(&mut self, now: Arrival, out: &mut Output<'_, S>) {
        if self.state == State::Settling && self.has_settled(now, out.limits) {
            self.settle(out);
        }
        if self.state == State::Settling {
            return;
        }
        let mut since = self.drain(out.unix_ns, out);
        while let Some((reason, until)) = self.hole_to_give_up(now, out) {
            self.give_up(reason, until, out);
            since = self.drain(since, out);
        }
        self.check_end(out);
    }

    /// The connection is over: everything that waits is handed on, with gaps between.
    pub(super) fn finish<S: ByteSink>(&mut self, ending: Ending, out: &mut Output<'_, S>) {
        if self.state == State::Settling {
            self.settle(out);
        }
        if matches!(self.state, State::Silent | State::Ended) {
            return;
        }
        let mut since = self.drain(out.unix_ns, out);
        while let Some((first, _)) = self.pieces.first() {
            self.give_up(GapReason::End, first, out);
            since = self.drain(since, out);
        }
        let (until, ending) = match self.end {
            Some((position, ending, _)) => (position, ending),
            None => (self.taken_until(), ending),
        };
        if until > self.next {
            self.give_up(GapReason::End, until, out);
        }
        self.conclude(ending, out);
    }

    /// The position of a sequence number.
    fn position(&self, seq: u32) -> u64 {
        let distance = sequence::distance(seq, self.next_seq);
        self.next.saturating_add_signed(i64::from(distance))
    }

    fn acked_position(&self) -> Option<u64> {
        self.acked.map(|acked| self.position(acked))
    }

    fn first_waiting(&self) -> Option<u64> {
        self.pieces.first().map(|(first, _)| first)
    }

    fn is_shortly_before(&self, seq: u32, position: u64) -> bool {
        let before = position.checked_sub(self.position(seq));
        before.is_some_and(|before| before < u64::from(sequence::PLAUSIBLE_DISTANCE_MAX))
    }

    fn move_to(&mut self, position: u64) {
        let moved = sequence::step(position.wrapping_sub(self.next));
        self.next_seq = self.next_seq.wrapping_add(moved);
        self.next = position;
    }

    /// Keeps the sum of what waits right around a change.
    fn account<S>(
        &mut self,
        out: &mut Output<'_, S>,
        change: impl FnOnce(&mut Self, &mut Output<'_, S>),
    ) {
        let before = self.pieces.cost();
        change(self, out);
        *out.waiting_total = *out.waiting_total + self.pieces.cost() - before;
    }

    fn has_settled(&self, now: Arrival, limits: &Limits) -> bool {
        now.number - self.settling_since.number >= limits.settling_segments_count
            || now.unix_ns.saturating_sub(self.settling_since.unix_ns) >= limits.settling_age_ns
            || self.pieces.cost() > limits.waiting_bytes_max / 2
    }

    /// Starts with the first byte there is.
    fn settle<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        let end = self.end.map(|(end, ..)| end);
        let first = self.first_waiting().or(end).unwrap_or(self.next);
        self.move_to(first);
        // A single byte may be a probe's.
        self.account(out, |half, out| {
            if half.pieces.pop_single_at(first) {
                out.counters.waiting_bytes -= 1;
                out.counters.discarded_bytes.add(DiscardReason::Probe, 1);
                half.move_to(first + 1);
            }
        });
        self.first = self.next;
        self.state = State::Ready(Start::Midway);
    }

    /// Hands on the pieces that are next, each as of when it came, but not before `since`: what
    /// waited for a byte came to the receiver with it, what waited in vain did not wait. Says as of
    /// when the last was; 0 if none was.
    fn drain<S: ByteSink>(&mut self, since: u64, out: &mut Output<'_, S>) -> u64 {
        if self.pieces.is_empty() {
            return 0;
        }
        let now = out.unix_ns;
        let mut last = 0;
        self.account(out, |half, out| {
            while let Some((content, unix_ns)) = half.pieces.pop_at(half.next) {
                last = unix_ns.max(since).max(last);
                out.unix_ns = last;
                half.announce(out);
                match content {
                    Content::Bytes(bytes) => {
                        out.counters.waiting_bytes -= bytes_at::count(bytes.len());
                        half.deliver(&bytes, out);
                    }
                    Content::Absent(len, reason) => half.skip(reason, len, out),
                }
            }
        });
        out.unix_ns = now;
        last
    }

    #[inline]
    fn announce<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        if let State::Ready(start) = self.state {
            self.state = State::Flowing(start);
            if let Some(sink) = out.sink.as_deref_mut() {
                sink.start(out.unix_ns, out.way, start);
            }
        }
    }

    fn check_end<S: ByteSink>(&mut self, out: &mut Output<'_, S>) {
        if let Some((end, ending, _)) = self.end
            && end <= self.next
        {
            self.conclude(ending, out);
        }
    }

    fn conclude<S: ByteSink>(&mut self, ending: Ending, out: &mut Output<'_, S>) {
        self.account(out, |half, out| {
            let left = half.pieces.clear();
            out.counters.waiting_bytes -= left;
            out.counters
                .discarded_bytes
                .add(DiscardReason::AfterEnd, left);
            if left > 0 {
                half.lose_beyond(out.counters);
            }
        });
        // A way without bytes whose beginning was seen is known as well.
        if self.state == State::Ready(Start::Seen) {
            self.announce(out);
        }
        if matches!(self.state, State::Flowing(_))
            && let Some(sink) = out.sink.as_deref_mut()
        {
            sink.end(out.unix_ns, out.way, ending);
        }
        self.state = State::Ended;
        self.end = None;
    }
}
