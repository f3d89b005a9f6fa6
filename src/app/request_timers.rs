//! Lets time pass over approval requests: reminders, escalation, expiry, the window to start in.

use serde_json::json;

use super::App;
use super::catalogue::Catalogue;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::record::{Recorder, act};
use super::signers::weigh;
use super::telling::tell;
use crate::domain::access::{Permission, Permit, Principal};
use crate::domain::approval::{self, Event, RequestState, TimerKind, next_reminder};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::run::RunEvent;
use crate::domain::time::Timestamp;
use crate::store::approval_timers::{self as timers, TimerRecord};
use crate::store::{Conn, approvals as requests};

impl App {
    /// Does what timers of requests ask for whose time has come; how many there were.
    pub(super) async fn pass_time_over_requests(&self) -> AppResult<usize> {
        let now = self.clock.now();
        let due = self.db.read(move |c| timers::due(c, now, 100)).await?;
        let mut count = 0;
        for timer in due {
            let (permit, recorder, catalogue) = (self.own_permit(Permission::Cancel)?, self.recorder(), self.known());
            let done = self.db.write(move |c| fire(c, &catalogue, &permit, &recorder, &timer, now)).await;
            match done {
                Ok(run) => {
                    count += 1;
                    self.live.run_changed(run);
                }
                // Somebody decided at the same moment; they were first and took the timer away.
                Err(AppError::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(count)
    }
}

fn fire(
    c: &mut Conn,
    catalogue: &Catalogue,
    permit: &Permit,
    recorder: &Recorder,
    timer: &TimerRecord,
    now: Timestamp,
) -> AppResult<crate::domain::ids::RunNumber> {
    let record = requests::locked(c, timer.approval)?;
    if !timers::take(c, permit, &record, timer)? {
        return Err(AppError::conflict("timer_gone", "The timer is gone."));
    }
    let weighed = weigh(c, catalogue, record)?;
    let (record, run) = (&weighed.record, &weighed.run);
    let (action, detail) = match timer.kind {
        TimerKind::Remind if record.state == RequestState::Pending => {
            let next = next_reminder(&record.policy, timer.due_at, record.expires_at, now);
            if let Some(at) = next {
                timers::set(c, permit, record, TimerKind::Remind, at)?;
            }
            let what = (NoticeKind::ApprovalReminder, vec![Audience::Signers]);
            tell(c, permit, record, what, None, &run.reason, now)?;
            ("approval.reminded", json!({ "next": next }))
        }
        TimerKind::Escalate if record.state == RequestState::Pending => {
            let to = record.policy.escalate.as_ref().map(|e| e.to.clone()).unwrap_or_default();
            requests::set_escalated(c, permit, record, now)?;
            let audience = Audience::parse(&to).into_iter().chain([Audience::Signers]).collect();
            tell(c, permit, record, (NoticeKind::ApprovalEscalated, audience), None, &run.reason, now)?;
            ("approval.escalated", json!({ "to": to }))
        }
        TimerKind::Expire | TimerKind::StartWindow => {
            approval::next(&weighed.request, Event::TimePassed, now)?;
            let reason = if record.state == RequestState::Pending {
                "Nobody signed in time.".to_owned()
            } else {
                let within = record.policy.start_within.map(|w| w.to_string()).unwrap_or_default();
                format!(
                    "Not started: the time to start it after the last signature or its planned start, {within}, was over. Ask again if it is still wanted."
                )
            };
            let (state, _) = move_run(c, permit, run, None, RunEvent::Expired, &reason, now)?;
            ("run.moved_by_time", json!({ "state": state, "reason": reason, "request": record.id.to_string() }))
        }
        TimerKind::Remind | TimerKind::Escalate => {
            return Err(AppError::conflict("request_closed", "The request does not wait any more."));
        }
    };
    let entry = act(&Principal::System, "engine", action, format!("run:{}", run.number), Some(&run.project), detail);
    recorder.write(c, &entry)?;
    Ok(run.number)
}
