//! Would these bytes be read as a message of this type? Looks, and keeps nothing.
//!
//! Says no where it does not know: to extensions, groups, and what is nested too deep.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

/// Messages within messages that are looked into.
const DEPTH_MAX: u32 = 32;

pub(super) fn reads_as(descriptor: &MessageDescriptor, bytes: &[u8]) -> bool {
    message(descriptor, bytes, 0).is_some()
}

fn message(descriptor: &MessageDescriptor, bytes: &[u8], depth: u32) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        let start = rest;
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).ok()?;
        let value = start.get(..start.len() - rest.len())?;
        match descriptor.get_field(number) {
            Some(field) => field_value(&field, wire_type, value, depth)?,
            None if descriptor.get_extension(number).is_some() => return None,
            None => {}
        }
    }
    Some(())
}

fn field_value(
    field: &FieldDescriptor,
    wire_type: WireType,
    value: &[u8],
    depth: u32,
) -> Option<()> {
    let kind = field.kind();
    if wire_type != WireType::LengthDelimited {
        return (wire_type == kind.wire_type() && !field.is_group()).then_some(());
    }
    let mut inside = value;
    decode_varint(&mut inside).ok()?;
    match kind {
        Kind::Message(inner) if !field.is_group() => message(&inner, inside, depth + 1),
        Kind::String => std::str::from_utf8(inside).ok().map(drop),
        Kind::Bytes => Some(()),
        Kind::Message(_) => None,
        other if field.is_list() => packed(other.wire_type(), inside),
        _ => None,
    }
}

fn packed(wire_type: WireType, mut inside: &[u8]) -> Option<()> {
    while !inside.is_empty() {
        match wire_type {
            WireType::Varint => drop(decode_varint(&mut inside).ok()?),
            WireType::ThirtyTwoBit => inside = inside.get(4..)?,
            WireType::SixtyFourBit => inside = inside.get(8..)?,
            _ => return None,
        }
    }
    Some(())
}
