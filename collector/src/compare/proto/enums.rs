//! Enum values: by number, as on the wire, and by name, as people read them.

use prost_reflect::{EnumDescriptor, Kind as FieldKind, Value};

use super::fields::Kinds;
use crate::compare::difference::Kind;
use crate::compare::drift::{NumberNames, number_names};
use crate::compare::looks_like::LooksLike;
use crate::compare::render;
use crate::compare::sink::Sink;

/// Compares two numbers of a field.
pub(super) fn compare(kinds: Kinds<'_>, a: i32, b: i32, sink: &mut Sink) {
    let (FieldKind::Enum(of_a), FieldKind::Enum(of_b)) = (kinds.primary, kinds.candidate) else {
        return;
    };
    if a == b {
        if of_a == of_b {
            return;
        }
        let texts = (render::enum_number(of_a, a), render::enum_number(of_b, b));
        match number_names(of_a, of_b, a) {
            Some(NumberNames::Moved) => {
                let looks_like = Some(LooksLike::EnumRenumbered);
                sink.report(Kind::SchemaDrift, Some(texts.0), Some(texts.1), looks_like);
            }
            Some(NumberNames::Renamed) => sink.report_renamed(texts, LooksLike::EnumRenamed),
            Some(NumberNames::Same) | None => {}
        }
        return;
    }
    let names = (name(of_a, a), name(of_b, b));
    let looks_like = match &names {
        (Some(x), Some(_)) if has(of_b, b, x) => Some(LooksLike::EnumRenumbered),
        (Some(_), Some(_)) => None,
        _ => Some(LooksLike::UnknownEnumNumber),
    };
    let (a, b) = (Value::EnumNumber(a), Value::EnumNumber(b));
    let sides = (kinds.side(&a, false), kinds.side(&b, true));
    sink.report_values(Kind::Value, sides.0, sides.1, looks_like);
}

fn name(descriptor: &EnumDescriptor, number: i32) -> Option<String> {
    Some(descriptor.get_value(number)?.name().to_owned())
}

/// Is `name` one of the names of `number`? Aliases share a number.
fn has(descriptor: &EnumDescriptor, number: i32, name: &str) -> bool {
    let named = descriptor.get_value_by_name(name);
    named.is_some_and(|value| value.number() == number)
}
