//! Webhook intake: verify on the raw bytes, store, then decide. A delivery is acted on at most once.

mod expand;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::App;
use super::catalogue::{Catalogue, ProjectState, StoredWebhook};
use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::planning::RunRequest;
use super::record::Source;
use crate::domain::access::{Actor, Permission, Principal, Resource, Via};
use crate::domain::digest::Digest;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, ProjectName, RunNumber, WebhookName};
use crate::domain::option::{RawValue, RawValues};
use crate::domain::plan::Origin;
use crate::domain::secret::SecretText;
use crate::domain::webhook::delivery::Delivery;
use crate::domain::webhook::verify::verify;
use crate::domain::webhook::{Mode, Verify, Webhook};
use crate::store::{StoreError, events, webhook_tokens};

pub use expand::Expanded;
use expand::{dedupe_key, expand, matches, read_body, redacted};

/// What is said of a delivery that the webhook's conditions leave out.
const NOT_MATCHED: &str = "The conditions of the webhook do not hold for this delivery.";

/// What a sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The event's id.
    pub event: EventId,
    /// The run that it made.
    pub run: Option<RunNumber>,
    /// What was decided.
    pub verdict: EventVerdict,
    /// Why, in a sentence.
    pub detail: String,
    /// Whether this very delivery was known already.
    pub duplicate: bool,
}

impl App {
    /// Takes a delivery for `/hooks/{address}`.
    ///
    /// An unknown address, a name that is only reachable by its token, and a bad signature get the same answer.
    ///
    /// # Errors
    /// `unverified`; `bad_payload` for a body that is not strict JSON; `missing_field`; `refused` where the job cannot
    /// be asked for. The event of a verified delivery is stored in every case but a malformed body.
    pub async fn deliver(
        &self,
        address: &str,
        headers: BTreeMap<String, String>,
        body: &[u8],
        source: &Source,
    ) -> AppResult<Accepted> {
        let catalogue = self.catalogue().await?;
        let Some((project, hook)) = self.hook_at(&catalogue, address).await? else { return Err(unverified()) };
        let webhook = &hook.webhook;
        if let Some(how) = &webhook.verify {
            let secrets = self.hook_secrets(&catalogue, &project.project.name, how).await?;
            if let Err(why) = verify(how, &secrets, &headers, body, self.clock.now()) {
                // Anybody can cause this line, so it is no warning.
                tracing::info!(webhook.name = %webhook.name, refusal.why = %why, "refused a delivery");
                return Err(unverified());
            }
        }
        let (data, raw) = read_body(body)?;
        let delivery = Delivery { data: &data, raw: &raw, headers: &headers, webhook: webhook.name.as_str() };
        let dedupe = dedupe_key(webhook, &delivery, &headers, &data, body)?;
        // A payload that lacks a field is told so before anything is kept, as the sender (or whoever tests it) can mend it.
        let now = self.clock.now();
        let expanded = if matches(webhook, &delivery, &data, now) { Some(expand(webhook, &delivery)?) } else { None };
        let (verdict, detail) = match &expanded {
            Some(_) => (EventVerdict::Pending, String::new()),
            None => (EventVerdict::NotMatched, NOT_MATCHED.to_owned()),
        };
        let event = Event {
            id: EventId::new(uuid::Uuid::now_v7()),
            project: project.project.name.clone(),
            received_at: now,
            source: format!("webhook:{}", webhook.name),
            event_type: format!("webhook.{}", webhook.name),
            payload: raw.clone(),
            dedupe_key: dedupe,
            verdict,
            detail: detail.clone(),
            run: None,
        };
        let id = event.id;
        if let Some(known) = self.store_event(event, headers.clone()).await? {
            if known.verdict == EventVerdict::Refused {
                return Err(self.refused_again(&project.project.name, hook, &known, expanded).await);
            }
            return Ok(Accepted {
                event: known.id,
                run: known.run,
                verdict: known.verdict,
                detail: known.detail,
                duplicate: true,
            });
        }
        let Some(expanded) = expanded else {
            return Ok(Accepted { event: id, run: None, verdict, detail, duplicate: false });
        };
        match self.act_on(&project.project.name, hook, id, expanded, source).await {
            Ok((verdict, detail, run)) => Ok(Accepted { event: id, run: Some(run), verdict, detail, duplicate: false }),
            Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::Busy => {
                self.refuse_event(id, &refusal.message).await?;
                Err(AppError::Refused(refusal))
            }
            // The event stays pending and is decided again later, by this server or another.
            Err(fault) => Err(fault),
        }
    }

    /// The active secrets of a webhook. One that is missing matches nothing.
    async fn hook_secrets(
        &self,
        catalogue: &Catalogue,
        project: &ProjectName,
        how: &Verify,
    ) -> AppResult<Vec<SecretText>> {
        let mut secrets = Vec::with_capacity(how.secrets.len());
        for path in &how.secrets {
            if let Some(known) = catalogue.hook_secret(project, path) {
                secrets.push(known);
                continue;
            }
            match self.key_value(project, path, None).await {
                Ok(secret) => {
                    catalogue.keep_hook_secret(project, path, secret.clone());
                    secrets.push(secret);
                }
                Err(AppError::Refused(_)) => {
                    tracing::warn!(key.path = %path, "a webhook's secret is missing from the key store");
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(secrets)
    }

    /// What the sender of a refused delivery is told when it comes again: the same refusal, if it still is the reason;
    /// otherwise that it was refused, in the words of then. It is not decided anew.
    async fn refused_again(
        &self,
        project: &ProjectName,
        hook: &StoredWebhook,
        known: &Event,
        expanded: Option<Expanded>,
    ) -> AppError {
        if let Some(expanded) = expanded {
            let request = run_request(project, &hook.webhook, known.id, expanded);
            match self.prepare(&service(&hook.webhook), &request).await.map_err(not_told) {
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

    /// Stores the event once; the one that was there before, if it was.
    async fn store_event(&self, event: Event, headers: BTreeMap<String, String>) -> AppResult<Option<Event>> {
        let permit = self.own_permit(Permission::Edit)?;
        let headers = redacted(headers);
        let stored = self.db.write(move |c| events::insert_event_once(c, &permit, &event, &headers)).await?;
        Ok(match stored {
            events::Stored::Inserted => None,
            events::Stored::Duplicate(known) => Some(*known),
        })
    }

    /// Asks for the run. That it was made is written down with the event, in the same transaction as the run.
    async fn act_on(
        &self,
        project: &ProjectName,
        hook: &StoredWebhook,
        event: EventId,
        expanded: Expanded,
        source: &Source,
    ) -> AppResult<(EventVerdict, String, RunNumber)> {
        let webhook = &hook.webhook;
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
                Some(hook) => self.decide_again(hook, &event).await,
            };
            match outcome {
                Ok(()) => {}
                Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::Busy => {
                    self.refuse_event(event.id, &refusal.message).await?;
                }
                Err(later) => return Err(later),
            }
            done += 1;
        }
        Ok(done)
    }

    /// Only deliveries that met the webhook's conditions are ever left pending.
    async fn decide_again(&self, hook: &StoredWebhook, event: &Event) -> AppResult<()> {
        let (data, raw) = read_body(event.payload.as_bytes())?;
        let id = event.id;
        let headers = self.db.read(move |c| events::headers(c, id)).await?;
        let delivery = Delivery { data: &data, raw: &raw, headers: &headers, webhook: hook.webhook.name.as_str() };
        let expanded = expand(&hook.webhook, &delivery)?;
        self.act_on(&event.project, hook, id, expanded, "engine").await.map(|_| ())
    }

    async fn hook_at<'c>(
        &self,
        catalogue: &'c Catalogue,
        address: &str,
    ) -> AppResult<Option<(&'c ProjectState, &'c StoredWebhook)>> {
        if let Ok(name) = WebhookName::parse(address) {
            // By name only where a signature or secret proves the sender. The same name in two projects is nobody's.
            let mut named = catalogue.projects.values().filter_map(|p| p.webhooks.get(&name).map(|w| (p, w)));
            if let (Some(found), None) = (named.next(), named.next())
                && found.1.webhook.verify.is_some()
            {
                return Ok(Some(found));
            }
        }
        let digest = Digest::of(address.as_bytes());
        let Some(token) = self.db.read(move |c| webhook_tokens::find(c, &digest)).await? else { return Ok(None) };
        let found = catalogue.projects.get(&token.project).and_then(|p| {
            let name = WebhookName::parse(&token.name).ok()?;
            p.webhooks.get(&name).map(|w| (p, w))
        });
        Ok(found)
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
        let delivery = Delivery { data: &data, raw: &raw, headers: &headers, webhook: name.as_str() };
        let matched = matches(&hook.webhook, &delivery, &data, self.clock.now());
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
        let catalogue = self.catalogue().await?;
        let mut out: Vec<Event> = Vec::new();
        for name in catalogue.projects.keys().filter(|n| project.is_none_or(|p| p == *n)) {
            if self.authorize(actor, Permission::View, &Resource::Events { project: name.clone() }).is_err() {
                continue;
            }
            let (name, source) = (name.clone(), source.map(str::to_owned));
            out.extend(self.db.read(move |c| events::list(c, &name, source.as_deref(), None, limit)).await?);
        }
        out.sort_by_key(|e| std::cmp::Reverse((e.received_at, e.id)));
        out.truncate(limit as usize);
        Ok(out)
    }

    /// One event with its headers.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn event(&self, actor: &Actor, id: EventId) -> AppResult<(Event, BTreeMap<String, String>)> {
        self.catalogue().await?;
        let found = self.db.read(move |c| Ok::<_, StoreError>((events::get(c, id)?, events::headers(c, id)?))).await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: found.0.project.clone() })?;
        Ok(found)
    }
}

fn unverified() -> AppError {
    let message = "There is no such webhook, or the delivery is not signed as it should be. Check the address and the secret on both sides.";
    Refusal::new(RefusalKind::Forbidden, "unverified", message).into()
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
