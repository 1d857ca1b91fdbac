//! The messages of one direction: decompressed, lined up, compared one by one.
//!
//! Bodies of equal length and digest are equal without a look, unless the two sides' descriptors read
//! equal bytes differently. A body that was cut is compared as
//! far as it was captured; beyond that only the number of messages speaks, and the length where the
//! captured bytes are equal. A digest that differs proves nothing: a map in another order is equal.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use xxhash_rust::xxh3::xxh3_64;

use super::align::{self, Step};
use super::difference::Kind;
use super::limits::MESSAGE_BYTES_MAX;
use super::looks_like::LooksLike;
use super::schema::Types;
use super::sink::Sink;
use super::{Incomparable, json, proto, render, wire};
use crate::call::{Call, Direction, Header, Message};
use twintap_decode::grpc::{DecompressError, decompress};

/// One direction of both calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sides<'a> {
    primary: &'a Direction,
    candidate: &'a Direction,
    /// Headers of the same direction, primary's first: they say what the messages are.
    metadata: [&'a [Header]; 2],
    /// Does a message that one side lacks count? Not where a side ended with another status, or where time ended
    /// both.
    whole: bool,
    /// Does a message belong to that of the same index, though there may be more of one side?
    by_index: bool,
}

impl<'a> Sides<'a> {
    pub(super) fn requests(primary: &'a Call, candidate: &'a Call) -> Self {
        Self {
            primary: &primary.request,
            candidate: &candidate.request,
            metadata: [&primary.request_metadata, &candidate.request_metadata],
            whole: true,
            by_index: false,
        }
    }

    /// `same_status`: did both calls end alike?
    pub(super) fn responses(primary: &'a Call, candidate: &'a Call, same_status: bool) -> Self {
        Self {
            primary: &primary.response,
            candidate: &candidate.response,
            metadata: [&primary.response_metadata, &candidate.response_metadata],
            whole: same_status,
            by_index: false,
        }
    }

    /// The beginnings of two streams: each message has its index, and what one has more does not count.
    pub(super) fn by_index(self) -> Self {
        Self {
            whole: false,
            by_index: true,
            ..self
        }
    }

    fn are_equal(&self) -> bool {
        self.primary.body_digest.is_some()
            && self.primary.body_digest == self.candidate.body_digest
            && self.primary.body_bytes == self.candidate.body_bytes
            && self.primary.encoding == self.candidate.encoding
    }

    /// Do both say that their messages are JSON?
    fn are_json(&self) -> bool {
        self.metadata.iter().all(|headers| {
            let content_type = headers.iter().find(|header| header.name == "content-type");
            content_type.is_some_and(|header| json::is_grpc_json(&header.value))
        })
    }

    fn are_cut(&self) -> bool {
        self.primary.truncated || self.candidate.truncated
    }
}

/// One message ready to compare.
pub(super) struct Plain {
    pub(super) bytes: Bytes,
    /// Could it not be decompressed?
    pub(super) is_opaque: bool,
    /// Is that because it does not say how it is compressed? Every client refuses it.
    is_refused: bool,
}

/// Compares the messages of one direction; says why, if it cannot. `types` is asked for their type
/// only where they are not equal.
pub(super) fn compare(
    sides: Sides<'_>,
    types: impl FnOnce() -> Option<Types>,
    sink: &mut Sink,
) -> Option<Incomparable> {
    if sides.are_equal() && !sink.reads_twice() {
        sink.note(|seen, (spot, _)| seen.add_judged(spot));
        return None;
    }
    let primary = plain_messages(sides.primary);
    let candidate = plain_messages(sides.candidate);
    let is_json = sides.are_json();
    let mut walk = Walk {
        types: if is_json { None } else { types() },
        is_json,
        same_encoding: sides.primary.encoding == sides.candidate.encoding,
        is_undecodable: false,
    };
    if sides.are_cut() || sides.by_index {
        let before = sink.counted();
        for (index, (a, b)) in primary.iter().zip(&candidate).enumerate() {
            walk.pair(index, a, b, sink);
        }
        if sink.counted() == before && !walk.is_undecodable && sides.whole {
            return beyond_capture(&sides, sink);
        }
    } else {
        walk.streams(&primary, &candidate, sides.whole, sink);
    }
    walk.is_undecodable.then_some(Incomparable::Undecodable)
}

struct Walk {
    types: Option<Types>,
    is_json: bool,
    same_encoding: bool,
    is_undecodable: bool,
}

impl Walk {
    fn streams(&mut self, a: &[Plain], b: &[Plain], whole: bool, sink: &mut Sink) {
        let digests = |list: &[Plain]| -> Vec<u64> {
            list.iter().map(|message| xxh3_64(&message.bytes)).collect()
        };
        let steps = if a.len() == b.len() {
            (0..a.len()).map(|index| Step::Both(index, index)).collect()
        } else {
            let mut distance = |i: usize, j: usize| {
                let (x, y) = (a.get(i)?, b.get(j)?);
                sink.probe(|trial| self.bytes(&x.bytes, &y.bytes, trial))
            };
            align::align(&digests(a), &digests(b), &mut distance)
        };
        sink.note(|seen, at| seen.add_list(at, (&steps, &[]), b.len()));
        let is_both = |step: &Step| matches!(step, Step::Both(..));
        let tail = steps.iter().rposition(is_both).map_or(0, |last| last + 1);
        // Of one message nothing tells whether it ends a stream.
        let are_several = steps.len() > 1;
        for (index, step) in steps.into_iter().enumerate() {
            let looks_like = (are_several && index >= tail).then_some(LooksLike::StreamTail);
            match step {
                Step::Both(i, j) => {
                    if let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
                        self.pair(i, x, y, sink);
                    }
                }
                Step::Primary(i) if whole => {
                    sink.message(Some(i));
                    let text = a
                        .get(i)
                        .map(|message| self.text(message, |types| &types.primary));
                    sink.report(Kind::MessageMissing, text, None, looks_like);
                }
                Step::Candidate(j) if whole => {
                    sink.message(Some(j));
                    let text = b
                        .get(j)
                        .map(|message| self.text(message, |types| &types.candidate));
                    sink.report(Kind::MessageExtra, None, text, looks_like);
                }
                Step::Primary(_) | Step::Candidate(_) => {}
            }
        }
        sink.message(None);
    }

    fn pair(&mut self, index: usize, a: &Plain, b: &Plain, sink: &mut Sink) {
        // Of what cannot be opened, equal bytes are equal only if they are to be opened alike.
        let is_alike = a.is_opaque == b.is_opaque && (!a.is_opaque || self.same_encoding);
        if a.bytes == b.bytes && is_alike && !sink.reads_twice() {
            sink.message(Some(index));
            sink.note(|seen, (spot, _)| seen.add_judged(spot));
            sink.message(None);
            return;
        }
        if a.is_opaque || b.is_opaque {
            if (a.is_refused && !b.is_opaque) || (b.is_refused && !a.is_opaque) {
                sink.message(Some(index));
                let text = |message: &Plain| match message.is_refused {
                    true => "marked as compressed, without grpc-encoding".to_owned(),
                    false => render::bytes(&message.bytes),
                };
                sink.report(Kind::Undecodable, Some(text(a)), Some(text(b)), None);
                sink.message(None);
            } else {
                self.is_undecodable = true;
            }
            return;
        }
        sink.message(Some(index));
        let before = sink.counted();
        sink.note(|seen, (spot, _)| seen.add_judged(spot));
        self.bytes(&a.bytes, &b.bytes, sink);
        let size = |message: &Plain| Some(format!("{} bytes", message.bytes.len()));
        sink.report_unfinished(before, || (size(a), size(b)));
        sink.message(None);
    }

    fn bytes(&self, a: &Bytes, b: &Bytes, sink: &mut Sink) {
        match &self.types {
            _ if a == b && !sink.reads_twice() => {}
            _ if self.is_json && json::compare(a, b, sink) => {}
            Some(types) => proto::compare(types, a, b, sink),
            None => wire::compare(a, b, sink),
        }
    }

    fn text(&self, message: &Plain, side: impl Fn(&Types) -> &MessageDescriptor) -> String {
        let bytes = &message.bytes;
        let descriptor = self.types.as_ref().map(|types| side(types).clone());
        let decoded = descriptor.and_then(|it| DynamicMessage::decode(it, bytes.clone()).ok());
        decoded.map_or_else(|| render::bytes(bytes), |message| render::message(&message))
    }
}

/// The messages captured whole, decompressed.
pub(super) fn plain_messages(direction: &Direction) -> Vec<Plain> {
    let whole = |message: &&Message| {
        usize::try_from(message.declared_bytes).is_ok_and(|size| size == message.bytes.len())
    };
    let plain = |message: &Message| {
        let opened = match message.compressed {
            false => Ok(message.bytes.clone()),
            true => decompress(&direction.encoding, &message.bytes, MESSAGE_BYTES_MAX),
        };
        Plain {
            is_opaque: opened.is_err(),
            is_refused: opened == Err(DecompressError::NoEncoding),
            bytes: opened.unwrap_or_else(|_| message.bytes.clone()),
        }
    };
    direction
        .messages
        .iter()
        .take_while(whole)
        .map(plain)
        .collect()
}

/// Nothing differs in what was captured whole: what do counts, lengths and digests say of the rest?
fn beyond_capture(sides: &Sides<'_>, sink: &mut Sink) -> Option<Incomparable> {
    let (a, b) = (sides.primary, sides.candidate);
    if let (Some(x), Some(y)) = (a.messages_count, b.messages_count)
        && x != y
    {
        let kind = if x > y {
            Kind::MessageMissing
        } else {
            Kind::MessageExtra
        };
        let count = |count: u64| Some(format!("{count} messages in all"));
        sink.report(kind, count(x), count(y), None);
        return None;
    }
    let is_compressed = |direction: &Direction| {
        direction.messages.iter().any(|message| message.compressed)
            || !direction.encoding.is_empty()
    };
    // Two compressors may write the same message differently, and so may two protobuf libraries:
    // only where both wrote the same bytes so far does another length mean another content.
    if a.body_bytes == b.body_bytes
        || is_compressed(a)
        || is_compressed(b)
        || !starts_alike(&a.messages, &b.messages)
    {
        return Some(Incomparable::Truncated);
    }
    let text = |direction: &Direction| {
        let digest = direction
            .body_digest
            .map_or_else(String::new, |digest| format!(", XXH3 {digest:016x}"));
        let kept: usize = direction
            .messages
            .iter()
            .map(|message| message.bytes.len())
            .sum();
        Some(format!(
            "{} bytes{digest}, {kept} captured",
            direction.body_bytes
        ))
    };
    sink.report(Kind::BeyondCapture, text(a), text(b), None);
    None
}

/// Is there something that both sides captured, and is it equal byte by byte?
fn starts_alike(a: &[Message], b: &[Message]) -> bool {
    let mut pairs = a.iter().zip(b).map(|(x, y)| (&x.bytes, &y.bytes));
    let are_captured = pairs.clone().any(|(x, y)| !x.is_empty() && !y.is_empty());
    are_captured && pairs.all(|(x, y)| x.iter().zip(y).all(|(x, y)| x == y))
}
