//! One value changed in place.

use prost_reflect::{DynamicMessage, Kind as FieldKind, ReflectMessage as _, Value};
use twintap::compare::{Kind, LooksLike};

use crate::generate::{self, Random};
use crate::locate::{Spot, edit, get, spots};
use crate::sample::{Class, Expected, Sample};

pub fn sample(
    class: Class,
    method: &str,
    base: &DynamicMessage,
    random: &mut Random,
) -> Option<Sample> {
    let found = spots(base);
    let fit: Vec<(&Spot, Value, Expected)> = found
        .iter()
        .filter_map(|spot| {
            let value = get(base, &spot.steps);
            let changed = changed(class, spot, &value, random)?;
            Some((spot, changed.value, changed.expected))
        })
        .collect();
    let (spot, value, expected) = random.pick(&fit)?;
    let mut other = base.clone();
    edit(&mut other, &spot.steps, &mut |old| *old = value.clone());
    Some(Sample::of_messages(
        class,
        method,
        (base, &other),
        vec![expected.clone()],
    ))
}

struct Changed {
    value: Value,
    expected: Expected,
}

/// The value as `class` changes it; `None` if it is not of that class.
fn changed(class: Class, spot: &Spot, value: &Value, random: &mut Random) -> Option<Changed> {
    let expect = |looks_like| Expected::in_message(&spot.path, Kind::Value, looks_like);
    let (value, expected) = match (class, value) {
        (Class::Number | Class::OffByOne, _) => {
            let by = if class == Class::OffByOne {
                1
            } else {
                random.between(7, 900)
            };
            let looks_like = (class == Class::OffByOne).then_some(LooksLike::OffByOne);
            (plus(value, by)?, expect(looks_like))
        }
        (Class::Flag, Value::Bool(flag)) => (Value::Bool(!flag), expect(None)),
        (
            Class::Rounding
            | Class::CutDecimals
            | Class::SinglePrecision
            | Class::Scale
            | Class::Sign
            | Class::FloatJitter,
            Value::F64(number),
        ) => {
            let (number, looks_like) = decimal(class, *number)?;
            (Value::F64(number), expect(looks_like))
        }
        (Class::TimeZone | Class::TimePrecision | Class::Clock, Value::Message(time)) => {
            let (time, looks_like) = moved(class, time, random)?;
            (Value::Message(time), expect(Some(looks_like)))
        }
        (Class::Enum | Class::EnumUnknown, Value::EnumNumber(number)) => {
            let FieldKind::Enum(kind) = &spot.kind else {
                return None;
            };
            if class == Class::EnumUnknown {
                // A closed enum's unknown number is an unknown field.
                if kind.parent_file().syntax() == prost_reflect::Syntax::Proto2 {
                    return None;
                }
                let looks_like = Some(LooksLike::UnknownEnumNumber);
                (Value::EnumNumber(77), expect(looks_like))
            } else {
                let other = kind.values().find(|value| value.number() != *number)?;
                (Value::EnumNumber(other.number()), expect(None))
            }
        }
        (Class::AnyType | Class::AnyValue, Value::Message(any)) => {
            return any_changed(class, spot, any, random);
        }
        (class, Value::String(text)) => {
            let (text, looks_like) = rewritten(class, text, random)?;
            (Value::String(text), expect(looks_like))
        }
        (Class::Truncated, Value::Bytes(bytes)) => {
            let cut = bytes.slice(..bytes.len() - 7);
            (Value::Bytes(cut), expect(Some(LooksLike::Truncated)))
        }
        _ => return None,
    };
    Some(Changed { value, expected })
}

fn plus(value: &Value, by: i64) -> Option<Value> {
    let narrow = i32::try_from(by).unwrap();
    Some(match value {
        Value::I32(value) => Value::I32(value + narrow),
        Value::I64(value) => Value::I64(value + by),
        Value::U32(value) => Value::U32(value + narrow.unsigned_abs()),
        Value::U64(value) => Value::U64(value + by.unsigned_abs()),
        _ => return None,
    })
}

fn decimal(class: Class, number: f64) -> Option<(f64, Option<LooksLike>)> {
    let cents = number * 100.0;
    let looks_like = match class {
        Class::Rounding => LooksLike::Rounding,
        Class::CutDecimals => LooksLike::CutDecimals,
        Class::SinglePrecision => LooksLike::SinglePrecision,
        Class::Scale => LooksLike::Scale,
        Class::Sign => LooksLike::Sign,
        _ => return Some((number * (1.0 + 1e-13), None)).filter(|(other, _)| *other != number),
    };
    let other = match class {
        Class::Rounding => format!("{number:.2}").parse().unwrap(),
        Class::CutDecimals => cents.trunc() / 100.0,
        Class::SinglePrecision => f64::from(number as f32),
        Class::Scale => number * 1000.0,
        _ => -number,
    };
    (other != number).then_some((other, Some(looks_like)))
}

fn moved(
    class: Class,
    time: &DynamicMessage,
    random: &mut Random,
) -> Option<(DynamicMessage, LooksLike)> {
    if time.descriptor().full_name() != "google.protobuf.Timestamp" {
        return None;
    }
    let seconds = time.get_field_by_name("seconds")?.as_i64()?;
    let nanos = time.get_field_by_name("nanos")?.as_i32()?;
    let (seconds, nanos, looks_like) = match class {
        Class::TimeZone => {
            let hours = random.between(1, 12);
            (seconds + hours * 3600, nanos, LooksLike::TimeZone)
        }
        Class::TimePrecision => {
            let coarse = nanos / 1_000_000 * 1_000_000;
            if coarse == nanos {
                return None;
            }
            (seconds, coarse, LooksLike::TimePrecision)
        }
        _ => (seconds + random.between(1, 40), nanos, LooksLike::Clock),
    };
    let made = generate::seconds_and_nanos("google.protobuf.Timestamp", seconds, nanos);
    Some((made, looks_like))
}

fn rewritten(class: Class, text: &str, random: &mut Random) -> Option<(String, Option<LooksLike>)> {
    let is_words = text.contains(' ');
    let looks_like = |looks_like| Some(looks_like);
    Some(match class {
        Class::Text if is_words => (random.words(), None),
        Class::LetterCase if is_words => (text.to_uppercase(), looks_like(LooksLike::LetterCase)),
        Class::WhiteSpace if is_words => (
            format!("{} ", text.replacen(' ', "  ", 1)),
            looks_like(LooksLike::WhiteSpace),
        ),
        Class::Truncated if is_words => (
            text[..text.len() - 9].trim_end().to_owned(),
            looks_like(LooksLike::Truncated),
        ),
        Class::Encoding if is_words => (hexadecimal(text), looks_like(LooksLike::Encoding)),
        Class::UuidRegenerated if text.len() == 36 && text.matches('-').count() == 4 => {
            (random.uuid(), looks_like(LooksLike::RegeneratedId))
        }
        Class::HashRegenerated if text.len() == 64 && !is_words => {
            (random.hex(64), looks_like(LooksLike::RegeneratedId))
        }
        Class::TokenRegenerated if text.starts_with("t0") && !is_words => {
            (random.token(), looks_like(LooksLike::RegeneratedId))
        }
        Class::TextTimeZone if text.ends_with('Z') && text.starts_with("2026-") => {
            (text.replace("T10", "T13"), looks_like(LooksLike::TimeZone))
        }
        _ => return None,
    })
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn any_changed(
    class: Class,
    spot: &Spot,
    any: &DynamicMessage,
    random: &mut Random,
) -> Option<Changed> {
    if any.descriptor().full_name() != "google.protobuf.Any" {
        return None;
    }
    let url = any.get_field_by_name("type_url")?.as_str()?.to_owned();
    let name = url.rsplit('/').next()?;
    let descriptor = crate::types::POOL.get_message_by_name(name)?;
    let bytes = any.get_field_by_name("value")?.as_bytes()?.clone();
    if class == Class::AnyType {
        let other = crate::types::POOL.get_message_by_name("corpus.telemetry.Reading")?;
        let inner = generate::message(&other, random, 3);
        return Some(Changed {
            value: Value::Message(generate::pack(&inner)),
            expected: Expected::in_message(&spot.path, Kind::Type, None),
        });
    }
    let mut inner = DynamicMessage::decode(descriptor, bytes).ok()?;
    let numbers: Vec<Spot> = spots(&inner)
        .into_iter()
        .filter(|spot| plus(&get(&inner, &spot.steps), 7).is_some())
        .collect();
    let inside = random.pick(&numbers)?;
    edit(&mut inner, &inside.steps, &mut |value| {
        *value = plus(value, 7).unwrap();
    });
    let path = format!("{}[{name}].{}", spot.path, inside.path);
    Some(Changed {
        value: Value::Message(generate::pack(&inner)),
        expected: Expected::in_message(&path, Kind::Value, None),
    })
}
