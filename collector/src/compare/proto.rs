//! Two messages of a known type, field by field.
//!
//! - Fields with presence: set on one side only is `missing` or `extra`, unless the value is the
//!   default: then it is `default_vs_absent`. Without presence, default and absent are equal.
//! - A oneof with another field set is one difference at the oneof's name.
//! - Maps by key; lists aligned, and one `list_order` if only the order differs.
//! - Enums by number. `Any` by the message inside, if its type is known. `Timestamp` and `Duration`
//!   as one value each. Unknown fields by wire field.
//! - `NaN` equals `NaN` whatever its bits; `-0.0` and `0.0` are different values,
//!   except in fields without presence, where the protobuf library reads both as the default.

mod equal_fields;
mod fields;
mod fingerprint;
mod lists;
mod time;

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind as FieldKind, MessageDescriptor};

use super::difference::Kind;
use super::limits::DEPTH_MAX;
use super::sink::Sink;
use super::wire;

pub(super) use fields::unpack;
pub(super) use time::time_text;

/// Compares two encoded messages of type `descriptor`.
pub(super) fn compare(
    descriptor: &MessageDescriptor,
    primary: &Bytes,
    candidate: &Bytes,
    sink: &mut Sink,
) {
    let decode = |bytes: &Bytes| DynamicMessage::decode(descriptor.clone(), bytes.clone());
    if let Some((a, b)) = equal_fields::without(descriptor, primary, candidate)
        && let (Ok(a), Ok(b)) = (decode(&a), decode(&b))
    {
        return messages(&a, &b, 0, sink);
    }
    match (decode(primary), decode(candidate)) {
        (Ok(primary), Ok(candidate)) => messages(&primary, &candidate, 0, sink),
        // Neither is what the descriptor says: the descriptor is likely the wrong one.
        (Err(_), Err(_)) => wire::compare(primary, candidate, sink),
        (primary, candidate) => {
            let name = descriptor.full_name();
            let text = |side: Result<DynamicMessage, _>| match side {
                Ok(message) => super::render::message(&message),
                Err(error) => format!("not a {name}: {error}"),
            };
            sink.report(
                Kind::Undecodable,
                Some(text(primary)),
                Some(text(candidate)),
                None,
            );
        }
    }
}

/// Compares two messages of the same type.
fn messages(primary: &DynamicMessage, candidate: &DynamicMessage, depth: u32, sink: &mut Sink) {
    if depth > DEPTH_MAX {
        return sink.exhaust();
    }
    if sink.is_full() || !sink.spend(1) {
        return;
    }
    if time::compare(primary, candidate, sink) || fields::any(primary, candidate, depth, sink) {
        return;
    }
    let from = sink.next();
    fields::compare(primary, candidate, depth, sink);
    sink.mark_swapped(from);
    unknown_fields(primary, candidate, sink);
}

/// The fields of `message` that its descriptor does not know, encoded.
pub(super) fn unknown_bytes(message: &DynamicMessage) -> Bytes {
    let mut encoded = Vec::new();
    message
        .unknown_fields()
        .for_each(|field| field.encode(&mut encoded));
    encoded.into()
}

fn unknown_fields(primary: &DynamicMessage, candidate: &DynamicMessage, sink: &mut Sink) {
    let (primary, candidate) = (unknown_bytes(primary), unknown_bytes(candidate));
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
