//! A job as a tree to be written, without what is the default anyway.

use super::emit::{Entries, Out};
use crate::domain::job::{
    Concurrency, Dispatch, Job, MaxFailures, NodeDispatch, Retry, Step, StepAction, Strategy, WhenBusy,
};
use crate::domain::option::{OptionKind, OptionSpec};
use crate::spec::job::{DELIMITER, FILE_BYTES, INTERPRETER, SCHEMES, STRING_LENGTH, TEXT_LENGTH};

/// The whole job.
pub(super) fn out(job: &Job) -> Out {
    let mut out = Entries::default();
    if let Some(id) = &job.id {
        out.any("id", id.as_str());
    }
    out.any("name", job.path.name());
    if !job.path.group().is_empty() {
        out.any("group", job.path.group());
    }
    out.text_unless("description", &job.description, "");
    if !job.options.is_empty() {
        out.put("options", Out::List(job.options.iter().map(option).collect()));
    }
    if let Dispatch::Nodes(nodes) = &job.dispatch {
        out.put("nodes", dispatch(nodes));
    }
    if let Some(policy) = &job.approval {
        out.any("approval", policy.as_str());
    }
    if let Some(timeout) = job.timeout {
        out.any("timeout", &timeout.to_string());
    }
    if let Some(limit) = &job.concurrency {
        out.put("concurrency", concurrency(limit));
    }
    retry(&mut out, job.retry);
    out.word_unless("idempotent", job.idempotent, false);
    let strategy = match job.strategy {
        Strategy::NodeFirst => "node-first",
        Strategy::StepFirst => "step-first",
        Strategy::Parallel => "parallel",
    };
    out.text_unless("strategy", strategy, "node-first");
    out.put("steps", Out::List(job.steps.iter().enumerate().map(|(i, s)| step(i + 1, s)).collect()));
    let mut notify = Entries::default();
    notify.list("on_start", &job.notify.on_start);
    notify.list("on_success", &job.notify.on_success);
    notify.list("on_failure", &job.notify.on_failure);
    if !notify.is_empty() {
        out.put("notify", notify.into());
    }
    out.word_unless("enabled", job.enabled, true);
    out.into()
}

fn retry(out: &mut Entries, retry: Retry) {
    if retry != Retry::default() {
        let mut inner = Entries::default();
        inner.any("count", &retry.count.to_string());
        inner.word_unless("delay", retry.delay, crate::domain::time::Seconds::default());
        out.put("retry", inner.into());
    }
}

fn dispatch(nodes: &NodeDispatch) -> Out {
    let mut out = Entries::default();
    out.text("filter", &nodes.filter);
    out.word_unless("exclude_precedence", nodes.exclude_precedence, true);
    out.word_unless("concurrency", nodes.concurrency, 1);
    out.word_unless("keep_going", nodes.keep_going, false);
    match nodes.max_failures {
        Some(MaxFailures::Count(count)) => out.any("max_failures", &count.to_string()),
        Some(MaxFailures::Percent(percent)) => out.text("max_failures", &format!("{percent}%")),
        None => {}
    }
    out.text_unless("order_by", &nodes.order_by, "name");
    out.word_unless("user_may_narrow", nodes.user_may_narrow, false);
    out.into()
}

fn concurrency(limit: &Concurrency) -> Out {
    let mut out = Entries::default();
    out.any("limit", &limit.limit.to_string());
    if let Some(key) = &limit.key {
        out.text("key", key);
    }
    let when_busy = match limit.when_busy {
        WhenBusy::Refuse => "refuse",
        WhenBusy::Queue => "queue",
        WhenBusy::CancelRunning => "cancel_running",
    };
    out.text_unless("when_busy", when_busy, "refuse");
    out.into()
}

fn step(number: usize, step: &Step) -> Out {
    let mut out = Entries::default();
    if step.name.as_str() != format!("step-{number}") {
        out.any("name", step.name.as_str());
    }
    match &step.action {
        StepAction::Run { command } => out.text("run", command),
        StepAction::Script { body, interpreter } => {
            out.text("script", body);
            out.text_unless("interpreter", interpreter, INTERPRETER);
        }
    }
    if let Some(timeout) = step.timeout {
        out.any("timeout", &timeout.to_string());
    }
    retry(&mut out, step.retry);
    out.into()
}

fn bound<T: ToString>(out: &mut Entries, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        out.any(key, &value.to_string());
    }
}

fn option(spec: &OptionSpec) -> Out {
    let mut out = Entries::default();
    out.any("name", spec.name.as_str());
    if let Some(label) = &spec.label {
        out.text("label", label);
    }
    out.text_unless("description", &spec.description, "");
    kind(&mut out, &spec.kind);
    out.word_unless("required", spec.required, false);
    if let Some(default) = &spec.default {
        out.any("default", default);
    }
    if let Some(pattern) = &spec.pattern {
        out.text("pattern", pattern.source());
    }
    out.word_unless("allow_leading_dash", spec.allow_leading_dash, false);
    out.word_unless("hidden", spec.hidden, false);
    out.into()
}

fn kind(out: &mut Entries, kind: &OptionKind) {
    match kind {
        OptionKind::String { max_length } => out.word_unless("max_length", *max_length, STRING_LENGTH),
        OptionKind::Text { max_length } => {
            out.text("type", "text");
            out.word_unless("max_length", *max_length, TEXT_LENGTH);
        }
        OptionKind::Json { max_length } => {
            out.text("type", "json");
            out.word_unless("max_length", *max_length, TEXT_LENGTH);
        }
        OptionKind::Integer { min, max } => {
            out.text("type", "integer");
            bound(out, "min", min.as_ref());
            bound(out, "max", max.as_ref());
        }
        OptionKind::Number { min, max } => {
            out.text("type", "number");
            bound(out, "min", min.as_ref());
            bound(out, "max", max.as_ref());
        }
        OptionKind::Duration { min, max } => {
            out.text("type", "duration");
            bound(out, "min", min.as_ref());
            bound(out, "max", max.as_ref());
        }
        OptionKind::Date { min, max } => {
            out.text("type", "date");
            bound(out, "min", min.as_ref());
            bound(out, "max", max.as_ref());
        }
        OptionKind::Boolean => out.text("type", "boolean"),
        OptionKind::DateTime => out.text("type", "datetime"),
        OptionKind::Enum { values } => {
            out.text("type", "enum");
            out.list("values", values);
        }
        OptionKind::Multi { values, delimiter } => {
            out.text("type", "multi");
            out.list("values", values);
            if delimiter != DELIMITER {
                out.any("delimiter", delimiter);
            }
        }
        OptionKind::Node { filter } => {
            out.text("type", "node");
            if let Some(filter) = filter {
                out.text("filter", filter);
            }
        }
        OptionKind::Secret { storage } => {
            out.text("type", "secret");
            bound(out, "storage", storage.as_ref());
        }
        OptionKind::File { max_bytes } => {
            out.text("type", "file");
            out.word_unless("max_bytes", *max_bytes, FILE_BYTES);
        }
        OptionKind::Url { schemes } => {
            out.text("type", "url");
            if *schemes != SCHEMES {
                out.put("schemes", Out::List(schemes.iter().map(|s| Out::scalar(s)).collect()));
            }
        }
    }
}
