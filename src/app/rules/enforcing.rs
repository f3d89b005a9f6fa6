//! One action of a rule, stored in one transaction with what it asks for: the guards that look at the past, the claim,
//! the enforcement and the verdict. Whatever holds it back undoes all of it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::app::error::{AppError, AppResult};
use crate::domain::access::Permit;
use crate::domain::guard::breaker::{self, Probe, Standing};
use crate::domain::guard::{Facts, GuardResult, blast_radius, dedupe, rate};
use crate::domain::ids::RunNumber;
use crate::domain::moment::Moment;
use crate::domain::rule::Rule;
use crate::domain::rule::judge::Keys;
use crate::domain::run::State;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::rules::enforcements::{self, EnforcementRecord, Past};
use crate::store::rules::states::{self, StateRecord, TextOfRule};
use crate::store::rules::verdicts::{self, Outcome, VerdictRecord};
use crate::store::{Conn, StoreError, runs};

/// What stands behind an action, and what is known of it before.
#[derive(Debug)]
pub(in crate::app) struct Enforcing {
    /// Interlock's own permit.
    pub(super) permit: Permit,
    pub(super) rule: Arc<Rule>,
    pub(super) text: TextOfRule,
    pub(super) new: EnforcementRecord,
    pub(super) keys: Keys,
    /// The verdict as it will be, but for the guards and the run.
    pub(super) verdict: VerdictRecord,
    /// Nodes of the inventory.
    pub(super) inventory: u32,
    /// Whether it acts only where a signature is asked for.
    pub(super) only_signed: bool,
    /// What the last try of the transaction found.
    pub(super) found: Mutex<Found>,
}

/// What the guards said, and why it did not come to the action.
#[derive(Debug, Default, Clone)]
pub(super) struct Found {
    pub(super) guards: Vec<GuardResult>,
    /// The breaker, where it moves although the action is held back.
    pub(super) breaker: Option<breaker::Step>,
    pub(super) stopped: Option<Stopped>,
}

/// Why an action was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stopped {
    /// A guard holds it back.
    Held(String),
    /// It was done before, by this server or another.
    Done,
    /// The rule was promoted or demoted meanwhile; it is looked at again.
    Moved,
}

impl Enforcing {
    /// Asks the guards, takes the claim and stores the enforcement. `nodes` is how many nodes it would touch.
    pub(in crate::app) fn begin(&self, c: &mut Conn, nodes: usize, signed: bool) -> AppResult<()> {
        let mut found = Found::default();
        let outcome = self.pass(c, u32::try_from(nodes).unwrap_or(u32::MAX), signed, &mut found);
        let stopped = found.stopped.clone();
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = found;
        outcome?;
        match stopped {
            None => Ok(()),
            Some(Stopped::Held(why)) => Err(AppError::conflict("held", why)),
            Some(Stopped::Done) => Err(AppError::conflict("done", "The rule has acted on this event before.")),
            Some(Stopped::Moved) => Err(AppError::conflict("moved", "The rule was promoted or demoted meanwhile.")),
        }
    }

    /// Notes the run, with the verdict.
    pub(in crate::app) fn ran(&self, c: &mut Conn, run: RunNumber) -> AppResult<()> {
        enforcements::set_run(c, &self.permit, &self.new.id, run)?;
        self.conclude(c, Outcome::Ran, &format!("Asked for run #{run}."), Some(run))
    }

    /// Stores the verdict.
    pub(super) fn conclude(
        &self,
        c: &mut Conn,
        outcome: Outcome,
        detail: &str,
        run: Option<RunNumber>,
    ) -> AppResult<()> {
        verdicts::insert_once(c, &self.permit, &self.concluded(outcome, detail, run))?;
        Moment::ActionUncommitted.reached();
        Ok(())
    }

    /// The verdict as it is now known.
    pub(super) fn concluded(&self, outcome: Outcome, detail: &str, run: Option<RunNumber>) -> VerdictRecord {
        let mut verdict = self.verdict.clone();
        verdict.guards.0.extend(self.found().guards);
        VerdictRecord { outcome, detail: detail.to_owned(), run, ..verdict }
    }

    pub(super) fn found(&self) -> Found {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn pass(&self, c: &mut Conn, nodes: u32, signed: bool, found: &mut Found) -> Result<(), StoreError> {
        let (new, guards) = (&self.new, &self.rule.guards);
        let state = states::hold(c, &self.permit, &self.text)?;
        if enforcements::find(c, new.event_id, &new.definition_id, new.revision)?.is_some() {
            found.stopped = Some(Stopped::Done);
            return Ok(());
        }
        if states::is_live(c, &self.text, &state)? != new.live {
            found.stopped = Some(Stopped::Moved);
            return Ok(());
        }
        if self.only_signed && !signed {
            let detail = "The label is not sure enough to act without a signature, and the job asks for none.";
            found.guards.push(GuardResult::new("signature", false, detail));
            found.stopped = Some(Stopped::Held(detail.to_owned()));
            return Ok(());
        }
        let now = new.created_at;
        let past = |window: Seconds| Past { definition: &new.definition_id, live: new.live, since: back(now, window) };
        let mut facts = Facts { nodes_now: nodes, inventory: self.inventory, ..Facts::default() };
        if let (Some(settings), Some(key)) = (&guards.dedupe, &self.keys.dedupe) {
            facts.claimed = enforcements::claim(c, &self.permit, new, key, now + settings.window.to_delta())?;
        }
        if held(found, dedupe(guards.dedupe.as_ref(), self.keys.dedupe.as_deref(), &facts)) {
            return Ok(());
        }
        let step = self.breaker(c, &state, &past)?;
        if step.to != state.breaker || step.opened {
            found.breaker = Some(step.clone());
        }
        let asked = guards.breaker.is_some() || state.breaker != breaker::State::Closed;
        if held(found, Some(step.result.clone()).filter(|_| asked)) {
            return Ok(());
        }
        if let Some(settings) = &guards.rate {
            facts.in_rate = enforcements::count_rate(c, past(settings.window), self.keys.rate.as_deref())?;
            let result = rate(Some(settings), self.keys.rate.as_deref(), &facts);
            let over = result.as_ref().filter(|r| !r.passed && settings.opens_breaker);
            if let Some(over) = over {
                found.breaker = Some(breaker::tripped_by_rate(&over.detail));
            }
            if held(found, result) {
                return Ok(());
            }
        }
        if let Some(settings) = &guards.blast_radius {
            facts.nodes_touched = enforcements::count_nodes(c, past(settings.window))?;
            if held(found, blast_radius(Some(settings), &facts)) {
                return Ok(());
            }
        }
        let stored = EnforcementRecord { nodes: i32::try_from(nodes).unwrap_or(i32::MAX), ..new.clone() };
        if !enforcements::insert_once(c, &self.permit, &stored)? {
            found.stopped = Some(Stopped::Done);
            return Ok(());
        }
        if let Some(step) = found.breaker.take() {
            let probe = (step.to == breaker::State::HalfOpen).then_some(new.id.as_str());
            states::set_breaker(c, &self.permit, &self.text, step.to, &step.result.detail, probe, now)?;
        }
        Ok(())
    }

    fn breaker<'a>(
        &'a self,
        c: &mut Conn,
        state: &StateRecord,
        past: &impl Fn(Seconds) -> Past<'a>,
    ) -> Result<breaker::Step, StoreError> {
        let settings = self.rule.guards.breaker.as_ref();
        let standing = Standing { state: state.breaker, since: state.breaker_since };
        let mut counts = breaker::Counts::default();
        if let (Some(settings), breaker::State::Closed) = (settings, state.breaker) {
            let past = past(settings.window);
            // What happened before it was closed is what it opened for, and does not count twice.
            let since = state.breaker_since.map_or(past.since, |closed| just_before(closed).max(past.since));
            counts = enforcements::count_breaker(c, Past { since, ..past }, self.keys.breaker.as_deref())?;
        }
        let probe = match &state.breaker_probe {
            Some(id) if state.breaker == breaker::State::HalfOpen => probe(c, id)?,
            _ => Probe::UnderWay,
        };
        Ok(breaker::step(settings, standing, probe, &counts, self.new.created_at))
    }
}

/// Adds what a guard said; whether it holds the action back.
fn held(found: &mut Found, result: Option<GuardResult>) -> bool {
    let Some(result) = result else { return false };
    let stopped = (!result.passed).then(|| Stopped::Held(result.detail.clone()));
    found.guards.push(result);
    found.stopped = stopped;
    found.stopped.is_some()
}

/// How a probe went: by its run, where it asked for one.
fn probe(c: &mut Conn, id: &str) -> Result<Probe, StoreError> {
    let enforcement = match enforcements::get(c, id) {
        Ok(there) => there,
        // Nobody can say any more how it went.
        Err(StoreError::NotFound { .. }) => return Ok(Probe::Bad),
        Err(error) => return Err(error),
    };
    let Some(run) = enforcement.run else { return Ok(Probe::Good) };
    Ok(match runs::find(c, run)?.map(|r| r.state) {
        Some(State::Succeeded) => Probe::Good,
        Some(state) if !state.is_terminal() => Probe::UnderWay,
        Some(_) | None => Probe::Bad,
    })
}

/// The last moment before a time, as finely as times are kept.
fn just_before(at: Timestamp) -> Timestamp {
    at.checked_sub_signed(chrono::TimeDelta::microseconds(1)).unwrap_or(at)
}

/// A time so long ago; the beginning of all time where that is too long.
fn back(now: Timestamp, window: Seconds) -> Timestamp {
    now.checked_sub_signed(window.to_delta()).unwrap_or(Timestamp::MIN_UTC)
}
