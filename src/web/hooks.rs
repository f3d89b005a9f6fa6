//! What senders are given: `POST /hooks/{name-or-token}`, and whether the server is well.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::json;

use super::call::Call;
use super::error::Answer;
use crate::app::error::AppError;
use crate::app::hooks::Accepted;
use crate::domain::chat::escape;
use crate::domain::event::EventVerdict;
use crate::domain::ids::{EventId, RunNumber};

/// `POST /hooks/{address}`: 202 once the delivery is stored for good and decided.
pub async fn deliver(call: Call) -> Answer {
    let headers = headers(&call);
    let accepted = call.app.deliver(&call.part("address"), &headers, &call.body, &call.source).await?;
    let Accepted { event, run, verdict, detail, duplicate } = accepted;
    Ok(HttpResponse::Accepted().json(Told { detail, duplicate, event, run, verdict }))
}

/// `POST /hooks/slack/actions`: a press of a button. What is said back is for whoever pressed it.
pub async fn pressed(call: Call) -> Answer {
    let text = call.app.pressed(&headers(&call), &call.body).await?;
    Ok(only_for_you(&text))
}

/// `POST /hooks/slack/commands`: a slash command. What is said back is for whoever typed it.
pub async fn commanded(call: Call) -> Answer {
    let text = call.app.commanded(&headers(&call), &call.body).await?;
    Ok(only_for_you(&text))
}

/// An answer that only one person sees, in which nothing is markup.
fn only_for_you(text: &str) -> HttpResponse {
    if text.is_empty() {
        return HttpResponse::Ok().finish();
    }
    HttpResponse::Ok().json(json!({
        "response_type": "ephemeral", "replace_original": false, "mrkdwn": false, "text": escape(text),
    }))
}

fn headers(call: &Call) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in call.request.headers() {
        let Ok(value) = value.to_str() else { continue };
        // A header that comes twice is no proof of anything: two readers could take different ones.
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|known| *known = String::new())
            .or_insert_with(|| value.to_owned());
    }
    headers
}

/// What a sender is told.
#[derive(Serialize)]
struct Told {
    detail: String,
    duplicate: bool,
    event: EventId,
    run: Option<RunNumber>,
    verdict: EventVerdict,
}

/// `GET /healthz`: the process answers.
pub async fn health(_: Call) -> Answer {
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}

/// `GET /readyz`: the process can do its work, which needs the database.
pub async fn ready(call: Call) -> Answer {
    match call.app.catalogue().await {
        Ok(_) => Ok(HttpResponse::Ok().json(json!({ "status": "ready" }))),
        Err(AppError::Refused(refusal)) if refusal.kind.is_of_the_moment() => {
            Ok(HttpResponse::ServiceUnavailable().json(json!({ "status": "not ready", "detail": refusal.message })))
        }
        Err(error) => {
            tracing::error!(error.cause = %error, "the database cannot be read");
            Ok(HttpResponse::ServiceUnavailable()
                .json(json!({ "status": "not ready", "detail": "the database cannot be read" })))
        }
    }
}

/// `GET /metrics`: numbers for Prometheus. They name no job, node or person, so a scraper needs no sign-in.
pub async fn metrics(call: Call) -> Answer {
    let mut out = String::from("# TYPE interlock_info gauge\n");
    out.push_str(&format!("interlock_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION")));
    out.push_str("# HELP interlock_runs Runs that have not ended, by state.\n# TYPE interlock_runs gauge\n");
    for (state, count) in call.app.open_runs().await? {
        out.push_str(&format!("interlock_runs{{state=\"{state}\"}} {count}\n"));
    }
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(out))
}
