//! A stream that is being recorded: a state machine over Envoy's callbacks.
//!
//! ```text
//!            response headers             END_STREAM, or trailers
//!  Awaited ───────────────────▶ Started ──────────────────────────▶ Ended
//!     └───────── response headers with END_STREAM (Trailers-Only) ────▲
//! ```
//! The request's direction only ends, at any time. How the call ended follows from both when the
//! stream is destroyed: [`End`]. A block is taken once; a callback that comes twice or too late
//! changes nothing. Not here: what the host is asked, and what becomes of the record.

use crate::flow::Flow;
use crate::hashers::Hashers;
use crate::host::Map;
use crate::pages::Pages;
use crate::tape::{Kind, Tape};

/// How a stream ended; numbers of `record.proto`'s `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// Both directions ended.
    Complete = 1,
    /// The answer ended before the request did.
    ResponseFirst = 2,
    /// Destroyed before the answer ended.
    Aborted = 3,
}

/// What is known of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Awaited,
    Started,
    Ended,
}

/// One header block of the call. All zero: it did not come.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Did it come?
    pub seen: bool,
    /// Did it carry END_STREAM?
    pub end_stream: bool,
    /// Headers not recorded.
    pub omitted: u32,
    /// Encoded bytes on the tape.
    pub len: u32,
}

impl Block {
    const ABSENT: Self = Self {
        seen: false,
        end_stream: false,
        omitted: 0,
        len: 0,
    };
}

/// Nanoseconds since the start; 0 where the event was not seen.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// END_STREAM of the request.
    pub request_end_ns: u64,
    /// Response headers.
    pub response_headers_ns: u64,
    /// END_STREAM of the response.
    pub response_end_ns: u64,
}

/// The state of one stream. All zero is a free place.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Context id; 0 if free.
    pub context: u32,
    /// Index of its root.
    pub root: u8,
    /// The root's number: its place, and its context id, can be taken by another.
    pub root_number: u32,
    /// Nanoseconds since the Unix epoch.
    pub started_ns: u64,
    /// What is kept of it.
    pub tape: Tape,
    /// DATA of the request.
    pub request: Flow,
    /// DATA of the response.
    pub response: Flow,
    /// When what happened.
    pub timing: Timing,
    /// Envoy's attempt count; 0 if unknown.
    pub attempt: u32,
    /// Was it made by Envoy's mirroring?
    pub shadow: bool,
    blocks: [Block; 4],
    progress: Response,
}

impl Stream {
    /// All zero.
    pub const FREE: Self = Self {
        context: 0,
        root: 0,
        root_number: 0,
        started_ns: 0,
        tape: Tape::EMPTY,
        request: Flow::START,
        response: Flow::START,
        timing: Timing {
            request_end_ns: 0,
            response_headers_ns: 0,
            response_end_ns: 0,
        },
        attempt: 0,
        shadow: false,
        blocks: [Block::ABSENT; 4],
        progress: Response::Awaited,
    };

    /// A block of the call.
    pub fn block(&self, map: Map) -> Block {
        self.blocks
            .get(place(map))
            .copied()
            .unwrap_or(Block::ABSENT)
    }

    /// Was the block `map` not taken yet?
    pub fn awaits(&self, map: Map) -> bool {
        !self.block(map).seen
    }

    /// A block came `since_start_ns` after the start.
    pub fn set_block(&mut self, map: Map, block: Block, since_start_ns: u64) {
        if let Some(place) = self.blocks.get_mut(place(map)) {
            *place = block;
        }
        match map {
            Map::RequestHeaders | Map::RequestTrailers => {
                if block.end_stream {
                    self.request_ended(since_start_ns);
                }
            }
            Map::ResponseHeaders => {
                self.timing.response_headers_ns = since_start_ns;
                if self.progress == Response::Awaited {
                    self.progress = Response::Started;
                }
                if block.end_stream {
                    self.response_ended(since_start_ns);
                }
            }
            Map::ResponseTrailers | Map::CallResponse => self.response_ended(since_start_ns),
        }
    }

    /// END_STREAM of the request.
    pub fn request_ended(&mut self, since_start_ns: u64) {
        if !self.request.ended() {
            self.request.end();
            self.timing.request_end_ns = since_start_ns;
        }
    }

    /// END_STREAM of the response.
    pub fn response_ended(&mut self, since_start_ns: u64) {
        if self.progress != Response::Ended {
            self.progress = Response::Ended;
            self.response.end();
            self.timing.response_end_ns = since_start_ns;
        }
    }

    /// How the stream ended, if it is destroyed now.
    pub fn end(&self) -> End {
        match (self.progress, self.request.ended()) {
            (Response::Ended, true) => End::Complete,
            (Response::Ended, false) => End::ResponseFirst,
            (Response::Awaited | Response::Started, _) => End::Aborted,
        }
    }

    /// Gives back all memory.
    pub fn release(&mut self, pages: &mut Pages<'_>, hashers: &mut Hashers<'_>) {
        self.tape.clear(pages);
        self.request.release(hashers);
        self.response.release(hashers);
        *self = Self::FREE;
    }
}

fn place(map: Map) -> usize {
    match map {
        Map::RequestHeaders => 0,
        Map::RequestTrailers => 1,
        Map::ResponseHeaders => 2,
        Map::ResponseTrailers | Map::CallResponse => 3,
    }
}

/// Where a block lies on the tape.
pub fn kind(map: Map) -> Kind {
    match map {
        Map::RequestHeaders => Kind::RequestHeaders,
        Map::RequestTrailers => Kind::RequestTrailers,
        Map::ResponseHeaders => Kind::ResponseHeaders,
        Map::ResponseTrailers | Map::CallResponse => Kind::ResponseTrailers,
    }
}

/// The streams of the VM.
#[derive(Debug)]
pub struct Streams<'m> {
    streams: &'m mut [Stream],
    /// Where to look for a free place first.
    hint: usize,
    open: usize,
}

impl<'m> Streams<'m> {
    /// A pool over zeroed memory; at most 65 535 places are used.
    pub fn new(streams: &'m mut [Stream]) -> Self {
        Self {
            streams,
            hint: 0,
            open: 0,
        }
    }

    /// Streams being recorded.
    pub fn len(&self) -> usize {
        self.open
    }

    /// Is no stream being recorded?
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }

    /// Begins a stream; answers its number, which is never 0.
    pub fn begin(&mut self) -> Option<u16> {
        let count = self.streams.len().min(usize::from(u16::MAX));
        if self.open >= count {
            return None;
        }
        for _ in 0..count {
            let index = if self.hint >= count { 0 } else { self.hint };
            self.hint = index.saturating_add(1);
            if self
                .streams
                .get(index)
                .is_some_and(|stream| stream.context == 0)
            {
                self.open = self.open.saturating_add(1);
                return u16::try_from(self.hint).ok();
            }
        }
        None
    }

    /// The stream with that number.
    pub fn get_mut(&mut self, number: u16) -> Option<&mut Stream> {
        self.streams.get_mut(usize::from(number).checked_sub(1)?)
    }

    /// Ends a stream, all of whose memory was released.
    pub fn end(&mut self, number: u16) {
        if let Some(stream) = self.get_mut(number) {
            *stream = Stream::FREE;
            self.open = self.open.saturating_sub(1);
            self.hint = usize::from(number).saturating_sub(1);
        }
    }
}
