//! Where whoever started a run by a command in Slack hears how it ended, for as long as Slack takes answers there. The address
//! lets anybody write there, so it is sealed.

use diesel::prelude::*;

use super::column::stamp;
use super::connection::Conn;
use super::error::StoreError;
use super::permit;
use super::schema::slack_answers as rows;
use super::vault::{Place, Sealed, Vault};
use crate::domain::access::Permit;
use crate::domain::ids::RunNumber;
use crate::domain::secret::SecretText;
use crate::domain::time::Timestamp;

fn place(row: &str) -> Place<'_> {
    Place { table: "slack_answers", row, version: 1 }
}

/// Keeps the address of a run until a time.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the installation; those of the database.
pub fn keep(
    c: &mut Conn,
    vault: &Vault,
    permit: &Permit,
    run: RunNumber,
    address: &SecretText,
    until: Timestamp,
) -> Result<(), StoreError> {
    permit::system(permit)?;
    let sealed = vault.seal(place(&run.to_string()), address.expose().as_bytes())?;
    let row = (
        rows::run.eq(run.get()),
        rows::nonce.eq(sealed.nonce),
        rows::cipher.eq(sealed.cipher),
        rows::key_version.eq(sealed.key_version),
        rows::until.eq(stamp(until)),
    );
    diesel::insert_into(rows::table).values(row).execute(c)?;
    Ok(())
}

/// The address of a run, while answers are taken there.
///
/// # Errors
/// Those of the database and of the vault.
pub fn find(c: &mut Conn, vault: &Vault, run: RunNumber, now: Timestamp) -> Result<Option<SecretText>, StoreError> {
    let found: Option<(Vec<u8>, Vec<u8>, i32)> = rows::table
        .find(run.get())
        .filter(rows::until.gt(stamp(now)))
        .select((rows::nonce, rows::cipher, rows::key_version))
        .first(c)
        .optional()?;
    let Some((nonce, cipher, key_version)) = found else { return Ok(None) };
    let clear = vault.unseal(place(&run.to_string()), &Sealed { nonce, cipher, key_version })?;
    Ok(String::from_utf8(clear.to_vec()).ok().map(SecretText::new))
}

/// Forgets addresses where nothing is taken any more; how many.
///
/// # Errors
/// As [`keep`].
pub fn prune(c: &mut Conn, permit: &Permit, now: Timestamp) -> Result<usize, StoreError> {
    permit::system(permit)?;
    Ok(diesel::delete(rows::table.filter(rows::until.le(stamp(now)))).execute(c)?)
}
