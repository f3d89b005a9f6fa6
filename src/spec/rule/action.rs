//! Reads what a rule does: a job with its parameters, a notification, or nothing.

use std::collections::BTreeMap;

use crate::domain::expression::Text;
use crate::domain::rule::{Action, Parameter, ROOTS};
use crate::spec::fields::Fields;
use crate::spec::report::{Refers, Report};
use crate::spec::yaml::{Kind, Node, Value};

/// Reads the value of `action`.
pub(super) fn read(node: &Node, pack: &str, report: &mut Report<'_>) -> Option<Action> {
    if node.scalar().is_some_and(|s| s.text == "nothing") {
        return Some(Action::Nothing);
    }
    if node.scalar().is_some() && !node.is_null() {
        let hint = "write `action: nothing`, or a map with `ref` or `notify`";
        report.wrong_type(node, "`action`", "a map", Some(hint.to_owned()));
        return None;
    }
    let mut fields = Fields::open(node, "`action`", report)?;
    let notify = fields.optional("notify");
    let message = fields.optional("message");
    let parameters = fields.optional("parameters");
    if let Some(node) = fields.optional("description") {
        report.read_scalar(node, "description");
    }
    // Where it is a boolean, it is the rule's own and read with the rule's mode.
    if let Some(node) = fields.optional("dry_run") {
        report.read_boolean(node, "dry_run");
    }
    let reference = match notify {
        Some(_) => fields.optional("ref"),
        None => fields.required("ref", report),
    };
    fields.finish(report);
    let before = report.errors();
    if let (Some(_), Some(other)) = (notify, reference.or(parameters)) {
        let message = "an action either runs a job or notifies, not both";
        report.error(
            "contradiction",
            other.span,
            message,
            Some("keep `ref` with `parameters`, or `notify` with `message`"),
        );
    }
    if let (None, Some(node)) = (notify, message) {
        report.error("contradiction", node.span, "only `notify` has a `message`", Some("remove it"));
    }
    if let Some(notify) = notify {
        let channel = report.read_text(notify, "notify");
        if let Some(channel) = &channel {
            report.refer(Refers::Channel(channel.clone()), notify.span);
        }
        let message = match message {
            Some(node) => read_text(node, "message", report),
            None => Text::parse("", &ROOTS).ok(),
        };
        return (report.errors() == before).then_some(Action::Notify { channel: channel?, message: message? });
    }
    let reference = reference?;
    let job = report.read_scalar(reference, "ref")?;
    if job == "core.noop" {
        return Some(Action::Nothing);
    }
    let parameters = match parameters {
        Some(node) => read_parameters(node, &job, pack, report)?,
        None => BTreeMap::new(),
    };
    let given = parameters.keys().cloned().collect();
    report.refer(Refers::ActionJob { name: job.clone(), pack: pack.to_owned(), given }, reference.span);
    (report.errors() == before).then_some(Action::Run { job, parameters })
}

fn read_parameters(node: &Node, job: &str, pack: &str, report: &mut Report<'_>) -> Option<BTreeMap<String, Parameter>> {
    let before = report.errors();
    let mut out = BTreeMap::new();
    for entry in report.read_map(node, "parameters")? {
        if entry.key == "dry_run" && matches!(entry.node.kind(), Some(Kind::Boolean(_))) {
            continue;
        }
        report.refer(Refers::ActionOption(job.to_owned(), pack.to_owned(), entry.key.clone()), entry.key_span);
        let key = format!("parameters.{}", entry.key);
        let parameter = match &entry.node.value {
            Value::List(items) => {
                let texts: Vec<Option<Text>> = items.iter().map(|item| read_text(item, &key, report)).collect();
                Parameter::Several(texts.into_iter().flatten().collect())
            }
            _ => match read_text(&entry.node, &key, report) {
                Some(text) => Parameter::One(text),
                None => continue,
            },
        };
        out.insert(entry.key.clone(), parameter);
    }
    (report.errors() == before).then_some(out)
}

/// A text with `{{ … }}`; a number or a boolean is handed on as it was written.
pub(super) fn read_text(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Text> {
    let source = report.read_scalar(node, key)?;
    match Text::parse(&source, &ROOTS) {
        Ok(text) => Some(text),
        Err(error) => {
            report.error("bad_template", node.span, format!("`{key}`: {error}"), error.hint);
            None
        }
    }
}
