//! The part of a run's page that changes while it goes on: state, people, the grid of nodes and steps.

use std::collections::BTreeMap;

use askama::Template;

use super::plan::{OptionLine, options};
use super::words;
use crate::app::App;
use crate::app::approvals::ApprovalDetail;
use crate::app::runs::RunDetail;
use crate::domain::approval::RequestState;
use crate::domain::audit::Entry;
use crate::domain::plan::Origin;
use crate::domain::run::{State, StepState};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::page::{Moment, fragment};

/// A run as its page shows it.
pub struct RunFacts {
    /// Its number.
    pub number: i64,
    /// The state's class.
    pub state: &'static str,
    /// The state in words.
    pub state_words: &'static str,
    /// The job with its group.
    pub job: String,
    /// The job's name.
    pub job_name: String,
    /// The job's page.
    pub job_href: String,
    /// The job's page with this run's values.
    pub again_href: String,
    /// The plan's digest.
    pub digest: String,
    environment: Option<String>,
    strict: bool,
    when_line: String,
    approval_href: Option<String>,
    approval_line: Option<String>,
    waiting: bool,
    may_cancel: bool,
    may_run: bool,
    end_reason: Option<String>,
    end_tone: &'static str,
    requester: String,
    origin: String,
    /// The event that it follows from.
    event_href: Option<String>,
    reason: String,
    options: Vec<OptionLine>,
}

/// A line of the run's history.
pub struct Happening {
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
}

struct GridRow {
    node: String,
    cells: Vec<Cell>,
}

struct Cell {
    state: &'static str,
    words: &'static str,
    note: String,
}

#[derive(Template)]
#[template(path = "parts/run_live.html")]
struct LivePart<'a> {
    run: RunFacts,
    live: bool,
    csrf: &'a str,
    grid_steps: Vec<String>,
    grid: Vec<GridRow>,
}

/// The live part as HTML.
pub fn live_html(
    app: &App,
    detail: &RunDetail,
    approval: Option<&ApprovalDetail>,
    csrf: &str,
    now: Timestamp,
) -> String {
    let part = LivePart {
        run: RunFacts::new(app, detail, approval, now),
        live: !detail.run.state.is_terminal(),
        csrf,
        grid_steps: detail.plan.steps.iter().map(|s| s.name.to_string()).collect(),
        grid: grid(detail, now),
    };
    fragment(&part)
}

impl RunFacts {
    /// A run for its page.
    pub fn new(app: &App, detail: &RunDetail, approval: Option<&ApprovalDetail>, now: Timestamp) -> Self {
        let run = &detail.run;
        let job_href = words::job_href(&run.project, &run.job);
        Self {
            number: run.number.get(),
            state: run.state.as_str(),
            state_words: words::state(run.state),
            job: run.job.to_string(),
            job_name: run.job.name().to_owned(),
            again_href: format!("{job_href}?from={}", run.number),
            job_href,
            digest: run.digest.to_string(),
            environment: run.environment.as_ref().map(ToString::to_string),
            strict: words::is_strict(app, &run.project, run.environment.as_ref()),
            when_line: when(detail, now),
            approval_href: run.approval.map(|id| format!("/approvals/{id}")),
            approval_line: approval.map(approval_line),
            waiting: run.state == State::PendingApproval,
            may_cancel: detail.may_cancel,
            may_run: detail.may_run,
            end_reason: Some(visible(&run.end_reason)).filter(|r| !r.is_empty()),
            end_tone: if run.state == State::Canceled || run.state == State::Canceling { "warn" } else { "bad" },
            requester: words::who(&run.requester),
            origin: words::origin(&run.origin),
            event_href: match &run.origin {
                Origin::Webhook { event, .. } | Origin::Rule { event, .. } => Some(format!("/events/{event}")),
                Origin::Button | Origin::Api | Origin::Cli | Origin::Chat | Origin::Schedule { .. } => None,
            },
            reason: if run.reason.is_empty() { "none given".to_owned() } else { visible(&run.reason) },
            options: options(&detail.plan),
        }
    }
}

fn when(detail: &RunDetail, now: Timestamp) -> String {
    let run = &detail.run;
    match (run.started_at, run.ended_at) {
        (Some(from), Some(to)) => format!("{}, took {}", Moment::new(from, now).words, words::took(from, to)),
        (Some(from), None) => format!("for {}", words::took(from, now)),
        (None, Some(to)) => format!("never started; ended {}", Moment::new(to, now).words),
        (None, None) => match run.start_at {
            Some(at) => format!("starts {}, {}", words::until(at, now), Moment::new(at, now).words),
            None => format!("asked for {}", Moment::new(run.created_at, now).words),
        },
    }
}

/// Who signed, who said no, or what is missing.
fn approval_line(detail: &ApprovalDetail) -> String {
    let signed: Vec<String> = detail
        .signatures
        .iter()
        .map(|s| {
            let word = s.verdict.done().replace('_', " ");
            let reason =
                if s.reason.is_empty() { String::new() } else { format!(" (\u{201c}{}\u{201d})", visible(&s.reason)) };
            format!("{word} by {}{reason}", s.user)
        })
        .collect();
    let mut line = signed.join(", ");
    if detail.view.state == RequestState::Pending {
        if !line.is_empty() {
            line.push_str("; ");
        }
        line.push_str(&format!("missing: {}", super::approvals::missing(&detail.view)));
    } else if line.is_empty() {
        line.push_str(words::request(detail.view.state));
    }
    line
}

/// Every node with every step; a step that has not begun is waiting, or skipped once the run has ended.
fn grid(detail: &RunDetail, now: Timestamp) -> Vec<GridRow> {
    if matches!(detail.run.state, State::PendingApproval | State::Rejected | State::Expired | State::DryRun) {
        return Vec::new();
    }
    // The newest attempt counts.
    let mut newest = BTreeMap::new();
    for step in &detail.steps {
        let place = newest.entry((step.node.clone(), step.step_index)).or_insert(step);
        if step.attempt >= place.attempt {
            *place = step;
        }
    }
    let over = detail.run.state.is_terminal();
    let nodes = detail.plan.nodes.iter().map(|node| GridRow {
        node: node.name.to_string(),
        cells: (0..detail.plan.steps.len())
            .map(|index| {
                let index = i32::try_from(index).unwrap_or(i32::MAX);
                match newest.get(&(node.name.clone(), index)) {
                    Some(step) => {
                        let mut note = Vec::new();
                        if let Some(code) = step.exit_code.filter(|c| *c != 0) {
                            note.push(format!("exit code {code}"));
                        }
                        if let Some(from) = step.started_at {
                            note.push(words::took(from, step.ended_at.unwrap_or(now)));
                        }
                        if step.attempt > 1 {
                            note.push(format!("try {}", step.attempt));
                        }
                        if !step.message.is_empty() {
                            note.push(visible(&step.message));
                        }
                        cell(step.state, note.join(", "))
                    }
                    None => cell(if over { StepState::Skipped } else { StepState::Waiting }, String::new()),
                }
            })
            .collect(),
    });
    nodes.collect()
}

fn cell(state: StepState, note: String) -> Cell {
    Cell { state: state.as_str(), words: words::step(state), note }
}

/// What the record says about the run, in words.
pub fn timeline(entries: &[Entry], now: Timestamp) -> Vec<Happening> {
    let line = |entry: &Entry| Happening {
        at: Moment::new(entry.at, now),
        who: words::who(&entry.act.actor),
        what: what(entry),
    };
    entries.iter().map(line).collect()
}

fn what(entry: &Entry) -> String {
    let text = |key: &str| entry.act.detail.get(key).and_then(|v| v.as_str()).map(visible);
    let mut what = match entry.act.action.as_str() {
        "run.requested" => "asked for the run".to_owned(),
        "run.started" => "started it".to_owned(),
        "run.ended" => "it ended".to_owned(),
        "run.cancel_requested" => "canceled it".to_owned(),
        "approval.approved" => "approved".to_owned(),
        "approval.rejected" => "rejected".to_owned(),
        "approval.pushed_back" => "pushed it back".to_owned(),
        "approval.reminded" => "reminded who can sign".to_owned(),
        "approval.escalated" => "told somebody else that nobody answers".to_owned(),
        "approval.voided" => "the request became void".to_owned(),
        "approval.expired" => "the request expired".to_owned(),
        other => other.replace(['.', '_'], " "),
    };
    for key in ["to", "outcome", "why", "reason"] {
        if let Some(value) = text(key).filter(|v| !v.is_empty()) {
            what.push_str(&format!(": {value}"));
        }
    }
    what
}
