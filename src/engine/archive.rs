//! Sends the output of ended runs to the bucket, beside everything else: a large log keeps no run waiting.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::app::archive::Known;

/// How often it looks for logs to move.
const LOOK: Duration = Duration::from_secs(5);

/// Moves logs for as long as it is polled.
pub(super) async fn keep(app: Arc<App>) {
    let mut known = Known::new();
    loop {
        match app.archive_logs(&mut known).await {
            Ok(moved) if moved.stored + moved.left + moved.removed > 0 => tracing::info!(
                logs.stored = moved.stored,
                logs.left = moved.left,
                logs.removed = moved.removed,
                "logs were moved between the local disk and the bucket"
            ),
            Ok(_) => {}
            Err(error) => tracing::error!(error.cause = %error, "logs could not be moved; it is tried again"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
