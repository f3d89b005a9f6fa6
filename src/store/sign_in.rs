//! Bookkeeping of sign-in: failures by account, and one-time set-up links. Nobody is known yet, so no permits.

use diesel::prelude::*;

use crate::domain::digest::Digest;
use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::schema::{login_failures, setup_links};

/// Failed attempts since the last success.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = login_failures, check_for_backend(MultiBackend))]
pub struct Failures {
    /// How many.
    #[diesel(column_name = failures)]
    pub count: i32,
    /// When the last one was.
    #[diesel(deserialize_as = Stamp)]
    pub last_at: Timestamp,
}

/// The failures of an account name, also of one that does not exist.
///
/// # Errors
/// Those of the database.
pub fn failures(c: &mut Conn, account: &str) -> Result<Option<Failures>, StoreError> {
    Ok(login_failures::table.find(account).select(Failures::as_select()).first(c).optional()?)
}

/// Counts one more failure.
///
/// # Errors
/// Those of the database.
pub fn add_failure(c: &mut Conn, account: &str, now: Timestamp) -> Result<Failures, StoreError> {
    use login_failures as f;
    let row = (f::account.eq(account), f::failures.eq(1), f::last_at.eq(stamp(now)));
    let more = (f::failures.eq(f::failures + 1), f::last_at.eq(stamp(now)));
    super::connection::on_each!(c, c => diesel::insert_into(f::table)
        .values(row)
        .on_conflict(f::account)
        .do_update()
        .set(more)
        .execute(c))?;
    failures(c, account)?.ok_or_else(|| StoreError::not_found("count of failures"))
}

/// Forgets the failures after a success.
///
/// # Errors
/// Those of the database.
pub fn clear_failures(c: &mut Conn, account: &str) -> Result<(), StoreError> {
    diesel::delete(login_failures::table.find(account)).execute(c)?;
    Ok(())
}

/// Forgets failures before a time; how many accounts.
///
/// # Errors
/// Those of the database.
pub fn prune_failures(c: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    Ok(diesel::delete(login_failures::table.filter(login_failures::last_at.lt(stamp(before)))).execute(c)?)
}

/// Remembers a set-up link by the digest of its token.
///
/// # Errors
/// Those of the database.
pub fn add_setup_link(c: &mut Conn, token: &Digest, now: Timestamp) -> Result<(), StoreError> {
    let row = (setup_links::token_hash.eq(token.to_string()), setup_links::created_at.eq(stamp(now)));
    diesel::insert_into(setup_links::table).values(row).execute(c)?;
    Ok(())
}

/// Uses up a set-up link that was made after `not_before`; `false` when it is unknown, too old or used already. Of two
/// that come at once only one succeeds.
///
/// # Errors
/// Those of the database.
pub fn use_setup_link(c: &mut Conn, token: &Digest, not_before: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
    let open = setup_links::table
        .filter(setup_links::token_hash.eq(token.to_string()))
        .filter(setup_links::used_at.is_null())
        .filter(setup_links::created_at.ge(stamp(not_before)));
    Ok(diesel::update(open).set(setup_links::used_at.eq(stamp(now))).execute(c)? == 1)
}
