//! Both ways of one connection: is it TLS?

use std::sync::{Arc, Mutex};

use super::counters::{Counters, Outcome, UndecryptedReason};
use super::key_log::KeyLog;
use super::pending::{Event, Pending};
use super::record::{HEADER_BYTES, RecordHeader, content_type};
use super::session::Session;
use crate::exchange::{Ways, opposite};
use crate::stream::{ByteSink, Ending, Start, Way};

/// The key log of all connections that are followed together.
pub type Keys = Arc<Mutex<KeyLog>>;

/// Hands what is inside a TLS connection to a sink, and what is no TLS as it is.
#[derive(Debug)]
pub struct Connection<S> {
    inner: S,
    keys: Keys,
    openings: Ways<Opening>,
    session: Option<Box<Session>>,
}

/// What one way is.
///
/// ```text
/// Unknown ──first bytes──▶ Clear, Tls
///    └──lost first──▶ Headless ──what the other way is──▶ Clear, Tls
/// ```
#[derive(Debug)]
enum Opening {
    /// Not known yet; has its first bytes, fewer than a record's header, and when the last came.
    Unknown(u64, Vec<u8>),
    /// Its first bytes were lost: the other way tells.
    Headless(Pending),
    /// No TLS.
    Clear,
    /// TLS.
    Tls,
}

impl Default for Opening {
    fn default() -> Self {
        Self::Unknown(0, Vec::new())
    }
}

impl<S: ByteSink> Connection<S> {
    /// A connection of which nothing was seen yet.
    pub fn new(keys: Keys, inner: S) -> Self {
        Self {
            inner,
            keys,
            openings: Ways::default(),
            session: None,
        }
    }

    /// The connection is over: what still waits is given up. Before that, [`Self::outcome`] says what
    /// is known so far.
    pub fn finish(&mut self) {
        if let Some(session) = &mut self.session {
            session.finish(&mut self.inner);
        }
        self.settle(Way::Forward);
        self.settle(Way::Reverse);
    }

    /// What it turned out to be.
    pub fn outcome(&self) -> Outcome {
        let session = self.session.as_ref();
        session.map_or(Outcome::Clear, |session| session.outcome())
    }

    /// What became of its records.
    pub fn counters(&self) -> Counters {
        let session = self.session.as_ref();
        session.map_or_else(Counters::default, |session| session.counters())
    }

    /// Where the plaintext goes.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The same.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Gives the sink back.
    pub fn into_inner(self) -> S {
        self.inner
    }

    fn take(&mut self, at: u64, way: Way, event: Event<'_>) {
        if let Some(session) = &mut self.session {
            session.take(at, way, event, &mut self.inner);
        }
    }

    /// The first bytes of a way.
    #[cold]
    fn open(&mut self, at: u64, way: Way, bytes: &[u8]) {
        let Opening::Unknown(_, held) = self.openings.of_mut(way) else {
            return;
        };
        held.extend_from_slice(bytes);
        let held = std::mem::take(held);
        match looks_like_record(&held) {
            None => *self.openings.of_mut(way) = Opening::Unknown(at, held),
            Some(false) => {
                *self.openings.of_mut(way) = Opening::Clear;
                self.inner.bytes(at, way, &held);
                if matches!(self.openings.of(opposite(way)), Opening::Headless(_)) {
                    self.settle(opposite(way));
                }
            }
            Some(true) => {
                self.begin(way);
                self.take(at, way, Event::Bytes(&held));
            }
        }
    }

    /// One way is TLS, so both are.
    fn begin(&mut self, way: Way) {
        let keys = Arc::clone(&self.keys);
        let session = self.session.insert(Box::new(Session::new(keys)));
        *self.openings.of_mut(way) = Opening::Tls;
        let other = opposite(way);
        match std::mem::replace(self.openings.of_mut(other), Opening::Tls) {
            Opening::Clear => {
                // What was taken for something else was the middle of a record.
                session.fail(UndecryptedReason::HelloNotCaptured, &mut self.inner);
            }
            Opening::Unknown(at, held) if !held.is_empty() => {
                session.take(at, other, Event::Bytes(&held), &mut self.inner);
            }
            Opening::Headless(pending) => {
                pending.drain(|at, event| session.take(at, other, event, &mut self.inner));
            }
            Opening::Unknown(..) | Opening::Tls => {}
        }
    }

    /// Bytes before which some were lost; how many, or their end.
    #[cold]
    fn headless(&mut self, at: u64, way: Way, event: Event<'_>) {
        let is_other_clear = matches!(self.openings.of(opposite(way)), Opening::Clear);
        let opening = self.openings.of_mut(way);
        if let Opening::Unknown(held_at, held) = opening {
            let mut pending = Pending::default();
            if !held.is_empty() {
                pending.push(*held_at, Event::Bytes(held));
            }
            *opening = Opening::Headless(pending);
        }
        let Opening::Headless(pending) = opening else {
            return;
        };
        let has_room = pending.push(at, event);
        if is_other_clear || !has_room {
            self.settle(way);
        }
    }

    /// Nothing more will tell what `way` is: it is taken for clear.
    fn settle(&mut self, way: Way) {
        let opening = self.openings.of_mut(way);
        match std::mem::replace(opening, Opening::Clear) {
            Opening::Tls => *opening = Opening::Tls,
            Opening::Clear => {}
            Opening::Unknown(at, held) => {
                if !held.is_empty() {
                    self.inner.bytes(at, way, &held);
                }
            }
            Opening::Headless(pending) => pending.drain(|at, event| match event {
                Event::Bytes(bytes) => self.inner.bytes(at, way, bytes),
                Event::Gap(len) => self.inner.gap(at, way, len),
                Event::End(ending) => self.inner.end(at, way, ending),
            }),
        }
    }
}

impl<S: ByteSink> ByteSink for Connection<S> {
    fn start(&mut self, at_unix_ns: u64, way: Way, start: Start) {
        self.inner.start(at_unix_ns, way, start);
    }

    #[inline]
    fn bytes(&mut self, at_unix_ns: u64, way: Way, bytes: &[u8]) {
        match self.openings.of(way) {
            Opening::Clear => self.inner.bytes(at_unix_ns, way, bytes),
            Opening::Tls => self.take(at_unix_ns, way, Event::Bytes(bytes)),
            Opening::Unknown(..) => self.open(at_unix_ns, way, bytes),
            Opening::Headless(_) => self.headless(at_unix_ns, way, Event::Bytes(bytes)),
        }
    }

    fn gap(&mut self, at_unix_ns: u64, way: Way, len: u64) {
        match self.openings.of(way) {
            Opening::Clear => self.inner.gap(at_unix_ns, way, len),
            Opening::Tls => self.take(at_unix_ns, way, Event::Gap(len)),
            _ => self.headless(at_unix_ns, way, Event::Gap(len)),
        }
    }

    fn time(&mut self, at_unix_ns: u64) {
        self.inner.time(at_unix_ns);
    }

    fn gap_up_to(&mut self, at_unix_ns: u64, way: Way, len_max: u64) {
        match self.openings.of(way) {
            Opening::Clear => self.inner.gap_up_to(at_unix_ns, way, len_max),
            // Records need to know how long a gap is; nothing below TLS does not.
            _ => self.gap(at_unix_ns, way, len_max),
        }
    }

    fn end(&mut self, at_unix_ns: u64, way: Way, ending: Ending) {
        match self.openings.of(way) {
            Opening::Tls => self.take(at_unix_ns, way, Event::End(ending)),
            Opening::Headless(_) => self.headless(at_unix_ns, way, Event::End(ending)),
            Opening::Clear | Opening::Unknown(..) => {
                if matches!(self.openings.of(way), Opening::Unknown(_, held) if !held.is_empty()) {
                    self.settle(way);
                }
                self.inner.end(at_unix_ns, way, ending);
            }
        }
    }
}

/// Do these bytes begin with a record? `None` if more will tell.
fn looks_like_record(bytes: &[u8]) -> Option<bool> {
    if let Some(header) = RecordHeader::peek(bytes) {
        return Some(header.is_plausible());
    }
    let types = content_type::CHANGE_CIPHER_SPEC..=content_type::APPLICATION_DATA;
    let is_record = match bytes {
        [] => true,
        [kind] => types.contains(kind),
        [kind, 3] => types.contains(kind),
        [kind, 3, minor, ..] => types.contains(kind) && *minor <= 4 && bytes.len() < HEADER_BYTES,
        _ => false,
    };
    if is_record { None } else { Some(false) }
}
