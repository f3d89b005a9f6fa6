//! The queue of approval requests: mine, others', decided.

use actix_web::http::StatusCode;
use askama::Template;

use super::words;
use crate::app::App;
use crate::app::approvals::ApprovalView;
use crate::domain::approval::RequestState;
use crate::domain::time::Timestamp;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::Answer;
use crate::web::page::{Chrome, Moment, render};

/// A request in a table.
pub struct Row {
    /// Its id.
    pub id: String,
    /// The run that waits for it.
    pub run: i64,
    /// Its state's class.
    pub state: &'static str,
    /// Its state in words.
    pub state_words: &'static str,
    /// The job.
    pub job: String,
    /// Its environment.
    pub environment: Option<String>,
    /// Whether that is the strictest.
    pub strict: bool,
    /// Who asked.
    pub requester: String,
    /// When.
    pub at: Moment,
    /// Why.
    pub reason: String,
    /// What is missing.
    pub missing: String,
}

struct Section {
    title: &'static str,
    empty: &'static str,
    mine: bool,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "approvals.html")]
struct Approvals {
    chrome: Chrome,
    sections: Vec<Section>,
}

/// `GET /approvals`.
pub async fn page(call: Call) -> Answer {
    let actor = call.actor()?;
    let now = call.app.clock().now();
    let pending = call.app.pending_approvals(actor).await?;
    let (mine, others): (Vec<_>, Vec<_>) = pending.into_iter().partition(|a| a.mine);
    let mut decided = Vec::new();
    for state in RequestState::ALL.into_iter().filter(|s| *s != RequestState::Pending) {
        decided.extend(call.app.approvals(actor, Some(state), None, 100).await?.items);
    }
    decided.sort_by_key(|a| std::cmp::Reverse((a.created_at, a.id)));
    decided.truncate(100);
    let rows = |views: Vec<ApprovalView>| views.iter().map(|a| row(&call.app, a, now)).collect();
    let sections = vec![
        Section { title: "Waiting for you", empty: "Nothing waits for your signature.", mine: true, rows: rows(mine) },
        Section {
            title: "Waiting for others",
            empty: "Nothing waits for anybody else.",
            mine: false,
            rows: rows(others),
        },
        Section { title: "Decided", empty: "Nothing was decided yet.", mine: false, rows: rows(decided) },
    ];
    Ok(render(StatusCode::OK, &Approvals { sections, chrome: chrome::of(&call, "/approvals").await }))
}

/// A request as a row.
pub fn row(app: &App, view: &ApprovalView, now: Timestamp) -> Row {
    Row {
        id: view.id.to_string(),
        run: view.run.get(),
        state: view.state.as_str(),
        state_words: words::request(view.state),
        job: view.job.to_string(),
        environment: view.environment.as_ref().map(ToString::to_string),
        strict: words::is_strict(app, &view.project, view.environment.as_ref()),
        requester: words::who(&view.requester),
        at: Moment::new(view.created_at, now),
        reason: view.reason.chars().take(200).collect(),
        missing: missing(view),
    }
}

/// Which signatures are missing, in words; empty when none is.
pub fn missing(view: &ApprovalView) -> String {
    view.missing.iter().map(|m| format!("{} {}", m.count, m.role)).collect::<Vec<_>>().join(", ")
}
