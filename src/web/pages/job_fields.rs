//! A job's options as form fields: the right widget, what stands in it, what is wrong with it.

use std::collections::BTreeMap;

use crate::domain::option::{FieldError, OptionKind, OptionSpec, RawValue, RawValues};
use crate::web::page::markdown;

/// One field.
pub struct Field {
    /// The option's name.
    pub name: String,
    /// What people read.
    pub label: String,
    /// What is shown for it: `text`, `textarea`, `select`, `multi`, `password`, `stored`, `file`, `date`.
    pub widget: &'static str,
    /// What stands in it.
    pub value: String,
    /// What can be chosen.
    pub choices: Vec<Choice>,
    /// Whether one of the choices is on.
    pub has_choice: bool,
    /// Which keyboard a phone shows, or empty.
    pub inputmode: &'static str,
    /// Whether it has to be filled in.
    pub required: bool,
    /// Whether it is not shown.
    pub hidden: bool,
    /// The author's help.
    pub help_html: String,
    /// The rule of its type, in words.
    pub rule: String,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// Something that can be chosen.
pub struct Choice {
    /// The value.
    pub value: String,
    /// Whether it is chosen.
    pub on: bool,
}

/// The fields of a job. `typed` is what somebody gave already; without it the defaults stand in the fields.
pub fn fields(
    specs: &[OptionSpec],
    typed: Option<&RawValues>,
    nameable: &BTreeMap<String, Vec<String>>,
    errors: &[FieldError],
) -> Vec<Field> {
    specs.iter().map(|spec| field(spec, typed, nameable, errors)).collect()
}

fn field(
    spec: &OptionSpec,
    typed: Option<&RawValues>,
    nameable: &BTreeMap<String, Vec<String>>,
    errors: &[FieldError],
) -> Field {
    let name = spec.name.to_string();
    let default = || spec.default.clone().unwrap_or_default();
    let given = typed.map(|t| t.get(&name));
    let value = match given {
        // A value in the address or on a page that came back never brings a secret with it.
        _ if matches!(spec.kind, OptionKind::Secret { .. } | OptionKind::File { .. }) => String::new(),
        None => default(),
        Some(None) => String::new(),
        Some(Some(RawValue::Text(text))) => text.clone(),
        Some(Some(RawValue::List(list))) => list.join(delimiter(&spec.kind)),
        Some(Some(RawValue::File { .. })) => String::new(),
    };
    let (widget, inputmode) = widget(&spec.kind);
    let offered: Vec<String> = match &spec.kind {
        OptionKind::Enum { values } | OptionKind::Multi { values, .. } => values.clone(),
        OptionKind::Boolean => vec!["true".to_owned(), "false".to_owned()],
        OptionKind::Node { .. } => nameable.get(&name).cloned().unwrap_or_default(),
        _ => Vec::new(),
    };
    let on: Vec<&str> = match &spec.kind {
        OptionKind::Multi { delimiter, .. } => value.split(delimiter.as_str()).map(str::trim).collect(),
        _ => vec![value.as_str()],
    };
    let choices: Vec<Choice> = offered.into_iter().map(|v| Choice { on: on.contains(&v.as_str()), value: v }).collect();
    let value = match &spec.kind {
        OptionKind::Secret { storage: Some(path) } => path.to_string(),
        _ => value,
    };
    let error = errors.iter().find(|e| e.field == name).map(|e| crate::app::error::sentence(&e.message));
    Field {
        label: spec.label.clone().unwrap_or_else(|| name.clone()),
        has_choice: choices.iter().any(|c| c.on),
        required: spec.required,
        // A hidden field that is wrong has to be seen.
        hidden: spec.hidden && error.is_none(),
        help_html: if spec.description.is_empty() { String::new() } else { markdown(&spec.description) },
        rule: rule(spec),
        name,
        widget,
        value,
        choices,
        inputmode,
        error,
    }
}

fn delimiter(kind: &OptionKind) -> &str {
    match kind {
        OptionKind::Multi { delimiter, .. } => delimiter,
        _ => ",",
    }
}

/// Numbers are text fields with a keyboard of digits: a browser's number field throws away what it cannot read.
fn widget(kind: &OptionKind) -> (&'static str, &'static str) {
    match kind {
        OptionKind::String { .. } | OptionKind::DateTime | OptionKind::Duration { .. } => ("text", ""),
        OptionKind::Text { .. } | OptionKind::Json { .. } => ("textarea", ""),
        OptionKind::Integer { .. } => ("text", "numeric"),
        OptionKind::Number { .. } => ("text", "decimal"),
        OptionKind::Boolean | OptionKind::Enum { .. } | OptionKind::Node { .. } => ("select", ""),
        OptionKind::Multi { values, .. } if values.is_empty() => ("text", ""),
        OptionKind::Multi { .. } => ("multi", ""),
        OptionKind::Date { .. } => ("date", ""),
        OptionKind::Secret { storage: Some(_) } => ("stored", ""),
        OptionKind::Secret { storage: None } => ("password", ""),
        OptionKind::File { .. } => ("file", ""),
        OptionKind::Url { .. } => ("text", "url"),
    }
}

fn rule(spec: &OptionSpec) -> String {
    let mut rule = match &spec.kind {
        OptionKind::Integer { min, max } => between("A whole number", min.as_ref(), max.as_ref()),
        OptionKind::Number { min, max } => between("A number", min.as_ref(), max.as_ref()),
        OptionKind::Duration { min, max } => {
            let sentence = between("A length of time", min.as_ref(), max.as_ref());
            format!("{} such as 30s, 10m or 4h.", sentence.trim_end_matches('.'))
        }
        OptionKind::Date { min, max } => between("A date", min.as_ref(), max.as_ref()),
        OptionKind::DateTime => "A time with its zone, such as 2026-11-30T14:00:00+01:00.".to_owned(),
        OptionKind::Multi { values, delimiter } if values.is_empty() => {
            format!("Several values, separated by `{delimiter}`.")
        }
        OptionKind::Json { .. } => "A JSON document.".to_owned(),
        OptionKind::Url { schemes } => format!("An address with {}.", schemes.join(" or ")),
        OptionKind::File { max_bytes } => format!("At most {} KiB.", max_bytes.div_ceil(1024)),
        OptionKind::Secret { storage: None } => "Encrypted at once, shown to nobody.".to_owned(),
        _ => String::new(),
    };
    if let Some(pattern) = &spec.pattern {
        if !rule.is_empty() {
            rule.push(' ');
        }
        rule.push_str(&format!("Has to match {}", pattern.source()));
    }
    rule
}

fn between<T: std::fmt::Display>(what: &str, min: Option<&T>, max: Option<&T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{what} from {min} to {max}."),
        (Some(min), None) => format!("{what}, at least {min}."),
        (None, Some(max)) => format!("{what}, at most {max}."),
        (None, None) => format!("{what}."),
    }
}
