//! Enrichers: what says which of a fixed set of labels an event has, before rules look at it.
//!
//! An enricher labels and does nothing else. What it answers is one of its own labels with a confidence, or nothing; no
//! answer chooses an action, and no text of an answer goes anywhere but on a page.

pub mod label;
pub mod patterns;

use serde_json::Value;

use super::expression::Text;
use super::ids::{EnricherName, LabelName};
use label::Label;
use patterns::Patterns;

/// The most bytes of an event that an enricher looks at; the rest is left out.
pub const LONGEST_TEXT: usize = 16 * 1024;

/// An enricher, as its file defines it.
#[derive(Debug, Clone, PartialEq)]
pub struct Enricher {
    /// Its name.
    pub name: EnricherName,
    /// What it tells apart and why.
    pub description: String,
    /// Whether it labels.
    pub enabled: bool,
    /// The labels that it can give.
    pub labels: Vec<LabelName>,
    /// What of an event it looks at.
    pub text: Text,
    /// How it tells.
    pub kind: EnricherKind,
}

/// How an enricher tells labels apart.
#[derive(Debug, Clone, PartialEq)]
pub enum EnricherKind {
    /// By a table of patterns.
    Patterns(Patterns),
}

impl EnricherKind {
    /// The word of `type:`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Patterns(_) => "patterns",
        }
    }

    /// Everything that its author set, with defaults filled in.
    #[must_use]
    pub fn settings(&self) -> Value {
        match self {
            Self::Patterns(patterns) => patterns.settings(),
        }
    }
}

impl Enricher {
    /// What it looks at of an event; `scope` is the map that its text starts in.
    ///
    /// # Errors
    /// That there is nothing to look at, in a sentence.
    pub fn looked_at(&self, scope: &Value) -> Result<String, String> {
        let mut text = self.text.render(scope).map_err(|error| format!("Its `text` cannot be filled in: {error}."))?;
        if text.len() > LONGEST_TEXT {
            text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        }
        if text.trim().is_empty() { Err("There is no text to look at.".to_owned()) } else { Ok(text) }
    }

    /// What can be told of an event without asking anybody outside; nothing where somebody has to be asked.
    #[must_use]
    pub fn told_here(&self, scope: &Value) -> Option<Label> {
        if !self.enabled {
            return Some(Label::none("The enricher is turned off."));
        }
        match &self.kind {
            EnricherKind::Patterns(patterns) => Some(match self.looked_at(scope) {
                Ok(text) => patterns.label(&text),
                Err(why) => Label::none(why),
            }),
        }
    }
}
