//! What a source has seen already.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::Standpoint;
use crate::domain::access::Permit;
use crate::domain::time::Timestamp;
use crate::store::column::stamp;
use crate::store::connection::{Conn, on_each};
use crate::store::error::StoreError;
use crate::store::permit;
use crate::store::schema::source_seen;

/// Keys in one statement.
const PIECE: usize = 400;

/// Everything that is remembered: each key, and whether it was gone when it was looked at last.
///
/// # Errors
/// Those of the database.
pub fn all(c: &mut Conn, definition: &str) -> Result<BTreeMap<String, bool>, StoreError> {
    let rows = source_seen::table
        .filter(source_seen::definition_id.eq(definition))
        .select((source_seen::key, source_seen::gone_at.is_not_null()))
        .load::<(String, bool)>(c)?;
    Ok(rows.into_iter().collect())
}

/// Remembers these keys, of which none is remembered yet.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn add(c: &mut Conn, permit: &Permit, at: &Standpoint, keys: &[String]) -> Result<(), StoreError> {
    permit::exactly(permit, &at.resource())?;
    for piece in keys.chunks(PIECE) {
        let rows: Vec<_> =
            piece.iter().map(|key| (source_seen::definition_id.eq(&at.definition), source_seen::key.eq(key))).collect();
        on_each!(c, c => diesel::insert_into(source_seen::table).values(rows).execute(c))?;
    }
    Ok(())
}

/// Notes since when these keys are gone, or that they are there again.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn set_gone(
    c: &mut Conn,
    permit: &Permit,
    at: &Standpoint,
    keys: &[String],
    gone_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    permit::exactly(permit, &at.resource())?;
    for piece in keys.chunks(PIECE) {
        let these = source_seen::table
            .filter(source_seen::definition_id.eq(&at.definition))
            .filter(source_seen::key.eq_any(piece.to_vec()));
        diesel::update(these).set(source_seen::gone_at.eq(gone_at.map(stamp))).execute(c)?;
    }
    Ok(())
}

/// Forgets what is gone since before then, and of what is gone the oldest until no more than `most` are left in all.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn age(c: &mut Conn, permit: &Permit, at: &Standpoint, before: Timestamp, most: i64) -> Result<(), StoreError> {
    permit::exactly(permit, &at.resource())?;
    let own = || source_seen::table.filter(source_seen::definition_id.eq(&at.definition));
    diesel::delete(own().filter(source_seen::gone_at.lt(stamp(before)))).execute(c)?;
    let count: i64 = own().count().get_result(c)?;
    if count > most {
        let oldest: Vec<String> = own()
            .filter(source_seen::gone_at.is_not_null())
            .order(source_seen::gone_at)
            .limit(count - most)
            .select(source_seen::key)
            .load(c)?;
        for piece in oldest.chunks(PIECE) {
            diesel::delete(own().filter(source_seen::key.eq_any(piece.to_vec()))).execute(c)?;
        }
    }
    Ok(())
}

/// Forgets everything that a source has seen.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the source; those of the database.
pub fn clear(c: &mut Conn, permit: &Permit, at: &Standpoint) -> Result<(), StoreError> {
    permit::exactly(permit, &at.resource())?;
    diesel::delete(source_seen::table.filter(source_seen::definition_id.eq(&at.definition))).execute(c)?;
    Ok(())
}
