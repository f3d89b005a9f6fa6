//! Rundeck's XML form of jobs, as a tree of its YAML form.

use crate::spec::diagnostic::Span;
use crate::spec::report::Report;
use crate::spec::xml::Element;
use crate::spec::yaml::{Entry, Node, Scalar, Style, Value};

/// Whether this is Rundeck's list of jobs.
pub(in crate::spec) fn is_joblist(root: &Element) -> bool {
    root.name == "joblist"
}

/// The jobs of a `<joblist>`.
pub(in crate::spec) fn jobs(root: &Element, report: &mut Report<'_>) -> Vec<Node> {
    let mut out = Vec::new();
    for child in &root.children {
        if child.name == "job" {
            out.push(job(child));
        } else {
            report.error(
                "unknown_element",
                child.span,
                format!("`<{}>` is not known here", child.name),
                Some("a `<joblist>` holds `<job>` elements"),
            );
        }
    }
    out
}

fn text(text: &str, span: Span) -> Node {
    Node { span, value: Value::Scalar(Scalar { text: text.to_owned(), style: Style::Double }) }
}

fn map(span: Span, entries: Vec<(String, Span, Node)>) -> Node {
    let entries = entries.into_iter().map(|(key, key_span, node)| Entry { key, key_span, node }).collect();
    Node { span, value: Value::Map(entries) }
}

fn entry(key: &str, node: Node) -> (String, Span, Node) {
    (key.to_owned(), node.span, node)
}

/// Attributes and children as a map; an element with neither is its text.
fn generic(element: &Element) -> Node {
    if element.children.is_empty() && element.attributes.is_empty() {
        return text(element.text.trim(), element.span);
    }
    let attributes = element.attributes.iter().map(|(key, value)| entry(key, text(value, element.span)));
    let children = element.children.iter().map(|c| entry(&c.name, generic(c)));
    map(element.span, attributes.chain(children).collect())
}

fn job(element: &Element) -> Node {
    let mut out = Vec::new();
    let mut filters = Vec::new();
    for child in &element.children {
        match child.name.as_str() {
            "context" => {
                for options in child.children.iter().filter(|c| c.name == "options") {
                    out.push(entry("options", list(options, "option", option)));
                }
            }
            "sequence" => out.push(entry("sequence", sequence(child))),
            "nodefilters" => {
                filters
                    .extend(child.children.iter().filter(|c| c.name == "filter").map(|c| entry("filter", generic(c))));
                let others = child.children.iter().filter(|c| c.name != "filter");
                filters.extend(others.map(|c| entry(&c.name, generic(c))));
            }
            "dispatch" => filters.push(entry("dispatch", generic(child))),
            "description" => out.push(entry("description", text(child.text.trim(), child.span))),
            _ => out.push(entry(&child.name, generic(child))),
        }
    }
    if !filters.is_empty() {
        out.push(entry("nodefilters", map(element.span, filters)));
    }
    map(element.span, out)
}

fn list(element: &Element, name: &str, read: fn(&Element) -> Node) -> Node {
    let items = element.children.iter().filter(|c| c.name == name).map(read).collect();
    Node { span: element.span, value: Value::List(items) }
}

/// Attributes become keys; some have another name in YAML, and lists stand in one attribute.
fn option(element: &Element) -> Node {
    let mut out = Vec::new();
    for (key, value) in &element.attributes {
        match key.as_str() {
            "enforcedvalues" => out.push(entry("enforced", text(value, element.span))),
            "values" => {
                let by = element.attribute("valuesListDelimiter").filter(|d| !d.is_empty()).unwrap_or(",");
                let items = value.split(by).map(|v| text(v.trim(), element.span)).collect();
                out.push(entry("values", Node { span: element.span, value: Value::List(items) }));
            }
            _ => out.push(entry(key, text(value, element.span))),
        }
    }
    for child in &element.children {
        out.push(entry(&child.name, text(child.text.trim(), child.span)));
    }
    map(element.span, out)
}

fn sequence(element: &Element) -> Node {
    let mut out: Vec<_> = element.attributes.iter().map(|(key, value)| entry(key, text(value, element.span))).collect();
    out.push(entry("commands", list(element, "command", command)));
    for child in element.children.iter().filter(|c| c.name != "command") {
        out.push(entry(&child.name, generic(child)));
    }
    map(element.span, out)
}

fn command(element: &Element) -> Node {
    let mut out = Vec::new();
    for child in &element.children {
        let node = match child.name.as_str() {
            "scriptinterpreter" => {
                if let Some(quoted) = child.attribute("argsquoted") {
                    out.push(entry("interpreterArgsQuoted", text(quoted, child.span)));
                }
                entry("scriptInterpreter", text(child.text.trim(), child.span))
            }
            "scriptargs" => entry("args", text(child.text.trim(), child.span)),
            "node-step-plugin" | "step-plugin" => entry("type", generic(child)),
            // A script's own spaces and line ends count.
            "script" => entry("script", text(&child.text, child.span)),
            name => entry(name, generic(child)),
        };
        out.push(node);
    }
    map(element.span, out)
}
