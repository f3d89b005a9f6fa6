//! The form of a Teams workflow: an adaptive card. What people wrote stands in rich text runs, which know no markdown.

use serde_json::{Value, json};

use crate::domain::notice::message::Message;

/// The post.
pub(super) fn body(message: &Message) -> String {
    let run = |text: &str, bold: bool| {
        let weight = if bold { "Bolder" } else { "Default" };
        json!({ "type": "TextRun", "text": text, "weight": weight })
    };
    let mut body: Vec<Value> = vec![json!({ "type": "RichTextBlock", "inlines": [run(&message.subject, true)] })];
    for (name, text) in &message.lines {
        body.push(json!({
            "type": "RichTextBlock", "spacing": "Small", "inlines": [run(&format!("{name}: "), true), run(text, false)],
        }));
    }
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": [{ "type": "Action.OpenUrl", "title": message.link_words, "url": message.about.link }],
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": Value::Null, "content": card,
    });
    json!({ "type": "message", "attachments": [attachment] }).to_string()
}
