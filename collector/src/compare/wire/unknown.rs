//! Fields that one side's types do not know, as text for people.

use bytes::Bytes;

use super::parse::{WireValue, parse};
use crate::compare::render;

/// Values shown of one field.
const SHOWN_MAX: usize = 16;

/// `field 7, varint: 5` of encoded fields: number and wire type in words, values without their tags.
/// `None` if there are none.
pub(in crate::compare) fn unknown_text(encoded: &Bytes) -> Option<String> {
    let Some(fields) = parse(encoded) else {
        return Some(render::bytes(encoded));
    };
    if fields.is_empty() {
        return None;
    }
    let alike = fields.chunk_by(|(a, x), (b, y)| a == b && wire_type(x) == wire_type(y));
    let shown: Vec<String> = alike
        .filter_map(|alike| {
            let (number, first) = alike.first()?;
            let values = alike.iter().take(SHOWN_MAX);
            let mut values: Vec<String> = values.map(|(_, value)| text(value)).collect();
            if alike.len() > SHOWN_MAX {
                values.push("…".to_owned());
            }
            let (wire_type, values) = (wire_type(first), values.join(", "));
            Some(format!("field {number}, {wire_type}: {values}"))
        })
        .take(SHOWN_MAX)
        .collect();
    Some(render::plain(&shown.join("; ")))
}

/// The wire type, as the encoding guide has it.
fn wire_type(value: &WireValue) -> &'static str {
    match value {
        WireValue::Varint(_) => "varint",
        WireValue::Fixed64(_) => "64-bit",
        WireValue::Bytes(_) => "length-delimited",
        WireValue::Group(_) => "group",
        WireValue::Fixed32(_) => "32-bit",
    }
}

fn text(value: &WireValue) -> String {
    match value {
        WireValue::Group(value) => render::bytes(value),
        value => super::text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_without_their_tags() {
        for (encoded, expected) in [
            (&b"\x38\x05"[..], "field 7, varint: 5"),
            (b"\x38\x05\x38\x06", "field 7, varint: 5, 6"),
            (b"\x3a\x02ab", "field 7, length-delimited: \"ab\""),
            (
                b"\x3a\x02\xff\x00",
                "field 7, length-delimited: 0xff00 (2 bytes)",
            ),
            (
                b"\x38\x05\x3a\x01a",
                "field 7, varint: 5; field 7, length-delimited: \"a\"",
            ),
            (
                b"\x3d\0\0\x80\x3f",
                "field 7, 32-bit: 0x3f800000 (as float 1.0)",
            ),
            (b"\x3b\x08\x01\x3c", "field 7, group: 0x0801 (2 bytes)"),
        ] {
            let text = unknown_text(&Bytes::from_static(encoded));
            assert_eq!(text.as_deref(), Some(expected));
        }
        assert_eq!(unknown_text(&Bytes::new()), None);
        let many = unknown_text(&Bytes::from(b"\x38\x05".repeat(100))).unwrap();
        assert!(many.ends_with("5, …"), "{many}");
    }
}
