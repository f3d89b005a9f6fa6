//! What the engine's loops need: taking queued runs, reporting steps and ends, and letting time pass over what waits.
//!
//! Loops hold no state that matters: each of these is safe to call again, and a server that lost its lease is refused.

use serde_json::json;

use super::App;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::planning::key_is_usable;
use super::record::act;
use super::rules::ended::tell_rules;
use super::telling::{tell_channels, tell_of};
use crate::domain::access::{Permission, Principal};
use crate::domain::digest::Digest;
use crate::domain::ids::{KeyPath, NodeName, ProjectName, RunNumber, StepName, Ticket};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::plan::{Origin, Plan, PlannedValue};
use crate::domain::run::{RunEvent, State, StepState, WorkOutcome};
use crate::domain::secret::SecretText;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::host_keys::HostKeyRecord;
use crate::store::runs::{self as rows, RunRecord, StepRecord};
use crate::store::{StoreError, blobs, secrets};

/// How long a server has a run to itself without saying that it is alive.
pub const LEASE: Seconds = Seconds::new(30);

/// A run that this server is to carry out.
#[derive(Debug)]
pub struct Assignment {
    /// Its number.
    pub number: RunNumber,
    /// What to do, read from the store and held against its digest.
    pub plan: Plan,
    /// Goes into every report.
    pub fence: i64,
    /// The attempt that is under way, from 1.
    pub attempt: u32,
    /// Whether another server had it before.
    pub taken_over: bool,
    /// What that one did.
    pub done: Vec<StepRecord>,
    /// How long servers have worked on it before.
    pub worked: std::time::Duration,
}

/// A step's news.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// The node.
    pub node: NodeName,
    /// The step's place in the plan.
    pub index: usize,
    /// The step's name.
    pub step: StepName,
    /// The try, from 1.
    pub attempt: u32,
    /// Where it stands.
    pub state: StepState,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// What else there is to say.
    pub message: String,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// Names its files on the node.
    pub ticket: Option<Ticket>,
}

impl App {
    /// Says that this server still works on the run, and for how long it did since it last said so; what it was asked to do
    /// meanwhile.
    ///
    /// # Errors
    /// `conflict` when another server has taken it over: let go of it, report nothing.
    pub async fn still_working(
        &self,
        assignment: RunNumber,
        fence: i64,
        worked: std::time::Duration,
    ) -> AppResult<State> {
        let permit = self.own_permit(Permission::Run)?;
        let until = self.clock.now() + LEASE.to_delta();
        let worked_ms = i64::try_from(worked.as_millis()).unwrap_or(i64::MAX);
        self.db
            .write(move |c| {
                rows::extend_lease(c, &permit, assignment, fence, until, worked_ms)?;
                Ok(rows::get(c, assignment)?.state)
            })
            .await
    }

    /// Notes that a new attempt begins.
    ///
    /// # Errors
    /// `conflict` when another server has taken the run over.
    pub async fn report_attempt(&self, number: RunNumber, fence: i64, attempt: u32) -> AppResult<()> {
        let permit = self.own_permit(Permission::Run)?;
        let attempt = counted(attempt);
        Ok(self.db.write(move |c| rows::set_attempt(c, &permit, number, fence, attempt)).await?)
    }

    /// The state now, without a lease.
    ///
    /// # Errors
    /// Not found.
    pub async fn state_of(&self, number: RunNumber) -> AppResult<State> {
        Ok(self.db.read(move |c| rows::get(c, number)).await?.state)
    }

    /// Writes how a step stands.
    ///
    /// # Errors
    /// `conflict` when another server has taken the run over.
    pub async fn report_step(&self, number: RunNumber, fence: i64, report: StepReport) -> AppResult<()> {
        let permit = self.own_permit(Permission::Run)?;
        let now = self.clock.now();
        let ended = !matches!(report.state, StepState::Waiting | StepState::Running);
        let record = StepRecord {
            node: report.node,
            step_index: counted(report.index),
            step_name: report.step,
            attempt: counted(report.attempt),
            state: report.state,
            exit_code: report.exit_code,
            message: report.message,
            started_at: report.started_at,
            ended_at: ended.then_some(now),
            ticket: report.ticket,
            begun: false,
        };
        self.db.write(move |c| rows::put_step(c, &permit, number, fence, &record)).await?;
        self.live.run_changed(number);
        Ok(())
    }

    /// Notes that a node has begun this try of a step, which writes nothing.
    ///
    /// # Errors
    /// `conflict` when another server has taken the run over.
    pub async fn report_begun(
        &self,
        number: RunNumber,
        fence: i64,
        node: NodeName,
        index: usize,
        attempt: u32,
    ) -> AppResult<()> {
        let permit = self.own_permit(Permission::Run)?;
        let key = (counted(index), counted(attempt));
        Ok(self.db.write(move |c| rows::set_begun(c, &permit, number, fence, &node, key)).await?)
    }

    /// Notes how long the log is.
    ///
    /// # Errors
    /// `conflict` when another server has taken the run over.
    pub async fn report_log(&self, number: RunNumber, fence: i64, bytes: u64, truncated: bool) -> AppResult<()> {
        let permit = self.own_permit(Permission::Run)?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        Ok(self.db.write(move |c| rows::set_log(c, &permit, number, fence, bytes, truncated)).await?)
    }

    /// Ends a run. Asking again is the same as once.
    ///
    /// # Errors
    /// `conflict` when another server has taken it over.
    pub async fn report_end(
        &self,
        number: RunNumber,
        fence: i64,
        outcome: WorkOutcome,
        reason: String,
    ) -> AppResult<()> {
        let permit = self.own_permit(Permission::Run)?;
        let now = self.clock.now();
        let recorder = self.recorder();
        let catalogue = self.catalogue().await?;
        let own = self.own_permit(Permission::Edit)?;
        self.db
            .write(move |c| {
                let run = rows::get(c, number)?;
                if run.fence == fence && run.state.is_terminal() {
                    return Ok(());
                }
                move_run(c, &permit, &run, Some(fence), RunEvent::Ended(outcome), &reason, now)?;
                let ended = rows::get(c, number)?;
                tell_rules(c, &own, &catalogue, &ended, now)?;
                let state = ended.state;
                let told = channels_of(&catalogue, &run, state);
                if !told.is_empty() {
                    tell_channels(c, &permit, &run, NoticeKind::RunEnded, told, &reason, now)?;
                }
                if run.origin == Origin::Chat {
                    // Whoever asked in a chat has no page before them.
                    let what = (NoticeKind::RunEnded, vec![Audience::Requester]);
                    tell_of(c, &permit, &run.project, Some((None, number)), what, None, &reason, now)?;
                }
                let detail = json!({ "state": state, "reason": reason, "digest": run.plan_digest });
                let entry =
                    act(&Principal::System, "engine", "run.ended", format!("run:{number}"), Some(&run.project), detail);
                recorder.write(c, &entry)?;
                Ok::<_, AppError>(())
            })
            .await?;
        self.live.run_changed(number);
        self.live.work_is_there();
        Ok(())
    }

    /// Lets time pass over what waits: expires requests, releases scheduled runs. How much was done.
    ///
    /// # Errors
    /// The database.
    pub async fn pass_time(&self) -> AppResult<usize> {
        let now = self.clock.now();
        let permit = self.own_permit(Permission::Cancel)?;
        let recorder = self.recorder();
        let mut count = self.pass_time_over_requests().await? + self.pass_time_over_reviews().await?;
        let due = self.db.read(move |c| rows::due(c, now, 100)).await?;
        for number in due.into_iter().map(|run| run.number) {
            let (permit, recorder) = (permit.clone(), recorder.clone());
            let done = self
                .db
                .write(move |c| {
                    let run = rows::get(c, number)?;
                    let (state, _) = move_run(c, &permit, &run, None, RunEvent::Due, "", now)?;
                    let detail = json!({ "state": state, "reason": "" });
                    let entry = act(
                        &Principal::System,
                        "engine",
                        "run.moved_by_time",
                        format!("run:{number}"),
                        Some(&run.project),
                        detail,
                    );
                    recorder.write(c, &entry)?;
                    Ok::<_, AppError>(())
                })
                .await;
            match done {
                Ok(()) => {
                    count += 1;
                    self.live.run_changed(number);
                }
                // Somebody decided at the same moment; they were first.
                Err(AppError::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        if count > 0 {
            self.live.work_is_there();
        }
        Ok(count)
    }

    /// The secrets of a plan in clear, by option, read at the moment of use; and the node's key.
    ///
    /// # Errors
    /// When one is gone, or the project may no longer use it.
    pub async fn secret_value(&self, plan: &Plan, value: &PlannedValue) -> AppResult<SecretText> {
        let PlannedValue::Secret { path, version } = value else { return Err(AppError::fault("not a secret")) };
        let permit = self.own_permit(Permission::UseSecret)?;
        if let Some(id) = path.strip_prefix("typed/") {
            let (vault, id) = (self.vault.clone(), id.to_owned());
            let bytes = self.db.read(move |c| blobs::read(c, &vault, &permit, &id)).await?;
            let text = String::from_utf8(bytes.to_vec()).map_err(AppError::fault)?;
            return Ok(SecretText::new(text));
        }
        self.key_value(&plan.project, &KeyPath::parse(path)?, Some(*version)).await
    }

    /// The value of a key for a project's use.
    ///
    /// # Errors
    /// `key_missing`.
    pub async fn key_value(
        &self,
        project: &ProjectName,
        path: &KeyPath,
        version: Option<i64>,
    ) -> AppResult<SecretText> {
        let missing =
            || AppError::conflict("key_missing", format!("The key store has nothing at `{path}` for this project."));
        if !key_is_usable(&self.known(), project, path) {
            return Err(missing());
        }
        let permit = self.own_permit(Permission::UseSecret)?;
        let (vault, wanted) = (self.vault.clone(), path.clone());
        let found = self
            .db
            .read(move |c| {
                let version = match version {
                    Some(version) => Some(version),
                    None => secrets::newest(c, &wanted)?.map(|s| s.version),
                };
                version.map(|version| secrets::read(c, &vault, &permit, &wanted, version)).transpose()
            })
            .await;
        match found {
            Ok(Some(value)) => Ok(value),
            Ok(None) | Err(StoreError::NotFound { .. }) => Err(missing()),
            Err(error) => Err(error.into()),
        }
    }

    /// An uploaded file of a plan.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn file_value(&self, plan: &Plan, value: &PlannedValue) -> AppResult<(String, Vec<u8>)> {
        let PlannedValue::File { id, name, sha256, .. } = value else { return Err(AppError::fault("not a file")) };
        let permit = self.own_permit(Permission::UseSecret)?;
        let (vault, id) = (self.vault.clone(), id.clone());
        let bytes = self.db.read(move |c| blobs::read(c, &vault, &permit, &id)).await?;
        if Digest::of(&bytes) != *sha256 {
            return Err(AppError::fault(format!(
                "the uploaded file {name} is not the one that run of {} was asked with",
                plan.job.path
            )));
        }
        Ok((name.clone(), bytes.to_vec()))
    }

    /// The enrolled host keys of a project.
    ///
    /// # Errors
    /// The database.
    pub async fn enrolled(&self, project: &ProjectName) -> AppResult<Vec<HostKeyRecord>> {
        self.fingerprints(project).await
    }
}

/// A count as it is stored.
fn counted(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

/// The channels that the run's job, as it is now, has hear that it came to this state.
pub(super) fn channels_of(catalogue: &super::catalogue::Catalogue, run: &RunRecord, state: State) -> Vec<String> {
    let job = catalogue.projects.get(&run.project).and_then(|p| p.jobs.get(&run.job_path));
    let Some(notify) = job.map(|j| &j.job.notify) else { return Vec::new() };
    match state {
        State::Running => notify.on_start.clone(),
        State::Succeeded => notify.on_success.clone(),
        _ => notify.on_failure.clone(),
    }
}
