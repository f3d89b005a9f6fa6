//! Reads a rule's criteria: StackStorm's map of fields, and `all:` and `any:` groups of such maps.

use crate::domain::rule::FIELD_ROOTS;
use crate::domain::rule::conditions::{Conditions, Group, Quantity};
use crate::spec::criteria;
use crate::spec::report::Report;
use crate::spec::yaml::{Entry, Node};

/// The most conditions of one rule.
const MOST: usize = 200;

/// Reads the value of `criteria`.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Conditions> {
    let conditions = read_map(node, "criteria", report)?;
    if conditions.count() > MOST {
        let message = format!("the rule has {} conditions", conditions.count());
        report.error("out_of_range", node.span, message, Some(format!("use at most {MOST}, or several rules")));
        return None;
    }
    Some(conditions)
}

fn read_map(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Conditions> {
    let before = report.errors();
    let (groups, fields): (Vec<&Entry>, Vec<&Entry>) =
        report.read_map(node, key)?.iter().partition(|e| matches!(e.key.as_str(), "all" | "any"));
    let fields = criteria::read_entries(&fields, &FIELD_ROOTS, report);
    let groups: Vec<Option<Group>> = groups.into_iter().map(|entry| read_group(entry, report)).collect();
    if report.errors() > before {
        return None;
    }
    Some(Conditions { fields: fields?, groups: groups.into_iter().flatten().collect() })
}

fn read_group(entry: &Entry, report: &mut Report<'_>) -> Option<Group> {
    let (quantity, key) = match entry.key.as_str() {
        "all" => (Quantity::All, "all"),
        _ => (Quantity::Any, "any"),
    };
    let items = report.read_list(&entry.node, key)?;
    if items.is_empty() {
        let message = format!("the group `{key}` is empty");
        report.error("empty_list", entry.node.span, message, Some("put conditions into it, or remove it"));
    }
    let mut of = Vec::with_capacity(items.len());
    for item in items {
        let member = read_map(item, key, report);
        if let Some(member) = member {
            if member.is_empty() {
                let message = format!("a member of the group `{key}` has no condition, so it always holds");
                report.error("empty_value", item.span, message, Some("write a field with its condition, or remove it"));
            }
            of.push(member);
        }
    }
    Some(Group { quantity, of })
}
