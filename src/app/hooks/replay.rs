//! A stored delivery once more, as a dry run: token by token what would be asked for now. Nothing is stored and nothing
//! runs, whatever the webhook's mode is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expand::{Expanded, expand, meets, read_body};
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, ProjectName, WebhookName};
use crate::domain::webhook::delivery::Delivery;
use crate::domain::webhook::redact::{REDACTED, is_secret, redact};
use crate::store::{StoreError, events};

/// What a delivery would ask for by the webhook's definition as it is now.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The project.
    pub project: ProjectName,
    /// The webhook.
    pub webhook: WebhookName,
    /// The job that would be asked for: its group and name, or what the webhook calls it where there is no such job.
    pub job: String,
    /// Whether the delivery meets the webhook's conditions.
    pub matched: bool,
    /// The options, expanded.
    pub expanded: Expanded,
    /// Whether something that was secret in the delivery is missing here.
    pub redacted: bool,
}

impl App {
    /// Replays a stored delivery as a dry run.
    ///
    /// # Errors
    /// Not found, also when event or webhook may not be seen; `not_a_delivery` for an event that no webhook took;
    /// `webhook_gone`; a payload that lacks a field.
    pub async fn replay(&self, actor: &Actor, id: EventId) -> AppResult<Replay> {
        let (event, headers) = self.stored_event(actor, id).await?;
        let Some(name) = event.webhook().and_then(|n| WebhookName::parse(n).ok()) else {
            let message = "Only what came through a webhook can be replayed.";
            return Err(AppError::invalid("not_a_delivery", message));
        };
        let catalogue = self.catalogue().await?;
        let gone = || AppError::conflict("webhook_gone", "The webhook that took this delivery is there no more.");
        let resource = Resource::Webhook { project: event.project.clone(), name: name.to_string() };
        self.authorize(actor, Permission::View, &resource)?;
        let state = catalogue.project(&event.project)?;
        let hook = state.webhooks.get(&name).ok_or_else(gone)?;
        // The conditions are held against what came; what is shown is made of what may be shown.
        let (data, raw) = read_body(event.payload.as_bytes())?;
        let (_, matched) = meets(&hook.webhook, raw, &headers, data, self.clock.now());
        let shown = shown_payload(&event.payload);
        let redacted = shown != event.payload;
        let (data, raw) = read_body(shown.as_bytes())?;
        let delivery = Delivery { data: &data, raw, headers: &headers, webhook: name.as_str() };
        let expanded = expand(&hook.webhook, &delivery)?;
        let known = state.job(&hook.webhook.job).map(|j| j.job.path.to_string());
        let job = known.unwrap_or_else(|| hook.webhook.job.to_string());
        Ok(Replay { project: event.project, webhook: name, job, matched, expanded, redacted })
    }

    /// An event as it is stored, for who may see it.
    pub(super) async fn stored_event(
        &self,
        actor: &Actor,
        id: EventId,
    ) -> AppResult<(Event, BTreeMap<String, String>)> {
        self.catalogue().await?;
        let found = self.db.read(move |c| Ok::<_, StoreError>((events::get(c, id)?, events::headers(c, id)?))).await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: found.0.project.clone() })?;
        Ok(found)
    }
}

/// A payload without the values of secret fields; as it came where there are none.
pub(in crate::app) fn shown_payload(payload: &str) -> String {
    if let Ok(mut value) = serde_json::from_str::<Value>(payload) {
        return if redact(&mut value) { value.to_string() } else { payload.to_owned() };
    }
    let fields: Vec<(String, String)> = form_urlencoded::parse(payload.as_bytes()).into_owned().collect();
    if !payload.contains('=') || !fields.iter().any(|(name, _)| name == "payload" || is_secret(name)) {
        return payload.to_owned();
    }
    let kept = fields.iter().map(|(name, value)| match name.as_str() {
        // Slack's way: a form with one field of JSON.
        "payload" => (name, shown_payload(value)),
        name_of if is_secret(name_of) => (name, REDACTED.to_owned()),
        _ => (name, value.clone()),
    });
    form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish()
}
