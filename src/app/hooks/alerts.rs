//! The alerts of a group as events of their own, for rules. The webhook's own job stays one run for each delivery.

use serde_json::Value;

use crate::app::error::{AppResult, Refusal, RefusalKind};
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::EventId;
use crate::domain::webhook::alerts::{ALERT, Alert, NotAlerts, alerts};
use crate::domain::webhook::{VerifyKind, Webhook};

/// An event for each alert of a delivery that Alertmanager vouches for; none of any other delivery.
///
/// # Errors
/// `too_many_alerts`; `bad_alert` for one that is none.
pub(super) fn alerts_of(webhook: &Webhook, data: &Value, delivery: &Event) -> AppResult<Vec<Event>> {
    if !webhook.verify.as_ref().is_some_and(|v| v.kind == VerifyKind::Alertmanager) {
        return Ok(Vec::new());
    }
    let found = alerts(data).map_err(|why| {
        let (kind, code) = match why {
            NotAlerts::TooMany(_) | NotAlerts::TooLong(_) => (RefusalKind::TooLarge, "too_many_alerts"),
            NotAlerts::NotAnAlert(_) => (RefusalKind::Invalid, "bad_alert"),
        };
        Refusal::new(kind, code, why.to_string())
    })?;
    let event = |alert: Alert| Event {
        id: EventId::new(uuid::Uuid::now_v7()),
        project: delivery.project.clone(),
        received_at: delivery.received_at,
        source: delivery.source.clone(),
        event_type: ALERT.to_owned(),
        payload: alert.payload.to_string(),
        dedupe_key: alert.key,
        verdict: EventVerdict::NotMatched,
        detail: "Rules are about to look at it.".to_owned(),
        run: None,
        depth: 0,
        awaits_rules: true,
    };
    Ok(found.into_iter().map(event).collect())
}
