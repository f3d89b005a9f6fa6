//! Whether anything was changed since somebody looked, answered without a look.
//!
//! Who keeps something in memory remembers the mark from before they read it. Inside SQLite's write transaction, where
//! nobody else can write, an equal mark proves that what they keep is what is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::RunQueryDsl;
use diesel::sql_types::BigInt;

use super::connection::Conn;
use super::error::StoreError;

/// How far a database had come. Two that are equal have no change between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// Counts the changes of a SQLite file as its one writer in this process sees them.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    count: Arc<AtomicU64>,
    /// What SQLite counts: commits of others than the connection that is asked.
    others: Option<i64>,
}

#[derive(diesel::QueryableByName)]
struct DataVersion {
    #[diesel(sql_type = BigInt)]
    data_version: i64,
}

impl Marks {
    pub(super) fn now(&self) -> Mark {
        Mark(self.count.load(Ordering::SeqCst))
    }

    pub(super) fn step(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// Looks whether another process has committed something. Called inside a write transaction, so that it stays true.
    pub(super) fn see_others(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        let DataVersion { data_version } = diesel::sql_query("PRAGMA data_version").get_result(conn)?;
        if self.others.replace(data_version) != Some(data_version) {
            self.step();
        }
        Ok(())
    }
}
