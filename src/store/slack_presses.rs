//! Presses of buttons in Slack that were taken: each counts once.

use diesel::prelude::*;

use super::column::stamp;
use super::connection::Conn;
use super::error::StoreError;
use super::permit;
use super::schema::slack_presses as rows;
use crate::domain::access::Permit;
use crate::domain::digest::Digest;
use crate::domain::time::Timestamp;

/// Takes a press, by the digest of its signed request; whether nobody has before.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database, also where the same press
/// is taken at the same moment.
pub fn take(c: &mut Conn, permit: &Permit, digest: &Digest, now: Timestamp) -> Result<bool, StoreError> {
    permit::system(permit)?;
    let there = rows::table.find(digest.to_string());
    if diesel::select(diesel::dsl::exists(there)).get_result(c)? {
        return Ok(false);
    }
    let row = (rows::digest.eq(digest.to_string()), rows::pressed_at.eq(stamp(now)));
    Ok(diesel::insert_into(rows::table).values(row).execute(c)? == 1)
}

/// Forgets presses from before a time, which are too old to be taken anyway; how many.
///
/// # Errors
/// As [`take`].
pub fn prune(c: &mut Conn, permit: &Permit, before: Timestamp) -> Result<usize, StoreError> {
    permit::system(permit)?;
    Ok(diesel::delete(rows::table.filter(rows::pressed_at.lt(stamp(before)))).execute(c)?)
}
