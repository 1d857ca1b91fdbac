//! A place in an input: a node, the way to it, and the object it belongs to.
//!
//! Checks walk inputs with [`At`], so that whatever they find can be named without further ado.

use serde::Serialize;

use super::node::Node;

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// File, `-`, address or folder, as the user named it.
    pub input: String,
    /// Line, from 1; absent where the format has none to speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Number of the YAML document in its file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<u64>,
    /// What it is part of, such as `VirtualService shop/orders` or `cluster new`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The way to it, such as `spec.http[0].mirrors`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// A node and where it is.
#[derive(Clone, Debug)]
pub struct At<'a> {
    node: &'a Node,
    origin: &'a Place,
    path: String,
}

impl<'a> At<'a> {
    /// The root of what `origin` names.
    pub fn root(node: &'a Node, origin: &'a Place) -> Self {
        Self {
            node,
            origin,
            path: String::new(),
        }
    }

    /// The node itself.
    pub fn node(&self) -> &'a Node {
        self.node
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| self.child(key, node))
    }

    /// Follows several keys, one after the other.
    pub fn find(&self, path: &[&str]) -> Option<Self> {
        path.iter().try_fold(self.clone(), |at, key| at.get(key))
    }

    /// What `key` holds of a list; nothing if it is none.
    pub fn list(&self, key: &str) -> Vec<Self> {
        self.get(key).map(|at| at.items()).unwrap_or_default()
    }

    /// The items of a list.
    pub fn items(&self) -> Vec<Self> {
        let items = self.node.items().iter().enumerate();
        items
            .map(|(index, node)| Self {
                node,
                origin: self.origin,
                path: format!("{}[{index}]", self.path),
            })
            .collect()
    }

    /// The entries of a map.
    pub fn entries(&self) -> Vec<(&'a str, Self)> {
        let entries = self.node.entries();
        entries
            .map(|(key, node)| (key, self.child(key, node)))
            .collect()
    }

    /// Text of `key`.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.node.get(key)?.text()
    }

    /// Number of `key`.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.node.get(key)?.number()
    }

    /// Boolean of `key`.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.node.get(key)?.boolean()
    }

    /// How to find it again.
    pub fn place(&self) -> Place {
        let mut path = self.origin.path.clone();
        if !path.is_empty() && !self.path.is_empty() && !self.path.starts_with('[') {
            path.push('.');
        }
        path.push_str(&self.path);
        Place {
            line: self.node.line.or(self.origin.line),
            path,
            ..self.origin.clone()
        }
    }

    fn child(&self, key: &str, node: &'a Node) -> Self {
        let key = if key.contains(['.', '/']) {
            format!("[{key:?}]")
        } else if self.path.is_empty() {
            key.to_owned()
        } else {
            format!(".{key}")
        };
        Self {
            node,
            origin: self.origin,
            path: format!("{}{key}", self.path),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.input)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        for part in [&self.object, &self.path] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        Ok(())
    }
}
