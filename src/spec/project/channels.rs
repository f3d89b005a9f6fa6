//! Reads the notification channels of a project.

use std::collections::BTreeMap;

use crate::domain::ids::KeyPath;
use crate::domain::notice::address::MailAddress;
use crate::domain::project::{Channel, MAIL, Notify};
use crate::spec::fields::Fields;
use crate::spec::report::{Refers, Report};
use crate::spec::yaml::Node;

const KINDS: [&str; 5] = ["email", "slack", "teams", "mattermost", "webhook"];

/// Reads `channels:`.
pub(super) fn read(node: &Node, report: &mut Report<'_>) -> Option<BTreeMap<String, Channel>> {
    let mut out = BTreeMap::new();
    for entry in report.read_map(node, "channels")? {
        if entry.key == MAIL {
            let message = format!("`{MAIL}` cannot name a channel: it is the mail to each person");
            report.error("bad_value", entry.key_span, message, Some("give the channel another name"));
        }
        if let Some(channel) = read_one(&entry.key, &entry.node, report) {
            out.insert(entry.key.clone(), channel);
        }
    }
    Some(out)
}

fn read_one(name: &str, node: &Node, report: &mut Report<'_>) -> Option<Channel> {
    let mut fields = Fields::open(node, format!("the channel `{name}`"), report)?;
    let kind = fields.required("type", report).and_then(|n| report.read_word(n, "type", &KINDS.map(|k| (k, k))));
    let channel = match kind {
        Some("email") => {
            fields.required("to", report).and_then(|n| addresses(n, report)).map(|to| Channel::Email { to })
        }
        Some("webhook") => {
            let url = fields.required("url", report).and_then(|n| address(n, report));
            let secret = fields.required("secret", report).and_then(|n| report.read_name(n, "secret", KeyPath::parse));
            url.zip(secret).map(|(url, secret)| Channel::Webhook { url, secret })
        }
        Some(flavour) => {
            // The address of a chat's webhook lets anybody post, so it is a secret itself.
            let url = fields.required("url", report).and_then(|n| report.read_name(n, "url", KeyPath::parse));
            url.map(|url| Channel::Chat { flavour: flavour.to_owned(), url })
        }
        None => {
            for key in ["to", "url", "secret"] {
                fields.optional(key);
            }
            None
        }
    };
    fields.finish(report);
    channel
}

fn addresses(node: &Node, report: &mut Report<'_>) -> Option<Vec<MailAddress>> {
    let texts = report.read_texts(node, "to")?;
    if texts.is_empty() {
        report.error("empty_list", node.span, "`to` is empty", Some("write `to: [oncall@example.com]`"));
        return None;
    }
    let mut out = Vec::with_capacity(texts.len());
    for (text, span) in texts {
        if let Ok(address) = MailAddress::parse(&text) {
            out.push(address);
        } else {
            report.error(
                "bad_value",
                span,
                format!("`{text}` is not a mail address"),
                Some("write it as `oncall@example.com`"),
            );
        }
    }
    Some(out)
}

fn address(node: &Node, report: &mut Report<'_>) -> Option<String> {
    let text = report.read_text(node, "url")?;
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if host.is_some_and(|h| !h.is_empty() && !h.starts_with('/'))
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return Some(text);
    }
    report.error(
        "bad_value",
        node.span,
        "`url` is not an address of the web",
        Some("write it with its scheme, as `https://example.com/hook`"),
    );
    None
}

/// Reads `notify:`.
pub(super) fn read_notify(node: &Node, report: &mut Report<'_>) -> Option<Notify> {
    let mut fields = Fields::open(node, "`notify`", report)?;
    let approvals = fields.optional("approvals").and_then(|n| names(n, "approvals", report));
    let rules = fields.optional("rules").and_then(|n| names(n, "rules", report));
    let buttons = fields.optional("slack_buttons").and_then(|n| report.read_boolean(n, "slack_buttons"));
    let commands = fields.optional("slack_commands").and_then(|n| report.read_boolean(n, "slack_commands"));
    fields.finish(report);
    let usual = Notify::default();
    Some(Notify {
        approvals: approvals.unwrap_or(usual.approvals),
        rules: rules.unwrap_or(usual.rules),
        slack_buttons: buttons.unwrap_or(usual.slack_buttons),
        slack_commands: commands.unwrap_or(usual.slack_commands),
    })
}

fn names(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Vec<String>> {
    let texts = report.read_texts(node, key)?;
    let mut out = Vec::with_capacity(texts.len());
    for (text, span) in texts {
        if text != MAIL {
            report.refer(Refers::Channel(text.clone()), span);
        }
        out.push(text);
    }
    Some(out)
}
