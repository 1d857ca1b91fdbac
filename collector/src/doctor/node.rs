//! A tree of values with the lines they stand on: what YAML and JSON have in common.
//!
//! Kubernetes spells names `camelCase`, Envoy `snake_case`, and patches in an EnvoyFilter either way
//! (protobuf JSON accepts both), so [`Node::get`] takes them for the same. Order of keys is kept.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess};
use serde_saphyr::Spanned;

/// A value and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Line in its document, from 1; `None` where the parser does not tell (JSON).
    pub line: Option<u64>,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Absent, empty, `null` or `~`.
    #[default]
    Null,
    /// `true` or `false`, without quotes.
    Bool(bool),
    /// A number, without quotes.
    Number(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The value of `key`, written in camel or snake case; `None` also for a null.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let exact = self.entries().find(|(name, _)| *name == key);
        let found = exact.or_else(|| self.entries().find(|(name, _)| is_same_name(name, key)));
        found
            .map(|(_, node)| node)
            .filter(|node| node.value != Value::Null)
    }

    /// Keys and values of a mapping; nothing else has any.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Self)> {
        let entries: &[(String, Self)] = match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        };
        entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Values of a sequence; nothing else has any.
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number, also one in quotes: Kubernetes takes many of them either way, and protobuf JSON
    /// writes 64-bit integers as text.
    pub fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Number(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A boolean, also one in quotes, as annotations have it.
    pub fn boolean(&self) -> Option<bool> {
        match &self.value {
            Value::Bool(value) => Some(*value),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// As JSON, with whole numbers as such.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => {
                // Display writes 5.0 as 5.
                let written = serde_json::from_str(&number.to_string());
                written.unwrap_or_else(|_| (*number).into())
            }
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, node)| (key.clone(), node.json()));
                serde_json::Value::Object(entries.collect())
            }
        }
    }

    /// Adds `lines` to every line, for a document that does not begin its file.
    pub fn shift(&mut self, lines: u64) {
        self.line = self.line.map(|line| line + lines);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|node| node.shift(lines)),
            Value::Map(entries) => entries.iter_mut().for_each(|(_, node)| node.shift(lines)),
            _ => {}
        }
    }
}

/// Are `left` and `right` one name but for underscores and capitals?
fn is_same_name(left: &str, right: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> {
        let letters = name.bytes().filter(|byte| *byte != b'_');
        letters.map(|byte| byte.to_ascii_lowercase())
    }
    letters(left).eq(letters(right))
}

/// A tree read by a parser that does not tell lines.
#[derive(Debug)]
pub(super) struct Plain(pub(super) Node);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(Tree::<Self>(PhantomData))?;
        Ok(Self(Node { line: None, value }))
    }
}

impl From<Plain> for Node {
    fn from(Plain(node): Plain) -> Self {
        node
    }
}

/// A tree read from YAML.
#[derive(Debug)]
pub(super) struct Located(pub(super) Node);

struct Body(Value);

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Tree::<Located>(PhantomData);
        deserializer.deserialize_any(tree).map(Self)
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Body>::deserialize(deserializer)?;
        Ok(Self(Node {
            line: Some(spanned.referenced.line()).filter(|line| *line > 0),
            value: spanned.value.0,
        }))
    }
}

impl From<Located> for Node {
    fn from(Located(node): Located) -> Self {
        node
    }
}

/// Reads a value whose inner nodes are read as `T`.
struct Tree<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Into<Node>> de::Visitor<'de> for Tree<T> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "settings beyond 2^53 tell no more"
        )]
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "settings beyond 2^53 tell no more"
        )]
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Text(String::from_utf8_lossy(value).into_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<T>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(Name(key)) = access.next_key::<Name>()? {
            entries.push((key, access.next_value::<T>()?.into()));
        }
        Ok(Value::Map(entries))
    }
}

/// A key: text, or a number or boolean that is meant as text.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(Tree::<Plain>(PhantomData))?;
        match value {
            Value::Text(text) => Ok(Self(text)),
            Value::Number(number) => Ok(Self(number.to_string())),
            Value::Bool(value) => Ok(Self(value.to_string())),
            Value::Null => Ok(Self(String::new())),
            _ => Err(de::Error::custom("a key must be text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_camel_and_snake_case() {
        let Located(node) = serde_saphyr::from_str("a:\n  vmConfig: {vm_id: x}\n").unwrap();
        let id = node.get("a").and_then(|a| a.get("vm_config")?.get("vmId"));
        assert_eq!(id.and_then(Node::text), Some("x"));
    }

    #[test]
    fn a_value_of_yaml_knows_its_line() {
        let Located(node) = serde_saphyr::from_str("a: 1\nb:\n- c: two\n- 3\n").unwrap();
        let list = node.get("b").unwrap().items();
        assert_eq!(list[0].get("c").unwrap().line, Some(3));
        assert_eq!((list[1].line, list[1].number()), (Some(4), Some(3.0)));
    }

    #[test]
    fn json_gives_the_same_tree_without_lines() {
        let Plain(node) = serde_json::from_str(r#"{"a": [true, null, "x", 1.5]}"#).unwrap();
        let list = node.get("a").unwrap().items();
        assert_eq!(list[0].boolean(), Some(true));
        assert_eq!(list[1].value, Value::Null);
        assert_eq!(list[3].number(), Some(1.5));
    }
}
