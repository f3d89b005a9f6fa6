//! What is found while one file is read: its mistakes, and what it refers to in other files.

use super::diagnostic::{Diagnostic, Lines, Severity, Span};
use super::yaml::Node;
use crate::domain::ids::{EnricherName, Environment, JobRef, PolicyName, RoleName};

/// The mistakes of one file that are told; nobody reads more, and a hostile file could make millions.
const MOST: usize = 500;

/// Something that has to exist elsewhere in the project.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refers {
    /// An approval policy of `project.yaml`.
    Policy(PolicyName),
    /// A notification channel of `project.yaml`.
    Channel(String),
    /// An environment of `project.yaml`.
    Environment(Environment),
    /// A job.
    Job(JobRef),
    /// At least one job that a glob over `group/name` covers.
    SomeJob(String),
    /// An option of a job.
    JobOption(JobRef, String),
    /// A role of `access.yaml` that somebody has to hold.
    Role(RoleName),
    /// A rule or webhook, as `rule:NAME` or `webhook:NAME`.
    Source(String),
    /// An enricher.
    Enricher(EnricherName),
    /// A label that one of these enrichers can give.
    Label(Vec<EnricherName>, String),
    /// A service account that holds a role in `access.yaml`.
    Service(String),
    /// The job of a rule's action, as `pack.name`, `group/name` or an id, with the options that it is given.
    ActionJob {
        /// The job as written.
        name: String,
        /// The rule's own pack.
        pack: String,
        /// The options.
        given: Vec<String>,
    },
    /// The job of an alias, as an action names it, with the options that every way of saying it gives.
    AliasJob {
        /// The job as written.
        name: String,
        /// The alias's own pack.
        pack: String,
        /// The options.
        given: Vec<String>,
    },
    /// An option of such a job, given by name and pack.
    ActionOption(String, String, String),
}

/// A reference with its place.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    /// To what.
    pub(crate) to: Refers,
    /// From where, as a finished diagnostic without its text.
    pub(crate) at: Diagnostic,
}

/// Collects while one file is read.
#[derive(Debug)]
pub(crate) struct Report<'s> {
    file: String,
    lines: Lines<'s>,
    found: Vec<Diagnostic>,
    references: Vec<Reference>,
    errors: usize,
}

impl<'s> Report<'s> {
    /// Starts on a file.
    pub(crate) fn new(file: &str, text: &'s str) -> Self {
        Self { file: file.to_owned(), lines: Lines::of(text), found: Vec::new(), references: Vec::new(), errors: 0 }
    }

    /// The file's text.
    pub(crate) fn text(&self) -> &'s str {
        self.lines.text()
    }

    /// The line of a place, from 1.
    pub(crate) fn line(&self, span: Span) -> u32 {
        self.lines.place(span.start).0
    }

    /// How many errors there are so far; a reader compares before and after.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether an error stands at the start of a place.
    pub(crate) fn has_error_at(&self, span: Span) -> bool {
        let (line, column) = self.lines.place(span.start);
        self.found.iter().any(|d| d.is_error() && d.line == line && d.column == column)
    }

    /// Everything found.
    pub(crate) fn finish(self) -> (Vec<Diagnostic>, Vec<Reference>) {
        (self.found, self.references)
    }

    /// Adds an error.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: Option<impl Into<String>>,
    ) {
        self.errors += 1;
        self.add(Severity::Error, code, span, message.into(), hint.map(Into::into));
    }

    /// Adds a warning.
    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        hint: Option<impl Into<String>>,
    ) {
        self.add(Severity::Warning, code, span, message.into(), hint.map(Into::into));
    }

    /// Notes that something has to exist elsewhere.
    pub(crate) fn refer(&mut self, to: Refers, span: Span) {
        let at = self.diagnostic(Severity::Error, "", span, String::new(), None);
        self.references.push(Reference { to, at });
    }

    /// A value of the wrong type.
    pub(crate) fn wrong_type(&mut self, node: &Node, what: &str, expected: &str, hint: Option<String>) {
        if node.is_null() {
            self.error(
                "empty_value",
                node.span,
                format!("{what} has no value"),
                Some(format!("write {expected}, or remove the line")),
            );
        } else {
            let message = format!("{what}: expected {expected}, found {}", node.describe());
            self.error("wrong_type", node.span, message, hint);
        }
    }

    fn add(&mut self, severity: Severity, code: &'static str, span: Span, message: String, hint: Option<String>) {
        if self.found.len() > MOST {
            return;
        }
        if self.found.len() == MOST {
            let message = format!("there are more than {MOST} mistakes in this file; the others are not shown");
            let last = self.diagnostic(Severity::Error, "too_many_mistakes", span, message, None);
            self.found.push(last);
            return;
        }
        let diagnostic = self.diagnostic(severity, code, span, message, hint);
        self.found.push(diagnostic);
    }

    fn diagnostic(
        &self,
        severity: Severity,
        code: &'static str,
        span: Span,
        message: String,
        hint: Option<String>,
    ) -> Diagnostic {
        let (line, column) = self.lines.place(span.start);
        let end = self.visible_end(span);
        let (end_line, end_column) = self.lines.place(end);
        Diagnostic { code, severity, file: self.file.clone(), line, column, end_line, end_column, message, hint }
    }

    /// A block's span runs over the line break and the space after it; the mark should not.
    fn visible_end(&self, span: Span) -> usize {
        let text = self.text().get(span.start..span.end).unwrap_or_default();
        span.start + text.trim_end().len()
    }
}
