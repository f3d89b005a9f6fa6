//! Backtests: who asked for which, how far it is, and what came of it. Each is somebody's for a while, and is begun again if
//! they die.

use diesel::prelude::*;

use crate::domain::access::{Permit, Principal, Resource};
use crate::domain::ids::ProjectName;
use crate::domain::time::Timestamp;
use crate::store::column::{MaybeStamp, Stamp, stamp, words};
use crate::store::connection::{Conn, MultiBackend};
use crate::store::error::StoreError;
use crate::store::page::limit;
use crate::store::permit;
use crate::store::schema::backtests;

words! {
    /// How far a backtest is.
    BacktestState, "the state of a backtest" {
        /// Nobody has begun.
        Waiting => "waiting",
        /// It goes on.
        Running => "running",
        /// It is over.
        Done => "done",
        /// It broke off.
        Failed => "failed",
        /// Somebody stopped it.
        Canceled => "canceled",
    }
}

impl BacktestState {
    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Canceled)
    }
}

/// A backtest.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = backtests, check_for_backend(MultiBackend))]
pub struct BacktestRecord {
    /// Its id.
    pub id: String,
    /// The project.
    pub project: ProjectName,
    /// The rule's name.
    pub rule: String,
    /// The stored rule of that name, whose verdicts it stands beside.
    pub definition_id: Option<String>,
    /// The text that is tried.
    pub text: String,
    /// The first moment.
    #[diesel(deserialize_as = Stamp)]
    pub since: Timestamp,
    /// The moment after the last one.
    #[diesel(deserialize_as = Stamp)]
    pub until: Timestamp,
    /// Who asked for it.
    pub asked_by: Principal,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub asked_at: Timestamp,
    /// How far it is.
    pub state: BacktestState,
    /// Events that it has looked at.
    pub looked_at: i64,
    /// Events that there are; 0 while nobody has counted.
    pub total: i64,
    /// What came of it, as JSON.
    pub report: Option<String>,
    /// Why it broke off.
    pub error: String,
    /// When it was over.
    #[diesel(deserialize_as = MaybeStamp)]
    pub ended_at: Option<Timestamp>,
}

fn resource(record: &BacktestRecord) -> Resource {
    Resource::Rule { project: record.project.clone(), name: record.rule.clone() }
}

/// Stores what somebody asks for, as nobody's yet.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the rule; those of the database.
pub fn insert(c: &mut Conn, permit: &Permit, new: &BacktestRecord) -> Result<(), StoreError> {
    permit::exactly(permit, &resource(new))?;
    let row = (
        backtests::id.eq(&new.id),
        backtests::project.eq(new.project.as_str()),
        backtests::rule.eq(&new.rule),
        backtests::definition_id.eq(&new.definition_id),
        backtests::text.eq(&new.text),
        backtests::since.eq(stamp(new.since)),
        backtests::until.eq(stamp(new.until)),
        backtests::asked_by.eq(new.asked_by.to_string()),
        backtests::asked_at.eq(stamp(new.asked_at)),
        backtests::state.eq(BacktestState::Waiting.as_str()),
        backtests::looked_at.eq(0),
        backtests::total.eq(0),
        backtests::error.eq(""),
    );
    diesel::insert_into(backtests::table).values(row).execute(c)?;
    Ok(())
}

/// The backtest of this id.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get(c: &mut Conn, id: &str) -> Result<BacktestRecord, StoreError> {
    let found = backtests::table.find(id).select(BacktestRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| StoreError::not_found("the backtest"))
}

/// The backtests of a rule, the newest first.
///
/// # Errors
/// Those of the database.
pub fn of_rule(
    c: &mut Conn,
    project: &ProjectName,
    rule: &str,
    wanted: u32,
) -> Result<Vec<BacktestRecord>, StoreError> {
    Ok(backtests::table
        .filter(backtests::project.eq(project.as_str()))
        .filter(backtests::rule.eq(rule))
        .order((backtests::asked_at.desc(), backtests::id.desc()))
        .limit(limit(wanted))
        .select(BacktestRecord::as_select())
        .load(c)?)
}

/// How many of somebody's are not over.
///
/// # Errors
/// Those of the database.
pub fn open_of(c: &mut Conn, who: &Principal) -> Result<i64, StoreError> {
    let open = backtests::table.filter(backtests::ended_at.is_null());
    Ok(open.filter(backtests::asked_by.eq(who.to_string())).count().get_result(c)?)
}

/// The oldest that nobody works on and that was asked for before a time: left over where a server died.
///
/// # Errors
/// Those of the database.
pub fn forsaken(c: &mut Conn, now: Timestamp, before: Timestamp) -> Result<Option<String>, StoreError> {
    Ok(backtests::table
        .filter(backtests::ended_at.is_null())
        .filter(backtests::asked_at.lt(stamp(before)))
        .filter(free(now))
        .order((backtests::asked_at, backtests::id))
        .select(backtests::id)
        .first(c)
        .optional()?)
}

type Condition = Box<dyn BoxableExpression<backtests::table, MultiBackend, SqlType = diesel::sql_types::Bool>>;

fn free(now: Timestamp) -> Condition {
    Box::new(backtests::claim_until.is_null().or(backtests::claim_until.lt(stamp(now))).assume_not_null())
}

/// Takes a backtest that nobody works on, until a time. Whether it is the taker's; it begins from the start.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn claim(
    c: &mut Conn,
    permit: &Permit,
    id: &str,
    claim: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change = (
        backtests::claim.eq(claim),
        backtests::claim_until.eq(stamp(until)),
        backtests::state.eq(BacktestState::Running.as_str()),
        backtests::looked_at.eq(0),
    );
    let open = backtests::table.filter(backtests::id.eq(id)).filter(backtests::ended_at.is_null());
    Ok(diesel::update(open.filter(free(now))).set(change).execute(c)? == 1)
}

/// Notes how far it is, and keeps it until a time. Whether it is still to go on.
///
/// # Errors
/// As [`claim`].
pub fn advance(
    c: &mut Conn,
    permit: &Permit,
    (id, claim): (&str, &str),
    (looked_at, total): (i64, i64),
    until: Timestamp,
) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let change =
        (backtests::claim_until.eq(stamp(until)), backtests::looked_at.eq(looked_at), backtests::total.eq(total));
    Ok(diesel::update(backtests::table.filter(mine(id, claim))).set(change).execute(c)? == 1)
}

/// What still goes on by this claim.
fn mine(id: &str, claim: &str) -> Condition {
    let own = backtests::id.eq(id.to_owned()).and(backtests::claim.eq(claim.to_owned())).assume_not_null();
    Box::new(own.and(backtests::ended_at.is_null()))
}

/// Ends it, with its report or why there is none. Whether it was still to go on.
///
/// # Errors
/// As [`claim`].
pub fn finish(
    c: &mut Conn,
    permit: &Permit,
    (id, claim): (&str, &str),
    looked_at: i64,
    report: Result<&str, &str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let state = if report.is_ok() { BacktestState::Done } else { BacktestState::Failed };
    let change = (
        backtests::state.eq(state.as_str()),
        backtests::looked_at.eq(looked_at),
        backtests::report.eq(report.ok()),
        backtests::error.eq(report.err().unwrap_or_default()),
        backtests::ended_at.eq(stamp(now)),
    );
    Ok(diesel::update(backtests::table.filter(mine(id, claim))).set(change).execute(c)? == 1)
}

/// Stops it. Whether it was not over yet; whoever works on it finds out at the next step.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::PermitMismatch`] without a permit for the rule; those of the database.
pub fn cancel(c: &mut Conn, permit: &Permit, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    permit::exactly(permit, &resource(&get(c, id)?))?;
    let open = backtests::table.filter(backtests::id.eq(id)).filter(backtests::ended_at.is_null());
    let change = (backtests::state.eq(BacktestState::Canceled.as_str()), backtests::ended_at.eq(stamp(now)));
    Ok(diesel::update(open).set(change).execute(c)? == 1)
}

/// Removes those that were asked for before a time.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn prune(c: &mut Conn, permit: &Permit, before: Timestamp) -> Result<usize, StoreError> {
    permit::system(permit)?;
    Ok(diesel::delete(backtests::table.filter(backtests::asked_at.lt(stamp(before)))).execute(c)?)
}
