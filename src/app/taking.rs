//! Taking queued runs: those that may start move to `running`, those whose plan no longer stands are voided.

use futures_util::future::join_all;
use serde_json::json;

use super::App;
use super::catalogue::Catalogue;
use super::closing::move_run;
use super::error::{AppError, AppResult};
use super::record::act;
use super::standing::may_start;
use super::telling::tell_channels;
use super::work::{Assignment, LEASE, channels_of};
use crate::domain::access::{Permission, Principal};
use crate::domain::ids::RunNumber;
use crate::domain::moment::Moment;
use crate::domain::notice::NoticeKind;
use crate::domain::plan::Plan;
use crate::domain::run::{RunEvent, State};
use crate::store::host_keys;
use crate::store::runs::{self as rows, Lapse, RunRecord};

/// Queued runs that are looked at together, those included that have to wait for others of their job.
const LOOKED_AT: u32 = 200;

/// What became of a run that was to be taken.
enum Taken {
    Start(Box<Assignment>),
    Voided,
    /// Somebody else has it, or it is no longer queued.
    Missed,
}

impl App {
    /// Takes queued runs that may start, the longest waiting first and no more than `wanted`, and moves them to
    /// `running`. A run whose plan no longer stands is voided instead.
    ///
    /// # Errors
    /// The database, where it kept every run from being taken.
    pub async fn assignments(&self, only: Option<RunNumber>, wanted: usize) -> AppResult<Vec<Assignment>> {
        let mut started = Vec::new();
        loop {
            match self.take_more(only, wanted, &mut started).await {
                // What was voided may have kept a place that another run can have now.
                Ok(voided) if voided && started.len() < wanted => {}
                Ok(_) => return Ok(started),
                Err(error) if started.is_empty() => return Err(error),
                // What was taken is this server's to carry out, whatever became of the rest.
                Err(error) => {
                    tracing::error!(error.cause = %error, "a queued run could not be taken; it is tried again");
                    return Ok(started);
                }
            }
        }
    }

    /// Goes along the line once. Whether any run was voided.
    async fn take_more(
        &self,
        only: Option<RunNumber>,
        wanted: usize,
        started: &mut Vec<Assignment>,
    ) -> AppResult<bool> {
        let catalogue = self.catalogue().await?;
        let waiting = self.db.read(|c| rows::queued(c, LOOKED_AT)).await?;
        let mut waiting = waiting.into_iter().filter(|r| only.is_none_or(|n| n == r.number)).peekable();
        let mut voided = false;
        while started.len() < wanted && waiting.peek().is_some() {
            let together = self.next_together(&catalogue, &mut waiting, wanted - started.len()).await?;
            let mut failed = None;
            for taken in join_all(together.into_iter().map(|(run, limit)| self.take(run, limit))).await {
                match taken {
                    Ok(Taken::Start(assignment)) => started.push(*assignment),
                    Ok(Taken::Voided) => voided = true,
                    Ok(Taken::Missed) => {}
                    Err(error) => failed = Some(error),
                }
            }
            failed.map_or(Ok(()), Err)?;
        }
        Ok(voided)
    }

    /// The next runs of the line that can be taken at the same time: several as long as no limit counts them, else one.
    async fn next_together(
        &self,
        catalogue: &Catalogue,
        waiting: &mut std::iter::Peekable<impl Iterator<Item = RunRecord>>,
        most: usize,
    ) -> AppResult<Vec<(RunNumber, Option<Limit>)>> {
        let mut together = Vec::new();
        while together.len() < most {
            let Some(run) = waiting.next_if(|r| r.concurrency_key.is_none() || together.is_empty()) else { break };
            let Some(limit) = limit_of(catalogue, &run) else {
                together.push((run.number, None));
                continue;
            };
            // Many may wait behind one; most of them are passed over here. Who is taken is counted again then.
            let key = limit.key.clone();
            if self.db.read(move |c| rows::count_under_way(c, &key)).await? < limit.most {
                together.push((run.number, Some(limit)));
                break;
            }
        }
        Ok(together)
    }

    async fn take(&self, number: RunNumber, limit: Option<Limit>) -> AppResult<Taken> {
        let now = self.clock.now();
        let permit = self.own_permit(Permission::Run)?;
        let catalogue = self.known();
        let (recorder, owner) = (self.recorder(), self.settings.server.clone());
        let taken = self
            .db
            .write(move |c| {
                if let Some(Limit { key, most }) = &limit {
                    rows::hold_limit(c, key)?;
                    if rows::count_under_way(c, key)? >= *most {
                        return Ok(Taken::Missed);
                    }
                }
                let Some(claimed) = rows::claim(c, &permit, number, &owner, Lapse::None, now, now + LEASE.to_delta())?
                else {
                    return Ok::<_, AppError>(Taken::Missed);
                };
                let run = claimed.run;
                if run.state != State::Queued {
                    return Err(AppError::conflict("not_queued", "Somebody else has begun with this run."));
                }
                let (text, digest) = rows::plan(c, number)?;
                let keys = host_keys::list(c, &run.project)?;
                let read = Plan::read_verified(&text, &digest).map_err(|e| (RunEvent::Voided, e.to_string()));
                let fits = read.and_then(|plan| {
                    may_start(c, &catalogue, &run, &plan, &keys, now)?;
                    Ok(plan)
                });
                let (event, reason) = match &fits {
                    Ok(_) => (RunEvent::Started, String::new()),
                    Err((event, why)) => (*event, format!("Not started: {why}. Ask again if it is still wanted.")),
                };
                move_run(c, &permit, &run, Some(claimed.fence), event, &reason, now)?;
                let told = if fits.is_ok() { channels_of(&catalogue, &run, State::Running) } else { Vec::new() };
                if !told.is_empty() {
                    let words = format!("#{number} {} has started", run.job_path);
                    tell_channels(c, &permit, &run, NoticeKind::General, told, &words, now)?;
                }
                let action = if fits.is_ok() { "run.started" } else { "run.voided" };
                let detail = json!({ "digest": digest, "server": owner, "reason": reason });
                let entry =
                    act(&Principal::System, "engine", action, format!("run:{number}"), Some(&run.project), detail);
                recorder.write(c, &entry)?;
                Ok(match fits {
                    Ok(plan) => Taken::Start(Box::new(Assignment {
                        number,
                        plan,
                        fence: claimed.fence,
                        attempt: 1,
                        taken_over: false,
                        done: Vec::new(),
                        worked: std::time::Duration::ZERO,
                    })),
                    Err(_) => Taken::Voided,
                })
            })
            .await;
        let taken = match taken {
            Ok(taken) => taken,
            // Somebody canceled it, or another server took it or its place, at the same moment.
            Err(AppError::Refused(_)) => Taken::Missed,
            Err(fault) => return Err(fault),
        };
        if matches!(taken, Taken::Start(_)) {
            Moment::LeaseTaken.reached();
        }
        self.live.run_changed(number);
        Ok(taken)
    }
}

/// How many runs of one key may be under way.
#[derive(Debug)]
struct Limit {
    key: String,
    most: i64,
}

/// The limit that counts this run; nothing where its job, as it is now, has none.
fn limit_of(catalogue: &Catalogue, run: &RunRecord) -> Option<Limit> {
    let key = run.concurrency_key.clone()?;
    let job = catalogue.projects.get(&run.project)?.jobs.get(&run.job_path)?;
    let limit = job.job.concurrency.as_ref()?;
    Some(Limit { key, most: i64::from(limit.limit) })
}
