//! Values as text for people: one line, bounded unless the name says whole. Escaping for a terminal is the
//! report's task.

use std::fmt::Write as _;

use prost_reflect::{DynamicMessage, EnumDescriptor, Kind as FieldKind, MapKey, Value};

use super::excerpt;
use super::limits::VALUE_CHARS_MAX;
use super::member::Member;

/// Levels of nested messages shown.
const DEPTH_MAX: u32 = 8;

/// A value that becomes text when it is known what it is shown beside: until then nothing is copied.
#[derive(Clone, Debug)]
pub(super) enum Raw<'v> {
    /// Shown in quotes.
    Text(&'v str),
    /// Shown as text if they are printable, else in hexadecimal.
    Bytes(&'v [u8]),
    /// Text already.
    Rendered(String),
}

impl<'v> Raw<'v> {
    /// A value of a field of `kind`.
    pub(super) fn of(value: &'v Value, kind: &FieldKind) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            other => Self::Rendered(self::value(other, kind)),
        }
    }

    /// In full.
    pub(super) fn whole(self) -> String {
        match self {
            Self::Text(text) => whole_text(text),
            Self::Bytes(bytes) => whole_bytes(bytes),
            Self::Rendered(text) => text,
        }
    }
}

impl From<String> for Raw<'_> {
    fn from(text: String) -> Self {
        Self::Rendered(text)
    }
}

/// One or both sides of a difference, cut so that two do not look equal.
pub(super) fn sides(old: Option<Raw>, new: Option<Raw>) -> (Option<String>, Option<String>) {
    if let (Some(Raw::Bytes(old)), Some(Raw::Bytes(new))) = (&old, &new)
        && printable(old).is_none()
        && printable(new).is_none()
    {
        let (old, new) = excerpt::both_bytes(old, new);
        return (Some(old), Some(new));
    }
    let whole = |side: Option<Raw>| {
        side.map(|side| match side {
            // Only its head is compared with anything: that is enough of it.
            Raw::Bytes(value) if printable(value).is_none() => excerpt::one_bytes(value),
            side => side.whole(),
        })
    };
    excerpt::sides(whole(old), whole(new))
}

/// A text in quotes.
pub(super) fn text(value: &str) -> String {
    let mut out = String::from("\"");
    cut(&mut out, value);
    out.push('"');
    bound(out)
}

/// The same, however long it is.
pub(super) fn whole_text(value: &str) -> String {
    format!("\"{value}\"")
}

/// A text without quotes.
pub(super) fn plain(value: &str) -> String {
    let mut out = String::new();
    cut(&mut out, value);
    bound(out)
}

/// Bytes: as text if they are printable, else in hexadecimal.
pub(super) fn bytes(value: &[u8]) -> String {
    printable(value).map_or_else(|| excerpt::one_bytes(value), text)
}

/// The same, however many there are.
pub(super) fn whole_bytes(value: &[u8]) -> String {
    if let Some(valid) = printable(value) {
        return whole_text(valid);
    }
    let mut out = String::with_capacity(2 * value.len() + 16);
    out.push_str("0x");
    for byte in value {
        let _infallible = write!(out, "{byte:02x}");
    }
    let _infallible = write!(out, " ({} bytes)", value.len());
    out
}

fn printable(value: &[u8]) -> Option<&str> {
    let valid = std::str::from_utf8(value).ok()?;
    (!valid.is_empty() && !valid.chars().any(char::is_control)).then_some(valid)
}

/// Two lists of the same elements in another order. Where they would look equal because of what is cut,
/// the elements that they begin with in common are left out; where that does not tell them apart, their first
/// `elements` that differ are shown, around where they do.
pub(super) fn lists<T: PartialEq>(
    old: &[T],
    new: &[T],
    text_of_old: impl Fn(&[T]) -> String,
    text_of_new: impl Fn(&[T]) -> String,
    elements: impl Fn(&T, &T) -> (Option<String>, Option<String>),
) -> (Option<String>, Option<String>) {
    let texts = (text_of_old(old), text_of_new(new));
    if texts.0 != texts.1 {
        return (Some(texts.0), Some(texts.1));
    }
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = |text: String| format!("({same} elements cut)…{text}");
    let (old, new) = (
        old.get(same..).unwrap_or_default(),
        new.get(same..).unwrap_or_default(),
    );
    let texts = (text_of_old(old), text_of_new(new));
    match old.first().zip(new.first()) {
        Some((old, new)) if texts.0 == texts.1 => {
            let texts = elements(old, new);
            (texts.0.map(rest), texts.1.map(rest))
        }
        _ => (Some(rest(texts.0)), Some(rest(texts.1))),
    }
}

/// An enum number with its name.
pub(super) fn enum_number(descriptor: &EnumDescriptor, number: i32) -> String {
    match descriptor.get_value(number) {
        Some(known) => format!("{} ({number})", known.name()),
        None => format!("{number} (no name)"),
    }
}

/// Any value of a field of `kind`.
pub(super) fn value(value: &Value, kind: &FieldKind) -> String {
    let mut out = String::new();
    write_value(&mut out, value, kind, 0);
    bound(out)
}

/// A message's fields in braces.
pub(super) fn message(message: &DynamicMessage) -> String {
    let mut out = String::new();
    write_message(&mut out, message, 0);
    bound(out)
}

/// A map key as it appears in a path.
pub(super) fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => quoted_key(key),
    }
}

/// A key in quotes, which it cannot end: what is in them stands behind a backslash.
pub(super) fn quoted_key(key: &str) -> String {
    text(&key.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write_value(out: &mut String, value: &Value, kind: &FieldKind, depth: u32) {
    if out.len() > VALUE_CHARS_MAX * 4 {
        return;
    }
    match (value, kind) {
        (Value::Bool(v), _) => push(out, v),
        (Value::I32(v), _) => push(out, v),
        (Value::I64(v), _) => push(out, v),
        (Value::U32(v), _) => push(out, v),
        (Value::U64(v), _) => push(out, v),
        (Value::F32(v), _) => push(out, format_args!("{v:?}")),
        (Value::F64(v), _) => push(out, format_args!("{v:?}")),
        (Value::String(v), _) => push(out, text(v)),
        (Value::Bytes(v), _) => push(out, bytes(v)),
        (Value::EnumNumber(v), FieldKind::Enum(descriptor)) => {
            push(out, enum_number(descriptor, *v));
        }
        (Value::EnumNumber(v), _) => push(out, v),
        (Value::Message(v), _) => write_message(out, v, depth),
        (Value::List(elements), _) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate().take(VALUE_CHARS_MAX) {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(out, element, kind, depth);
            }
            out.push(']');
        }
        (Value::Map(entries), _) => {
            let mut keys: Vec<_> = entries.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            let kind = super::proto::map_value_kind(kind);
            out.push('{');
            for (index, (key, entry)) in keys.into_iter().enumerate().take(VALUE_CHARS_MAX) {
                out.push_str(if index == 0 { "" } else { ", " });
                push(out, format_args!("{}: ", map_key(key)));
                write_value(out, entry, kind.as_ref().unwrap_or(&FieldKind::Bool), depth);
            }
            out.push('}');
        }
    }
}

fn write_message(out: &mut String, message: &DynamicMessage, depth: u32) {
    if let Some(time) = super::proto::time_text(message) {
        out.push_str(&time);
        return;
    }
    if depth >= DEPTH_MAX {
        out.push_str("{…}");
        return;
    }
    out.push('{');
    let fields = message
        .fields()
        .map(|(field, value)| (Member::Field(field), value));
    let extensions = message.extensions();
    let extensions = extensions.map(|(extension, value)| (Member::Extension(extension), value));
    for (index, (member, value)) in fields.chain(extensions).enumerate() {
        out.push_str(if index == 0 { "" } else { ", " });
        push(out, format_args!("{member}: "));
        write_value(out, value, &member.kind(), depth + 1);
    }
    out.push('}');
}

fn push(out: &mut String, part: impl std::fmt::Display) {
    let _infallible = write!(out, "{part}");
}

fn cut(out: &mut String, value: &str) {
    match value.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => out.push_str(value.get(..end).unwrap_or_default()),
        None => out.push_str(value),
    }
}

/// Cuts `out` to the limit, with a sign that it was.
fn bound(mut out: String) -> String {
    if let Some((end, _)) = out.char_indices().nth(VALUE_CHARS_MAX - 1)
        && out.chars().nth(VALUE_CHARS_MAX).is_some()
    {
        out.truncate(end);
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_whose_elements_differ_late_are_told_apart() {
        let long = |end: &str| format!("{}{end}", "x".repeat(VALUE_CHARS_MAX + 100));
        let (one, two) = (long("one"), long("two"));
        let text = |list: &[String]| bound(format!("[{}]", list.join(", ")));
        let both = |old: &String, new: &String| sides(Some(Raw::Text(old)), Some(Raw::Text(new)));
        let (old, new) = (
            [&one, &two].map(Clone::clone),
            [&two, &one].map(Clone::clone),
        );
        let (old, new) = lists(&old, &new, text, text, both);
        let (old, new) = (old.unwrap(), new.unwrap());
        assert!(old.contains("xone") && new.contains("xtwo"), "{old} {new}");
    }
}
