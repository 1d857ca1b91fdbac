//! A number for a value: equal values have equal numbers, so that lists can be aligned fast.

use std::hash::{DefaultHasher, Hash, Hasher};

use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};

use super::fields;
use crate::compare::limits::DEPTH_MAX;
use crate::compare::sink::Sink;

/// The number of `value`, which stands for "equal" as [`super::messages`] understands it.
pub(super) fn of(value: &Value, sink: &mut Sink) -> u64 {
    let mut hasher = DefaultHasher::new();
    write(value, 0, &mut hasher, sink);
    hasher.finish()
}

/// `depth` counts messages, as the decoder does; lists and maps are no level of their own.
fn write(value: &Value, depth: u32, hasher: &mut DefaultHasher, sink: &mut Sink) {
    if depth > DEPTH_MAX {
        return sink.exhaust();
    }
    if !sink.spend(1) {
        return;
    }
    match value {
        // By what they say, so that types which share an encoding are equal where their values are.
        Value::Bool(_)
        | Value::I32(_)
        | Value::I64(_)
        | Value::U32(_)
        | Value::U64(_)
        | Value::EnumNumber(_) => fields::number(value).hash(hasher),
        Value::F32(v) => if v.is_nan() { f32::NAN } else { *v }
            .to_bits()
            .hash(hasher),
        Value::F64(v) => if v.is_nan() { f64::NAN } else { *v }
            .to_bits()
            .hash(hasher),
        Value::String(v) => v.as_bytes().hash(hasher),
        Value::Bytes(v) => v.as_ref().hash(hasher),
        Value::Message(v) => write_message(v, depth + 1, hasher, sink),
        Value::List(elements) => {
            elements.len().hash(hasher);
            elements
                .iter()
                .for_each(|element| write(element, depth, hasher, sink));
        }
        Value::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            entries.len().hash(hasher);
            for (key, entry) in entries {
                key.hash(hasher);
                write(entry, depth, hasher, sink);
            }
        }
    }
}

fn write_message(
    message: &DynamicMessage,
    depth: u32,
    hasher: &mut DefaultHasher,
    sink: &mut Sink,
) {
    for field in message.descriptor().fields() {
        // Without presence, default and absent are equal.
        if !message.has_field(&field) && field.supports_presence() {
            continue;
        }
        field.number().hash(hasher);
        write(&message.get_field(&field), depth, hasher, sink);
    }
    for (extension, value) in message.extensions() {
        extension.number().hash(hasher);
        write(value, depth, hasher, sink);
    }
    let mut encoded = Vec::new();
    message
        .unknown_fields()
        .for_each(|field| field.encode(&mut encoded));
    encoded.hash(hasher);
}
