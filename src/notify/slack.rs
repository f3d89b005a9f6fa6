//! The form of Slack: Block Kit. What people wrote stands in plain text, which knows no links and mentions, and is escaped.

use serde_json::{Value, json};

use crate::domain::chat::escape;
use crate::domain::notice::message::Message;

/// The post.
pub(super) fn body(message: &Message, mention: &[String], approve: Option<&str>) -> String {
    let mut blocks = vec![json!({ "type": "header", "text": plain(&cut(&message.subject, 150)) })];
    // A member's id is made of capitals and digits; nothing else becomes a mention.
    let named: Vec<String> = mention
        .iter()
        .filter(|id| !id.is_empty() && id.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()))
        .map(|id| format!("<@{id}>"))
        .collect();
    if !named.is_empty() {
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": named.join(" ") } }));
    }
    for (name, text) in &message.lines {
        blocks.push(json!({ "type": "section", "text": plain(&format!("{name}: {}", cut(text, 2_000))) }));
    }
    let mut buttons = Vec::new();
    if let Some(value) = approve {
        buttons.push(json!({
            "type": "button", "action_id": "approve", "style": "primary", "text": plain("Approve"), "value": value,
            "confirm": {
                "title": plain("Approve this run?"),
                "text": plain("Your signature goes on the record with the digest of the plan."),
                "confirm": plain("Approve"), "deny": plain("Not now"),
            },
        }));
    }
    buttons.push(json!({
        "type": "button", "action_id": "open", "text": plain(message.link_words), "url": message.about.link,
    }));
    blocks.push(json!({ "type": "actions", "elements": buttons }));
    json!({ "text": escape(&message.subject), "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
        .to_string()
}

/// The answer to whoever pressed a button or typed a command; the post stays as it is.
pub(super) fn only_for_you(text: &str) -> String {
    json!({
        "response_type": "ephemeral", "replace_original": false, "mrkdwn": false, "unfurl_links": false,
        "unfurl_media": false, "text": escape(text),
    })
    .to_string()
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": escape(text), "emoji": false })
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
