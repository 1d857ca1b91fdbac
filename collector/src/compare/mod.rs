//! A pair to a verdict with differences: pure, a function of two calls and the settings.
//!
//! [`compare`] looks at, in this order: can the pair be judged at all ([`Incomparable`]), status,
//! messages of both directions, metadata and trailers. What it compares and what it takes for
//! equal:
//!
//! - **Status**: `grpc-status` (or, without one, the HTTP status). Where the codes differ, that is
//!   the one difference reported: another message text, missing messages and other metadata follow
//!   from it. Where they are equal, `grpc-message` and `google.rpc.Status` details count.
//! - **Messages**: decompressed, then field by field with a descriptor ([`Schema`]), else by wire
//!   field; as JSON where both sides say `application/grpc+json`. Streams and lists are aligned, so that one missing element is one difference.
//! - **Metadata**: by name, repeated values in order, `-bin` values decoded; hop headers do not
//!   count (the table in `hop_headers.rs`).
//!
//! No I/O, no clock. Limits are in [`limits`]; what exceeds them is reported as `too_large`, never
//! dropped. What else does not count, [`rules`] say. Where the candidate has descriptors of its own,
//! each side is read with its own, and how they differ is in [`drift`].

mod aborted;
mod align;
mod classify;
pub mod contents;
mod decimal;
mod difference;
mod digits;
pub mod drift;
pub(crate) mod excerpt;
mod hop_headers;
mod json;
mod leaf;
pub mod limits;
mod lined_up;
mod looks_like;
mod member;
mod messages;
mod metadata;
mod proto;
mod relation;
mod render;
pub mod request_fields;
pub mod rules;
mod schema;
mod settings;
mod sink;
mod status;
mod wire;

#[cfg(test)]
mod tests;

pub use aborted::aborted;
pub(crate) use aborted::{is_envoys_answer, told_by_flags};
pub use classify::Encoding;
pub(crate) use classify::is_epoch;
pub use difference::{Difference, Kind, Place};
pub use digits::Digits;
pub use hop_headers::is_hop_header;
pub use lined_up::{LinedUp, Spot};
pub use looks_like::LooksLike;
pub(crate) use metadata::answer_blocks;
pub use relation::{Relation, Values};
pub use rules::{Rules, Severity};
pub use schema::{Schema, SchemaError};
pub use settings::Settings;
pub(crate) use status::code_text;

use std::sync::Arc;

use crate::call::Call;
use drift::Half;
use sink::Sink;

/// What comparing a pair came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub outcome: Outcome,
    /// What differs, in the order in which it was found, as far as [`limits::DIFFERENCES_MAX`] lets
    /// it be kept.
    pub differences: Vec<Difference>,
    /// Differences found beyond that number.
    pub differences_omitted: u64,
    /// Those of them that no rule ignores.
    pub counted_omitted: u64,
    /// Did the search for differences end before all was compared? Then there may be more.
    pub is_cut: bool,
    /// How many differences each rule took for equal or graded, omitted ones included.
    pub ruled: Vec<(Arc<str>, u64)>,
    /// Patterns of the default ignore list that hid a value that differs.
    pub hop_headers: Vec<&'static str>,
    /// Metadata names whose values were redacted without a hash: only their number was compared.
    pub secrets_not_judged: u64,
}

impl Verdict {
    /// The differences that no rule ignores.
    pub fn counted(&self) -> impl Iterator<Item = &Difference> {
        self.differences
            .iter()
            .filter(|difference| difference.severity == Severity::Error)
    }
}

/// The answer for one pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing differs but hop headers.
    #[default]
    Matched,
    /// At least one difference counts.
    Mismatched,
    /// There are differences, and a rule ignores each of them.
    Ignored,
    /// The pair cannot be judged.
    Incomparable(Incomparable),
}

impl Outcome {
    /// Stable name, as in the `pairs` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Mismatched => "mismatched",
            Self::Ignored => "ignored",
            Self::Incomparable(_) => "incomparable",
        }
    }
}

/// Why a pair cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Incomparable {
    /// The primary's call was cancelled, reset or timed out.
    PrimaryAborted,
    /// The mirrored call was, and nothing tells by whom.
    CandidateAborted,
    /// The mirrored call was, on the new service's side: refused, reset or too slow.
    CandidateFailed,
    /// The mirrored call was, by Envoy: the primary answered before the request was over.
    CandidateCancelled,
    /// Both ran into the caller's deadline, and nothing differs in what both had sent by then: how much that was is a
    /// matter of moments.
    DeadlineExceeded,
    /// Bodies are cut and nothing says whether the rest is equal.
    Truncated,
    /// A message cannot be decompressed.
    Undecodable,
    /// The recorder could not see the whole call: what it did not see may be equal or not.
    Incomplete,
}

impl Incomparable {
    /// Stable name, as in the `pairs` dataset.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrimaryAborted => "primary_aborted",
            Self::CandidateAborted => "candidate_aborted",
            Self::CandidateFailed => "candidate_failed",
            Self::CandidateCancelled => "candidate_cancelled",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Truncated => "truncated",
            Self::Undecodable => "undecodable",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Compares the candidate's answer with the primary's.
pub fn compare(primary: &Call, candidate: &Call, settings: &Settings) -> Verdict {
    let sink = Sink::new(&settings.rules, &primary.rpc_method);
    compare_into(sink, primary, candidate, settings).0
}

/// The same, and what was held against what.
pub fn compare_lined_up(
    primary: &Call,
    candidate: &Call,
    settings: &Settings,
) -> (Verdict, LinedUp) {
    let mut sink = Sink::new(&settings.rules, &primary.rpc_method);
    sink.line_up();
    let (verdict, lined_up) = compare_into(sink, primary, candidate, settings);
    (verdict, lined_up.unwrap_or_default())
}

fn compare_into(
    mut sink: Sink<'_>,
    primary: &Call,
    candidate: &Call,
    settings: &Settings,
) -> (Verdict, Option<LinedUp>) {
    if let Some(reason) = aborted(primary, candidate) {
        let verdict = Verdict {
            outcome: Outcome::Incomparable(reason),
            ..Verdict::default()
        };
        return (verdict, sink.take_lined_up());
    }
    let same_status = status::compare(primary, candidate, settings, &mut sink);
    let schema = settings.schema.as_ref();
    let method = &*primary.rpc_method;
    let rereads = |half| schema.is_some_and(|schema| schema.rereads(method, half));
    let mut unjudged = Vec::new();
    if primary.request.end_stream && candidate.request.end_stream {
        sink.place(Place::RequestMessage);
        let types = || schema?.types_of(method, Half::Request);
        let sides = messages::Sides::requests(primary, candidate);
        sink.rereads(rereads(Half::Request));
        unjudged.extend(messages::compare(sides, types, &mut sink));
    }
    sink.place(Place::ResponseMessage);
    let types = || schema?.types_of(method, Half::Response);
    let by_deadline = aborted::ended_by_deadline(primary, candidate);
    let mut sides = messages::Sides::responses(primary, candidate, same_status);
    if by_deadline.is_some() {
        sides = sides.by_index();
    }
    sink.rereads(rereads(Half::Response));
    unjudged.extend(messages::compare(sides, types, &mut sink));
    unjudged.extend(by_deadline);
    let metadata = metadata::compare(primary, candidate, same_status, settings, &mut sink);
    let lined_up = sink.take_lined_up();
    let incomplete = primary.incomplete || candidate.incomplete;
    (conclude(sink, metadata, unjudged, incomplete), lined_up)
}

/// A difference that was found stands, whatever else could not be judged; only without one does
/// the doubt decide. Of a call that was not seen whole, nothing found and nothing missed stands.
fn conclude(
    sink: Sink<'_>,
    metadata: metadata::Unjudged,
    unjudged: Vec<Incomparable>,
    incomplete: bool,
) -> Verdict {
    let (differences, omitted, ruled) = sink.finish();
    let counts = omitted.counted > 0
        || differences
            .iter()
            .any(|difference| difference.severity == Severity::Error);
    let outcome = match (counts, unjudged.first()) {
        _ if incomplete => Outcome::Incomparable(Incomparable::Incomplete),
        (true, _) => Outcome::Mismatched,
        (false, Some(reason)) => Outcome::Incomparable(*reason),
        (false, None) if differences.is_empty() => Outcome::Matched,
        (false, None) => Outcome::Ignored,
    };
    Verdict {
        outcome,
        differences,
        differences_omitted: omitted.all,
        counted_omitted: omitted.counted,
        is_cut: omitted.unknown,
        ruled,
        hop_headers: metadata.hop_headers,
        secrets_not_judged: metadata.secrets,
    }
}
