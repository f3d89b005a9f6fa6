//! The key store: secrets by path, each change a new version, encrypted by the vault.

use diesel::prelude::*;

use crate::domain::access::{Permission, Permit, Resource};
use crate::domain::ids::KeyPath;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp, words};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::schema::secrets;
use super::vault::{Place, Sealed, Vault};

words! {
    /// What a secret is.
    SecretKind, "a kind of secret" {
        /// A private key for SSH.
        PrivateKey => "private_key",
        /// A password.
        Password => "password",
        /// Anything else.
        Secret => "secret",
    }
}

/// A version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = secrets, check_for_backend(MultiBackend))]
pub struct SecretRecord {
    /// Where it lies.
    pub path: KeyPath,
    /// 1, 2, 3 …
    pub version: i64,
    /// What it is.
    pub kind: SecretKind,
    /// When it was put there.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
    /// Whether its value is gone.
    pub deleted: bool,
}

/// A permit for a key names the project whose rules allowed it; keys themselves belong to the installation.
fn check(permit: &Permit, path: &KeyPath) -> Result<(), StoreError> {
    let covers = match permit.resource() {
        Resource::Key { path: p, .. } => p == path,
        Resource::System => true,
        _ => false,
    };
    let enough = permit.permission() == Permission::UseSecret || *permit.resource() == Resource::System;
    if covers && enough {
        return Ok(());
    }
    let given = format!("{} on {}", permit.permission(), permit.resource());
    Err(StoreError::PermitMismatch { permit: given, row: format!("use_secret on key/{path}") })
}

fn place(path: &KeyPath, version: i64) -> Place<'_> {
    Place { table: "secrets", row: path.as_str(), version }
}

/// Puts a new version of a secret and gives its number.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without `use_secret` on the path; [`StoreError::Conflict`] when somebody else put one
/// at the same time; those of the database.
pub fn put(
    c: &mut Conn,
    vault: &Vault,
    permit: &Permit,
    path: &KeyPath,
    kind: SecretKind,
    value: &SecretText,
    now: Timestamp,
) -> Result<i64, StoreError> {
    check(permit, path)?;
    let last: Option<i64> = secrets::table
        .filter(secrets::path.eq(path.as_str()))
        .order(secrets::version.desc())
        .select(secrets::version)
        .first(c)
        .optional()?;
    let version = last.unwrap_or(0) + 1;
    let sealed = vault.seal(place(path, version), value.expose().as_bytes())?;
    let row = (
        secrets::path.eq(path.as_str()),
        secrets::version.eq(version),
        secrets::kind.eq(kind.as_str()),
        secrets::nonce.eq(sealed.nonce),
        secrets::cipher.eq(sealed.cipher),
        secrets::key_version.eq(sealed.key_version),
        secrets::created_at.eq(stamp(now)),
        secrets::created_by.eq(permit.actor().principal.to_string()),
        secrets::deleted.eq(false),
    );
    diesel::insert_into(secrets::table).values(row).execute(c)?;
    Ok(version)
}

/// The value of this version.
///
/// # Errors
/// [`StoreError::NotFound`], also for a deleted version; [`StoreError::PermitMismatch`] without `use_secret` on the
/// path; [`StoreError::Corrupt`] when it cannot be decrypted; those of the database.
pub fn read(
    c: &mut Conn,
    vault: &Vault,
    permit: &Permit,
    path: &KeyPath,
    version: i64,
) -> Result<SecretText, StoreError> {
    check(permit, path)?;
    let found: Option<(Vec<u8>, Vec<u8>, i32)> = secrets::table
        .find((path.as_str(), version))
        .filter(secrets::deleted.eq(false))
        .select((secrets::nonce, secrets::cipher, secrets::key_version))
        .first(c)
        .optional()?;
    let found = found.ok_or_else(|| StoreError::not_found(format!("version {version} of {path}")))?;
    let (nonce, cipher, key_version) = found;
    let clear = vault.unseal(place(path, version), &Sealed { nonce, cipher, key_version })?;
    let text = std::str::from_utf8(&clear).map_err(|_| StoreError::Corrupt(format!("{path} is not text")))?;
    Ok(SecretText::new(text.to_owned()))
}

/// A text that is another one whenever any secret was put or deleted since: for those who keep some in memory.
///
/// # Errors
/// Those of the database.
pub fn stamp_of_all(c: &mut Conn) -> Result<String, StoreError> {
    use diesel::dsl::{count_star, max};
    let put: (Option<chrono::NaiveDateTime>, i64) =
        secrets::table.select((max(secrets::created_at), count_star())).first(c)?;
    let deleted: i64 = secrets::table.filter(secrets::deleted.eq(true)).count().get_result(c)?;
    Ok(format!("{put:?} {deleted}"))
}

/// The newest version, unless it is deleted.
///
/// # Errors
/// Those of the database.
pub fn newest(c: &mut Conn, path: &KeyPath) -> Result<Option<SecretRecord>, StoreError> {
    let newest: Option<SecretRecord> = secrets::table
        .filter(secrets::path.eq(path.as_str()))
        .order(secrets::version.desc())
        .select(SecretRecord::as_select())
        .first(c)
        .optional()?;
    Ok(newest.filter(|secret| !secret.deleted))
}

/// The newest versions of the secrets that are there, by path, after the one given.
///
/// # Errors
/// Those of the database.
pub fn list(c: &mut Conn, after: Option<&KeyPath>, wanted: u32) -> Result<Vec<SecretRecord>, StoreError> {
    let newer = diesel::alias!(secrets as newer);
    let no_newer = diesel::dsl::not(diesel::dsl::exists(
        newer
            .filter(newer.field(secrets::path).eq(secrets::path))
            .filter(newer.field(secrets::version).gt(secrets::version)),
    ));
    Ok(secrets::table
        .filter(secrets::path.gt(after.map_or("", KeyPath::as_str)))
        .filter(secrets::deleted.eq(false))
        .filter(no_newer)
        .order(secrets::path)
        .limit(limit(wanted))
        .select(SecretRecord::as_select())
        .load(c)?)
}

/// Every version of a secret, newest first, also deleted ones.
///
/// # Errors
/// Those of the database.
pub fn versions(c: &mut Conn, path: &KeyPath, wanted: u32) -> Result<Vec<SecretRecord>, StoreError> {
    Ok(secrets::table
        .filter(secrets::path.eq(path.as_str()))
        .order(secrets::version.desc())
        .limit(limit(wanted))
        .select(SecretRecord::as_select())
        .load(c)?)
}

/// Deletes a secret: all its versions lose their values, their numbers stay used.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::PermitMismatch`] without `use_secret` on the path; those of the database.
pub fn delete(c: &mut Conn, permit: &Permit, path: &KeyPath) -> Result<(), StoreError> {
    check(permit, path)?;
    let there = secrets::table.filter(secrets::path.eq(path.as_str())).filter(secrets::deleted.eq(false));
    let change = (secrets::deleted.eq(true), secrets::cipher.eq(Vec::<u8>::new()));
    match diesel::update(there).set(change).execute(c)? {
        0 => Err(StoreError::not_found(format!("secret {path}"))),
        _ => Ok(()),
    }
}
