//! A message as lines of path and value, to be shown: paths are those of differences.
//!
//! With a descriptor by name (`items[2].price`, `labels["eu"]`, `detail[pkg.Type].name`), else by wire
//! field (`4.2[1]`); what length-delimited bytes are is guessed as when they are compared. Fields that
//! are not on the wire are not shown. Bounded by [`LINES_MAX`] and [`limits`].

use std::collections::BTreeMap;

use bytes::Bytes;
use prost_reflect::{
    DynamicMessage, Kind as FieldKind, MessageDescriptor, ReflectMessage as _, Value,
};

use super::drift::Half;
use super::proto::{self, time_text, unpack};
use super::render::{self, Raw};
use super::wire::{self, Shown};
use super::{Schema, limits, messages, status};
use crate::call::{Call, Direction};

/// Lines of one message.
pub const LINES_MAX: usize = 2_000;

/// A value of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where, as [`Difference::path`](super::Difference::path) writes it.
    pub path: String,
    /// Where in `path` each of its steps ends: names, and elements in brackets.
    pub ends: Vec<usize>,
    /// As text; texts and bytes in full, so that two that differ late are not taken for equal. Cutting and
    /// escaping it is the report's task.
    pub value: String,
}

/// One message to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// In the order of the descriptor, or of field numbers.
    pub lines: Vec<Line>,
    /// Are there more than [`LINES_MAX`]?
    pub is_cut: bool,
    /// Is it the message as bytes, because they cannot be decompressed or parsed, or are not all there?
    pub is_opaque: bool,
}

/// The request messages of `call`.
pub fn of_request(call: &Call, schema: Option<&Schema>) -> Vec<Contents> {
    let types = schema.and_then(|schema| schema.types_of(&call.rpc_method, Half::Request));
    of(
        &call.request,
        types.as_ref().map(|types| types.of(call.role)),
    )
}

/// Its response messages.
pub fn of_response(call: &Call, schema: Option<&Schema>) -> Vec<Contents> {
    let types = schema.and_then(|schema| schema.types_of(&call.rpc_method, Half::Response));
    of(
        &call.response,
        types.as_ref().map(|types| types.of(call.role)),
    )
}

/// The `google.rpc.Status` that came with its status; no lines if none came.
pub fn of_status_details(call: &Call, schema: Option<&Schema>) -> Contents {
    let encoded = &call.status_details;
    if encoded.is_empty() {
        return Contents::default();
    }
    let Some(parts) = status::parts(encoded) else {
        return contents(encoded, false, None);
    };
    let mut walk = Walk::default();
    walk.within("code", |walk| walk.line(parts.code.to_string()));
    if !parts.message.is_empty() {
        walk.within("message", |walk| {
            walk.line(render::whole_text(&parts.message))
        });
    }
    for (index, (name, value)) in parts.details.into_iter().enumerate() {
        let descriptor = schema.and_then(|schema| schema.message(&name));
        let detail = |walk: &mut Walk| {
            if !walk.encoded(&value, descriptor.as_ref()) {
                walk.line(render::whole_bytes(&value));
            }
        };
        walk.within("details", |walk| {
            walk.within(&format!("[{index}]"), |walk| {
                walk.within(&format!("[{name}]"), detail);
            });
        });
    }
    walk.finish(false)
}

fn of(direction: &Direction, descriptor: Option<&MessageDescriptor>) -> Vec<Contents> {
    let plain = messages::plain_messages(direction);
    let whole = plain
        .iter()
        .map(|message| contents(&message.bytes, message.is_opaque, descriptor));
    let cut = direction.messages.iter().skip(plain.len());
    let cut = cut.map(|message| contents(&message.bytes, true, None));
    whole.chain(cut).collect()
}

fn contents(bytes: &Bytes, is_opaque: bool, descriptor: Option<&MessageDescriptor>) -> Contents {
    let mut walk = Walk::default();
    let is_parsed = !is_opaque && walk.encoded(bytes, descriptor);
    if !is_parsed {
        walk.line(render::whole_bytes(bytes));
    }
    walk.finish(!is_parsed)
}

#[derive(Default)]
struct Walk {
    path: String,
    ends: Vec<usize>,
    lines: Vec<Line>,
    is_cut: bool,
}

impl Walk {
    fn line(&mut self, value: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(Line {
                path: self.path.clone(),
                ends: self.ends.clone(),
                value,
            });
        } else {
            self.is_cut = true;
        }
    }

    fn finish(self, is_opaque: bool) -> Contents {
        Contents {
            lines: self.lines,
            is_cut: self.is_cut,
            is_opaque,
        }
    }

    /// By descriptor if that fits, else by wire field; `false` if it is no message at all.
    fn encoded(&mut self, bytes: &Bytes, descriptor: Option<&MessageDescriptor>) -> bool {
        let decoded = descriptor
            .and_then(|descriptor| DynamicMessage::decode(descriptor.clone(), bytes.clone()).ok());
        match decoded {
            Some(message) => {
                self.message(&message, 0);
                true
            }
            None => self.wire(bytes, 0),
        }
    }

    /// Runs `walk` with `step` behind the path.
    fn within(&mut self, step: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if !self.path.is_empty() && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        self.ends.push(self.path.len());
        walk(self);
        self.ends.pop();
        self.path.truncate(length);
    }

    fn message(&mut self, message: &DynamicMessage, depth: u32) {
        if let Some(time) = time_text(message) {
            return self.line(time);
        }
        if depth >= limits::DEPTH_MAX {
            return self.line(render::message(message));
        }
        if let Some(inside) = unpack(message) {
            let name = format!("[{}]", inside.descriptor().full_name());
            return self.within(&name, |walk| walk.message(&inside, depth + 1));
        }
        let before = self.lines.len();
        for (field, value) in message.fields() {
            self.within(field.name(), |walk| {
                walk.value(value, &field.kind(), depth);
            });
        }
        for (extension, value) in message.extensions() {
            self.within(&format!("({})", extension.full_name()), |walk| {
                walk.value(value, &extension.kind(), depth);
            });
        }
        self.wire(&proto::unknown_bytes(message, &[]), depth);
        if self.lines.len() == before && !self.path.is_empty() {
            self.line("{}".to_owned());
        }
    }

    fn value(&mut self, value: &Value, kind: &FieldKind, depth: u32) {
        match value {
            Value::Message(message) => self.message(message, depth + 1),
            Value::List(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    if self.is_cut {
                        return;
                    }
                    self.within(&format!("[{index}]"), |walk| {
                        walk.value(element, kind, depth);
                    });
                }
            }
            Value::Map(entries) => {
                let entry_kind = proto::map_value_kind(kind).unwrap_or(FieldKind::Bool);
                let sorted: BTreeMap<_, _> = entries.iter().collect();
                for (key, entry) in sorted {
                    if self.is_cut {
                        return;
                    }
                    self.within(&format!("[{}]", render::map_key(key)), |walk| {
                        walk.value(entry, &entry_kind, depth);
                    });
                }
            }
            scalar => self.line(Raw::of(scalar, kind).whole()),
        }
    }

    /// By wire field; `false` if the bytes are no message.
    fn wire(&mut self, bytes: &Bytes, depth: u32) -> bool {
        let Some(fields) = wire::shown(bytes, depth) else {
            return false;
        };
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for (number, _) in &fields {
            *counts.entry(*number).or_default() += 1;
        }
        let mut indices: BTreeMap<u32, usize> = BTreeMap::new();
        for (number, shown) in fields {
            if self.is_cut {
                break;
            }
            let index = indices.entry(number).or_default();
            let element = format!("[{index}]");
            *index += 1;
            let show = |walk: &mut Self| match shown {
                Shown::Value(text) => walk.line(text),
                Shown::Message(bytes) if bytes.is_empty() => walk.line("\"\"".to_owned()),
                Shown::Message(bytes) => {
                    walk.wire(&bytes, depth + 1);
                }
            };
            self.within(&number.to_string(), |walk| match counts.get(&number) {
                Some(1) | None => show(walk),
                Some(_) => walk.within(&element, show),
            });
        }
        true
    }
}
