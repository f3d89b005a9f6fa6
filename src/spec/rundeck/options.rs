//! Rundeck's options.

use super::{Made, as_text, is_empty, is_true, left_out, others, refused, text_of};
use crate::spec::report::Report;
use crate::spec::yaml::{Node, Scalar, Style, Value};

/// Converts the list, or the map of older exports.
pub(super) fn convert(node: &Node, report: &mut Report<'_>) -> Option<Node> {
    let items: Vec<(Option<Node>, &Node)> = match &node.value {
        Value::List(items) => items.iter().map(|item| (None, item)).collect(),
        Value::Map(entries) => {
            let mut items: Vec<_> = entries.iter().collect();
            // Options with an index come first, in its order; the others by name.
            items.sort_by_key(|e| {
                let index = e.node.get("sortIndex").and_then(Node::scalar).and_then(Scalar::integer);
                (index.is_none(), index, e.key.clone())
            });
            let name = |e: &crate::spec::yaml::Entry| Node {
                span: e.key_span,
                value: Value::Scalar(Scalar { text: e.key.clone(), style: Style::Double }),
            };
            items.into_iter().map(|e| (Some(name(e)), &e.node)).collect()
        }
        Value::Scalar(_) => {
            report.wrong_type(node, "`options`", "a list", None);
            return None;
        }
    };
    let list = items.into_iter().map(|(name, item)| convert_one(name, item, report)).collect();
    Some(Node { span: node.span, value: Value::List(list) })
}

fn convert_one(name: Option<Node>, item: &Node, report: &mut Report<'_>) -> Node {
    let known = [
        "name",
        "label",
        "description",
        "required",
        "hidden",
        "value",
        "regex",
        "valuesUrl",
        "configRemoteUrl",
        "optionValuesPluginType",
        "valueExposed",
        "secure",
        "storagePath",
        "type",
        "values",
        "enforced",
        "multivalued",
        "delimiter",
        "isDate",
        "dateFormat",
        "sortIndex",
        "valuesListDelimiter",
    ];
    others(item, &known, report);
    let mut out = Made::at(item.span);
    if let Some(name) = name.or_else(|| item.get("name").map(as_text)) {
        out.put("name", name);
    }
    for key in ["label", "description"] {
        if let Some(node) = item.get(key).filter(|n| !is_empty(n)) {
            out.put(key, as_text(node));
        }
    }
    for key in ["required", "hidden"] {
        if let Some(node) = item.get(key).filter(|n| is_true(Some(n))) {
            out.word(key, "true", node.span);
        }
    }
    let kind = convert_kind(&mut out, item, report);
    // Rundeck takes an empty default or 0 as none.
    let default = item.get("value").filter(|n| !is_empty(n) && text_of(n) != Some("0"));
    if let Some(node) = default {
        if kind == "secret" {
            refused(
                "the default of a secret",
                node.span,
                "put it into the key store and write `storagePath: keys/…`",
                report,
            );
        } else {
            out.put("default", as_text(node));
        }
    }
    if let Some(node) = item.get("regex").filter(|n| !is_empty(n) && matches!(kind, "string" | "multi")) {
        out.put("pattern", as_text(node));
    }
    for key in ["valuesUrl", "configRemoteUrl", "optionValuesPluginType"] {
        if let Some(node) = item.get(key).filter(|n| !is_empty(n)) {
            let hint = "write the values into the job, or let people type with a `regex`";
            refused(&format!("`{key}` of an option"), node.span, hint, report);
        }
    }
    if let Some(node) = item.get("valueExposed").filter(|n| is_true(Some(n))) {
        left_out(
            "`valueExposed` of an option",
            node.span,
            "a secret never stands in a command; scripts have it as $OPTION_NAME",
            report,
        );
    }
    out.done()
}

fn convert_kind(out: &mut Made, item: &Node, report: &mut Report<'_>) -> &'static str {
    let span = item.span;
    if is_true(item.get("secure")) {
        out.word("type", "secret", span);
        if let Some(storage) = item.get("storagePath").filter(|n| !is_empty(n)) {
            out.put("storage", as_text(storage));
        }
        return "secret";
    }
    if item.get("type").and_then(text_of) == Some("file") {
        out.word("type", "file", span);
        return "file";
    }
    let values = item.get("values").filter(|n| !is_empty(n)).map(|node| values(item, node));
    let enforced = is_true(item.get("enforced"));
    if let (Some(values), false) = (&values, enforced) {
        left_out(
            "the list of suggested values of an option",
            values.span,
            "set `enforced: true` if others are to be refused",
            report,
        );
    }
    if is_true(item.get("multivalued")) {
        out.word("type", "multi", span);
        if let Some(values) = values.filter(|_| enforced) {
            out.put("values", values);
        }
        if let Some(delimiter) = item.get("delimiter").filter(|n| !is_empty(n)) {
            out.put("delimiter", as_text(delimiter));
        }
        return "multi";
    }
    if let Some(values) = values.filter(|_| enforced) {
        out.word("type", "enum", span);
        out.put("values", values);
        return "enum";
    }
    if let Some(date) = item.get("isDate").filter(|n| is_true(Some(n))) {
        left_out("the date picker of an option", date.span, "use `type: date`, which is written as 2026-11-30", report);
    }
    "string"
}

/// A list, one value, or text with a delimiter.
fn values(item: &Node, node: &Node) -> Node {
    let texts: Vec<Node> = match &node.value {
        Value::List(items) => items.iter().map(as_text).collect(),
        Value::Scalar(scalar) => {
            let by = item.get("valuesListDelimiter").and_then(text_of).filter(|d| !d.is_empty());
            let parts: Vec<&str> = match by {
                Some(by) => scalar.text.split(by).collect(),
                None => vec![scalar.text.as_str()],
            };
            let part = |text: &str| Node {
                span: node.span,
                value: Value::Scalar(Scalar { text: text.trim().to_owned(), style: Style::Double }),
            };
            parts.into_iter().map(part).collect()
        }
        Value::Map(_) => return node.clone(),
    };
    Node { span: node.span, value: Value::List(texts) }
}
