//! Commands as prepared statements: the author's shell text with `${…}` placeholders becomes a program with variables.
//!
//! Promises that a compiled text holds only what the author wrote and references to variables, each quoted for the
//! place where it stands. A value is never part of it. Where a quoted reference would still not help, because a shell
//! or another interpreter parses the result again, the placeholder is refused with the way round.
//! It follows placeholders, not variables: what an author copies into a variable of their own and then evaluates
//! (`X=${option.a}; eval "$X"`) is beyond it, as it is beyond any shell.
//! Source of the quoting rules: POSIX.1-2024, Shell Command Language, sections 2.2 to 2.7.

use serde::{Deserialize, Serialize};

mod illustrate;
mod placeholder;
mod programs;
mod scan;

pub use illustrate::illustrate;
pub use placeholder::{references, script_hint};

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

impl Reference {
    /// The shell variable that holds the value: `OPTION_SERVICE`, `NODE_NAME`, `RUN_NUMBER`, `JOB_ID`.
    #[must_use]
    pub fn variable(&self) -> String {
        match self {
            Self::Option(name) => option_variable(name),
            Self::Node(field) => variable("NODE_", field),
            Self::Run(field) => variable("RUN_", field),
            Self::Job(field) => variable("JOB_", field),
        }
    }
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
/// never becomes shell text. What is not a placeholder, such as the shell's own `${HOME}`, stays as it is.
///
/// # Errors
/// All mistakes at once, by place: unknown options, secrets, placeholders where a shell would parse the value again,
/// quotes that are never closed.
pub fn compile(text: &str, options: &[super::option::OptionSpec]) -> Result<Program, Vec<CommandError>> {
    scan::compile(text, options)
}

/// The environment variable of an option: `db-name` becomes `OPTION_DB_NAME`.
#[must_use]
pub fn option_variable(name: &super::ids::OptionName) -> String {
    variable("OPTION_", name.as_str())
}

/// Pairs of options that would share one variable, such as `db-name` and `db_name`. A job may not have any.
#[must_use]
pub fn colliding_variables(
    options: &[super::option::OptionSpec],
) -> Vec<(super::ids::OptionName, super::ids::OptionName)> {
    let mut first = std::collections::BTreeMap::new();
    let mut pairs = Vec::new();
    for option in options {
        match first.entry(option_variable(&option.name)) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(&option.name);
            }
            std::collections::btree_map::Entry::Occupied(taken) => {
                pairs.push(((*taken.get()).clone(), option.name.clone()));
            }
        }
    }
    pairs
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

#[cfg(test)]
mod tests;
