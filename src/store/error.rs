//! What can go wrong with the database, sorted by what the caller can do about it.

use std::cell::Cell;
use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// Why the database did not do as asked. Nothing was changed then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Busy or not reachable; trying again later may help.
    #[error("the database cannot be used at the moment ({0}); try again")]
    Unavailable(String),
    /// The file belongs to another account.
    #[error("{file} may not be opened: {why}")]
    Closed {
        /// The file.
        file: String,
        /// What the system says.
        why: String,
    },
    /// There is no such row.
    #[error("there is no {what}")]
    NotFound {
        /// What was looked for: "run 1234".
        what: String,
    },
    /// Somebody else was faster, or the name is taken.
    #[error("{what}")]
    Conflict {
        /// What is in the way, as a sentence.
        what: String,
    },
    /// No room left to write.
    #[error("the disk of the database is full; make room and try again")]
    Full,
    /// What is stored cannot be what was written.
    #[error("the database holds something that cannot be right: {0}; restore a backup or run `interlock doctor`")]
    Corrupt(String),
    /// The permit was given for something else than the row that was about to change.
    #[error("the permit is for {permit}, but {row} was about to change")]
    PermitMismatch {
        /// What the permit is for.
        permit: String,
        /// What would have changed.
        row: String,
    },
    /// The database was made by a later version.
    #[error(
        "the database has migration {found}, which this version of interlock does not know; install the version that wrote it, or a later one"
    )]
    Newer {
        /// The unknown migration.
        found: String,
    },
    /// The root key does not open what was encrypted here.
    #[error(
        "the root key does not fit this database (key version {version}); put the key file back that this database was made with"
    )]
    WrongRootKey {
        /// The key version that could not be opened.
        version: i32,
    },
    /// The value cannot be stored or looked up at all.
    #[error("{0}")]
    Invalid(String),
    /// The closure panicked; its changes were rolled back.
    #[error("a piece of work on the database broke off; its changes were rolled back")]
    Panicked,
    /// A statement was refused for another reason: a bug.
    #[error("the database refused a statement")]
    Statement(#[source] Arc<DieselError>),
}

impl StoreError {
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn conflict(what: impl Into<String>) -> Self {
        Self::Conflict { what: what.into() }
    }
}

thread_local! {
    /// Whether PostgreSQL told the closure under way to try again. The closure may wrap the error in its own type, so
    /// the door cannot see it in the result; it runs on one thread from begin to end, so it can see it here.
    static TRY_AGAIN: Cell<bool> = const { Cell::new(false) };
}

/// Forgets an earlier wish to try again.
pub(super) fn expect_no_retry() {
    TRY_AGAIN.set(false);
}

/// Whether a statement on this thread lost against another transaction since [`expect_no_retry`].
pub(super) fn wants_retry() -> bool {
    TRY_AGAIN.get()
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match &error {
            DieselError::NotFound => Self::not_found("such row"),
            DieselError::DeserializationError(source) => Self::Corrupt(source.to_string()),
            DieselError::DatabaseError(kind, info) => {
                let message = info.message();
                match kind {
                    DatabaseErrorKind::UniqueViolation => {
                        let table = info.table_name().map(str::to_owned);
                        let table = table.or_else(|| {
                            message.rsplit_once(": ").and_then(|(_, c)| c.split_once('.')).map(|(t, _)| t.to_owned())
                        });
                        Self::conflict(format!(
                            "there is already such a row in {}",
                            table.unwrap_or_else(|| "the table".to_owned())
                        ))
                    }
                    DatabaseErrorKind::SerializationFailure => try_again(message),
                    DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                        Self::Unavailable(message.to_owned())
                    }
                    _ => by_message(message).unwrap_or_else(|| Self::Statement(Arc::new(error))),
                }
            }
            _ => Self::Statement(Arc::new(error)),
        }
    }
}

fn try_again(message: &str) -> StoreError {
    TRY_AGAIN.set(true);
    StoreError::Unavailable(message.to_owned())
}

/// Diesel has no kind for these, so they are told apart by the databases' own words.
fn by_message(message: &str) -> Option<StoreError> {
    let has = |part: &str| message.contains(part);
    if has("deadlock detected") || has("could not serialize access") {
        Some(try_again(message))
    } else if has("database or disk is full") || has("No space left on device") {
        Some(StoreError::Full)
    } else if has("is locked")
        || has("disk I/O error")
        || has("unable to open database file")
        || has("starting up")
        || has("lock timeout")
        || has("terminating connection")
        || has("shutting down")
        || has("server closed the connection")
        || has("no connection to the server")
    {
        Some(StoreError::Unavailable(message.to_owned()))
    } else if has("malformed") || has("file is not a database") {
        Some(StoreError::Corrupt(message.to_owned()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(message: &str) -> StoreError {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())).into()
    }

    #[test]
    fn words_of_the_databases_become_kinds() {
        assert!(matches!(unknown("database is locked"), StoreError::Unavailable(_)));
        assert!(matches!(unknown("terminating connection due to administrator command"), StoreError::Unavailable(_)));
        assert!(matches!(unknown("database or disk is full"), StoreError::Full));
        assert!(matches!(unknown("database disk image is malformed"), StoreError::Corrupt(_)));
        assert!(matches!(unknown("no such table: x"), StoreError::Statement(_)));
        expect_no_retry();
        assert!(!wants_retry());
        assert!(matches!(unknown("deadlock detected"), StoreError::Unavailable(_)));
        assert!(wants_retry());
    }
}
