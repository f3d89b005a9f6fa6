//! A rule with its history, and what rules made of an event, as somebody may see them.

use super::matching::{live, text_of};
use super::promote::trial;
use super::verdict::verdict_of;
use crate::app::App;
use crate::app::catalogue::StoredRule;
use crate::app::error::{AppError, AppResult};
use crate::app::hooks::read_body;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{EventId, JobPath, ProjectName};
use crate::domain::rule::AuthoredMode;
use crate::domain::rule::judge::{judge, labelled, scope};
use crate::domain::rule::rollout::{Ticked, conditions};
use crate::store::enrichment::labels;
use crate::store::rules::enforcements::{self, EnforcementRecord};
use crate::store::rules::states::{self, StateRecord};
use crate::store::rules::verdicts::{self, VerdictRecord};
use crate::store::{StoreError, events};

/// Rules of the same type that are judged for a page although the index left them out.
const MOST_OTHERS: usize = 50;

/// A rule with everything that its page shows.
#[derive(Debug, Clone)]
pub struct RuleDetail {
    /// The project.
    pub project: ProjectName,
    /// The rule with its revision.
    pub stored: StoredRule,
    /// `live`, `dry_run` or `off`.
    pub mode: &'static str,
    /// The job of its action, where there is one and the project has it.
    pub job: Option<JobPath>,
    /// Where its text stands.
    pub state: Option<StateRecord>,
    /// The conditions of its promotion.
    pub ticked: Vec<Ticked>,
    /// Its newest verdicts.
    pub verdicts: Vec<VerdictRecord>,
    /// What its present text would have done.
    pub would: Vec<EnforcementRecord>,
    /// Whether the one who asks may change it.
    pub may_edit: bool,
    /// Whether they may promote it.
    pub may_promote: bool,
}

/// A verdict, and whether it is from then or made for the one who asks.
#[derive(Debug, Clone)]
pub struct VerdictView {
    /// The verdict.
    pub verdict: VerdictRecord,
    /// Whether it was stored. One that was not is of a rule that the index left out: its criteria do not hold.
    pub stored: bool,
}

/// The word of a rule's mode.
pub(super) const fn mode_word(authored: AuthoredMode, live: bool) -> &'static str {
    match (authored, live) {
        (AuthoredMode::Off, _) => "off",
        (_, true) => "live",
        (_, false) => "dry_run",
    }
}

impl App {
    /// A rule with its history.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn rule(&self, actor: &Actor, project: &ProjectName, name: &str) -> AppResult<RuleDetail> {
        let catalogue = self.catalogue().await?;
        let resource = Resource::Rule { project: project.clone(), name: name.to_owned() };
        self.authorize(actor, Permission::View, &resource)?;
        let state = catalogue.project(project)?;
        let stored = state.rule(name).ok_or_else(AppError::not_found)?.clone();
        let text = text_of(state, &stored);
        let now = self.clock.now();
        let wanted = text.clone();
        // The payload is in the verdicts, so they are for who may see events.
        let sees_events =
            self.authorize(actor, Permission::View, &Resource::Events { project: project.clone() }).is_ok();
        let (found, is_live, ticked, verdicts, would) = self
            .db
            .read(move |c| {
                let found = states::find(c, &wanted)?;
                let is_live = live(c, &wanted)?;
                let ticked = conditions(&trial(c, &wanted)?, now);
                let (first, ..) = states::since(c, &wanted)?;
                let (mut seen, mut would) = (Vec::new(), Vec::new());
                if sees_events {
                    seen = verdicts::of_rule(c, &wanted.definition, &[], 50)?;
                    would = enforcements::list(c, &wanted.definition, first, false, 50)?;
                }
                Ok::<_, StoreError>((found, is_live, ticked, seen, would))
            })
            .await?;
        let job = match &stored.rule.action {
            crate::domain::rule::Action::Run { job, .. } => {
                state.action_job(job, &stored.rule.pack).map(|j| j.job.path.clone())
            }
            _ => None,
        };
        let may = |permission| self.authorize(actor, permission, &resource).is_ok();
        Ok(RuleDetail {
            project: project.clone(),
            mode: mode_word(stored.rule.mode, is_live),
            job,
            state: found,
            ticked,
            verdicts,
            would,
            may_edit: may(Permission::Edit),
            may_promote: may(Permission::Promote),
            stored,
        })
    }

    /// What rules made of an event, of those rules that the actor may see; also of those of its type that the index left
    /// out, judged now.
    ///
    /// # Errors
    /// Not found, also when the event may not be seen.
    pub async fn verdicts(&self, actor: &Actor, id: EventId) -> AppResult<Vec<VerdictView>> {
        let catalogue = self.catalogue().await?;
        let (event, found, labels) = self
            .db
            .read(move |c| {
                Ok::<_, StoreError>((events::get(c, id)?, verdicts::of_event(c, id)?, labels::of_event(c, id)?))
            })
            .await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: event.project.clone() })?;
        let sees = |name: &str| {
            let resource = Resource::Rule { project: event.project.clone(), name: name.to_owned() };
            self.authorize(actor, Permission::View, &resource).is_ok()
        };
        let known: Vec<String> = found.iter().map(|v| v.definition_id.clone()).collect();
        let mut out: Vec<VerdictView> =
            found.into_iter().filter(|v| sees(&v.rule)).map(|verdict| VerdictView { verdict, stored: true }).collect();
        let Some(state) = catalogue.projects.get(&event.project).filter(|_| !event.awaits_rules) else {
            return Ok(out);
        };
        let payload = read_body(event.payload.as_bytes()).map(|(data, _)| data).unwrap_or_default();
        let scope = scope(payload);
        let labels = labels.into_iter().map(|l| (l.enricher, l.label)).collect();
        let others = state.rule_index.of_type(&event.event_type).iter().filter_map(|place| state.rules.get(*place));
        let others = others.filter(|r| !known.contains(&r.definition) && sees(&r.rule.name)).take(MOST_OTHERS);
        for stored in others {
            let scope = labelled(&stored.rule, &scope, &labels);
            let judgement = judge(&stored.rule, &scope, event.depth, event.received_at);
            let text = text_of(state, stored);
            let mut verdict = verdict_of(&text, stored, &event, false, &judgement, event.received_at);
            if judgement.outcome.matched {
                verdict.detail = "The rule did not exist when this event came, or had another text.".to_owned();
            }
            out.push(VerdictView { verdict, stored: false });
        }
        Ok(out)
    }
}
