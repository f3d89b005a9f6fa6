//! One approval request: the whole truth on one page, and the decision. A GET never decides.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::approval_thread::{self, AgainPart, Amended, DangerLine, DiffLine, Signed, ThreadRow, diff_lines, signed};
use super::approvals::missing;
use super::{freezes, plan, words};
use crate::app::App;
use crate::app::approvals::{ApprovalDetail, Decision};
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::access::{Actor, Via};
use crate::domain::approval::{DecisionRefused, FRESH_FOR, RequestState, Verdict};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, UserName};
use crate::domain::plan::Origin;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, Moment, render, see_other};

struct Facts {
    id: String,
    run: i64,
    question: String,
    state: &'static str,
    state_words: &'static str,
    environment: Option<String>,
    strict: bool,
    expiry_line: String,
    void_reason: Option<String>,
    requester: String,
    origin: String,
    at: Moment,
    reason: String,
    needs: String,
    starts: String,
    missing: String,
    signatures: Vec<Signed>,
    difference_title: String,
    difference_line: &'static str,
    difference: Vec<DiffLine>,
    digest: String,
    may_decide: bool,
    may_not_why: Option<String>,
    needs_password: bool,
    reason_rule: &'static str,
    escalated: String,
    amended: Option<Amended>,
    thread: Vec<ThreadRow>,
    again: Option<AgainPart>,
    newer_href: Option<String>,
    dangers: Vec<DangerLine>,
    could_sign: String,
    delegations: Vec<String>,
    speaks_for: Vec<String>,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct ApprovalPage {
    chrome: Chrome,
    a: Facts,
    message: Option<String>,
    freezes_html: String,
    plan_html: String,
    reason: String,
    reason_error: Option<String>,
}

/// `GET /approvals/{id}`.
pub async fn page(call: Call) -> Answer {
    show(&call, call.actor()?, id_of(&call)?, "", None).await
}

/// `POST /approvals/{id}/decision`.
pub async fn decide(call: Call) -> Answer {
    let id = id_of(&call)?;
    let mut actor = call.actor()?.clone();
    let reason = call.form.text("reason").unwrap_or_default();
    let outcome = take(&call, &mut actor, id, reason).await;
    match outcome {
        Ok(()) => Ok(see_other(&format!("/approvals/{id}"))),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            show(&call, &actor, id, reason, Some(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

/// `POST /approvals/{id}/again`: the same request once more, as things are now.
pub async fn again(call: Call) -> Answer {
    let id = id_of(&call)?;
    let actor = call.actor()?;
    match call.app.ask_again(actor, id, Origin::Button, &call.source).await {
        Ok(run) => Ok(see_other(
            &run.approval.map_or_else(|| format!("/runs/{}", run.number), |id| format!("/approvals/{id}")),
        )),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => {
            show(&call, actor, id, "", Some(&refusal)).await
        }
        Err(error) => Err(error),
    }
}

/// Takes the decision; `actor` is the one with a fresh password check afterwards, where one was typed.
async fn take(call: &Call, actor: &mut Actor, id: ApprovalId, reason: &str) -> AppResult<()> {
    let verdict = call
        .form
        .text("decision")
        .and_then(Verdict::parse)
        .ok_or_else(|| AppError::invalid("no_decision", "Press one of the buttons; nothing was decided."))?;
    let digest = Digest::parse(call.form.text("digest").unwrap_or_default())?;
    let password = call.form.text("password").filter(|p| !p.is_empty());
    if let (Some(password), Some(session)) = (password, call.caller.as_ref().and_then(|c| c.session.as_ref())) {
        let password = SecretText::new(password.to_owned());
        *actor = call.app.reauthenticate(actor, &session.id, password, &call.source).await.map_err(wrong_password)?;
    }
    let decision = Decision { verdict, digest, reason: reason.to_owned() };
    let speaks_for = call.form.text("on_behalf_of").filter(|name| !name.is_empty()).map(UserName::parse).transpose()?;
    call.app.decide_for(actor, id, decision, speaks_for, &call.source).await.map(|_| ())
}

/// The page is for somebody who is signed in, so a wrong password must not take them to the sign-in page.
fn wrong_password(error: AppError) -> AppError {
    match error {
        AppError::Refused(refusal) if refusal.kind == RefusalKind::Unauthenticated => {
            AppError::forbidden("bad_credentials", "That is not your password, so nothing was decided. Type it again.")
        }
        other => other,
    }
}

fn id_of(call: &Call) -> AppResult<ApprovalId> {
    ApprovalId::parse(&call.part("id")).map_err(|_| AppError::not_found())
}

async fn show(
    call: &Call,
    actor: &Actor,
    id: ApprovalId,
    reason: &str,
    refusal: Option<&Refusal>,
) -> AppResult<HttpResponse> {
    let detail = call.app.approval(actor, id).await?;
    let reason_error = refusal.and_then(|r| r.fields.iter().find(|f| f.field == "reason")).map(|f| f.message.clone());
    let mut a = facts(&call.app, actor, &detail, call.app.clock().now());
    if detail.view.state.ended_without_run() && detail.view.replaced_by.is_none() {
        a.again = Some(approval_thread::again(&detail, call.app.again(actor, id).await)?);
    }
    let page = ApprovalPage {
        a,
        message: refusal.map(|r| r.message.clone()),
        freezes_html: freezes::met(&detail.plan.freezes, call.app.clock().now()),
        plan_html: plan::html(&detail.plan),
        reason: reason.to_owned(),
        reason_error,
        chrome: chrome::of(call, "/approvals").await,
    };
    let status = refusal.map_or(StatusCode::OK, status_of);
    Ok(render(status, &page))
}

fn facts(app: &App, actor: &Actor, detail: &ApprovalDetail, now: Timestamp) -> Facts {
    let (view, plan) = (&detail.view, &detail.plan);
    let stale = matches!(&detail.refusal, Some(DecisionRefused::StaleSession)) || is_stale(actor, now);
    let pending = view.state == RequestState::Pending;
    let may_decide = pending && matches!(&detail.refusal, None | Some(DecisionRefused::StaleSession));
    let may_not_why = detail.refusal.as_ref().filter(|_| pending && !may_decide);
    let needs: Vec<String> = view.need.iter().map(|n| format!("{} {}", n.count, n.role)).collect();
    let (difference_title, difference_line, difference) = difference(detail);
    let reasons = detail.policy.reasons;
    Facts {
        id: view.id.to_string(),
        run: view.run.get(),
        question: format!(
            "Run {} on {}{}",
            view.job,
            words::count(plan.nodes.len(), "node"),
            if pending { "?" } else { "" }
        ),
        state: view.state.as_str(),
        state_words: words::request(view.state),
        environment: view.environment.as_ref().map(ToString::to_string),
        strict: words::is_strict(app, &view.project, view.environment.as_ref()),
        expiry_line: expiry(detail, now),
        void_reason: view.void_reason.clone(),
        requester: words::who(&view.requester),
        origin: words::origin(&plan.origin),
        at: Moment::new(view.created_at, now),
        reason: if view.reason.is_empty() { "none given".to_owned() } else { visible(&view.reason) },
        needs: format!("{} (policy {})", needs.join(" and "), detail.policy.name),
        starts: plan.start_at.map(|at| starts(view.state, at, now)).unwrap_or_default(),
        missing: missing(view),
        signatures: detail.signatures.iter().map(|s| signed(s, now)).collect(),
        escalated: approval_thread::escalated(detail, now),
        amended: approval_thread::amended(detail),
        thread: detail.thread.iter().map(|e| approval_thread::row(e, now)).collect(),
        again: None,
        dangers: approval_thread::dangers(&detail.plan),
        could_sign: approval_thread::could_sign(detail),
        delegations: approval_thread::delegations(detail, now),
        speaks_for: approval_thread::speaks_for(detail, actor.principal.short()),
        newer_href: view.replaced_by.map(|id| format!("/approvals/{id}")),
        difference_title,
        difference_line,
        difference,
        digest: view.digest.to_string(),
        may_decide,
        may_not_why: may_not_why.map(|r| crate::app::error::sentence(&r.to_string())),
        needs_password: stale,
        reason_rule: match (reasons.approve_required, reasons.reject_required) {
            (true, true) => "required",
            (true, false) => "required to approve or push back",
            (false, true) => "required to push back or reject",
            (false, false) => "required to push back",
        },
    }
}

/// When it is to start, for somebody who decides now.
fn starts(state: RequestState, at: Timestamp, now: Timestamp) -> String {
    let time = Moment::new(at, now).words;
    match state {
        RequestState::Pending if at > now => format!("approved now, it starts {time} ({})", words::until(at, now)),
        RequestState::Pending => format!("was planned for {time}; approved now, it starts at once"),
        RequestState::Approved if at > now => format!("{time} ({})", words::until(at, now)),
        _ => format!("was planned for {time}"),
    }
}

fn expiry(detail: &ApprovalDetail, now: Timestamp) -> String {
    let view = &detail.view;
    match (view.state, view.decided_at) {
        (RequestState::Pending, _) => format!("expires {}", words::until(view.expires_at, now)),
        (_, Some(at)) => Moment::new(at, now).words,
        (_, None) => String::new(),
    }
}

fn is_stale(actor: &Actor, now: Timestamp) -> bool {
    match &actor.via {
        Via::Session { authenticated_at } => now - *authenticated_at > FRESH_FOR.to_delta(),
        _ => false,
    }
}

fn difference(detail: &ApprovalDetail) -> (String, &'static str, Vec<DiffLine>) {
    let Some((number, changes)) = &detail.difference else {
        let line = "No run of this job has succeeded yet, so there is nothing to compare with.";
        return ("Different from the last good run".to_owned(), line, Vec::new());
    };
    let line = "Nothing: the same commands, values and nodes.";
    (format!("Different from the last good run, #{number}"), line, diff_lines(changes))
}
