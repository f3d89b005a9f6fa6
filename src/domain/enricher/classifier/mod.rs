//! Labels by what people taught: which words came with which label, and how often that told right.
//!
//! Learning is the same for the same examples, whoever learns. How sure a label is was tried on examples that the trial had
//! not learned from; a text of words that nobody labelled is told as such.

mod curve;
mod learn;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::label::Label;
use crate::domain::digest::Digest;
use crate::domain::ids::LabelName;
use curve::Curve;
use learn::Learned;

/// The different texts that each label needs before anything is told.
pub const FEWEST: usize = 8;
/// The most examples that are learned from; the newest count.
pub const MOST: u32 = 2_000;
/// The parts that the examples are cut into to try what was learned from the others.
const PARTS: u8 = 5;
/// Words that a reason names.
const NAMED: usize = 4;

/// A text that somebody labelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The label.
    pub label: String,
    /// The text.
    pub text: String,
}

/// What came of learning.
#[derive(Debug, Clone)]
pub enum Classifier {
    /// It can tell.
    Knows(Box<Knowledge>),
    /// It cannot yet, and what it lacks, in a sentence.
    Lacks(String),
}

/// What was learned, with how often it told right.
#[derive(Debug, Clone)]
pub struct Knowledge {
    learned: Learned,
    curve: Curve,
    examples: usize,
}

impl Classifier {
    /// Learns these labels from examples.
    #[must_use]
    pub fn learn(labels: &[LabelName], examples: &[Example]) -> Self {
        // The same text twice is one example; the later one in the list counts.
        let known: BTreeMap<&str, &str> = examples
            .iter()
            .filter(|example| labels.iter().any(|label| label.as_str() == example.label))
            .map(|example| (example.text.as_str(), example.label.as_str()))
            .collect();
        let lacking: Vec<String> = labels
            .iter()
            .filter_map(|label| {
                let there = known.values().filter(|given| **given == label.as_str()).count();
                (there < FEWEST).then(|| format!("{} more for {label}", FEWEST - there))
            })
            .collect();
        if !lacking.is_empty() {
            return Self::Lacks(format!("It has too few labels to learn from: {}.", lacking.join(", ")));
        }
        let all: Vec<(&str, &str)> = known.into_iter().collect();
        match Learned::from(&all) {
            Some(learned) => Self::Knows(Box::new(Knowledge { learned, curve: tried(&all), examples: all.len() })),
            None => Self::Lacks("The labelled texts have no words in common to learn from.".to_owned()),
        }
    }

    /// The label of a text.
    #[must_use]
    pub fn label(&self, text: &str) -> Label {
        match self {
            Self::Lacks(why) => Label::none(why.clone()),
            Self::Knows(knowledge) => knowledge.label(text),
        }
    }
}

impl Knowledge {
    fn label(&self, text: &str) -> Label {
        let Some(told) = self.learned.tell(text) else { return Label::none("It knows no word of this text.") };
        // As sure as it was right with such words, though no surer than they allow; less so the stranger the text is.
        let sure = self.curve.at(told.score).min(told.score.sqrt()) * told.familiar;
        let named: Vec<String> = told.words.iter().take(NAMED).map(|word| format!("`{word}`")).collect();
        let unknown = match told.unknown {
            0 => String::new(),
            n => format!(" {n} of its words are new to it."),
        };
        let reason = format!("By the words {}, from {} labelled texts.{unknown}", named.join(", "), self.examples);
        Label::given(&told.label, (sure * 1_000.0).floor() / 1_000.0, &reason)
    }
}

/// How often a score was right, told by what had not seen the example.
fn tried(all: &[(&str, &str)]) -> Curve {
    let part = |text: &str| Digest::of(text.as_bytes()).as_bytes().first().map_or(0, |byte| byte % PARTS);
    let mut outcomes = Vec::new();
    for left_out in (0..PARTS).collect::<BTreeSet<u8>>() {
        let rest: Vec<(&str, &str)> = all.iter().filter(|(text, _)| part(text) != left_out).copied().collect();
        let learned = Learned::from(&rest);
        for (text, label) in all.iter().filter(|(text, _)| part(text) == left_out) {
            if let Some(told) = learned.as_ref().and_then(|learned| learned.tell(text)) {
                outcomes.push((told.score, told.label == *label));
            }
        }
    }
    Curve::of(outcomes)
}

/// What is written down of a classifier's settings: it has none.
#[must_use]
pub fn settings() -> Value {
    json!({})
}

#[cfg(test)]
mod tests;
