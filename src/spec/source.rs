//! Reads a source of events.

mod journal;
mod log;
mod poll;
mod queue;
mod timer;

pub(super) use poll::read_url;
use serde_json::{Value, json};

use super::canonical::Canonical;
use super::fields::Fields;
use super::report::Report;
use super::yaml::Node;
use crate::domain::event::{RUN_FINISHED, is_event_type};
use crate::domain::ids::SourceName;
use crate::domain::source::{Source, SourceKind};

#[derive(Clone, Copy)]
enum Kind {
    Timer,
    Poll,
    Log,
    Queue,
    Journal,
}

const KINDS: [(&str, Kind); 5] = [
    ("timer", Kind::Timer),
    ("poll", Kind::Poll),
    ("log", Kind::Log),
    ("journal", Kind::Journal),
    ("nats", Kind::Queue),
];

/// Reads one document as a source.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Source> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the source", report)?;
    let name = fields.required("name", report).and_then(|n| report.read_name(n, "name", SourceName::parse));
    if let Some(name) = &name {
        fields.rename(format!("the source `{name}`"));
    }
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let event_node = fields.optional("event");
    let event_type = match event_node {
        Some(node) => read_event_type(node, report),
        None => name.as_ref().map(|name| format!("source.{name}")),
    };
    let enabled = fields.optional("enabled").and_then(|n| report.read_boolean(n, "enabled"));
    let Some(kind) = fields.required("type", report).and_then(|n| report.read_word(n, "type", &KINDS)) else {
        // Which other keys there may be, its kind says.
        fields.abandon();
        return None;
    };
    let kind = match kind {
        Kind::Timer => timer::read(&mut fields, report).map(SourceKind::Timer),
        Kind::Poll => poll::read(&mut fields, report).map(SourceKind::Poll),
        Kind::Log => log::read(&mut fields, report).map(SourceKind::Log),
        Kind::Journal => journal::read(&mut fields, report).map(SourceKind::Journal),
        Kind::Queue => queue::read(&mut fields, report).map(SourceKind::Queue),
    };
    fields.finish(report);
    if report.errors() > before {
        return None;
    }
    Some(Source {
        name: name?,
        description: description.unwrap_or_default(),
        event_type: event_type?,
        enabled: enabled.unwrap_or(true),
        kind: kind?,
    })
}

fn read_event_type(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "event")?;
    let shown: String = text.chars().take(60).collect();
    if !is_event_type(&text) {
        let message = format!("`event`: `{shown}` is not the type of an event");
        report.error("bad_value", node.span, message, Some("write it as `backup.due`"));
        return None;
    }
    if text == RUN_FINISHED || text.starts_with("webhook.") {
        let message = format!("`event`: `{shown}` is a type that Interlock itself gives");
        let hint = "choose another one, so that no source can pass for a webhook or for the end of a run";
        report.error("bad_value", node.span, message, Some(hint));
        return None;
    }
    Some(text)
}

impl Canonical for Source {
    fn canonical(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "event": self.event_type,
            "enabled": self.enabled,
            "type": self.kind.as_str(),
            "settings": self.kind.settings(),
        })
    }
}
