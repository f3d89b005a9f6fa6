//! Where the output of a run is read: in this server's files, or in the bucket.

use super::App;
use super::archive::Archive;
use super::error::{AppError, AppResult, Refusal, RefusalKind};
use super::runs::RunView;
use crate::domain::ids::RunNumber;
use crate::store::bucket::BucketError;
use crate::store::log_archives::{self, ArchiveState};
use crate::store::output::{self, Archived, Reader};
use crate::store::runs::RunRecord;

/// Which log is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Log {
    run: RunNumber,
    /// How long it is, once the run has ended: from then on it may be in the bucket.
    ended_at: Option<u64>,
}

impl Log {
    pub(super) fn of(run: &RunRecord) -> Self {
        let bytes = u64::try_from(run.log_bytes).unwrap_or(0);
        Self { run: run.number, ended_at: run.state.is_terminal().then_some(bytes) }
    }

    pub(super) fn of_view(run: &RunView) -> Self {
        let bytes = u64::try_from(run.log_bytes).unwrap_or(0);
        Self { run: run.number, ended_at: run.state.is_terminal().then_some(bytes) }
    }
}

impl App {
    /// Reads a log with a function that may block, wherever the log is.
    ///
    /// # Errors
    /// `log_unreachable` when it is in a bucket that cannot be read; `log_elsewhere` when it is in a bucket that this
    /// process was not told of.
    pub(super) async fn read_log<T, F>(&self, log: Log, work: F) -> AppResult<T>
    where
        T: Send + 'static,
        F: Fn(&Reader) -> std::io::Result<T> + Send + Clone + 'static,
    {
        if log.ended_at.is_some()
            && let Some(reader) = self.archived(log, false).await?
        {
            return read(reader, work).await;
        }
        let local = Reader::new(&self.settings.data, log.run);
        let done = read(local, work.clone()).await;
        // It may have left for the bucket under the reader's hands.
        if log.ended_at.is_some_and(|bytes| bytes > 0)
            && let Some(reader) = self.archived(log, done.is_err()).await?
        {
            return read(reader, work).await;
        }
        done
    }

    /// What is in the bucket, where the files here are not all; or in any case.
    async fn archived(&self, log: Log, in_any_case: bool) -> AppResult<Option<Reader>> {
        let data = self.settings.data.clone();
        let here = tokio::task::spawn_blocking(move || output::files(&data, log.run)).await.map_err(AppError::fault)?;
        let here = here.map_or(0, |files| files.length);
        // Where nothing is here, what was noted of its length is not asked: a server that died noted none.
        if !in_any_case && here > 0 && log.ended_at.is_none_or(|bytes| here >= bytes) {
            return Ok(None);
        }
        let run = log.run;
        let found = self.db.read(move |c| log_archives::find(c, run)).await?;
        let Some(record) = found.filter(|r| r.state == ArchiveState::Stored) else { return Ok(None) };
        match self.archive() {
            Some(Archive { bucket, .. }) => Ok(Some(Reader::archived(Archived::new(bucket.clone(), &record)))),
            // A part is better than nothing.
            None if here > 0 => Ok(None),
            None => Err(Refusal::new(
                RefusalKind::Unavailable,
                "log_elsewhere",
                "The output of this run is in a bucket, and this server was not told which: start it with `--logs`.",
            )
            .into()),
        }
    }
}

async fn read<T, F>(reader: Reader, work: F) -> AppResult<T>
where
    T: Send + 'static,
    F: FnOnce(&Reader) -> std::io::Result<T> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(move || work(&reader)).await.map_err(AppError::fault)?;
    done.map_err(|error| match error.get_ref().and_then(|e| e.downcast_ref::<BucketError>()) {
        Some(cause) => {
            tracing::warn!(error.cause = %cause, "a log could not be read from the bucket");
            Refusal::new(
                RefusalKind::Unavailable,
                "log_unreachable",
                "The output of this run is in a bucket that cannot be read at the moment. Try again; `interlock doctor` and the server's log say what is wrong.",
            )
            .into()
        }
        None => AppError::fault(error),
    })
}
