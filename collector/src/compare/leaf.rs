//! A value as rules see it: typed, not cut, not rendered.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Value};

/// One side of a difference.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf<'a> {
    /// Text, or bytes that are text.
    Text(&'a str),
    /// Other bytes.
    Bytes(&'a [u8]),
    /// A whole number of any width.
    Integer(i128),
    /// A floating point number.
    Float(f64),
    /// `google.protobuf.Timestamp`, nanoseconds since the Unix epoch.
    Instant(i128),
    /// `google.protobuf.Duration`, nanoseconds.
    Span(i128),
    /// A message, list, map, bool or enum with nothing in it but zeros and emptiness.
    Hollow,
    /// Another one of these: no rule on values applies.
    Other,
}

impl<'a> Leaf<'a> {
    /// Bytes, which may be text.
    pub(super) fn of_bytes(bytes: &'a [u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Bytes(bytes), Self::Text)
    }

    /// A value of any field.
    pub(super) fn of_value(value: &'a Value) -> Self {
        match value {
            Value::I32(v) => Self::Integer(i128::from(*v)),
            Value::I64(v) => Self::Integer(i128::from(*v)),
            Value::U32(v) => Self::Integer(i128::from(*v)),
            Value::U64(v) => Self::Integer(i128::from(*v)),
            // The number that it stands for: as a double, 54.56 is 54.560001373291016.
            Value::F32(v) => Self::Float(v.to_string().parse().unwrap_or(f64::from(*v))),
            Value::F64(v) => Self::Float(*v),
            Value::String(v) => Self::Text(v),
            Value::Bytes(v) => Self::of_bytes(v),
            value if is_hollow(value, 0) => Self::Hollow,
            _ => Self::Other,
        }
    }

    /// The bytes of a text or of bytes.
    pub(super) fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Is it zero or empty?
    pub(super) fn is_hollow(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::Integer(number) | Self::Instant(number) | Self::Span(number) => *number == 0,
            Self::Float(number) => number.to_bits() == 0,
            Self::Hollow => true,
            Self::Other => false,
        }
    }
}

/// Depth to which emptiness is looked for; a value that goes deeper is not empty.
const HOLLOW_DEPTH_MAX: u32 = 32;

fn is_hollow(value: &Value, depth: u32) -> bool {
    match value {
        Value::Bool(v) => !v,
        Value::I32(v) | Value::EnumNumber(v) => *v == 0,
        Value::I64(v) => *v == 0,
        Value::U32(v) => *v == 0,
        Value::U64(v) => *v == 0,
        Value::F32(v) => v.to_bits() == 0,
        Value::F64(v) => v.to_bits() == 0,
        Value::String(v) => v.is_empty(),
        Value::Bytes(v) => Bytes::is_empty(v),
        Value::List(v) => v.is_empty(),
        Value::Map(v) => v.is_empty(),
        Value::Message(message) => is_hollow_message(message, depth),
    }
}

fn is_hollow_message(message: &DynamicMessage, depth: u32) -> bool {
    depth < HOLLOW_DEPTH_MAX
        && message.unknown_fields().next().is_none()
        && message
            .fields()
            .all(|(_, value)| is_hollow(value, depth + 1))
        && message
            .extensions()
            .all(|(_, value)| is_hollow(value, depth + 1))
}
