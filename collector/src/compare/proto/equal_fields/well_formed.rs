//! Would these bytes be read as a message of this type? Looks, and keeps nothing.
//!
//! Says no where it does not know: to extensions, groups, and what is nested too deep.

use prost::encoding::{WireType, decode_varint};

use super::field::{Written, next_field};
use crate::compare::schema::{Field, Layout, Layouts};

/// Messages within messages that are looked into.
const DEPTH_MAX: u32 = 32;

pub(super) fn reads_as(layouts: &Layouts, layout: &Layout, bytes: &[u8]) -> bool {
    message(layouts, layout, bytes, 0).is_some()
}

fn message(layouts: &Layouts, layout: &Layout, bytes: &[u8], depth: u32) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = next_field(&mut rest)?;
        match layout.field(written.number) {
            Some(field) => field_value(layouts, field, &written, depth)?,
            None if layout.is_extension(written.number) => return None,
            None => {}
        }
    }
    Some(())
}

fn field_value(layouts: &Layouts, field: Field, written: &Written<'_>, depth: u32) -> Option<()> {
    if let Field::Number(wire_type) | Field::Numbers(wire_type) = field
        && written.wire_type == wire_type
    {
        return Some(());
    }
    if written.wire_type != WireType::LengthDelimited {
        return None;
    }
    let inside = written.value;
    match field {
        Field::Message(index) => message(layouts, layouts.message(index)?, inside, depth + 1),
        Field::Text => std::str::from_utf8(inside).ok().map(drop),
        Field::Bytes => Some(()),
        Field::Numbers(written) => packed(written, inside),
        Field::Number(_) | Field::Opaque => None,
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

#[cfg(test)]
mod tests {
    use super::*;

    const PROTO: &str = r#"
        syntax = "proto2";
        package test;
        service S { rpc Get(M) returns (M); }
        message M {
          optional string text = 1;
          optional bytes raw = 2;
          repeated fixed32 numbers = 3;
          optional M inner = 4;
          optional group Old = 5 { optional int32 number = 1; }
          optional int64 number = 6;
          extensions 100 to 200;
        }
        extend M { optional int32 more = 100; }
    "#;

    #[test]
    fn only_what_is_surely_of_the_type_reads_as_it() {
        let schema = crate::compare::tests::schema(PROTO);
        let types = schema.types_by_name("test.M").unwrap();
        let layout = types.layouts.by_name("test.M").unwrap();
        let reads = |bytes: &[u8]| reads_as(&types.layouts, layout, bytes);
        for (bytes, expected, why) in [
            (&b""[..], true, "nothing"),
            (b"\x0a\x02\xc3\xa4", true, "UTF-8"),
            (b"\x0a\x01\xff", false, "no UTF-8"),
            (b"\x12\x01\xff", true, "any bytes"),
            (b"\x1a\x04\x01\x02\x03\x04", true, "packed"),
            (b"\x1d\x01\x02\x03\x04", true, "not packed"),
            (b"\x1a\x03\x01\x02\x03", false, "packed, cut"),
            (b"\x22\x03\x0a\x01x", true, "a message in a message"),
            (b"\x22\x03\x0a\x01\xff", false, "bad within"),
            (b"\x2b\x08\x01\x2c", false, "a group"),
            (b"\x30\x01", true, "a number"),
            (b"\x32\x01\x01", false, "one number behind a length"),
            (b"\x35\x01\x02\x03\x04", false, "another wire type"),
            (b"\xa0\x06\x01", false, "an extension"),
            (b"\x98\x07\x01", true, "unknown"),
            (b"\x0a\x05x", false, "cut"),
        ] {
            assert_eq!(reads(bytes), expected, "{why}");
        }
        let nested = |depth| {
            (0..depth).fold(Vec::new(), |inner: Vec<u8>, _| {
                let mut outer = vec![0x22, u8::try_from(inner.len()).unwrap()];
                outer.extend(inner);
                outer
            })
        };
        assert!(reads(&nested(DEPTH_MAX)) && !reads(&nested(DEPTH_MAX + 1)));
    }
}
