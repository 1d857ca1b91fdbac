//! Two messages of a known type, field by field.
//!
//! - Fields with presence: set on one side only is `missing` or `extra`, unless the value is the
//!   default: then it is `default_vs_absent`. Without presence, default and absent are equal.
//! - A oneof with another field set is one difference at the oneof's name.
//! - Maps by key; lists aligned, and one `list_order` if only the order differs.
//! - Where each side has a type of its own, fields correspond by number (`drifted.rs`).
//! - JSON in a `google.api.HttpBody` by what it says.
//! - Enums by number. `Any` by the message inside, if its type is known. `Timestamp` and `Duration`
//!   as one value each. Unknown fields by wire field.
//! - `NaN` equals `NaN` whatever its bits; `-0.0` and `0.0` are different values.

mod drifted;
mod enums;
mod equal_fields;
mod fields;
mod fingerprint;
mod http_body;
mod lists;
mod time;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind as FieldKind, MessageDescriptor, ReflectMessage as _};

use super::difference::Kind;
use super::limits::DEPTH_MAX;
use super::schema::Types;
use super::sink::Sink;
use super::wire;

pub(super) use fields::unpack;
pub(super) use time::time_text;

/// Compares two encoded messages of `types`.
pub(super) fn compare(types: &Types, primary: &Bytes, candidate: &Bytes, sink: &mut Sink) {
    let decode = |descriptor: &MessageDescriptor, bytes: &Bytes| {
        DynamicMessage::decode(descriptor.clone(), bytes.clone())
    };
    if types.primary == types.candidate
        && let Some((a, b)) = equal_fields::without(types, primary, candidate)
        && let (Ok(a), Ok(b)) = (decode(&types.primary, &a), decode(&types.candidate, &b))
    {
        return messages(&a, &b, 0, sink);
    }
    match (
        decode(&types.primary, primary),
        decode(&types.candidate, candidate),
    ) {
        (Ok(primary), Ok(candidate)) => messages(&primary, &candidate, 0, sink),
        // Neither is what the descriptor says: the descriptor is likely the wrong one.
        (Err(_), Err(_)) => wire::compare(primary, candidate, sink),
        (primary, candidate) => {
            let text = |side: Result<DynamicMessage, _>, descriptor: &MessageDescriptor| match side
            {
                Ok(message) => super::render::message(&message),
                Err(error) => format!("not a {}: {error}", descriptor.full_name()),
            };
            sink.report(
                Kind::Undecodable,
                Some(text(primary, &types.primary)),
                Some(text(candidate, &types.candidate)),
                None,
            );
        }
    }
}

/// Compares two messages of corresponding types.
fn messages(primary: &DynamicMessage, candidate: &DynamicMessage, depth: u32, sink: &mut Sink) {
    if depth > DEPTH_MAX {
        return sink.exhaust();
    }
    if sink.is_decided() || !sink.spend(1) {
        return;
    }
    if time::compare(primary, candidate, sink) || fields::any(primary, candidate, depth, sink) {
        return;
    }
    if let Some((a, b)) = http_body::without_json(primary, candidate, sink) {
        return fields_of(&a, &b, depth, sink);
    }
    fields_of(primary, candidate, depth, sink);
}

/// The fields of `message` that its descriptor does not know, encoded, without those of the numbers `settled`.
pub(super) fn unknown_bytes(message: &DynamicMessage, settled: &[u32]) -> Bytes {
    let mut encoded = Vec::new();
    message
        .unknown_fields()
        .filter(|field| !settled.contains(&field.number()))
        .for_each(|field| field.encode(&mut encoded));
    encoded.into()
}

fn fields_of(primary: &DynamicMessage, candidate: &DynamicMessage, depth: u32, sink: &mut Sink) {
    let from = sink.next();
    if primary.descriptor() == candidate.descriptor() {
        fields::compare(primary, candidate, depth, sink);
        unknown_fields(primary, candidate, &[], sink);
    } else {
        let settled = drifted::compare(primary, candidate, depth, sink);
        unknown_fields(primary, candidate, &settled, sink);
    }
    sink.mark_swapped(from);
}

/// Compares the fields that neither side knows; `settled` are numbers that one side knows.
fn unknown_fields(
    primary: &DynamicMessage,
    candidate: &DynamicMessage,
    settled: &[u32],
    sink: &mut Sink,
) {
    let (primary, candidate) = (
        unknown_bytes(primary, settled),
        unknown_bytes(candidate, settled),
    );
    if primary != candidate {
        wire::compare(&primary, &candidate, sink);
    }
}

/// The kind of a map's values, given the kind of the map field.
pub(super) fn map_value_kind(kind: &FieldKind) -> Option<FieldKind> {
    match kind {
        FieldKind::Message(entry) if entry.is_map_entry() => {
            Some(entry.map_entry_value_field().kind())
        }
        _ => None,
    }
}
