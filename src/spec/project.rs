//! Reads `project.yaml`.

mod approvals;
mod channels;
mod freezes;

use super::fields::Fields;
use super::report::{Refers, Report};
use super::yaml::Node;
use crate::domain::ids::{Environment, ProjectName};
use crate::domain::project::Project;

/// Reads one document as a project's settings.
pub(super) fn read(default_name: &ProjectName, node: &Node, report: &mut Report<'_>) -> Option<Project> {
    let before = report.errors();
    let mut project = Project::empty(default_name.clone());
    let mut fields = Fields::open(node, "the project", report)?;
    if let Some(name) = fields.optional("name").and_then(|n| report.read_name(n, "name", ProjectName::parse)) {
        project.name = name;
    }
    if let Some(text) = fields.optional("description").and_then(|n| report.read_text(n, "description")) {
        project.description = text;
    }
    if let Some(node) = fields.optional("environments") {
        project.environments = environments(node, report).unwrap_or_default();
    }
    if let Some(node) = fields.optional("approvals") {
        project.approvals = approvals::read(node, report).unwrap_or_default();
    }
    if let Some(node) = fields.optional("freezes") {
        project.freezes = freezes::read(node, report).unwrap_or_default();
    }
    if let Some(node) = fields.optional("channels") {
        project.channels = channels::read(node, report).unwrap_or_default();
    }
    if let Some(node) = fields.optional("notify") {
        project.notify = channels::read_notify(node, report).unwrap_or_default();
    }
    if let Some(node) = fields.optional("retention") {
        project.retention_days = retention(node, report);
    }
    if let Some(local) = fields.optional("local_execution").and_then(|n| report.read_boolean(n, "local_execution")) {
        project.local_execution = local;
    }
    if let Some(yes) = fields.optional("break_glass").and_then(|n| report.read_boolean(n, "break_glass")) {
        project.break_glass = yes;
    }
    if let Some(node) = fields.optional("production_sources") {
        project.production_sources = sources(node, report).unwrap_or_default();
    }
    fields.finish(report);
    (report.errors() == before).then_some(project)
}

fn environments(node: &Node, report: &mut Report<'_>) -> Option<Vec<Environment>> {
    let texts = report.read_texts(node, "environments")?;
    if texts.is_empty() {
        let hint = "name them from the least to the most strict, or remove the line";
        report.error("empty_list", node.span, "`environments` is empty", Some(hint));
        return None;
    }
    texts.into_iter().map(|(text, span)| report.accept(Environment::parse(&text), span, "environments")).collect()
}

fn retention(node: &Node, report: &mut Report<'_>) -> Option<u32> {
    if node.scalar().is_some() {
        report.wrong_type(node, "`retention`", "a map", Some("write `retention: {days: 90}`".to_owned()));
        return None;
    }
    let mut fields = Fields::open(node, "`retention`", report)?;
    let days = fields.required("days", report).and_then(|n| report.read_count(n, "days", 1, 36_500));
    fields.finish(report);
    days
}

fn sources(node: &Node, report: &mut Report<'_>) -> Option<Vec<String>> {
    let texts = report.read_texts(node, "production_sources")?;
    let mut out = Vec::with_capacity(texts.len());
    for (text, span) in texts {
        let named = text.strip_prefix("webhook:").or_else(|| text.strip_prefix("rule:")).is_some_and(|n| !n.is_empty());
        if named {
            report.refer(Refers::Source(text.clone()), span);
            out.push(text);
        } else {
            let message = format!("`{text}` in `production_sources` is neither a webhook nor a rule");
            report.error("bad_value", span, message, Some("write `webhook:NAME` or `rule:NAME`"));
        }
    }
    Some(out)
}
