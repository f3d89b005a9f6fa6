//! One event held against one rule: judged, and acted on where it is to be acted on, once.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::enforcing::{Enforcing, Found, Stopped};
use super::matching::{live, text_of};
use super::tell::Telling;
use super::turns::{self, Turn};
use super::verdict::verdict_of;
use crate::app::App;
use crate::app::catalogue::{ProjectState, StoredRule};
use crate::app::error::{AppError, AppResult, RefusalKind};
use crate::app::planning::RunRequest;
use crate::app::requesting::Way;
use crate::domain::access::{Actor, Permission, Principal, Via};
use crate::domain::event::Event;
use crate::domain::guard::GuardResult;
use crate::domain::ids::JobRef;
use crate::domain::moment::Moment;
use crate::domain::plan::Origin;
use crate::domain::rule::Rule;
use crate::domain::rule::judge::{Decision, Judgement, Proposal, judge};
use crate::store::rules::enforcements::EnforcementRecord;
use crate::store::rules::states::TextOfRule;
use crate::store::rules::verdicts::{self, Outcome, VerdictRecord};

/// How often a rule that is promoted or demoted meanwhile is looked at again.
const TRIES: u32 = 5;

impl App {
    /// Holds one event against one rule, and acts where it is to act, in its turn. The verdict, which is stored already
    /// where something was done.
    pub(super) async fn apply_rule(
        &self,
        state: &ProjectState,
        stored: &StoredRule,
        event: &Event,
        scope: &Value,
        turn: &mut Option<Turn>,
    ) -> AppResult<VerdictRecord> {
        let text = text_of(state, stored);
        for _ in 0..TRIES {
            let wanted = text.clone();
            let live = self.db.read(move |c| live(c, &wanted)).await?;
            let judgement = judge(&stored.rule, scope, event.depth, self.clock.now());
            let verdict = verdict_of(&text, stored, event, live, &judgement, self.clock.now());
            let Some(proposal) = judgement.proposal.clone() else { return Ok(verdict) };
            Moment::EventJudged.reached();
            let enforcing = Arc::new(self.enforcing(state, stored, &text, verdict, &judgement, &proposal)?);
            let tried = if runs(&judgement, &proposal) {
                self.ask_for_run(state, stored, &proposal, &enforcing, turn).await
            } else {
                self.do_without_run(&enforcing, &judgement, turn).await
            };
            let stopped = enforcing.found().stopped;
            match (tried, stopped) {
                (Ok(verdict), _) => return Ok(verdict),
                (Err(_), Some(Stopped::Moved)) => {}
                (Err(_), Some(Stopped::Done)) => return self.what_was_done(&enforcing).await,
                (Err(_), Some(Stopped::Held(why))) => return self.hold_back(&enforcing, &why).await,
                (Err(AppError::Refused(refusal)), None) if !refusal.kind.is_of_the_moment() => {
                    return Ok(refused(&enforcing, &refusal.kind, &refusal.code, &refusal.message));
                }
                (Err(later), None) => return Err(later),
            }
        }
        Err(AppError::fault(format!("the rule {} is promoted and demoted all the time", stored.rule.name)))
    }

    fn enforcing(
        &self,
        state: &ProjectState,
        stored: &StoredRule,
        text: &TextOfRule,
        verdict: VerdictRecord,
        judgement: &Judgement,
        proposal: &Proposal,
    ) -> AppResult<Enforcing> {
        let notify_only = matches!(judgement.decision, Decision::NotifyOnly(_));
        let new = EnforcementRecord {
            id: uuid::Uuid::now_v7().to_string(),
            event_id: verdict.event_id,
            definition_id: stored.definition.clone(),
            revision: stored.revision,
            project: text.project.clone(),
            rule: text.rule.clone(),
            live: verdict.live,
            action: if notify_only { "notify".to_owned() } else { proposal.action.clone() },
            rate_key: proposal.keys.rate.clone(),
            breaker_key: proposal.keys.breaker.clone(),
            nodes: 0,
            run: None,
            created_at: verdict.created_at,
            mark: None,
            marked_by: None,
            marked_at: None,
        };
        Ok(Enforcing {
            permit: self.own_permit(Permission::Edit)?,
            rule: Arc::clone(&stored.rule),
            text: text.clone(),
            new,
            keys: proposal.keys.clone(),
            verdict,
            inventory: u32::try_from(state.nodes.len()).unwrap_or(u32::MAX),
            only_signed: matches!(judgement.decision, Decision::ActIfSigned(_)),
            found: Mutex::new(Found::default()),
        })
    }

    /// Asks for the run as the rule's owner; in dry run only looks whether that would be granted.
    async fn ask_for_run(
        &self,
        state: &ProjectState,
        stored: &StoredRule,
        proposal: &Proposal,
        enforcing: &Arc<Enforcing>,
        turn: &mut Option<Turn>,
    ) -> AppResult<VerdictRecord> {
        let event = enforcing.new.event_id;
        let job = state.action_job(&proposal.target, &stored.rule.pack).ok_or_else(AppError::not_found)?;
        let owner = owner(&stored.rule);
        let request = RunRequest {
            project: state.project.name.clone(),
            job: JobRef::parse(job.id.as_str())?,
            values: proposal.values(),
            reason: format!("Rule {} on event {event}.", stored.rule.name),
            nodes: None,
            node_filter: None,
            start_at: None,
            origin: Origin::Rule { name: stored.rule.name.clone(), event },
            dry_run: false,
        };
        let prepared = self.prepare(&owner, &request).await?;
        // What was looked up needs no order; what is stored does, or the second of two events would act and the first be
        // held back for it.
        let turn = turns::come(turn).await;
        if enforcing.new.live {
            let way = Way::Rule(Arc::clone(enforcing), turn);
            let run = self.store_prepared(&owner, prepared, false, way, "engine").await?;
            let detail = format!("Asked for run #{}.", run.number);
            return Ok(enforcing.concluded(Outcome::Ran, &detail, Some(run.number)));
        }
        let signed = prepared.plan.policy.is_some();
        let nodes: Vec<String> = prepared.plan.nodes.iter().map(|n| n.name.to_string()).collect();
        let after = if signed { ", after a signature" } else { "" };
        let detail = format!("Would ask for a run of {} on {}{after}.", job.job.path, nodes.join(", "));
        self.store_without_run(enforcing, (nodes.len(), signed), Outcome::Would, detail, None, turn).await
    }

    /// Tells people, or does nothing.
    async fn do_without_run(
        &self,
        enforcing: &Arc<Enforcing>,
        judgement: &Judgement,
        turn: &mut Option<Turn>,
    ) -> AppResult<VerdictRecord> {
        // As it is kept, without what is secret by its name.
        let proposal = enforcing.verdict.proposal.as_ref();
        let telling = match &judgement.decision {
            Decision::NotifyOnly(why) => Some(Telling::of_doubt(&enforcing.rule, proposal, why)),
            _ => proposal.and_then(Telling::of_action),
        };
        let live = enforcing.new.live;
        let verb = if live { "Told" } else { "Would tell" };
        let (outcome, detail) = match (&judgement.decision, &telling) {
            (Decision::NotifyOnly(why), Some(telling)) => {
                (Outcome::Notified, format!("{why} {verb} {}.", telling.whom()))
            }
            (_, Some(telling)) => (Outcome::Notified, format!("{verb} {}.", telling.whom())),
            (_, None) => (Outcome::Nothing, "The rule's action is to do nothing.".to_owned()),
        };
        let outcome = if live { outcome } else { Outcome::Would };
        let turn = turns::come(turn).await;
        self.store_without_run(enforcing, (0, false), outcome, detail, telling.filter(|_| live), turn).await
    }

    async fn store_without_run(
        &self,
        enforcing: &Arc<Enforcing>,
        (nodes, signed): (usize, bool),
        outcome: Outcome,
        detail: String,
        telling: Option<Telling>,
        turn: Option<Turn>,
    ) -> AppResult<VerdictRecord> {
        let (enforcing, told) = (Arc::clone(enforcing), detail.clone());
        let kept = Arc::clone(&enforcing);
        let write = move |c: &mut crate::store::Conn| {
            enforcing.begin(c, nodes, signed)?;
            if let Some(telling) = &telling {
                let new = &enforcing.new;
                telling.write(c, &enforcing.permit, &enforcing.text, Some(new.event_id), None, new.created_at)?;
            }
            enforcing.conclude(c, outcome, &detail, None)
        };
        self.db.write_in_line::<_, _, AppError, _>(turn, write).await?;
        Ok(kept.concluded(outcome, &told, None))
    }

    /// The verdict that an earlier try, or another server, stored with what it did.
    async fn what_was_done(&self, enforcing: &Enforcing) -> AppResult<VerdictRecord> {
        let (event, new) = (enforcing.new.event_id, enforcing.new.clone());
        let all = self.db.read(move |c| verdicts::of_event(c, event)).await?;
        let same = |v: &VerdictRecord| v.definition_id == new.definition_id && v.revision == new.revision;
        all.into_iter().find(same).ok_or_else(|| AppError::fault("an enforcement has no verdict"))
    }
}

/// The service account that a rule acts as.
fn owner(rule: &Rule) -> Actor {
    Actor {
        principal: Principal::Service(rule.owner.clone()),
        groups: std::collections::BTreeSet::new(),
        via: Via::Engine,
        administrator: false,
    }
}

fn runs(judgement: &Judgement, proposal: &Proposal) -> bool {
    proposal.action == "run" && !matches!(judgement.decision, Decision::NotifyOnly(_))
}

/// What is told of a refusal; what may not be seen is not told apart from what is not there.
fn refused(enforcing: &Enforcing, kind: &RefusalKind, code: &str, message: &str) -> VerdictRecord {
    if code == "environment" {
        let mut verdict = enforcing.concluded(Outcome::Held, message, None);
        verdict.guards.0.push(GuardResult::new("environment", false, message));
        return verdict;
    }
    let message = match kind {
        RefusalKind::NotFound => "The rule's job is not there, or its owner may not see it.",
        _ => message,
    };
    enforcing.concluded(Outcome::Refused, message, None)
}
