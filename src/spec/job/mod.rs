//! Reads a job.

mod checks;
mod dispatch;
mod options;
mod steps;

pub(super) use options::{DELIMITER, FILE_BYTES, SCHEMES, STRING_LENGTH, TEXT_LENGTH};
pub(super) use steps::INTERPRETER;

use super::fields::Fields;
use super::report::{Refers, Report};
use super::yaml::{Node, Value};
use crate::domain::ids::{JobId, JobPath, PolicyName};
use crate::domain::job::{Concurrency, Dispatch, Job, Notify, Retry, Strategy, WhenBusy};

/// Reads one document as a job. `None` when anything in it is wrong.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Job> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the job", report)?;
    let id = read_id(&mut fields, report);
    let path = read_path(&mut fields, report);
    if let Some(path) = &path {
        fields.rename(format!("the job `{path}`"));
    }
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let options = fields.optional("options").map(|n| options::read(n, report)).unwrap_or_default();
    let dispatch = match fields.optional("nodes") {
        Some(node) => dispatch::read(node, report).map(Dispatch::Nodes),
        None => Some(Dispatch::Local),
    };
    let approval = fields.optional("approval").and_then(|n| read_approval(n, report));
    let timeout = fields.optional("timeout").and_then(|n| report.read_some_time(n, "timeout"));
    let concurrency = fields.optional("concurrency").and_then(|n| read_concurrency(n, &options, report));
    let retry = fields.optional("retry").and_then(|n| read_retry(n, report));
    let idempotent = fields.optional("idempotent").and_then(|n| report.read_boolean(n, "idempotent"));
    let strategy = fields.optional("strategy").and_then(|n| {
        let words = [
            ("node-first", Strategy::NodeFirst),
            ("step-first", Strategy::StepFirst),
            ("parallel", Strategy::Parallel),
        ];
        report.read_word(n, "strategy", &words)
    });
    let steps = match fields.required("steps", report) {
        Some(node) => steps::read(node, &options, report),
        None => Vec::new(),
    };
    let notify = fields.optional("notify").and_then(|n| read_notify(n, report));
    let enabled = fields.optional("enabled").and_then(|n| report.read_boolean(n, "enabled"));
    fields.finish(report);
    if report.errors() > before {
        return None;
    }
    Some(Job {
        id,
        path: path?,
        description: description.unwrap_or_default(),
        options: options.into_specs(),
        dispatch: dispatch?,
        approval,
        timeout,
        concurrency,
        retry: retry.unwrap_or_default(),
        idempotent: idempotent.unwrap_or(false),
        strategy: strategy.unwrap_or_default(),
        steps,
        notify: notify.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
    })
}

/// What a job that could not be read calls itself, so that nobody is told that it does not exist.
pub(super) fn names(node: &Node) -> Vec<String> {
    let text = |key: &str| node.get(key).and_then(Node::scalar).map(|s| s.text.clone());
    let mut out: Vec<String> = ["id", "uuid"].into_iter().filter_map(text).collect();
    if let Some(name) = text("name") {
        out.push(match text("group").filter(|g| !g.is_empty()) {
            Some(group) => format!("{group}/{name}"),
            None => name,
        });
    }
    out
}

fn read_id(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<JobId> {
    let (id, uuid) = (fields.optional("id"), fields.optional("uuid"));
    if let (Some(id), Some(uuid)) = (id, uuid)
        && id.scalar().map(|s| &s.text) != uuid.scalar().map(|s| &s.text)
    {
        report.error(
            "contradiction",
            uuid.span,
            "`uuid` and `id` differ, but they mean the same",
            Some("keep one of the two"),
        );
    }
    report.read_name(id.or(uuid)?, "id", JobId::parse)
}

fn read_path(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<JobPath> {
    let name_node = fields.required("name", report);
    let group_node = fields.optional("group");
    let name = name_node.and_then(|n| report.read_scalar(n, "name"));
    let group = match group_node {
        Some(node) => Some(report.read_scalar(node, "group")?.trim_matches('/').to_owned()),
        None => Some(String::new()),
    };
    let (name, group) = (name?, group?);
    if name.contains('/') {
        let hint = name.rsplit_once('/').map(|(g, n)| format!("write `group: {g}` and `name: {n}`"));
        report.error("bad_value", name_node?.span, "a job's name holds no `/`", hint);
        return None;
    }
    if !group.is_empty() && JobPath::new(&group, "x").is_err() {
        let hint = "use letters, digits, single spaces, `.`, `_`, `-`, `+`, `(` or `)` in each part, and one `/` between parts";
        let shown: String = group.chars().take(80).collect();
        report.error("bad_value", group_node?.span, format!("`group`: `{shown}` is not a valid group"), Some(hint));
        return None;
    }
    report.accept(JobPath::new(&group, &name), name_node?.span, "name")
}

fn read_approval(node: &Node, report: &mut Report<'_>) -> Option<PolicyName> {
    let named = match &node.value {
        Value::Map(_) => {
            let mut fields = Fields::open(node, "`approval`", report)?;
            let rule = fields.required("rule", report);
            fields.finish(report);
            rule?
        }
        Value::Scalar(_) if !node.is_null() => node,
        _ => {
            report.wrong_type(
                node,
                "`approval`",
                "the name of an approval policy of project.yaml, or `{rule: NAME}`",
                None,
            );
            return None;
        }
    };
    let policy = report.read_name(named, "approval", PolicyName::parse)?;
    report.refer(Refers::Policy(policy.clone()), named.span);
    Some(policy)
}

fn read_concurrency(node: &Node, options: &options::Options, report: &mut Report<'_>) -> Option<Concurrency> {
    let mut fields = Fields::open(node, "`concurrency`", report)?;
    let limit = fields.optional("limit").map(|n| report.read_count(n, "limit", 1, 10_000));
    let key_node = fields.optional("key");
    let key = key_node.and_then(|n| report.read_text(n, "key"));
    if let (Some(node), Some(key)) = (key_node, &key) {
        checks::concurrency_key(node, key, options, report);
    }
    let words = [("refuse", WhenBusy::Refuse), ("queue", WhenBusy::Queue), ("cancel_running", WhenBusy::CancelRunning)];
    let when_busy = fields.optional("when_busy").map(|n| report.read_word(n, "when_busy", &words));
    fields.finish(report);
    Some(Concurrency { limit: limit.unwrap_or(Some(1))?, key, when_busy: when_busy.unwrap_or(Some(WhenBusy::Refuse))? })
}

/// Reads `{count: 2, delay: 10s}`, of a job or a step.
fn read_retry(node: &Node, report: &mut Report<'_>) -> Option<Retry> {
    let mut fields = Fields::open(node, "`retry`", report)?;
    let count = fields.required("count", report).and_then(|n| report.read_count(n, "count", 0, 100));
    let delay = fields.optional("delay").map(|n| report.read_duration(n, "delay"));
    fields.finish(report);
    Some(Retry { count: count?, delay: delay.unwrap_or_else(|| Some(Default::default()))? })
}

fn read_notify(node: &Node, report: &mut Report<'_>) -> Option<Notify> {
    let mut fields = Fields::open(node, "`notify`", report)?;
    let mut channels = |key: &'static str| -> Vec<String> {
        let Some(names) = fields.optional(key).and_then(|n| report.read_texts(n, key)) else { return Vec::new() };
        names
            .into_iter()
            .map(|(name, span)| {
                report.refer(Refers::Channel(name.clone()), span);
                name
            })
            .collect()
    };
    let (on_start, on_success, on_failure) = (channels("on_start"), channels("on_success"), channels("on_failure"));
    fields.finish(report);
    Some(Notify { on_start, on_success, on_failure })
}
