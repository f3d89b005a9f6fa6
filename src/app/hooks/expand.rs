//! Reading a delivery: its body, whether it meets the conditions, and which options come of it. Decides nothing about
//! rights and stores nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::app::error::{AppError, AppResult, Refusal, RefusalKind, sentence};
use crate::domain::digest::Digest;
use crate::domain::json::parse_strict;
use crate::domain::template::{Template, options_of};
use crate::domain::webhook::alerts::KEY_BEGIN;
use crate::domain::webhook::delivery::{Delivery, sender_id};
use crate::domain::webhook::redact::{REDACTED, is_secret};
use crate::domain::webhook::{Missing, Webhook};

/// What would run for a payload; for the test page and for dry runs.
#[derive(Debug, Clone)]
pub struct Expanded {
    /// Each argument as written and as expanded.
    pub tokens: Vec<(String, String)>,
    /// The options that come of them.
    pub options: Vec<(String, String)>,
    /// The node filter, expanded.
    pub node_filter: Option<String>,
}

/// The body as data and as text. An empty body is an empty object, a form body (Slack) a map of its fields.
pub(in crate::app) fn read_body(body: &[u8]) -> AppResult<(Value, &str)> {
    let malformed = |why: String| {
        AppError::from(Refusal::new(
            RefusalKind::Malformed,
            "bad_payload",
            format!("The payload cannot be read: {why}. Nothing was done."),
        ))
    };
    let raw = std::str::from_utf8(body)
        .map_err(|e| malformed(format!("it is not valid UTF-8 (byte {})", e.valid_up_to())))?;
    if raw.trim().is_empty() {
        return Ok((json!({}), ""));
    }
    let looks_like_form = !raw.trim_start().starts_with(['{', '[', '"']) && raw.contains('=') && !raw.contains('\n');
    if looks_like_form {
        let mut map = serde_json::Map::new();
        for (key, value) in form_urlencoded::parse(body) {
            let parsed = if key == "payload" { parse_strict(value.as_bytes()).ok() } else { None };
            if map.insert(key.to_string(), parsed.unwrap_or_else(|| Value::from(value.as_ref()))).is_some() {
                return Err(malformed(format!("the field `{key}` stands twice")));
            }
        }
        return Ok((Value::Object(map), raw));
    }
    let data = parse_strict(body).map_err(|e| malformed(e.to_string()))?;
    Ok((data, raw))
}

/// Whether a delivery meets the webhook's conditions; and its data again, which is not copied for that.
pub(super) fn meets(
    webhook: &Webhook,
    raw: &str,
    headers: &BTreeMap<String, String>,
    data: Value,
    now: crate::domain::time::Timestamp,
) -> (Value, bool) {
    if webhook.when.is_empty() {
        return (data, true);
    }
    let mut fields = serde_json::Map::new();
    fields.insert("data".to_owned(), data);
    fields.insert("raw".to_owned(), raw.into());
    fields.insert("header".to_owned(), json!(headers));
    fields.insert("webhook".to_owned(), json!({ "name": webhook.name.as_str() }));
    let mut scope = Value::Object(fields);
    let matched = webhook.when.holds(&scope, now);
    (scope.get_mut("data").map(Value::take).unwrap_or_default(), matched)
}

/// Expands every token by itself, so a payload can never add an option.
pub(super) fn expand(webhook: &Webhook, delivery: &Delivery<'_>) -> AppResult<Expanded> {
    let missing_is_empty = webhook.missing == Missing::Empty;
    let render = |template: &Template| {
        template.render(delivery, missing_is_empty).map_err(|missing| {
            let message = format!(
                "The payload has no `{}`, which the webhook's `{}` needs. Nothing was started.",
                missing.path,
                template.source()
            );
            AppError::invalid("missing_field", message)
        })
    };
    let mut tokens = Vec::with_capacity(webhook.arguments.len());
    for template in &webhook.arguments {
        tokens.push((template.source().to_owned(), render(template)?));
    }
    // Which token is a name is decided by the author's text, never by what the payload holds.
    let mut options = Vec::new();
    let mut walk = tokens.iter();
    while let Some((written, _)) = walk.next() {
        let pair = options_of(&[written.clone(), "value".to_owned()])
            .map_err(|e| AppError::invalid("bad_arguments", sentence(&e)))?;
        let (name, value) = match (pair.into_iter().next(), walk.next()) {
            (Some((name, _)), Some((_, value))) => (name, value.clone()),
            _ => return Err(AppError::invalid("bad_arguments", format!("The argument `{written}` has no value."))),
        };
        options.push((name, value));
    }
    let node_filter = webhook.node_filter.as_ref().map(render).transpose()?;
    Ok(Expanded { tokens, options, node_filter })
}

pub(super) fn dedupe_key(
    webhook: &Webhook,
    delivery: &Delivery<'_>,
    headers: &BTreeMap<String, String>,
    data: &Value,
    body: &[u8],
) -> AppResult<String> {
    let key = match &webhook.dedupe {
        Some(template) => Some(template.render(delivery, false).map_err(|missing| {
            let message = format!(
                "The payload has no `{}`, by which deliveries are told apart. Nothing was started.",
                missing.path
            );
            AppError::invalid("missing_field", message)
        })?),
        None => sender_id(webhook.verify.as_ref().map(|v| &v.kind), headers, data, body),
    };
    // Long keys are kept as their digest, and so is what would be an alert's; no key at all means that this delivery is
    // like no other.
    Ok(match key {
        Some(key) if key.len() <= 200 && !key.starts_with(KEY_BEGIN) => key,
        Some(key) => Digest::of(key.as_bytes()).to_string(),
        None => format!("unique:{}", uuid::Uuid::new_v4()),
    })
}

/// Headers as they are kept: proofs and credentials are cut.
pub(super) fn redacted(headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let kept = |name: &str, value: &str| if is_secret(name) { REDACTED.to_owned() } else { value.to_owned() };
    headers.iter().map(|(name, value)| (name.clone(), kept(name, value))).collect()
}
