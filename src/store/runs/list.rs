//! Lists and counts of runs. Each query walks one index from its end; several projects or states are several walks.

use std::collections::BTreeMap;
use std::ops::Range;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use crate::domain::access::Principal;
use crate::domain::digest::Digest;
use crate::domain::ids::{JobId, NodeName, OptionName, ProjectName, RunNumber};
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::column::stamp;
use crate::store::connection::{Conn, MultiBackend};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::schema::{run_nodes, run_options, runs};

use super::RunRecord;

/// Which runs are wanted. What is empty does not narrow.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In any of these projects.
    pub projects: Vec<ProjectName>,
    /// Of this job.
    pub job: Option<JobId>,
    /// In any of these states.
    pub states: Vec<State>,
    /// Asked for by this principal.
    pub requester: Option<Principal>,
    /// That have this node in their plan.
    pub node: Option<NodeName>,
    /// Whose option has exactly this value.
    pub option: Option<(OptionName, String)>,
    /// Asked for in this way: the word of its origin.
    pub origin: Option<String>,
    /// Asked for at this time or later.
    pub since: Option<Timestamp>,
    /// Asked for before this time.
    pub until: Option<Timestamp>,
}

/// Runs from the newest on, before the number given.
///
/// # Errors
/// Those of the database.
pub fn list(
    c: &mut Conn,
    filter: &Filter,
    before: Option<RunNumber>,
    wanted: u32,
) -> Result<Vec<RunRecord>, StoreError> {
    let Some(span) = span(c, filter, before)? else { return Ok(Vec::new()) };
    let projects = choices(&filter.projects);
    let states = choices(&filter.states);
    let mut found = Vec::new();
    for project in &projects {
        for state in &states {
            found.extend(walk(c, filter, *project, state.copied(), &span, wanted)?);
        }
    }
    if projects.len() * states.len() > 1 {
        found.sort_by_key(|run| std::cmp::Reverse(run.number));
        found.dedup_by_key(|run| run.number);
        found.truncate(usize::try_from(limit(wanted)).unwrap_or_default());
    }
    Ok(found)
}

/// Each choice, or one walk without it.
fn choices<T>(given: &[T]) -> Vec<Option<&T>> {
    if given.is_empty() { vec![None] } else { given.iter().map(Some).collect() }
}

/// The numbers that the times and the cursor leave, as numbers rise with time; `None` when there are none. So a short
/// time long ago is found without walking everything since.
fn span(c: &mut Conn, filter: &Filter, before: Option<RunNumber>) -> Result<Option<Range<i64>>, StoreError> {
    let mut span = i64::MIN..before.map_or(i64::MAX, RunNumber::get);
    if let Some(since) = filter.since {
        let later = runs::table.filter(runs::created_at.ge(stamp(since))).order((runs::created_at, runs::number));
        let Some(first) = later.select(runs::number).first::<i64>(c).optional()? else { return Ok(None) };
        span.start = first;
    }
    if let Some(until) = filter.until {
        let earlier =
            runs::table.filter(runs::created_at.lt(stamp(until))).order((runs::created_at.desc(), runs::number.desc()));
        let Some(last) = earlier.select(runs::number).first::<i64>(c).optional()? else { return Ok(None) };
        span.end = span.end.min(last.saturating_add(1));
    }
    Ok(Some(span))
}

fn walk(
    c: &mut Conn,
    filter: &Filter,
    project: Option<&ProjectName>,
    state: Option<State>,
    span: &Range<i64>,
    wanted: u32,
) -> Result<Vec<RunRecord>, StoreError> {
    let before = span.end;
    let mut query = runs::table.filter(runs::number.lt(before)).filter(runs::number.ge(span.start)).into_boxed();
    if let Some(project) = project {
        query = query.filter(runs::project.eq(project.as_str()));
    }
    if let Some(state) = state {
        query = query.filter(runs::state.eq(state.as_str()));
    }
    if let Some(job) = &filter.job {
        query = query.filter(runs::job_id.eq(job.as_str()));
    }
    if let Some(requester) = &filter.requester {
        query = query.filter(runs::requester.eq(requester.to_string()));
    }
    if let Some(origin) = &filter.origin {
        query = query.filter(runs::origin_word.eq(origin));
    }
    if let Some(node) = &filter.node {
        let with = run_nodes::table.filter(run_nodes::node.eq(node.as_str())).filter(run_nodes::run.lt(before));
        query = query.filter(runs::number.eq_any(with.select(run_nodes::run)));
    }
    if let Some((name, value)) = &filter.option {
        let with = run_options::table
            .filter(run_options::name.eq(name.as_str()))
            .filter(run_options::value_digest.eq(Digest::of(value.as_bytes()).to_string()))
            .filter(run_options::run.lt(before));
        query = query.filter(runs::number.eq_any(with.select(run_options::run)));
    }
    Ok(query.order(runs::number.desc()).limit(limit(wanted)).select(RunRecord::as_select()).load(c)?)
}

/// How many runs are in each state that is not an end.
///
/// # Errors
/// Those of the database.
pub fn count_open(c: &mut Conn) -> Result<Vec<(State, i64)>, StoreError> {
    let mut counts = Vec::new();
    for state in State::ALL.into_iter().filter(|s| !s.is_terminal()) {
        let count = runs::table.filter(runs::state.eq(state.as_str())).count().get_result(c)?;
        counts.push((state, count));
    }
    Ok(counts)
}

/// The newest run of the job that succeeded.
///
/// # Errors
/// Those of the database.
pub fn last_success(c: &mut Conn, project: &ProjectName, job: &JobId) -> Result<Option<RunRecord>, StoreError> {
    Ok(runs::table
        .filter(runs::project.eq(project.as_str()))
        .filter(runs::job_id.eq(job.as_str()))
        .filter(runs::state.eq(State::Succeeded.as_str()))
        .order(runs::number.desc())
        .select(RunRecord::as_select())
        .first(c)
        .optional()?)
}

/// How a run of a job stands, for the dots beside the job's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The run.
    pub number: RunNumber,
    /// Its state.
    pub state: State,
}

#[derive(QueryableByName)]
#[diesel(check_for_backend(MultiBackend))]
struct OutcomeRow {
    #[diesel(sql_type = Text)]
    job_id: JobId,
    #[diesel(sql_type = BigInt)]
    number: RunNumber,
    #[diesel(sql_type = Text)]
    state: State,
}

/// The newest `each` runs of each job of a project, newest first, in one query. At most 200 jobs are looked at.
///
/// # Errors
/// Those of the database.
pub fn recent_outcomes(
    c: &mut Conn,
    project: &ProjectName,
    jobs: &[JobId],
    each: u32,
) -> Result<BTreeMap<JobId, Vec<Outcome>>, StoreError> {
    let mut by_job: BTreeMap<JobId, Vec<Outcome>> = BTreeMap::new();
    let jobs = jobs.get(..200).unwrap_or(jobs);
    if jobs.is_empty() {
        return Ok(by_job);
    }
    // One walk of the index a job; only numbers and fixed text are written into the statement, values are bound.
    let walks: Vec<String> = (0..jobs.len())
        .map(|i| {
            format!(
                "SELECT * FROM (SELECT job_id, number, state FROM runs WHERE project = ${} AND job_id = ${} \
                 ORDER BY number DESC LIMIT {}) AS j{i}",
                2 * i + 1,
                2 * i + 2,
                limit(each)
            )
        })
        .collect();
    let mut query = diesel::sql_query(walks.join(" UNION ALL ")).into_boxed::<MultiBackend>();
    for job in jobs {
        query = query.bind::<Text, _>(project.as_str()).bind::<Text, _>(job.as_str());
    }
    for row in query.load::<OutcomeRow>(c)? {
        by_job.entry(row.job_id).or_default().push(Outcome { number: row.number, state: row.state });
    }
    for outcomes in by_job.values_mut() {
        outcomes.sort_by_key(|o| std::cmp::Reverse(o.number));
    }
    Ok(by_job)
}

/// Removes ended runs of a project that were asked for before a time, the oldest first; their numbers, so that the
/// caller can remove their logs.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the project; those of the database.
pub fn prune(
    c: &mut Conn,
    permit: &crate::domain::access::Permit,
    project: &ProjectName,
    before: Timestamp,
    wanted: u32,
) -> Result<Vec<RunNumber>, StoreError> {
    crate::store::permit::within(permit, project)?;
    let open: Vec<&str> = State::ALL.into_iter().filter(|s| !s.is_terminal()).map(State::as_str).collect();
    let old: Vec<i64> = runs::table
        .filter(runs::project.eq(project.as_str()))
        .filter(runs::created_at.lt(stamp(before)))
        .filter(runs::state.ne_all(open))
        .order(runs::number)
        .limit(limit(wanted))
        .select(runs::number)
        .load(c)?;
    diesel::delete(runs::table.filter(runs::number.eq_any(&old))).execute(c)?;
    Ok(old.into_iter().map(RunNumber::new).collect())
}
