//! Reads a job's options.

use super::checks;
use crate::domain::ids::{KeyPath, OptionName};
use crate::domain::option::{OptionKind, OptionSpec, Pattern};
use crate::spec::diagnostic::Span;
use crate::spec::fields::Fields;
use crate::spec::report::Report;
use crate::spec::yaml::{Node, Value};

/// The longest one-line text unless the option says otherwise.
pub(in crate::spec) const STRING_LENGTH: usize = 1_024;
/// The longest text of several lines, and the longest JSON, unless the option says otherwise.
pub(in crate::spec) const TEXT_LENGTH: usize = 65_536;
/// The largest uploaded file unless the option says otherwise.
pub(in crate::spec) const FILE_BYTES: usize = 1 << 20;
/// What joins the values of a `multi` unless the option says otherwise.
pub(in crate::spec) const DELIMITER: &str = ",";
/// The schemes of an address unless the option says otherwise.
pub(in crate::spec) const SCHEMES: [&str; 2] = ["http", "https"];

const TYPES: [&str; 15] = [
    "string", "text", "integer", "number", "boolean", "enum", "multi", "date", "datetime", "duration", "node",
    "secret", "file", "json", "url",
];

/// More than anybody can fill in.
const MOST_OPTIONS: usize = 200;

/// Keys that only some types take.
const KIND_KEYS: [&str; 10] =
    ["pattern", "max_length", "min", "max", "values", "delimiter", "filter", "storage", "max_bytes", "schemes"];

/// The options that could be read, and the names of all, so that a mistake in one makes no noise elsewhere.
#[derive(Default)]
pub(super) struct Options {
    specs: Vec<OptionSpec>,
    names: Vec<String>,
    broken: bool,
    unnamed: bool,
}

impl Options {
    /// The options that could be read.
    pub(super) fn specs(&self) -> &[OptionSpec] {
        &self.specs
    }

    /// Every name, of good and broken options.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether an option could not be read, so that commands cannot be judged.
    pub(super) fn broken(&self) -> bool {
        self.broken
    }

    /// Whether there may be options whose names are not known, so that no name can be called unknown.
    pub(super) fn unnamed(&self) -> bool {
        self.unnamed
    }

    /// Hands out the options.
    pub(super) fn into_specs(self) -> Vec<OptionSpec> {
        self.specs
    }
}

/// Reads `options:`.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Options {
    let mut out = Options::default();
    let Some(items) = report.read_list(node, "options") else { return Options { broken: true, unnamed: true, ..out } };
    let mut places: Vec<Span> = Vec::new();
    if items.len() > MOST_OPTIONS {
        let message = format!("the job has {} options; at most {MOST_OPTIONS} are read", items.len());
        report.error("out_of_range", node.span, message, Some("ask for fewer values, or for one JSON document"));
        return Options { broken: true, unnamed: true, ..out };
    }
    for item in items {
        let before = report.errors();
        let name = item.get("name").and_then(Node::scalar).map(|s| s.text.clone());
        if let Some(name) = &name {
            if out.names.contains(name) {
                let span = item.get("name").map_or(item.span, |n| n.span);
                report.error(
                    "duplicate_option",
                    span,
                    format!("the option `{name}` stands twice"),
                    Some("give each option its own name"),
                );
                out.broken = true;
                continue;
            }
            out.names.push(name.clone());
        }
        out.unnamed |= name.is_none();
        match read_one(item, report) {
            Some(spec) if report.errors() == before => {
                places.push(item.get("name").map_or(item.span, |n| n.span));
                out.specs.push(spec);
            }
            _ => out.broken = true,
        }
    }
    checks::colliding_names(&out.specs, &places, report);
    out
}

fn read_one(item: &Node, report: &mut Report<'_>) -> Option<OptionSpec> {
    let mut fields = Fields::open(item, "the option", report)?;
    let name = fields.required("name", report).and_then(|n| report.read_name(n, "name", OptionName::parse));
    if let Some(name) = &name {
        fields.rename(format!("the option `{name}`"));
    }
    let label = fields.optional("label").and_then(|n| report.read_text(n, "label"));
    let description = fields.optional("description").and_then(|n| report.read_text(n, "description"));
    let required = fields.optional("required").and_then(|n| report.read_boolean(n, "required")).unwrap_or(false);
    let type_node = fields.optional("type");
    let type_name = match type_node {
        Some(node) => report.read_word(node, "type", &TYPES.map(|t| (t, t))),
        // Values without a type can only mean a choice among them.
        None => Some(if item.get("values").is_some() { "enum" } else { "string" }),
    };
    let pattern_node = match type_name {
        Some("string" | "text" | "url" | "multi") | None => fields.optional("pattern"),
        _ => None,
    };
    let pattern = pattern_node.and_then(|n| read_pattern(n, report));
    let default_node = fields.optional("default");
    let default = default_node.and_then(|n| read_default(n, report));
    let allow_leading_dash =
        fields.optional("allow_leading_dash").and_then(|n| report.read_boolean(n, "allow_leading_dash"));
    let hidden = fields.optional("hidden").and_then(|n| report.read_boolean(n, "hidden")).unwrap_or(false);
    let Some(type_name) = type_name else {
        // Without the type, nobody knows which other keys are right.
        return None;
    };
    let kind = read_kind(type_name, &mut fields, report);
    for key in KIND_KEYS {
        if fields.has_untaken(key) {
            let span = fields.key_span(key).unwrap_or_else(|| fields.start());
            let message = format!("an option of type {type_name} takes no `{key}`");
            report.error("misplaced_key", span, message, Some("remove it, or choose another type"));
            fields.optional(key);
        }
    }
    fields.finish(report);
    let spec = OptionSpec {
        name: name?,
        label,
        description: description.unwrap_or_default(),
        kind: kind?,
        required,
        default,
        pattern,
        allow_leading_dash: allow_leading_dash.unwrap_or(false),
        hidden,
    };
    checks::option(&spec, default_node, report);
    Some(spec)
}

fn read_pattern(node: &Node, report: &mut Report<'_>) -> Option<Pattern> {
    let source = report.read_text(node, "pattern")?;
    match Pattern::compile(&source) {
        Ok(pattern) => Some(pattern),
        Err(message) => {
            checks::bad_pattern(node, &message, report);
            None
        }
    }
}

/// A default is text for the check that every given value passes; a list is one for `multi`.
fn read_default(node: &Node, report: &mut Report<'_>) -> Option<String> {
    match &node.value {
        Value::List(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|i| report.read_scalar(i, "default")).collect();
            Some(texts?.join(","))
        }
        _ => report.read_scalar(node, "default"),
    }
}

fn read_kind(type_name: &str, fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<OptionKind> {
    Some(match type_name {
        "string" => OptionKind::String { max_length: length(fields, STRING_LENGTH, report)? },
        "text" => OptionKind::Text { max_length: length(fields, TEXT_LENGTH, report)? },
        "json" => OptionKind::Json { max_length: length(fields, TEXT_LENGTH, report)? },
        "integer" => {
            let mut bound = |key: &'static str| match fields.optional(key) {
                Some(node) => report.read_integer(node, key, i64::MIN, i64::MAX).map(Some),
                None => Some(None),
            };
            let (min, max) = (bound("min")?, bound("max")?);
            ordered(min.zip(max).is_some_and(|(a, b)| a > b), fields, report)?;
            OptionKind::Integer { min, max }
        }
        "number" => {
            let mut bound = |key: &'static str| match fields.optional(key) {
                Some(node) => report.read_number(node, key).map(Some),
                None => Some(None),
            };
            let (min, max) = (bound("min")?, bound("max")?);
            ordered(min.zip(max).is_some_and(|(a, b)| a > b), fields, report)?;
            OptionKind::Number { min, max }
        }
        "duration" => {
            let mut bound = |key: &'static str| match fields.optional(key) {
                Some(node) => report.read_duration(node, key).map(Some),
                None => Some(None),
            };
            let (min, max) = (bound("min")?, bound("max")?);
            ordered(min.zip(max).is_some_and(|(a, b)| a > b), fields, report)?;
            OptionKind::Duration { min, max }
        }
        "date" => {
            let mut bound = |key: &'static str| match fields.optional(key) {
                Some(node) => date(node, key, report).map(Some),
                None => Some(None),
            };
            let (min, max) = (bound("min")?, bound("max")?);
            ordered(min.as_ref().zip(max.as_ref()).is_some_and(|(a, b)| a > b), fields, report)?;
            OptionKind::Date { min, max }
        }
        "datetime" => OptionKind::DateTime,
        "boolean" => OptionKind::Boolean,
        "enum" => {
            let node = fields.required("values", report)?;
            let values = texts(node, "values", report)?;
            if values.is_empty() {
                report.error(
                    "empty_list",
                    node.span,
                    "an enum needs at least one value",
                    Some("write `values: [a, b]`"),
                );
                return None;
            }
            OptionKind::Enum { values }
        }
        "multi" => {
            let values = match fields.optional("values") {
                Some(node) => texts(node, "values", report)?,
                None => Vec::new(),
            };
            let delimiter_node = fields.optional("delimiter");
            let delimiter = match delimiter_node {
                Some(node) => delimiter(node, report)?,
                None => DELIMITER.to_owned(),
            };
            if let Some(value) = values.iter().find(|v| v.contains(&delimiter)) {
                let span = delimiter_node
                    .map(|n| n.span)
                    .or_else(|| fields.key_span("values"))
                    .unwrap_or_else(|| fields.start());
                let message = format!(
                    "the value `{value}` holds the delimiter `{delimiter}`, so it could not be told apart from two values"
                );
                report.error("bad_value", span, message, Some("choose a `delimiter` that no value holds"));
                return None;
            }
            OptionKind::Multi { values, delimiter }
        }
        "node" => OptionKind::Node {
            filter: match fields.optional("filter") {
                Some(node) => Some(super::dispatch::read_filter(node, "filter", report)?),
                None => None,
            },
        },
        "secret" => OptionKind::Secret {
            storage: match fields.optional("storage") {
                Some(node) => Some(report.read_name(node, "storage", KeyPath::parse)?),
                None => None,
            },
        },
        "file" => OptionKind::File {
            max_bytes: match fields.optional("max_bytes") {
                Some(node) => usize::try_from(report.read_integer(node, "max_bytes", 1, 16 << 20)?).ok()?,
                None => FILE_BYTES,
            },
        },
        _ => OptionKind::Url {
            schemes: match fields.optional("schemes") {
                Some(node) => texts(node, "schemes", report)?.iter().map(|s| s.to_lowercase()).collect(),
                None => SCHEMES.map(str::to_owned).to_vec(),
            },
        },
    })
}

fn length(fields: &mut Fields<'_>, default: usize, report: &mut Report<'_>) -> Option<usize> {
    match fields.optional("max_length") {
        Some(node) => usize::try_from(report.read_integer(node, "max_length", 1, 1 << 20)?).ok(),
        None => Some(default),
    }
}

fn texts(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Vec<String>> {
    let before = report.errors();
    let texts = report.read_texts(node, key)?;
    (report.errors() == before).then(|| texts.into_iter().map(|(text, _)| text).collect())
}

fn ordered(wrong: bool, fields: &Fields<'_>, report: &mut Report<'_>) -> Option<()> {
    if !wrong {
        return Some(());
    }
    let span = fields.key_span("min").unwrap_or_else(|| fields.start());
    report.error("min_over_max", span, format!("{}: `min` is larger than `max`", fields.what()), Some("swap them"));
    None
}

fn date(node: &Node, key: &str, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_scalar(node, key)?;
    if text.len() == 10 && chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d").is_ok() {
        return Some(text);
    }
    report.error(
        "bad_value",
        node.span,
        format!("`{key}` is not a date of the calendar"),
        Some("write it as `2026-11-30`"),
    );
    None
}

fn delimiter(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_scalar(node, "delimiter")?;
    if text.is_empty() || text.chars().any(char::is_control) {
        let hint = "write for example `delimiter: ','`";
        report.error("bad_value", node.span, "`delimiter` must be visible text or a space", Some(hint));
        return None;
    }
    Some(text)
}
