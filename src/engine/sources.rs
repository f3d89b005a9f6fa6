//! Fetches for sources, beside everything else: an address that does not answer keeps nothing waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::app::error::AppResult;
use crate::app::sources::{Brought, Outing};
use crate::feed::Feed;

/// How often it looks for something to fetch.
const LOOK: Duration = Duration::from_millis(500);
/// How much is fetched at the same time.
const AT_ONCE: usize = 16;

/// Fetches what is due for as long as it is polled.
pub(super) async fn keep(app: Arc<App>, feed: Feed) {
    let mut under_way = JoinSet::new();
    loop {
        if under_way.len() < AT_ONCE {
            match app.outings(&feed.machine().id, &feed.machine().host).await {
                Ok(outings) => {
                    for outing in outings {
                        under_way.spawn(fetch(Arc::clone(&app), feed.clone(), outing));
                    }
                }
                Err(error) => {
                    tracing::error!(error.cause = %error, "sources could not be looked at; it is tried again");
                }
            }
        }
        pause(&mut under_way).await;
    }
}

/// Waits for the next look; not for long where there is more to fetch.
async fn pause(under_way: &mut JoinSet<AppResult<Brought>>) {
    let look = tokio::time::sleep(LOOK);
    tokio::pin!(look);
    loop {
        tokio::select! {
            () = &mut look => return,
            Some(done) = under_way.join_next() => match done {
                Ok(Ok(Brought { more: true, .. })) => return,
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::error!(error.cause = %error, "what a source saw could not be stored; it is fetched again"),
                Err(error) => tracing::error!(error.cause = %error, "fetching for a source broke off; it is tried again"),
            },
        }
    }
}

async fn fetch(app: Arc<App>, feed: Feed, mut outing: Outing) -> AppResult<Brought> {
    let Some(errand) = outing.errand() else { return Ok(Brought::default()) };
    let catch = feed.fetch(errand).await;
    app.brought(outing, catch).await
}

/// Fetches what is due, once, and waits for it. How many events that made.
pub(super) async fn watch(app: &Arc<App>, feed: &Feed) -> AppResult<usize> {
    let mut events = 0;
    let machine = feed.machine();
    for outing in app.outings(&machine.id, &machine.host).await? {
        events += fetch(Arc::clone(app), feed.clone(), outing).await?.events;
    }
    Ok(events)
}
