//! Webhooks: address, verification, last deliveries, and a test that shows token by token what would run.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::events::{self, Row};
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::app::hooks_view::WebhookView;
use crate::domain::ids::{ProjectName, WebhookName};
use crate::domain::webhook::{Mode, VerifyKind};
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, render};

struct Facts {
    project: String,
    name: String,
    href: String,
    description: String,
    job: String,
    arguments: String,
    verify: String,
    run_as: String,
    live: bool,
    named: Option<String>,
    address: Option<String>,
    may_edit: bool,
    last: Option<Row>,
}

struct Tried {
    matched: bool,
    tokens: Vec<(String, String)>,
    options: Vec<(String, String)>,
    node_filter: Option<String>,
}

#[derive(Template)]
#[template(path = "webhooks.html")]
struct Webhooks {
    chrome: Chrome,
    hooks: Vec<Facts>,
}

#[derive(Template)]
#[template(path = "webhook.html")]
struct WebhookPage {
    chrome: Chrome,
    w: Facts,
    deliveries: Vec<Row>,
    sample: String,
    tried: Option<Tried>,
    message: Option<String>,
}

/// `GET /webhooks`.
pub async fn list(call: Call) -> Answer {
    let found = call.app.browse_webhooks(call.actor()?).await?;
    let hooks = found.iter().map(|view| facts(&call, view)).collect();
    Ok(render(StatusCode::OK, &Webhooks { hooks, chrome: chrome::of(&call, "/webhooks").await }))
}

/// `GET /webhooks/{project}/{name}`.
pub async fn one(call: Call) -> Answer {
    show(&call, String::new(), None, None, StatusCode::OK).await
}

/// `POST /webhooks/{project}/{name}`: tries a sample. Nothing is stored and nothing runs.
pub async fn try_sample(call: Call) -> Answer {
    let (project, name) = named(&call)?;
    let sample = call.form.text("sample").unwrap_or_default().to_owned();
    match call.app.try_webhook(call.actor()?, &project, &name, sample.as_bytes()).await {
        Ok((matched, expanded)) => {
            let shown = |pairs: Vec<(String, String)>| {
                pairs.into_iter().map(|(a, b)| (visible(&a), visible(&b))).collect::<Vec<_>>()
            };
            let tried = Tried {
                matched,
                tokens: shown(expanded.tokens),
                options: shown(expanded.options),
                node_filter: expanded.node_filter.map(|f| visible(&f)),
            };
            show(&call, sample, Some(tried), None, StatusCode::OK).await
        }
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            show(&call, sample, None, Some(refusal.message.clone()), status_of(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

fn named(call: &Call) -> AppResult<(ProjectName, WebhookName)> {
    Ok((call.name("project")?, call.name("name")?))
}

async fn show(
    call: &Call,
    sample: String,
    tried: Option<Tried>,
    message: Option<String>,
    status: StatusCode,
) -> AppResult<HttpResponse> {
    let (project, name) = named(call)?;
    let view = call.app.browse_webhook(call.actor()?, &project, &name).await?;
    let now = call.app.clock().now();
    let page = WebhookPage {
        w: facts(call, &view),
        deliveries: view.deliveries.iter().map(|e| events::row(e, now)).collect(),
        sample,
        tried,
        message,
        chrome: chrome::of(call, "/webhooks").await,
    };
    Ok(render(status, &page))
}

fn facts(call: &Call, view: &WebhookView) -> Facts {
    let webhook = &view.webhook;
    let arguments: Vec<&str> = webhook.arguments.iter().map(|t| t.source()).collect();
    let verify = match &webhook.verify {
        None => "by its unguessable address only".to_owned(),
        Some(how) => {
            let keys: Vec<&str> = how.secrets.iter().map(|k| k.as_str()).collect();
            format!("{} with {}", scheme(&how.kind), keys.join(" or "))
        }
    };
    Facts {
        project: view.project.to_string(),
        name: webhook.name.to_string(),
        href: format!("/webhooks/{}/{}", view.project, webhook.name),
        description: webhook.description.clone(),
        job: job_name(call, view),
        arguments: arguments.join(" "),
        verify,
        run_as: webhook.run_as.to_string(),
        live: webhook.mode == Mode::Live,
        named: view.named.clone(),
        address: view.address.clone(),
        may_edit: view.may_edit,
        last: view.deliveries.first().map(|e| events::row(e, call.app.clock().now())),
    }
}

/// The job by its name, where its reference leads to one.
fn job_name(call: &Call, view: &WebhookView) -> String {
    let known = call.app.known();
    let job = known.projects.get(&view.project).and_then(|p| p.job(&view.webhook.job));
    job.map_or_else(|| format!("{} (there is no such job)", view.webhook.job), |j| j.job.path.to_string())
}

fn scheme(kind: &VerifyKind) -> String {
    match kind {
        VerifyKind::PagerDuty => "PagerDuty signature".to_owned(),
        VerifyKind::GitHub => "GitHub signature".to_owned(),
        VerifyKind::Slack => "Slack signature".to_owned(),
        VerifyKind::Grafana { header, .. } => format!("Grafana signature in {header}"),
        VerifyKind::Alertmanager => "Alertmanager's Authorization header".to_owned(),
        VerifyKind::StandardWebhooks => "Standard Webhooks signature".to_owned(),
        VerifyKind::Token { header } => format!("secret in {header}"),
        VerifyKind::Hmac { header, .. } => format!("HMAC-SHA256 in {header}"),
    }
}
