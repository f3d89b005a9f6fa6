//! Idempotency keys: a request that is sent again gets the first answer again.

use diesel::prelude::*;

use crate::domain::access::Principal;
use crate::domain::digest::Digest;
use crate::domain::time::Timestamp;

use super::column::stamp;
use super::connection::{Conn, on_each};
use super::error::StoreError;
use super::schema::idempotency;

/// What is known of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is new; the caller goes on and completes it.
    New,
    /// The first request with it is still under way, or died under way.
    UnderWay,
    /// The first request has been answered so.
    Answered {
        /// The status.
        status: i32,
        /// The body.
        body: String,
    },
    /// It was used for another request.
    OtherRequest,
}

/// Claims a key for a request. Of several at once one gets [`Claim::New`]. A claim from before `abandoned` whose request
/// was never answered died under way, and is taken over.
///
/// # Errors
/// Those of the database.
pub fn claim(
    c: &mut Conn,
    principal: &Principal,
    key: &str,
    route: &str,
    request: &Digest,
    now: Timestamp,
    abandoned: Timestamp,
) -> Result<Claim, StoreError> {
    let who = principal.to_string();
    let row = (
        idempotency::principal.eq(&who),
        idempotency::key.eq(key),
        idempotency::route.eq(route),
        idempotency::request_digest.eq(request.to_string()),
        idempotency::created_at.eq(stamp(now)),
    );
    let rows = on_each!(c, c => diesel::insert_into(idempotency::table)
        .values(row)
        .on_conflict((idempotency::principal, idempotency::key))
        .do_nothing()
        .execute(c))?;
    if rows == 1 {
        return Ok(Claim::New);
    }
    let dead = idempotency::table
        .filter(idempotency::principal.eq(&who))
        .filter(idempotency::key.eq(key))
        .filter(idempotency::route.eq(route))
        .filter(idempotency::request_digest.eq(request.to_string()))
        .filter(idempotency::status.is_null())
        .filter(idempotency::created_at.lt(stamp(abandoned)));
    if diesel::update(dead).set(idempotency::created_at.eq(stamp(now))).execute(c)? == 1 {
        return Ok(Claim::New);
    }
    Ok(find(c, principal, key, route, request)?.unwrap_or(Claim::UnderWay))
}

/// What is known of a key, without claiming it.
///
/// # Errors
/// Those of the database.
pub fn find(
    c: &mut Conn,
    principal: &Principal,
    key: &str,
    route: &str,
    request: &Digest,
) -> Result<Option<Claim>, StoreError> {
    type Known = (String, Digest, Option<i32>, Option<String>);
    let known: Option<Known> = idempotency::table
        .find((principal.to_string(), key))
        .select((idempotency::route, idempotency::request_digest, idempotency::status, idempotency::body))
        .first(c)
        .optional()?;
    Ok(known.map(|(first_route, first_request, status, body)| match (status, body) {
        _ if first_route != route || first_request != *request => Claim::OtherRequest,
        (Some(status), Some(body)) => Claim::Answered { status, body },
        _ => Claim::UnderWay,
    }))
}

/// Keeps the answer.
///
/// # Errors
/// [`StoreError::NotFound`] for a key that nobody claimed; those of the database.
pub fn complete(c: &mut Conn, principal: &Principal, key: &str, status: i32, body: &str) -> Result<(), StoreError> {
    let claimed = idempotency::table.find((principal.to_string(), key));
    let answer = (idempotency::status.eq(status), idempotency::body.eq(body));
    match diesel::update(claimed).set(answer).execute(c)? {
        1 => Ok(()),
        _ => Err(StoreError::not_found(format!("idempotency key {key}"))),
    }
}

/// Gives up a claim whose request failed, so that it can be sent again.
///
/// # Errors
/// Those of the database.
pub fn release(c: &mut Conn, principal: &Principal, key: &str) -> Result<(), StoreError> {
    let open = idempotency::table
        .filter(idempotency::principal.eq(principal.to_string()))
        .filter(idempotency::key.eq(key))
        .filter(idempotency::status.is_null());
    diesel::delete(open).execute(c)?;
    Ok(())
}

/// Forgets keys from before a time; how many.
///
/// # Errors
/// Those of the database.
pub fn prune(c: &mut Conn, before: Timestamp) -> Result<usize, StoreError> {
    Ok(diesel::delete(idempotency::table.filter(idempotency::created_at.lt(stamp(before)))).execute(c)?)
}
