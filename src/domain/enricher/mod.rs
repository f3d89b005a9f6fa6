//! Enrichers: what says which of a fixed set of labels an event has, before rules look at it.
//!
//! An enricher labels and does nothing else. What it answers is one of its own labels with a confidence, or nothing; no
//! answer chooses an action, and no text of an answer goes anywhere but on a page.

mod answer;
pub mod classifier;
pub mod command;
pub mod label;
pub mod model;
pub mod outside;
pub mod patterns;

use serde_json::Value;

use super::expression::Text;
use super::ids::{EnricherName, LabelName};
use super::secret::SecretText;
use classifier::Classifier;
use command::Command;
use label::Label;
use model::Model;
use outside::{Question, Terms};
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
    /// By a model behind an address.
    Model(Model),
    /// By a program.
    Command(Command),
    /// By what people taught it.
    Classifier,
}

impl EnricherKind {
    /// The word of `type:`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Patterns(_) => "patterns",
            Self::Model(_) => "openai",
            Self::Command(_) => "command",
            Self::Classifier => "classifier",
        }
    }

    /// Everything that its author set, with defaults filled in.
    #[must_use]
    pub fn settings(&self) -> Value {
        match self {
            Self::Patterns(patterns) => patterns.settings(),
            Self::Model(model) => model.settings(),
            Self::Command(command) => command.settings(),
            Self::Classifier => classifier::settings(),
        }
    }

    /// How somebody outside is asked, for those who ask somebody.
    #[must_use]
    pub const fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Model(model) => Some(&model.terms),
            Self::Command(command) => Some(&command.terms),
            Self::Patterns(_) | Self::Classifier => None,
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

    /// What can be told of an event without asking anybody outside; nothing where somebody has to be asked. `taught` is what
    /// was learned, where that is what tells.
    #[must_use]
    pub fn told_here(&self, scope: &Value, taught: Option<&Classifier>) -> Option<Label> {
        if !self.enabled {
            return Some(Label::none("The enricher is turned off."));
        }
        let tell: &dyn Fn(&str) -> Label = match (&self.kind, taught) {
            (EnricherKind::Patterns(patterns), _) => &|text| patterns.label(text),
            (EnricherKind::Classifier, Some(taught)) => &|text| taught.label(text),
            (EnricherKind::Classifier, None) => &|_| Label::none("Nothing was learned yet."),
            (EnricherKind::Model(_) | EnricherKind::Command(_), _) => return None,
        };
        Some(match self.looked_at(scope) {
            Ok(text) => tell(&text),
            Err(why) => Label::none(why),
        })
    }

    /// The question about a text; nothing where there is nobody to ask.
    #[must_use]
    pub fn question(&self, text: &str, key: Option<SecretText>) -> Option<Question> {
        match &self.kind {
            EnricherKind::Model(model) => Some(model.question(&self.labels, text, key)),
            EnricherKind::Command(command) => Some(command.question(&self.labels, text)),
            EnricherKind::Patterns(_) | EnricherKind::Classifier => None,
        }
    }

    /// What was said, out of what came back.
    #[must_use]
    pub fn read(&self, reply: &[u8]) -> Label {
        match &self.kind {
            EnricherKind::Model(model) => model.read(&self.labels, reply),
            EnricherKind::Command(_) => Command::read(&self.labels, reply),
            EnricherKind::Patterns(_) | EnricherKind::Classifier => Label::none("There was nobody to ask."),
        }
    }
}
