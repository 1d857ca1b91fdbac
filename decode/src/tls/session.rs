//! One TLS connection: both hellos, the secrets that they lead to, and both ways.

use std::sync::PoisonError;

use super::connection::Keys;
use super::counters::{Counters, FailReason, Outcome, UndecryptedReason};
use super::hello::{ClientHello, Hello, HelloReader, ServerHello};
use super::key_log::{ClientRandom, Label};
use super::pending::{Event, Pending};
use super::read_state::{ReadState, TrafficSecrets};
use super::reading::{Output, Reading};
use super::record::{Framer, Next, content_type};
use super::schedule::key_block;
use super::suite::{Suite, Version};
use crate::exchange::{Ways, opposite};
use crate::stream::{ByteSink, Way};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Session {
    lanes: Ways<Lane>,
    client: Option<(Way, ClientHello)>,
    server: Option<ServerHello>,
    failure: Option<UndecryptedReason>,
    counters: Counters,
    scratch: Vec<u8>,
    keys: Keys,
}

/// One way.
#[derive(Debug, Default)]
struct Lane {
    phase: Phase,
    /// Was anything captured or lost of it?
    is_begun: bool,
}

/// ```text
/// Hello ──its hello──▶ Waiting ──other hello, secrets──▶ Reading
///   └──────────────────────┴────── neither comes ──────▶ Opaque
/// ```
#[derive(Debug)]
enum Phase {
    /// Before the end of its hello.
    Hello(Framer, HelloReader),
    /// Its hello was seen.
    Waiting(Framer, Pending),
    /// Its keys are known.
    Reading(Box<Reading>),
    /// Nothing of it can be read.
    Opaque,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Hello(Framer::default(), HelloReader::default())
    }
}

impl Session {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            lanes: Ways::default(),
            client: None,
            server: None,
            failure: None,
            counters: Counters::default(),
            scratch: Vec::new(),
            keys,
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.failure {
            Some(reason) => Outcome::Undecrypted(reason),
            None if self.counters.opened > 0 => Outcome::Decrypted,
            None if self.counters.failed.of(FailReason::Tag) > 0 => {
                Outcome::Undecrypted(UndecryptedReason::WrongSecrets)
            }
            None if self.counters.failed.total() > 0 || self.has_lost() => {
                Outcome::Undecrypted(UndecryptedReason::RecordsLost)
            }
            // Nothing was sent that could have been opened.
            None => Outcome::Decrypted,
        }
    }

    /// Was anything lost since records began to be read, and not followed by one that opened?
    fn has_lost(&self) -> bool {
        [Way::Forward, Way::Reverse]
            .into_iter()
            .any(|way| match &self.lanes.of(way).phase {
                Phase::Reading(reading) => reading.has_lost(),
                Phase::Hello(..) | Phase::Waiting(..) | Phase::Opaque => false,
            })
    }

    /// What TCP says next of `way`.
    pub(super) fn take<S: ByteSink>(
        &mut self,
        at_unix_ns: u64,
        way: Way,
        event: Event<'_>,
        sink: &mut S,
    ) {
        let lane = self.lanes.of_mut(way);
        lane.is_begun |= !matches!(event, Event::End(_));
        match &mut lane.phase {
            Phase::Hello(..) => self.hello(at_unix_ns, way, event, sink),
            Phase::Waiting(_, pending) => {
                let has_room = pending.push(at_unix_ns, event);
                self.resolve(sink);
                if !has_room && matches!(self.lanes.of(way).phase, Phase::Waiting(..)) {
                    self.fail(self.missing(UndecryptedReason::Limit), sink);
                }
            }
            Phase::Reading(reading) => {
                let mut out = Output {
                    at_unix_ns,
                    way,
                    sink,
                    counters: &mut self.counters,
                    scratch: &mut self.scratch,
                };
                match event {
                    Event::Bytes(bytes) => reading.bytes(bytes, &mut out),
                    Event::Gap(len) => reading.gap(len, &mut out),
                    Event::End(ending) => {
                        reading.end(&mut out);
                        out.sink.end(at_unix_ns, way, ending);
                    }
                }
            }
            Phase::Opaque => {
                if let Event::End(ending) = event {
                    sink.end(at_unix_ns, way, ending);
                }
            }
        }
    }

    /// No more will come of either way.
    pub(super) fn finish<S: ByteSink>(&mut self, sink: &mut S) {
        let is_reading = |way| matches!(self.lanes.of(way).phase, Phase::Reading(_));
        if !is_reading(Way::Forward) && !is_reading(Way::Reverse) {
            let reason = if self.is_unanswered(Way::Forward) || self.is_unanswered(Way::Reverse) {
                UndecryptedReason::Unfinished
            } else {
                UndecryptedReason::HelloNotCaptured
            };
            self.fail(self.missing(reason), sink);
        }
    }

    /// Nothing of the connection can be read; the first reason counts.
    pub(super) fn fail<S: ByteSink>(&mut self, reason: UndecryptedReason, sink: &mut S) {
        self.failure.get_or_insert(reason);
        for way in [Way::Forward, Way::Reverse] {
            let phase = std::mem::replace(&mut self.lanes.of_mut(way).phase, Phase::Opaque);
            if let Phase::Waiting(_, pending) = phase {
                pending.drain(|at, event| {
                    if let Event::End(ending) = event {
                        sink.end(at, way, ending);
                    }
                });
            }
        }
    }

    /// Is there nothing of `way`, nor of the other what only follows an answer? Otherwise `way` was not
    /// captured.
    fn is_unanswered(&self, way: Way) -> bool {
        let has_content = match &self.lanes.of(opposite(way)).phase {
            Phase::Waiting(_, pending) => pending.has_content(),
            Phase::Hello(..) | Phase::Reading(_) | Phase::Opaque => false,
        };
        !self.lanes.of(way).is_begun && self.server.is_none() && !has_content
    }

    /// What the connection waits for, else `reason`.
    fn missing(&self, reason: UndecryptedReason) -> UndecryptedReason {
        match (&self.client, &self.server) {
            (Some(_), Some(_)) => UndecryptedReason::NoSecrets,
            _ => reason,
        }
    }

    /// Records until the hello of this way.
    fn hello<S: ByteSink>(&mut self, at: u64, way: Way, event: Event<'_>, sink: &mut S) {
        let mut input = match event {
            Event::Bytes(bytes) => bytes,
            Event::Gap(_) => return self.fail(UndecryptedReason::HelloNotCaptured, sink),
            Event::End(ending) => {
                self.lanes.of_mut(way).phase = Phase::Opaque;
                return sink.end(at, way, ending);
            }
        };
        let Phase::Hello(framer, reader) = &mut self.lanes.of_mut(way).phase else {
            return;
        };
        let hello = loop {
            match framer.next(&mut input) {
                Next::NeedMore => return,
                Next::Record(header, body) => {
                    self.counters.plain();
                    match header.content_type {
                        content_type::HANDSHAKE => match reader.push(body) {
                            Ok(None) => {}
                            Ok(Some(hello)) => break Some(hello),
                            Err(_) => break None,
                        },
                        content_type::CHANGE_CIPHER_SPEC | content_type::ALERT => {}
                        _ => break None,
                    }
                }
                Next::Malformed => break None,
            }
        };
        let framer = std::mem::take(framer);
        match hello {
            Some(Hello::Client(hello)) if self.client.is_none() => {
                self.client = Some((way, hello));
            }
            Some(Hello::Server(hello)) if self.server.is_none() => {
                if hello.suite.is_none() {
                    return self.fail(UndecryptedReason::Unsupported, sink);
                }
                self.server = Some(hello);
            }
            _ => return self.fail(UndecryptedReason::HelloNotCaptured, sink),
        }
        self.lanes.of_mut(way).phase = Phase::Waiting(framer, Pending::default());
        self.resolve(sink);
        if !input.is_empty() {
            self.take(at, way, Event::Bytes(input), sink);
        }
    }

    /// Begins to read both ways, if both hellos and the secrets are there.
    fn resolve<S: ByteSink>(&mut self, sink: &mut S) {
        let (Some((client, hello)), Some(server)) = (self.client, self.server) else {
            return;
        };
        let Some(states) = server
            .suite
            .and_then(|suite| self.states(suite, &hello.random))
        else {
            return;
        };
        for (way, state) in [(client, states.0), (opposite(client), states.1)] {
            let lane = self.lanes.of_mut(way);
            // The server's own way is still within its hello if that is what completed both.
            let phase = std::mem::replace(&mut lane.phase, Phase::Opaque);
            let (framer, pending) = match phase {
                Phase::Waiting(framer, pending) => (framer, pending),
                other => {
                    lane.phase = other;
                    continue;
                }
            };
            let may_hide = way == client && hello.offers_early_data;
            lane.phase = Phase::Reading(Box::new(Reading::new(state, framer, may_hide)));
            pending.drain(|at, event| self.take(at, way, event, sink));
        }
    }

    /// The read states of client and server; `None` while the key log lacks a secret.
    fn states(&self, suite: Suite, random: &ClientRandom) -> Option<(ReadState, ReadState)> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |label| keys.find(random, label);
        match suite.version {
            Version::Tls12 => {
                let server_random = &self.server?.random;
                let block = key_block(suite, find(Label::Master)?, random, server_random);
                let (client, server) = block?;
                Some((
                    ReadState::tls12(suite, client),
                    ReadState::tls12(suite, server),
                ))
            }
            Version::Tls13 => {
                let client = TrafficSecrets {
                    early: find(Label::ClientEarly).cloned(),
                    handshake: find(Label::ClientHandshake).cloned(),
                    application: find(Label::ClientApplication)?.clone(),
                };
                let server = TrafficSecrets {
                    early: None,
                    handshake: find(Label::ServerHandshake).cloned(),
                    application: find(Label::ServerApplication)?.clone(),
                };
                Some((
                    ReadState::tls13(suite, client),
                    ReadState::tls13(suite, server),
                ))
            }
        }
    }
}
