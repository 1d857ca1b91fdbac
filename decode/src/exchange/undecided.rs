//! Finished exchanges that later evidence may say more about.
//!
//! Two kinds wait: those with a header block that will be read again once a loss is understood,
//! and those of captures that began midway whose status may be inferred once enough of the
//! connection was seen. Waiting is bounded; what has waited too long is handed on as it is.

use std::collections::{HashMap, VecDeque};

use super::certainty::{Certainty, Rule};
use super::exchange::{Exchange, method_of, status_of};
use super::half::HalfStream;
use crate::hpack::{EntryId, HeaderBlock, KnownName, Name, Ticket};
use crate::stream::Way;

/// Exchanges that wait.
const HELD_MAX: usize = 1024;

/// Bytes of their bodies and header blocks.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Trailers that must have been seen before the usual ones are believed to say OK.
const USUAL_MIN: u64 = 16;

/// How many times more often the usual trailers must be than the next.
const USUAL_FACTOR: u64 = 4;

/// Different unknown trailers that are counted.
const KINDS_MAX: usize = 256;

/// Exchanges that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    held: VecDeque<Box<Exchange>>,
    held_bytes: usize,
    trailers: UsualTrailers,
}

/// Counts trailers of which the status was inserted before the capture began.
#[derive(Debug, Default)]
struct UsualTrailers {
    kinds: HashMap<Vec<EntryId>, Kind>,
}

#[derive(Debug, Default)]
struct Kind {
    count: u64,
    /// Of them, after at least one response message.
    with_messages_count: u64,
    /// Was there a `grpc-message`, which OK does not have?
    has_failed: bool,
}

impl Undecided {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What those that wait keep.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Takes a finished exchange; gives those back that wait no longer.
    pub(super) fn push(
        &mut self,
        mut exchange: Box<Exchange>,
        ready: &mut VecDeque<Box<Exchange>>,
    ) {
        let entries = unknown_trailers(&exchange);
        if let Some(entries) = &entries {
            self.trailers.count(entries, &exchange);
            self.trailers.infer(entries, &mut exchange);
        }
        let waits_for_status = entries.is_some() && exchange.status == Certainty::Unknown;
        if !waits_for_status && !waits_for_proof(&exchange) {
            ready.push_back(exchange);
        } else {
            self.held_bytes += exchange.life.kept_bytes;
            self.held.push_back(exchange);
        }
        if entries.is_some() && self.trailers.usual().is_some() {
            self.release(ready, true);
        }
        while self.held.len() > HELD_MAX || self.held_bytes > HELD_BYTES_MAX {
            let Some(oldest) = self.pop() else { break };
            ready.push_back(oldest);
        }
    }

    /// A block of `way` was read again: puts it into the exchange it is of.
    pub(super) fn revise(&mut self, way: Way, ticket: Ticket, revised: &HeaderBlock) {
        for exchange in &mut self.held {
            let is_request = exchange.client.unwrap_or(Way::Forward) == way;
            let half = if is_request {
                &mut exchange.request
            } else {
                &mut exchange.response
            };
            if half.revise(ticket, revised) {
                exchange.method = method_of(&exchange.request);
                exchange.status = status_of(&exchange.response);
                return;
            }
        }
    }

    /// Gives all back that wait no longer; `has_proofs_to_come` keeps those that wait for one.
    pub(super) fn release(
        &mut self,
        ready: &mut VecDeque<Box<Exchange>>,
        has_proofs_to_come: bool,
    ) {
        for _ in 0..self.held.len() {
            let Some(mut exchange) = self.pop() else {
                break;
            };
            let entries = unknown_trailers(&exchange);
            if let Some(entries) = &entries {
                self.trailers.infer(entries, &mut exchange);
            }
            let waits_for_status = entries.is_some()
                && exchange.status == Certainty::Unknown
                && self.trailers.usual().is_none();
            let waits_for_proof = has_proofs_to_come && waits_for_proof(&exchange);
            if waits_for_status || waits_for_proof {
                self.held_bytes += exchange.life.kept_bytes;
                self.held.push_back(exchange);
            } else {
                ready.push_back(exchange);
            }
        }
    }

    /// Gives all back, for nothing more will come.
    pub(super) fn drain(&mut self, ready: &mut VecDeque<Box<Exchange>>) {
        while let Some(mut exchange) = self.pop() {
            if let Some(entries) = unknown_trailers(&exchange) {
                self.trailers.infer(&entries, &mut exchange);
            }
            ready.push_back(exchange);
        }
    }

    fn pop(&mut self) -> Option<Box<Exchange>> {
        let exchange = self.held.pop_front()?;
        self.held_bytes -= exchange.life.kept_bytes;
        Some(exchange)
    }
}

impl UsualTrailers {
    fn count(&mut self, entries: &[EntryId], exchange: &Exchange) {
        if self.kinds.len() >= KINDS_MAX && !self.kinds.contains_key(entries) {
            return;
        }
        let kind = self.kinds.entry(entries.to_vec()).or_default();
        kind.count += 1;
        kind.with_messages_count += u64::from(!exchange.response.body.messages().is_empty());
        kind.has_failed |= has_message(exchange);
    }

    fn infer(&self, entries: &[EntryId], exchange: &mut Exchange) {
        if exchange.status == Certainty::Unknown
            && self.usual() == Some(entries)
            && !has_message(exchange)
        {
            exchange.status = Certainty::Inferred(0, Rule::UsualTrailers);
        }
    }

    /// The trailers that say OK, once they stand out.
    fn usual(&self) -> Option<&[EntryId]> {
        let (entries, usual) = self.kinds.iter().max_by_key(|(_, kind)| kind.count)?;
        let others = self.kinds.iter().filter(|(other, _)| *other != entries);
        let second = others.map(|(_, kind)| kind.count).max().unwrap_or(0);
        let stands_out = usual.count >= USUAL_MIN && usual.count >= USUAL_FACTOR * second;
        let has_answers = usual.with_messages_count * 2 > usual.count;
        (stands_out && has_answers && !usual.has_failed).then_some(entries)
    }
}

impl HalfStream {
    /// Puts the other reading of a block into its place; false if it is not of this half.
    pub(super) fn revise(&mut self, ticket: Ticket, revised: &HeaderBlock) -> bool {
        let mut blocks = [&mut self.headers, &mut self.trailers]
            .into_iter()
            .flatten();
        let found = blocks.find(|block| block.ticket() == Some(ticket));
        if let Some(block) = found {
            *block = revised.clone();
            return true;
        }
        false
    }
}

fn waits_for_proof(exchange: &Exchange) -> bool {
    let halves = [&exchange.request, &exchange.response];
    let blocks = halves
        .into_iter()
        .flat_map(|half| [&half.headers, &half.trailers]);
    blocks.flatten().any(|block| block.ticket().is_some())
}

/// The entries that the trailers of a response refer to, if the status may be among them.
fn unknown_trailers(exchange: &Exchange) -> Option<Vec<EntryId>> {
    let trailers = exchange.response.trailers.as_ref()?;
    if exchange.status != Certainty::Unknown || trailers.find(KnownName::GRPC_STATUS).is_some() {
        return None;
    }
    let entries = trailers
        .fields()
        .iter()
        .filter_map(|field| match field.name {
            Name::Unknown(entry) => Some(entry),
            _ => None,
        });
    let entries: Vec<_> = entries.collect();
    (!entries.is_empty()).then_some(entries)
}

/// Is there a `grpc-message`, or one that may be? OK has none, or an empty one.
fn has_message(exchange: &Exchange) -> bool {
    let message = exchange.closing_block().and_then(|block| {
        let field = block.find(KnownName::GRPC_MESSAGE)?;
        Some(block.value(field).is_none_or(|message| !message.is_empty()))
    });
    message == Some(true)
}
