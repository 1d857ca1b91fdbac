//! Status codes, messages and `google.rpc.Status` details.

use bytes::Bytes;
use prost::Message as _;

use super::aborted::is_envoys_answer;
use super::difference::{Kind, Place};
use super::leaf::Leaf;
use super::looks_like::LooksLike;
use super::render::{self, Raw};
use super::settings::Settings;
use super::sink::Sink;
use super::{align, classify, proto, wire};
use crate::call::{Call, Status};

/// `google.rpc.Status`, as `grpc-status-details-bin` carries it.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<AnyValue>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct AnyValue {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// Compares how the calls ended; `false` if they ended with different codes, so that whatever else
/// differs follows from it.
pub(super) fn compare(
    primary: &Call,
    candidate: &Call,
    settings: &Settings,
    sink: &mut Sink,
) -> bool {
    sink.place(Place::Status);
    sink.note(|seen, (spot, _)| seen.add_judged(spot));
    let http_counts = primary.status.is_none() || candidate.status.is_none();
    if primary.status != candidate.status
        || http_counts && primary.http_status != candidate.http_status
    {
        let before = sink.counted();
        sink.report_values(
            Kind::Value,
            Some((status_text(primary).into(), status_leaf(primary))),
            Some((status_text(candidate).into(), status_leaf(candidate))),
            looks_like(primary, candidate),
        );
        // A rule that takes the codes for equal says nothing about the rest of the answer.
        if sink.counted() > before {
            sink.note(|seen, _| seen.has_other_status = true);
            return false;
        }
    }
    sink.place(Place::StatusMessage);
    sink.note(|seen, (spot, _)| seen.add_judged(spot));
    if primary.status_message != candidate.status_message {
        let (a, b) = (&primary.status_message, &candidate.status_message);
        let (a, b) = (String::from_utf8_lossy(a), String::from_utf8_lossy(b));
        let before = sink.counted();
        texts(&a, &b, sink);
        let size = |text: &str| Some(format!("{} bytes", text.len()));
        sink.report_unfinished(before, || (size(&a), size(&b)));
    }
    sink.place(Place::StatusDetails);
    sink.note(|seen, (spot, _)| seen.add_judged(spot));
    if primary.status_details != candidate.status_details {
        let (a, b) = (&primary.status_details, &candidate.status_details);
        let before = sink.counted();
        details(a, b, settings, sink);
        let size = |bytes: &Bytes| Some(format!("{} bytes", bytes.len()));
        sink.report_unfinished(before, || (size(a), size(b)));
    }
    true
}

/// The name of the code, as rules see it.
fn status_leaf(call: &Call) -> Leaf<'static> {
    let name = call.status.and_then(Status::name);
    name.map_or(Leaf::Other, Leaf::Text)
}

fn looks_like(primary: &Call, candidate: &Call) -> Option<LooksLike> {
    let is_answer = |call: &Call| call.status == Some(Status::OK);
    match (is_answer(primary), is_answer(candidate)) {
        (true, false) if is_envoys_answer(candidate) => Some(LooksLike::NoAnswer),
        (true, false) => Some(LooksLike::ErrorInsteadOfAnswer),
        (false, true) => Some(LooksLike::AnswerInsteadOfError),
        _ => None,
    }
}

/// `NOT_FOUND`, or what there is instead.
pub(crate) fn code_text(call: &Call) -> String {
    match (call.status, call.http_status) {
        (Some(status), _) => status.to_string(),
        (None, Some(http)) => format!("no grpc-status, HTTP {http}"),
        (None, None) => "no grpc-status".to_owned(),
    }
}

/// `NOT_FOUND: no such item`.
fn status_text(call: &Call) -> String {
    let mut text = code_text(call);
    if !call.status_message.is_empty() {
        text.push_str(": ");
        text.push_str(&String::from_utf8_lossy(&call.status_message));
    }
    text
}

fn details(primary: &Bytes, candidate: &Bytes, settings: &Settings, sink: &mut Sink) {
    let decode = |bytes: &Bytes| RpcStatus::decode(bytes.clone());
    let bytes = |bytes: &Bytes| Some(render::bytes(bytes));
    let (a, b) = match (decode(primary), decode(candidate)) {
        _ if primary.is_empty() => return sink.report(Kind::Extra, None, bytes(candidate), None),
        _ if candidate.is_empty() => {
            return sink.report(Kind::Missing, bytes(primary), None, None);
        }
        (Ok(a), Ok(b)) => (a, b),
        _ => return wire::compare(primary, candidate, sink),
    };
    if a.code != b.code {
        let mark = sink.enter_field("code");
        sink.report(
            Kind::Value,
            Some(a.code.to_string()),
            Some(b.code.to_string()),
            None,
        );
        sink.leave(mark);
    }
    if a.message != b.message {
        let mark = sink.enter_field("message");
        texts(&a.message, &b.message, sink);
        sink.leave(mark);
    }
    if a.details != b.details {
        detail_list(&a.details, &b.details, settings, sink);
    } else if a == b {
        // Equal as far as the type knows: what differs are unknown fields or the encoding.
        wire::compare(primary, candidate, sink);
    }
}

fn detail_list(a: &[AnyValue], b: &[AnyValue], settings: &Settings, sink: &mut Sink) {
    // The type alone lines details up; what is inside is compared after that.
    let types = |list: &[AnyValue]| -> Vec<u64> {
        list.iter()
            .map(|any| xxhash_rust::xxh3::xxh3_64(type_name(any).as_bytes()))
            .collect()
    };
    let steps = align::align(&types(a), &types(b), &mut |_, _| Some(1));
    let mark = sink.enter_field("details");
    sink.note(|seen, at| seen.add_list(at, (&steps, &[]), b.len()));
    for step in steps {
        let (i, j) = match step {
            align::Step::Both(i, j) => (Some(i), Some(j)),
            align::Step::Primary(i) => (Some(i), None),
            align::Step::Candidate(j) => (None, Some(j)),
        };
        let (x, y) = (i.and_then(|i| a.get(i)), j.and_then(|j| b.get(j)));
        let mark_index = sink.enter_element(i.or(j).unwrap_or(0));
        detail(x, y, settings, sink);
        sink.leave(mark_index);
    }
    sink.leave(mark);
}

fn detail(a: Option<&AnyValue>, b: Option<&AnyValue>, settings: &Settings, sink: &mut Sink) {
    let text = |any: &AnyValue| {
        Some(format!(
            "{} {}",
            render::plain(type_name(any)),
            render::bytes(&any.value)
        ))
    };
    match (a, b) {
        (Some(a), Some(b)) if type_name(a) != type_name(b) => {
            sink.report(Kind::Type, text(a), text(b), None);
        }
        (Some(a), Some(b)) => {
            let mark = sink.enter_element(render::plain(type_name(a)));
            let known = settings
                .schema
                .as_ref()
                .and_then(|schema| schema.types_by_name(type_name(a)));
            let before = sink.counted();
            match known {
                _ if a.value == b.value => {}
                Some(types) => proto::compare(&types, &a.value, &b.value, sink),
                None => wire::compare(&a.value, &b.value, sink),
            }
            sink.report_unfinished(before, || (text(a), text(b)));
            sink.leave(mark);
        }
        (Some(a), None) => sink.report(Kind::Missing, text(a), None, None),
        (None, Some(b)) => sink.report(Kind::Extra, None, text(b), None),
        (None, None) => {}
    }
}

/// A `google.rpc.Status` to be shown.
pub(super) struct Parts {
    pub(super) code: i32,
    pub(super) message: String,
    /// Type and bytes of each detail.
    pub(super) details: Vec<(String, Bytes)>,
}

/// The parts of an encoded `google.rpc.Status`; `None` if it is none.
pub(super) fn parts(encoded: &Bytes) -> Option<Parts> {
    let status = RpcStatus::decode(encoded.clone()).ok()?;
    let details = status.details.into_iter();
    let details = details.map(|any| (render::plain(type_name(&any)), any.value));
    Some(Parts {
        code: status.code,
        message: status.message,
        details: details.collect(),
    })
}

fn type_name(any: &AnyValue) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// Reports two unequal texts, of which an empty one counts as absent.
fn texts<'t>(a: &'t str, b: &'t str, sink: &mut Sink<'_>) {
    let side = |text: &'t str| Some((Raw::Text(text), Leaf::Text(text)));
    match (a.is_empty(), b.is_empty()) {
        (false, true) => sink.report_values(Kind::Missing, side(a), None, None),
        (true, false) => sink.report_values(Kind::Extra, None, side(b), None),
        _ => sink.report_values(Kind::Value, side(a), side(b), classify::texts(a, b)),
    }
}
