//! Reads a job's steps.

use super::checks;
use super::options::Options;
use crate::domain::ids::StepName;
use crate::domain::job::{Step, StepAction};
use crate::spec::diagnostic::Span;
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::Node;

/// What runs a script that names no interpreter.
pub(in crate::spec) const INTERPRETER: &str = "/bin/sh";

/// More than anybody can follow.
const MOST_STEPS: usize = 500;

/// Step kinds and step keys of workflows, which are not there yet.
const LATER: [&str; 12] =
    ["job", "http", "wait", "approve", "notify", "set", "needs", "next", "join", "for_each", "on_error", "publish"];

/// Reads `steps:`.
pub(super) fn read(node: &Node, options: &Options, report: &mut Report<'_>) -> Vec<Step> {
    let Some(items) = report.read_list(node, "steps") else { return Vec::new() };
    if items.is_empty() {
        report.error(
            "empty_list",
            node.span,
            "a job needs at least one step",
            Some("write `steps:` with `- run: …` below it"),
        );
    }
    if items.len() > MOST_STEPS {
        let message = format!("the job has {} steps; at most {MOST_STEPS} are read", items.len());
        report.error("out_of_range", node.span, message, Some("put them into a script, or into several jobs"));
        return Vec::new();
    }
    let mut out: Vec<Step> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some((step, at)) = read_one(item, index + 1, options, report) else { continue };
        if out.iter().any(|s| s.name == step.name) {
            report.error(
                "duplicate_step",
                at,
                format!("the step `{}` stands twice", step.name),
                Some("give each step its own name"),
            );
            continue;
        }
        out.push(step);
    }
    out
}

fn read_one(item: &Node, number: usize, options: &Options, report: &mut Report<'_>) -> Option<(Step, Span)> {
    let mut fields = Fields::open(item, format!("step {number}"), report)?;
    if let Some(key) = LATER.iter().find(|key| fields.key_span(key).is_some()) {
        let span = fields.key_span(key).unwrap_or_else(|| fields.start());
        let message = format!("`{key}` in a step is not supported yet");
        report.error("not_supported_yet", span, message, Some("steps can be `run` or `script`, and run in order"));
        return None;
    }
    let name_node = fields.optional("name");
    let name = match name_node {
        Some(node) => report.read_name(node, "name", StepName::parse),
        None => StepName::parse(&format!("step-{number}")).ok(),
    };
    if let Some(name) = &name {
        fields.rename(format!("the step `{name}`"));
    }
    let action = read_action(&mut fields, options, report);
    let timeout = fields.optional("timeout").map(|n| report.read_some_time(n, "timeout"));
    let retry = fields.optional("retry").map(|n| super::read_retry(n, report));
    let at = name_node.map_or(fields.start(), |n| n.span);
    fields.finish(report);
    let step = Step {
        name: name?,
        action: action?,
        timeout: match timeout {
            Some(read) => Some(read?),
            None => None,
        },
        retry: retry.unwrap_or_else(|| Some(Default::default()))?,
    };
    Some((step, at))
}

fn read_action(fields: &mut Fields<'_>, options: &Options, report: &mut Report<'_>) -> Option<StepAction> {
    let (run, script) = (fields.optional("run"), fields.optional("script"));
    let interpreter = fields.optional("interpreter");
    match (run, script) {
        (Some(_), Some(second)) => {
            report.error(
                "contradiction",
                second.span,
                format!("{} has both `run` and `script`", fields.what()),
                Some("make two steps of them"),
            );
            None
        }
        // A misspelt `run` is told by its own line.
        (None, None) if fields.has_near("run") || fields.has_near("script") => None,
        (None, None) => {
            let hint = "write `run: COMMAND`, or `script: |` with the lines below it";
            report.error("missing_key", fields.start(), format!("{} does nothing", fields.what()), Some(hint));
            None
        }
        (Some(node), None) => {
            let command = not_blank(node, "run", report)?;
            checks::command(node, &command, options, report);
            if interpreter.is_some() {
                let span = fields.key_span("interpreter").unwrap_or_else(|| fields.start());
                report.error(
                    "misplaced_key",
                    span,
                    "`interpreter` belongs to a `script`; `run` is always read by /bin/sh",
                    Some("remove it, or make the step a `script`"),
                );
            }
            Some(StepAction::Run { command })
        }
        (None, Some(node)) => {
            let body = not_blank(node, "script", report)?;
            checks::script(node, &body, report);
            let interpreter = match interpreter {
                Some(node) => read_interpreter(node, report)?,
                None => INTERPRETER.to_owned(),
            };
            Some(StepAction::Script { body, interpreter })
        }
    }
}

fn not_blank(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, key)?;
    if text.contains('\0') {
        report.error(
            "bad_value",
            node.span,
            format!("`{key}` holds a NUL character, which no program takes"),
            Some("remove it"),
        );
        return None;
    }
    if text.trim().is_empty() {
        report.error(
            "empty_value",
            node.span,
            format!("`{key}` is empty"),
            Some("write what is to run, or remove the step"),
        );
        return None;
    }
    Some(text)
}

fn read_interpreter(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "interpreter")?;
    if text.starts_with('/') && !text.chars().any(char::is_control) {
        return Some(text);
    }
    let hint = "write the whole path, such as `/bin/bash` or `/usr/bin/env python3`";
    report.error("bad_value", node.span, "`interpreter` must be an absolute path", Some(hint));
    None
}
