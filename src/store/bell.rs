//! How servers on one PostgreSQL wake each other: `NOTIFY`, and a connection that listens. SQLite has no bell; its one file
//! has one server.
//!
//! A bell may fail at any time and nothing depends on it: everybody also looks at the store from time to time.
//!
//! Why it is made like this:
//! - The one client that is built in, libpq through diesel, listens too, so that addresses, password files and `service`
//!   entries mean the same to all connections. A client with a socket to wait on (tokio-postgres) would be a second reading
//!   of the address, a second implementation of signing in, and thirteen more crates.
//! - diesel gives no socket to wait on. What it gives, [`PgConnection::notifications_iter`], takes what has arrived at this
//!   end of the connection; it asks the database nothing. So the thread that listens looks there every [`LOOK`], which
//!   costs one system call, and sends a statement only to find out whether the connection still lives.
//! - `NOTIFY` is sent after the transaction that it tells of, not in it: PostgreSQL lets transactions that notify commit
//!   one after the other, and a bell is not worth that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{PgConnection, RunQueryDsl};

use super::connection::{Conn, Purpose, Target, connect};
use super::db::Db;
use super::error::StoreError;

/// How often the listening end looks at what has arrived.
const LOOK: Duration = Duration::from_millis(20);

/// How often it finds out whether the connection still lives.
const ALIVE: Duration = Duration::from_secs(30);

/// How long it waits before it connects again.
const AGAIN: Duration = Duration::from_secs(1);

/// What a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// From now on messages are heard; what was sent before is not.
    Began,
    /// A message that somebody sent, not necessarily a server.
    Message(String),
    /// Nothing is heard until the next [`Heard::Began`]: why.
    Lost(String),
}

/// A thread that listens until this is dropped.
#[derive(Debug)]
pub struct Listening {
    thread: Thread,
    stop: Arc<AtomicBool>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

impl Db {
    /// Sends messages to whoever listens on this database. They hold no secrets: everybody with an account can listen.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] and others of the database. On SQLite nothing is sent.
    pub async fn ring(&self, messages: Vec<String>) -> Result<(), StoreError> {
        if self.listens_at().is_none() {
            return Ok(());
        }
        self.on_pool(move |conn| {
            let Conn::Postgres(c) = &mut **conn else { return Ok(()) };
            for message in messages {
                diesel::sql_query("SELECT pg_notify('interlock', $1)").bind::<Text, _>(message).execute(c)?;
            }
            Ok(())
        })
        .await
    }

    /// Listens on a thread and a connection of its own, and connects again whenever that is lost; `None` on SQLite.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when no thread can be started.
    pub fn listen(&self, heard: impl Fn(Heard) + Send + 'static) -> Result<Option<Listening>, StoreError> {
        let Some(target) = self.listens_at().cloned() else { return Ok(None) };
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("listen".to_owned())
            .spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    if let Err(error) = until_lost(&target, &told, &heard) {
                        heard(Heard::Lost(error.to_string()));
                        std::thread::park_timeout(AGAIN);
                    }
                }
            })
            .map_err(|e| StoreError::Unavailable(format!("no thread could be started: {e}")))?;
        Ok(Some(Listening { thread: thread.thread().clone(), stop }))
    }
}

/// Listens until told to stop.
fn until_lost(target: &Target, stop: &AtomicBool, heard: &impl Fn(Heard)) -> Result<(), StoreError> {
    let Conn::Postgres(mut c) = connect(target, Purpose::Read)? else { return Ok(()) };
    c.batch_execute("SET application_name = 'interlock listens'; LISTEN interlock")?;
    heard(Heard::Began);
    let mut asked = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        take(&mut c, heard)?;
        if asked.elapsed() > ALIVE {
            c.batch_execute("SELECT 1")?;
            asked = Instant::now();
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(())
}

fn take(c: &mut PgConnection, heard: &impl Fn(Heard)) -> Result<(), StoreError> {
    for one in c.notifications_iter() {
        heard(Heard::Message(one?.payload));
    }
    Ok(())
}
