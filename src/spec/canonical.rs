//! The canonical form of a definition: JSON with every default filled in, so that comments, order and style do not
//! change its digest.

use serde_json::{Value, json};

use crate::domain::access::{AccessRules, GrantEffect};
use crate::domain::criteria::Criteria;
use crate::domain::job::{Dispatch, Job, NodeDispatch, StepAction, WhenBusy};
use crate::domain::node::Node;
use crate::domain::option::{OptionKind, OptionSpec};
use crate::domain::project::{Channel, Notify, Project};
use crate::domain::template::Template;
use crate::domain::webhook::{Missing, Mode, VerifyKind, Webhook};

/// A definition that has a canonical form.
pub(super) trait Canonical {
    /// The form.
    fn canonical(&self) -> Value;
}

/// Named only where it is not as usual, so that the digests of all jobs from before it existed still hold.
fn with_precedence(nodes: &NodeDispatch, mut value: Value) -> Value {
    if let (false, Some(fields)) = (nodes.exclude_precedence, value.as_object_mut()) {
        fields.insert("exclude_precedence".to_owned(), Value::Bool(false));
    }
    value
}

impl Canonical for Job {
    fn canonical(&self) -> Value {
        json!({
            "id": self.id,
            "path": self.path,
            "description": self.description,
            "options": self.options.iter().map(option).collect::<Vec<_>>(),
            "nodes": match &self.dispatch {
                Dispatch::Local => Value::Null,
                Dispatch::Nodes(nodes) => with_precedence(nodes, json!({
                    "filter": nodes.filter,
                    "concurrency": nodes.concurrency,
                    "keep_going": nodes.keep_going,
                    "max_failures": nodes.max_failures,
                    "order_by": nodes.order_by,
                    "user_may_narrow": nodes.user_may_narrow,
                })),
            },
            "approval": self.approval,
            "timeout": self.timeout,
            "concurrency": self.concurrency.as_ref().map(|c| json!({
                "limit": c.limit,
                "key": c.key,
                "when_busy": match c.when_busy {
                    WhenBusy::Refuse => "refuse",
                    WhenBusy::Queue => "queue",
                    WhenBusy::CancelRunning => "cancel_running",
                },
            })),
            "retry": self.retry,
            "idempotent": self.idempotent,
            "strategy": self.strategy,
            "steps": self.steps.iter().map(|step| json!({
                "name": step.name,
                "action": match &step.action {
                    StepAction::Run { command } => json!({"run": command}),
                    StepAction::Script { body, interpreter } => json!({"script": body, "interpreter": interpreter}),
                },
                "timeout": step.timeout,
                "retry": step.retry,
            })).collect::<Vec<_>>(),
            "notify": {
                "on_start": self.notify.on_start,
                "on_success": self.notify.on_success,
                "on_failure": self.notify.on_failure,
            },
            "enabled": self.enabled,
        })
    }
}

fn option(spec: &OptionSpec) -> Value {
    let kind = match &spec.kind {
        OptionKind::String { max_length } => json!({"type": "string", "max_length": max_length}),
        OptionKind::Text { max_length } => json!({"type": "text", "max_length": max_length}),
        OptionKind::Integer { min, max } => json!({"type": "integer", "min": min, "max": max}),
        OptionKind::Number { min, max } => json!({"type": "number", "min": min, "max": max}),
        OptionKind::Boolean => json!({"type": "boolean"}),
        OptionKind::Enum { values } => json!({"type": "enum", "values": values}),
        OptionKind::Multi { values, delimiter } => json!({"type": "multi", "values": values, "delimiter": delimiter}),
        OptionKind::Date { min, max } => json!({"type": "date", "min": min, "max": max}),
        OptionKind::DateTime => json!({"type": "datetime"}),
        OptionKind::Duration { min, max } => json!({"type": "duration", "min": min, "max": max}),
        OptionKind::Node { filter } => json!({"type": "node", "filter": filter}),
        OptionKind::Secret { storage } => json!({"type": "secret", "storage": storage}),
        OptionKind::File { max_bytes } => json!({"type": "file", "max_bytes": max_bytes}),
        OptionKind::Json { max_length } => json!({"type": "json", "max_length": max_length}),
        OptionKind::Url { schemes } => json!({"type": "url", "schemes": schemes}),
    };
    json!({
        "name": spec.name,
        "label": spec.label,
        "description": spec.description,
        "kind": kind,
        "required": spec.required,
        "default": spec.default,
        "pattern": spec.pattern.as_ref().map(crate::domain::option::Pattern::source),
        "allow_leading_dash": spec.allow_leading_dash,
        "hidden": spec.hidden,
    })
}

fn sources(templates: &[Template]) -> Vec<&str> {
    templates.iter().map(Template::source).collect()
}

fn conditions(criteria: &Criteria) -> Value {
    serde_json::to_value(criteria.specs().collect::<Vec<_>>()).unwrap_or(Value::Null)
}

impl Canonical for Webhook {
    fn canonical(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "job": self.job,
            "arguments": sources(&self.arguments),
            "verify": self.verify.as_ref().map(|v| json!({"kind": verify_kind(&v.kind), "secrets": v.secrets})),
            "when": conditions(&self.when),
            "dedupe": self.dedupe.as_ref().map(Template::source),
            "run_as": self.run_as,
            "missing": match self.missing { Missing::Refuse => "refuse", Missing::Empty => "empty" },
            "node_filter": self.node_filter.as_ref().map(Template::source),
            "mode": match self.mode { Mode::Live => "live", Mode::DryRun => "dry_run" },
        })
    }
}

fn verify_kind(kind: &VerifyKind) -> Value {
    match kind {
        VerifyKind::PagerDuty => json!("pagerduty"),
        VerifyKind::GitHub => json!("github"),
        VerifyKind::Slack => json!("slack"),
        VerifyKind::Alertmanager => json!("alertmanager"),
        VerifyKind::StandardWebhooks => json!("standard-webhooks"),
        VerifyKind::Grafana { header, timestamp_header } => {
            json!({"grafana": {"header": header, "timestamp_header": timestamp_header}})
        }
        VerifyKind::Token { header } => json!({"token": {"header": header}}),
        VerifyKind::Hmac { header, prefix } => json!({"hmac": {"header": header, "prefix": prefix}}),
    }
}

/// Named only where it is not as usual, so that the digests of all projects from before it existed still hold.
fn with_notify(notify: &Notify, mut value: Value) -> Value {
    if let (false, Some(fields)) = (*notify == Notify::default(), value.as_object_mut()) {
        let mut told = json!({"approvals": notify.approvals, "slack_buttons": notify.slack_buttons});
        if let Some(told) = told.as_object_mut().filter(|_| notify.rules != Notify::default().rules) {
            told.insert("rules".to_owned(), json!(notify.rules));
        }
        if let Some(told) = told.as_object_mut().filter(|_| notify.slack_commands) {
            told.insert("slack_commands".to_owned(), json!(true));
        }
        fields.insert("notify".to_owned(), told);
    }
    value
}

impl Canonical for Project {
    fn canonical(&self) -> Value {
        let channel = |channel: &Channel| match channel {
            Channel::Email { to } => json!({"email": to.iter().map(ToString::to_string).collect::<Vec<_>>()}),
            Channel::Chat { flavour, url } => json!({"chat": flavour, "url": url}),
            Channel::Webhook { url, secret } => json!({"webhook": url, "secret": secret}),
        };
        let mut canonical = json!({
            "name": self.name,
            "description": self.description,
            "environments": self.environments,
            "approvals": self.approvals.values().collect::<Vec<_>>(),
            "channels": self.channels.iter().map(|(name, c)| (name.clone(), channel(c))).collect::<serde_json::Map<_, _>>(),
            "retention_days": self.retention_days,
            "local_execution": self.local_execution,
            "production_sources": self.production_sources,
        });
        if let Some(object) = canonical.as_object_mut().filter(|_| !self.break_glass) {
            object.insert("break_glass".to_owned(), Value::Bool(false));
        }
        if let Some(object) = canonical.as_object_mut().filter(|_| !self.freezes.is_empty()) {
            object.insert("freezes".to_owned(), serde_json::to_value(&self.freezes).unwrap_or(Value::Null));
        }
        with_notify(&self.notify, canonical)
    }
}

impl Canonical for AccessRules {
    fn canonical(&self) -> Value {
        let roles: serde_json::Map<String, Value> = self
            .roles
            .iter()
            .map(|(role, grants)| {
                // The line is where it stands, not what it says.
                let grants = grants
                    .iter()
                    .map(|g| {
                        let effect = match g.effect {
                            GrantEffect::Allow => "allow",
                            GrantEffect::Deny => "deny",
                        };
                        json!({effect: g.permissions, "on": g.on, "environment": g.environment})
                    })
                    .collect();
                (role.to_string(), Value::Array(grants))
            })
            .collect();
        let members: serde_json::Map<String, Value> = self
            .members
            .iter()
            .map(|(role, members)| (role.to_string(), members.iter().map(ToString::to_string).collect()))
            .collect();
        let mut canonical = json!({ "roles": roles, "members": members });
        if let Some(object) = canonical.as_object_mut().filter(|_| self.nodes_need_run) {
            object.insert("nodes_need".to_owned(), json!("run"));
        }
        canonical
    }
}

impl Canonical for Vec<Node> {
    fn canonical(&self) -> Value {
        let mut nodes: Vec<&Node> = self.iter().collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        serde_json::to_value(nodes).unwrap_or(Value::Null)
    }
}
