//! API tokens, known by the digest of the token.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::domain::access::{Permission, Permit, Principal};
use crate::domain::digest::Digest;
use crate::domain::time::Timestamp;

use super::column::{MaybeJson, MaybeStamp, Stamp, json, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::api_tokens;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = api_tokens, check_for_backend(MultiBackend))]
pub struct TokenRecord {
    /// Its id, for pages and the record.
    pub id: String,
    /// SHA-256 of the token.
    pub token_hash: Digest,
    /// On whose behalf it acts.
    pub principal: Principal,
    /// What its owner calls it.
    pub label: String,
    /// The permissions that it is narrowed to; `None` is all that its owner has.
    #[diesel(deserialize_as = MaybeJson<BTreeSet<Permission>>)]
    pub scopes: Option<BTreeSet<Permission>>,
    /// When it was made.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[diesel(deserialize_as = MaybeStamp)]
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    #[diesel(deserialize_as = MaybeStamp)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[diesel(deserialize_as = MaybeStamp)]
    pub revoked_at: Option<Timestamp>,
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its id.
    pub id: String,
    /// SHA-256 of the token.
    pub token_hash: Digest,
    /// On whose behalf it acts.
    pub principal: Principal,
    /// What its owner calls it.
    pub label: String,
    /// The permissions that it is narrowed to.
    pub scopes: Option<BTreeSet<Permission>>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

fn owner(permit: &Permit, principal: &Principal) -> Result<(), StoreError> {
    match principal {
        Principal::User(name) => permit::account(permit, name),
        _ => permit::system(permit),
    }
}

/// Makes a token.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the owner's account (for a service account: for the
/// installation); those of the database.
pub fn create(c: &mut Conn, permit: &Permit, new: &NewToken, now: Timestamp) -> Result<TokenRecord, StoreError> {
    owner(permit, &new.principal)?;
    let row = (
        api_tokens::id.eq(&new.id),
        api_tokens::token_hash.eq(new.token_hash.to_string()),
        api_tokens::principal.eq(new.principal.to_string()),
        api_tokens::label.eq(&new.label),
        api_tokens::scopes.eq(new.scopes.as_ref().map(json).transpose()?),
        api_tokens::created_at.eq(stamp(now)),
        api_tokens::expires_at.eq(new.expires_at.map(stamp)),
    );
    diesel::insert_into(api_tokens::table).values(row).execute(c)?;
    get(c, &new.id)?.ok_or_else(|| StoreError::not_found("token, although it was just written"))
}

/// The token with this digest, unless it is revoked or expired. Whether its owner is still active is the caller's check.
///
/// # Errors
/// Those of the database.
pub fn find_live(c: &mut Conn, token: &Digest, now: Timestamp) -> Result<Option<TokenRecord>, StoreError> {
    Ok(api_tokens::table
        .filter(api_tokens::token_hash.eq(token.to_string()))
        .filter(api_tokens::revoked_at.is_null())
        .filter(api_tokens::expires_at.is_null().or(api_tokens::expires_at.gt(stamp(now))))
        .select(TokenRecord::as_select())
        .first(c)
        .optional()?)
}

/// The token of this id, also a dead one.
///
/// # Errors
/// Those of the database.
pub fn get(c: &mut Conn, id: &str) -> Result<Option<TokenRecord>, StoreError> {
    Ok(api_tokens::table.find(id).select(TokenRecord::as_select()).first(c).optional()?)
}

/// Notes that the token was used. Callers do so once a minute, not with each request.
///
/// # Errors
/// Those of the database.
pub fn touch(c: &mut Conn, id: &str, now: Timestamp) -> Result<(), StoreError> {
    diesel::update(api_tokens::table.find(id)).set(api_tokens::last_used_at.eq(stamp(now))).execute(c)?;
    Ok(())
}

/// Revokes a token; whether it was live.
///
/// # Errors
/// [`StoreError::NotFound`]; otherwise as [`create`].
pub fn revoke(c: &mut Conn, permit: &Permit, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let token = get(c, id)?.ok_or_else(|| StoreError::not_found(format!("token {id}")))?;
    owner(permit, &token.principal)?;
    let live = api_tokens::table.filter(api_tokens::id.eq(id)).filter(api_tokens::revoked_at.is_null());
    Ok(diesel::update(live).set(api_tokens::revoked_at.eq(stamp(now))).execute(c)? == 1)
}

/// Tokens from the newest on, of one principal or of all, after the one given.
///
/// # Errors
/// Those of the database.
pub fn list(
    c: &mut Conn,
    principal: Option<&Principal>,
    after: Option<(Timestamp, String)>,
    wanted: u32,
) -> Result<Vec<TokenRecord>, StoreError> {
    let mut query = api_tokens::table.select(TokenRecord::as_select()).into_boxed();
    if let Some(principal) = principal {
        query = query.filter(api_tokens::principal.eq(principal.to_string()));
    }
    if let Some((at, id)) = after {
        let at = stamp(at);
        query =
            query.filter(api_tokens::created_at.le(at)).filter(api_tokens::created_at.lt(at).or(api_tokens::id.lt(id)));
    }
    Ok(query.order((api_tokens::created_at.desc(), api_tokens::id.desc())).limit(limit(wanted)).load(c)?)
}
