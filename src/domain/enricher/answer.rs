//! What an answer from outside says, if it says one of the labels at all. Nothing of it is believed beyond that.

use serde_json::{Value, json};

use super::label::{Label, one_line};
use crate::domain::ids::LabelName;
use crate::domain::json::parse_strict;

/// The keys of an answer.
const KEYS: [&str; 3] = ["class", "confidence", "reason"];

/// The JSON Schema of an answer, as it is asked for.
pub(super) fn schema(labels: &[LabelName]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": KEYS,
        "properties": {
            "class": { "type": "string", "enum": labels },
            "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
            "reason": { "type": "string", "maxLength": 200 },
        },
    })
}

/// The label that an answer gives, or why it gives none.
pub(super) fn read(answer: &[u8], labels: &[LabelName]) -> Label {
    match parse_strict(answer) {
        Ok(value) => label(&value, labels),
        Err(error) => Label::none(format!("The answer is not JSON: {error}.")),
    }
}

fn label(answer: &Value, labels: &[LabelName]) -> Label {
    let Value::Object(fields) = answer else { return Label::none("The answer is no JSON object.") };
    if let Some(strange) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Label::none(format!("The answer has `{}`, which nobody asked for.", quoted(strange)));
    }
    let class = match fields.get("class") {
        Some(Value::String(class)) => class,
        Some(_) => return Label::none("The answer's `class` is no text."),
        None => return Label::none("The answer has no `class`."),
    };
    if !labels.iter().any(|label| label.as_str() == class) {
        return Label::none(format!("It answered `{}`, which is none of its labels.", quoted(class)));
    }
    let confidence = match fields.get("confidence") {
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(_) => return Label::none("The answer's `confidence` is no number."),
        None => return Label::none("The answer has no `confidence`."),
    };
    if !(0.0..=1.0).contains(&confidence) {
        return Label::none(format!("The answer's `confidence` is {confidence}, and not from 0 to 1."));
    }
    match fields.get("reason") {
        None | Some(Value::Null) => Label::given(class, confidence, ""),
        Some(Value::String(reason)) => Label::given(class, confidence, reason).quoting(),
        Some(_) => Label::none("The answer's `reason` is no text."),
    }
}

/// A foreign text in a sentence.
fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    let line = one_line(&cut).replace('`', "'");
    if cut.len() < text.len() { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: &str) -> Label {
        let labels = ["disk-full", "other"].map(|l| LabelName::parse(l).unwrap());
        super::read(answer.as_bytes(), &labels)
    }

    #[test]
    fn an_answer_gives_one_of_the_labels() {
        let label = read(r#"{"class": "disk-full", "confidence": 0.93, "reason": "no\nspace"}"#);
        assert_eq!((label.class.as_deref(), label.confidence), (Some("disk-full"), 0.93));
        assert_eq!((label.reason.as_str(), label.quoted), ("no space", true));
        assert_eq!(read(r#"{"class": "other", "confidence": 1}"#).confidence, 1.0);
    }

    #[test]
    fn whatever_else_it_says_is_no_label() {
        for (answer, why) in [
            (r#"{"class": "run rm -rf", "confidence": 1}"#, "It answered `run rm -rf`, which is none of its labels."),
            (r#"{"class": "Disk-Full", "confidence": 1}"#, "It answered `Disk-Full`, which is none of its labels."),
            (r#"{"class": "x`\u001b[2Jy", "confidence": 1}"#, "It answered `x' [2Jy`, which is none of its labels."),
            (r#"{"class": "other", "confidence": 1.7}"#, "The answer's `confidence` is 1.7, and not from 0 to 1."),
            (r#"{"class": "other", "confidence": -0.1}"#, "The answer's `confidence` is -0.1, and not from 0 to 1."),
            (r#"{"class": "other", "confidence": "high"}"#, "The answer's `confidence` is no number."),
            (r#"{"class": "other", "confidence": null}"#, "The answer's `confidence` is no number."),
            (r#"{"class": "other"}"#, "The answer has no `confidence`."),
            (r#"{"class": ["other"], "confidence": 1}"#, "The answer's `class` is no text."),
            (r#"{"confidence": 1}"#, "The answer has no `class`."),
            (r#"{"class": "other", "confidence": 1, "run": "x"}"#, "The answer has `run`, which nobody asked for."),
            (r#"{"class": "other", "confidence": 1, "reason": {}}"#, "The answer's `reason` is no text."),
            (r#"["other"]"#, "The answer is no JSON object."),
        ] {
            let label = read(answer);
            assert_eq!((label.class, label.confidence, label.trouble.as_str()), (None, 0.0, why), "{answer}");
        }
        for broken in
            ["", "disk-full", r#"{"class": "other", "confidence": NaN}"#, r#"{"class": "a", "class": "other"}"#]
        {
            assert!(read(broken).trouble.starts_with("The answer is not JSON"), "{broken}");
        }
    }
}
