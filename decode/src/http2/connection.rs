//! Both ways of one connection.

use super::frame::PREFACE;
use super::frames::{split, taken_count};
use super::hunt::Hunt;
use super::lane::{Lane, State};
use super::opening::{Opening, recognise};
use super::upgrade::UpgradeRequest;
use crate::exchange::{
    CallSink, ConnectionName, ExchangeEnd, Joiner, Limits, SharedBudget, Tally, Ways, opposite,
};
use crate::stream::{ByteSink, Ending, Start, Way};

/// What a connection turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Too little was captured to tell.
    Unknown,
    /// HTTP/2.
    Http2,
    /// TLS: what is inside cannot be seen.
    Encrypted,
    /// Neither.
    Other,
}

/// What happened on one connection beside its exchanges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames read.
    pub frames: u64,
    /// Frames of unknown types.
    pub unknown_frames: u64,
    /// Frames that break a rule such that they cannot be read.
    pub malformed_frames: u64,
    /// Header blocks decoded.
    pub header_blocks: u64,
    /// Header blocks that were not captured as a whole, or are over a limit.
    pub damaged_header_blocks: u64,
    /// Gaps in the bytes.
    pub gaps: u64,
    /// Bytes in gaps.
    pub gap_bytes: u64,
    /// Times that the beginning of a frame had to be hunted for and was found.
    pub resyncs: u64,
    /// Captured bytes that were given up because nothing told what they were.
    pub unread_bytes: u64,
    /// PUSH_PROMISE frames.
    pub promises: u64,
}

/// Follows one connection. See the module's documentation.
#[derive(Debug)]
pub struct Connection<S> {
    pub(super) lanes: Ways<Lane>,
    pub(super) joiner: Joiner<S>,
    pub(super) protocol: Protocol,
    pub(super) stream_id_newest: u32,
    /// Was a table uncertain after the last header block?
    pub(super) was_uncertain: bool,
    pub(super) counters: Counters,
}

impl<S: CallSink> Connection<S> {
    /// A connection of which nothing was seen yet.
    pub fn new(name: ConnectionName, limits: Limits, sink: S) -> Self {
        Self {
            lanes: Ways::new(Lane::new(true), Lane::new(true)),
            joiner: Joiner::new(name, limits, sink),
            protocol: Protocol::Unknown,
            stream_id_newest: 0,
            was_uncertain: false,
            counters: Counters::default(),
        }
    }

    /// What its exchanges keep counts towards `budget`, with what those of other connections do. To
    /// be said before it takes bytes.
    pub fn share(&mut self, budget: &SharedBudget) {
        self.joiner.share(budget.clone());
    }

    /// What it turned out to be so far.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What became of its streams so far.
    pub fn tally(&self) -> Tally {
        self.joiner.tally()
    }

    /// What else happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Did the capture begin in its middle, on either way?
    pub fn is_midway(&self) -> bool {
        [Way::Forward, Way::Reverse].into_iter().any(|way| {
            let lane = self.lanes.of(way);
            lane.is_midway && !lane.is_untouched()
        })
    }

    /// Tells which way the client sends, where the capture may not.
    pub fn hint_client(&mut self, way: Way) {
        self.joiner.set_client(way);
    }

    /// The connection is over: hands on what still waits for a way that never began. Needed where
    /// only one way was captured.
    pub fn finish(&mut self) {
        self.joiner
            .finish_all(0, ExchangeEnd::Connection(Ending::CaptureEnd));
    }

    /// Gives the sink back.
    pub fn into_sink(self) -> S {
        self.joiner.into_sink()
    }

    pub(super) fn take(&mut self, at: u64, way: Way, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let lane = self.lanes.of_mut(way);
            bytes = match &mut lane.state {
                State::Header if lane.carry.is_empty() => self.frames(at, way, bytes),
                State::Header => self.header(at, way, bytes),
                State::Data(frame) => {
                    let frame = *frame;
                    self.data(at, way, frame, bytes)
                }
                State::Control { header, left } => {
                    let (header, left) = (*header, *left);
                    self.control(at, way, header, left, bytes)
                }
                State::Skip { left } => {
                    let (taken, rest) = split(bytes, *left);
                    *left -= taken_count(taken);
                    if *left == 0 {
                        lane.state = State::Header;
                    }
                    rest
                }
                State::Opening => {
                    self.opening(at, way, bytes);
                    &[]
                }
                State::Hunting(_) => {
                    self.hunt(at, way, bytes);
                    &[]
                }
                State::Refused => {
                    if self.protocol == Protocol::Http2 {
                        self.counters.unread_bytes += bytes.len() as u64;
                    }
                    &[]
                }
            };
        }
    }

    fn opening(&mut self, at: u64, way: Way, bytes: &[u8]) {
        let lane = self.lanes.of_mut(way);
        lane.carry.extend_from_slice(bytes);
        match recognise(&lane.carry) {
            Opening::NeedMore => {}
            Opening::Http2 {
                skip,
                is_client,
                upgrade,
            } => {
                self.protocol = Protocol::Http2;
                let carry = std::mem::take(&mut lane.carry);
                lane.state = State::Header;
                // Where the capture began midway, SETTINGS need not be the first frame, nor the
                // server's: only the preface and an upgrade are what they seem.
                let is_first = !lane.is_midway || skip > 0;
                if lane.is_midway && is_first {
                    lane.decoder = crate::hpack::Decoder::new(false);
                    lane.is_midway = false;
                    self.joiner.reads(way, Some(0));
                }
                if let Some(is_client) = is_client.filter(|_| is_first) {
                    self.joiner
                        .set_client(if is_client { way } else { opposite(way) });
                }
                if let Some(request) = upgrade {
                    let end = skip.saturating_sub(PREFACE.len());
                    let body = carry.get(end.saturating_sub(request.body_bytes)..end);
                    self.upgrade(at, way, *request, body.unwrap_or_default());
                }
                self.take(at, way, carry.get(skip..).unwrap_or_default());
            }
            Opening::Encrypted => self.refuse(way, Protocol::Encrypted),
            Opening::Unknown if lane.is_midway => {
                let carry = std::mem::take(&mut lane.carry);
                lane.state = State::Hunting(Box::new(Hunt::after_loss(at, 0)));
                self.joiner.reads(way, None);
                self.hunt(at, way, &carry);
            }
            Opening::Unknown => self.refuse(way, Protocol::Other),
        }
    }

    fn upgrade(&mut self, at: u64, way: Way, request: UpgradeRequest, body: &[u8]) {
        self.settings(way, &request.settings);
        self.stream_id_newest = self.stream_id_newest.max(1);
        self.joiner.upgraded(at, way, request.headers, body);
    }

    pub(super) fn refuse(&mut self, way: Way, protocol: Protocol) {
        let lane = self.lanes.of_mut(way);
        self.counters.unread_bytes += lane.carry.len() as u64;
        lane.carry = Vec::new();
        lane.state = State::Refused;
        self.joiner.reads(way, None);
        if self.protocol == Protocol::Unknown {
            self.protocol = protocol;
        }
    }
}

impl<S: CallSink> ByteSink for Connection<S> {
    fn start(&mut self, at_unix_ns: u64, way: Way, start: Start) {
        let is_midway = start == Start::Midway;
        let lane = self.lanes.of_mut(way);
        let before = std::mem::replace(lane, Lane::new(is_midway));
        // SETTINGS of the other way come before this one's first byte.
        lane.decoder.allow_as(&before.decoder);
        let since = if is_midway { at_unix_ns } else { 0 };
        self.joiner.reads(way, Some(since));
    }

    fn bytes(&mut self, at_unix_ns: u64, way: Way, bytes: &[u8]) {
        let lane = self.lanes.of_mut(way);
        if lane.is_found {
            lane.found_bytes += bytes.len() as u64;
        }
        self.take(at_unix_ns, way, bytes);
        self.joiner.advance(at_unix_ns, way);
    }

    fn gap(&mut self, at_unix_ns: u64, way: Way, len: u64) {
        self.counters.gaps += 1;
        self.counters.gap_bytes = self.counters.gap_bytes.saturating_add(len);
        if len > 0 {
            let lane = self.lanes.of_mut(way);
            lane.found_bytes = lane.found_bytes.saturating_add(len);
            self.lose(at_unix_ns, way, len);
        }
    }

    fn time(&mut self, at_unix_ns: u64) {
        self.joiner.time(at_unix_ns);
    }

    fn gap_up_to(&mut self, at_unix_ns: u64, way: Way, len_max: u64) {
        self.counters.gaps += 1;
        self.counters.gap_bytes = self.counters.gap_bytes.saturating_add(len_max);
        // Whatever frame is at hand, its rest is not believed: the next one is hunted for.
        self.end_hunt(way);
        let left = self.lanes.of(way).state.frame_left();
        self.lose(at_unix_ns, way, len_max.max(1).saturating_add(left));
    }

    fn end(&mut self, at_unix_ns: u64, way: Way, ending: Ending) {
        // What a hunt holds may be proved by nothing coming behind it.
        self.lose_at_end(at_unix_ns, way);
        self.joiner.end(at_unix_ns, way, ending);
    }
}
