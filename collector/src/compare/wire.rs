//! Two messages of unknown type, by wire field.
//!
//! Field numbers and wire types are certain; what length-delimited bytes are is a guess, made for
//! both sides alike: printable text, else a nested message if every byte parses as one, else bytes.
//! Packed lists cannot be told from bytes and are compared as such. The order of fields with
//! different numbers does not count; fields of one number form a list and are aligned.
//!
//! Paths are field numbers: `4.2[1]`.

mod parse;
mod unknown;

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;

use super::align;
use super::classify;
use super::difference::Kind;
use super::json;
use super::leaf::Leaf;
use super::limits::GUESS_DEPTH_MAX;
use super::looks_like::LooksLike;
use super::render::{self, Raw};
use super::rules::ListOrder;
use super::sink::{self, Side, Sink};
use parse::{WireValue, parse};
pub(super) use unknown::unknown_text;

/// Compares two encoded messages.
pub(super) fn compare(primary: &Bytes, candidate: &Bytes, sink: &mut Sink) {
    compare_at(primary, candidate, 0, sink);
}

fn compare_at(primary: &Bytes, candidate: &Bytes, depth: u32, sink: &mut Sink) {
    if primary == candidate || sink.is_decided() || !sink.spend(1 + primary.len() / 8) {
        return;
    }
    match (parse(primary), parse(candidate)) {
        (Some(a), Some(b)) => fields(a, b, depth, sink),
        (a, b) => {
            let kind = if a.is_none() && b.is_none() {
                Kind::Value
            } else {
                Kind::Undecodable
            };
            sink.report_bytes(kind, primary, candidate);
        }
    }
}

type Fields = Vec<(u32, WireValue)>;

fn fields(primary: Fields, candidate: Fields, depth: u32, sink: &mut Sink) {
    let mut numbers: BTreeMap<u32, (Vec<WireValue>, Vec<WireValue>)> = BTreeMap::new();
    for (number, value) in primary {
        numbers.entry(number).or_default().0.push(value);
    }
    for (number, value) in candidate {
        numbers.entry(number).or_default().1.push(value);
    }
    let from = sink.next();
    for (number, (a, b)) in numbers {
        if sink.is_decided() || !sink.spend(a.len() + b.len()) {
            return;
        }
        if a == b {
            continue;
        }
        let mark = sink.enter_field(number);
        match (a.as_slice(), b.as_slice()) {
            ([a], [b]) => values(a, b, depth, sink),
            ([a], []) => sink.report_values(or_default(Kind::Missing, a), side(a), None, None),
            ([], [b]) => sink.report_values(or_default(Kind::Extra, b), None, side(b), None),
            (a, b) => lists(a, b, depth, sink),
        }
        sink.leave(mark);
    }
    sink.mark_swapped(from);
}

/// Zero or empty on one side only: the same, or not, depending on the presence of the field, which
/// the wire does not tell.
fn or_default(kind: Kind, value: &WireValue) -> Kind {
    let is_default = match value {
        WireValue::Varint(value) | WireValue::Fixed64(value) => *value == 0,
        WireValue::Fixed32(value) => *value == 0,
        WireValue::Bytes(value) | WireValue::Group(value) => value.is_empty(),
    };
    if is_default {
        Kind::DefaultVsAbsent
    } else {
        kind
    }
}

fn lists(primary: &[WireValue], candidate: &[WireValue], depth: u32, sink: &mut Sink) {
    let numbers = |list: &[WireValue]| -> Vec<u64> { list.iter().map(fingerprint).collect() };
    let (a, b) = (numbers(primary), numbers(candidate));
    let order = sink.list_order();
    let alignment = {
        let mut distance = |i: usize, j: usize| {
            let (x, y) = (primary.get(i)?, candidate.get(j)?);
            sink.probe(|trial| values(x, y, depth, trial))
        };
        match order {
            None => align::align_with_moves(&a, &b, &mut distance),
            Some(ListOrder::Set) => align::align_unordered(&a, &b, &mut distance),
            Some(ListOrder::Keyed(field)) => {
                align::align_by_key(&keys(primary, field), &keys(candidate, field))
            }
        }
    };
    sink.note(|seen, at| seen.add_list(at, (&alignment.steps, &alignment.equal), candidate.len()));
    if alignment.is_reordered {
        let text = |list: &[WireValue]| {
            let shown: Vec<String> = list.iter().take(16).map(text).collect();
            let more = if list.len() > 16 { ", …" } else { "" };
            format!("[{}{more}]", shown.join(", "))
        };
        let texts = render::lists(primary, candidate, text, text, |a, b| {
            sink::shown(side(a), side(b))
        });
        let looks_like = is_map(primary).then_some(LooksLike::MapOrder);
        sink.report(Kind::ListOrder, texts.0, texts.1, looks_like);
    }
    for step in alignment.steps {
        if sink.is_decided() || !sink.spend(1) {
            return;
        }
        let (index, a, b) = step.of(primary, candidate);
        let mark = sink.enter_element(index);
        match (a, b) {
            (Some(a), Some(b)) => values(a, b, depth, sink),
            (Some(a), None) => sink.report_values(Kind::Missing, side(a), None, None),
            (None, Some(b)) => sink.report_values(Kind::Extra, None, side(b), None),
            (None, None) => {}
        }
        sink.leave(mark);
    }
}

fn values(a: &WireValue, b: &WireValue, depth: u32, sink: &mut Sink) {
    if a == b {
        return;
    }
    let (kind, looks_like) = match (a, b) {
        (WireValue::Varint(a), WireValue::Varint(b)) => (
            Kind::Value,
            classify::integers(i128::from(*a), i128::from(*b)),
        ),
        // Eight bytes are more often a double than a fixed integer: a guess, as the text says.
        (WireValue::Fixed64(a), WireValue::Fixed64(b)) => (
            Kind::Value,
            classify::floats(f64::from_bits(*a), f64::from_bits(*b)),
        ),
        (WireValue::Fixed32(_), WireValue::Fixed32(_)) => (Kind::Value, None),
        (WireValue::Group(a), WireValue::Group(b)) => {
            return compare_at(a, b, depth + 1, sink);
        }
        (WireValue::Bytes(a), WireValue::Bytes(b)) => return delimited(a, b, depth, sink),
        _ => (Kind::Type, None),
    };
    sink.report_values(kind, side(a), side(b), looks_like);
}

/// Length-delimited values: what they are is guessed, for both alike.
fn delimited(a: &Bytes, b: &Bytes, depth: u32, sink: &mut Sink) {
    if json::by_rule(a, b, sink) {
        return;
    }
    if let (Some(a), Some(b)) = (printable(a), printable(b)) {
        let side = |text| Some((Raw::Text(text), Leaf::Text(text)));
        sink.report_values(Kind::Value, side(a), side(b), classify::texts(a, b));
    } else if depth < GUESS_DEPTH_MAX && is_message(a) && is_message(b) {
        compare_at(a, b, depth + 1, sink);
    } else {
        let side = |bytes| Some((Raw::Bytes(bytes), Leaf::Bytes(bytes)));
        sink.report_values(Kind::Value, side(a), side(b), classify::bytes(a, b));
    }
}

/// Are these messages with nothing but a field 1, all different, and at most a field 2?
fn is_map(list: &[WireValue]) -> bool {
    let mut keys = HashSet::new();
    list.iter().all(|entry| {
        let WireValue::Bytes(entry) = entry else {
            return false;
        };
        match parse(entry).as_deref() {
            Some([(1, key)] | [(1, key), (2, _)]) => keys.insert(key.clone()),
            _ => false,
        }
    })
}

/// What is shown of one wire field.
pub(super) enum Shown {
    /// As text.
    Value(String),
    /// A message, as far as can be guessed.
    Message(Bytes),
}

/// The fields of `message` in order of number; `None` if it is not well-formed.
pub(super) fn shown(message: &Bytes, depth: u32) -> Option<Vec<(u32, Shown)>> {
    let mut fields = parse(message)?;
    fields.sort_by_key(|(number, _)| *number);
    let show = |value: WireValue| match value {
        WireValue::Group(bytes) if depth < GUESS_DEPTH_MAX => Shown::Message(bytes),
        WireValue::Bytes(bytes) => match printable(&bytes) {
            Some(text) => Shown::Value(render::whole_text(text)),
            None if depth < GUESS_DEPTH_MAX && is_message(&bytes) => Shown::Message(bytes),
            None => Shown::Value(render::whole_bytes(&bytes)),
        },
        value => Shown::Value(text(&value)),
    };
    let shown = fields
        .into_iter()
        .map(|(number, value)| (number, show(value)));
    Some(shown.collect())
}

fn is_message(bytes: &Bytes) -> bool {
    bytes.is_empty() || parse(bytes).is_some()
}

/// Text without control characters. A nested message often begins with byte 10, a line feed.
fn printable(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    (!text.starts_with('\n') && !text.chars().any(is_control)).then_some(text)
}

fn text(value: &WireValue) -> String {
    match value {
        WireValue::Varint(value) => value.to_string(),
        WireValue::Fixed32(value) => {
            format!("{value:#010x} (as float {:?})", f32::from_bits(*value))
        }
        WireValue::Fixed64(value) => {
            format!("{value:#018x} (as double {:?})", f64::from_bits(*value))
        }
        WireValue::Bytes(value) => render::bytes(value),
        WireValue::Group(value) => format!("group {}", render::bytes(value)),
    }
}

/// Fixed bits as a number, if they can be one: whole numbers are no ordinary fraction.
fn real(number: f64) -> Leaf<'static> {
    if number == 0.0 || number.is_normal() && number.abs() > f64::from(f32::MIN_POSITIVE) {
        Leaf::Float(number)
    } else {
        Leaf::Other
    }
}

fn side(value: &WireValue) -> Side<'_> {
    let leaf = match value {
        // Negative numbers are the largest varints: as signed ones they lie near each other.
        WireValue::Varint(value) => Leaf::Integer(i128::from(value.cast_signed())),
        WireValue::Fixed64(value) => real(f64::from_bits(*value)),
        WireValue::Fixed32(value) => real(f64::from(f32::from_bits(*value))),
        WireValue::Bytes(value) => match printable(value) {
            Some(text) => Leaf::Text(text),
            None => Leaf::Bytes(value),
        },
        WireValue::Group(value) if value.is_empty() => Leaf::Hollow,
        WireValue::Group(_) => Leaf::Other,
    };
    let raw = match value {
        WireValue::Bytes(value) => Raw::Bytes(value),
        other => Raw::Rendered(text(other)),
    };
    Some((raw, leaf))
}

/// What tells the messages of `list` apart: the value of `field`, a path of field numbers.
fn keys(list: &[WireValue], field: &str) -> Vec<u64> {
    list.iter()
        .map(|element| key_of(element, field).map_or(0, |key| fingerprint(&key)))
        .collect()
}

fn key_of(element: &WireValue, field: &str) -> Option<WireValue> {
    let mut value = element.clone();
    for number in field.split('.') {
        let number: u32 = number.parse().ok()?;
        let (WireValue::Bytes(message) | WireValue::Group(message)) = &value else {
            return None;
        };
        let mut fields = parse(message)?.into_iter();
        value = fields.find(|(found, _)| *found == number)?.1;
    }
    Some(value)
}

fn fingerprint(value: &WireValue) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
