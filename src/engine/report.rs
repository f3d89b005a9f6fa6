//! Reports that wait until the database takes them: what happened on a node is not forgotten because a disk is full or a
//! server is away.

use std::time::Duration;

use crate::app::error::{AppError, AppResult};
use crate::domain::ids::RunNumber;

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// Tries a report until it is taken, or refused for another reason than the moment.
pub(super) async fn until_taken<T, F>(run: RunNumber, report: impl Fn() -> F) -> AppResult<T>
where
    F: Future<Output = AppResult<T>>,
{
    let mut told = false;
    loop {
        match report().await {
            Err(AppError::Refused(refusal)) if refusal.kind.is_of_the_moment() => {
                if !told {
                    tracing::error!(run.number = run.get(), error.cause = %refusal, "a report waits until it can be stored");
                    told = true;
                }
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}
