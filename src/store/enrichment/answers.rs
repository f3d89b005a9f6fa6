//! What was answered from outside, for a while, and how often it was asked.

use diesel::prelude::*;

use super::EnricherRef;
use crate::domain::access::Permit;
use crate::domain::digest::Digest;
use crate::domain::enricher::label::Label;
use crate::domain::time::Timestamp;
use crate::store::column::{Json, json, stamp};
use crate::store::connection::{Conn, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::{enricher_answers, enricher_calls};

/// What was answered to the question of this key, while that still holds.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, key: &Digest, now: Timestamp) -> Result<Option<Label>, StoreError> {
    let found = enricher_answers::table
        .find(key.to_string())
        .filter(enricher_answers::until.gt(stamp(now)))
        .select(enricher_answers::label)
        .first::<Json<Label>>(c)
        .optional()?;
    Ok(found.map(|json| json.0))
}

/// Remembers an answer until then, in place of an earlier one.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the enricher; those of the database.
pub fn remember(
    c: &mut Conn,
    permit: &Permit,
    by: &EnricherRef,
    key: &Digest,
    label: &Label,
    until: Timestamp,
) -> Result<(), StoreError> {
    permit::exactly(permit, &by.resource())?;
    let change = (enricher_answers::label.eq(json(label)?), enricher_answers::until.eq(stamp(until)));
    let row =
        (enricher_answers::key.eq(key.to_string()), enricher_answers::definition_id.eq(&by.definition), change.clone());
    on_each!(c, c => diesel::insert_into(enricher_answers::table)
        .values(row)
        .on_conflict(enricher_answers::key)
        .do_nothing()
        .execute(c))?;
    diesel::update(enricher_answers::table.find(key.to_string())).set(change).execute(c)?;
    Ok(())
}

/// Takes one call out of a window's budget. False where nothing is left of it, whichever server spent it.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the enricher; those of the database.
pub fn spend(
    c: &mut Conn,
    permit: &Permit,
    by: &EnricherRef,
    since: Timestamp,
    until: Timestamp,
    most: u32,
) -> Result<bool, StoreError> {
    permit::exactly(permit, &by.resource())?;
    let row = (
        enricher_calls::definition_id.eq(&by.definition),
        enricher_calls::since.eq(stamp(since)),
        enricher_calls::until.eq(stamp(until)),
        enricher_calls::calls.eq(0_i64),
    );
    on_each!(c, c => diesel::insert_into(enricher_calls::table)
        .values(row)
        .on_conflict((enricher_calls::definition_id, enricher_calls::since))
        .do_nothing()
        .execute(c))?;
    // In one statement: of two that take the last one on PostgreSQL, the second waits here and finds nothing left.
    let left =
        enricher_calls::table.find((&by.definition, stamp(since))).filter(enricher_calls::calls.lt(i64::from(most)));
    Ok(diesel::update(left).set(enricher_calls::calls.eq(enricher_calls::calls + 1)).execute(c)? == 1)
}

/// How many calls of a window are spent.
///
/// # Errors
/// Those of the database.
pub fn spent(c: &mut Conn, definition: &str, since: Timestamp) -> Result<i64, StoreError> {
    let found = enricher_calls::table.find((definition, stamp(since))).select(enricher_calls::calls);
    Ok(found.first(c).optional()?.unwrap_or(0))
}

/// Removes what holds no longer; how much.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn prune(c: &mut Conn, permit: &Permit, now: Timestamp) -> Result<usize, StoreError> {
    permit::system(permit)?;
    let answers = diesel::delete(enricher_answers::table.filter(enricher_answers::until.le(stamp(now)))).execute(c)?;
    Ok(answers + diesel::delete(enricher_calls::table.filter(enricher_calls::until.le(stamp(now)))).execute(c)?)
}
