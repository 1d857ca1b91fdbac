//! One direction's DATA: what is kept of it, its exact length, its digest, its messages.
//!
//! The first `body_bytes_max` bytes are written by the host straight onto the stream's tape; the
//! rest passes through scratch memory for digest and message count. Whatever the host refuses, the
//! length stays exact, and the record says what is missing.

use crate::grpc::Framer;
use crate::hashers::{HasherRef, Hashers};
use crate::host::{Buffer, Host};
use crate::pages::Pages;
use crate::tape::{Kind, Need, Tape};
use crate::wire::Encoder;

/// Arrivals of DATA noted per direction; later ones have no time of their own.
const MARKS_MAX: u16 = 1024;

/// Why less is kept than crossed; numbers of `record.proto`'s `Cut`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cut {
    /// All is kept.
    None = 0,
    /// `body_bytes_max` reached.
    Limit = 1,
    /// No page left.
    Memory = 2,
    /// The host did not hand out the bytes.
    HostError = 3,
}

/// One direction. All zero is the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    bytes: u64,
    captured: u32,
    cut: Cut,
    end_stream: bool,
    unreadable: bool,
    framer: Framer,
    hasher: HasherRef,
    marks: u16,
    mark_end: u64,
    mark_ns: u64,
}

/// Which parts of the tape and of the host a direction uses.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Of the host.
    pub buffer: Buffer,
    /// Of the tape.
    pub body: Kind,
    /// Of the tape.
    pub marks: Kind,
}

/// The request's.
pub const REQUEST: Route = Route {
    buffer: Buffer::RequestBody,
    body: Kind::RequestBody,
    marks: Kind::RequestMarks,
};
/// The response's.
pub const RESPONSE: Route = Route {
    buffer: Buffer::ResponseBody,
    body: Kind::ResponseBody,
    marks: Kind::ResponseMarks,
};

/// DATA that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Bytes, as the host says.
    pub size: usize,
    /// Most bytes kept of the whole body.
    pub limit: u32,
    /// Nanoseconds since the call began.
    pub since_start_ns: u64,
}

/// The memory a direction works with.
#[derive(Debug)]
pub struct Workspace<'w, 'm> {
    /// Where tapes take pages.
    pub pages: &'w mut Pages<'m>,
    /// Where running digests are.
    pub hashers: &'w mut Hashers<'m>,
    /// For bytes that are looked at and not kept.
    pub scratch: &'w mut [u8],
}

impl Flow {
    /// Nothing came yet.
    pub const START: Self = Self {
        bytes: 0,
        captured: 0,
        cut: Cut::None,
        end_stream: false,
        unreadable: false,
        framer: Framer::START,
        hasher: HasherRef::NONE,
        marks: 0,
        mark_end: 0,
        mark_ns: 0,
    };

    /// Exact length so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes kept.
    pub fn captured(&self) -> usize {
        self.captured as usize
    }

    /// Why less is kept than crossed.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Messages begun.
    pub fn messages(&self) -> u64 {
        self.framer.messages()
    }

    /// Was END_STREAM seen?
    pub fn ended(&self) -> bool {
        self.end_stream
    }

    /// END_STREAM was seen.
    pub fn end(&mut self) {
        self.end_stream = true;
    }

    /// Takes what arrived. Answers how many host calls failed.
    pub fn take<H: Host>(
        &mut self,
        host: &mut H,
        route: Route,
        arrival: Arrival,
        tape: &mut Tape,
        work: &mut Workspace<'_, '_>,
    ) -> u64 {
        let Arrival {
            size,
            limit,
            since_start_ns,
        } = arrival;
        let captured_before = self.captured;
        let mut at = 0_usize;
        let mut failures = 0;
        while at < size && self.cut == Cut::None {
            let rest = size.saturating_sub(at);
            let want = (limit.saturating_sub(self.captured) as usize).min(rest);
            if want == 0 {
                self.stop(Cut::Limit, tape, route, work);
                break;
            }
            let Some(room) = tape.reserve(work.pages, route.body, want, Need::Bulk) else {
                self.stop(Cut::Memory, tape, route, work);
                break;
            };
            match host.buffer(route.buffer, at, room) {
                Ok(len) if len > 0 && len <= room.len() => {
                    self.framer.feed(room.get(..len).unwrap_or_default());
                    tape.commit(work.pages, route.body, len);
                    self.captured = self
                        .captured
                        .saturating_add(u32::try_from(len).unwrap_or(0));
                    at = at.saturating_add(len);
                }
                _ => {
                    failures = 1;
                    self.lose(work);
                }
            }
        }
        while at < size && !self.unreadable {
            let rest = size.saturating_sub(at).min(work.scratch.len());
            let piece = work.scratch.get_mut(..rest).unwrap_or_default();
            match host.buffer(route.buffer, at, piece) {
                Ok(len) if len > 0 && len <= piece.len() => {
                    let piece = piece.get(..len).unwrap_or_default();
                    self.framer.feed(piece);
                    work.hashers.update(self.hasher, piece);
                    at = at.saturating_add(len);
                }
                _ => {
                    failures = 1;
                    self.lose(work);
                }
            }
        }
        self.bytes = self.bytes.saturating_add(size as u64);
        if self.captured > captured_before {
            self.mark(route, since_start_ns, tape, work);
        }
        failures
    }

    /// XXH3-64 of the whole body, or `None` if not all of it was seen. `captured` is what was kept.
    pub fn digest(&self, captured: &[u8], hashers: &mut Hashers<'_>) -> Option<u64> {
        if self.unreadable {
            None
        } else if self.cut == Cut::None {
            Some(xxhash_rust::xxh3::xxh3_64(captured))
        } else {
            hashers.digest(self.hasher)
        }
    }

    /// Will there be a digest? Known before the captured bytes are in one place.
    pub fn has_digest(&self) -> bool {
        !self.unreadable && (self.cut == Cut::None || self.hasher != HasherRef::NONE)
    }

    /// Gives back what the direction holds beside its tape.
    pub fn release(&mut self, hashers: &mut Hashers<'_>) {
        hashers.end(self.hasher);
        self.hasher = HasherRef::NONE;
    }

    /// From here on nothing is kept; the digest goes on.
    fn stop(&mut self, cut: Cut, tape: &Tape, route: Route, work: &mut Workspace<'_, '_>) {
        self.cut = cut;
        self.hasher = work.hashers.begin();
        tape.each(work.pages, route.body, |run| {
            work.hashers.update(self.hasher, run)
        });
    }

    /// Bytes passed unseen: what was kept stays, a digest of the whole is impossible.
    fn lose(&mut self, work: &mut Workspace<'_, '_>) {
        self.unreadable = true;
        if self.cut == Cut::None {
            self.cut = Cut::HostError;
        }
        self.release(work.hashers);
    }

    /// Notes when the bytes kept up to here arrived.
    fn mark(&mut self, route: Route, now_ns: u64, tape: &mut Tape, work: &mut Workspace<'_, '_>) {
        if self.marks >= MARKS_MAX {
            return;
        }
        let end = u64::from(self.captured);
        let mut buffer = [0; 20];
        let mut encoder = Encoder::new(&mut buffer);
        encoder.varint(end.saturating_sub(self.mark_end));
        encoder.varint(now_ns.saturating_sub(self.mark_ns));
        let used = encoder.used();
        if tape.append(
            work.pages,
            route.marks,
            buffer.get(..used).unwrap_or_default(),
        ) {
            self.marks = self.marks.saturating_add(1);
            self.mark_end = end;
            self.mark_ns = now_ns.max(self.mark_ns);
        }
    }
}
