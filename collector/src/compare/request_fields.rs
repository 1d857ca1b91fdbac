//! The fields of a request that have one value each, by path: what groups of differences may hang on.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _, Value};
use twintap_decode::grpc::decompress;

use super::drift::Half;
use super::limits::MESSAGE_BYTES_MAX;
use super::wire::Shown;
use super::{Schema, render, wire};
use crate::call::{Call, Message};

/// Levels of nested messages looked at.
const DEPTH_MAX: u32 = 4;

/// Tells `visit` path and value, as reports show them, of each field of the first request message
/// that has one value, and `count(path)` of each list and map. Fields without presence count with
/// their default. By wire field without a descriptor. `visit` answers whether it wants more. `false`
/// if there are fields that cannot be known, as the message was not captured whole.
pub fn request_fields(
    call: &Call,
    schema: Option<&Schema>,
    visit: &mut dyn FnMut(&str, String) -> bool,
) -> bool {
    let Some(bytes) = first_message(call) else {
        return call.request.messages_count == Some(0);
    };
    let decoded = schema
        .and_then(|schema| schema.types_of(&call.rpc_method, Half::Request))
        .and_then(|types| DynamicMessage::decode(types.of(call.role).clone(), bytes.clone()).ok());
    // Whether all was told or not, there is nothing left to do.
    match decoded {
        Some(message) => message_fields(&message, "", 0, visit),
        None => wire_fields(&bytes, "", 0, visit),
    };
    true
}

/// The first message of the request, if it was captured whole.
fn first_message(call: &Call) -> Option<Bytes> {
    let Message {
        compressed,
        declared_bytes,
        bytes,
        ..
    } = call.request.messages.first()?;
    if usize::try_from(*declared_bytes).ok()? != bytes.len() {
        return None;
    }
    if *compressed {
        return decompress(&call.request.encoding, bytes, MESSAGE_BYTES_MAX).ok();
    }
    Some(bytes.clone())
}

fn join(parent: &str, name: impl std::fmt::Display) -> String {
    if parent.is_empty() {
        name.to_string()
    } else {
        format!("{parent}.{name}")
    }
}

fn message_fields(
    message: &DynamicMessage,
    parent: &str,
    depth: u32,
    visit: &mut dyn FnMut(&str, String) -> bool,
) -> bool {
    if let Some(time) = super::proto::time_text(message) {
        return visit(parent, time);
    }
    if depth >= DEPTH_MAX {
        return true;
    }
    message.descriptor().fields().all(|field| {
        if field.supports_presence() && !message.has_field(&field) {
            return true;
        }
        let path = join(parent, field.name());
        match &*message.get_field(&field) {
            Value::List(list) => visit(&format!("count({path})"), list.len().to_string()),
            Value::Map(map) => visit(&format!("count({path})"), map.len().to_string()),
            Value::Message(inner) => message_fields(inner, &path, depth + 1, visit),
            value => visit(&path, value_text(value, &field.kind())),
        }
    })
}

/// An enum by its name alone.
fn value_text(value: &Value, kind: &Kind) -> String {
    if let (Value::EnumNumber(number), Kind::Enum(descriptor)) = (value, kind)
        && let Some(known) = descriptor.get_value(*number)
    {
        return known.name().to_owned();
    }
    render::value(value, kind)
}

fn wire_fields(
    bytes: &Bytes,
    parent: &str,
    depth: u32,
    visit: &mut dyn FnMut(&str, String) -> bool,
) -> bool {
    let Some(fields) = wire::shown(bytes, depth) else {
        return true;
    };
    fields.chunk_by(|(a, _), (b, _)| a == b).all(|same| {
        let [(number, value)] = same else {
            let number = same.first().map_or(0, |(number, _)| *number);
            let path = join(parent, number);
            return visit(&format!("count({path})"), same.len().to_string());
        };
        let path = join(parent, number);
        match value {
            Shown::Message(inner) if depth < DEPTH_MAX => {
                wire_fields(inner, &path, depth + 1, visit)
            }
            Shown::Message(_) => true,
            Shown::Value(text) => visit(&path, text.clone()),
        }
    })
}
