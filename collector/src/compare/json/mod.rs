//! JSON by what it says: key order and white space do not count, numbers are exact.
//!
//! - Paths are those of messages: `items[2].price`; a key that is no name is `["a.b"]`.
//! - `null` on one side and no key on the other is `default_vs_absent`.
//! - A key that stands twice in one object is compared in order of occurrence; where one side has it
//!   more often, that is a difference of its own ([`LooksLike::RepeatedKey`]): readers do not agree on
//!   which one counts.
//! - Lists are aligned like those of messages, and rules on lists apply.
//!
//! Who takes what for JSON: [`super::messages`] by the content type of the call, [`super::proto`] in
//! `google.api.HttpBody` and where a rule says so. A text that is no JSON is compared as what it is.

mod value;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::align;
use super::classify;
use super::difference::Kind;
use super::leaf::Leaf;
use super::looks_like::LooksLike;
use super::render::{self, Raw};
use super::rules::ListOrder;
use super::sink::{self, Side, Sink};
use value::Json;

/// Is `content_type` that of gRPC messages in JSON?
pub(super) fn is_grpc_json(content_type: &[u8]) -> bool {
    media_type(content_type).eq_ignore_ascii_case(b"application/grpc+json")
}

/// Is it that of JSON itself?
pub(super) fn is_json(content_type: &[u8]) -> bool {
    let media_type = media_type(content_type).to_ascii_lowercase();
    media_type == b"application/json"
        || media_type == b"text/json"
        || media_type.ends_with(b"+json")
}

/// Without parameters such as `charset`.
fn media_type(content_type: &[u8]) -> &[u8] {
    let end = content_type.iter().position(|byte| *byte == b';');
    content_type
        .get(..end.unwrap_or(content_type.len()))
        .unwrap_or_default()
        .trim_ascii()
}

/// Do both say the same in JSON? Whoever asks pays first: [`Sink::spend_on_json`].
pub(super) fn are_equal(primary: &[u8], candidate: &[u8]) -> bool {
    let parse = |bytes| Some(sorted(Json::parse(std::str::from_utf8(bytes).ok()?)?));
    let primary = parse(primary);
    primary.is_some() && primary == parse(candidate)
}

/// Compares two texts below the current path, if a rule says that JSON is there and they say something
/// else; `false` if they are to be compared as they are, perhaps to be taken for equal by the rule.
pub(super) fn by_rule(primary: &[u8], candidate: &[u8], sink: &mut Sink) -> bool {
    if !sink.holds_json() {
        return false;
    }
    if !sink.spend_on_json(primary, candidate) {
        return true;
    }
    !are_equal(primary, candidate) && compare(primary, candidate, sink)
}

/// Keys in order; repeated ones stay in theirs.
fn sorted(json: Json) -> Json {
    match json {
        Json::List(elements) => Json::List(elements.into_iter().map(sorted).collect()),
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| (key, sorted(value)))
                .collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(entries)
        }
        leaf => leaf,
    }
}

/// Compares two texts below the current path; `false` if neither is JSON, so that they are something
/// else.
pub(super) fn compare(primary: &[u8], candidate: &[u8], sink: &mut Sink) -> bool {
    if !sink.spend_on_json(primary, candidate) {
        return true;
    }
    let parse = |bytes| Json::parse(std::str::from_utf8(bytes).ok()?);
    match (parse(primary), parse(candidate)) {
        (Some(a), Some(b)) => values(&a, &b, sink),
        (None, None) => return false,
        _ => sink.report_bytes(Kind::Undecodable, primary, candidate),
    }
    true
}

fn values(a: &Json, b: &Json, sink: &mut Sink) {
    if sink.is_decided() || !sink.spend(1) {
        return;
    }
    match (a, b) {
        (Json::Object(a), Json::Object(b)) => objects(a, b, sink),
        (Json::List(a), Json::List(b)) => lists(a, b, sink),
        _ if a == b => {}
        _ => {
            let (kind, looks_like) = leaves(a, b);
            sink.report_values(kind, side(a), side(b), looks_like);
        }
    }
}

fn leaves(a: &Json, b: &Json) -> (Kind, Option<LooksLike>) {
    match (a, b) {
        (Json::Text(a), Json::Text(b)) => (Kind::Value, classify::texts(a, b)),
        (Json::Number(a), Json::Number(b)) => {
            let looks_like = match (a.integer(), b.integer()) {
                (Some(0), Some(0)) => Some(LooksLike::Sign),
                (Some(a), Some(b)) => classify::integers(a, b),
                _ => {
                    let double = |text: &str| text.parse().unwrap_or(f64::NAN);
                    classify::floats(double(&a.text), double(&b.text))
                }
            };
            (Kind::Value, looks_like)
        }
        (Json::Bool(_), Json::Bool(_)) => (Kind::Value, None),
        _ => (Kind::Type, None),
    }
}

/// Occurrences of each key, in order.
type ByKey<'j> = BTreeMap<&'j str, (Vec<&'j Json>, Vec<&'j Json>)>;

fn objects(primary: &[(String, Json)], candidate: &[(String, Json)], sink: &mut Sink) {
    let mut keys = ByKey::new();
    for (key, value) in primary {
        keys.entry(key).or_default().0.push(value);
    }
    for (key, value) in candidate {
        keys.entry(key).or_default().1.push(value);
    }
    let from = sink.next();
    for (key, (a, b)) in keys {
        let mark = if is_name(key) {
            sink.enter_field(key)
        } else {
            sink.enter_element(render::quoted_key(key))
        };
        for index in 0..a.len().max(b.len()) {
            let repeated = (index > 0).then_some(LooksLike::RepeatedKey);
            match (a.get(index), b.get(index)) {
                (Some(a), Some(b)) => values(a, b, sink),
                (Some(a), None) => only(a, Kind::Missing, repeated, sink),
                (None, Some(b)) => only(b, Kind::Extra, repeated, sink),
                (None, None) => {}
            }
        }
        sink.leave(mark);
    }
    sink.mark_swapped(from);
}

/// A key that one side lacks.
fn only(value: &Json, kind: Kind, looks_like: Option<LooksLike>, sink: &mut Sink) {
    if sink.is_decided() || !sink.spend(1) {
        return;
    }
    let shown = match (kind, value) {
        (_, Json::Null) if looks_like.is_none() => Kind::DefaultVsAbsent,
        (kind, _) => kind,
    };
    let (a, b) = match kind {
        Kind::Missing => (side(value), None),
        _ => (None, side(value)),
    };
    sink.report_values(shown, a, b, looks_like);
}

/// May the key stand in a path as it is?
fn is_name(key: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
    !key.is_empty() && key.chars().all(allowed)
}

fn lists(primary: &[Json], candidate: &[Json], sink: &mut Sink) {
    let numbers = |list: &[Json]| -> Vec<u64> { list.iter().map(fingerprint).collect() };
    let (a, b) = (numbers(primary), numbers(candidate));
    if a == b {
        return;
    }
    let order = sink.list_order();
    let alignment = {
        let mut distance = |i: usize, j: usize| {
            let (x, y) = (primary.get(i)?, candidate.get(j)?);
            sink.probe(|trial| values(x, y, trial))
        };
        match order {
            None => align::align_with_moves(&a, &b, &mut distance),
            Some(ListOrder::Set) => align::align_unordered(&a, &b, &mut distance),
            Some(ListOrder::Keyed(field)) => {
                let keys = |list: &[Json]| -> Vec<u64> {
                    let key = |element| key_of(element, field).map_or(0, fingerprint);
                    list.iter().map(key).collect()
                };
                align::align_by_key(&keys(primary), &keys(candidate))
            }
        }
    };
    if alignment.is_reordered {
        let text = |list: &[Json]| text(&Json::List(list.to_vec()));
        let texts = render::lists(primary, candidate, text, text, |a, b| {
            sink::shown(side(a), side(b))
        });
        sink.report(Kind::ListOrder, texts.0, texts.1, None);
    }
    for step in alignment.steps {
        if sink.is_decided() || !sink.spend(1) {
            return;
        }
        let (index, x, y) = step.of(primary, candidate);
        let mark = sink.enter_element(index);
        match (x, y) {
            (Some(x), Some(y)) => values(x, y, sink),
            (Some(x), None) => sink.report_values(Kind::Missing, side(x), None, None),
            (None, Some(y)) => sink.report_values(Kind::Extra, None, side(y), None),
            (None, None) => {}
        }
        sink.leave(mark);
    }
}

fn key_of<'j>(element: &'j Json, path: &str) -> Option<&'j Json> {
    path.split('.')
        .try_fold(element, |value, name| match value {
            Json::Object(entries) => entries.iter().find(|(key, _)| key == name).map(|it| &it.1),
            _ => None,
        })
}

fn fingerprint(value: &Json) -> u64 {
    let mut hasher = DefaultHasher::new();
    write_hash(value, &mut hasher);
    hasher.finish()
}

/// Equal values are hashed alike: keys in order, numbers by value.
fn write_hash(value: &Json, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Json::Null => {}
        Json::Bool(value) => value.hash(hasher),
        Json::Number(value) => value.canonical().hash(hasher),
        Json::Text(value) => value.hash(hasher),
        Json::List(elements) => {
            elements.len().hash(hasher);
            elements
                .iter()
                .for_each(|element| write_hash(element, hasher));
        }
        Json::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            entries.len().hash(hasher);
            for (key, value) in entries {
                key.hash(hasher);
                write_hash(value, hasher);
            }
        }
    }
}

fn side(value: &Json) -> Side<'_> {
    let leaf = match value {
        Json::Null | Json::Bool(false) => Leaf::Hollow,
        Json::List(elements) if elements.is_empty() => Leaf::Hollow,
        Json::Object(entries) if entries.is_empty() => Leaf::Hollow,
        Json::Text(text) => Leaf::Text(text),
        // Whole numbers exactly, others as text: rules read numbers in texts.
        Json::Number(number) => number
            .integer()
            .map_or(Leaf::Text(&number.text), Leaf::Integer),
        _ => Leaf::Other,
    };
    let raw = match value {
        Json::Text(text) => Raw::Text(text),
        other => Raw::Rendered(text(other)),
    };
    Some((raw, leaf))
}

fn text(value: &Json) -> String {
    let mut out = String::new();
    write_text(value, &mut out);
    render::plain(&out)
}

fn write_text(value: &Json, out: &mut String) {
    if out.len() > super::limits::VALUE_CHARS_MAX * 4 {
        return;
    }
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number.text),
        Json::Text(text) => out.push_str(&render::text(text)),
        Json::List(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_text(element, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (index, (key, entry)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                out.push_str(&render::text(key));
                out.push_str(": ");
                write_text(entry, out);
            }
            out.push('}');
        }
    }
}
