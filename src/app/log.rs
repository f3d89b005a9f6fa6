//! Reading the output of runs.

use super::App;
use super::error::{AppError, AppResult};
use super::stored_log::Log;
use crate::domain::access::Actor;
use crate::domain::ids::RunNumber;
use crate::store::output::Reader;

pub use crate::store::output::{EarlierOutput, Entry, Page, Sources, Stream, Wanted};

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
    /// What earlier servers wrote of a run's output, for one that goes on with the run.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn earlier_output(&self, number: RunNumber) -> AppResult<EarlierOutput> {
        let data = self.settings.data.clone();
        let found = tokio::task::spawn_blocking(move || EarlierOutput::find(&data, number)).await;
        found.map_err(AppError::fault)?.map_err(AppError::fault)
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
