//! The two doors to the database.
//!
//! Each runs a closure in one transaction on a thread that may block, so no transaction is ever open across an await.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use tokio::sync::Semaphore;

use super::connection::{Conn, Purpose, Target, connect};
use super::error::{StoreError, expect_no_retry, wants_retry};
use super::mark::Mark;
use super::migrate::migrate;
use super::pool::{Connections, Pooled, pool};
use super::writer::{Kind, Writer};

/// How often a transaction that lost against another is tried again on PostgreSQL.
const ATTEMPTS: u32 = 10;

/// How many connections are kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections to PostgreSQL, or reading connections to SQLite (which writes through one more).
    pub connections: u32,
    /// How long to wait for a free connection.
    pub wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 8, wait: Duration::from_secs(5) }
    }
}

/// The database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Db {
    pool: Connections,
    places: Arc<Semaphore>,
    /// The one writer of SQLite; `None` on PostgreSQL.
    writer: Option<Writer>,
    target: Arc<Target>,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.writer.is_some() { "Db(sqlite)" } else { "Db(postgres)" })
    }
}

impl Db {
    /// Which of the two it is, by its name.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.writer.is_some() { "SQLite" } else { "PostgreSQL" }
    }

    /// Opens the database at a file path, `sqlite:PATH` or `postgres://…`, and applies missing migrations. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a database of a later version, [`StoreError::Invalid`] for an address of another kind,
    /// [`StoreError::Unavailable`] when it cannot be reached.
    pub fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let target = Target::parse(url)?;
        let mut first = connect(&target, Purpose::Write)?;
        migrate(&mut first, &target)?;
        let size = options.connections.max(1);
        let places = Arc::new(Semaphore::new(usize::try_from(size).unwrap_or(1)));
        let (purpose, writer) = match &target {
            Target::Sqlite(_) => (Purpose::Read, Some(Writer::start(first)?)),
            Target::Postgres(_) => (Purpose::Write, None),
        };
        let pool = pool(target.clone(), purpose, size, options.wait)?;
        Ok(Self { pool, places, writer, target: Arc::new(target) })
    }

    /// Runs a closure that only reads, on one consistent view of the database.
    ///
    /// # Errors
    /// What the closure returns, or [`StoreError::Unavailable`] when no connection is to be had.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.on_pool(move |conn| {
            begin(conn, "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            let end = EndOnDrop(conn);
            work(end.0)
        })
        .await
    }

    /// Runs a closure in a transaction that is kept if it returns `Ok` and undone if it returns `Err` or panics.
    ///
    /// The closure may run more than once: on PostgreSQL when it lost against another transaction, on SQLite when the
    /// group that it was to be committed with could not be. So it borrows what it captured and does nothing outside the
    /// database.
    ///
    /// # Errors
    /// What the closure returns, or a [`StoreError`] when the transaction could not be begun or committed.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.write_in_line((), work).await
    }

    /// As [`Db::write`], for who has a place in a line: it is let go of as soon as no write that is handed in later can
    /// come before this one. On PostgreSQL that is when this one is committed.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write_in_line<P, T, E, F>(&self, place: P, work: F) -> Result<T, E>
    where
        P: Send,
        F: Fn(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.submit(Kind::Change, place, move |conn, _| work(conn)).await,
            None => {
                let done = self.on_pool(move |conn| write_with_retries(conn, &work)).await;
                drop(place);
                done
            }
        }
    }

    /// How far the database has come, for who keeps in memory what they read from it afterwards. `None` where only a look
    /// can tell: on PostgreSQL, which others write to as well.
    #[must_use]
    pub fn mark(&self) -> Option<Mark> {
        self.writer.as_ref().map(Writer::mark)
    }

    /// Adds rows as [`Db::write`] does, for the hottest path: the closure only adds them, nearly always in one statement,
    /// and nobody keeps in memory what it adds, so the mark stays where it is.
    ///
    /// With a mark, only if nothing has been changed since, by whichever process; otherwise the answer is `None`, and
    /// nothing was done.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn add<T, F>(&self, unchanged_since: Option<Mark>, work: F) -> Result<Option<T>, StoreError>
    where
        F: Fn(&mut Conn) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let Some(writer) = &self.writer else { return self.write(work).await.map(Some) };
        let add = move |conn: &mut Conn, at: Option<Mark>| match unchanged_since {
            Some(mark) if at != Some(mark) => Ok(None),
            _ => work(conn).map(Some),
        };
        writer.submit(Kind::Addition, (), add).await
    }

    /// Where a bell can be heard: PostgreSQL's address.
    pub(super) fn listens_at(&self) -> Option<&Target> {
        matches!(*self.target, Target::Postgres(_)).then_some(&*self.target)
    }

    pub(super) async fn on_pool<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut Pooled) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        // Waiting here costs a task; waiting in the pool would cost a thread.
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Unavailable("it is being closed".to_owned()))?;
        let pool = self.pool.clone();
        let span = tracing::Span::current();
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            let _in = span.enter();
            let mut conn = pool.get().map_err(|e| StoreError::Unavailable(e.to_string()))?;
            work(&mut conn)
        });
        done.await.unwrap_or_else(|_| Err(StoreError::Panicked.into()))
    }
}

fn begin(conn: &mut Conn, sqlite: &str, postgres: &str) -> Result<(), StoreError> {
    match conn {
        Conn::Sqlite(c) => c.batch_execute(sqlite)?,
        Conn::Postgres(c) => c.batch_execute(postgres)?,
    }
    Ok(())
}

/// Ends a transaction also when the closure panics, so that the connection goes back to the pool clean.
struct EndOnDrop<'a>(&'a mut Conn);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.batch_execute("ROLLBACK") {
            tracing::warn!(%error, "a transaction could not be ended");
        }
    }
}

fn write_with_retries<T, E: From<StoreError>>(
    conn: &mut Conn,
    work: &dyn Fn(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    for _ in 1..ATTEMPTS {
        expect_no_retry();
        let done = write_once(conn, work);
        if done.is_ok() || !wants_retry() {
            return done;
        }
    }
    write_once(conn, work)
}

fn write_once<T, E: From<StoreError>>(conn: &mut Conn, work: &dyn Fn(&mut Conn) -> Result<T, E>) -> Result<T, E> {
    conn.batch_execute("BEGIN").map_err(StoreError::from)?;
    let end = EndOnDrop(conn);
    let value = work(end.0)?;
    // A COMMIT after a failed statement quietly rolls back. This fails loudly instead, should a closure have swallowed
    // the statement's error.
    end.0.batch_execute("SELECT 1").map_err(StoreError::from)?;
    end.0.batch_execute("COMMIT").map_err(StoreError::from)?;
    std::mem::forget(end);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::digest::Digest;
    use crate::store::sign_in;
    use chrono::{DateTime, Utc};

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 123_456_789).unwrap()
    }

    fn open() -> (tempfile::TempDir, Db) {
        let dir = tempfile::tempdir().unwrap();
        let db = Db::open(dir.path().join("t.db").to_str().unwrap(), &Options::default()).unwrap();
        (dir, db)
    }

    async fn links(db: &Db) -> i64 {
        use diesel::prelude::*;
        let count = |c: &mut Conn| Ok::<_, StoreError>(crate::store::schema::setup_links::table.count().get_result(c)?);
        db.read(count).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_write_of_a_group_stands_or_falls_alone() {
        let (_dir, db) = open();
        let writes = (0..60u8).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |c| {
                    sign_in::add_setup_link(c, &Digest::of(&[i]), now())?;
                    match i % 3 {
                        0 => Ok(i),
                        1 => Err(StoreError::Full),
                        _ => panic!("on purpose"),
                    }
                })
                .await
            })
        });
        let writes: Vec<_> = writes.collect();
        for (write, i) in writes.into_iter().zip(0u8..) {
            match (write.await.unwrap(), i % 3) {
                (Ok(n), 0) => assert_eq!(n, i),
                (Err(StoreError::Full), 1) | (Err(StoreError::Panicked), 2) => {}
                (other, _) => panic!("{i}: {other:?}"),
            }
        }
        assert_eq!(links(&db).await, 20);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_addition_that_fails_takes_no_other_with_it() {
        let (_dir, db) = open();
        let adds = (0..60u8).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                db.add(None, move |c| {
                    sign_in::add_setup_link(c, &Digest::of(&[i]), now())?;
                    match i % 3 {
                        0 => Ok(i),
                        1 => Err(StoreError::Full),
                        _ => panic!("on purpose"),
                    }
                })
                .await
            })
        });
        for (add, i) in adds.collect::<Vec<_>>().into_iter().zip(0u8..) {
            match (add.await.unwrap(), i % 3) {
                (Ok(Some(n)), 0) => assert_eq!(n, i),
                (Err(StoreError::Full), 1) | (Err(StoreError::Panicked), 2) => {}
                (other, _) => panic!("{i}: {other:?}"),
            }
        }
        assert_eq!(links(&db).await, 20);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_mark_stands_until_anybody_changes_something() {
        let (dir, db) = open();
        let path = dir.path().join("t.db");
        let other = Db::open(path.to_str().unwrap(), &Options::default()).unwrap();
        let link = |i: u8| move |c: &mut Conn| sign_in::add_setup_link(c, &Digest::of(&[i]), now());
        // The first group only learns where others are.
        db.add(None, link(0)).await.unwrap();
        let mark = db.mark();
        assert!(db.add(mark, link(1)).await.unwrap().is_some());
        assert!(db.add(mark, link(2)).await.unwrap().is_some(), "additions leave the mark where it is");
        db.write(link(3)).await.unwrap();
        assert!(db.add(mark, link(4)).await.unwrap().is_none());
        let mark = db.mark();
        assert!(db.add(mark, link(4)).await.unwrap().is_some());
        assert_eq!(links(&other).await, 5);
        assert!(db.add(mark, link(5)).await.unwrap().is_some(), "who only reads changes nothing");
        other.write(link(6)).await.unwrap();
        assert!(db.add(mark, link(7)).await.unwrap().is_none());
        assert!(db.add(db.mark(), link(7)).await.unwrap().is_some());
        let undone: Result<(), StoreError> = db.write(|_| Err(StoreError::Full)).await;
        assert!(undone.is_err());
        assert!(db.add(db.mark(), link(8)).await.unwrap().is_some());
        assert_eq!(links(&db).await, 9);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_reading_door_does_not_write() {
        let (_dir, db) = open();
        let tried = db.read(|c| sign_in::add_setup_link(c, &Digest::of(b"x"), now())).await;
        assert!(tried.is_err());
        assert_eq!(links(&db).await, 0);
        let panicked: Result<(), StoreError> = db.read(|_| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(StoreError::Panicked)));
        assert_eq!(links(&db).await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_file_is_for_its_owner_and_a_later_version_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, db) = open();
        links(&db).await;
        for file in std::fs::read_dir(dir.path()).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let later = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')";
        db.write(move |c| Ok::<_, StoreError>(c.batch_execute(later)?)).await.unwrap();
        let path = dir.path().join("t.db");
        let again = Db::open(path.to_str().unwrap(), &Options::default());
        assert!(matches!(again, Err(StoreError::Newer { found }) if found == "29990101000000"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_write_too_large_for_the_disk_takes_no_other_with_it() {
        let (_dir, db) = open();
        let narrow = |c: &mut Conn| Ok::<_, StoreError>(c.batch_execute("PRAGMA max_page_count = 200")?);
        db.write(narrow).await.unwrap();
        let writes = (0..40u8).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                db.write(move |c| {
                    sign_in::add_setup_link(c, &Digest::of(&[i]), now())?;
                    if i % 10 == 5 {
                        sign_in::add_failure(c, &"x".repeat(4_000_000), now())?;
                    }
                    Ok::<_, StoreError>(())
                })
                .await
            })
        });
        for (write, i) in writes.collect::<Vec<_>>().into_iter().zip(0u8..) {
            match (write.await.unwrap(), i % 10 == 5) {
                (Ok(()), false) | (Err(StoreError::Full), true) => {}
                (other, _) => panic!("{i}: {other:?}"),
            }
        }
        assert_eq!(links(&db).await, 36);
    }
}
