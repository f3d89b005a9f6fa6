//! YAML as a small tree in which everything knows its place.
//!
//! Promises bounds (depth, nodes, bytes), no tags, no duplicate keys, YAML 1.2 scalars. Knows nothing of jobs.

mod build;
mod place;
mod scalar;
mod syntax;
#[cfg(test)]
mod tests;

#[cfg(test)]
use build::Document;
pub(crate) use build::documents;
pub(crate) use scalar::Kind;

use super::diagnostic::Span;

/// The deepest nesting that is read.
pub(crate) const MAX_DEPTH: usize = 64;
/// The most nodes of a file, aliases counted with all that they stand for.
pub(crate) const MAX_NODES: usize = 100_000;
/// The largest file.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node can be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Text, number, boolean or nothing.
    Scalar(Scalar),
    /// `- a` or `[a]`.
    List(Vec<Node>),
    /// `a: b` or `{a: b}`, in the author's order.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key's text.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) key_span: Span,
    /// The value.
    pub(crate) node: Node,
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// The text after quotes, escapes and folding.
    pub(crate) text: String,
    /// How it was written.
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: may be a number, a boolean or nothing.
    Plain,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
}

impl Node {
    /// The scalar, if it is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The kind by YAML 1.2's core schema; `None` for lists and maps.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.scalar().map(Scalar::kind)
    }

    /// Whether nothing was written.
    pub(crate) fn is_null(&self) -> bool {
        self.kind() == Some(Kind::Null)
    }

    /// The value of a key, if this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.node),
            _ => None,
        }
    }

    /// What it is, in words: "a list", "text".
    pub(crate) fn describe(&self) -> &'static str {
        match &self.value {
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Null => "nothing",
                Kind::Boolean(_) => "true or false",
                Kind::Integer | Kind::Float => "a number",
                Kind::Text => "text",
            },
        }
    }

    /// The value as JSON, for the places that take any value.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(scalar) => scalar.to_json(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect())
            }
        }
    }
}
