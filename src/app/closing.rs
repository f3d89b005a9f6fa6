//! Moves a run, and the request that it waits for with it: no run ends while its request seems to be open.

use super::error::{AppError, AppResult, sentence};
use super::telling::tell;
use crate::domain::access::Permit;
use crate::domain::approval::RequestState;
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::run::{self, Effect, RunEvent, State};
use crate::domain::time::Timestamp;
use crate::store::runs::{self as rows, RunRecord};
use crate::store::{Conn, approvals as requests};

/// Moves a run by an event and closes its request where nothing more can come of it, which is told to whoever asked; the new state and what has to be
/// done.
pub(super) fn move_run(
    c: &mut Conn,
    permit: &Permit,
    run: &RunRecord,
    fence: Option<i64>,
    event: RunEvent,
    reason: &str,
    now: Timestamp,
) -> AppResult<(State, Vec<Effect>)> {
    let (to, effects) = run::next(run.state, event, run.start_at, now)
        .map_err(|e| AppError::conflict("illegal_transition", sentence(&e.to_string())))?;
    let change = rows::Change { from: run.state, to, reason: reason.to_owned(), fence };
    rows::transition(c, permit, run.number, &change, now)?;
    if matches!(run.state, State::PendingApproval | State::Scheduled | State::Queued) {
        close_request(c, permit, run, event, reason, now)?;
    }
    Ok((to, effects))
}

/// A request is used by the start of its run, and void or expired where the run will never start.
fn close_request(
    c: &mut Conn,
    permit: &Permit,
    run: &RunRecord,
    event: RunEvent,
    reason: &str,
    now: Timestamp,
) -> AppResult<()> {
    let Some(id) = run.approval_id else { return Ok(()) };
    let (state, why) = match event {
        // Those are the signers' own acts, or leave it as it is.
        RunEvent::Approved | RunEvent::Rejected | RunEvent::Due | RunEvent::Ended(_) => return Ok(()),
        RunEvent::Started => (RequestState::Used, None),
        RunEvent::Expired => (RequestState::Expired, Some(reason)),
        RunEvent::Voided | RunEvent::CancelRequested => (RequestState::Void, Some(reason)),
    };
    let request = requests::locked(c, id)?;
    let from = request.state;
    match (state, from) {
        (RequestState::Used, RequestState::Approved) => {}
        (RequestState::Used, _) => {
            let message = format!("The request for signatures of run #{} is {} by now.", run.number, from.as_str());
            return Err(AppError::conflict("request_closed", message));
        }
        (_, RequestState::Pending | RequestState::Approved) => {}
        // Whatever became of it before, the run ends.
        _ => return Ok(()),
    }
    requests::set_state(c, permit, id, from, state, why, now)?;
    let kind = match state {
        RequestState::Void => NoticeKind::ApprovalVoid,
        RequestState::Expired => NoticeKind::ApprovalDecided,
        _ => return Ok(()),
    };
    Ok(tell(c, permit, &request, (kind, vec![Audience::Requester]), None, reason, now)?)
}
