//! The form of Mattermost: markdown. What people wrote stands in code spans, which know no links and mentions.

use serde_json::json;

use crate::domain::notice::message::Message;

/// The post.
pub(super) fn body(message: &Message) -> String {
    let mut text = format!("**Interlock** {}\n", code(&message.subject));
    for (name, line) in &message.lines {
        text.push_str(&format!("\n- {name}: {}", code(line)));
    }
    text.push_str(&format!("\n\n[{}]({})", message.link_words, message.about.link));
    json!({ "text": text }).to_string()
}

/// A code span that its text cannot leave.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}
