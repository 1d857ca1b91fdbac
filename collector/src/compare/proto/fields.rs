//! The fields of two messages of one type: presence, oneofs, scalars, `Any`.

use std::mem::discriminant;

use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind as FieldKind, OneofDescriptor, ReflectMessage as _, Value,
};

use super::{enums, lists, messages};
use crate::compare::classify;
use crate::compare::difference::Kind;
use crate::compare::json;
use crate::compare::leaf::Leaf;
use crate::compare::looks_like::LooksLike;
use crate::compare::render::{self, Raw};
use crate::compare::schema::ANY;
use crate::compare::sink::{Side, Sink};

/// Compares the fields that the descriptor knows, extensions included.
pub(super) fn compare(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    depth: u32,
    sink: &mut Sink,
) {
    let descriptor = primary.descriptor();
    let settled = other_arms(primary, candidate, sink);
    for field in descriptor.fields() {
        if !settled.contains(&field.number()) && !is_absent(&field, primary, candidate) {
            let mark = sink.enter_field(field.name());
            compare_field(&field, primary, candidate, depth, sink);
            sink.leave(mark);
        }
    }
    for extension in descriptor.extensions() {
        let (a, b) = (
            primary.has_extension(&extension),
            candidate.has_extension(&extension),
        );
        if a || b {
            let mark = sink.enter_field(format_args!("({})", extension.full_name()));
            let (x, y) = (
                primary.get_extension(&extension),
                candidate.get_extension(&extension),
            );
            one_or_both(
                Kinds::same(&extension.kind()),
                (a, &x),
                (b, &y),
                extension.supports_presence(),
                depth,
                sink,
            );
            sink.leave(mark);
        }
    }
}

fn compare_field(
    field: &FieldDescriptor,
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    depth: u32,
    sink: &mut Sink,
) {
    let (x, y) = (primary.get_field(field), candidate.get_field(field));
    let (mut a, mut b) = (primary.has_field(field), candidate.has_field(field));
    let may_be_empty = matches!(
        &*x,
        Value::String(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_)
    );
    if !field.supports_presence() && !may_be_empty {
        (a, b) = (true, true);
    }
    one_or_both(
        Kinds::same(&field.kind()),
        (a, &x),
        (b, &y),
        field.supports_presence(),
        depth,
        sink,
    );
}

/// Has neither side `field`? A float that is -0.0 reads as absent too, and differs from 0.0.
fn is_absent(field: &FieldDescriptor, a: &DynamicMessage, b: &DynamicMessage) -> bool {
    !a.has_field(field)
        && !b.has_field(field)
        && !matches!(field.kind(), FieldKind::Double | FieldKind::Float)
}

/// A field that both sides, one or none has.
pub(super) fn one_or_both(
    kinds: Kinds<'_>,
    (has_primary, primary): (bool, &Value),
    (has_candidate, candidate): (bool, &Value),
    presence: bool,
    depth: u32,
    sink: &mut Sink,
) {
    let (value, only) = match (has_primary, has_candidate) {
        (true, true) => return values(kinds, primary, candidate, depth, sink),
        (true, false) => (primary, Kind::Missing),
        (false, true) => (candidate, Kind::Extra),
        (false, false) => return,
    };
    // Rules may be about entries. Where they leave some, the map is what is missing.
    if let (Value::Map(entries), Value::Map(_)) = (value, candidate)
        && lists::are_ruled_out(entries, only, sink)
    {
        return values(kinds, primary, candidate, depth, sink);
    }
    // An absent field reads as its default, which `get_field` returned for the other side.
    let other = if has_primary { candidate } else { primary };
    let kind = if presence && is_default(value, other) {
        Kind::DefaultVsAbsent
    } else {
        only
    };
    let side =
        |has: bool, field_kind| has.then(|| (Raw::of(value, field_kind), Leaf::of_value(value)));
    let sides = (
        side(has_primary, kinds.primary),
        side(has_candidate, kinds.candidate),
    );
    sink.report_values(kind, sides.0, sides.1, None);
}

fn is_default(value: &Value, default: &Value) -> bool {
    match value {
        Value::Message(message) => {
            message.fields().next().is_none()
                && message.extensions().next().is_none()
                && message.unknown_fields().next().is_none()
        }
        value => value == default,
    }
}

/// Reports the oneofs of which both sides set another field; returns the numbers of these fields.
pub(super) fn other_arms(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    sink: &mut Sink,
) -> Vec<u32> {
    let (of_a, of_b) = (primary.descriptor(), candidate.descriptor());
    let mut settled = Vec::new();
    for oneof in of_a.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        let Some(first) = oneof.fields().next() else {
            continue;
        };
        // The candidate's may have another name, and does not if its fields moved elsewhere.
        let other = of_b.get_field(first.number());
        let other = other.and_then(|field| field.containing_oneof());
        if let Some(other) = other.filter(|other| !other.is_synthetic()) {
            settled.extend(other_arm((&oneof, primary), (&other, candidate), sink));
        }
    }
    settled
}

/// If both sides set another field of a oneof: reports it, returns the two field numbers.
fn other_arm(
    (oneof, primary): (&OneofDescriptor, &DynamicMessage),
    (other, candidate): (&OneofDescriptor, &DynamicMessage),
    sink: &mut Sink,
) -> Vec<u32> {
    let arm = |oneof: &OneofDescriptor, message: &DynamicMessage| {
        oneof.fields().find(|field| message.has_field(field))
    };
    let (Some(a), Some(b)) = (arm(oneof, primary), arm(other, candidate)) else {
        return Vec::new();
    };
    if a.number() == b.number() {
        return Vec::new();
    }
    let text = |message: &DynamicMessage, field: &FieldDescriptor| {
        let value = render::value(&message.get_field(field), &field.kind());
        Some(format!("{}: {value}", field.name()))
    };
    sink.note(|seen, at| seen.add_arms(at, [a.name(), b.name()]));
    let mark = sink.enter_field(oneof.name());
    sink.report(Kind::OneofArm, text(primary, &a), text(candidate, &b), None);
    sink.leave(mark);
    vec![a.number(), b.number()]
}

/// Compares two values of a field.
pub(super) fn values(kinds: Kinds<'_>, a: &Value, b: &Value, depth: u32, sink: &mut Sink) {
    match (a, b) {
        (Value::Message(a), Value::Message(b)) => messages(a, b, depth + 1, sink),
        (Value::List(a), Value::List(b)) => lists::lists(kinds, a, b, depth, sink),
        (Value::Map(a), Value::Map(b)) => {
            let entries = (
                super::map_value_kind(kinds.primary),
                super::map_value_kind(kinds.candidate),
            );
            if let (Some(primary), Some(candidate)) = &entries {
                let kinds = Kinds { primary, candidate };
                lists::maps(kinds, a, b, depth, sink);
            }
        }
        (Value::EnumNumber(a), Value::EnumNumber(b)) => enums::compare(kinds, *a, *b, sink),
        (a, b) => {
            if let Some(looks_like) = scalars(a, b) {
                if let (Some(x), Some(y)) = (raw(a), raw(b))
                    && json::by_rule(x, y, sink)
                {
                    return;
                }
                let sides = (kinds.side(a, false), kinds.side(b, true));
                sink.report_values(Kind::Value, sides.0, sides.1, looks_like);
            }
        }
    }
}

/// The bytes of a text or of bytes.
pub(super) fn raw(value: &Value) -> Option<&[u8]> {
    match value {
        Value::String(value) => Some(value.as_bytes()),
        Value::Bytes(value) => Some(value),
        _ => None,
    }
}

/// The type of a field, as each side's descriptors have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kinds<'k> {
    pub(super) primary: &'k FieldKind,
    pub(super) candidate: &'k FieldKind,
}

impl<'k> Kinds<'k> {
    pub(super) fn same(kind: &'k FieldKind) -> Self {
        Self {
            primary: kind,
            candidate: kind,
        }
    }

    /// A value of one side, to be reported.
    pub(super) fn side<'v>(&self, value: &'v Value, of_candidate: bool) -> Side<'v> {
        let kind = if of_candidate {
            self.candidate
        } else {
            self.primary
        };
        Some((Raw::of(value, kind), Leaf::of_value(value)))
    }
}

/// `None` if equal, else what the difference looks like.
fn scalars(a: &Value, b: &Value) -> Option<Option<LooksLike>> {
    let unequal =
        |equal: bool, looks_like: &dyn Fn() -> Option<LooksLike>| (!equal).then(looks_like);
    match (a, b) {
        (Value::F64(a), Value::F64(b)) => {
            let equal = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            unequal(equal, &|| classify::floats(*a, *b))
        }
        (Value::F32(a), Value::F32(b)) => {
            let equal = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
            unequal(equal, &|| classify::floats(shortest(*a), shortest(*b)))
        }
        (Value::String(a), Value::String(b)) => unequal(a == b, &|| classify::texts(a, b)),
        (Value::Bytes(a), Value::Bytes(b)) => unequal(a == b, &|| classify::bytes(a, b)),
        // Where each side has a type of its own, they may share no more than the encoding.
        (a, b) if discriminant(a) != discriminant(b) => {
            unequal(say_the_same(a, b), &|| Some(LooksLike::TypeChanged))
        }
        (Value::Bool(a), Value::Bool(b)) => unequal(a == b, &|| None),
        (a, b) => unequal(a == b, &|| classify::integers(number(a)?, number(b)?)),
    }
}

/// Are values of two types that share an encoding the same number, or the same bytes?
pub(super) fn say_the_same(a: &Value, b: &Value) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => raw(a).is_some() && raw(a) == raw(b),
    }
}

/// The double whose shortest text is that of `value`.
fn shortest(value: f32) -> f64 {
    format!("{value:?}")
        .parse()
        .unwrap_or_else(|_| f64::from(value))
}

/// The value of an integer, a bool or an enum, as a number.
pub(super) fn number(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(value) => Some(i128::from(*value)),
        Value::I32(value) | Value::EnumNumber(value) => Some(i128::from(*value)),
        Value::I64(value) => Some(i128::from(*value)),
        Value::U32(value) => Some(i128::from(*value)),
        Value::U64(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// Compares two `google.protobuf.Any` by what is inside; `false` if the messages are none, or the
/// type is not known: then `type_url` and `value` are fields like others.
pub(super) fn any(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    depth: u32,
    sink: &mut Sink,
) -> bool {
    let (Some(a), Some(b)) = (unpack(primary), unpack(candidate)) else {
        return false;
    };
    if a.descriptor().full_name() != b.descriptor().full_name() {
        let text = |message: &DynamicMessage| {
            let name = message.descriptor().full_name().to_owned();
            Some(format!("{name} {}", render::message(message)))
        };
        sink.report(Kind::Type, text(&a), text(&b), None);
        return true;
    }
    let mark = sink.enter_element(a.descriptor().full_name());
    messages(&a, &b, depth + 1, sink);
    sink.leave(mark);
    true
}

/// The message inside, if the pool knows its type. The prefix of the URL does not count, and is
/// never fetched.
pub(in crate::compare) fn unpack(any: &DynamicMessage) -> Option<DynamicMessage> {
    if any.descriptor().full_name() != ANY {
        return None;
    }
    let url = any.get_field_by_number(1)?;
    let name = url.as_str()?.rsplit('/').next()?;
    let descriptor = any.descriptor().parent_pool().get_message_by_name(name)?;
    let value: Bytes = any.get_field_by_number(2)?.as_bytes()?.clone();
    DynamicMessage::decode(descriptor, value).ok()
}
