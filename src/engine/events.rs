//! Lets rules look at events, beside everything else: neither do runs wait for events, nor events for runs.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;
use crate::app::error::AppResult;

/// Looks for as long as it is polled: when told that something is there, and by itself that often.
pub(super) async fn keep(app: Arc<App>, look: Duration) {
    loop {
        match step(&app).await {
            Ok(0) => {}
            Ok(_) => continue,
            Err(error) => {
                tracing::error!(error.cause = %error, "events could not be looked at; it is tried again");
            }
        }
        tokio::select! {
            () = app.live.events() => {}
            () = tokio::time::sleep(look) => {}
        }
    }
}

/// Decides deliveries that were left undecided, fires what is due, and lets rules look at what waits, once. How much was
/// done.
pub(super) async fn step(app: &App) -> AppResult<usize> {
    Ok(app.settle_events().await? + app.fire_timers().await? + app.match_events().await?)
}
