//! Reads one definition by itself, as an editor or the store has it. What it refers to elsewhere is not looked at.

use super::diagnostic::{Diagnostic, Span, tidy};
use super::nodes::{self, NodesFormat};
use super::report::Report;
use super::yaml::{self, Node as Tree, Value};
use super::{access, alias, enricher, folder, job, project, rule, rundeck, source, webhook};
use crate::domain::access::AccessRules;
use crate::domain::alias::Alias;
use crate::domain::enricher::Enricher;
use crate::domain::ids::ProjectName;
use crate::domain::job::Job;
use crate::domain::node::Node;
use crate::domain::project::Project;
use crate::domain::rule::Rule;
use crate::domain::source::Source;
use crate::domain::webhook::Webhook;

/// Reads one job, in our form or as a list of one in Rundeck's.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `job.yaml`.
pub fn read_job(source: &str) -> Result<Job, Vec<Diagnostic>> {
    one("job.yaml", source, |node, report| match &node.value {
        Value::List(items) => {
            if let [_, second, ..] = items.as_slice() {
                let at = Span::at(second.span.start);
                report.error("several_documents", at, "there is more than one job here", Some("keep one"));
            }
            rundeck::convert(items.first()?, report).and_then(|converted| job::read(&converted, report))
        }
        _ => job::read(node, report),
    })
}

/// Reads one webhook.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `webhook.yaml`.
pub fn read_webhook(source: &str) -> Result<Webhook, Vec<Diagnostic>> {
    one("webhook.yaml", source, webhook::read)
}

/// Reads one rule.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `rule.yaml`.
pub fn read_rule(source: &str) -> Result<Rule, Vec<Diagnostic>> {
    one("rule.yaml", source, rule::read)
}

/// Reads one alias of a chat.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `alias.yaml`.
pub fn read_alias(source: &str) -> Result<Alias, Vec<Diagnostic>> {
    one("alias.yaml", source, alias::read)
}

/// Reads one source of events.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `source.yaml`.
pub fn read_source(source: &str) -> Result<Source, Vec<Diagnostic>> {
    one("source.yaml", source, source::read)
}

/// Reads one enricher.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `enricher.yaml`.
pub fn read_enricher(source: &str) -> Result<Enricher, Vec<Diagnostic>> {
    one("enricher.yaml", source, enricher::read)
}

/// Reads a project's settings. `name` is used unless the text names the project.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `project.yaml`.
pub fn read_project(name: &ProjectName, source: &str) -> Result<Project, Vec<Diagnostic>> {
    one("project.yaml", source, |node, report| project::read(name, node, report))
}

/// Reads access rules.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `access.yaml`.
pub fn read_access(source: &str) -> Result<AccessRules, Vec<Diagnostic>> {
    one("access.yaml", source, access::read)
}

/// Reads an inventory.
///
/// # Errors
/// Every mistake, sorted by place; the file is called `nodes.yaml`, `nodes.json` or `nodes.xml`.
pub fn read_nodes(format: NodesFormat, source: &str) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let file = match format {
        NodesFormat::Yaml => "nodes.yaml",
        NodesFormat::Json => "nodes.json",
        NodesFormat::Xml => "nodes.xml",
    };
    let mut report = Report::new(file, folder::without_mark(source));
    let (nodes, _) = nodes::read(format, &mut report);
    outcome(Some(nodes), report)
}

fn one<T>(
    file: &str,
    source: &str,
    read: impl FnOnce(&Tree, &mut Report<'_>) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let mut report = Report::new(file, folder::without_mark(source));
    let (documents, lost) = yaml::documents(&mut report);
    if let [_, second, ..] = documents.as_slice() {
        report.error(
            "several_documents",
            Span::at(second.root.span.start),
            "there is more than one document here",
            Some("keep one"),
        );
    }
    let value = match documents.first() {
        Some(document) => read(&document.root, &mut report),
        None => {
            if !lost {
                report.error("empty_file", Span::at(0), "there is no definition here", None::<&str>);
            }
            None
        }
    };
    outcome(value, report)
}

fn outcome<T>(value: Option<T>, report: Report<'_>) -> Result<T, Vec<Diagnostic>> {
    let failed = report.errors() > 0;
    let (mut diagnostics, _) = report.finish();
    tidy(&mut diagnostics);
    match value {
        Some(value) if !failed => Ok(value),
        _ => Err(diagnostics),
    }
}
