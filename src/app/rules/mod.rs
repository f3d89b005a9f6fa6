//! Rules as somebody sees them.

mod applying;
mod backtest;
pub(super) mod ended;
pub(super) mod enforcing;
mod matching;
mod promote;
mod tell;
mod trip;
pub(super) mod turns;
mod verdict;
mod view;

use super::App;
use super::error::AppResult;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::ProjectName;

pub use crate::store::rules::enforcements::{EnforcementRecord, Mark};
pub use crate::store::rules::states::StateRecord;
pub use crate::store::rules::verdicts::{Outcome, VerdictRecord};
pub use backtest::{AskedBacktest, BacktestRecord, BacktestReport, BacktestRow, BacktestState, BacktestView, Tried};
pub use promote::Switch;
pub use view::{RuleDetail, VerdictView};

/// A rule as lists show it.
#[derive(Debug, Clone)]
pub struct RuleView {
    /// The project.
    pub project: ProjectName,
    /// Its pack.
    pub pack: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The event type that it listens to.
    pub trigger: String,
    /// The job that it asks for, as written.
    pub action: String,
    /// `live`, `dry_run` or `off`.
    pub mode: &'static str,
    /// The revision's number.
    pub revision: i64,
    /// The revision's digest.
    pub digest: Digest,
}

impl App {
    /// The rules that the actor may see, by project and name.
    ///
    /// # Errors
    /// The database.
    pub async fn rules(&self, actor: &Actor) -> AppResult<Vec<RuleView>> {
        let catalogue = self.catalogue().await?;
        let mut visible = Vec::new();
        for (project, state) in &catalogue.projects {
            for stored in &state.rules {
                let resource = Resource::Rule { project: project.clone(), name: stored.rule.name.clone() };
                if self.authorize(actor, Permission::View, &resource).is_ok() {
                    visible.push((stored.clone(), matching::text_of(state, stored)));
                }
            }
        }
        let texts: Vec<_> = visible.iter().map(|(_, text)| text.clone()).collect();
        let live = self
            .db
            .read(move |c| texts.iter().map(|text| matching::live(c, text)).collect::<Result<Vec<bool>, _>>())
            .await?;
        let read = visible.into_iter().zip(live).map(|((stored, text), live)| RuleView {
            project: text.project,
            pack: stored.rule.pack.clone(),
            name: stored.rule.name.clone(),
            description: stored.rule.description.clone(),
            trigger: stored.rule.trigger.clone(),
            action: stored.rule.action.shown(),
            mode: view::mode_word(stored.rule.mode, live),
            revision: stored.revision,
            digest: stored.digest,
        });
        Ok(read.collect())
    }
}
