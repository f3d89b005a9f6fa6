//! Labels by a table of patterns: the first one that finds something gives its label.

use regex::Regex;
use serde_json::{Value, json};

use super::label::Label;
use crate::domain::ids::LabelName;

/// An ordered table.
#[derive(Debug, Clone, PartialEq)]
pub struct Patterns(pub Vec<Pattern>);

/// One line of it.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// What is looked for.
    pub regex: Regex,
    /// What it means.
    pub label: LabelName,
    /// How sure that is.
    pub confidence: f64,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let parts = |p: &Self| (p.regex.as_str().to_owned(), p.label.clone(), p.confidence.to_bits());
        parts(self) == parts(other)
    }
}

impl Patterns {
    /// The label of a text.
    #[must_use]
    pub fn label(&self, text: &str) -> Label {
        for (index, pattern) in self.0.iter().enumerate() {
            if let Some(found) = pattern.regex.find(text) {
                let reason = format!("Pattern {} found `{}`.", index + 1, shown(found.as_str()));
                return Label::given(pattern.label.as_str(), pattern.confidence, &reason);
            }
        }
        Label::none("No pattern found anything.")
    }

    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        let line = |p: &Pattern| json!({ "match": p.regex.as_str(), "label": p.label, "confidence": p.confidence });
        json!({ "patterns": self.0.iter().map(line).collect::<Vec<_>>() })
    }
}

fn shown(found: &str) -> String {
    let cut: String = found.chars().take(80).collect();
    if cut.len() < found.len() { format!("{cut}…") } else { cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_finds_something_decides() {
        let pattern = |regex: &str, label: &str, confidence| Pattern {
            regex: Regex::new(regex).unwrap(),
            label: LabelName::parse(label).unwrap(),
            confidence,
        };
        let table = Patterns(vec![pattern("(?i)disk", "disk", 0.9), pattern(".", "other", 0.3)]);
        let label = table.label("the Disk is full");
        assert_eq!((label.class.as_deref(), label.confidence), (Some("disk"), 0.9));
        assert_eq!(label.reason, "Pattern 1 found `Disk`.");
        assert_eq!(table.label("cpu").class.as_deref(), Some("other"));
        assert_eq!(table.label("").trouble, "No pattern found anything.");
    }
}
