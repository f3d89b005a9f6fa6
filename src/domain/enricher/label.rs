//! What enrichers made of an event: a label with its confidence and reason, or why there is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::ids::EnricherName;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 300;

/// Where rules find the label; nothing of an event's own stands there, nor below `trigger` under such a name.
pub const CLASS: &str = "ai_class";
/// Where rules find how sure it is, from 0 to 1.
pub const CONFIDENCE: &str = "ai_confidence";
/// Where rules find which enricher gave it.
pub const BY: &str = "ai_by";
/// Where rules find the label and confidence of each enricher by its name.
pub const EACH: &str = "ai";

/// Every name that labels stand under.
pub const FIELDS: [&str; 4] = [CLASS, CONFIDENCE, BY, EACH];

/// What an enricher made of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The label; nothing where there is none.
    pub class: Option<String>,
    /// How sure that is, from 0 to 1; 0 where there is no label.
    pub confidence: f64,
    /// Why, on one line. No rule can look at it.
    pub reason: String,
    /// Whether the reason is in the words of a model or program, which anybody who can send an event may have steered.
    pub quoted: bool,
    /// Why there is no label, in a sentence; empty where there is one.
    pub trouble: String,
    /// Whether an earlier answer about the same text was used.
    pub remembered: bool,
}

/// What is known of an event, by enricher.
pub type Labels = BTreeMap<EnricherName, Label>;

impl Label {
    /// A label. A confidence that is none is no label.
    #[must_use]
    pub fn given(class: &str, confidence: f64, reason: &str) -> Self {
        if !(0.0..=1.0).contains(&confidence) {
            return Self::none("The confidence is no number from 0 to 1.");
        }
        let reason = one_line(reason);
        let class = Some(class.to_owned());
        Self { class, confidence, reason, quoted: false, trouble: String::new(), remembered: false }
    }

    /// No label, and why.
    #[must_use]
    pub fn none(trouble: impl Into<String>) -> Self {
        let (reason, trouble) = (String::new(), trouble.into());
        Self { class: None, confidence: 0.0, reason, quoted: false, trouble, remembered: false }
    }

    /// The same label, whose reason is in the words of whoever was asked.
    #[must_use]
    pub fn quoting(self) -> Self {
        Self { quoted: !self.reason.is_empty(), ..self }
    }

    /// The same label, out of an earlier answer.
    #[must_use]
    pub fn again(self) -> Self {
        Self { remembered: true, ..self }
    }
}

/// A text on one line, without characters that steer a terminal or the direction of writing, and not too long.
pub(super) fn one_line(text: &str) -> String {
    let plain = |c: char| {
        let steers = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if steers { ' ' } else { c }
    };
    let mut out = String::new();
    for word in text.chars().take(4 * LONGEST_REASON).map(plain).collect::<String>().split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    match out.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => {
            out.truncate(end);
            out.push('…');
            out
        }
        None => out,
    }
}

/// The enricher of these that is to be asked next: they are asked in their order until one gives a label.
#[must_use]
pub fn next<'e>(asked: &'e [EnricherName], known: &Labels) -> Option<&'e EnricherName> {
    for name in asked {
        match known.get(name) {
            None => return Some(name),
            Some(label) if label.class.is_some() => return None,
            Some(_) => {}
        }
    }
    None
}

/// The label that these enrichers come to: that of the first one which gave any.
#[must_use]
pub fn first<'l>(asked: &[EnricherName], known: &'l Labels) -> Option<(&'l EnricherName, &'l Label)> {
    asked.iter().filter_map(|name| known.get_key_value(name)).find(|(_, label)| label.class.is_some())
}

/// Whether a name at the top of a payload is kept for labels, so that no sender can say what only an enricher can.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    name == EACH || name.starts_with("ai_")
}

/// The path of a field as rules mean it: a label may be written as a field of the event, as `trigger.ai_class`.
#[must_use]
pub fn path(written: &str) -> &str {
    let inner = written.strip_prefix("trigger.").unwrap_or(written);
    let name = inner.split(['.', '[', '#']).next().unwrap_or_default();
    if FIELDS.contains(&name) { inner } else { written }
}

/// Whether a path leads to a label.
#[must_use]
pub fn is_label(path: &str) -> bool {
    FIELDS.contains(&path.split(['.', '[', '#']).next().unwrap_or_default())
}

/// Puts what these enrichers came to into the map that a rule's paths start in. Without a label the confidence is 0.
pub fn put(scope: &mut Value, asked: &[EnricherName], known: &Labels) {
    let Value::Object(map) = scope else { return };
    let first = first(asked, known);
    map.insert(CONFIDENCE.to_owned(), json!(first.map_or(0.0, |(_, label)| label.confidence)));
    if let Some((name, label)) = first {
        map.insert(CLASS.to_owned(), json!(label.class));
        map.insert(BY.to_owned(), json!(name));
    }
    let each = asked.iter().filter_map(|name| known.get_key_value(name));
    let each: serde_json::Map<String, Value> = each
        .map(|(name, label)| (name.to_string(), json!({ "class": label.class, "confidence": label.confidence })))
        .collect();
    map.insert(EACH.to_owned(), Value::Object(each));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<EnricherName> {
        all.iter().map(|n| EnricherName::parse(n).unwrap()).collect()
    }

    #[test]
    fn enrichers_are_asked_in_order_until_one_gives_a_label() {
        let asked = names(&["table", "model", "last"]);
        let mut known = Labels::new();
        assert_eq!(next(&asked, &known), Some(&asked[0]));
        known.insert(asked[0].clone(), Label::none("No pattern."));
        assert_eq!(next(&asked, &known), Some(&asked[1]));
        known.insert(asked[1].clone(), Label::given("disk", 0.4, ""));
        assert_eq!(next(&asked, &known), None);
        let mut scope = json!({"trigger": {}});
        put(&mut scope, &asked, &known);
        assert_eq!(scope["ai_class"], "disk");
        assert_eq!(scope["ai_by"], "model");
        assert_eq!(
            scope["ai"],
            json!({"table": {"class": null, "confidence": 0.0}, "model": {"class": "disk", "confidence": 0.4}})
        );
        put(&mut scope, &asked[..1], &known);
        assert_eq!(scope["ai_confidence"], 0.0);
    }

    #[test]
    fn a_confidence_outside_of_0_to_1_is_no_label() {
        for wrong in [1.7, -0.1, f64::NAN, f64::INFINITY] {
            let label = Label::given("disk", wrong, "");
            assert_eq!((label.class, label.confidence), (None, 0.0), "{wrong}");
        }
    }

    #[test]
    fn a_reason_is_one_short_plain_line() {
        let steering = "a\n<b>\u{202e}x\u{1b}[2J  c\u{200b}d\r\ne";
        assert_eq!(Label::given("x", 1.0, steering).reason, "a <b> x [2J c d e");
        let long = Label::given("x", 1.0, &"é".repeat(5_000)).reason;
        assert_eq!(long.chars().count(), LONGEST_REASON + 1);
    }

    #[test]
    fn a_label_may_be_written_as_a_field_of_the_event() {
        for (written, meant) in [
            ("trigger.ai_class", "ai_class"),
            ("ai_class", "ai_class"),
            ("trigger.ai.table.class", "ai.table.class"),
            ("trigger.ai_class#2", "ai_class#2"),
            ("trigger.aim", "trigger.aim"),
            ("trigger.labels.ai_class", "trigger.labels.ai_class"),
        ] {
            assert_eq!(path(written), meant);
            assert_eq!(is_label(meant), meant != written || written == "ai_class", "{written}");
        }
    }
}
