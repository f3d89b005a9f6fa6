//! Brings a database to the form that this version needs, and refuses one that is already further.

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Conn, Target};
use super::error::StoreError;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Any number will do, as long as every server of one installation takes the same.
const LOCK: i64 = 0x696e_7465_726c;

/// Applies what is missing. Two servers that start at once wait for each other.
pub(super) fn migrate(conn: &mut Conn, target: &Target) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(c) => apply(c, SQLITE),
        Conn::Postgres(c) => {
            c.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))?;
            let done = apply(c, POSTGRES);
            let freed = c.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})"));
            done.and_then(|()| Ok(freed?))
        }
    }
    .inspect(|()| tracing::debug!(database.kind = kind(target), "the database is up to date"))
}

const fn kind(target: &Target) -> &'static str {
    match target {
        Target::Sqlite(_) => "sqlite",
        Target::Postgres(_) => "postgres",
    }
}

fn apply<C, DB>(conn: &mut C, source: EmbeddedMigrations) -> Result<(), StoreError>
where
    C: MigrationHarness<DB>,
    DB: diesel::backend::Backend,
    EmbeddedMigrations: MigrationSource<DB>,
{
    let broken = |e: Box<dyn std::error::Error + Send + Sync>| StoreError::Unavailable(format!("migration: {e}"));
    let known: Vec<Box<dyn Migration<DB>>> = source.migrations().map_err(broken)?;
    for applied in conn.applied_migrations().map_err(broken)? {
        if !known.iter().any(|m| m.name().version() == applied) {
            return Err(StoreError::Newer { found: applied.to_string() });
        }
    }
    conn.run_pending_migrations(source).map_err(broken)?;
    Ok(())
}
