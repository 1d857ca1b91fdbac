//! Leaves out what is written alike: decoding costs more than comparing bytes, and most fields of two
//! messages that differ are equal.
//!
//! What is left out has to be what the descriptor says: a message that cannot be decoded is judged as
//! one, whether it differs or not.

mod well_formed;

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost_reflect::MessageDescriptor;

/// The bytes of one field number, one occurrence after the other.
type Occurrences<'a> = Vec<&'a [u8]>;

/// Both messages without the fields of which all occurrences are equal byte by byte; `None` where the
/// whole message says more than its fields, or that cannot be done.
pub(super) fn without(
    descriptor: &MessageDescriptor,
    primary: &Bytes,
    candidate: &Bytes,
) -> Option<(Bytes, Bytes)> {
    // These are compared and shown as one value.
    if descriptor.parent_file().package_name() == "google.protobuf"
        || descriptor.full_name() == "google.api.HttpBody"
    {
        return None;
    }
    let (in_order_a, in_order_b) = (fields(primary)?, fields(candidate)?);
    let (a, b) = (by_number(&in_order_a), by_number(&in_order_b));
    let kept = rival_arms(descriptor, &a, &b);
    let is_left_out = |number: &u32| !kept.contains(number) && a.get(number) == b.get(number);
    let mut left_out = in_order_a.iter().filter(|(number, _)| is_left_out(number));
    if !left_out.all(|(_, bytes)| well_formed::reads_as(descriptor, bytes)) {
        return None;
    }
    let rest = |in_order: &[(u32, &[u8])]| {
        let mut rest = BytesMut::new();
        for (number, bytes) in in_order {
            if !is_left_out(number) {
                rest.put_slice(bytes);
            }
        }
        rest.freeze()
    };
    Some((rest(&in_order_a), rest(&in_order_b)))
}

/// Fields of oneofs of which more than one arm was written: the last one counts, so that an arm that
/// is equal still decides what the others are worth.
fn rival_arms(
    descriptor: &MessageDescriptor,
    a: &BTreeMap<u32, Occurrences<'_>>,
    b: &BTreeMap<u32, Occurrences<'_>>,
) -> Vec<u32> {
    let mut rivals = Vec::new();
    for oneof in descriptor.oneofs() {
        let arms = oneof.fields().map(|field| field.number());
        let written: Vec<u32> = arms
            .filter(|arm| a.contains_key(arm) || b.contains_key(arm))
            .collect();
        if written.len() > 1 {
            rivals.extend(written);
        }
    }
    rivals
}

fn by_number<'a>(fields: &[(u32, &'a [u8])]) -> BTreeMap<u32, Occurrences<'a>> {
    let mut found: BTreeMap<u32, Occurrences<'_>> = BTreeMap::new();
    for (number, bytes) in fields {
        found.entry(*number).or_default().push(bytes);
    }
    found
}

/// The fields in the order of the message, tags included; `None` if it is not well-formed.
fn fields(message: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let mut rest = message;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        let (number, wire_type) = decode_key(&mut rest).ok()?;
        skip_field(wire_type, number, &mut rest, DecodeContext::default()).ok()?;
        found.push((number, start.get(..start.len() - rest.len())?));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(message: &[u8]) -> Option<Vec<u32>> {
        Some(by_number(&fields(message)?).into_keys().collect())
    }

    #[test]
    fn fields_are_told_apart_and_what_is_malformed_is_not_touched() {
        assert_eq!(numbers(b"\x08\x01\x12\x01x\x08\x02"), Some(vec![1, 2]));
        assert_eq!(numbers(b"\x12\x05x"), None);
        assert_eq!(numbers(b""), Some(vec![]));
    }
}
