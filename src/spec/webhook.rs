//! Reads a webhook: Rundeck's form with what Interlock adds to it.

use super::criteria;
use super::diagnostic::Span;
use super::fields::Fields;
use super::report::{Refers, Report};
use super::yaml::{Node, Value};
use crate::domain::ids::{JobRef, KeyPath, UserName, WebhookName};
use crate::domain::node::NodeFilter;
use crate::domain::template::{self, Template};
use crate::domain::webhook::{Missing, Mode, Verify, VerifyKind, Webhook};

/// What a field of a webhook's template or condition can start with.
const ROOTS: [&str; 4] = ["data", "header", "webhook", "raw"];

/// Reads one document as a webhook.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Webhook> {
    let before = report.errors();
    let mut outer = Fields::open(node, "the file", report)?;
    let inner = outer.optional("webhook");
    if inner.is_none() {
        report.error(
            "missing_key",
            outer.start(),
            "the file lacks the key `webhook`",
            Some("write `webhook:` and everything else indented below it"),
        );
    }
    if inner.is_none() {
        // Most likely everything stands one level too far out.
        outer.abandon();
        return None;
    }
    outer.finish(report);
    let mut fields = Fields::open(inner?, "the webhook", report)?;
    let name_node = fields.required("name", report);
    let name = name_node.and_then(|n| report.read_name(n, "name", WebhookName::parse));
    if let Some(name) = &name {
        fields.rename(format!("the webhook `{name}`"));
    }
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    if let Some(plugin) = fields.required("eventPlugin", report) {
        report.read_word(plugin, "eventPlugin", &[("webhook-run-job", ())]);
    }
    let config = fields.required("config", report).and_then(|n| read_config(n, report));
    let verify = fields.optional("verify").and_then(|n| read_verify(n, report));
    let when = fields.optional("when").and_then(|n| criteria::read(n, "when", &ROOTS, report));
    let dedupe = fields.optional("dedupe").and_then(|n| read_template(n, "dedupe", report));
    let run_as_node = fields.optional("run_as");
    let run_as = match run_as_node {
        Some(node) => report.read_name(node, "run_as", service),
        None => name.as_ref().and_then(|name| default_account(name, name_node, report)),
    };
    if let (Some(service), Some(span)) = (&run_as, run_as_node.or(name_node).map(|n| n.span)) {
        report.refer(Refers::Service(service.to_string()), span);
    }
    let words = [("refuse", Missing::Refuse), ("empty", Missing::Empty)];
    let missing = fields.optional("missing").and_then(|n| report.read_word(n, "missing", &words));
    let node_filter = fields.optional("node_filter").and_then(|n| read_filter(n, report));
    let words = [("live", Mode::Live), ("dry_run", Mode::DryRun)];
    let mode = fields.optional("mode").and_then(|n| report.read_word(n, "mode", &words));
    fields.finish(report);
    if report.errors() > before {
        return None;
    }
    let (job, arguments) = config?;
    Some(Webhook {
        name: name?,
        description: description.unwrap_or_default(),
        job,
        arguments,
        verify,
        when: when.unwrap_or_default(),
        dedupe,
        run_as: run_as?,
        missing: missing.unwrap_or(Missing::Refuse),
        node_filter,
        mode: mode.unwrap_or(Mode::Live),
    })
}

/// The name of a webhook that could not be read.
pub(super) fn name_of(node: &Node) -> Option<String> {
    node.get("webhook")?.get("name")?.scalar().map(|s| s.text.clone())
}

/// A service account, written with or without `service:`.
fn service(text: &str) -> Result<UserName, crate::domain::ids::BadId> {
    UserName::parse(text.strip_prefix("service:").unwrap_or(text))
}

fn default_account(name: &WebhookName, node: Option<&Node>, report: &mut Report<'_>) -> Option<UserName> {
    if let Ok(account) = UserName::parse(name.as_str()) {
        return Some(account);
    }
    let message = format!(
        "the webhook `{name}` runs as a service account of its own name, but an account's name has no capital letters"
    );
    report.error(
        "missing_key",
        node?.span,
        message,
        Some("name the account with `run_as: NAME`, or write the webhook's name in lower case"),
    );
    None
}

fn read_config(node: &Node, report: &mut Report<'_>) -> Option<(JobRef, Vec<Template>)> {
    let mut fields = Fields::open(node, "`config`", report)?;
    let job_node = fields.required("jobId", report);
    let job = job_node.and_then(|n| report.read_name(n, "jobId", JobRef::parse));
    let arguments_node = fields.optional("argString");
    fields.finish(report);
    if let (Some(job), Some(node)) = (&job, job_node) {
        report.refer(Refers::Job(job.clone()), node.span);
    }
    let arguments = match arguments_node {
        Some(node) => read_arguments(node, job.as_ref(), report),
        None => Some(Vec::new()),
    };
    Some((job?, arguments?))
}

fn read_arguments(node: &Node, job: Option<&JobRef>, report: &mut Report<'_>) -> Option<Vec<Template>> {
    let before = report.errors();
    let text = report.read_text(node, "argString")?;
    let tokens = match template::arg_string(&text) {
        Ok(tokens) => tokens,
        Err(error) => {
            let span = node.inside(error.offset, report.text());
            report.error("bad_template", span, error.message, None::<&str>);
            return None;
        }
    };
    // Each token is looked for after the one before it, so that a repeated text is marked at its own place.
    let mut from = 0;
    let mut place = |token: &str| {
        let at = text.get(from..).and_then(|rest| rest.find(token)).map_or(from, |i| from + i);
        from = (at + token.len()).min(text.len());
        at
    };
    let mut iter = tokens.iter();
    let mut seen = std::collections::HashSet::new();
    while let Some(token) = iter.next() {
        let written = token.source();
        let at = place(written);
        let span = node.inside(at, report.text());
        let Some(name) = written.strip_prefix('-').filter(|n| !n.is_empty()) else {
            let message = format!("`{written}` in the argString is neither an option's name nor its value");
            report.error(
                "stray_argument",
                span,
                message,
                Some("write `-option value`, and put a value with spaces in quotes"),
            );
            continue;
        };
        if name.contains("${") {
            report.error(
                "stray_argument",
                span,
                "an option's name in the argString cannot come from the payload",
                Some("write the name itself"),
            );
        } else if !seen.insert(name.to_owned()) {
            report.error(
                "duplicate_option",
                span,
                format!("the option `{name}` stands twice in the argString"),
                Some("keep one of the two"),
            );
        } else if let Some(job) = job {
            report.refer(Refers::JobOption(job.clone(), name.to_owned()), span);
        }
        match iter.next() {
            Some(value) => {
                let at = place(value.source());
                check_fields(node, &text, at, value, "argString", report);
            }
            None => {
                report.error(
                    "stray_argument",
                    span,
                    format!("the option `{name}` has no value in the argString"),
                    Some("write `-option value`"),
                );
            }
        }
    }
    (report.errors() == before).then_some(tokens)
}

/// A field of the payload starts with one of the roots; anything else would always be missing.
fn check_fields(node: &Node, text: &str, from: usize, template: &Template, key: &str, report: &mut Report<'_>) {
    for field in template.fields() {
        let root = field.split(['.', '[']).next().unwrap_or_default();
        if ROOTS.contains(&root) {
            continue;
        }
        let at = text.get(from..).and_then(|rest| rest.find(&format!("${{{field}"))).map_or(from, |i| from + i);
        let message = format!("`{key}` names the field `{field}`, which is not there");
        let hint = "a field starts with data (the payload), header, webhook or raw, such as `${data.service}`";
        report.error("unknown_field", node.inside(at, report.text()), message, Some(hint));
    }
}

fn read_template(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Template> {
    let before = report.errors();
    let text = report.read_text(node, key)?;
    match Template::parse(&text) {
        Ok(template) => {
            check_fields(node, &text, 0, &template, key, report);
            (report.errors() == before).then_some(template)
        }
        Err(error) => {
            let span = node.inside(error.offset, report.text());
            report.error("bad_template", span, error.message, None::<&str>);
            None
        }
    }
}

fn read_filter(node: &Node, report: &mut Report<'_>) -> Option<Template> {
    let template = read_template(node, "node_filter", report)?;
    if !template.source().contains("${")
        && let Err(error) = NodeFilter::parse(template.source())
    {
        let span = node.inside(error.offset, report.text());
        report.error("bad_node_filter", span, error.message, Some("write for example `tags: web+prod`"));
        return None;
    }
    Some(template)
}

#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    PagerDuty,
    GitHub,
    Slack,
    Grafana,
    Alertmanager,
    StandardWebhooks,
    Token,
    Hmac,
}

fn read_verify(node: &Node, report: &mut Report<'_>) -> Option<Verify> {
    let mut fields = Fields::open(node, "`verify`", report)?;
    let words = [
        ("pagerduty", Scheme::PagerDuty),
        ("github", Scheme::GitHub),
        ("slack", Scheme::Slack),
        ("grafana", Scheme::Grafana),
        ("alertmanager", Scheme::Alertmanager),
        ("standard-webhooks", Scheme::StandardWebhooks),
        ("token", Scheme::Token),
        ("hmac", Scheme::Hmac),
    ];
    let scheme = fields.required("kind", report).and_then(|n| report.read_word(n, "kind", &words));
    let secrets = fields.required("secrets", report).and_then(|n| read_secrets(n, report));
    let Some(scheme) = scheme else {
        for key in ["header", "timestamp_header", "prefix"] {
            fields.optional(key);
        }
        fields.finish(report);
        return None;
    };
    let mut header = |key: &'static str| fields.optional(key).map(|n| read_header(n, key, report));
    let kind = match scheme {
        Scheme::PagerDuty => VerifyKind::PagerDuty,
        Scheme::GitHub => VerifyKind::GitHub,
        Scheme::Slack => VerifyKind::Slack,
        Scheme::Alertmanager => VerifyKind::Alertmanager,
        Scheme::StandardWebhooks => VerifyKind::StandardWebhooks,
        Scheme::Grafana => {
            let signature = header("header").unwrap_or_else(|| Some("X-Grafana-Alerting-Signature".to_owned()));
            let timestamp = header("timestamp_header");
            VerifyKind::Grafana { header: signature?, timestamp_header: timestamp.flatten() }
        }
        Scheme::Token => {
            VerifyKind::Token { header: header("header").unwrap_or_else(|| Some("X-Interlock-Token".to_owned()))? }
        }
        Scheme::Hmac => {
            let header = match fields.required("header", report) {
                Some(node) => read_header(node, "header", report),
                None => None,
            };
            let prefix = fields.optional("prefix").and_then(|n| report.read_text(n, "prefix")).unwrap_or_default();
            fields.finish(report);
            return Some(Verify { kind: VerifyKind::Hmac { header: header?, prefix }, secrets: secrets? });
        }
    };
    fields.finish(report);
    Some(Verify { kind, secrets: secrets? })
}

fn read_header(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, key)?;
    if !text.is_empty()
        && text.len() <= 100
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    {
        return Some(text);
    }
    report.error(
        "bad_value",
        node.span,
        format!("`{key}` is not the name of an HTTP header"),
        Some("write for example `X-Signature`"),
    );
    None
}

fn read_secrets(node: &Node, report: &mut Report<'_>) -> Option<Vec<KeyPath>> {
    if let (Value::Scalar(_), Some(scalar)) = (&node.value, node.scalar())
        && !node.is_null()
        && !scalar.text.starts_with("keys/")
    {
        let hint = "put the secret into the key store and write `secrets: [keys/NAME]`";
        report.error(
            "secret_in_clear",
            node.span,
            "`secrets` names places in the key store, never the secret itself",
            Some(hint),
        );
        return None;
    }
    let items = report.read_list(node, "secrets")?;
    if items.is_empty() || items.len() > 2 {
        let span: Span = node.span;
        report.error(
            "out_of_range",
            span,
            format!("`secrets` names {} places", items.len()),
            Some("name one, or two while a secret is being rotated"),
        );
        return None;
    }
    items.iter().map(|item| report.read_name(item, "secrets", KeyPath::parse)).collect()
}
