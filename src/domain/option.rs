//! Typed job options: what a job asks for, and the one place where given values are checked.
//!
//! Form, API, command line, webhook and schedule all come through [`validate`], so a value that one of them refuses is
//! refused by all, with the same words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ids::{KeyPath, OptionName};
use super::secret::SecretText;
use super::time::Seconds;

mod json;
mod kinds;
mod text;
mod validate;

pub use json::supplied_from_json;
pub use validate::{check_default, validate};

/// One option of a job, as its author declared it.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionSpec {
    /// The name; `$OPTION_NAME` in scripts.
    pub name: OptionName,
    /// What people see instead of the name.
    pub label: Option<String>,
    /// Help under the field, markdown.
    pub description: String,
    /// The type with its own limits.
    pub kind: OptionKind,
    /// Whether an empty or absent value is refused.
    pub required: bool,
    /// What is used when nothing is given, as text that must itself pass the check. Never for secrets.
    pub default: Option<String>,
    /// A regular expression that the whole text must match. For `string`, `text`, `url` and the members of `multi`.
    pub pattern: Option<Pattern>,
    /// Whether a text value may start with `-`. Off by default, as such a value is read as a flag by most programs.
    pub allow_leading_dash: bool,
    /// Not shown in the form; the default or the caller's value is used.
    pub hidden: bool,
}

impl OptionSpec {
    /// Whether the reason that a run is asked for with is its value where none is given.
    #[must_use]
    pub fn is_reason(&self) -> bool {
        self.name.as_str() == "reason" && matches!(self.kind, OptionKind::String { .. } | OptionKind::Text { .. })
    }
}

/// The type of an option.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionKind {
    /// One line without control characters.
    String { max_length: usize },
    /// Several lines; line breaks and tabs are the only control characters.
    Text { max_length: usize },
    /// A whole number within 64 bits.
    Integer { min: Option<i64>, max: Option<i64> },
    /// A decimal number, kept as it was written.
    Number { min: Option<f64>, max: Option<f64> },
    /// `true` or `false`.
    Boolean,
    /// One of the values.
    Enum { values: Vec<String> },
    /// Several of the values (or free values when the list is empty), joined by `delimiter` for the node.
    Multi { values: Vec<String>, delimiter: String },
    /// `2026-11-30`.
    Date { min: Option<String>, max: Option<String> },
    /// RFC 3339 with an offset; kept in UTC.
    DateTime,
    /// `30s`, `10m`, `1d 12h`; reaches the node as a whole number of seconds.
    Duration { min: Option<Seconds>, max: Option<Seconds> },
    /// The name of a node of the project's inventory that the caller may see, narrowed by a node filter.
    Node { filter: Option<String> },
    /// A secret: from the key store when `storage` is set, otherwise typed by the person who runs the job.
    Secret { storage: Option<KeyPath> },
    /// A small uploaded file; the node sees its path.
    File { max_bytes: usize },
    /// Any JSON document; reaches the node as compact text.
    Json { max_length: usize },
    /// An absolute address with one of the schemes.
    Url { schemes: Vec<String> },
}

/// A regular expression that always has to match the whole text. Linear time by construction (crate `regex`).
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    whole: regex::Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Pattern {
    /// Compiles the author's expression; its size is bounded.
    ///
    /// # Errors
    /// The compiler's message when it is not a regular expression or too large.
    pub fn compile(source: &str) -> Result<Self, String> {
        // The author's expression must stand by itself: `a)|(b` would otherwise escape the group that anchors it.
        regex::RegexBuilder::new(source).size_limit(1 << 20).build().map_err(|e| e.to_string())?;
        let whole = regex::RegexBuilder::new(&format!("^(?:{source})$"))
            .size_limit(1 << 20)
            .build()
            .or_else(|_| regex::RegexBuilder::new(&format!("^(?:{source}\n)$")).size_limit(1 << 20).build())
            .map_err(|e| e.to_string())?;
        Ok(Self { source: source.to_owned(), whole })
    }

    /// The expression as the author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

/// A value as it came from a form, a JSON body, a command line or a template, not yet checked.
#[derive(Debug, Clone, PartialEq)]
pub enum RawValue {
    /// Text, also for numbers and booleans.
    Text(String),
    /// Several values for one name: ticked boxes, a JSON list.
    List(Vec<String>),
    /// An uploaded file.
    File { name: String, bytes: Vec<u8> },
}

impl From<&str> for RawValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The values that somebody gave, by option name.
pub type RawValues = BTreeMap<String, RawValue>;

/// A value that passed the check.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// The canonical text, exactly what the node will get.
    Text(String),
    /// A secret that the caller typed. The use case stores it encrypted and keeps a reference.
    TypedSecret(SecretText),
    /// A secret of the key store.
    StoredSecret(KeyPath),
    /// An uploaded file. The use case stores it and keeps a reference.
    File { name: String, bytes: Vec<u8> },
}

/// The checked values by name. Options without a value are absent.
pub type CheckedValues = BTreeMap<OptionName, Checked>;

/// One mistake in the given values, to be shown beside its field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The option's name, or the name that no option has.
    pub field: String,
    /// A stable snake_case code.
    pub code: String,
    /// One sentence: what is wrong and what to type.
    pub message: String,
}

/// What the check needs to know beside the values.
#[derive(Debug, Clone, Default)]
pub struct CheckContext<'a> {
    /// Nodes that the caller may name in a `node` option, with the filter already applied, by option.
    pub nodes: BTreeMap<&'a OptionName, Vec<String>>,
}
