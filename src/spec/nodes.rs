//! Reads an inventory: Rundeck's resource model as YAML, JSON or XML.

mod xml;

use std::collections::HashMap;

use super::diagnostic::Span;
use super::report::{Refers, Report};
use super::yaml::{self, Entry, Node as Tree, Value};
use crate::domain::node::{ListedNode, Node};

/// The form of an inventory file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodesFormat {
    /// `nodes.yaml`.
    Yaml,
    /// `nodes.json`.
    Json,
    /// `nodes.xml`.
    Xml,
}

impl NodesFormat {
    /// The form that a file's name tells.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "xml" => Some(Self::Xml),
            _ => None,
        }
    }
}

/// A listed node with its places.
struct Listed {
    node: ListedNode,
    at: Span,
    places: HashMap<String, Span>,
}

/// Reads an inventory file; nodes with mistakes are left out. The second value says whether it was read to its end.
pub(super) fn read(format: NodesFormat, report: &mut Report<'_>) -> (Vec<Node>, bool) {
    let (listed, whole) = match format {
        NodesFormat::Xml => xml::read(report),
        NodesFormat::Yaml => read_yaml(report),
        NodesFormat::Json => match serde_json::from_str::<serde::de::IgnoredAny>(report.text()) {
            Ok(_) => read_yaml(report),
            Err(error) => {
                let at = json_place(report.text(), error.line(), error.column());
                let why = error.to_string();
                let why = why.split(" at line ").next().unwrap_or_default().to_owned();
                report.error("syntax", Span::at(at), format!("this is not JSON: {why}"), None::<&str>);
                (Vec::new(), false)
            }
        },
    };
    let mut first: HashMap<String, u32> = HashMap::new();
    let mut out = Vec::new();
    for one in listed {
        if let Some(line) = first.get(&one.node.name) {
            let message = format!("the node `{}` stands twice, first in line {line}", one.node.name);
            report.error("duplicate_node", one.at, message, Some("give each node its own name"));
            continue;
        }
        first.insert(one.node.name.clone(), report.line(one.at));
        match Node::from_attributes(one.node) {
            Ok(node) => {
                if let Some(environment) = &node.environment {
                    let span = one.places.get("environment").copied().unwrap_or(one.at);
                    report.refer(Refers::Environment(environment.clone()), span);
                }
                out.push(node);
            }
            Err(errors) => {
                for error in errors {
                    let span = one.places.get(error.attribute).copied().unwrap_or(one.at);
                    report.error("bad_node", span, error.message, Some(error.hint));
                }
            }
        }
    }
    (out, whole)
}

fn json_place(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn read_yaml(report: &mut Report<'_>) -> (Vec<Listed>, bool) {
    let (documents, lost) = yaml::documents(report);
    let mut out = Vec::new();
    for document in documents {
        match &document.root.value {
            Value::Map(entries) => {
                for entry in entries {
                    out.extend(read_one(Some(entry), &entry.node, report));
                }
            }
            Value::List(items) => {
                for item in items {
                    out.extend(read_one(None, item, report));
                }
            }
            Value::Scalar(_) => report.wrong_type(
                &document.root,
                "the inventory",
                "a map of `name: {hostname: …}` or a list of nodes",
                None,
            ),
        }
    }
    (out, !lost)
}

fn read_one(key: Option<&Entry>, node: &Tree, report: &mut Report<'_>) -> Option<Listed> {
    let Value::Map(entries) = &node.value else {
        let what = key.map_or_else(|| "the node".to_owned(), |k| format!("the node `{}`", k.key));
        report.wrong_type(node, &what, "a map of attributes such as `{hostname: 10.0.0.5, tags: web}`", None);
        return None;
    };
    let named = node.get("nodename").and_then(Tree::scalar).map(|s| s.text.clone());
    let at = key.map_or_else(|| node.get("nodename").map_or(Span::at(node.span.start), |n| n.span), |k| k.key_span);
    let name = match (key, named) {
        (Some(key), Some(named)) if named != key.key => {
            report.error(
                "contradiction",
                at,
                format!("the node `{}` calls itself `{named}`", key.key),
                Some("remove `nodename`, or write the same name"),
            );
            return None;
        }
        (Some(key), _) => key.key.clone(),
        (None, Some(named)) => named,
        (None, None) => {
            report.error("missing_key", at, "the node lacks the key `nodename`", None::<&str>);
            return None;
        }
    };
    let mut listed = Listed { node: ListedNode { name, ..ListedNode::default() }, at, places: HashMap::new() };
    listed.places.insert("nodename".to_owned(), at);
    for entry in entries.iter().filter(|e| e.key != "nodename") {
        listed.places.insert(entry.key.clone(), entry.node.span);
        if entry.key == "tags" {
            listed.node.tags = read_tags(&entry.node, report);
        } else if entry.node.is_null() {
            listed.node.attributes.insert(entry.key.clone(), String::new());
        } else if let Some(text) = report.read_scalar(&entry.node, &entry.key) {
            listed.node.attributes.insert(entry.key.clone(), text);
        }
    }
    Some(listed)
}

fn read_tags(node: &Tree, report: &mut Report<'_>) -> Vec<String> {
    match &node.value {
        Value::List(items) => items.iter().filter_map(|i| report.read_scalar(i, "tags")).collect(),
        Value::Scalar(scalar) => split_tags(&scalar.text),
        Value::Map(_) => {
            report.wrong_type(node, "`tags`", "a list such as `[web, prod]`, or text such as `web,prod`", None);
            Vec::new()
        }
    }
}

fn split_tags(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}
