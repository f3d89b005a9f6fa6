//! Labels by a program on the server's machine. Its author fixes the words of the command; the event's text goes to its
//! standard input and nowhere else.

use serde_json::{Value, json};

use super::answer;
use super::label::Label;
use super::outside::{Question, Terms};
use crate::domain::ids::LabelName;

/// Such a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program's whole path and its arguments.
    pub words: Vec<String>,
    /// How it is asked.
    pub terms: Terms,
}

impl Command {
    /// The question about a text.
    #[must_use]
    pub fn question(&self, labels: &[LabelName], text: &str) -> Question {
        let input = json!({ "labels": labels, "text": text }).to_string();
        Question::Program { command: self.words.clone(), input, timeout: self.terms.timeout }
    }

    /// What the program said.
    #[must_use]
    pub fn read(labels: &[LabelName], reply: &[u8]) -> Label {
        answer::read(reply, labels)
    }

    /// Everything that its author set.
    #[must_use]
    pub fn settings(&self) -> Value {
        json!({ "command": self.words, "terms": self.terms.settings() })
    }
}
