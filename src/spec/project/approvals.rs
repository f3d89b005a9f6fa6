//! Reads the approval policies of a project.

use std::collections::BTreeMap;

use crate::domain::approval::{ApprovalPolicy, BreakGlass, DEFAULT_REASONS, EXPIRES, Escalation, Need, Reasons};
use crate::domain::change_freeze;
use crate::domain::ids::{PolicyName, RoleName, UserName};
use crate::domain::time::Seconds;
use crate::spec::fields::Fields;
use crate::spec::report::{Refers, Report};
use crate::spec::yaml::Node;

/// How soon a run without signatures has to be reviewed unless the policy says otherwise.
pub(in crate::spec) const REVIEW_WITHIN: Seconds = Seconds::new(24 * 3_600);
/// What an expression of a policy can name.
const VARIABLES: [&str; 4] = ["environment", "job", "option", "requester"];

/// Reads `approvals:`.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<BTreeMap<PolicyName, ApprovalPolicy>> {
    let mut out = BTreeMap::new();
    for entry in report.read_map(node, "approvals")? {
        let name = report.accept(PolicyName::parse(&entry.key), entry.key_span, "approvals");
        if name.as_ref().is_some_and(|name| name.as_str() == change_freeze::POLICY) {
            let message = format!("`{}` is what runs go by that need signatures for a change freeze alone", entry.key);
            report.error("bad_value", entry.key_span, message, Some("use another name"));
        }
        let policy = read_one(name.clone(), &entry.node, report);
        if let (Some(name), Some(policy)) = (name, policy) {
            out.insert(name, policy);
        }
    }
    Some(out)
}

fn read_one(name: Option<PolicyName>, node: &Node, report: &mut Report<'_>) -> Option<ApprovalPolicy> {
    let what = name.as_ref().map_or_else(|| "the approval policy".to_owned(), |n| format!("the approval policy `{n}`"));
    let mut fields = Fields::open(node, what, report)?;
    let when = fields.optional("when").and_then(|n| expression(n, "when", report));
    let need = fields.required("need", report).and_then(|n| read_need(n, report));
    let self_approval = fields.optional("self_approval").and_then(|n| report.read_boolean(n, "self_approval"));
    let mut time = |key: &'static str| fields.optional(key).and_then(|n| report.read_some_time(n, key));
    let (expires, start_within, remind) = (time("expires"), time("start_within"), time("remind"));
    let escalate = fields.optional("escalate").and_then(|n| read_escalation(n, report));
    let reasons = fields.optional("reason").and_then(|n| read_reasons(n, report));
    let break_glass = fields.optional("break_glass").and_then(|n| read_break_glass(n, report));
    fields.finish(report);
    Some(ApprovalPolicy {
        name: name?,
        when,
        need: need?,
        self_approval: self_approval.unwrap_or(false),
        expires: expires.unwrap_or(EXPIRES),
        start_within,
        remind,
        escalate,
        reasons: reasons.unwrap_or(DEFAULT_REASONS),
        break_glass,
    })
}

pub(super) fn read_need(node: &Node, report: &mut Report<'_>) -> Option<Vec<Need>> {
    let items = report.read_list(node, "need")?;
    if items.is_empty() {
        report.error(
            "empty_list",
            node.span,
            "`need` is empty, so nobody would have to sign",
            Some("write `- {role: NAME, count: 1}`"),
        );
        return None;
    }
    items.iter().map(|item| read_line(item, report)).collect()
}

fn read_line(item: &Node, report: &mut Report<'_>) -> Option<Need> {
    let mut fields = Fields::open(item, "the line of `need`", report)?;
    let role = fields.required("role", report).and_then(|n| role(n, "role", report));
    let count = fields.optional("count").map(|n| report.read_count(n, "count", 1, 20));
    let when = fields.optional("when").and_then(|n| expression(n, "when", report));
    fields.finish(report);
    Some(Need { role: role?, count: count.unwrap_or(Some(1))?, when })
}

/// Reads a role that somebody has to hold.
fn role(node: &Node, key: &str, report: &mut Report<'_>) -> Option<RoleName> {
    let role = report.read_name(node, key, RoleName::parse)?;
    report.refer(Refers::Role(role.clone()), node.span);
    Some(role)
}

fn read_escalation(node: &Node, report: &mut Report<'_>) -> Option<Escalation> {
    let mut fields = Fields::open(node, "`escalate`", report)?;
    let after = fields.required("after", report).and_then(|n| report.read_some_time(n, "after"));
    let to_node = fields.required("to", report);
    fields.finish(report);
    let to_node = to_node?;
    let to = report.read_text(to_node, "to")?;
    match to.split_once(':') {
        Some(("role", name)) => {
            let role = report.accept(RoleName::parse(name), to_node.span, "to")?;
            report.refer(Refers::Role(role), to_node.span);
        }
        Some(("user", name)) => {
            report.accept(UserName::parse(name), to_node.span, "to")?;
        }
        _ => {
            let message = format!("`to` cannot be `{to}`");
            report.error("bad_value", to_node.span, message, Some("write `role:NAME` or `user:NAME`"));
            return None;
        }
    }
    Some(Escalation { after: after?, to })
}

fn read_reasons(node: &Node, report: &mut Report<'_>) -> Option<Reasons> {
    let mut fields = Fields::open(node, "`reason`", report)?;
    let mut required = |key: &'static str, default: bool| {
        let words = [("required", true), ("optional", false)];
        fields.optional(key).and_then(|n| report.read_word(n, key, &words)).unwrap_or(default)
    };
    let reasons = Reasons {
        request_required: required("request", DEFAULT_REASONS.request_required),
        approve_required: required("approve", DEFAULT_REASONS.approve_required),
        reject_required: required("reject", DEFAULT_REASONS.reject_required),
    };
    fields.finish(report);
    Some(reasons)
}

fn read_break_glass(node: &Node, report: &mut Report<'_>) -> Option<BreakGlass> {
    let mut fields = Fields::open(node, "`break_glass`", report)?;
    let role = fields.required("role", report).and_then(|n| role(n, "role", report));
    let review = fields.optional("review_within").map(|n| report.read_some_time(n, "review_within"));
    fields.finish(report);
    Some(BreakGlass { role: role?, review_within: review.unwrap_or(Some(REVIEW_WITHIN))? })
}

/// An expression in `{{ }}`, checked for its grammar and for the names in it.
fn expression(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, key)?;
    let trimmed = text.trim();
    let Some(inner) = trimmed.strip_prefix("{{").and_then(|t| t.strip_suffix("}}")) else {
        let hint = "write it in quotes and double braces: \"{{ environment == 'production' }}\"";
        report.error("bad_expression", node.span, format!("`{key}` is not an expression"), Some(hint));
        return None;
    };
    let environment = minijinja::Environment::new();
    let names = match environment.compile_expression(inner.trim()) {
        Ok(expression) => expression.undeclared_variables(false),
        Err(error) => {
            let why = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            report.error("bad_expression", node.span, format!("`{key}` is not an expression: {why}"), None::<&str>);
            return None;
        }
    };
    let mut unknown: Vec<String> = names.into_iter().filter(|n| !VARIABLES.contains(&n.as_str())).collect();
    unknown.sort();
    if let Some(name) = unknown.first() {
        let message = format!("`{key}` names `{name}`, which is not there");
        report.error(
            "unknown_field",
            node.span,
            message,
            Some("an expression can name environment, job, option and requester"),
        );
        return None;
    }
    Some(text)
}
