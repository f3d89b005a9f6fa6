//! Reading the output of runs.

use super::App;
use super::error::{AppError, AppResult};
use super::stored_log::Log;
use crate::domain::access::Actor;
use crate::domain::ids::RunNumber;
use crate::store::output::{Reader, shut_out};

pub use crate::store::output::{Entry, Page, Sources, Stream, Wanted};

/// Where a page of a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// At an offset that a page gave, or 0.
    Offset(u64),
    /// At or shortly before a line.
    Line(u64),
    /// So that about this many lines follow to the end.
    Tail(u64),
}

impl From {
    /// The place in bytes.
    pub(super) fn offset(self, reader: &Reader) -> std::io::Result<u64> {
        match self {
            Self::Offset(offset) => Ok(offset),
            Self::Line(line) => reader.offset_near(line),
            Self::Tail(lines) => reader.tail(lines),
        }
    }
}

impl App {
    /// How far the output of a run's steps is stored, for a server that goes on with it under this fence. From then on no
    /// earlier server adds to it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn stored_output(&self, number: RunNumber, fence: i64) -> AppResult<Sources> {
        let (data, reader) = (self.settings.data.clone(), Reader::new(&self.settings.data, number));
        let read = tokio::task::spawn_blocking(move || {
            if let Err(error) = shut_out(&data, number, fence) {
                // On a full disk nobody else can write either, and what cannot be kept is no reason to let steps go.
                tracing::warn!(run.number = number.get(), error.cause = %error, "earlier writers of a log were not shut out");
            }
            reader.sources()
        })
        .await;
        read.map_err(AppError::fault)?.map_err(AppError::fault)
    }

    /// A page of a run's output.
    ///
    /// # Errors
    /// Not found, also when the run may not be seen; `log_unreachable` when it is in a bucket that cannot be read.
    pub async fn log(
        &self,
        actor: &Actor,
        number: RunNumber,
        from: From,
        most: usize,
        wanted: Wanted,
    ) -> AppResult<(u64, Page)> {
        let run = self.visible_run(actor, number).await?;
        self.read_log(Log::of(&run), move |reader| {
            let offset = from.offset(reader)?;
            Ok((offset, reader.read(offset, most.clamp(1, 20_000), &wanted)?))
        })
        .await
    }
}
