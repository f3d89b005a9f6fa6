//! Webhooks as somebody sees them: how they are verified, where they are reached, what came in last.

use std::sync::Arc;

use super::App;
use super::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::event::Event;
use crate::domain::ids::{ProjectName, WebhookName};
use crate::domain::webhook::Webhook;

/// A webhook.
#[derive(Debug, Clone)]
pub struct WebhookView {
    /// The project.
    pub project: ProjectName,
    /// The webhook.
    pub webhook: Arc<Webhook>,
    /// The address by name; only where a signature or secret proves the sender.
    pub named: Option<String>,
    /// The unguessable address, for who may change the webhook.
    pub address: Option<String>,
    /// Whether the one who asks may change it.
    pub may_edit: bool,
    /// The last deliveries, newest first.
    pub deliveries: Vec<Event>,
}

/// Deliveries on a webhook's page.
const DELIVERIES: u32 = 20;

impl App {
    /// The webhooks that the actor may see, each with its last delivery.
    ///
    /// # Errors
    /// The database.
    pub async fn browse_webhooks(&self, actor: &Actor) -> AppResult<Vec<WebhookView>> {
        let catalogue = self.catalogue().await?;
        let mut out = Vec::new();
        for (project, state) in &catalogue.projects {
            for hook in state.webhooks.values() {
                let resource = Resource::Webhook { project: project.clone(), name: hook.webhook.name.to_string() };
                if self.authorize(actor, Permission::View, &resource).is_ok() {
                    out.push(self.webhook_view(actor, project, &hook.webhook, 1).await?);
                }
            }
        }
        Ok(out)
    }

    /// One webhook with its address and last deliveries.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn browse_webhook(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &WebhookName,
    ) -> AppResult<WebhookView> {
        let catalogue = self.catalogue().await?;
        let hook = catalogue.project(project)?.webhooks.get(name).ok_or_else(AppError::not_found)?;
        let resource = Resource::Webhook { project: project.clone(), name: name.to_string() };
        self.authorize(actor, Permission::View, &resource)?;
        let mut view = self.webhook_view(actor, project, &hook.webhook, DELIVERIES).await?;
        if view.may_edit {
            let token = self.hook_address(actor, project, name).await?;
            view.address = Some(format!("{}/hooks/{token}", self.settings.public_url));
        }
        Ok(view)
    }

    async fn webhook_view(
        &self,
        actor: &Actor,
        project: &ProjectName,
        webhook: &Arc<Webhook>,
        deliveries: u32,
    ) -> AppResult<WebhookView> {
        let name = &webhook.name;
        let resource = Resource::Webhook { project: project.clone(), name: name.to_string() };
        let source = format!("webhook:{name}");
        let named = webhook.verify.as_ref().map(|_| format!("{}/hooks/{name}", self.settings.public_url));
        Ok(WebhookView {
            project: project.clone(),
            webhook: Arc::clone(webhook),
            named,
            address: None,
            may_edit: self.authorize(actor, Permission::Edit, &resource).is_ok(),
            deliveries: self.events(actor, Some(project), Some(&source), deliveries).await?,
        })
    }
}
