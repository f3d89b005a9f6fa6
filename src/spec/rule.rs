//! Reads a rule as far as it can be used today: its shape and its criteria.

use super::criteria;
use super::fields::Fields;
use super::report::Report;
use super::yaml::Node;
use crate::domain::criteria::Criteria;

/// What a rule's criteria can start with.
const ROOTS: [&str; 1] = ["trigger"];

/// A rule with its criteria compiled.
#[derive(Debug, Clone)]
pub struct AuthoredRule {
    /// Its name, unique in its pack.
    pub name: String,
    /// Its pack; `default` where none is named.
    pub pack: String,
    /// What the rule is for.
    pub description: String,
    /// The event type that it listens to.
    pub trigger: String,
    /// What the event must be like.
    pub criteria: Criteria,
    /// The job that it asks for, as written.
    pub action: String,
}

/// Reads one document as a rule.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<AuthoredRule> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the rule", report)?;
    let name = fields.required("name", report).and_then(|n| report.read_text(n, "name"));
    if let Some(name) = &name {
        fields.rename(format!("the rule `{name}`"));
    }
    let pack = fields.optional("pack").and_then(|n| report.read_text(n, "pack"));
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let trigger = fields
        .required("trigger", report)
        .and_then(|n| nested(n, "`trigger`", "type", &["parameters", "ref", "description"], report));
    let criteria = fields.optional("criteria").and_then(|n| criteria::read(n, "criteria", &ROOTS, report));
    let action = fields
        .required("action", report)
        .and_then(|n| nested(n, "`action`", "ref", &["parameters", "description"], report));
    for later in [
        "enabled",
        "tags",
        "type",
        "mode",
        "dry_run",
        "guard",
        "enrich",
        "owner",
        "context",
        "metadata_file",
        "uid",
        "id",
        "ref",
    ] {
        fields.optional(later);
    }
    fields.finish(report);
    if report.errors() > before {
        return None;
    }
    Some(AuthoredRule {
        name: name?,
        pack: pack.unwrap_or_else(|| "default".to_owned()),
        description: description.unwrap_or_default(),
        trigger: trigger?,
        criteria: criteria.unwrap_or_default(),
        action: action?,
    })
}

/// The one text that matters in a map, whose other known keys are not read yet.
fn nested(
    node: &Node,
    what: &str,
    key: &'static str,
    others: &[&'static str],
    report: &mut Report<'_>,
) -> Option<String> {
    let mut fields = Fields::open(node, what, report)?;
    let text = fields.required(key, report).and_then(|n| report.read_text(n, key));
    for other in others {
        fields.optional(other);
    }
    fields.finish(report);
    text
}
