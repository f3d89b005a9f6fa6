//! What a person gave with a run and the plan only names: uploaded files and typed secrets, encrypted by the vault.

use diesel::prelude::*;
use zeroize::Zeroizing;

use crate::domain::access::Permit;
use crate::domain::digest::Digest;
use crate::domain::ids::ProjectName;
use crate::domain::time::Timestamp;

use super::column::{Stamp, stamp, words};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::permit;
use super::schema::blobs;
use super::vault::{Place, Sealed, Vault};

words! {
    /// What was given.
    BlobKind, "a kind of blob" {
        /// An uploaded file.
        File => "file",
        /// A secret that was typed into the form.
        TypedSecret => "typed_secret",
    }
}

/// A blob without its content.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = blobs, check_for_backend(MultiBackend))]
pub struct BlobRecord {
    /// Its id, drawn by the caller.
    pub id: String,
    /// The project of the run.
    pub project: ProjectName,
    /// What was given.
    pub kind: BlobKind,
    /// The file's name, or the option's.
    pub name: String,
    /// SHA-256 of the content.
    pub sha256: Digest,
    /// Bytes of the content.
    pub size: i64,
    /// When it was given.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: String,
}

/// A blob to be kept.
pub struct NewBlob {
    /// Its id.
    pub id: String,
    /// The project of the run.
    pub project: ProjectName,
    /// What was given.
    pub kind: BlobKind,
    /// The file's name, or the option's.
    pub name: String,
    /// The content.
    pub bytes: Zeroizing<Vec<u8>>,
}

fn place(id: &str) -> Place<'_> {
    Place { table: "blobs", row: id, version: 1 }
}

/// Keeps a blob.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit in the project; those of the database.
pub fn put(c: &mut Conn, vault: &Vault, permit: &Permit, new: &NewBlob, now: Timestamp) -> Result<(), StoreError> {
    permit::within(permit, &new.project)?;
    let sealed = vault.seal(place(&new.id), &new.bytes)?;
    // The digest of a short secret could be guessed back, so a typed secret has none of its content.
    let sha256 = match new.kind {
        BlobKind::File => Digest::of(&new.bytes),
        BlobKind::TypedSecret => Digest::of(&sealed.cipher),
    };
    let row = (
        blobs::id.eq(&new.id),
        blobs::project.eq(new.project.as_str()),
        blobs::kind.eq(new.kind.as_str()),
        blobs::name.eq(&new.name),
        blobs::sha256.eq(sha256.to_string()),
        blobs::size.eq(i64::try_from(new.bytes.len()).unwrap_or(i64::MAX)),
        blobs::nonce.eq(sealed.nonce),
        blobs::cipher.eq(sealed.cipher),
        blobs::key_version.eq(sealed.key_version),
        blobs::created_at.eq(stamp(now)),
        blobs::created_by.eq(permit.actor().principal.to_string()),
    );
    diesel::insert_into(blobs::table).values(row).execute(c)?;
    Ok(())
}

/// The blob of this id, without its content.
///
/// # Errors
/// Those of the database.
pub fn find(c: &mut Conn, id: &str) -> Result<Option<BlobRecord>, StoreError> {
    Ok(blobs::table.find(id).select(BlobRecord::as_select()).first(c).optional()?)
}

/// The content.
///
/// # Errors
/// [`StoreError::NotFound`]; [`StoreError::PermitMismatch`] without a permit in the project; [`StoreError::Corrupt`]
/// when it cannot be decrypted; those of the database.
pub fn read(c: &mut Conn, vault: &Vault, permit: &Permit, id: &str) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let found: Option<(ProjectName, Vec<u8>, Vec<u8>, i32)> = blobs::table
        .find(id)
        .select((blobs::project, blobs::nonce, blobs::cipher, blobs::key_version))
        .first(c)
        .optional()?;
    let (project, nonce, cipher, key_version) = found.ok_or_else(|| StoreError::not_found(format!("blob {id}")))?;
    permit::within(permit, &project)?;
    vault.unseal(place(id), &Sealed { nonce, cipher, key_version })
}

/// Removes a blob that no run needs any more; whether it was there.
///
/// # Errors
/// As [`read`].
pub fn remove(c: &mut Conn, permit: &Permit, id: &str) -> Result<bool, StoreError> {
    let Some(blob) = find(c, id)? else { return Ok(false) };
    permit::within(permit, &blob.project)?;
    Ok(diesel::delete(blobs::table.find(id)).execute(c)? == 1)
}

/// Removes the blobs given before a time; how many.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn prune(c: &mut Conn, permit: &Permit, before: Timestamp) -> Result<usize, StoreError> {
    permit::system(permit)?;
    Ok(diesel::delete(blobs::table.filter(blobs::created_at.lt(stamp(before)))).execute(c)?)
}
