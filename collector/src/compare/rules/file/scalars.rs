//! What is expected where: a value that is written in one way or another, or faults with their places.

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use serde_saphyr::Location;

use super::node::{At, Node};

/// What is wrong, and where if that is not the whole value.
pub(super) struct Fault {
    pub(super) at: Option<Location>,
    pub(super) text: String,
}

/// Makes a value of what is written, or says all that is wrong with it.
pub(super) type Read<T> = Result<T, Vec<Fault>>;

fn fault<T>(text: impl Into<String>) -> Read<T> {
    Err(vec![Fault {
        at: None,
        text: text.into(),
    }])
}

fn expected<T>(what: &str, found: &Node) -> Read<T> {
    fault(format!("{what} is expected, found {}", found.what()))
}

/// Each element by itself, so that all that are wrong are named.
pub(super) fn list<T>(elements: &[At<Node>], read: impl Fn(&Node) -> Read<T>) -> Read<Vec<T>> {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for element in elements {
        match read(&element.value) {
            Ok(value) => values.push(value),
            Err(found) => faults.extend(found.into_iter().map(|fault| Fault {
                at: fault.at.or(Some(element.referenced)),
                ..fault
            })),
        }
    }
    if faults.is_empty() {
        Ok(values)
    } else {
        Err(faults)
    }
}

/// The elements of a list, whatever they are.
pub(super) fn elements(node: &Node) -> Read<Vec<At<Node>>> {
    match node {
        Node::List(elements) => Ok(elements.clone()),
        other => expected("a list", other),
    }
}

/// A text; what looks like something else has to be in quotes.
pub(super) fn text(node: &Node) -> Read<String> {
    match node {
        Node::Text(text) => Ok(text.clone()),
        Node::Number(_) | Node::Bool(_) => {
            expected("a text (in quotes, if it looks like a number)", node)
        }
        other => expected("a text", other),
    }
}

/// `true` or `false`.
pub(super) fn boolean(node: &Node) -> Read<bool> {
    match node {
        Node::Bool(value) => Ok(*value),
        other => expected("true or false", other),
    }
}

/// Any number.
pub(super) fn number(node: &Node) -> Read<f64> {
    match node {
        Node::Number(value) => Ok(*value),
        other => expected("a number", other),
    }
}

/// One of the names of `T`.
pub(super) fn name<T: for<'de> Deserialize<'de>>(node: &Node) -> Read<T> {
    let name = text(node)?;
    let read: StrDeserializer<'_, Error> = name.as_str().into_deserializer();
    T::deserialize(read).or_else(|error| fault(error.to_string().replace("variant", "name")))
}

/// A list of names of `T`.
pub(super) fn names<T: for<'de> Deserialize<'de>>(node: &Node) -> Read<Vec<T>> {
    match node {
        Node::List(elements) => list(elements, name),
        other => expected("a list of names", other),
    }
}

/// A text, or a list of texts that is not empty.
pub(super) fn one_or_many(node: &Node) -> Read<Vec<String>> {
    match node {
        Node::List(elements) if elements.is_empty() => fault("the list is empty"),
        Node::List(elements) => list(elements, text),
        Node::Text(text) => Ok(vec![text.clone()]),
        other => expected(
            "a text (in quotes, if it looks like a number) or a list of texts",
            other,
        ),
    }
}

/// `true`, or kinds of differences.
pub(super) enum IgnoreWhat {
    Everything(bool),
    Kinds(Vec<String>),
}

pub(super) fn ignore_what(node: &Node) -> Read<IgnoreWhat> {
    match node {
        Node::Bool(everything) => Ok(IgnoreWhat::Everything(*everything)),
        Node::Text(_) | Node::List(_) => Ok(IgnoreWhat::Kinds(one_or_many(node)?)),
        other => expected("true or a list of kinds of differences", other),
    }
}

/// `true`, or the field by which elements are told apart.
pub(super) enum OrderWhat {
    Set(bool),
    Keyed(String),
}

pub(super) fn order_what(node: &Node) -> Read<OrderWhat> {
    match node {
        Node::Bool(set) => Ok(OrderWhat::Set(*set)),
        Node::Map(entries) => match entries.as_slice() {
            [(key, field)] if text(&key.value).is_ok_and(|key| key == "key") => {
                let path = text(&field.value)?;
                let is_path = path.split('.').all(is_name);
                match is_path {
                    true => Ok(OrderWhat::Keyed(path)),
                    false => fault(format!(
                        "{path:?} is no name of a field, and no path of names: id, or meta.id"
                    )),
                }
            }
            _ => fault("{ key: FIELD } is expected, with nothing else in it"),
        },
        other => expected("true or { key: FIELD }", other),
    }
}

/// Could it be a field's name or number, or a key of JSON?
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['[', ']', '(', ')', '*', '"'])
}

/// `0.01` or `1%`.
pub(super) fn share(node: &Node) -> Read<f64> {
    match node {
        Node::Number(share) => Ok(*share),
        Node::Text(text) => {
            let percent = text.strip_suffix('%').map(str::trim).unwrap_or_default();
            // As a person reads it: 0.7 divided by 100 is not 0.007.
            let number = format!("{percent}e-2").parse::<f64>();
            number.or_else(|_| fault(format!("{text:?} is no share: write 0.01 or 1%")))
        }
        other => expected("a share such as 0.01 or 1%", other),
    }
}

/// Nanoseconds: `5s`, `1h 30m`.
pub(super) fn duration_ns(node: &Node) -> Read<i128> {
    let Node::Text(text) = node else {
        return expected("a duration such as 5s or 100ms", node);
    };
    match text.parse::<SignedDuration>() {
        Ok(duration) if duration.is_negative() => fault(format!("{text:?} is negative")),
        Ok(duration) => Ok(duration.as_nanos()),
        Err(_) => fault(format!("{text:?} is no duration: write 5s or 100ms")),
    }
}
