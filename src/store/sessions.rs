//! Signed-in browsers. A session is known by the digest of its cookie, so the table alone opens nothing.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::domain::access::Permit;
use crate::domain::digest::Digest;
use crate::domain::ids::{GroupName, UserName};
use crate::domain::time::Timestamp;

use super::column::{Json, MaybeStamp, Stamp, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::{sessions, users};

/// A session.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
pub struct SessionRecord {
    /// SHA-256 of the cookie's value.
    pub id_hash: Digest,
    /// Whose.
    #[diesel(column_name = user_name)]
    pub user: UserName,
    /// The token that unsafe requests carry.
    pub csrf: String,
    /// When it was opened.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// When it was last used, to the precision of [`touch`].
    #[diesel(deserialize_as = Stamp)]
    pub last_seen_at: Timestamp,
    /// When the password was last typed.
    #[diesel(deserialize_as = Stamp)]
    pub authenticated_at: Timestamp,
    /// When it ends by itself.
    #[diesel(deserialize_as = Stamp)]
    pub expires_at: Timestamp,
    /// When it was ended by hand.
    #[diesel(deserialize_as = MaybeStamp)]
    pub ended_at: Option<Timestamp>,
    /// The address that opened it.
    pub ip: String,
    /// The browser that opened it.
    pub user_agent: String,
}

impl std::fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionRecord").field("user", &self.user).finish_non_exhaustive()
    }
}

/// A live session with what is known of its user now.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(check_for_backend(MultiBackend))]
pub struct LiveSession {
    /// The session.
    #[diesel(embed)]
    pub session: SessionRecord,
    /// The user's groups now.
    #[diesel(select_expression = users::group_names, deserialize_as = Json<BTreeSet<GroupName>>)]
    pub groups: BTreeSet<GroupName>,
    /// Whether the user administers the installation now.
    #[diesel(select_expression = users::administrator)]
    pub administrator: bool,
}

/// A session to be opened.
#[derive(Clone)]
pub struct NewSession {
    /// SHA-256 of the cookie's value.
    pub id_hash: Digest,
    /// Whose.
    pub user: UserName,
    /// The token that unsafe requests carry.
    pub csrf: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The address.
    pub ip: String,
    /// The browser, shortened by the caller.
    pub user_agent: String,
}

/// Opens a session for somebody who has just proven who they are.
///
/// # Errors
/// Those of the database.
pub fn open(c: &mut Conn, new: &NewSession, now: Timestamp) -> Result<(), StoreError> {
    let now = stamp(now);
    let row = (
        sessions::id_hash.eq(new.id_hash.to_string()),
        sessions::user_name.eq(new.user.as_str()),
        sessions::csrf.eq(&new.csrf),
        sessions::created_at.eq(now),
        sessions::last_seen_at.eq(now),
        sessions::authenticated_at.eq(now),
        sessions::expires_at.eq(stamp(new.expires_at)),
        sessions::ip.eq(&new.ip),
        sessions::user_agent.eq(&new.user_agent),
    );
    diesel::insert_into(sessions::table).values(row).execute(c)?;
    Ok(())
}

/// The session, if it is neither ended nor expired and its user is active.
///
/// # Errors
/// Those of the database.
pub fn find_live(c: &mut Conn, id: &Digest, now: Timestamp) -> Result<Option<LiveSession>, StoreError> {
    Ok(sessions::table
        .inner_join(users::table)
        .filter(sessions::id_hash.eq(id.to_string()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(stamp(now)))
        .filter(users::active.eq(true))
        .select(LiveSession::as_select())
        .first(c)
        .optional()?)
}

/// Notes that the session was used. Callers do so once a minute, not with each request.
///
/// # Errors
/// Those of the database.
pub fn touch(c: &mut Conn, id: &Digest, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(sessions::table.find(id.to_string())).set(sessions::last_seen_at.eq(stamp(now))).execute(c)?;
    Ok(())
}

/// Notes that the password was typed again.
///
/// # Errors
/// [`StoreError::NotFound`] when the session has ended; those of the database.
pub fn reauthenticate(c: &mut Conn, id: &Digest, now: Timestamp) -> Result<(), StoreError> {
    let open = sessions::table
        .filter(sessions::id_hash.eq(id.to_string()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(stamp(now)));
    let change = (sessions::authenticated_at.eq(stamp(now)), sessions::last_seen_at.eq(stamp(now)));
    match diesel::update(open).set(change).execute(c)? {
        1 => Ok(()),
        _ => Err(StoreError::not_found("open session")),
    }
}

/// Ends one session of the user; whether it was open.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the account; those of the database.
pub fn end(c: &mut Conn, permit: &Permit, user: &UserName, id: &Digest, now: Timestamp) -> Result<bool, StoreError> {
    permit::account(permit, user)?;
    let open = sessions::table
        .filter(sessions::id_hash.eq(id.to_string()))
        .filter(sessions::user_name.eq(user.as_str()))
        .filter(sessions::ended_at.is_null());
    Ok(diesel::update(open).set(sessions::ended_at.eq(stamp(now))).execute(c)? == 1)
}

/// Ends all sessions of the user but the one given; how many.
///
/// # Errors
/// As [`end`].
pub fn end_all(
    c: &mut Conn,
    permit: &Permit,
    user: &UserName,
    except: Option<&Digest>,
    now: Timestamp,
) -> Result<usize, StoreError> {
    permit::account(permit, user)?;
    let kept = except.map(Digest::to_string).unwrap_or_default();
    let open = sessions::table
        .filter(sessions::user_name.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::id_hash.ne(kept));
    Ok(diesel::update(open).set(sessions::ended_at.eq(stamp(now))).execute(c)?)
}

/// The user's sessions that are open now, newest first.
///
/// # Errors
/// Those of the database.
pub fn list_live(c: &mut Conn, user: &UserName, now: Timestamp, wanted: u32) -> Result<Vec<SessionRecord>, StoreError> {
    Ok(sessions::table
        .filter(sessions::user_name.eq(user.as_str()))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::expires_at.gt(stamp(now)))
        .order((sessions::created_at.desc(), sessions::id_hash.desc()))
        .limit(limit(wanted))
        .select(SessionRecord::as_select())
        .load(c)?)
}

/// Removes sessions that expired before a time; how many.
///
/// # Errors
/// Those of the database.
pub fn prune(c: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    Ok(diesel::delete(sessions::table.filter(sessions::expires_at.lt(stamp(before)))).execute(c)?)
}
