//! The record: who did what when, and whether it is whole.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::audit::Filter;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::Principal;
use crate::web::address;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render};

/// Entries on a page.
const PAGE: u32 = 100;

struct Row {
    seq: i64,
    at: Moment,
    who: String,
    source: String,
    action: String,
    resource: String,
    run: Option<String>,
    detail: String,
}

struct Filters {
    who: String,
    action: String,
    resource: String,
    project: String,
}

struct Verified {
    good: bool,
    line: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    chrome: Chrome,
    f: Filters,
    rows: Vec<Row>,
    older: Option<String>,
    verified: Option<Verified>,
}

/// `GET /audit`.
pub async fn page(call: Call) -> Answer {
    let text = |name: &str| call.query(name).unwrap_or_default().trim().to_owned();
    let f = Filters { who: text("who"), action: text("action"), resource: text("resource"), project: text("project") };
    let set = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    let filter = Filter {
        actor: Principal::parse(&f.who).or_else(|| Principal::parse(&format!("user:{}", f.who))),
        action_prefix: set(&f.action),
        resource: set(&f.resource),
        project: set(&f.project),
        since: None,
    };
    let before = call.query("before").and_then(|b| b.parse().ok());
    let impossible = !f.who.is_empty() && filter.actor.is_none();
    let entries = if impossible { Vec::new() } else { call.app.audit(call.actor()?, filter, before, PAGE).await? };
    let now = call.app.clock().now();
    let more = entries.len() == PAGE as usize;
    let page = Audit {
        older: entries
            .last()
            .filter(|_| more)
            .map(|last| address::other(&call, "/audit", &["before", "verify"], &[("before", &last.seq.to_string())])),
        rows: entries
            .into_iter()
            .map(|entry| Row {
                seq: entry.seq,
                at: Moment::new(entry.at, now),
                who: words::who(&entry.act.actor),
                source: entry.act.source,
                action: entry.act.action,
                run: entry.act.resource.strip_prefix("run:").map(str::to_owned),
                resource: visible(&entry.act.resource),
                detail: visible(&entry.act.detail.to_string()),
            })
            .collect(),
        f,
        verified: if call.query("verify").is_some() { Some(verify(&call).await?) } else { None },
        chrome: chrome::of(&call, "/audit").await,
    };
    Ok(render(StatusCode::OK, &page))
}

async fn verify(call: &Call) -> AppResult<Verified> {
    match call.app.verify_audit(call.actor()?, None).await {
        Ok(Ok(intact)) => Ok(Verified {
            good: true,
            line: format!("The record is whole: {} in one chain, and the signed heads agree.", entries(intact.entries)),
        }),
        Ok(Err(broken)) => Ok(Verified {
            good: false,
            line: format!(
                "The record was tampered with: {broken}. Keep the database as it is and compare it with a backup."
            ),
        }),
        Err(AppError::Refused(refusal)) if refusal.code == "anchor_unusable" => {
            Ok(Verified { good: false, line: refusal.message.clone() })
        }
        Err(error) => Err(error),
    }
}

fn entries(count: i64) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}
