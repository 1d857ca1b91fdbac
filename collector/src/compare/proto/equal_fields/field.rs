//! One field after the other, as they lie in an encoded message. Nothing is interpreted.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// A field as it was written.
#[derive(Debug)]
pub(super) struct Written<'a> {
    pub(super) number: u32,
    pub(super) wire_type: WireType,
    /// All of it, with its tag.
    pub(super) bytes: &'a [u8],
    /// Behind the tag, and behind the length where there is one.
    pub(super) value: &'a [u8],
}

/// Takes the first field of `rest`; `None` if there is none that is well-formed.
pub(super) fn next_field<'a>(rest: &mut &'a [u8]) -> Option<Written<'a>> {
    let start = *rest;
    let (number, wire_type) = decode_key(rest).ok()?;
    let mut value_start = *rest;
    match wire_type {
        WireType::Varint => drop(decode_varint(rest).ok()?),
        WireType::ThirtyTwoBit => *rest = rest.get(4..)?,
        WireType::SixtyFourBit => *rest = rest.get(8..)?,
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
            value_start = *rest;
            *rest = rest.get(length..)?;
        }
        WireType::StartGroup | WireType::EndGroup => {
            skip_field(wire_type, number, rest, DecodeContext::default()).ok()?;
        }
    }
    Some(Written {
        number,
        wire_type,
        bytes: start.get(..start.len() - rest.len())?,
        value: value_start.get(..value_start.len() - rest.len())?,
    })
}
