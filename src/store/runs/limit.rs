//! What a job's limit counts: the runs of one concurrency key that are under way, and those that are about to be.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::RunRecord;
use crate::domain::digest::Digest;
use crate::domain::run::State;
use crate::store::connection::Conn;
use crate::store::error::StoreError;
use crate::store::schema::runs;

const UNDER_WAY: [State; 2] = [State::Running, State::Canceling];
const AND_NEXT: [State; 3] = [State::Queued, State::Running, State::Canceling];

/// Makes whoever holds the same key wait until this transaction is over, so that what is counted in it stays true. SQLite
/// has one writer at a time anyway.
///
/// # Errors
/// Those of the database.
pub fn hold_limit(c: &mut Conn, key: &str) -> Result<(), StoreError> {
    let Conn::Postgres(c) = c else { return Ok(()) };
    let digest = Digest::of(format!("run limit {key}").as_bytes());
    let number = digest.as_bytes().iter().take(8).fold(0_u64, |n, byte| (n << 8) | u64::from(*byte)).cast_signed();
    Ok(c.batch_execute(&format!("SELECT pg_advisory_xact_lock({number})"))?)
}

/// How many runs with this concurrency key are under way.
///
/// # Errors
/// Those of the database.
pub fn count_under_way(c: &mut Conn, key: &str) -> Result<i64, StoreError> {
    let some =
        runs::table.filter(runs::concurrency_key.eq(key)).filter(runs::state.eq_any(UNDER_WAY.map(State::as_str)));
    Ok(some.count().get_result(c)?)
}

/// The runs with this concurrency key that are under way or start as soon as they can.
///
/// # Errors
/// Those of the database.
pub fn under_way_and_next(c: &mut Conn, key: &str) -> Result<Vec<RunRecord>, StoreError> {
    let mut found: Vec<RunRecord> = runs::table
        .filter(runs::concurrency_key.eq(key))
        .filter(runs::state.eq_any(AND_NEXT.map(State::as_str)))
        .select(RunRecord::as_select())
        .load(c)?;
    found.sort_unstable_by_key(|run| run.number);
    Ok(found)
}
