//! Protobuf wire format: tags, wire types, groups. Nothing is interpreted.

use bytes::{Buf, Bytes};

/// The value of one wire field.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum WireValue {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2.
    Bytes(Bytes),
    /// Wire type 3: what stands before the matching end.
    Group(Bytes),
    /// Wire type 5.
    Fixed32(u32),
}

/// Largest field number.
const FIELD_NUMBER_MAX: u64 = 0x1fff_ffff;

/// The fields of `message` in wire order; `None` if it is not well-formed to its last byte.
pub(super) fn parse(message: &Bytes) -> Option<Vec<(u32, WireValue)>> {
    let mut rest = message.clone();
    let mut fields = Vec::new();
    while rest.has_remaining() {
        let (number, wire_type) = tag(&mut rest)?;
        let value = match wire_type {
            3 => WireValue::Group(group(&mut rest, number)?),
            other => plain(&mut rest, other)?,
        };
        fields.push((number, value));
    }
    Some(fields)
}

fn tag(rest: &mut Bytes) -> Option<(u32, u64)> {
    let key = varint(rest)?;
    let number = key >> 3;
    (1..=FIELD_NUMBER_MAX)
        .contains(&number)
        .then_some((u32::try_from(number).ok()?, key & 7))
}

fn plain(rest: &mut Bytes, wire_type: u64) -> Option<WireValue> {
    match wire_type {
        0 => Some(WireValue::Varint(varint(rest)?)),
        1 => Some(WireValue::Fixed64(rest.try_get_u64_le().ok()?)),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            (length <= rest.len()).then(|| WireValue::Bytes(rest.split_to(length)))
        }
        5 => Some(WireValue::Fixed32(rest.try_get_u32_le().ok()?)),
        _ => None,
    }
}

/// The bytes up to the end of group `number`, which are consumed. Counts instead of recursing, so
/// that nesting costs no stack.
fn group(rest: &mut Bytes, number: u32) -> Option<Bytes> {
    let whole = rest.clone();
    let mut open = vec![number];
    while let Some(innermost) = open.last().copied() {
        let length = whole.len() - rest.len();
        let (number, wire_type) = tag(rest)?;
        match wire_type {
            3 => open.push(number),
            4 if number == innermost => {
                open.pop();
                if open.is_empty() {
                    return Some(whole.slice(..length));
                }
            }
            4 => return None,
            other => {
                plain(rest, other)?;
            }
        }
    }
    None
}

/// At most ten bytes; bits beyond the 64th are an error.
fn varint(rest: &mut Bytes) -> Option<u64> {
    let mut value = 0u64;
    for index in 0..10u32 {
        let byte = rest.try_get_u8().ok()?;
        if index == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wire_type_parses() {
        let bytes = Bytes::from_static(
            b"\x08\x96\x01\x11\x01\x02\x03\x04\x05\x06\x07\x08\x1a\x01x\x23\x08\x01\x24\x2d\x01\0\0\0",
        );
        let fields = parse(&bytes).unwrap();
        assert_eq!(fields[0], (1, WireValue::Varint(150)));
        assert_eq!(fields[1], (2, WireValue::Fixed64(0x0807_0605_0403_0201)));
        assert_eq!(fields[2], (3, WireValue::Bytes(Bytes::from_static(b"x"))));
        assert_eq!(
            fields[3],
            (4, WireValue::Group(Bytes::from_static(b"\x08\x01")))
        );
        assert_eq!(fields[4], (5, WireValue::Fixed32(1)));
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for bytes in [
            &b"\x00\x01"[..],                                    // field number 0
            b"\x0e",                                             // wire type 6
            b"\x0f",                                             // wire type 7
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", // varint of 11 bytes
            b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     // more than 64 bits
            b"\x1a\x05abc",                                      // length past the end
            b"\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     // length of 2^64-1
            b"\x23\x08\x01",                                     // group never closed
            b"\x23\x2c",                                         // another group closed
            b"\x24",                                             // closed, never opened
            b"\x08",                                             // cut
        ] {
            assert_eq!(parse(&Bytes::from_static(bytes)), None, "{bytes:x?}");
        }
    }

    #[test]
    fn a_million_open_groups_cost_no_stack() {
        assert_eq!(parse(&Bytes::from(vec![0x0b; 1_000_000])), None);
    }
}
