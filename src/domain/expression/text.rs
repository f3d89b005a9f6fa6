//! Texts with `{{ … }}` in them, filled in from an event: the parameters of a rule's action, the keys of its guards.
//!
//! Values only: no statements, a handful of filters, and nothing to reach but the scope. A field that is missing or null
//! is an error and never an empty text.

use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, filters};
use serde_json::Value;

use super::{FUEL, LONGEST};

/// The longest text that comes out, in bytes.
const MOST: usize = 64 * 1024;

/// A text with `{{ … }}`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    source: String,
}

/// Why a text cannot be used, or could not be filled in, in a sentence part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextError {
    /// What is wrong.
    pub message: String,
    /// What to write instead, if that can be said.
    pub hint: Option<String>,
}

impl TextError {
    fn new(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self { message: message.into(), hint: hint.map(str::to_owned) }
    }
}

impl Text {
    /// Checks a text. `roots` are the names that a value in it can start with.
    ///
    /// # Errors
    /// [`TextError`] when it is too long, is not Jinja, holds statements, or names something that is not there.
    pub fn parse(source: &str, roots: &[&str]) -> Result<Self, TextError> {
        if source.len() > LONGEST {
            return Err(TextError::new(format!("it is longer than {LONGEST} bytes"), None));
        }
        if source.contains("{%") || source.contains("{#") {
            let hint = "only values are filled in: `{{ trigger.labels.instance }}`";
            return Err(TextError::new("it holds a statement (`{%` or `{#`)", Some(hint)));
        }
        let environment = environment();
        let template = environment
            .template_from_str(source)
            .map_err(|e| TextError::new(in_words(&e), Some("write `{{ trigger.field }}`")))?;
        let strange: std::collections::BTreeSet<String> =
            template.undeclared_variables(false).into_iter().filter(|n| !roots.contains(&n.as_str())).collect();
        if let Some(name) = strange.first() {
            let hint = format!("a value starts with {}", roots.join(", "));
            return Err(TextError::new(format!("it names `{name}`, which is not there"), Some(&hint)));
        }
        Ok(Self { source: source.to_owned() })
    }

    /// The text as its author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Fills the values in, once: what comes in with a value is never read as a template again.
    ///
    /// # Errors
    /// [`TextError`] when a field is missing or null, when it computes too much, or when more than 64 KiB come out.
    pub fn render(&self, scope: &Value) -> Result<String, TextError> {
        if !self.source.contains("{{") {
            return Ok(self.source.clone());
        }
        let environment = environment();
        let fail = |e: &Error| TextError::new(format!("`{}`: {}", self.source, in_words(e)), None);
        let template = environment.template_from_str(&self.source).map_err(|e| fail(&e))?;
        let out = template.render(minijinja::value::Serde(scope)).map_err(|e| fail(&e))?;
        if out.len() <= MOST {
            Ok(out)
        } else {
            Err(TextError::new(format!("`{}`: {}", self.source, too_long()), None))
        }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("default", filters::default);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("split", filters::split);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("join", filters::join);
    environment.add_filter("int", filters::int);
    environment.add_filter("round", filters::round);
    // One environment is made for each text, so this counts one text's values.
    let written = AtomicUsize::new(0);
    environment.set_formatter(move |out, _, value| {
        if value.is_none() {
            return Err(Error::new(ErrorKind::UndefinedError, "the field is null"));
        }
        if value.is_undefined() {
            return Err(Error::from(ErrorKind::UndefinedError));
        }
        let text = value.to_string();
        if written.fetch_add(text.len(), Ordering::Relaxed) + text.len() > MOST {
            return Err(Error::new(ErrorKind::InvalidOperation, too_long()));
        }
        Ok(out.write_str(&text)?)
    });
    environment
}

/// The innermost reason without the place, as a text is one line.
fn in_words(error: &Error) -> String {
    match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, Some(detail)) => detail.to_owned(),
        (ErrorKind::UndefinedError, None) => "the field is missing".to_owned(),
        (ErrorKind::OutOfFuel, _) => "it computes too much".to_owned(),
        (ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    }
}

fn too_long() -> String {
    format!("more than {MOST} bytes come out")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(source: &str) -> Text {
        Text::parse(source, &["trigger"]).unwrap()
    }

    #[test]
    fn values_are_filled_in_once() {
        let scope = json!({"trigger": {"labels": {"instance": "web1:9100"}, "n": 3, "x": "{{ trigger.n }}", "a-b": 1}});
        for (source, expected) in [
            ("{{ trigger.labels.instance }}", "web1:9100"),
            ("{{ trigger.labels.instance | split(':') | first }}", "web1"),
            ("n={{ trigger.n + 1 }}", "n=4"),
            ("{{ trigger.x }}", "{{ trigger.n }}"),
            ("{{ trigger['a-b'] }}", "1"),
            ("{{ trigger.none | default('-') }}", "-"),
            ("plain $x `y`", "plain $x `y`"),
        ] {
            assert_eq!(text(source).render(&scope).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn what_is_missing_or_null_is_an_error() {
        let scope = json!({"trigger": {"null": null, "list": []}});
        for source in ["{{ trigger.x }}", "{{ trigger.null }}", "{{ trigger.x.y }}", "a {{ trigger.list[0] }}"] {
            assert!(text(source).render(&scope).is_err(), "{source}");
        }
    }

    #[test]
    fn statements_and_strange_names_are_refused() {
        for source in [
            "{% for x in trigger %}{% endfor %}",
            "{{ st2kv.system.x }}",
            "{{ trigger",
            "{{ 7 * }}",
            "{{ trigger.a }} {{ now }}",
            "{# x #}",
        ] {
            assert!(Text::parse(source, &["trigger"]).is_err(), "{source}");
        }
    }

    #[test]
    fn a_text_is_bounded() {
        let scope = json!({"trigger": {"x": "a".repeat(MOST)}});
        assert!(text("{{ trigger.x }}").render(&scope).is_ok());
        assert_eq!(
            text("{{ trigger.x }}b").render(&scope).unwrap_err().message,
            "`{{ trigger.x }}b`: more than 65536 bytes come out"
        );
        assert!(Text::parse(&"a".repeat(5_000), &["trigger"]).is_err());
    }
}
