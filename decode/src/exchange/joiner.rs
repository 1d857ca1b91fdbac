//! Joins what the two ways of a connection say about its streams.

mod finish;
mod refusals;
mod release;
mod room;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::ages::Ages;
use super::budget::{Share, SharedBudget};
use super::finished::Finished;
use super::half::HalfStream;
use super::kind::{is_interim, is_trailers_like};
use super::undecided::Undecided;
use super::ways::{Ways, opposite};
use super::{CallSink, ConnectionName, Exchange, ExchangeEnd, Limits, Tally};
use crate::hpack::{Expected, HeaderBlock, KnownName};
use crate::stream::{Ending, Way};

/// How often silent streams are looked for, in time of the capture.
const SILENCE_CHECK_NS: u64 = 1_000_000_000;

/// GOAWAY frames that refuse more streams than those before. An endpoint sends one or two.
const GO_AWAYS_MAX: u32 = 16;

/// The open streams of one connection.
#[derive(Debug)]
pub(crate) struct Joiner<S> {
    name: ConnectionName,
    limits: Limits,
    client: Option<Way>,
    live: HashMap<u32, Box<Exchange>, BuildHasherDefault<IdHasher>>,
    ages: Ages,
    share: Share,
    finished: Finished,
    /// The highest stream that GOAWAY did not refuse, and how often it was lowered.
    served: (u32, u32),
    /// Streams of which one half is over, and since when, oldest first.
    closing: VecDeque<(u64, u32)>,
    /// Streams of which both halves are over, and since when, oldest first, on a connection where
    /// bytes were lost: they wait until the other way has got as far.
    complete: VecDeque<(u64, u32)>,
    /// The newest time of each way; `None` once it ended.
    clocks: Ways<Option<u64>>,
    /// Since when all frames of each way are read, but for losses that are told; `None` while none is, because its
    /// beginning was not captured or a frame is hunted for.
    read_since: Ways<Option<u64>>,
    silence_check_at: u64,
    /// Were bytes lost that may have been of any stream?
    is_lossy: bool,
    /// How often that was, of each way.
    losses: Ways<u64>,
    tally: Tally,
    undecided: Undecided,
    /// When the first exchange came to `undecided`.
    undecided_since: u64,
    sink: S,
}

/// Stream identifiers are small and at most [`Limits::streams_max`] at once: one multiplication
/// spreads them.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(20);
    }
}

impl<S: CallSink> Joiner<S> {
    pub(crate) fn new(name: ConnectionName, limits: Limits, sink: S) -> Self {
        Self {
            name,
            limits,
            client: None,
            live: HashMap::default(),
            ages: Ages::default(),
            share: Share::default(),
            finished: Finished::default(),
            served: (u32::MAX, 0),
            closing: VecDeque::new(),
            complete: VecDeque::new(),
            clocks: Ways::new(Some(0), Some(0)),
            read_since: Ways::default(),
            silence_check_at: 0,
            is_lossy: false,
            losses: Ways::default(),
            tally: Tally::default(),
            undecided: Undecided::default(),
            undecided_since: 0,
            sink,
        }
    }

    /// What is kept counts towards `budget`. To be said before anything is kept.
    pub(crate) fn share(&mut self, budget: SharedBudget) {
        self.share = Share::of(budget);
    }

    pub(crate) fn client(&self) -> Option<Way> {
        self.client
    }

    pub(crate) fn set_client(&mut self, way: Way) {
        self.client.get_or_insert(way);
    }

    pub(crate) fn tally(&self) -> Tally {
        let live = self.live.values().filter(|stream| stream.is_seen()).count() as u64;
        Tally {
            live,
            streams: self.tally.streams + live,
            steps: self.tally.steps + self.ages.steps(),
            ..self.tally
        }
    }

    pub(crate) fn into_sink(self) -> S {
        self.sink
    }

    /// What the next header block of a stream should be.
    pub(crate) fn expected(&self, way: Way, stream_id: u32, end_stream: bool) -> Expected {
        let half = self.live.get(&stream_id).map(|stream| stream.half(way));
        let has_headers = half.is_some_and(|half| half.headers.is_some());
        match self.client {
            Some(client) if client == way && !has_headers && half.is_none_or(|h| !h.is_seen) => {
                Expected::Request
            }
            Some(client) if client != way && has_headers => Expected::Trailers,
            Some(client) if client != way && end_stream => Expected::LastOfResponse,
            Some(client) if client != way => Expected::Response,
            _ => Expected::Any,
        }
    }

    /// Is the stream open, and `way` of it not ended?
    pub(crate) fn is_open(&self, way: Way, stream_id: u32) -> bool {
        let stream = self.live.get(&stream_id);
        stream.is_some_and(|stream| !stream.has_ended(way))
    }

    /// The HTTP/1.1 request that asked for HTTP/2: stream 1.
    pub(crate) fn upgraded(&mut self, at: u64, way: Way, block: HeaderBlock, body: &[u8]) {
        const STREAM_ID: u32 = 1;
        self.headers(at, way, STREAM_ID, block, false, false);
        if let Some(stream) = self.live.get_mut(&STREAM_ID) {
            stream.life.is_upgraded = true;
        }
        if !body.is_empty() {
            self.data(at, way, STREAM_ID, body, false);
        }
        self.end_stream(at, way, STREAM_ID);
    }

    /// A header block. `is_midway`: the capture of this way began in the middle.
    pub(crate) fn headers(
        &mut self,
        at: u64,
        way: Way,
        stream_id: u32,
        block: HeaderBlock,
        end_stream: bool,
        is_midway: bool,
    ) {
        let is_trailers_like = is_trailers_like(&block);
        let Some(stream) = self.open(at, stream_id, true) else {
            return;
        };
        let is_upgraded = stream.life.is_upgraded;
        if stream.has_ended(way) && !is_upgraded {
            self.tally.late_frames += 1;
            return;
        }
        let is_first = !stream.half(way).is_seen;
        stream.began_before_capture |= is_first && is_midway && is_trailers_like;
        let half = stream.half_mut(way);
        if is_upgraded && half.headers.is_some() && block.find(KnownName::PATH).is_some() {
            // A client that sends the request again, as HTTP/2, means this one.
            *half = HalfStream::default();
        }
        half.is_seen = true;
        let now = block.kept_bytes();
        let before = if half.headers.is_none() && is_interim(&block) {
            half.interim_count += 1;
            now
        } else if half.headers.is_none() && !is_trailers_like {
            half.take_headers(at, block);
            0
        } else {
            let replaced = half.trailers.replace(block);
            replaced.map_or(0, |block| block.kept_bytes())
        };
        stream.keeps(before, now);
        self.settle(at, before, now);
        if end_stream {
            self.end_stream(at, way, stream_id);
        }
    }

    #[inline]
    pub(crate) fn data(
        &mut self,
        at: u64,
        way: Way,
        stream_id: u32,
        bytes: &[u8],
        is_midway: bool,
    ) {
        let limits = self.limits.body;
        let Some(stream) = self.open(at, stream_id, true) else {
            return;
        };
        if stream.has_ended(way) {
            self.tally.late_frames += 1;
            return;
        }
        stream.began_before_capture |= is_midway && !stream.half(way).is_seen;
        let half = stream.half_mut(way);
        if !half.is_seen {
            // Its headers were lost, or came before the capture: then these bytes may be in the
            // middle of a message, and nothing tells where the next one begins.
            half.is_seen = true;
            half.may_lack_bytes = true;
            half.body.suspect();
        }
        let before = half.body.kept_bytes();
        half.data(at, bytes, &limits);
        let now = half.body.kept_bytes();
        stream.keeps(before, now);
        self.settle(at, before, now);
    }

    pub(crate) fn data_gap(&mut self, at: u64, way: Way, stream_id: u32, len: u64) {
        let limits = self.limits.body;
        let Some(stream) = self.open(at, stream_id, true) else {
            return;
        };
        if stream.has_ended(way) {
            self.tally.late_frames += 1;
            return;
        }
        let half = stream.half_mut(way);
        half.is_seen = true;
        half.gap(at, len, &limits);
    }

    #[inline]
    pub(crate) fn end_stream(&mut self, at: u64, way: Way, stream_id: u32) {
        let (client, limits) = (self.client, self.limits.body);
        let Some(stream) = self.live.get_mut(&stream_id) else {
            return;
        };
        stream.learn_of(&self.losses);
        let half = stream.half_mut(way);
        if half.end_at_unix_ns.is_some() {
            return;
        }
        half.end_at_unix_ns = Some(at);
        half.body.finish(at, &limits);
        if stream.half(opposite(way)).end_at_unix_ns.is_some() {
            let is_behind = self
                .clocks
                .of(opposite(way))
                .is_some_and(|clock| clock < at);
            if self.is_lossy && is_behind {
                // The other way may be about to tell of a loss.
                self.complete.push_back((at, stream_id));
                self.forget_gone();
            } else {
                self.finish(at, stream_id, ExchangeEnd::Complete);
            }
        } else if client != Some(way) {
            self.close_later(at, stream_id);
        }
    }

    pub(crate) fn reset(&mut self, at: u64, way: Way, stream_id: u32, code: u32) {
        let Some(stream) = self.open(at, stream_id, false) else {
            return;
        };
        stream.life.reset.get_or_insert((way, code));
        self.close_later(at, stream_id);
    }

    /// Bytes of `way` were lost, perhaps of any open stream. Each learns of it when it is touched
    /// next: nothing of it changes before.
    pub(crate) fn suspect(&mut self, way: Way) {
        self.is_lossy = true;
        *self.losses.of_mut(way) += 1;
    }

    /// All frames of `way` are read from then on; with `None`, none is, until this is said again.
    pub(crate) fn reads(&mut self, way: Way, since: Option<u64>) {
        *self.read_since.of_mut(way) = since;
    }

    /// `way` has reached this time.
    #[inline]
    pub(crate) fn advance(&mut self, at: u64, way: Way) {
        *self.clocks.of_mut(way) = Some(at);
        let newest = at.max(self.clocks.of(opposite(way)).unwrap_or(0));
        let lingers =
            |(since, _): &(u64, u32)| newest <= since.saturating_add(self.limits.linger_ns);
        if !self.complete.is_empty() || !self.closing.front().is_none_or(lingers) {
            self.finish_lingering();
        }
        if at >= self.silence_check_at {
            self.silence_check_at = at.saturating_add(SILENCE_CHECK_NS);
            self.finish_silent(at);
        }
    }

    /// Both ways have reached this time, although nothing came: on a live line. What has waited too long for
    /// more evidence is handed on, too, as it is.
    pub(crate) fn time(&mut self, at: u64) {
        for way in [Way::Forward, Way::Reverse] {
            if let Some(clock) = self.clocks.of_mut(way) {
                *clock = at.max(*clock);
            }
        }
        self.finish_lingering();
        self.finish_silent(at);
        let waited_ns = at.saturating_sub(self.undecided_since);
        if waited_ns > self.limits.silence_ns {
            self.release(|undecided, ready| undecided.drain(ready));
        }
    }

    /// `way` ended.
    pub(crate) fn end(&mut self, at: u64, way: Way, ending: Ending) {
        *self.clocks.of_mut(way) = None;
        if self.clocks.of(opposite(way)).is_none() {
            self.finish_all(at, ExchangeEnd::Connection(ending));
        } else {
            self.finish_lingering();
        }
    }

    /// The stream, opened unless it is over. Only what `counts` makes a stream that is counted.
    #[inline]
    fn open(&mut self, at: u64, stream_id: u32, counts: bool) -> Option<&mut Exchange> {
        use std::collections::hash_map::Entry;
        if self.live.len() >= self.limits.streams_max && !self.live.contains_key(&stream_id) {
            self.evict(at);
        }
        if self.ages.is_long(self.live.len()) {
            self.ages.forget_gone(|id| self.live.contains_key(&id));
        }
        match self.live.entry(stream_id) {
            Entry::Occupied(entry) => {
                let stream = entry.into_mut();
                stream.life.touched_unix_ns = stream.life.touched_unix_ns.max(at);
                stream.started_unix_ns = stream.started_unix_ns.min(at);
                stream.learn_of(&self.losses);
                Some(stream)
            }
            Entry::Vacant(entry) => {
                if self.finished.contains(stream_id) {
                    self.tally.late_frames += u64::from(counts);
                    return None;
                }
                let client = self.client.unwrap_or(Way::Forward);
                self.ages.opened(stream_id);
                let mut stream = Exchange::open(self.name, client, stream_id, at);
                stream.life.losses = self.losses;
                if stream_id > self.served.0 {
                    stream.life.is_refused = true;
                    stream.life.is_closing = true;
                    self.closing.push_back((at, stream_id));
                }
                Some(entry.insert(stream))
            }
        }
    }

    fn close_later(&mut self, at: u64, stream_id: u32) {
        if let Some(stream) = self.live.get_mut(&stream_id)
            && !stream.life.is_closing
        {
            stream.life.is_closing = true;
            self.closing.push_back((at, stream_id));
            self.forget_gone();
        }
    }
}
