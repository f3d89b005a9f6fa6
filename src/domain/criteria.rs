//! Criteria: conditions on an event's fields, by StackStorm's operator names, each with the reason it matched or not.
//!
//! Promises that a field which is missing (or null) never matches, except for `nexists`; that `search` over an empty
//! list does not match; and that whatever can be known to be wrong is refused when the criteria are compiled.
//! Source of the names and meanings: StackStorm's documentation of criteria comparison, and what its operators do when
//! they are run. Knows nothing of rules, webhooks or YAML.

mod evaluate;
mod operator;
mod path;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::time::Timestamp;
pub use operator::OPERATORS;
use operator::Test;
pub use path::Path;

/// One condition as its author wrote it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriterionSpec {
    /// The field: `trigger.labels.env`, `trigger.list[0].x`, `trigger.headers['X-A']`. What follows a `#` only tells
    /// two conditions on one field apart.
    pub path: String,
    /// The operator's name, in any case; see [`OPERATORS`].
    pub operator: String,
    /// What the value is held against; `exists` and `nexists` take none.
    pub pattern: Option<Value>,
    /// For `search`: `all`, `any`, `all2any` or `any2any`.
    pub condition: Option<String>,
}

/// Which part of a condition is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The field's path.
    Path,
    /// The operator.
    Operator,
    /// The pattern.
    Pattern,
    /// The condition of a `search`.
    Condition,
}

/// Why a condition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CriteriaError {
    /// Which condition, from 0.
    pub index: usize,
    /// Which part of it.
    pub part: Part,
    /// One sentence.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// Conditions that must all hold. Without any, everything matches.
#[derive(Debug, Clone, Default)]
pub struct Criteria {
    list: Vec<Arc<Criterion>>,
}

#[derive(Debug, Clone)]
struct Criterion {
    spec: CriterionSpec,
    path: Path,
    test: Test,
}

/// How an event fared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Whether every condition holds.
    pub matched: bool,
    /// Each condition, in the author's order; all are evaluated, also after one failed.
    pub criteria: Vec<CriterionResult>,
}

/// How an event fared with one condition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CriterionResult {
    /// The field as written.
    pub path: String,
    /// The operator as written.
    pub operator: String,
    /// What the event holds there; `None` when it is missing.
    pub value: Option<Value>,
    /// What it was held against.
    pub pattern: Option<Value>,
    /// Whether the condition holds.
    pub matched: bool,
    /// Why, in a sentence.
    pub reason: String,
}

impl Criteria {
    /// Compiles conditions: paths, patterns and regular expressions are checked here and never again.
    ///
    /// # Errors
    /// Every mistake, each with the index of its condition.
    pub fn compile(specs: Vec<CriterionSpec>) -> Result<Self, Vec<CriteriaError>> {
        let mut list = Vec::with_capacity(specs.len());
        let mut errors = Vec::new();
        for (index, spec) in specs.into_iter().enumerate() {
            match shared::compiled(spec) {
                Ok(criterion) => list.push(criterion),
                Err(found) => errors.extend(found.into_iter().map(|e| CriteriaError { index, ..e })),
            }
        }
        if errors.is_empty() { Ok(Self { list }) } else { Err(errors) }
    }

    /// Whether there is no condition at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The conditions as their author wrote them.
    pub fn specs(&self) -> impl Iterator<Item = &CriterionSpec> {
        self.list.iter().map(|c| &c.spec)
    }

    /// Whether every condition holds, without the reasons; stops at the first that does not.
    #[must_use]
    pub fn holds(&self, scope: &Value, now: Timestamp) -> bool {
        self.list.iter().all(|c| c.test(scope, now).1)
    }

    /// As [`Criteria::holds`], for those conditions only whose path is picked.
    #[must_use]
    pub fn hold_where(&self, picked: impl Fn(&str) -> bool, scope: &Value, now: Timestamp) -> bool {
        let mut picked = self.list.iter().filter(|c| picked(&c.spec.path));
        picked.all(|c| c.test(scope, now).1)
    }

    /// Holds an event against every condition. `scope` is the map that paths start in; `now` is for the `timediff`
    /// operators.
    #[must_use]
    pub fn evaluate(&self, scope: &Value, now: Timestamp) -> Evaluation {
        let criteria: Vec<CriterionResult> = self
            .list
            .iter()
            .map(|c| {
                let (value, matched, reason) = c.test(scope, now);
                CriterionResult {
                    path: c.spec.path.clone(),
                    operator: c.spec.operator.clone(),
                    value: value.cloned(),
                    pattern: c.spec.pattern.clone(),
                    matched,
                    reason,
                }
            })
            .collect();
        Evaluation { matched: criteria.iter().all(|c| c.matched), criteria }
    }
}

/// Whether a text is the path of a field, such as `trigger.labels.env`.
#[must_use]
pub fn is_path(text: &str) -> bool {
    Path::parse(text).is_ok()
}

/// A path to a field, read once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field(Path);

impl Field {
    /// Reads a path; nothing where the text is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Path::parse(text).ok().map(Self)
    }

    /// What an event holds there; nothing where it is missing or null.
    #[must_use]
    pub fn find<'v>(&self, scope: &'v Value) -> Option<&'v Value> {
        self.0.find(scope).filter(|v| !v.is_null())
    }
}

impl CriterionSpec {
    /// The text that the field must be equal to, where that is what the condition says.
    #[must_use]
    pub fn equal_text(&self) -> Option<&str> {
        let operator = self.operator.to_lowercase();
        self.pattern.as_ref().filter(|_| operator == "equals" || operator == "eq").and_then(Value::as_str)
    }
}

impl Criterion {
    fn compile(spec: CriterionSpec) -> Result<Self, Vec<CriteriaError>> {
        match (Path::parse(&spec.path), Test::compile(&spec)) {
            (Ok(path), Ok(test)) => Ok(Self { spec, path, test }),
            (path, test) => Err(path.err().into_iter().chain(test.err()).collect()),
        }
    }

    /// What the event holds there, whether the condition holds, and why.
    fn test<'v>(&self, scope: &'v Value, now: Timestamp) -> (Option<&'v Value>, bool, String) {
        let value = self.path.find(scope).filter(|v| !v.is_null());
        let (holds, reason) = evaluate::test(&self.test, value, now);
        (value, holds, reason)
    }
}
