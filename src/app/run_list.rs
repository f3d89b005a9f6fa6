//! Lists of runs, as far as somebody may see them.

use std::collections::BTreeMap;

use super::App;
use super::error::AppResult;
use super::planning::job_of;
use super::runs::RunView;
use crate::domain::access::{Actor, Permission, Principal};
use crate::domain::ids::{NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::runs::{self as rows, RunRecord};
use crate::store::{StoreError, definitions};

/// How many runs are read at a time.
const PIECE: u32 = 200;
/// How many pieces are read for one page at most; then `next` says where to go on.
const PIECES: usize = 20;

/// Which runs somebody wants to see.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this project.
    pub project: Option<ProjectName>,
    /// Of this job: its id, or group and name.
    pub job: Option<String>,
    /// In one of these states.
    pub states: Vec<State>,
    /// Asked for by this principal (`alice` means `user:alice`).
    pub user: Option<String>,
    /// On this node.
    pub node: Option<NodeName>,
    /// With this value of an option.
    pub option: Option<(OptionName, String)>,
    /// Asked for in this way: `button`, `webhook` …
    pub origin: Option<String>,
    /// Asked for since.
    pub since: Option<Timestamp>,
    /// Ended since.
    pub ended_since: Option<Timestamp>,
    /// Before this number.
    pub before: Option<RunNumber>,
    /// How many; at most 200.
    pub limit: u32,
}

/// A page of runs and where the next one begins.
#[derive(Debug, Clone)]
pub struct RunPage {
    /// The runs, newest first.
    pub runs: Vec<RunView>,
    /// What to pass as `before` for older ones.
    pub next: Option<RunNumber>,
}

impl App {
    /// A page of runs that the actor may see.
    ///
    /// # Errors
    /// The database.
    pub async fn runs(&self, actor: &Actor, wanted: RunFilter) -> AppResult<RunPage> {
        let catalogue = self.catalogue().await?;
        let limit = wanted.limit.clamp(1, 200) as usize;
        let (mut before, ended_since) = (wanted.before, wanted.ended_since);
        let Some(filters) = self.walks(wanted).await? else { return Ok(RunPage { runs: Vec::new(), next: None }) };
        // What the actor may not see is left out after the query; pages are filled up from further back, a bounded way.
        let grants: BTreeMap<ProjectName, _> = catalogue
            .projects
            .keys()
            .map(|name| (name.clone(), catalogue.policy.grants(actor, Permission::View, name)))
            .collect();
        let visible = |run: &RunRecord| {
            let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
            grants.get(&run.project).map_or(actor.administrator, |g| g.allows(&resource))
        };
        let late_enough = |run: &RunRecord| ended_since.is_none_or(|since| run.ended_at.is_some_and(|at| at >= since));
        let mut runs: Vec<RunView> = Vec::new();
        for _ in 0..PIECES {
            let (filters, from) = (filters.clone(), before);
            let page = self.db.read(move |c| newest(c, &filters, from)).await?;
            let full = page.len() == PIECE as usize;
            for record in page {
                before = Some(record.number);
                if visible(&record) && late_enough(&record) {
                    if runs.len() == limit {
                        let next = runs.last().map(|r| r.number);
                        return Ok(RunPage { runs, next });
                    }
                    runs.push(record.into());
                }
            }
            if !full {
                return Ok(RunPage { runs, next: None });
            }
        }
        Ok(RunPage { runs, next: before })
    }

    /// How many runs in these states the actor may see; at most a few thousand are looked at.
    ///
    /// # Errors
    /// The database.
    pub async fn count_runs(&self, actor: &Actor, states: &[State]) -> AppResult<usize> {
        let mut filter = RunFilter { states: states.to_vec(), limit: PIECE, ..RunFilter::default() };
        let mut count = 0;
        for _ in 0..PIECES {
            let page = self.runs(actor, filter.clone()).await?;
            count += page.runs.len();
            if page.next.is_none() {
                break;
            }
            filter.before = page.next;
        }
        Ok(count)
    }

    /// The walks through the store that a filter means: one, or one for each job that has the name. `None` when nothing
    /// can be found.
    async fn walks(&self, wanted: RunFilter) -> AppResult<Option<Vec<rows::Filter>>> {
        let requester =
            wanted.user.as_deref().and_then(|u| Principal::parse(u).or_else(|| Principal::parse(&format!("user:{u}"))));
        if wanted.user.is_some() && requester.is_none() {
            return Ok(None);
        }
        let filter = rows::Filter {
            projects: wanted.project.clone().into_iter().collect(),
            job: None,
            states: wanted.states,
            requester,
            node: wanted.node,
            option: wanted.option,
            origin: wanted.origin,
            since: wanted.since,
            until: None,
        };
        let Some(job) = wanted.job else { return Ok(Some(vec![filter])) };
        // Also of jobs that were deleted since: their runs are still there.
        let named = self.db.read(move |c| definitions::jobs_ever_named(c, wanted.project.as_ref(), &job)).await?;
        let walks = named
            .into_iter()
            .map(|(project, id)| rows::Filter { projects: vec![project], job: Some(id), ..filter.clone() })
            .collect();
        Ok(Some(walks))
    }
}

/// The newest runs of several walks together.
fn newest(
    c: &mut crate::store::Conn,
    filters: &[rows::Filter],
    before: Option<RunNumber>,
) -> Result<Vec<RunRecord>, StoreError> {
    let mut found = Vec::new();
    for filter in filters {
        found.extend(rows::list(c, filter, before, PIECE)?);
    }
    found.sort_by_key(|run| std::cmp::Reverse(run.number));
    found.dedup_by_key(|run| run.number);
    found.truncate(PIECE as usize);
    Ok(found)
}
