//! Backtests that a server left behind which is gone, beside everything else.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;

/// How often it is looked for any.
const LOOK: Duration = Duration::from_secs(10);

/// Carries out what was left behind for as long as it is polled.
pub(super) async fn keep(app: Arc<App>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        if let Err(error) = app.take_up_backtests().await {
            tracing::error!(error.cause = %error, "backtests could not be looked at; it is tried again");
        }
    }
}
