//! Reads criteria, of a webhook's `when` and of a rule.

use super::fields::Fields;
use super::report::Report;
use super::yaml::{Entry, Node};
use crate::domain::criteria::{Criteria, CriterionSpec, Part};
use crate::domain::enricher::label;

/// Reads a map of `path: {type, pattern, condition}`. `roots` are the names that a path can start with.
pub(super) fn read(node: &Node, key: &str, roots: &[&'static str], report: &mut Report<'_>) -> Option<Criteria> {
    let entries: Vec<&Entry> = report.read_map(node, key)?.iter().collect();
    read_entries(&entries, roots, report)
}

/// As [`read`], of entries that were picked out of a map.
pub(super) fn read_entries(entries: &[&Entry], roots: &[&'static str], report: &mut Report<'_>) -> Option<Criteria> {
    let before = report.errors();
    let mut specs = Vec::new();
    let mut places = Vec::new();
    for &entry in entries {
        let Some(mut fields) = Fields::open(&entry.node, format!("the condition on `{}`", entry.key), report) else {
            continue;
        };
        let operator_node = fields.required("type", report);
        let operator = operator_node.and_then(|n| report.read_text(n, "type"));
        let pattern_node = fields.optional("pattern");
        let condition_node = fields.optional("condition");
        let condition = condition_node.and_then(|n| report.read_text(n, "condition"));
        fields.finish(report);
        let root = entry.key.split(['.', '[', '#']).next().unwrap_or_default();
        if !roots.contains(&root) {
            let message = format!("the field `{}` starts with `{root}`, which is not there", entry.key);
            report.error(
                "unknown_field",
                entry.key_span,
                message,
                Some(format!("a field starts with {}", roots.join(", "))),
            );
            continue;
        }
        let Some(operator) = operator else { continue };
        let pattern = pattern_node.filter(|n| !n.is_null()).map(Node::to_json);
        let path = if roots.contains(&label::CLASS) { label::path(&entry.key) } else { &entry.key };
        specs.push(CriterionSpec { path: path.to_owned(), operator, pattern, condition });
        places.push((entry, operator_node, pattern_node, condition_node));
    }
    match Criteria::compile(specs) {
        Ok(criteria) => (report.errors() == before).then_some(criteria),
        Err(errors) => {
            for error in errors {
                let Some((entry, operator, pattern, condition)) = places.get(error.index) else { continue };
                let part = match error.part {
                    Part::Path => None,
                    Part::Operator => *operator,
                    Part::Pattern => pattern.or(*operator),
                    Part::Condition => condition.or(*operator),
                };
                let span = part.map_or(entry.key_span, |n| n.span);
                report.error("bad_criterion", span, error.message, error.hint);
            }
            None
        }
    }
}
