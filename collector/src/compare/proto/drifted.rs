//! Two messages whose types correspond and are not the same: fields by number, each side read with
//! its own descriptor.
//!
//! Paths have the primary's names. A field that one side does not know is held against what that
//! side has of its number in unknown fields. Types that share an encoding are compared by value;
//! with others the callers of the two services cannot read the same bytes alike, and a field that is
//! set at all is [`Kind::SchemaDrift`]. So is an equal value of a number that is another field's now.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::fields::{self, Kinds};
use crate::compare::difference::Kind;
use crate::compare::drift::{Effect, Renaming, members_by_number, of_kinds, renaming};
use crate::compare::leaf::Leaf;
use crate::compare::looks_like::LooksLike;
use crate::compare::member::Member;
use crate::compare::render::{self, Raw};
use crate::compare::sink::Sink;
use crate::compare::wire;

/// A message and one of its fields or extensions.
#[derive(Clone, Copy)]
struct At<'a> {
    message: &'a DynamicMessage,
    member: &'a Member,
}

impl<'a> At<'a> {
    fn of(message: &'a DynamicMessage, member: &'a Member) -> Self {
        Self { message, member }
    }

    fn is_set(self) -> bool {
        self.member.is_set(self.message)
    }

    /// As it is shown; `None` if it is not set.
    fn text(self) -> Option<String> {
        let value = self.member.value(self.message);
        self.is_set()
            .then(|| render::value(&value, &self.member.kind()))
    }

    /// Alone, as it was on the wire.
    fn encoded(self) -> Bytes {
        self.member.encoded(self.message)
    }
}

/// Compares what either side knows; returns the numbers that only one does.
pub(super) fn compare(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    depth: u32,
    sink: &mut Sink,
) -> Vec<u32> {
    let mut settled = fields::other_arms(primary, candidate, sink);
    let mut of_one_side = Vec::new();
    for (number, known) in members_by_number(&primary.descriptor(), &candidate.descriptor()) {
        if sink.is_decided() || !sink.spend(1) {
            break;
        }
        if settled.contains(&number) {
            continue;
        }
        let Some(name) = known.0.as_ref().or(known.1.as_ref()) else {
            continue;
        };
        sink.note(|seen, at| {
            let step = |member: &Option<Member>| {
                member
                    .as_ref()
                    .map_or_else(|| number.to_string(), ToString::to_string)
            };
            seen.add_name(at, false, step(&known.0), name.to_string());
            seen.add_name(at, true, step(&known.1), name.to_string());
        });
        let mark = sink.enter_field(name);
        match (&known.0, &known.1) {
            (Some(a), Some(b)) => {
                let (a, b) = (At::of(primary, a), At::of(candidate, b));
                let before = sink.next();
                of_both(a, b, depth, sink);
                if sink.next() == before {
                    another_field(a, b, sink);
                }
            }
            (Some(known), None) => {
                of_one_side.push(number);
                let known = At::of(primary, known);
                of_one(known, candidate, LooksLike::FieldRemoved, sink);
            }
            (None, Some(known)) => {
                of_one_side.push(number);
                let known = At::of(candidate, known);
                of_one(known, primary, LooksLike::FieldAdded, sink);
            }
            (None, None) => {}
        }
        sink.leave(mark);
    }
    settled.extend(of_one_side);
    settled
}

/// Equal values of which the sides say that they are different fields: the number is another's now.
fn another_field(a: At<'_>, b: At<'_>, sink: &mut Sink) {
    let is_another = matches!(
        renaming(a.member, b.member),
        Some(Renaming::Moved(_) | Renaming::Taken)
    );
    if is_another && (a.is_set() || b.is_set()) {
        let named = |at: At<'_>| Some(format!("{}: {}", at.member, at.text()?));
        sink.report(Kind::SchemaDrift, named(a), named(b), None);
    }
}

fn of_both(a: At<'_>, b: At<'_>, depth: u32, sink: &mut Sink) {
    let kinds = (a.member.kind(), b.member.kind());
    let shape = |member: &Member| (member.is_map(), member.is_list(), member.is_group());
    let effect = of_kinds(&kinds.0, &kinds.1);
    if effect == Effect::Breaking || a.member.is_group() != b.member.is_group() {
        if a.is_set() || b.is_set() {
            let looks_like = Some(LooksLike::TypeChanged);
            sink.report(Kind::SchemaDrift, a.text(), b.text(), looks_like);
        }
        return;
    }
    if shape(a.member) != shape(b.member)
        || kinds.0.as_message().is_some() != kinds.1.as_message().is_some()
    {
        return by_encoding(a, b, sink);
    }
    let (x, y) = (a.member.value(a.message), b.member.value(b.message));
    if effect == Effect::Lossy && !a.member.is_list() && !a.member.is_map() {
        return of_related_types((a, &x), (b, &y), sink);
    }
    let presence = a.member.supports_presence() || b.member.supports_presence();
    let may_be_empty = matches!(
        &*x,
        Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)
    );
    let has = |at: At<'_>| at.is_set() || !presence && !may_be_empty;
    let kinds = Kinds {
        primary: &kinds.0,
        candidate: &kinds.1,
    };
    fields::one_or_both(kinds, (has(a), &x), (has(b), &y), presence, depth, sink);
}

/// Values of types that share an encoding: equal if they say the same.
fn of_related_types((a, x): (At<'_>, &Value), (b, y): (At<'_>, &Value), sink: &mut Sink) {
    let presence = a.member.supports_presence() && b.member.supports_presence();
    if presence && a.is_set() != b.is_set() {
        let kind = if a.is_set() {
            Kind::Missing
        } else {
            Kind::Extra
        };
        return sink.report(kind, a.text(), b.text(), None);
    }
    if !fields::say_the_same(x, y) {
        let side = |at: At<'_>, value| Some((Raw::of(value, &at.member.kind()), leaf(value)));
        let looks_like = Some(LooksLike::TypeChanged);
        sink.report_values(Kind::Value, side(a, x), side(b, y), looks_like);
    }
}

fn leaf(value: &Value) -> Leaf<'_> {
    fields::number(value).map_or_else(|| Leaf::of_value(value), Leaf::Integer)
}

/// Shapes that share an encoding (a list and its element, a map and a list of entries, bytes and a
/// message): equal if they are written alike, else compared by wire field.
fn by_encoding(a: At<'_>, b: At<'_>, sink: &mut Sink) {
    let (x, y) = (a.encoded(), b.encoded());
    if x == y {
        return;
    }
    match (a.text(), b.text()) {
        (Some(_), Some(_)) => wire::compare(&x, &y, sink),
        (text, None) => sink.report(Kind::Missing, text, None, Some(LooksLike::TypeChanged)),
        (None, text) => sink.report(Kind::Extra, None, text, Some(LooksLike::TypeChanged)),
    }
}

/// A field that the other side does not know: it may have it all the same.
fn of_one(known: At<'_>, other: &DynamicMessage, looks_like: LooksLike, sink: &mut Sink) {
    let mut unknown = Vec::new();
    let same_number = other
        .unknown_fields()
        .filter(|field| field.number() == known.member.number());
    same_number.for_each(|field| field.encode(&mut unknown));
    if known.encoded() == unknown {
        return;
    }
    let unknown_text = wire::unknown_text(&unknown.into());
    let value = known.member.value(known.message);
    let known_side = known
        .text()
        .map(|text| (text.into(), Leaf::of_value(&value)));
    let unknown_side = unknown_text.map(|text| (text.into(), Leaf::Other));
    let (primary, candidate) = match looks_like {
        LooksLike::FieldRemoved => (known_side, unknown_side),
        _ => (unknown_side, known_side),
    };
    let kind = match (&primary, &candidate) {
        (Some(_), None) => Kind::Missing,
        (None, Some(_)) => Kind::Extra,
        _ => Kind::Value,
    };
    sink.report_values(kind, primary, candidate, Some(looks_like));
}
