//! What was said on a request and on those before it, and the part that asks again.

use super::words;
use crate::app::approvals::{Answered, ApprovalDetail, CouldSign, Earlier};
use crate::app::delegating::Delegation;
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::domain::approval::Verdict;
use crate::domain::ids::RoleName;
use crate::domain::plan::Plan;
use crate::domain::plan::danger::{self, Danger};
use crate::domain::plan::difference::Change;
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::page::Moment;

/// An answer of a signer.
pub(super) struct Signed {
    /// Its class.
    pub(super) state: &'static str,
    /// What they said, in a word or two.
    pub(super) words: &'static str,
    /// Who.
    pub(super) user: String,
    /// When.
    pub(super) at: Moment,
    /// Why.
    pub(super) reason: String,
}

/// A line of a difference.
pub(super) struct DiffLine {
    /// `add` or `del`.
    pub(super) kind: &'static str,
    /// The line with its sign.
    pub(super) text: String,
}

/// A line that takes something away or stops it.
pub(super) struct DangerLine {
    /// The step.
    pub(super) step: String,
    /// The word.
    pub(super) word: String,
    /// The line.
    pub(super) line: String,
}

/// What was changed since the request before.
pub(super) struct Amended {
    /// The run that was asked for before.
    pub(super) run: i64,
    /// The lines; none where nothing that runs was changed.
    pub(super) lines: Vec<DiffLine>,
}

/// Another request of the thread.
pub(super) struct ThreadRow {
    /// Its page.
    pub(super) href: String,
    /// Its run.
    pub(super) run: i64,
    /// Its state's class.
    pub(super) state: &'static str,
    /// Its state in words.
    pub(super) state_words: &'static str,
    /// Who asked.
    pub(super) requester: String,
    /// When.
    pub(super) at: Moment,
    /// Why it was asked for.
    pub(super) reason: String,
    /// Why it is void.
    pub(super) void_reason: String,
    /// What was said.
    pub(super) answers: Vec<Signed>,
}

/// Asking again.
pub(super) struct AgainPart {
    /// Where the form is that can be changed first.
    pub(super) amend_href: String,
    /// What would be different now.
    pub(super) lines: Vec<DiffLine>,
    /// Why it cannot be asked again as it was.
    pub(super) refusal: Option<String>,
}

/// An answer as the page shows it.
pub(super) fn signed(answer: &Answered, now: Timestamp) -> Signed {
    let (state, words) = match answer.verdict {
        Verdict::Approve => ("approved", "approved"),
        Verdict::PushBack => ("pushed_back", "pushed back"),
        Verdict::Reject => ("rejected", "rejected"),
    };
    let behalf = answer.on_behalf_of.as_ref().map(|other| format!(" for {other}")).unwrap_or_default();
    Signed {
        state,
        words,
        user: format!("{}{behalf}", answer.user),
        at: Moment::new(answer.at, now),
        reason: visible(&answer.reason),
    }
}

/// Lines of a difference.
pub(super) fn diff_lines(changes: &[Change]) -> Vec<DiffLine> {
    let line = |change: &Change| match change {
        Change::Added(text) => DiffLine { kind: "add", text: format!("+ {}", visible(text)) },
        Change::Removed(text) => DiffLine { kind: "del", text: format!("- {}", visible(text)) },
    };
    changes.iter().map(line).collect()
}

/// The lines of a plan that are worth a second look, the first twenty.
pub(super) fn dangers(plan: &Plan) -> Vec<DangerLine> {
    let line = |d: Danger| DangerLine {
        step: d.step.to_string(),
        word: visible(&d.word),
        line: visible(&d.line.chars().take(200).collect::<String>()),
    };
    danger::dangers(plan).into_iter().take(20).map(line).collect()
}

/// Who else was told that nobody answers; empty where nobody was.
pub(super) fn escalated(detail: &ApprovalDetail, now: Timestamp) -> String {
    let to = detail.policy.escalate.as_ref().map(|e| e.to.replace("role:", "everybody who is ").replace("user:", ""));
    match (detail.view.escalated_at, to) {
        (Some(at), Some(to)) => format!("Nobody answered, so {to} was told {}.", Moment::new(at, now).words),
        _ => String::new(),
    }
}

/// Who signs for whom now, in words.
pub(super) fn delegations(detail: &ApprovalDetail, now: Timestamp) -> Vec<String> {
    let line =
        |d: &Delegation| format!("{} signs for {} as {}, ends {}", d.to, d.from, d.role, words::until(d.ends_at, now));
    detail.delegations.iter().map(line).collect()
}

/// Who could give what is missing, each role with the people who can give it now, and for whom else they sign.
pub(super) fn could_sign(detail: &ApprovalDetail) -> String {
    let named = |one: &CouldSign| {
        let others: Vec<&str> =
            detail.delegations.iter().filter(|d| d.to == one.user).map(|d| d.from.as_str()).collect();
        if others.is_empty() { one.user.to_string() } else { format!("{} (also for {})", one.user, others.join(", ")) }
    };
    let line = |role: &RoleName| {
        let who: Vec<String> = detail.could_sign.iter().filter(|c| c.roles.contains(role)).map(named).collect();
        let who = if who.is_empty() { "nobody can give it now".to_owned() } else { who.join(", ") };
        format!("{role}: {who}")
    };
    detail.view.missing.iter().map(|m| line(&m.role)).collect::<Vec<_>>().join("; ")
}

/// For whom somebody may sign beside themselves.
pub(super) fn speaks_for(detail: &ApprovalDetail, me: &str) -> Vec<String> {
    detail.delegations.iter().filter(|d| d.to.as_str() == me).map(|d| d.from.to_string()).collect()
}

/// What was changed since the request before.
pub(super) fn amended(detail: &ApprovalDetail) -> Option<Amended> {
    let (run, changes) = detail.amended.as_ref()?;
    Some(Amended { run: run.get(), lines: diff_lines(changes) })
}

/// Another request of the thread as the page shows it.
pub(super) fn row(earlier: &Earlier, now: Timestamp) -> ThreadRow {
    ThreadRow {
        href: format!("/approvals/{}", earlier.id),
        run: earlier.run.get(),
        state: earlier.state.as_str(),
        state_words: words::request(earlier.state),
        requester: words::who(&earlier.requester),
        at: Moment::new(earlier.created_at, now),
        reason: visible(&earlier.reason),
        void_reason: earlier.void_reason.as_deref().map(visible).unwrap_or_default(),
        answers: earlier.answers.iter().map(|a| signed(a, now)).collect(),
    }
}

/// The part that asks again.
///
/// # Errors
/// Faults; what is refused is shown.
pub(super) fn again(detail: &ApprovalDetail, now: AppResult<Vec<Change>>) -> AppResult<AgainPart> {
    let (lines, refusal) = match now {
        Ok(changes) => (diff_lines(&changes), None),
        Err(AppError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
            (Vec::new(), Some("The job is gone.".to_owned()))
        }
        Err(AppError::Refused(refusal)) => (Vec::new(), Some(refusal.message.clone())),
        Err(fault) => return Err(fault),
    };
    let view = &detail.view;
    let amend_href = format!("{}?from={}&replaces={}", words::job_href(&view.project, &view.job), view.run, view.id);
    Ok(AgainPart { amend_href, lines, refusal })
}
