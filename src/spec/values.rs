//! Reads single values: text, numbers, durations, lists, names, words of a fixed set.
//!
//! Each function reports what is wrong and answers `None`, so that the caller goes on with the rest of the file.

use super::diagnostic::Span;
use super::fields::{nearest, suggest};
use super::report::Report;
use super::yaml::{Entry, Kind, Node, Value};
use crate::domain::ids::BadId;
use crate::domain::time::Seconds;

impl Report<'_> {
    /// Text. A number or a boolean must be put in quotes, so that nobody is surprised by what it turns into.
    pub(crate) fn read_text(&mut self, node: &Node, key: &str) -> Option<String> {
        match (node.scalar(), node.kind()) {
            (Some(scalar), Some(Kind::Text)) => Some(scalar.text.clone()),
            (Some(scalar), Some(kind)) if kind != Kind::Null => {
                let hint = format!("write it in quotes: '{}'", scalar.text);
                self.wrong_type(node, &format!("`{key}`"), "text", Some(hint));
                None
            }
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "text", None);
                None
            }
        }
    }

    /// Any scalar but nothing, as it was written.
    pub(crate) fn read_scalar(&mut self, node: &Node, key: &str) -> Option<String> {
        match (node.scalar(), node.is_null()) {
            (Some(scalar), false) => Some(scalar.text.clone()),
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "one value", None);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn read_boolean(&mut self, node: &Node, key: &str) -> Option<bool> {
        if let Some(Kind::Boolean(b)) = node.kind() {
            return Some(b);
        }
        let hint = node.scalar().and_then(|s| match s.text.to_lowercase().as_str() {
            "yes" | "on" | "y" | "1" | "true" => Some("write `true`".to_owned()),
            "no" | "off" | "n" | "0" | "false" => Some("write `false`".to_owned()),
            _ => None,
        });
        self.wrong_type(node, &format!("`{key}`"), "true or false", hint);
        None
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn read_integer(&mut self, node: &Node, key: &str, min: i64, max: i64) -> Option<i64> {
        let Some(number) = node.scalar().and_then(super::yaml::Scalar::integer) else {
            self.wrong_type(node, &format!("`{key}`"), "a whole number", None);
            return None;
        };
        if (min..=max).contains(&number) {
            return Some(number);
        }
        let message = format!("`{key}` is {number}, which is out of range");
        self.error("out_of_range", node.span, message, Some(format!("use a whole number from {min} to {max}")));
        None
    }

    /// A whole number that fits 32 bits.
    pub(crate) fn read_count(&mut self, node: &Node, key: &str, min: u32, max: u32) -> Option<u32> {
        self.read_integer(node, key, min.into(), max.into()).and_then(|n| u32::try_from(n).ok())
    }

    /// A number.
    pub(crate) fn read_number(&mut self, node: &Node, key: &str) -> Option<f64> {
        let number = node.scalar().and_then(super::yaml::Scalar::float);
        if number.is_none() {
            self.wrong_type(node, &format!("`{key}`"), "a number", None);
        }
        number
    }

    /// `30s`, `10m`, `90`.
    pub(crate) fn read_duration(&mut self, node: &Node, key: &str) -> Option<Seconds> {
        match (node.scalar(), node.is_null()) {
            (Some(scalar), false) => self.accept(Seconds::parse(&scalar.text), node.span, key),
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "a duration such as `10m`", None);
                None
            }
        }
    }

    /// A duration of at least a second.
    pub(crate) fn read_some_time(&mut self, node: &Node, key: &str) -> Option<Seconds> {
        let duration = self.read_duration(node, key)?;
        if duration.get() > 0 {
            return Some(duration);
        }
        self.error(
            "out_of_range",
            node.span,
            format!("`{key}` is no time at all"),
            Some("use at least `1s`, or remove the line"),
        );
        None
    }

    /// The items of a list.
    pub(crate) fn read_list<'t>(&mut self, node: &'t Node, key: &str) -> Option<&'t [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            Value::Scalar(scalar) if !node.is_null() => {
                let hint = format!("write `[{}]`", scalar.text);
                self.wrong_type(node, &format!("`{key}`"), "a list", Some(hint));
                None
            }
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "a list", None);
                None
            }
        }
    }

    /// The entries of a map whose keys are names that the author chose.
    pub(crate) fn read_map<'t>(&mut self, node: &'t Node, key: &str) -> Option<&'t [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "a map of `name: …` entries", None);
                None
            }
        }
    }

    /// A list of texts, duplicates reported. Items that are wrong are left out.
    pub(crate) fn read_texts(&mut self, node: &Node, key: &str) -> Option<Vec<(String, Span)>> {
        let items = self.read_list(node, key)?;
        let mut out: Vec<(String, Span)> = Vec::with_capacity(items.len());
        let mut seen = std::collections::HashSet::new();
        for item in items {
            let Some(text) = self.read_scalar(item, &format!("an item of `{key}`").replace('`', "")) else { continue };
            if !seen.insert(text.clone()) {
                self.error(
                    "duplicate_item",
                    item.span,
                    format!("`{text}` stands twice in `{key}`"),
                    Some("keep one of the two"),
                );
                continue;
            }
            out.push((text, item.span));
        }
        Some(out)
    }

    /// A name or identifier: text that a domain type parses. Numbers count as text here.
    pub(crate) fn read_name<T>(&mut self, node: &Node, key: &str, parse: fn(&str) -> Result<T, BadId>) -> Option<T> {
        match (node.scalar(), node.is_null()) {
            (Some(scalar), false) => self.accept(parse(&scalar.text), node.span, key),
            _ => {
                self.wrong_type(node, &format!("`{key}`"), "text", None);
                None
            }
        }
    }

    /// One of a fixed set of words.
    pub(crate) fn read_word<T: Clone>(&mut self, node: &Node, key: &str, words: &[(&'static str, T)]) -> Option<T> {
        let text = self.read_scalar(node, key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(value.clone());
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(&text, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of: {}", known.join(", ")),
        };
        let shown: String = text.chars().take(60).collect();
        self.error("unknown_value", node.span, format!("`{key}` cannot be `{shown}`"), Some(hint));
        None
    }

    /// Reports a refused identifier.
    pub(crate) fn accept<T>(&mut self, result: Result<T, BadId>, span: Span, key: &str) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let message = format!("`{key}`: `{}` is not a valid {}", error.given, error.what);
                self.error("bad_value", span, message, Some(error.rule));
                None
            }
        }
    }

    /// Reports a name that is not among the known ones.
    pub(crate) fn unknown_name<'k>(
        &mut self,
        code: &'static str,
        span: Span,
        message: String,
        given: &str,
        known: impl Iterator<Item = &'k str>,
    ) {
        let hint = suggest(given, known);
        self.error(code, span, message, hint);
    }
}
