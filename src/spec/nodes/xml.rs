//! The XML form of an inventory: `<project><node name hostname …><attribute name value/></node></project>`.

use std::collections::HashMap;

use super::{Listed, split_tags};
use crate::domain::node::ListedNode;
use crate::spec::report::Report;
use crate::spec::xml::{self, Element};

/// Reads the listed nodes.
pub(super) fn read(report: &mut Report<'_>) -> (Vec<Listed>, bool) {
    let Some(root) = xml::parse(report) else { return (Vec::new(), false) };
    if root.name != "project" {
        let message = format!("the inventory's outer element is `<{}>`", root.name);
        report.error("unknown_element", root.span, message, Some("write `<project>` around the `<node …/>` elements"));
        return (Vec::new(), false);
    }
    let nodes = root.children.iter().filter_map(|child| read_one(child, report)).collect();
    (nodes, true)
}

fn read_one(element: &Element, report: &mut Report<'_>) -> Option<Listed> {
    if element.name != "node" {
        report.error(
            "unknown_element",
            element.span,
            format!("`<{}>` is not known here", element.name),
            Some("an inventory holds `<node …/>` elements"),
        );
        return None;
    }
    let Some(name) = element.attribute("name") else {
        report.error("missing_key", element.span, "the node lacks the attribute `name`", None::<&str>);
        return None;
    };
    let mut node = ListedNode { name: name.to_owned(), ..ListedNode::default() };
    let mut places = HashMap::new();
    let nested = element.children.iter().filter_map(|child| match (child.name.as_str(), child.attribute("name")) {
        ("attribute", Some(name)) => {
            let value = child.attribute("value").map_or_else(|| child.text.trim().to_owned(), str::to_owned);
            Some((name.to_owned(), value, child.span))
        }
        _ => {
            let message = format!("`<{}>` cannot be read in a node", child.name);
            report.error("unknown_element", child.span, message, Some("write `<attribute name=\"…\" value=\"…\"/>`"));
            None
        }
    });
    let nested: Vec<_> = nested.collect();
    let direct = element.attributes.iter().map(|(key, value)| (key.clone(), value.clone(), element.span));
    for (key, value, span) in direct.chain(nested) {
        places.insert(key.clone(), span);
        match key.as_str() {
            // The type is always "Node" in Rundeck's own files.
            "name" | "type" => {}
            "tags" => node.tags = split_tags(&value),
            _ => {
                node.attributes.insert(key, value);
            }
        }
    }
    Some(Listed { node, at: element.span, places })
}
