//! Reads a rule: StackStorm's form with what Interlock adds to it.

mod action;
mod conditions;
mod enrich;
mod guard;
mod timer;

use super::fields::Fields;
use super::report::{Refers, Report};
use super::yaml::{Kind, Node, Value};
use crate::domain::event::is_event_type;
use crate::domain::ids::UserName;
use crate::domain::rule::{AuthoredMode, Rule};

/// Keys that StackStorm keeps its own books with. They say nothing about what a rule does.
const BOOKKEEPING: [&str; 5] = ["context", "metadata_file", "uid", "id", "ref"];

/// Reads one document as a rule.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Rule> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the rule", report)?;
    let name_node = fields.required("name", report);
    let name = name_node.and_then(|n| read_name(n, "name", report));
    if let Some(name) = &name {
        fields.rename(format!("the rule `{name}`"));
    }
    let pack = fields.optional("pack").and_then(|n| read_name(n, "pack", report));
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let trigger_node = fields.required("trigger", report);
    let trigger = trigger_node.and_then(|n| read_trigger(n, report));
    let criteria_node = fields.optional("criteria");
    let conditions = match criteria_node {
        Some(node) => conditions::read(node, report),
        None => Some(crate::domain::rule::conditions::Conditions::default()),
    };
    let action_node = fields.required("action", report);
    let action = action_node.and_then(|n| action::read(n, pack.as_deref().unwrap_or("default"), report));
    let mode = read_mode(&mut fields, action_node, report);
    let owner_node = fields.optional("owner");
    let owner = match owner_node {
        Some(node) => read_owner(node, report),
        None => name.as_ref().and_then(|name| default_owner(name, name_node, report)),
    };
    if let (Some(owner), Some(node)) = (&owner, owner_node.or(name_node)) {
        report.refer(Refers::Service(owner.to_string()), node.span);
    }
    let guards = match fields.optional("guard") {
        Some(node) => guard::read(node, conditions.as_ref(), report),
        None => Some(crate::domain::guard::Guards::default()),
    };
    let enrich_node = fields.optional("enrich");
    let enrich = enrich_node.map_or(Some(Vec::new()), |n| enrich::read(n, report));
    if let (Some(asked), Some(conditions), Some(guards), Some(action)) = (&enrich, &conditions, &guards, &action)
        && let Some(node) = enrich_node.or(criteria_node).or(name_node)
    {
        enrich::fits(asked, conditions, guards, action, node, report);
    }
    if let Some(node) = fields.optional("type") {
        read_type(node, report);
    }
    if let Some(node) = fields.optional("tags") {
        report.read_list(node, "tags");
    }
    for key in BOOKKEEPING {
        fields.optional(key);
    }
    fields.finish(report);
    if let (Some(conditions), Some(node)) = (&conditions, criteria_node.or(name_node))
        && conditions.is_empty()
        && report.errors() == before
    {
        let message = "the rule has no criteria, so it acts on every event of its type";
        report.warning("no_criteria", node.span, message, Some("match on severity, environment and label"));
    }
    if let (Some((kind, parameters)), Some(node)) = (&trigger, trigger_node) {
        timer::told(kind, parameters, name.as_deref(), node.span, report);
    }
    if report.errors() > before {
        return None;
    }
    let (trigger, trigger_parameters) = trigger?;
    Some(Rule {
        name: name?,
        pack: pack.unwrap_or_else(|| "default".to_owned()),
        description: description.unwrap_or_default(),
        trigger,
        trigger_parameters,
        conditions: conditions?,
        action: action?,
        mode: mode?,
        owner: owner?,
        guards: guards?,
        enrich: enrich?,
    })
}

pub(super) fn read_name(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_scalar(node, key)?;
    let mut bytes = text.bytes();
    let good = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && text.len() <= 128
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if good {
        return Some(text);
    }
    let shown: String = text.chars().take(60).collect();
    let hint = "use 1 to 128 letters, digits, `.`, `_` or `-`, starting with a letter or digit";
    report.error("bad_value", node.span, format!("`{key}`: `{shown}` is not a valid name"), Some(hint));
    None
}

fn read_trigger(node: &Node, report: &mut Report<'_>) -> Option<(String, serde_json::Value)> {
    let mut fields = Fields::open(node, "`trigger`", report)?;
    let kind_node = fields.required("type", report);
    let kind = kind_node.and_then(|n| report.read_text(n, "type"));
    let parameters = fields.optional("parameters").filter(|n| !n.is_null());
    if let Some(parameters) = parameters {
        report.read_map(parameters, "parameters");
    }
    for key in ["ref", "description"] {
        if let Some(node) = fields.optional(key) {
            report.read_scalar(node, key);
        }
    }
    fields.finish(report);
    let (kind, span) = (kind?, kind_node?.span);
    if !is_event_type(&kind) {
        let shown: String = kind.chars().take(60).collect();
        let message = format!("`type`: `{shown}` is not the type of an event");
        report.error("bad_value", span, message, Some("write it as `prometheus.alert`"));
        return None;
    }
    Some((kind, parameters.map(Node::to_json).unwrap_or_default()))
}

/// `mode`, `dry_run` (also where the action has it, as in a rule that was written for people) and `enabled` as one.
fn read_mode(fields: &mut Fields<'_>, action: Option<&Node>, report: &mut Report<'_>) -> Option<AuthoredMode> {
    let before = report.errors();
    let words = [("off", AuthoredMode::Off), ("dry_run", AuthoredMode::DryRun), ("live", AuthoredMode::Live)];
    let mode_node = fields.optional("mode");
    // A bare `off` is text in YAML 1.2, and false to people who know 1.1: both mean the same here.
    let mode = mode_node.and_then(|n| report.read_word(n, "mode", &words));
    let enabled = fields.optional("enabled").and_then(|n| report.read_boolean(n, "enabled"));
    let mut dry_run = fields.optional("dry_run").and_then(|n| report.read_boolean(n, "dry_run").map(|b| (n, b)));
    for inside in [action, action.and_then(|a| a.get("parameters"))].into_iter().flatten() {
        let node = inside.get("dry_run").filter(|n| matches!(n.kind(), Some(Kind::Boolean(_))));
        if let (Some(node), Some(Kind::Boolean(value))) = (node, node.and_then(Node::kind)) {
            dry_run = dry_run.or(Some((node, value)));
        }
    }
    if let Some((node, false)) = dry_run {
        let hint = "remove the line: a rule starts in dry run and goes live by promotion";
        report.error("live_by_promotion", node.span, "`dry_run: false` does not make a rule live", Some(hint));
    }
    if let (Some((node, true)), Some(AuthoredMode::Live)) = (dry_run, mode) {
        let message = "`dry_run: true` and `mode: live` contradict each other";
        report.error("contradiction", node.span, message, Some("keep one of the two"));
    }
    if let (Some(AuthoredMode::Live), Some(node)) = (mode, mode_node) {
        let message = "`mode: live` alone does not make a rule live: it stays in dry run until it is promoted";
        report.warning("live_by_promotion", node.span, message, None::<&str>);
    }
    if report.errors() > before {
        return None;
    }
    Some(if enabled == Some(false) { AuthoredMode::Off } else { mode.unwrap_or(AuthoredMode::DryRun) })
}

fn read_owner(node: &Node, report: &mut Report<'_>) -> Option<UserName> {
    let text = report.read_scalar(node, "owner")?;
    if text.starts_with("user:") || text.starts_with("group:") {
        let hint = "write `owner: service:NAME`, and give that account its role in access.yaml";
        report.error("bad_value", node.span, "a rule acts as a service account, never as a person", Some(hint));
        return None;
    }
    report.accept(UserName::parse(text.strip_prefix("service:").unwrap_or(&text)), node.span, "owner")
}

fn default_owner(name: &str, node: Option<&Node>, report: &mut Report<'_>) -> Option<UserName> {
    if let Ok(account) = UserName::parse(name) {
        return Some(account);
    }
    let message = format!(
        "the rule `{name}` acts as a service account of its own name, but an account's name has no capital letters and at most 64 characters"
    );
    let hint = "name the account with `owner: service:NAME`";
    report.error("missing_key", node?.span, message, Some(hint));
    None
}

/// StackStorm's `type: {ref: standard}`. A backstop would act on what no other rule took, which is not how rules work
/// here.
fn read_type(node: &Node, report: &mut Report<'_>) {
    let name = match &node.value {
        Value::Map(_) => {
            let Some(mut fields) = Fields::open(node, "`type`", report) else { return };
            let name = fields.required("ref", report);
            fields.optional("parameters");
            fields.finish(report);
            name
        }
        _ => Some(node),
    };
    if let Some(node) = name {
        report.read_word(node, "type", &[("standard", ())]);
    }
}
