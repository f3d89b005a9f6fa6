//! Lets go of what is older than it has to be kept: runs and events by each project's `retention`, and what only served
//! for a while.

use chrono::TimeDelta;
use serde_json::json;

use super::App;
use super::error::{AppError, AppResult};
use super::record::act;
use crate::domain::access::{Permission, Principal};
use crate::domain::ids::{ProjectName, RunNumber};
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::enrichment::{answers, labels};
use crate::store::rules::{backtests, enforcements};
use crate::store::{
    blobs, events, idempotency, log_archives, notices, output, runs, sessions, sign_in, slack_answers, slack_presses,
    sources,
};

/// How long the answer to an idempotency key is remembered.
const KEYS: TimeDelta = TimeDelta::hours(24);
/// How long ended sessions and counted failures are kept, for who looks into a break-in.
const SIGN_INS: TimeDelta = TimeDelta::days(7);
/// How long notices are kept, so that it can be seen which arrived.
const NOTICES: TimeDelta = TimeDelta::days(30);
/// How long presses of buttons are remembered: far longer than a signature holds.
const PRESSES: TimeDelta = TimeDelta::hours(24);
/// How long what came of a backtest is kept.
const BACKTESTS: TimeDelta = TimeDelta::days(30);
/// Runs, and notices, that are removed in one transaction.
const PIECE: u32 = 200;
/// Events that are removed in one transaction.
const EVENTS: u32 = 1_000;

/// How much was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Runs, each with its steps, request and output.
    pub runs: usize,
    /// Events.
    pub events: usize,
    /// Uploaded files and typed secrets.
    pub blobs: usize,
    /// Sessions, counted failures, answers of idempotency keys, notices.
    pub passing: usize,
}

impl App {
    /// Removes what is old enough. Runs that have not ended stay, and so does the whole record. Safe to call again.
    ///
    /// # Errors
    /// The database; a folder of output that cannot be removed.
    pub async fn prune(&self) -> AppResult<Pruned> {
        let now = self.clock.now();
        let mut all = Pruned::default();
        let catalogue = self.catalogue().await?;
        for (project, state) in &catalogue.projects {
            let Some(days) = state.project.retention_days else { continue };
            let before = now - TimeDelta::days(i64::from(days));
            loop {
                let removed = self.prune_runs(project, before).await?;
                all.runs += removed.len();
                self.remove_output(&removed).await?;
                if removed.len() < PIECE as usize {
                    break;
                }
            }
            loop {
                let removed = self.prune_events(project, before).await?;
                all.events += removed;
                if removed < EVENTS as usize {
                    break;
                }
            }
        }
        // A file or typed secret is of no use without its run; one that is kept for good keeps them all.
        let kept = catalogue.projects.values().map(|p| p.project.retention_days).collect::<Option<Vec<u32>>>();
        if let Some(longest) = kept.and_then(|days| days.into_iter().max()) {
            all.blobs = self.prune_blobs(now - TimeDelta::days(i64::from(longest))).await?;
        }
        let permit = self.own_permit(Permission::Administer)?;
        all.passing = self
            .db
            .write(move |c| {
                let keys = idempotency::prune(c, now - KEYS)?;
                let old = sources::forget_deleted(c, &permit)? + sessions::prune(c, now - SIGN_INS)?;
                let tried = backtests::prune(c, &permit, now - BACKTESTS)?;
                let told = slack_presses::prune(c, &permit, now - PRESSES)? + slack_answers::prune(c, &permit, now)?;
                let old = old + answers::prune(c, &permit, now)?;
                Ok::<_, AppError>(keys + old + tried + told + sign_in::prune_failures(c, now - SIGN_INS)?)
            })
            .await?;
        loop {
            let permit = self.own_permit(Permission::Administer)?;
            let removed = self.db.write(move |c| notices::prune(c, &permit, now - NOTICES, PIECE)).await?;
            all.passing += removed;
            if removed < PIECE as usize {
                break;
            }
        }
        Ok(all)
    }

    async fn prune_runs(&self, project: &ProjectName, before: Timestamp) -> AppResult<Vec<RunNumber>> {
        let permit = self.own_permit(Permission::Administer)?;
        let (recorder, project, now) = (self.recorder(), project.clone(), self.clock.now());
        self.db
            .write(move |c| {
                let removed = runs::prune(c, &permit, &project, before, PIECE)?;
                log_archives::unwant(c, &permit, &removed, now)?;
                if let (Some(first), Some(last)) = (removed.first(), removed.last()) {
                    let detail = json!({ "runs": removed.len(), "from": first, "to": last, "before": before });
                    let resource = format!("{project}:runs");
                    let entry = act(&Principal::System, "engine", "runs.pruned", resource, Some(&project), detail);
                    recorder.write(c, &entry)?;
                }
                Ok::<_, AppError>(removed)
            })
            .await
    }

    async fn prune_events(&self, project: &ProjectName, before: Timestamp) -> AppResult<usize> {
        let permit = self.own_permit(Permission::Administer)?;
        let (recorder, project) = (self.recorder(), project.clone());
        self.db
            .write(move |c| {
                let removed = events::prune(c, &permit, &project, before, EVENTS)?;
                enforcements::prune(c, &permit, &project, before)?;
                labels::prune(c, &permit, &project, before)?;
                if removed > 0 {
                    let detail = json!({ "events": removed, "before": before });
                    let resource = format!("{project}:events");
                    let entry = act(&Principal::System, "engine", "events.pruned", resource, Some(&project), detail);
                    recorder.write(c, &entry)?;
                }
                Ok::<_, AppError>(removed)
            })
            .await
    }

    async fn prune_blobs(&self, before: Timestamp) -> AppResult<usize> {
        let permit = self.own_permit(Permission::Administer)?;
        let recorder = self.recorder();
        let open = State::ALL.into_iter().filter(|s| !s.is_terminal()).collect();
        let filter = runs::Filter { states: open, until: Some(before), ..runs::Filter::default() };
        self.db
            .write(move |c| {
                // A run that still waits, however long ago it was asked for, needs its files.
                if !runs::list(c, &filter, None, 1)?.is_empty() {
                    return Ok(0);
                }
                let removed = blobs::prune(c, &permit, before)?;
                if removed > 0 {
                    let detail = json!({ "blobs": removed, "before": before });
                    let entry = act(&Principal::System, "engine", "blobs.pruned", "blobs", None, detail);
                    recorder.write(c, &entry)?;
                }
                Ok::<_, AppError>(removed)
            })
            .await
    }

    /// Removes the output of runs that are gone; what of it is in a bucket goes with [`App::archive_logs`]. What a crash leaves here is found by nobody, as the run is not there.
    async fn remove_output(&self, removed: &[RunNumber]) -> AppResult<()> {
        let (data, removed) = (self.settings.data.clone(), removed.to_vec());
        let remove = move || {
            let told = |run, e| AppError::fault(format!("the output of run {run} cannot be removed: {e}"));
            removed.into_iter().try_for_each(|run| output::remove(&data, run).map_err(|e| told(run, e)))
        };
        tokio::task::spawn_blocking(remove).await.map_err(AppError::fault)?
    }
}
