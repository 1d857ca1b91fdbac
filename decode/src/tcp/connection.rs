//! Both ways of one connection: handshake, segments, FIN and RST, and when the same addresses and
//! ports begin another connection.

mod resets;

use self::resets::Doubted;
use super::counters::{DiscardReason, TcpCounters};
use super::half::{Chunk, Half, Output, State};
use super::pieces::Arrival;
use super::{Connection as Name, Connections, Limits, sequence};
use crate::bytes_at;
use crate::link::{FlowKey, Segment, Side, flags};
use crate::stream::{ByteSink, Ending, Way};

/// So many segments in a row that are far from what is expected are another connection.
const FOREIGN_SEGMENTS_MAX: u8 = 4;

/// One connection, and where its bytes go.
#[derive(Debug)]
pub(super) struct Conversation<S> {
    low: Half,
    high: Half,
    /// Who sent the SYN, if it was seen.
    initiator: Option<Side>,
    sink: SinkState<S>,
    since_unix_ns: u64,
    /// Segments seen.
    segments: u64,
    foreign_segments: u8,
    /// A reset ahead of what its sender has sent as far as was captured.
    doubted: Option<Doubted>,
}

#[derive(Debug)]
enum SinkState<S> {
    /// No bytes yet.
    None,
    /// Apart, so that connections without bytes, of which anybody can make as many as packets, are small.
    Open(Box<Open<S>>),
    Unwanted,
    Closed,
}

/// What a connection with bytes has besides.
#[derive(Debug)]
struct Open<S> {
    name: Name,
    forward: Side,
    sink: S,
}

/// What is shared by all connections.
pub(super) struct Shared<'t, C> {
    pub(super) connections: &'t mut C,
    pub(super) counters: &'t mut TcpCounters,
    pub(super) limits: &'t Limits,
    pub(super) waiting_total: &'t mut usize,
}

/// Does a segment belong to the connection?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    Yes,
    /// It begins another one on the same flow.
    ToTheNext,
}

impl<S: ByteSink> Conversation<S> {
    pub(super) fn new(since_unix_ns: u64) -> Self {
        Self {
            low: Half::default(),
            high: Half::default(),
            initiator: None,
            sink: SinkState::None,
            since_unix_ns,
            segments: 0,
            foreign_segments: 0,
            doubted: None,
        }
    }

    /// Takes one segment. If it belongs to the next connection it has not been counted.
    #[inline]
    pub(super) fn segment<C: Connections<Sink = S>>(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_, C>,
    ) -> Belongs {
        self.segments += 1;
        let is_plain = segment.flags & (flags::SYN | flags::FIN | flags::RST) == 0;
        let is_in_doubt = self.doubted.is_some();
        let (own, other, sink) = self.halves(segment.sender);
        if is_plain
            && !is_in_doubt
            && segment.missing_tail == 0
            && own.is_in_order(segment.seq, segment.payload)
            && !other.is_waiting()
            && let SinkState::Open(open) = sink
        {
            let Open { sink, forward, .. } = &mut **open;
            if segment.has(flags::ACK) {
                other.acknowledged(segment.ack, segment.unix_ns);
            }
            if !segment.payload.is_empty() {
                let mut out = shared.output(Some(sink), *forward, segment.sender, segment.unix_ns);
                own.deliver(segment.payload, &mut out);
            }
            return Belongs::Yes;
        }
        self.unusual(segment, shared)
    }

    /// Everything but the next bytes in order.
    fn unusual<C: Connections<Sink = S>>(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_, C>,
    ) -> Belongs {
        let arrival = Arrival {
            unix_ns: segment.unix_ns,
            number: self.segments,
        };
        let bytes_count = bytes_at::count(segment.payload.len());
        let mut seq = segment.seq;
        if segment.has(flags::SYN) && !segment.has(flags::RST) {
            if self.handshake(segment, arrival, shared.limits) == Belongs::ToTheNext {
                return Belongs::ToTheNext;
            }
            seq = seq.wrapping_add(1);
        }
        let (own, other, _) = self.halves(segment.sender);
        if !Self::is_plausible(own, other, seq, segment) {
            if segment.has(flags::RST) {
                shared
                    .counters
                    .discarded_bytes
                    .add(DiscardReason::Reset, bytes_count);
                self.ignore_reset(shared.counters);
                return Belongs::Yes;
            }
            self.foreign_segments = self.foreign_segments.saturating_add(1);
            if self.foreign_segments >= FOREIGN_SEGMENTS_MAX && bytes_count > 0 {
                return Belongs::ToTheNext;
            }
            shared
                .counters
                .discarded_bytes
                .add(DiscardReason::OutOfWindow, bytes_count);
            return Belongs::Yes;
        }
        if segment.has(flags::ACK) && !segment.has(flags::RST) {
            other.acknowledged(segment.ack, segment.unix_ns);
            other.note_heard(shared.counters);
        }
        self.foreign_segments = 0;
        if segment.has(flags::RST) {
            shared
                .counters
                .discarded_bytes
                .add(DiscardReason::Reset, bytes_count);
            let ack = segment.has(flags::ACK).then_some(segment.ack);
            self.reset(
                Doubted::new(segment.sender, seq, ack, arrival),
                shared.counters,
            );
        } else {
            self.contradict_reset();
            self.bytes(segment, seq, arrival, shared);
        }
        self.settle_doubt(arrival, shared);
        self.advance(arrival, shared);
        Belongs::Yes
    }

    fn bytes<C: Connections<Sink = S>>(
        &mut self,
        segment: &Segment<'_>,
        seq: u32,
        arrival: Arrival,
        shared: &mut Shared<'_, C>,
    ) {
        let chunk = Chunk {
            seq,
            bytes: segment.payload,
            missing_tail: segment.missing_tail,
            is_final: segment.has(flags::FIN),
            arrival,
        };
        if chunk.bytes.is_empty() && chunk.missing_tail == 0 && !chunk.is_final {
            return;
        }
        let (own, ..) = self.halves(segment.sender);
        let may_deliver = own.state != State::Ended;
        if may_deliver && (!chunk.bytes.is_empty() || chunk.missing_tail > 0) {
            self.open(segment, shared);
        }
        if matches!(self.sink, SinkState::Unwanted) {
            let count = bytes_at::count(segment.payload.len());
            shared
                .counters
                .discarded_bytes
                .add(DiscardReason::Unwanted, count);
            return;
        }
        let (own, _, sink) = self.halves(segment.sender);
        let (sink, forward) = sink.parts();
        let mut out = shared.output(sink, forward, segment.sender, segment.unix_ns);
        own.receive(&chunk, &mut out);
    }

    /// The connection is over. Says everything that is left to say.
    pub(super) fn finish<C: Connections<Sink = S>>(
        &mut self,
        unix_ns: u64,
        ending: Ending,
        shared: &mut Shared<'_, C>,
    ) {
        self.end_doubt(shared.counters);
        for side in [Side::Low, Side::High] {
            let (half, _, sink) = self.halves(side);
            let (sink, forward) = sink.parts();
            let mut out = shared.output(sink, forward, side, unix_ns);
            half.finish(ending, &mut out);
        }
        self.close(shared);
    }

    /// Time has passed without a segment: hands on what time frees.
    pub(super) fn wait<C: Connections<Sink = S>>(
        &mut self,
        unix_ns: u64,
        shared: &mut Shared<'_, C>,
    ) {
        let now = Arrival {
            unix_ns,
            number: self.segments,
        };
        self.settle_doubt(now, shared);
        self.advance(now, shared);
    }

    /// Tells the sink what time it is, unless something waits: then it is earlier there.
    pub(super) fn tell_time(&mut self, unix_ns: u64) {
        if self.is_waiting() {
            return;
        }
        if let SinkState::Open(open) = &mut self.sink {
            open.sink.time(unix_ns);
        }
    }

    /// Does something wait that time may free?
    pub(super) fn is_waiting(&self) -> bool {
        self.low.is_waiting() || self.high.is_waiting() || self.doubted.is_some()
    }

    /// Have both ways ended?
    pub(super) fn is_over(&self) -> bool {
        self.low.state == State::Ended && self.high.state == State::Ended
    }

    /// Has it delivered bytes, and may it deliver more?
    pub(super) fn is_open(&self) -> bool {
        matches!(self.sink, SinkState::Open(_))
    }

    /// Who sent the SYN, and what it sent first, if that was seen and any bytes were.
    pub(super) fn beginning(&self) -> Option<(Side, u32)> {
        let had_bytes = matches!(self.sink, SinkState::Open(_) | SinkState::Closed);
        let side = self.initiator.filter(|_| had_bytes)?;
        let half = match side {
            Side::Low => &self.low,
            Side::High => &self.high,
        };
        Some((side, half.first_seq()))
    }

    /// Takes note of a SYN.
    fn handshake(&mut self, segment: &Segment<'_>, now: Arrival, limits: &Limits) -> Belongs {
        let is_answer = segment.has(flags::ACK);
        let (own, other, _) = self.halves(segment.sender);
        // An answer that acknowledges another SYN than the one seen belongs to another attempt.
        let answers = !is_answer
            || match other.state {
                State::Silent => true,
                _ => sequence::is_near(segment.ack, other.next_seq),
            };
        match own.fits_initial(segment.seq, now, limits) {
            Some(true) if answers => {
                own.begin(segment.seq);
                let initiator = if is_answer {
                    segment.sender.other()
                } else {
                    segment.sender
                };
                self.initiator.get_or_insert(initiator);
                Belongs::Yes
            }
            None if answers => Belongs::Yes,
            _ => Belongs::ToTheNext,
        }
    }

    /// Is a segment near what its way expects, or does it at least acknowledge what the other
    /// way has sent?
    fn is_plausible(own: &Half, other: &Half, seq: u32, segment: &Segment<'_>) -> bool {
        matches!(own.state, State::Silent)
            || sequence::is_near(seq, own.next_seq)
            || segment.has(flags::ACK)
                && !matches!(other.state, State::Silent)
                && sequence::is_near(segment.ack, other.next_seq)
                && sequence::distance(seq, own.next_seq) > 0
    }

    fn open<C: Connections<Sink = S>>(
        &mut self,
        segment: &Segment<'_>,
        shared: &mut Shared<'_, C>,
    ) {
        if !matches!(self.sink, SinkState::None) {
            return;
        }
        let flow = segment.flow;
        let forward = self.initiator.unwrap_or_else(|| likely_initiator(&flow));
        let name = Name {
            number: shared.counters.opened + shared.counters.unwanted + 1,
            flow,
            initiator: flow.endpoint(forward),
            responder: flow.endpoint(forward.other()),
            since_unix_ns: self.since_unix_ns,
        };
        self.sink = match shared.connections.open(&name) {
            Some(sink) => {
                shared.counters.opened += 1;
                SinkState::Open(Box::new(Open {
                    name,
                    forward,
                    sink,
                }))
            }
            None => {
                shared.counters.unwanted += 1;
                SinkState::Unwanted
            }
        };
    }

    /// Hands on what has become free on both ways, and closes the sink when both have ended.
    fn advance<C: Connections<Sink = S>>(&mut self, now: Arrival, shared: &mut Shared<'_, C>) {
        for side in [Side::Low, Side::High] {
            let (half, _, sink) = self.halves(side);
            if half.is_waiting() {
                let (sink, forward) = sink.parts();
                let mut out = shared.output(sink, forward, side, now.unix_ns);
                half.advance(now, &mut out);
            }
        }
        if self.is_over() {
            self.close(shared);
        }
    }

    fn close<C: Connections<Sink = S>>(&mut self, shared: &mut Shared<'_, C>) {
        if let SinkState::Open(open) = std::mem::replace(&mut self.sink, SinkState::Closed) {
            let Open { name, sink, .. } = *open;
            shared.counters.closed += 1;
            shared.connections.close(&name, sink);
        }
    }

    /// The way of `side`, the other way, and the sink.
    #[inline]
    fn halves(&mut self, side: Side) -> (&mut Half, &mut Half, &mut SinkState<S>) {
        match side {
            Side::Low => (&mut self.low, &mut self.high, &mut self.sink),
            Side::High => (&mut self.high, &mut self.low, &mut self.sink),
        }
    }
}

impl<S> SinkState<S> {
    fn parts(&mut self) -> (Option<&mut S>, Side) {
        match self {
            Self::Open(open) => (Some(&mut open.sink), open.forward),
            _ => (None, Side::Low),
        }
    }
}

impl<C: Connections> Shared<'_, C> {
    #[inline]
    fn output<'o>(
        &'o mut self,
        sink: Option<&'o mut C::Sink>,
        forward: Side,
        sender: Side,
        unix_ns: u64,
    ) -> Output<'o, C::Sink> {
        Output {
            sink,
            way: if sender == forward {
                Way::Forward
            } else {
                Way::Reverse
            },
            unix_ns,
            counters: self.counters,
            limits: self.limits,
            waiting_total: self.waiting_total,
        }
    }
}

/// Who began a connection whose SYN was not seen: clients use the higher ports.
fn likely_initiator(flow: &FlowKey) -> Side {
    if flow.endpoint(Side::Low).port > flow.endpoint(Side::High).port {
        Side::Low
    } else {
        Side::High
    }
}
