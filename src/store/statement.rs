//! Statements of SQLite's writer that every group needs: prepared once, not parsed each time.

use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::connection::Conn;
use super::error::StoreError;

/// A fixed text. `N` tells the prepared statements apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<const N: u8>(&'static str);

pub(super) const BEGIN: Statement<0> = Statement("BEGIN IMMEDIATE");
pub(super) const COMMIT: Statement<1> = Statement("COMMIT");
pub(super) const ROLLBACK: Statement<2> = Statement("ROLLBACK");
pub(super) const SAVEPOINT: Statement<3> = Statement("SAVEPOINT one");
pub(super) const RELEASE: Statement<4> = Statement("RELEASE one");
pub(super) const UNDO: Statement<5> = Statement("ROLLBACK TO one");

impl<const N: u8> QueryId for Statement<N> {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: u8> QueryFragment<Sqlite> for Statement<N> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(self.0);
        Ok(())
    }
}

impl<const N: u8> RunQueryDsl<SqliteConnection> for Statement<N> {}

/// Runs one of them. Only SQLite has a writer.
pub(super) fn run<const N: u8>(conn: &mut Conn, statement: &Statement<N>) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(c) => Ok(statement.execute(c).map(drop)?),
        Conn::Postgres(_) => Err(StoreError::Invalid("PostgreSQL has no writer of its own".to_owned())),
    }
}
