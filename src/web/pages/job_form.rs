//! The form that asks for a run of a job: its fields, the nodes it will touch, the sign-off, the button. The same for the
//! job's page and for the preview of a draft.

use askama::Template;

use super::job_fields::{Field, fields};
use super::start_at::TypedStart;
use super::words;
use crate::app::browse::{JobView, NodeChoice};
use crate::app::error::{Refusal, sentence};
use crate::domain::job::Dispatch;
use crate::domain::option::RawValues;
use crate::web::page::fragment;

struct NodeTick {
    name: String,
    environment: Option<String>,
    enrolled: bool,
    on: bool,
    allowed: bool,
}

#[derive(Template)]
#[template(path = "parts/job_form.html")]
struct JobForm {
    fields: Vec<Field>,
    nodes: Vec<NodeTick>,
    nodes_error: Option<String>,
    no_nodes_line: String,
    may_narrow: bool,
    has_reason_option: bool,
    reason: String,
    reason_required: bool,
    reason_error: Option<String>,
    sign_off: Option<String>,
    start_at: String,
    zone: String,
    start_error: Option<String>,
    button: String,
}

/// What somebody typed before, to be shown again.
#[derive(Default)]
pub struct Typed {
    /// The options' values.
    pub values: Option<RawValues>,
    /// Why.
    pub reason: String,
    /// The ticked nodes.
    pub nodes: Option<Vec<String>>,
    /// The request that this one is asked after.
    pub replaces: Option<crate::domain::ids::ApprovalId>,
    /// When it is to start.
    pub start: TypedStart,
}

/// The form's content as HTML, with what was typed and what is wrong with it.
pub fn html(view: &JobView, typed: &Typed, refusal: Option<&Refusal>) -> String {
    let job = &view.stored.job;
    let errors = refusal.map(|r| r.fields.as_slice()).unwrap_or_default();
    let error_of = |field: &str| errors.iter().find(|e| e.field == field).map(|e| sentence(&e.message));
    let has_reason_option = job.options.iter().any(|o| o.name.as_str() == "reason");
    let reason_required = view.sign_off.as_ref().is_some_and(|(s, _)| s.policy.reasons.request_required);
    // The use case looks at the reason after the values; people are told of both at once.
    let reason_missing = refusal.is_some() && reason_required && typed.reason.trim().is_empty();
    let reason_error = error_of("reason")
        .or_else(|| reason_missing.then(|| "Say why: whoever signs needs to know.".to_owned()))
        .filter(|_| !has_reason_option);
    fragment(&JobForm {
        fields: fields(&job.options, typed.values.as_ref(), &view.nameable, errors),
        nodes: ticks(view, typed),
        nodes_error: error_of("nodes"),
        no_nodes_line: no_nodes(view),
        may_narrow: matches!(&job.dispatch, Dispatch::Nodes(d) if d.user_may_narrow),
        has_reason_option,
        reason: typed.reason.clone(),
        reason_required,
        reason_error,
        sign_off: sign_off(view),
        start_at: typed.start.at.clone(),
        zone: typed.start.zone_name(),
        start_error: error_of("run_at")
            .or_else(|| refusal.filter(|r| r.code == "bad_start").map(|r| r.message.clone())),
        button: button(view),
    })
}

fn ticks(view: &JobView, typed: &Typed) -> Vec<NodeTick> {
    let tick = |choice: &NodeChoice| {
        let name = choice.node.name.to_string();
        NodeTick {
            on: typed.nodes.as_ref().map_or(choice.allowed, |nodes| nodes.contains(&name)),
            environment: choice.node.environment.as_ref().map(ToString::to_string),
            enrolled: choice.enrolled,
            allowed: choice.allowed,
            name,
        }
    };
    view.nodes.iter().map(tick).collect()
}

fn no_nodes(view: &JobView) -> String {
    match &view.stored.job.dispatch {
        Dispatch::Local => "It runs on Interlock's own machine, not on nodes.".to_owned(),
        Dispatch::Nodes(d) => {
            format!("No node matches `{}`, so it cannot run now. Look at the nodes page.", d.filter)
        }
    }
}

/// What has to be signed, before anything is pressed.
fn sign_off(view: &JobView) -> Option<String> {
    let (sign_off, who) = view.sign_off.as_ref()?;
    let lines: Vec<String> =
        sign_off.need.iter().map(|n| format!("{} with the role {}", people(n.count), n.role)).collect();
    let mut line = format!("It waits for a signature of {} before it starts", lines.join(" and "));
    if who.is_empty() {
        line.push_str("; nobody holds that role yet, so ask an administrator");
    } else {
        line.push_str(&format!(" ({} can give it)", who.join(", ")));
    }
    if !sign_off.policy.self_approval {
        line.push_str(". Nobody signs for themselves");
    }
    line.push_str(&format!(". The request waits at most {}.", sign_off.policy.expires));
    Some(line)
}

fn people(count: u32) -> String {
    if count == 1 { "one person".to_owned() } else { format!("{count} people") }
}

fn button(view: &JobView) -> String {
    if view.sign_off.is_some() {
        return "Request approval".to_owned();
    }
    let nodes = view.nodes.iter().filter(|n| n.allowed).count();
    match (&view.stored.job.dispatch, nodes) {
        (Dispatch::Nodes(d), n) if !d.user_may_narrow && n > 0 => {
            format!("Run {} on {}", view.stored.job.path.name(), words::count(n, "node"))
        }
        _ => format!("Run {}", view.stored.job.path.name()),
    }
}
