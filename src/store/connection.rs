//! One connection type over both databases, opened by the scheme of its address.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};

use super::error::StoreError;

/// A connection inside a transaction of [`super::Db`]. Handed to the functions of `store`; callers only pass it on.
#[derive(diesel::MultiConnection)]
pub enum Conn {
    /// The embedded database.
    Sqlite(SqliteConnection),
    /// A PostgreSQL server.
    Postgres(PgConnection),
}

/// Runs the same statement on the connection of each backend, for what the derived connection cannot do: `ON CONFLICT`
/// and inserts of several rows.
macro_rules! on_each {
    ($conn:expr, $c:ident => $run:expr) => {
        match $conn {
            $crate::store::Conn::Sqlite($c) => $run,
            $crate::store::Conn::Postgres($c) => $run,
        }
    };
}
pub(super) use on_each;

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// An address with its scheme.
    Postgres(String),
}

impl Target {
    /// Reads `postgres://…`, `postgresql://…`, `sqlite:PATH`, `sqlite://PATH` or a bare path.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        if path.is_empty() || path.contains("://") {
            return Err(StoreError::Invalid(
                "the database address must be a file path, `sqlite:PATH` or `postgres://USER@HOST/NAME`".to_owned(),
            ));
        }
        // An absolute path is never taken for one of SQLite's `file:` addresses or `:memory:`.
        let path = std::path::absolute(path)
            .map_err(|e| StoreError::Invalid(format!("the database path `{path}` cannot be used: {e}")))?;
        Ok(Self::Sqlite(path))
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads and writes.
    Write,
    /// Reads only; SQLite refuses writes then.
    Read,
}

/// Opens a connection with the settings that everything here relies on.
pub(super) fn connect(target: &Target, purpose: Purpose) -> Result<Conn, StoreError> {
    match target {
        Target::Sqlite(path) => {
            create_private(path)?;
            let text = path
                .to_str()
                .ok_or_else(|| StoreError::Invalid(format!("the path {} is not UTF-8", path.display())))?;
            let mut c = SqliteConnection::establish(text).map_err(|e| StoreError::Unavailable(e.to_string()))?;
            c.batch_execute(
                "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;",
            )?;
            c.batch_execute(match purpose {
                Purpose::Read => "PRAGMA query_only = ON;",
                // The upper pages of the indexes stay at hand: 16 MiB.
                Purpose::Write => "PRAGMA cache_size = -16384;",
            })?;
            Ok(Conn::Sqlite(c))
        }
        Target::Postgres(url) => {
            let mut c = PgConnection::establish(url).map_err(|e| StoreError::Unavailable(e.to_string()))?;
            c.batch_execute("SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = '60s';")?;
            Ok(Conn::Postgres(c))
        }
    }
}

/// SQLite makes its side files with the mode of the main file, so the main file is made first, for the owner only.
fn create_private(path: &Path) -> Result<(), StoreError> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop).map_err(|e| match e.kind() {
        std::io::ErrorKind::PermissionDenied => {
            StoreError::Closed { file: path.display().to_string(), why: e.to_string() }
        }
        _ => StoreError::Unavailable(format!("{} cannot be opened: {e}", path.display())),
    })
}

#[cfg(test)]
mod tests {
    use diesel::RunQueryDsl as _;

    use super::*;

    #[test]
    fn the_scheme_chooses_the_database() {
        let pg = "postgres://interlock@db/interlock";
        assert_eq!(Target::parse(pg).unwrap(), Target::Postgres(pg.to_owned()));
        for text in ["sqlite:/x/y.db", "sqlite:///x/y.db", "/x/y.db"] {
            assert_eq!(Target::parse(text).unwrap(), Target::Sqlite("/x/y.db".into()));
        }
        for text in ["", "sqlite:", "mysql://x"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
        let Target::Sqlite(path) = Target::parse("file:x?mode=memory").unwrap() else { panic!() };
        assert!(path.is_absolute());
    }

    /// Otherwise a kept statement with a bound limit is planned anew each time: see `.cargo/config.toml`.
    #[test]
    fn sqlite_is_built_to_plan_by_statements_and_not_by_bound_values() {
        #[derive(diesel::QueryableByName)]
        struct Used {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            used: i32,
        }
        let mut c = SqliteConnection::establish(":memory:").unwrap();
        let mut used = |option: &str| {
            let query = format!("SELECT sqlite_compileoption_used('{option}') AS used");
            diesel::sql_query(query).get_result::<Used>(&mut c).unwrap().used == 1
        };
        assert!(used("ENABLE_QPSG") && used("DEFAULT_MEMSTATUS=0"));
        assert!(!used("ENABLE_MEMORY_MANAGEMENT"));
    }
}
