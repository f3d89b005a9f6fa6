//! SQLite's one writer: a thread that commits whatever is queued as a group.
//!
//! Each closure has its own savepoint, so that one that fails takes nothing of the others with it; the group has one
//! commit, so that many small writes cost one sync of the disk. Nothing is held back to make a group larger.

use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel::connection::SimpleConnection;
use tokio::sync::{mpsc, oneshot};

use super::connection::Conn;
use super::error::StoreError;

/// Writes that may wait before a caller waits for room in the queue.
const QUEUE: usize = 1024;
/// The most writes in one commit; bounds how long the first of them waits.
const GROUP: usize = 256;

/// A handle to the thread. The thread ends when the last handle is gone.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

/// A closure in the queue, whatever its types.
trait Job: Send {
    /// Runs the closure; whether its changes are to be kept.
    fn run(&mut self, conn: &mut Conn) -> bool;
    /// Answers the caller: with the closure's own result, or with why it could not be committed.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Work<T, E, F> {
    work: F,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Work<T, E, F>
where
    F: Fn(&mut Conn) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, conn: &mut Conn) -> bool {
        // A panic is answered like an error and the savepoint is rolled back, so nothing half-done can be seen later.
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(conn)));
        let result = done.unwrap_or_else(|_| Err(StoreError::Panicked.into()));
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, commit: Result<(), StoreError>) {
        let answer = match (self.result, commit) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Unavailable("the write was not run".to_owned()).into()),
        };
        // A caller that went away does not need the answer.
        drop(self.caller.send(answer));
    }
}

impl Writer {
    /// Starts the thread on its connection.
    pub(super) fn start(conn: Conn) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_groups(conn, waiting))
            .map_err(|e| StoreError::Unavailable(format!("the writer cannot be started: {e}")))?;
        Ok(Self { queue })
    }

    /// Queues a closure and waits until it is committed or undone.
    pub(super) async fn submit<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: Fn(&mut Conn) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let gone = || StoreError::Unavailable("the writer has ended".to_owned());
        let (caller, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Work { work, result: None, caller });
        self.queue.send(job).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone().into()))
    }
}

fn write_groups(mut conn: Conn, mut waiting: mpsc::Receiver<Box<dyn Job>>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        write_group(&mut conn, group);
    }
}

fn write_group(conn: &mut Conn, mut group: Vec<Box<dyn Job>>) {
    let done = match conn.batch_execute("BEGIN IMMEDIATE") {
        Ok(()) => run_and_commit(conn, &mut group),
        // Another process writes for longer than the time-out; waiting again for each member would only add to it.
        Err(error) => return answer_all(group, &Err(error.into())),
    };
    match &done {
        Err(error) if group.len() > 1 => {
            // One member's doing may have broken the group (a row too large for the disk), so each goes alone now.
            tracing::warn!(%error, group.size = group.len(), "a group of writes was not committed; each is tried alone");
            for job in group {
                write_group(conn, vec![job]);
            }
        }
        _ => answer_all(group, &done),
    }
}

fn answer_all(group: Vec<Box<dyn Job>>, commit: &Result<(), StoreError>) {
    for job in group {
        job.answer(commit.clone());
    }
}

fn run_and_commit(conn: &mut Conn, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let done = run_all(conn, group).and_then(|()| Ok(conn.batch_execute("COMMIT")?));
    if done.is_err() {
        // SQLite may have rolled back by itself already (disk full); then this has nothing left to do.
        drop(conn.batch_execute("ROLLBACK"));
    }
    done
}

fn run_all(conn: &mut Conn, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    for job in group {
        conn.batch_execute("SAVEPOINT one")?;
        if job.run(conn) {
            conn.batch_execute("RELEASE one")?;
        } else {
            conn.batch_execute("ROLLBACK TO one; RELEASE one")?;
        }
    }
    Ok(())
}
