//! Takes notices to people, beside everything else: a chat that does not answer keeps no run waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::app::error::AppResult;
use crate::app::notices::Taken;
use crate::domain::moment::Moment;
use crate::notify::Courier;
use crate::store::notices::DeliveryRecord;

/// How often it looks for notices.
const LOOK: Duration = Duration::from_secs(1);

/// How many are sent at the same time.
const AT_ONCE: usize = 8;

/// Sends what is due for as long as it is polled.
pub(super) async fn keep(app: Arc<App>, courier: Courier) {
    loop {
        if let Err(error) = tell(&app, &courier).await {
            tracing::error!(error.cause = %error, "notices could not be looked for; it is tried again");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Addresses and sends what is due, once. How much was done.
pub(super) async fn tell(app: &Arc<App>, courier: &Courier) -> AppResult<usize> {
    let mut done = app.address_notices().await?;
    let due = app.due_deliveries().await?;
    for some in due.chunks(AT_ONCE) {
        let mut sending = JoinSet::new();
        for delivery in some.iter().cloned() {
            sending.spawn(send(Arc::clone(app), courier.clone(), delivery));
        }
        while let Some(sent) = sending.join_next().await {
            match sent {
                Ok(Ok(sent)) => done += usize::from(sent),
                Ok(Err(error)) => return Err(error),
                // It is tried again when its lease has run out.
                Err(error) => tracing::error!(error.cause = %error, "a notice broke off while it was sent"),
            }
        }
    }
    Ok(done)
}

async fn send(app: Arc<App>, courier: Courier, delivery: DeliveryRecord) -> AppResult<bool> {
    let Some(taken) = app.take_delivery(&delivery).await? else { return Ok(false) };
    let outcome = match taken {
        Taken::Send(letter) => {
            Moment::NoticeTaken.reached();
            let outcome = courier.send(*letter).await;
            Moment::NoticeSent.reached();
            outcome
        }
        Taken::Keep(outcome) => outcome,
    };
    app.delivered(&delivery, outcome).await?;
    Ok(true)
}
