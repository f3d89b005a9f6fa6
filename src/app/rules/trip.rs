//! What follows when a guard holds a rule back: the breaker moves, people are called once, and it is on the record.

use std::sync::Arc;

use serde_json::json;

use super::enforcing::Enforcing;
use super::tell::Telling;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::app::record::act;
use crate::domain::access::Principal;
use crate::domain::guard::breaker::State;
use crate::store::rules::states;
use crate::store::rules::verdicts::{Outcome, VerdictRecord};

impl App {
    /// Stores that a rule was held back, with the breaker where it moves.
    pub(super) async fn hold_back(&self, enforcing: &Arc<Enforcing>, why: &str) -> AppResult<VerdictRecord> {
        let verdict = enforcing.concluded(Outcome::Held, why, None);
        let Some(step) = enforcing.found().breaker else { return Ok(verdict) };
        let (enforcing, recorder) = (Arc::clone(enforcing), self.recorder());
        self.db
            .write(move |c| {
                let (text, permit) = (&enforcing.text, &enforcing.permit);
                let standing = states::hold(c, permit, text)?;
                // Of several that hit the limit at once, the first opens it and calls people; the others find it open.
                if step.to != State::Open || standing.breaker == State::Open {
                    return Ok(());
                }
                let now = enforcing.new.created_at;
                states::set_breaker(c, permit, text, State::Open, &step.result.detail, None, now)?;
                let settings = enforcing.rule.guards.breaker.as_ref();
                let demoted = enforcing.new.live && settings.is_some_and(|s| s.demote);
                if demoted {
                    states::set_live(c, permit, text, None, now)?;
                }
                let again = !step.opened;
                // People are called once: a probe that failed is on the record, and the same people know already. What is
                // only thought of in dry run calls nobody.
                if !again && enforcing.new.live {
                    let telling = Telling::of_breaker(&enforcing.rule, &step.result.detail, demoted);
                    telling.write(c, permit, text, Some(enforcing.new.event_id), None, now)?;
                }
                let detail = json!({
                    "why": step.result.detail, "event": enforcing.new.event_id, "live": enforcing.new.live,
                    "escalated_to": settings.and_then(|s| s.escalate.as_ref()).filter(|_| !again && enforcing.new.live),
                    "demoted": demoted, "digest": text.digest,
                });
                let action = if again { "rule.breaker_reopened" } else { "rule.breaker_opened" };
                let resource = format!("{}:rule/{}", text.project, text.rule);
                let entry = act(&Principal::System, "engine", action, resource, Some(&text.project), detail);
                recorder.write(c, &entry)?;
                Ok::<_, AppError>(())
            })
            .await?;
        Ok(verdict)
    }
}
