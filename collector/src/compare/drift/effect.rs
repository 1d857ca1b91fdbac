//! What a change of type does to bytes that one side writes and the other reads.

use prost_reflect::Kind;

/// What a change does to messages. In order: the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing on the wire: both sides read the same value.
    None,
    /// Both sides can read what the other writes, and may lose a part of it: a value out of range,
    /// a field that is not known.
    Lossy,
    /// One side reads another value than was written, or none.
    Breaking,
}

impl Effect {
    /// Stable name, as in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lossy => "lossy",
            Self::Breaking => "breaking",
        }
    }
}

/// Types that share an encoding: one can read what another wrote, if it fits.
#[derive(PartialEq, Eq)]
enum Family {
    /// Plain varints.
    Varint,
    /// Zigzag varints.
    Zigzag,
    Fixed32,
    Fixed64,
    Float,
    Double,
    /// Length-delimited, the inside not known to the wire.
    Bytes,
}

fn family(kind: &Kind) -> Family {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => {
            Family::Varint
        }
        Kind::Sint32 | Kind::Sint64 => Family::Zigzag,
        Kind::Fixed32 | Kind::Sfixed32 => Family::Fixed32,
        Kind::Fixed64 | Kind::Sfixed64 => Family::Fixed64,
        Kind::Float => Family::Float,
        Kind::Double => Family::Double,
        Kind::String | Kind::Bytes | Kind::Message(_) => Family::Bytes,
    }
}

/// Of a field of type `a` at the primary and `b` at the candidate. Two messages or two enums are
/// the same type here, whatever is in them.
pub(in crate::compare) fn of_kinds(a: &Kind, b: &Kind) -> Effect {
    match (a, b) {
        (Kind::Message(_), Kind::Message(_)) | (Kind::Enum(_), Kind::Enum(_)) => Effect::None,
        // Text is no message, whatever its bytes.
        (Kind::Message(_), Kind::String) | (Kind::String, Kind::Message(_)) => Effect::Breaking,
        (a, b) if a == b => Effect::None,
        (a, b) if family(a) == family(b) => Effect::Lossy,
        _ => Effect::Breaking,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_as_compatible_as_protobuf_says() {
        for (a, b, effect) in [
            (Kind::Int32, Kind::Int32, Effect::None),
            (Kind::Int32, Kind::Int64, Effect::Lossy),
            (Kind::Uint64, Kind::Bool, Effect::Lossy),
            (Kind::Sint32, Kind::Sint64, Effect::Lossy),
            (Kind::Int32, Kind::Sint32, Effect::Breaking),
            (Kind::Fixed32, Kind::Sfixed32, Effect::Lossy),
            (Kind::Fixed32, Kind::Float, Effect::Breaking),
            (Kind::Fixed32, Kind::Fixed64, Effect::Breaking),
            (Kind::Float, Kind::Double, Effect::Breaking),
            (Kind::String, Kind::Bytes, Effect::Lossy),
            (Kind::String, Kind::Int64, Effect::Breaking),
        ] {
            assert_eq!(of_kinds(&a, &b), effect, "{a:?} {b:?}");
            assert_eq!(of_kinds(&b, &a), effect, "{b:?} {a:?}");
        }
    }
}
