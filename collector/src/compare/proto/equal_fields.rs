//! Leaves out what is written alike: decoding costs more than comparing bytes, and most fields of two
//! messages that differ are equal.
//!
//! What is left out has to be what the descriptor says: a message that cannot be decoded is judged as
//! one, whether it differs or not.

mod field;
mod well_formed;

use bytes::{BufMut as _, Bytes, BytesMut};
use prost_reflect::MessageDescriptor;

use crate::compare::schema::Types;

/// One occurrence of a field: its number, and its bytes with the tag.
type Occurrence<'a> = (u32, &'a [u8]);

/// Both messages, of one type, without the fields of which all occurrences are equal byte by byte; `None` where the
/// whole message says more than its fields, or that cannot be done.
pub(super) fn without(types: &Types, primary: &Bytes, candidate: &Bytes) -> Option<(Bytes, Bytes)> {
    let descriptor = &types.primary;
    // These are compared and shown as one value.
    if descriptor.package_name() == "google.protobuf"
        || descriptor.full_name() == "google.api.HttpBody"
    {
        return None;
    }
    let layouts = &*types.layouts;
    let layout = layouts.by_name(descriptor.full_name())?;
    let (in_order_a, in_order_b) = (fields(primary)?, fields(candidate)?);
    let (a, b) = (by_number(&in_order_a), by_number(&in_order_b));
    let kept = rival_arms(descriptor, &a, &b);
    let mut left_out = Vec::new();
    for occurrences in a.chunk_by(is_of_one_number) {
        let Some((number, _)) = occurrences.first() else {
            continue;
        };
        if kept.contains(number) || occurrences != of_number(&b, *number) {
            continue;
        }
        let is_sound = |(_, bytes): &Occurrence<'_>| well_formed::reads_as(layouts, layout, bytes);
        if !occurrences.iter().all(is_sound) {
            return None;
        }
        left_out.push(*number);
    }
    let rest = |in_order: &[Occurrence<'_>]| {
        let mut rest = BytesMut::new();
        for (number, bytes) in in_order {
            // In ascending order.
            if left_out.binary_search(number).is_err() {
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
    a: &[Occurrence<'_>],
    b: &[Occurrence<'_>],
) -> Vec<u32> {
    let mut rivals = Vec::new();
    for oneof in descriptor.oneofs() {
        let arms = oneof.fields().map(|field| field.number());
        let is_written = |arm: &u32| [a, b].iter().any(|side| !of_number(side, *arm).is_empty());
        let written: Vec<u32> = arms.filter(is_written).collect();
        if written.len() > 1 {
            rivals.extend(written);
        }
    }
    rivals
}

/// The same in ascending order of numbers, those of one number in the order of the message.
fn by_number<'a>(in_order: &[Occurrence<'a>]) -> Vec<Occurrence<'a>> {
    let mut fields = in_order.to_vec();
    fields.sort_by_key(|(number, _)| *number);
    fields
}

fn is_of_one_number(a: &Occurrence<'_>, b: &Occurrence<'_>) -> bool {
    a.0 == b.0
}

/// The occurrences of one number in what [`by_number`] made.
fn of_number<'s, 'a>(sorted: &'s [Occurrence<'a>], number: u32) -> &'s [Occurrence<'a>] {
    let start = sorted.partition_point(|(other, _)| *other < number);
    let rest = sorted.get(start..).unwrap_or_default();
    let count = rest.partition_point(|(other, _)| *other == number);
    rest.get(..count).unwrap_or_default()
}

/// The fields in the order of the message, tags included; `None` if it is not well-formed.
fn fields(message: &[u8]) -> Option<Vec<Occurrence<'_>>> {
    let mut rest = message;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let field = field::next_field(&mut rest)?;
        found.push((field.number, field.bytes));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(message: &[u8]) -> Option<Vec<u32>> {
        let sorted = by_number(&fields(message)?);
        let groups = sorted.chunk_by(is_of_one_number);
        Some(groups.map(|group| group[0].0).collect())
    }

    #[test]
    fn fields_are_told_apart_and_what_is_malformed_is_not_touched() {
        assert_eq!(numbers(b"\x08\x01\x12\x01x\x08\x02"), Some(vec![1, 2]));
        assert_eq!(numbers(b"\x12\x05x"), None);
        assert_eq!(numbers(b""), Some(vec![]));
    }
}
