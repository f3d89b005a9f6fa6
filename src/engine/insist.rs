//! Reports that have to arrive: a database that is away for a while loses nothing, it only makes the engine wait.

use std::time::Duration;

use crate::app::error::{AppError, AppResult};

/// The run is another server's by now, or is gone: nothing more may be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LetGo;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Asks until the database has answered. Every report may be made twice, so an answer that was lost does no harm.
pub(super) async fn insist<T, F>(what: &'static str, mut ask: impl FnMut() -> F) -> Result<T, LetGo>
where
    F: Future<Output = AppResult<T>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match ask().await {
            Ok(value) => return Ok(value),
            Err(error) if is_final(&error) => {
                tracing::info!(error.cause = %error, "this server lets go of a run: {what}");
                return Err(LetGo);
            }
            Err(error) => tracing::warn!(error.cause = %error, "{what} could not be stored; it is tried again"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether asking again cannot help.
pub(super) fn is_final(error: &AppError) -> bool {
    error.refusal().is_some_and(|r| !r.kind.is_of_the_moment())
}
