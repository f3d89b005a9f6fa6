//! The data folder: its mode, its root key, and where things lie in it.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It cannot be made, read or written.
    #[error("{} cannot be used: {why}", path.display())]
    Unusable {
        /// What could not be used.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It belongs to another account.
    #[error("{} cannot be used: {why}; {OTHER_ACCOUNT}", path.display())]
    Closed {
        /// What may not be read or written.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// The key file is gone while there is data that needs it.
    #[error(
        "the key file {} is missing, but this data folder was used before. Without it secrets cannot be read and the record cannot be checked. Put the key file back from your backup; it is made only once",
        path.display()
    )]
    KeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The key file holds something else.
    #[error("the key file {} does not hold 64 hexadecimal digits; put the right one back from your backup", path.display())]
    KeyUnreadable {
        /// Where it is.
        path: PathBuf,
    },
    /// Other accounts can read the key.
    #[error("the key file {} can be read by other accounts; run `chmod 600 {}` and consider it leaked", path.display(), path.display())]
    KeyExposed {
        /// Where it is.
        path: PathBuf,
    },
}

/// What to do about files that this account may not use.
pub const OTHER_ACCOUNT: &str = "run interlock as the account that owns the data folder, give the folder and all in it to this account with `chown -R`, or name another folder with `--data`";

fn unusable(path: &Path, why: &std::io::Error) -> DataError {
    let (path, told) = (path.to_owned(), why.to_string());
    match why.kind() {
        ErrorKind::PermissionDenied => DataError::Closed { path, why: told },
        _ => DataError::Unusable { path, why: told },
    }
}

/// A data folder that is there and closed to others.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// Opens the folder, making it if it is missing (mode 0700).
    ///
    /// # Errors
    /// [`DataError::Unusable`].
    pub fn open(root: &Path) -> Result<Self, DataError> {
        let unusable = |why: std::io::Error| unusable(root, &why);
        match DirBuilder::new().recursive(true).mode(0o700).create(root) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(unusable(e)),
            _ => {}
        }
        let root = root.canonicalize().map_err(unusable)?;
        let mode = fs::metadata(&root).map_err(unusable)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(&root, Permissions::from_mode(0o700)).map_err(unusable)?;
        }
        Ok(Self { root })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The default database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("interlock.db")
    }

    /// Reads the root key. `None` in a folder that was never used, as far as the folder tells: whoever then makes one with
    /// [`Self::make_root_key`] has to know that the database was never used either.
    ///
    /// # Errors
    /// [`DataError`] when it is missing, unreadable or open to others.
    pub fn root_key(&self) -> Result<Option<[u8; 32]>, DataError> {
        let path = self.root_key_path();
        match fs::read_to_string(&path) {
            Ok(text) => {
                let mode = fs::metadata(&path).map_err(|e| unusable(&path, &e))?.permissions().mode();
                if mode & 0o077 != 0 {
                    return Err(DataError::KeyExposed { path });
                }
                parse(text.trim()).map(Some).ok_or(DataError::KeyUnreadable { path })
            }
            Err(e) if e.kind() == ErrorKind::NotFound && self.was_used() => Err(DataError::KeyMissing { path }),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unusable(&path, &e)),
        }
    }

    /// Makes the root key, once.
    ///
    /// # Errors
    /// [`DataError`] when it cannot be written, or is there already.
    pub fn make_root_key(&self) -> Result<[u8; 32], DataError> {
        let path = self.root_key_path();
        let unusable = |why: std::io::Error| unusable(&path, &why);
        let mut key = [0u8; 32];
        getrandom::fill(&mut key).map_err(|e| unusable(std::io::Error::other(e)))?;
        let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path).map_err(unusable)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unusable)?;
        Ok(key)
    }

    /// Where the root key lies.
    #[must_use]
    pub fn root_key_path(&self) -> PathBuf {
        self.root.join("root.key")
    }

    /// Whether something was ever stored here.
    fn was_used(&self) -> bool {
        ["interlock.db", "audit-heads.jsonl", "runs"].iter().any(|name| self.root.join(name).exists())
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut key = [0u8; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (slot, pair) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_never_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let folder = DataFolder::open(&root).unwrap();
        assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(folder.root_key().unwrap(), None);
        let key = folder.make_root_key().unwrap();
        assert_eq!(folder.root_key().unwrap(), Some(key));
        assert!(folder.make_root_key().is_err());
        let path = folder.root().join("root.key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o400);
        fs::write(folder.database(), "x").unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(folder.root_key(), Err(DataError::KeyMissing { .. })));
        fs::write(&path, "nonsense").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(folder.root_key(), Err(DataError::KeyExposed { .. })));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(folder.root_key(), Err(DataError::KeyUnreadable { .. })));
    }
}
