//! Webhook intake: verify on the raw bytes, store, then decide. A delivery is acted on at most once.

mod accept;
mod alerts;
mod expand;
mod replay;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::App;
use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::planning::RunRequest;
use super::record::Source;
use crate::domain::access::{Actor, Permission, Principal, Resource, Via};
use crate::domain::digest::Digest;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, ProjectName, RunNumber, WebhookName};
use crate::domain::option::{RawValue, RawValues};
use crate::domain::plan::Origin;
use crate::domain::webhook::delivery::Delivery;
use crate::domain::webhook::{Mode, Webhook};
use crate::store::{StoreError, events, webhook_tokens};

pub use accept::Accepted;
pub use expand::Expanded;
pub(super) use expand::read_body;
use expand::{expand, meets};
pub use replay::Replay;
pub(super) use replay::shown_payload;

impl App {
    /// What the sender of a refused delivery is told when it comes again: the same refusal, if it still is the reason;
    /// otherwise that it was refused, in the words of then. It is not decided anew.
    async fn refused_again(
        &self,
        project: &ProjectName,
        webhook: &Webhook,
        known: &Event,
        expanded: Option<Expanded>,
    ) -> AppError {
        if let Some(expanded) = expanded {
            let request = run_request(project, webhook, known.id, expanded);
            match self.prepare(&service(webhook), &request).await.map_err(not_told) {
                Err(AppError::Refused(refusal)) if refusal.message == known.detail => {
                    return AppError::Refused(refusal);
                }
                Ok(_) | Err(_) => {}
            }
        }
        AppError::conflict("refused", known.detail.clone())
    }

    /// Writes down that nothing came of an event, unless another server has made a run of it meanwhile.
    async fn refuse_event(&self, id: EventId, why: &str) -> AppResult<()> {
        let (permit, why) = (self.own_permit(Permission::Edit)?, why.to_owned());
        let write =
            move |c: &mut crate::store::Conn| events::decide_pending(c, &permit, id, EventVerdict::Refused, &why, None);
        match self.db.write(write).await {
            Ok(()) | Err(StoreError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks for the run. That it was made is written down with the event, in the same transaction as the run.
    async fn act_on(
        &self,
        project: &ProjectName,
        webhook: &Webhook,
        event: EventId,
        expanded: Expanded,
        source: &Source,
    ) -> AppResult<(EventVerdict, String, RunNumber)> {
        let request = run_request(project, webhook, event, expanded);
        let dry_run = request.dry_run;
        let run = self.request_run(&service(webhook), request, source).await.map_err(not_told)?;
        let verdict = if dry_run { EventVerdict::DryRun } else { EventVerdict::Ran };
        Ok((verdict, format!("Run #{} is {}.", run.number, run.state), run.number))
    }

    /// Decides events that were stored but not decided when a server broke off. How many.
    ///
    /// # Errors
    /// The database.
    pub async fn settle_events(&self) -> AppResult<usize> {
        let left_behind = self.clock.now() - chrono::TimeDelta::seconds(30);
        let pending = self.db.read(|c| events::pending(c, 100)).await?;
        let mut done = 0;
        for event in pending.into_iter().filter(|e| e.received_at < left_behind) {
            let catalogue = self.catalogue().await?;
            let hook = event
                .source
                .strip_prefix("webhook:")
                .and_then(|name| WebhookName::parse(name).ok())
                .and_then(|name| catalogue.projects.get(&event.project)?.webhooks.get(&name));
            let outcome = match hook {
                None => {
                    Err(AppError::conflict("webhook_gone", "The webhook was removed before the delivery was decided."))
                }
                Some(hook) => self.decide_again(&hook.webhook, &event).await,
            };
            match outcome {
                Ok(()) => {}
                Err(AppError::Refused(refusal)) if !refusal.kind.is_of_the_moment() => {
                    self.refuse_event(event.id, &refusal.message).await?;
                }
                Err(later) => return Err(later),
            }
            done += 1;
        }
        Ok(done)
    }

    /// Only deliveries that met the webhook's conditions are ever left pending.
    async fn decide_again(&self, webhook: &Webhook, event: &Event) -> AppResult<()> {
        let (data, raw) = read_body(event.payload.as_bytes())?;
        let id = event.id;
        let headers = self.db.read(move |c| events::headers(c, id)).await?;
        let delivery = Delivery { data: &data, raw, headers: &headers, webhook: webhook.name.as_str() };
        let expanded = expand(webhook, &delivery)?;
        self.act_on(&event.project, webhook, id, expanded, "engine").await.map(|_| ())
    }

    /// The unguessable address of a webhook. It is derived from the root key and a stored nonce, so it can be shown again.
    ///
    /// # Errors
    /// Not found; forbidden without `edit`.
    pub async fn hook_address(&self, actor: &Actor, project: &ProjectName, name: &WebhookName) -> AppResult<String> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        state.webhooks.get(name).ok_or_else(AppError::not_found)?;
        let resource = Resource::Webhook { project: project.clone(), name: name.to_string() };
        let permit = self.authorize(actor, Permission::Edit, &resource)?;
        let known = {
            let (project, name) = (project.clone(), name.clone());
            self.db.read(move |c| webhook_tokens::of_webhook(c, &project, &name)).await?
        };
        if let Some(known) = known {
            return Ok(self.hook_token(project, name, &known.nonce));
        }
        let nonce = super::random::bytes::<16>()?.to_vec();
        let token = self.hook_token(project, name, &nonce);
        let (digest, now) = (Digest::of(token.as_bytes()), self.clock.now());
        let (project, name) = (project.clone(), name.clone());
        self.db.write(move |c| webhook_tokens::put(c, &permit, &project, &name, &nonce, &digest, now)).await?;
        Ok(token)
    }

    fn hook_token(&self, project: &ProjectName, name: &WebhookName, nonce: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.keys.hooks) else { return String::new() };
        for part in [project.as_str().as_bytes(), b"\0", name.as_str().as_bytes(), b"\0", nonce] {
            mac.update(part);
        }
        format!("ilh_{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Shows, token by token, what a payload would ask for. Nothing is stored, nothing runs.
    ///
    /// # Errors
    /// Not found; forbidden; a payload that cannot be read or lacks a field.
    pub async fn try_webhook(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &WebhookName,
        body: &[u8],
    ) -> AppResult<(bool, Expanded)> {
        let catalogue = self.catalogue().await?;
        let hook = catalogue.project(project)?.webhooks.get(name).ok_or_else(AppError::not_found)?;
        let resource = Resource::Webhook { project: project.clone(), name: name.to_string() };
        self.authorize(actor, Permission::View, &resource)?;
        let (data, raw) = read_body(body)?;
        let headers = BTreeMap::new();
        let (data, matched) = meets(&hook.webhook, raw, &headers, data, self.clock.now());
        let delivery = Delivery { data: &data, raw, headers: &headers, webhook: name.as_str() };
        Ok((matched, expand(&hook.webhook, &delivery)?))
    }

    /// Events of the projects that the actor may see, newest first.
    ///
    /// # Errors
    /// The database.
    pub async fn events(
        &self,
        actor: &Actor,
        project: Option<&ProjectName>,
        source: Option<&str>,
        limit: u32,
    ) -> AppResult<Vec<Event>> {
        let filter = events::history::Filter { source: source.map(str::to_owned), ..Default::default() };
        Ok(self.event_page(actor, project, &filter, None, limit).await?.items)
    }

    /// One event with its headers, both without what is secret by its name.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn event(&self, actor: &Actor, id: EventId) -> AppResult<(Event, BTreeMap<String, String>)> {
        let (mut event, headers) = self.stored_event(actor, id).await?;
        event.payload = shown_payload(&event.payload);
        Ok((event, headers))
    }
}

/// The run that a delivery asks for.
fn run_request(project: &ProjectName, webhook: &Webhook, event: EventId, expanded: Expanded) -> RunRequest {
    let mut values = RawValues::new();
    for (name, value) in expanded.options {
        values.insert(name, RawValue::Text(value));
    }
    RunRequest {
        project: project.clone(),
        job: webhook.job.clone(),
        values,
        reason: String::new(),
        nodes: None,
        node_filter: expanded.node_filter,
        start_at: None,
        origin: Origin::Webhook { name: webhook.name.to_string(), event },
        dry_run: webhook.mode == Mode::DryRun,
    }
}

/// The sender must not learn from the answer what exists behind the webhook.
fn not_told(error: AppError) -> AppError {
    match error {
        AppError::Refused(refusal) if refusal.kind == RefusalKind::NotFound => {
            let message = "The webhook's job is not there, or its service account may not see it. Ask whoever looks after this webhook.";
            Refusal::new(RefusalKind::Conflict, "job_not_available", message).into()
        }
        other => other,
    }
}

fn service(webhook: &Webhook) -> Actor {
    Actor {
        principal: Principal::Service(webhook.run_as.clone()),
        groups: std::collections::BTreeSet::new(),
        via: Via::Webhook { name: webhook.name.to_string() },
        administrator: false,
    }
}
