//! Taking over runs whose server is gone: their steps may go on on the nodes, so they are followed there.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::App;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::record::act;
use super::work::{Assignment, LEASE};
use crate::domain::access::{Permission, Principal};
use crate::domain::ids::RunNumber;
use crate::domain::plan::Plan;
use crate::domain::run::{RunEvent, WorkOutcome};
use crate::store::runs::{self as rows, Lapse, RunRecord};

/// Runs under way that are looked at together, those first whose server has been silent for longest.
const LOOKED_AT: u32 = 200;

impl App {
    /// Takes runs over that are under way and whose server is gone, no more than `wanted`: its lease has run out, or its
    /// process is known to be no more, or it has not extended its lease for as long as one lasts, whatever time its clock
    /// wrote into it. Runs in `own` are this process's own.
    ///
    /// # Errors
    /// The database, where it kept every run from being taken.
    pub async fn orphans(
        &self,
        only: Option<RunNumber>,
        own: &BTreeSet<RunNumber>,
        wanted: usize,
    ) -> AppResult<Vec<Assignment>> {
        let under_way = self.db.read(|c| rows::leased(c, LOOKED_AT)).await?;
        let standing_still = self.watch_leases(&under_way);
        let mut taken = Vec::new();
        for run in under_way.iter().filter(|r| only.is_none_or(|n| n == r.number) && !own.contains(&r.number)) {
            if taken.len() >= wanted {
                break;
            }
            let expired = run.lease_until.is_none_or(|until| until < self.clock.now());
            let gone = run.lease_owner.clone().filter(|owner| (self.settings.is_gone)(owner));
            let still = run.lease_until.filter(|_| standing_still.contains(&run.number));
            let lapse = match (gone, still) {
                (Some(gone), _) => Lapse::ServerGone(gone),
                (None, Some(until)) => Lapse::NotExtended(until),
                (None, None) if expired => Lapse::None,
                (None, None) => continue,
            };
            match self.take_over(run, lapse).await {
                Ok(assignment) => taken.extend(assignment),
                Err(error) if taken.is_empty() => return Err(error),
                // What was taken is this server's to carry on with.
                Err(error) => {
                    tracing::error!(error.cause = %error, "a run could not be taken over; it is tried again");
                    break;
                }
            }
        }
        Ok(taken)
    }

    /// The runs whose lease nobody extended for as long as a lease lasts.
    fn watch_leases(&self, under_way: &[RunRecord]) -> BTreeSet<RunNumber> {
        let leases = under_way.iter().filter_map(|r| Some((r.number, (r.fence, r.lease_until?))));
        let mut watch = self.leases.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        watch.look(leases.collect(), self.clock.running(), LEASE.to_std())
    }

    async fn take_over(&self, run: &RunRecord, lapse: Lapse) -> AppResult<Option<Assignment>> {
        let now = self.clock.now();
        let permit = self.own_permit(Permission::Run)?;
        let (recorder, owner) = (self.recorder(), self.settings.server.clone());
        let number = run.number;
        let taken = self
            .db
            .write(move |c| {
                let until = now + LEASE.to_delta();
                let Some(claimed) = rows::claim(c, &permit, number, &owner, lapse.clone(), now, until)? else {
                    return Ok::<_, AppError>(None);
                };
                let (run, fence) = (claimed.run, claimed.fence);
                let (text, digest) = rows::plan(c, number)?;
                let plan = match Plan::read_verified(&text, &digest) {
                    Ok(plan) => plan,
                    // What was begun by it cannot be followed without it.
                    Err(error) => {
                        let why = format!("The run's server is gone, and {error}. Look at the nodes.");
                        move_run(c, &permit, &run, Some(fence), RunEvent::Ended(WorkOutcome::Unknown), &why, now)?;
                        let detail = json!({ "server": owner, "reason": why });
                        let entry = act(
                            &Principal::System,
                            "engine",
                            "run.ended",
                            format!("run:{number}"),
                            Some(&run.project),
                            detail,
                        );
                        recorder.write(c, &entry)?;
                        return Ok(None);
                    }
                };
                let done = rows::steps(c, number)?;
                let detail = json!({ "digest": digest, "server": owner, "fence": fence });
                let entry = act(
                    &Principal::System,
                    "engine",
                    "run.taken_over",
                    format!("run:{number}"),
                    Some(&run.project),
                    detail,
                );
                recorder.write(c, &entry)?;
                let worked = Duration::from_millis(u64::try_from(run.worked_ms).unwrap_or(0));
                let attempt = u32::try_from(run.attempt).unwrap_or(1).max(1);
                Ok(Some(Assignment { number, plan, fence, attempt, taken_over: true, done, worked }))
            })
            .await;
        match taken {
            Ok(taken) => Ok(taken),
            // Another server was faster.
            Err(AppError::Refused(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}
