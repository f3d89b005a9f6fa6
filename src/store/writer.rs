//! SQLite's one writer: a thread that commits whatever is queued as a group.
//!
//! A closure that fails takes nothing of the others with it; the group has one commit, so that many small writes cost one
//! sync of the disk. Nothing is held back to make a group larger. The writer also sees every change of the database,
//! its own and those of other processes, and counts them; see [`Mark`].

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::{mpsc, oneshot};

use super::connection::Conn;
use super::error::StoreError;
use super::mark::{Mark, Marks};
use super::statement::{BEGIN, COMMIT, RELEASE, ROLLBACK, SAVEPOINT, UNDO, run};

/// Writes that may wait before a caller waits for room in the queue.
const QUEUE: usize = 1024;
/// The most writes in one commit; bounds how long the first of them waits.
const GROUP: usize = 256;

/// A handle to the thread. The thread ends when the last handle is gone.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    marks: Marks,
}

/// What a closure does to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything. It has its own savepoint, and moves the mark.
    Change,
    /// It adds rows that nobody keeps in memory, nearly always in one statement. It has no savepoint: where it fails, the
    /// group is undone as a whole. It leaves the mark where it is.
    Addition,
}

/// A closure in the queue, whatever its types.
trait Job: Send {
    fn kind(&self) -> Kind;
    /// Runs the closure; whether its changes are to be kept. `at` is the mark, or nothing after a change in this group.
    fn run(&mut self, conn: &mut Conn, at: Option<Mark>) -> bool;
    /// Answers the caller: with the closure's own result, or with why it could not be committed.
    fn answer(self: Box<Self>, commit: Result<(), StoreError>);
}

struct Work<T, E, F> {
    kind: Kind,
    work: F,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Work<T, E, F>
where
    F: Fn(&mut Conn, Option<Mark>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, conn: &mut Conn, at: Option<Mark>) -> bool {
        // A panic is answered like an error and what it did is undone, so nothing half-done can be seen later.
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(conn, at)));
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
        let marks = Marks::default();
        let own = marks.clone();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_groups(conn, waiting, own))
            .map_err(|e| StoreError::Unavailable(format!("the writer cannot be started: {e}")))?;
        Ok(Self { queue, marks })
    }

    /// How far the database has come. A look at the database that begins after this sees at least that far.
    pub(super) fn mark(&self) -> Mark {
        self.marks.now()
    }

    /// Queues a closure and waits until it is committed or undone. `place` is let go of once the closure is in the queue,
    /// where none that is queued later can overtake it.
    pub(super) async fn submit<T, E, F>(&self, kind: Kind, place: impl Send, work: F) -> Result<T, E>
    where
        F: Fn(&mut Conn, Option<Mark>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let gone = || StoreError::Unavailable("the writer has ended".to_owned());
        let (caller, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Work { kind, work, result: None, caller });
        self.queue.send(job).await.map_err(|_| gone())?;
        drop(place);
        answer.await.unwrap_or_else(|_| Err(gone().into()))
    }
}

fn write_groups(mut conn: Conn, mut waiting: mpsc::Receiver<Box<dyn Job>>, mut marks: Marks) {
    let mut group = Vec::new();
    while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
        write_group(&mut conn, &mut marks, std::mem::take(&mut group));
    }
}

fn write_group(conn: &mut Conn, marks: &mut Marks, mut group: Vec<Box<dyn Job>>) {
    let done = match run(conn, &BEGIN) {
        Ok(()) => run_and_commit(conn, marks, &mut group),
        // Another process writes for longer than the time-out; waiting again for each member would only add to it.
        Err(error) => return answer_all(group, &Err(error)),
    };
    match &done {
        Err(error) if group.len() > 1 => {
            // One member's doing may have broken the group (a row too large for the disk), so each goes alone now.
            tracing::warn!(%error, group.size = group.len(), "a group of writes was not committed; each is tried alone");
            for job in group {
                write_group(conn, marks, vec![job]);
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

fn run_and_commit(conn: &mut Conn, marks: &mut Marks, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let done = marks.see_others(conn).and_then(|()| run_all(conn, marks.now(), group));
    let done = done.and_then(|changed| run(conn, &COMMIT).map(|()| changed));
    match done {
        // Before anybody is answered: who hears of a change never takes an older mark for the present one.
        Ok(true) => marks.step(),
        Ok(false) => {}
        // SQLite may have rolled back by itself already (disk full); then this has nothing left to do.
        Err(_) => drop(run(conn, &ROLLBACK)),
    }
    done.map(drop)
}

/// Runs every member; whether the mark has to move.
fn run_all(conn: &mut Conn, mark: Mark, group: &mut [Box<dyn Job>]) -> Result<bool, StoreError> {
    let mut at = Some(mark);
    for job in group {
        match job.kind() {
            Kind::Change => {
                run(conn, &SAVEPOINT)?;
                if job.run(conn, at) {
                    at = None;
                } else {
                    run(conn, &UNDO)?;
                }
                run(conn, &RELEASE)?;
            }
            // Nothing can undo it alone, so the group is given up and the others are tried without it.
            Kind::Addition => {
                if !job.run(conn, at) {
                    return Err(StoreError::Unavailable("a write of the group failed".to_owned()));
                }
            }
        }
    }
    Ok(at.is_none())
}
