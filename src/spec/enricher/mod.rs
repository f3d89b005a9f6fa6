//! Reads an enricher: what labels events before rules look at them.

mod outside;
mod patterns;

use serde_json::{Value, json};

use super::canonical::Canonical;
use super::fields::Fields;
use super::report::Report;
use super::yaml::Node;
use crate::domain::enricher::{Enricher, EnricherKind};
use crate::domain::expression::Text;
use crate::domain::ids::{EnricherName, LabelName};
use crate::domain::rule::ROOTS;

/// The most labels of one enricher.
const MOST_LABELS: usize = 50;

#[derive(Clone, Copy)]
enum Kind {
    Patterns,
    Model,
    Command,
    Classifier,
}

const KINDS: [(&str, Kind); 4] = [
    ("patterns", Kind::Patterns),
    ("openai", Kind::Model),
    ("command", Kind::Command),
    ("classifier", Kind::Classifier),
];

/// Reads one document as an enricher.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<Enricher> {
    let before = report.errors();
    let mut fields = Fields::open(node, "the enricher", report)?;
    let name = fields.required("name", report).and_then(|n| report.read_name(n, "name", EnricherName::parse));
    if let Some(name) = &name {
        fields.rename(format!("the enricher `{name}`"));
    }
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let enabled = fields.optional("enabled").and_then(|n| report.read_boolean(n, "enabled"));
    let labels = fields.required("labels", report).and_then(|n| read_labels(n, report));
    let text = fields.required("text", report).and_then(|n| read_text(n, report));
    let Some(kind) = fields.required("type", report).and_then(|n| report.read_word(n, "type", &KINDS)) else {
        // Which other keys there may be, its kind says.
        fields.abandon();
        return None;
    };
    let kind = match kind {
        Kind::Patterns => patterns::read(&mut fields, labels.as_deref(), report).map(EnricherKind::Patterns),
        Kind::Model => outside::read_model(&mut fields, report).map(EnricherKind::Model),
        Kind::Command => outside::read_command(&mut fields, report).map(EnricherKind::Command),
        Kind::Classifier => Some(EnricherKind::Classifier),
    };
    fields.finish(report);
    if report.errors() > before {
        return None;
    }
    Some(Enricher {
        name: name?,
        description: description.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
        labels: labels?,
        text: text?,
        kind: kind?,
    })
}

fn read_labels(node: &Node, report: &mut Report<'_>) -> Option<Vec<LabelName>> {
    let before = report.errors();
    let texts = report.read_texts(node, "labels")?;
    if texts.is_empty() || texts.len() > MOST_LABELS {
        let message = format!("`labels` has {} labels", texts.len());
        report.error("out_of_range", node.span, message, Some(format!("name 1 to {MOST_LABELS} labels")));
        return None;
    }
    let mut out = Vec::with_capacity(texts.len());
    for (text, span) in texts {
        out.extend(report.accept(LabelName::parse(&text), span, "labels"));
    }
    (report.errors() == before).then_some(out)
}

fn read_text(node: &Node, report: &mut Report<'_>) -> Option<Text> {
    let text = report.read_text(node, "text")?;
    match Text::parse(&text, &ROOTS) {
        Ok(_) if !text.contains("{{") => {
            let hint = "name what is looked at, such as `{{ trigger.annotations.summary }}`";
            report.error("bad_value", node.span, "`text` is the same for every event", Some(hint));
            None
        }
        Ok(text) => Some(text),
        Err(error) => {
            report.error("bad_value", node.span, format!("`text`: {}", error.message), error.hint);
            None
        }
    }
}

impl Canonical for Enricher {
    fn canonical(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "enabled": self.enabled,
            "labels": self.labels,
            "text": self.text.source(),
            "type": self.kind.as_str(),
            "settings": self.kind.settings(),
        })
    }
}
