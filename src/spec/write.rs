//! Writes definitions as YAML that reads back as the same definition. Defaults are left out.

mod emit;
mod job;
#[cfg(test)]
mod tests;

use emit::Out;
use serde_json::Value;

use crate::domain::criteria::Criteria;
use crate::domain::node::Node;
use crate::domain::template::Template;
use crate::domain::webhook::{Missing, Mode, Verify, VerifyKind, Webhook};

/// Writes a job in Interlock's own form.
#[must_use]
pub fn write_job(job: &crate::domain::job::Job) -> String {
    job::out(job).render()
}

/// Writes an inventory as a map of nodes, sorted by name.
#[must_use]
pub fn write_nodes(nodes: &[Node]) -> String {
    let mut sorted: Vec<&Node> = nodes.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let entries = sorted.into_iter().map(|node| {
        let mut out: Vec<(String, Out)> =
            node.attributes.iter().map(|(key, value)| (key.clone(), Out::scalar(value))).collect();
        if !node.tags.is_empty() {
            out.push(("tags".to_owned(), Out::List(node.tags.iter().map(|t| Out::scalar(t)).collect())));
        }
        (node.name.to_string(), Out::Map(out))
    });
    Out::Map(entries.collect()).render()
}

/// Writes a webhook in Rundeck's form with Interlock's additions.
#[must_use]
pub fn write_webhook(webhook: &Webhook) -> String {
    let mut out = emit::Entries::default();
    out.text("name", webhook.name.as_str());
    out.text_unless("description", &webhook.description, "");
    out.text("eventPlugin", "webhook-run-job");
    let mut config = emit::Entries::default();
    config.any("jobId", webhook.job.as_str());
    if !webhook.arguments.is_empty() {
        config.text("argString", &arg_string(&webhook.arguments));
    }
    out.put("config", config.into());
    if let Some(verify) = &webhook.verify {
        out.put("verify", verification(verify));
    }
    if !webhook.when.is_empty() {
        out.put("when", criteria(&webhook.when));
    }
    if let Some(dedupe) = &webhook.dedupe {
        out.text("dedupe", dedupe.source());
    }
    out.any("run_as", webhook.run_as.as_str());
    if webhook.missing == Missing::Empty {
        out.text("missing", "empty");
    }
    if let Some(filter) = &webhook.node_filter {
        out.text("node_filter", filter.source());
    }
    if webhook.mode == Mode::DryRun {
        out.text("mode", "dry_run");
    }
    Out::Map(vec![("webhook".to_owned(), out.into())]).render()
}

/// Joins tokens by Rundeck's quoting rules.
fn arg_string(tokens: &[Template]) -> String {
    let quoted = tokens.iter().map(|token| {
        let text = token.source();
        if text.is_empty() || text.chars().any(|c| c <= ' ' || matches!(c, '"' | '\'')) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn verification(verify: &Verify) -> Out {
    let mut out = emit::Entries::default();
    let (kind, header, other) = match &verify.kind {
        VerifyKind::PagerDuty => ("pagerduty", None, None),
        VerifyKind::GitHub => ("github", None, None),
        VerifyKind::Slack => ("slack", None, None),
        VerifyKind::Alertmanager => ("alertmanager", None, None),
        VerifyKind::StandardWebhooks => ("standard-webhooks", None, None),
        VerifyKind::Grafana { header, timestamp_header } => {
            ("grafana", Some(header), timestamp_header.as_ref().map(|t| ("timestamp_header", t)))
        }
        VerifyKind::Token { header } => ("token", Some(header), None),
        VerifyKind::Hmac { header, prefix } => ("hmac", Some(header), Some(("prefix", prefix))),
    };
    out.text("kind", kind);
    out.put("secrets", Out::List(verify.secrets.iter().map(|s| Out::Text(s.to_string())).collect()));
    if let Some(header) = header {
        out.text("header", header);
    }
    if let Some((key, value)) = other {
        out.text(key, value);
    }
    out.into()
}

fn criteria(criteria: &Criteria) -> Out {
    let entries = criteria.specs().map(|spec| {
        let mut out = emit::Entries::default();
        out.text("type", &spec.operator);
        if let Some(pattern) = &spec.pattern {
            out.put("pattern", json(pattern));
        }
        if let Some(condition) = &spec.condition {
            out.text("condition", condition);
        }
        (spec.path.clone(), out.into())
    });
    Out::Map(entries.collect())
}

fn json(value: &Value) -> Out {
    match value {
        Value::Null => Out::Word("null".to_owned()),
        Value::Bool(b) => Out::Word(b.to_string()),
        Value::Number(n) => Out::Word(n.to_string()),
        Value::String(text) => Out::Text(text.clone()),
        Value::Array(items) => Out::List(items.iter().map(json).collect()),
        Value::Object(map) => Out::Map(map.iter().map(|(key, value)| (key.clone(), json(value))).collect()),
    }
}
