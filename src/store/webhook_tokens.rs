//! The unguessable tokens that webhooks are reached by, known by their digests.

use diesel::prelude::*;

use crate::domain::access::{Permit, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::{ProjectName, WebhookName};
use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp};
use super::connection::{Conn, MultiBackend, on_each};
use super::error::StoreError;
use super::permit;
use super::schema::webhook_tokens;

/// A webhook's token, without the token.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = webhook_tokens, check_for_backend(MultiBackend))]
pub struct WebhookTokenRecord {
    /// The project.
    pub project: ProjectName,
    /// The webhook.
    pub name: String,
    /// What the token is derived from, together with the root key.
    pub nonce: Vec<u8>,
    /// SHA-256 of the token.
    pub token_hash: Digest,
    /// When it was made.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
}

/// Gives the webhook a token, in place of the one it had.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the webhook; those of the database.
pub fn put(
    c: &mut Conn,
    permit: &Permit,
    project: &ProjectName,
    name: &WebhookName,
    nonce: &[u8],
    token: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::exactly(permit, &Resource::Webhook { project: project.clone(), name: name.to_string() })?;
    use webhook_tokens as w;
    let hash = token.to_string();
    let key = (w::project.eq(project.as_str()), w::name.eq(name.as_str()));
    let rest = (w::nonce.eq(nonce), w::token_hash.eq(&hash), w::created_at.eq(stamp(now)));
    on_each!(c, c => diesel::insert_into(w::table)
        .values((key, rest))
        .on_conflict((w::project, w::name))
        .do_update()
        .set(rest)
        .execute(c))?;
    Ok(())
}

/// The webhook that this token reaches.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, token: &Digest) -> Result<Option<WebhookTokenRecord>, StoreError> {
    let query = webhook_tokens::table.filter(webhook_tokens::token_hash.eq(token.to_string()));
    Ok(query.select(WebhookTokenRecord::as_select()).first(c).optional()?)
}

/// The token of a webhook.
///
/// # Errors
/// Those of the database.
pub fn of_webhook(
    c: &mut Conn,
    project: &ProjectName,
    name: &WebhookName,
) -> Result<Option<WebhookTokenRecord>, StoreError> {
    let query = webhook_tokens::table.find((project.as_str(), name.as_str()));
    Ok(query.select(WebhookTokenRecord::as_select()).first(c).optional()?)
}
