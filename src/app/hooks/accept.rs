//! Accepting a delivery: verified on the raw bytes, read, stored for good, then decided.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::alerts::alerts_of;
use super::expand::{Expanded, dedupe_key, expand, meets, read_body, redacted};
use crate::app::App;
use crate::app::catalogue::{Catalogue, ProjectState, StoredWebhook};
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::app::record::Source;
use crate::domain::access::Permission;
use crate::domain::digest::Digest;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::{EventId, ProjectName, RunNumber, WebhookName};
use crate::domain::moment::Moment;
use crate::domain::secret::SecretText;
use crate::domain::webhook::alerts::ALERT;
use crate::domain::webhook::delivery::Delivery;
use crate::domain::webhook::verify::verify;
use crate::domain::webhook::{Verify, Webhook};
use crate::store::events::{self, Stored};
use crate::store::{Conn, Mark, webhook_tokens};

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

/// A delivery that is proven and read: what is stored of it, and what it asks for.
struct Proven {
    webhook: Arc<Webhook>,
    kept: Arc<Kept>,
    /// What the webhook's arguments become; `None` when its conditions do not hold.
    expanded: Option<Expanded>,
}

struct Kept {
    event: Event,
    /// What rules are told besides: each alert of a group.
    alerts: Vec<Event>,
    headers: BTreeMap<String, String>,
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
        headers: &BTreeMap<String, String>,
        body: &[u8],
        source: &Source,
    ) -> AppResult<Accepted> {
        // Nearly always the definitions at hand still hold, and the store can tell while it stores: that saves the look.
        let seen = self.seen();
        let first = self.proven(&seen.catalogue, address, headers, body).await;
        let stored = match (&first, seen.mark) {
            (Ok(proven), Some(mark)) => self.store_event(&proven.kept, Some(mark)).await?,
            _ => None,
        };
        if let Some(stored) = stored {
            return self.answer(first?, stored, source).await;
        }
        // Whatever is said from here on, also a refusal, is said by the definitions of this moment.
        let now = Box::pin(self.catalogue()).await?;
        let same = Arc::ptr_eq(&now, &seen.catalogue);
        let proven = if same { first? } else { self.proven(&now, address, headers, body).await? };
        let stored = self.store_event(&proven.kept, None).await?;
        let stored = stored.ok_or_else(|| AppError::fault("a delivery was neither stored nor refused"))?;
        self.answer(proven, stored, source).await
    }

    /// Verifies and reads a delivery by these definitions.
    async fn proven(
        &self,
        catalogue: &Catalogue,
        address: &str,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> AppResult<Proven> {
        let Some((project, hook)) = self.hook_at(catalogue, address).await? else { return Err(unverified()) };
        let (project, webhook) = (&project.project.name, &hook.webhook);
        let now = self.clock.now();
        if let Some(how) = &webhook.verify {
            let secrets = self.hook_secrets(catalogue, project, how).await?;
            if let Err(why) = verify(how, &secrets, headers, body, now) {
                // Anybody can cause this line, so it is no warning.
                tracing::info!(webhook.name = %webhook.name, refusal.why = %why, "refused a delivery");
                return Err(unverified());
            }
        }
        let (data, raw) = read_body(body)?;
        let delivery = Delivery { data: &data, raw, headers, webhook: webhook.name.as_str() };
        let dedupe_key = dedupe_key(webhook, &delivery, headers, &data, body)?;
        // A payload that lacks a field is told so before anything is kept, as the sender (or whoever tests it) can mend it.
        let (data, matched) = meets(webhook, raw, headers, data, now);
        let delivery = Delivery { data: &data, raw, headers, webhook: webhook.name.as_str() };
        let expanded = if matched { Some(expand(webhook, &delivery)?) } else { None };
        let (verdict, detail) = match &expanded {
            Some(_) => (EventVerdict::Pending, String::new()),
            None => (EventVerdict::NotMatched, NOT_MATCHED.to_owned()),
        };
        let event_type = format!("webhook.{}", webhook.name);
        let listens = |to: &str| catalogue.projects.get(project).is_some_and(|p| p.rule_index.listens(to));
        let awaits_rules = listens(&event_type);
        let event = Event {
            id: EventId::new(uuid::Uuid::now_v7()),
            project: project.clone(),
            received_at: now,
            source: format!("webhook:{}", webhook.name),
            event_type,
            payload: raw.to_owned(),
            dedupe_key,
            verdict,
            detail,
            run: None,
            depth: 0,
            awaits_rules,
        };
        let alerts = if listens(ALERT) { alerts_of(webhook, &data, &event)? } else { Vec::new() };
        let kept = Arc::new(Kept { event, alerts, headers: redacted(headers) });
        Ok(Proven { webhook: Arc::clone(webhook), kept, expanded })
    }

    /// Stores the event once, and with it each alert that is not there yet. With a mark, only if nothing has been changed
    /// since; `None` then.
    async fn store_event(&self, kept: &Arc<Kept>, unchanged_since: Option<Mark>) -> AppResult<Option<Stored>> {
        let (permit, kept) = (self.own_permit(Permission::Edit)?, Arc::clone(kept));
        let insert = move |c: &mut Conn| {
            let stored = events::insert_event_once(c, &permit, &kept.event, &kept.headers)?;
            // Also where the delivery was there before: rules may listen only since then.
            Ok((stored, events::insert_events_once(c, &permit, &kept.alerts)?))
        };
        let Some((stored, alerts)) = self.db.add(unchanged_since, insert).await? else { return Ok(None) };
        if alerts > 0 {
            self.live.work_is_there();
        }
        Ok(Some(stored))
    }

    /// Decides what was stored, unless it had been there before.
    async fn answer(&self, proven: Proven, stored: Stored, source: &Source) -> AppResult<Accepted> {
        if let Stored::Duplicate(known) = stored {
            if known.verdict == EventVerdict::Refused {
                let project = &proven.kept.event.project;
                return Err(Box::pin(self.refused_again(project, &proven.webhook, &known, proven.expanded)).await);
            }
            let Event { id: event, run, verdict, detail, .. } = *known;
            return Ok(Accepted { event, run, verdict, detail, duplicate: true });
        }
        Moment::EventStored.reached();
        let Event { id: event, project, verdict, detail, awaits_rules, .. } = &proven.kept.event;
        if *awaits_rules {
            self.live.work_is_there();
        }
        let Some(expanded) = proven.expanded else {
            let (verdict, detail) = (*verdict, detail.clone());
            return Ok(Accepted { event: *event, run: None, verdict, detail, duplicate: false });
        };
        // Boxed, so that a delivery that starts nothing does not carry the size of one that does.
        match Box::pin(self.act_on(project, &proven.webhook, *event, expanded, source)).await {
            Ok((verdict, detail, run)) => {
                Ok(Accepted { event: *event, run: Some(run), verdict, detail, duplicate: false })
            }
            Err(AppError::Refused(refusal)) if !refusal.kind.is_of_the_moment() => {
                self.refuse_event(*event, &refusal.message).await?;
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
            match Box::pin(self.key_value(project, path, None)).await {
                Ok(secret) => {
                    catalogue.keep_hook_secret(project, path, secret.clone());
                    secrets.push(secret);
                }
                Err(AppError::Refused(refusal)) if !refusal.kind.is_of_the_moment() => {
                    tracing::warn!(key.path = %path, "a webhook's secret is missing from the key store");
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(secrets)
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
        let find = self.db.read(move |c| webhook_tokens::find(c, &digest));
        let Some(token) = Box::pin(find).await? else { return Ok(None) };
        let found = catalogue.projects.get(&token.project).and_then(|p| {
            let name = WebhookName::parse(&token.name).ok()?;
            p.webhooks.get(&name).map(|w| (p, w))
        });
        Ok(found)
    }
}

fn unverified() -> AppError {
    let message = "There is no such webhook, or the delivery is not signed as it should be. Check the address and the secret on both sides.";
    Refusal::new(RefusalKind::Forbidden, "unverified", message).into()
}
