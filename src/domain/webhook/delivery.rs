//! What a delivery says: its body as data, and what makes two deliveries the same one.

use serde_json::Value;

use super::VerifyKind;
use super::verify::Headers;
use crate::domain::digest::Digest;
use crate::domain::template::Scope;

/// A delivery as templates see it.
pub struct Delivery<'a> {
    /// The parsed body.
    pub data: &'a Value,
    /// The body as text.
    pub raw: &'a str,
    /// The headers.
    pub headers: &'a dyn Headers,
    /// The webhook's name.
    pub webhook: &'a str,
}

impl Scope for Delivery<'_> {
    fn field(&self, path: &str) -> Option<String> {
        if path == "raw" {
            return Some(self.raw.to_owned());
        }
        match path.split_once('.') {
            Some(("header", name)) => self.headers.header(name).map(str::to_owned),
            Some(("webhook", "name")) => Some(self.webhook.to_owned()),
            Some(("data", rest)) => lookup(self.data, rest).and_then(as_text),
            _ => path.strip_prefix("data[").and_then(|rest| lookup(self.data, &format!("[{rest}"))).and_then(as_text),
        }
    }
}

/// Walks `a.b[0].c` into a value.
#[must_use]
pub fn lookup<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let mut here = value;
    for part in path.split('.') {
        let (name, indexes) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
        if !name.is_empty() {
            here = here.get(name)?;
        }
        for index in indexes.split('[').filter(|i| !i.is_empty()) {
            here = here.get(index.strip_suffix(']')?.parse::<usize>().ok()?)?;
        }
    }
    Some(here)
}

/// Text of a value: text and numbers as they are, lists and objects as JSON. Null is missing.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The sender's own delivery id, so that a retry is known as one.
///
/// Signed fields count before headers, as a header can be changed by who replays a delivery. `None` means that the
/// sender gives no id: then every delivery stands for itself.
#[must_use]
pub fn sender_id(kind: Option<&VerifyKind>, headers: &dyn Headers, data: &Value, body: &[u8]) -> Option<String> {
    let text = |path: &str| lookup(data, path).and_then(Value::as_str).map(str::to_owned);
    let header = |name: &str| headers.header(name).filter(|v| !v.is_empty()).map(str::to_owned);
    match kind {
        Some(VerifyKind::PagerDuty) => text("event.id").or_else(|| header("x-webhook-id")),
        Some(VerifyKind::GitHub) => header("x-github-delivery"),
        Some(VerifyKind::StandardWebhooks) => header("webhook-id"),
        Some(VerifyKind::Slack) => text("event_id").or_else(|| Some(Digest::of(body).to_string())),
        Some(VerifyKind::Alertmanager | VerifyKind::Grafana { .. }) => alert_group(data),
        Some(VerifyKind::Token { .. } | VerifyKind::Hmac { .. }) | None => {
            ["idempotency-key", "webhook-id", "x-delivery-id", "x-request-id"].into_iter().find_map(header)
        }
    }
}

/// Alertmanager and Grafana send no id: the same group with the same alerts in the same state is the same news.
fn alert_group(data: &Value) -> Option<String> {
    let alerts = data.get("alerts")?.as_array()?;
    let mut parts: Vec<String> = alerts
        .iter()
        .map(|alert| {
            let field = |name: &str| alert.get(name).and_then(Value::as_str).unwrap_or_default();
            format!("{} {} {} {}", field("fingerprint"), field("status"), field("startsAt"), field("endsAt"))
        })
        .collect();
    parts.sort();
    let group = data.get("groupKey").and_then(Value::as_str).unwrap_or_default();
    let status = data.get("status").and_then(Value::as_str).unwrap_or_default();
    Some(Digest::of(format!("{group}\n{status}\n{}", parts.join("\n")).as_bytes()).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn fields_of_a_delivery() {
        let data = serde_json::json!({"service": "nginx", "n": 4, "none": null, "list": [{"x": [1, "two"]}]});
        let headers = BTreeMap::from([("x-name".to_owned(), "value".to_owned())]);
        let delivery = Delivery { data: &data, raw: "{}", headers: &headers, webhook: "hook" };
        for (path, expected) in [
            ("data.service", Some("nginx")),
            ("data.n", Some("4")),
            ("data.none", None),
            ("data.missing", None),
            ("data.list[0].x[1]", Some("two")),
            ("data.list[1]", None),
            ("header.X-Name", Some("value")),
            ("webhook.name", Some("hook")),
            ("raw", Some("{}")),
            ("env.PATH", None),
        ] {
            assert_eq!(delivery.field(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_retry_has_the_same_id_and_news_has_another() {
        let no_headers = BTreeMap::new();
        let group = |status: &str| {
            serde_json::json!({"groupKey": "g", "status": status, "alerts": [
                {"fingerprint": "f1", "status": status, "startsAt": "t"}]})
        };
        let id = |v: &Value| sender_id(Some(&VerifyKind::Alertmanager), &no_headers, v, b"");
        assert_eq!(id(&group("firing")), id(&group("firing")));
        assert_ne!(id(&group("firing")), id(&group("resolved")));
        let pagerduty = serde_json::json!({"event": {"id": "01ABC"}});
        let replayed = BTreeMap::from([("x-webhook-id".to_owned(), "forged".to_owned())]);
        assert_eq!(sender_id(Some(&VerifyKind::PagerDuty), &replayed, &pagerduty, b"").as_deref(), Some("01ABC"));
        assert_eq!(sender_id(None, &no_headers, &pagerduty, b"x"), None);
    }
}
