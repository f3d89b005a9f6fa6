//! Encryption at rest: XChaCha20-Poly1305 under a key derived from the root key.
//!
//! A ciphertext is bound to its table, row and key version, so that moving it to another row makes it unreadable.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use diesel::prelude::*;
use zeroize::Zeroizing;

use crate::domain::time::Timestamp;

use super::column::stamp;
use super::connection::{Conn, on_each};
use super::error::StoreError;
use super::root_key::RootKey;
use super::schema::{secrets, vault_checks};

/// The version of the key that new rows are sealed with.
const KEY_VERSION: i32 = 1;
const CHECK_TEXT: &[u8] = b"interlock vault self-test";

/// Seals and opens what must not lie in the database in clear.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[vault]")
    }
}

/// A ciphertext with what is needed to open it.
pub(super) struct Sealed {
    pub(super) nonce: Vec<u8>,
    pub(super) cipher: Vec<u8>,
    pub(super) key_version: i32,
}

/// The row that a ciphertext belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) row: &'a str,
    pub(super) version: i64,
}

impl Place<'_> {
    fn bytes(&self, key_version: i32) -> Vec<u8> {
        // Table names and numbers hold no `|`, so two places never give the same bytes whatever the row is called.
        format!("{}|{}|{}|{key_version}", self.table, self.row, self.version).into_bytes()
    }
}

impl Vault {
    /// Opens the vault of a database. The first time, a known text is sealed into it and read back raw; later that
    /// text must open, so that a wrong root key is found now and not at the first run.
    ///
    /// # Errors
    /// [`StoreError::WrongRootKey`] when the root key does not fit; those of the database.
    pub fn open(c: &mut Conn, root: &RootKey, now: Timestamp) -> Result<Self, StoreError> {
        let key = root.derive(&format!("interlock vault key {KEY_VERSION}"));
        let vault = Self { cipher: XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| wrong(KEY_VERSION))? };
        let check = Place { table: "vault_checks", row: "check", version: 0 };
        let sealed = vault.seal(check, CHECK_TEXT)?;
        let row = (
            vault_checks::key_version.eq(sealed.key_version),
            vault_checks::nonce.eq(&sealed.nonce),
            vault_checks::cipher.eq(&sealed.cipher),
            vault_checks::created_at.eq(stamp(now)),
        );
        on_each!(c, c => diesel::insert_into(vault_checks::table).values(row).on_conflict_do_nothing().execute(c))?;
        let (nonce, cipher): (Vec<u8>, Vec<u8>) =
            vault_checks::table.find(KEY_VERSION).select((vault_checks::nonce, vault_checks::cipher)).first(c)?;
        if cipher.windows(CHECK_TEXT.len()).any(|part| part == CHECK_TEXT) {
            return Err(StoreError::Corrupt("the self-test of the vault lies there in clear".to_owned()));
        }
        let stored = Sealed { nonce, cipher, key_version: KEY_VERSION };
        match vault.unseal(check, &stored) {
            Ok(text) if text.as_slice() == CHECK_TEXT => {}
            _ => return Err(wrong(KEY_VERSION)),
        }
        let other = secrets::table.filter(secrets::key_version.ne(KEY_VERSION)).select(secrets::key_version);
        match other.first::<i32>(c).optional()? {
            Some(version) => Err(wrong(version)),
            None => Ok(vault),
        }
    }

    /// Whether some root key belongs to this database already.
    ///
    /// # Errors
    /// Those of the database.
    pub fn is_in_use(c: &mut Conn) -> Result<bool, StoreError> {
        Ok(vault_checks::table.count().get_result::<i64>(c)? > 0)
    }

    pub(super) fn seal(&self, place: Place<'_>, clear: &[u8]) -> Result<Sealed, StoreError> {
        let mut nonce = [0u8; 24];
        getrandom::fill(&mut nonce)
            .map_err(|e| StoreError::Unavailable(format!("the system gives no random bytes: {e}")))?;
        let aad = place.bytes(KEY_VERSION);
        let cipher = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: clear, aad: &aad })
            .map_err(|_| StoreError::Invalid("a value is too large to be encrypted".to_owned()))?;
        Ok(Sealed { nonce: nonce.to_vec(), cipher, key_version: KEY_VERSION })
    }

    pub(super) fn unseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        if sealed.key_version != KEY_VERSION {
            return Err(wrong(sealed.key_version));
        }
        let broken = || StoreError::Corrupt(format!("{} {} cannot be decrypted", place.table, place.row));
        let nonce: [u8; 24] = sealed.nonce.as_slice().try_into().map_err(|_| broken())?;
        let aad = place.bytes(sealed.key_version);
        let clear = self.cipher.decrypt(&XNonce::from(nonce), Payload { msg: &sealed.cipher, aad: &aad });
        clear.map(Zeroizing::new).map_err(|_| broken())
    }
}

const fn wrong(version: i32) -> StoreError {
    StoreError::WrongRootKey { version }
}
