//! What rules did, or in dry run would have done: once for each event and revision; and who has a dedupe key.

use diesel::prelude::*;

use crate::domain::access::{Permit, Principal, Resource};
use crate::domain::guard::breaker::Counts;
use crate::domain::ids::{EventId, ProjectName, RunNumber};
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::store::column::{MaybeStamp, Stamp, stamp, words};
use crate::store::connection::{Conn, MultiBackend, on_each};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::permit;
use crate::store::schema::{enforcements, rule_claims, runs};

words! {
    /// What somebody thinks of something that a rule would have done.
    Mark, "a mark" {
        /// It would have been right.
        Right => "right",
        /// It would have been wrong.
        Wrong => "wrong",
    }
}

/// Something that a rule did or would have done.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = enforcements, check_for_backend(MultiBackend))]
pub struct EnforcementRecord {
    /// Its id.
    pub id: String,
    /// The event.
    pub event_id: EventId,
    /// The rule's definition.
    pub definition_id: String,
    /// Its revision.
    pub revision: i64,
    /// The project.
    pub project: ProjectName,
    /// The rule's name then.
    pub rule: String,
    /// Whether it was done.
    pub live: bool,
    /// `run`, `notify` or `nothing`.
    pub action: String,
    /// What the rate limit counts it by.
    pub rate_key: Option<String>,
    /// What the breaker counts it by.
    pub breaker_key: Option<String>,
    /// How many nodes it touches.
    pub nodes: i32,
    /// The run that it asked for.
    pub run: Option<RunNumber>,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// What somebody thinks of it.
    pub mark: Option<Mark>,
    /// Who.
    pub marked_by: Option<Principal>,
    /// When they said so.
    #[diesel(deserialize_as = MaybeStamp)]
    pub marked_at: Option<Timestamp>,
}

fn of_rule(record: &EnforcementRecord) -> Resource {
    Resource::Rule { project: record.project.clone(), name: record.rule.clone() }
}

/// Stores it unless the event and revision have one.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the rule; those of the database.
pub fn insert_once(c: &mut Conn, permit: &Permit, new: &EnforcementRecord) -> Result<bool, StoreError> {
    permit::exactly(permit, &of_rule(new))?;
    let row = (
        enforcements::id.eq(&new.id),
        enforcements::event_id.eq(new.event_id.to_string()),
        enforcements::definition_id.eq(&new.definition_id),
        enforcements::revision.eq(new.revision),
        enforcements::project.eq(new.project.as_str()),
        enforcements::rule.eq(&new.rule),
        enforcements::live.eq(new.live),
        enforcements::action.eq(&new.action),
        enforcements::rate_key.eq(&new.rate_key),
        enforcements::breaker_key.eq(&new.breaker_key),
        enforcements::nodes.eq(new.nodes),
        enforcements::run.eq(new.run.map(RunNumber::get)),
        enforcements::created_at.eq(stamp(new.created_at)),
    );
    let once = (enforcements::event_id, enforcements::definition_id, enforcements::revision);
    let rows = on_each!(c, c => diesel::insert_into(enforcements::table)
        .values(row)
        .on_conflict(once)
        .do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}

/// Notes the run that it asked for.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::PermitMismatch`]; those of the database.
pub fn set_run(c: &mut Conn, permit: &Permit, id: &str, run: RunNumber) -> Result<(), StoreError> {
    permit::exactly(permit, &of_rule(&get(c, id)?))?;
    diesel::update(enforcements::table.find(id)).set(enforcements::run.eq(run.get())).execute(c)?;
    Ok(())
}

/// Marks something that would have been done.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::Conflict`] for what was really done; [`StoreError::PermitMismatch`]; those of
/// the database.
pub fn set_mark(c: &mut Conn, permit: &Permit, id: &str, mark: Mark, now: Timestamp) -> Result<(), StoreError> {
    let there = get(c, id)?;
    permit::exactly(permit, &of_rule(&there))?;
    if there.live {
        return Err(StoreError::conflict("only what a rule would have done in dry run can be marked"));
    }
    let change = (
        enforcements::mark.eq(mark.as_str()),
        enforcements::marked_by.eq(permit.actor().principal.to_string()),
        enforcements::marked_at.eq(stamp(now)),
    );
    diesel::update(enforcements::table.find(id)).set(change).execute(c)?;
    Ok(())
}

/// One of them.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get(c: &mut Conn, id: &str) -> Result<EnforcementRecord, StoreError> {
    let found = enforcements::table.find(id).select(EnforcementRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| StoreError::not_found(format!("enforcement {id}")))
}

/// The one of an event and revision, if there is one.
///
/// # Errors
/// Those of the database.
pub fn find(
    c: &mut Conn,
    event: EventId,
    definition: &str,
    revision: i64,
) -> Result<Option<EnforcementRecord>, StoreError> {
    Ok(enforcements::table
        .filter(enforcements::event_id.eq(event.to_string()))
        .filter(enforcements::definition_id.eq(definition))
        .filter(enforcements::revision.eq(revision))
        .select(EnforcementRecord::as_select())
        .first(c)
        .optional()?)
}

/// The newest of a rule, from a revision on; done, or only thought of.
///
/// # Errors
/// Those of the database.
pub fn list(
    c: &mut Conn,
    definition: &str,
    from_revision: i64,
    live: bool,
    wanted: u32,
) -> Result<Vec<EnforcementRecord>, StoreError> {
    Ok(enforcements::table
        .filter(enforcements::definition_id.eq(definition))
        .filter(enforcements::revision.ge(from_revision))
        .filter(enforcements::live.eq(live))
        .order((enforcements::created_at.desc(), enforcements::id.desc()))
        .limit(limit(wanted))
        .select(EnforcementRecord::as_select())
        .load(c)?)
}

/// How many would-have-done there are from a revision on, and how many of them are marked right and wrong.
///
/// # Errors
/// Those of the database.
pub fn marks(c: &mut Conn, definition: &str, from_revision: i64) -> Result<(i64, i64, i64), StoreError> {
    let of = |mark: Option<Mark>, c: &mut Conn| {
        let mut query = enforcements::table
            .filter(enforcements::definition_id.eq(definition))
            .filter(enforcements::revision.ge(from_revision))
            .filter(enforcements::live.eq(false))
            .into_boxed();
        if let Some(mark) = mark {
            query = query.filter(enforcements::mark.eq(mark.as_str()));
        }
        query.count().get_result::<i64>(c)
    };
    Ok((of(None, c)?, of(Some(Mark::Right), c)?, of(Some(Mark::Wrong), c)?))
}

/// The past of a rule in one mode that a count is about.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// The rule's definition.
    pub definition: &'a str,
    /// Done, or only thought of.
    pub live: bool,
    /// From when on.
    pub since: Timestamp,
}

/// How many actions there were, for a key of the rate limit where one is given.
///
/// # Errors
/// Those of the database.
pub fn count_rate(c: &mut Conn, past: Past<'_>, key: Option<&str>) -> Result<u32, StoreError> {
    let mut query = enforcements::table
        .filter(enforcements::definition_id.eq(past.definition))
        .filter(enforcements::live.eq(past.live))
        .filter(enforcements::created_at.gt(stamp(past.since)))
        .into_boxed();
    if let Some(key) = key {
        query = query.filter(enforcements::rate_key.eq(key));
    }
    Ok(whole(query.count().get_result(c)?))
}

/// How many nodes were touched.
///
/// # Errors
/// Those of the database.
pub fn count_nodes(c: &mut Conn, past: Past<'_>) -> Result<u32, StoreError> {
    let sum: Option<i64> = enforcements::table
        .filter(enforcements::definition_id.eq(past.definition))
        .filter(enforcements::live.eq(past.live))
        .filter(enforcements::created_at.gt(stamp(past.since)))
        .select(diesel::dsl::sum(enforcements::nodes))
        .first(c)?;
    Ok(whole(sum.unwrap_or(0)))
}

/// What a breaker counts.
///
/// # Errors
/// Those of the database.
pub fn count_breaker(c: &mut Conn, past: Past<'_>, key: Option<&str>) -> Result<Counts, StoreError> {
    let mut counts = Counts { in_all: count_rate(c, past, None)?, ..Counts::default() };
    let rows: Vec<(Option<String>, Option<i64>)> = enforcements::table
        .filter(enforcements::definition_id.eq(past.definition))
        .filter(enforcements::live.eq(past.live))
        .filter(enforcements::created_at.gt(stamp(past.since)))
        .order(enforcements::created_at.desc())
        .limit(1_000)
        .select((enforcements::breaker_key, enforcements::run))
        .load(c)?;
    counts.by_key = whole(i64::try_from(rows.iter().filter(|(k, _)| k.as_deref() == key).count()).unwrap_or(i64::MAX));
    let numbers: Vec<i64> = rows.iter().filter_map(|(_, run)| *run).collect();
    let states: Vec<State> = runs::table.filter(runs::number.eq_any(numbers)).select(runs::state).load(c)?;
    for state in states.into_iter().filter(|s| s.is_terminal()) {
        counts.ended += 1;
        counts.failed += u32::from(state != State::Succeeded);
    }
    Ok(counts)
}

fn whole(count: i64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Takes a dedupe key for an event until a time, if nobody has it now. Of many at once, one gets it.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the rule; those of the database.
pub fn claim(
    c: &mut Conn,
    permit: &Permit,
    new: &EnforcementRecord,
    key: &str,
    until: Timestamp,
) -> Result<bool, StoreError> {
    permit::exactly(permit, &of_rule(new))?;
    let holder = (rule_claims::event_id.eq(new.event_id.to_string()), rule_claims::until.eq(stamp(until)));
    let expired = rule_claims::table
        .filter(rule_claims::definition_id.eq(&new.definition_id))
        .filter(rule_claims::live.eq(new.live))
        .filter(rule_claims::key.eq(key))
        .filter(rule_claims::until.le(stamp(new.created_at)));
    if diesel::update(expired).set(holder.clone()).execute(c)? == 1 {
        return Ok(true);
    }
    let row = (
        rule_claims::definition_id.eq(&new.definition_id),
        rule_claims::live.eq(new.live),
        rule_claims::key.eq(key),
        holder,
    );
    let rows = on_each!(c, c => diesel::insert_into(rule_claims::table)
        .values(row)
        .on_conflict((rule_claims::definition_id, rule_claims::live, rule_claims::key))
        .do_nothing()
        .execute(c))?;
    Ok(rows == 1)
}

/// Removes claims that ended before a time, and enforcements of a project from before another.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit in the project; those of the database.
pub fn prune(c: &mut Conn, permit: &Permit, project: &ProjectName, before: Timestamp) -> Result<usize, StoreError> {
    permit::within(permit, project)?;
    diesel::delete(rule_claims::table.filter(rule_claims::until.lt(stamp(before)))).execute(c)?;
    let old = enforcements::table
        .filter(enforcements::project.eq(project.as_str()))
        .filter(enforcements::created_at.lt(stamp(before)));
    Ok(diesel::delete(old).execute(c)?)
}
