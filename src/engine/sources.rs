//! Fetches for sources, beside everything else: an address that does not answer keeps nothing waiting.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::app::App;
use crate::app::error::AppResult;
use crate::app::sources::{Brought, Outing};
use crate::domain::moment::Moment;
use crate::feed::Feed;

/// How often it looks for something to fetch.
const LOOK: Duration = Duration::from_millis(500);
/// How many addresses are asked at the same time. A file or a queue is looked at once at a time, beside them.
const AT_ONCE: usize = 16;

/// Fetches what is due for as long as it is polled.
pub(super) async fn keep(app: Arc<App>, feed: Feed) {
    let mut under_way = JoinSet::new();
    let busy = Busy::default();
    loop {
        feed.close_idle();
        let room = AT_ONCE.saturating_sub(under_way.len().saturating_sub(busy.count()));
        match app.outings(&feed.machine().id, &feed.machine().host, room).await {
            Ok(outings) => {
                for outing in outings {
                    let Some(alone) = busy.enter(&outing) else { continue };
                    let (app, feed) = (Arc::clone(&app), feed.clone());
                    under_way.spawn(async move {
                        let _alone = alone;
                        fetch(app, feed, outing).await
                    });
                }
            }
            Err(error) => {
                tracing::error!(error.cause = %error, "sources could not be looked at; it is tried again");
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
    let mut catch = feed.fetch(errand).await;
    if catch.as_ref().is_ok_and(|catch| catch.has_something()) {
        Moment::SourceFetched.reached();
    }
    let receipts = catch.as_mut().ok().and_then(|catch| catch.receipts());
    let brought = app.brought(outing, catch).await?;
    if brought.events > 0 {
        Moment::SourceStored.reached();
    }
    if let Some(receipts) = receipts.filter(|_| brought.taken) {
        feed.acknowledge(&receipts).await;
    }
    Ok(brought)
}

/// Fetches what is due, once, and waits for it. How many events that made.
pub(super) async fn watch(app: &Arc<App>, feed: &Feed) -> AppResult<usize> {
    let mut events = 0;
    let machine = feed.machine();
    for outing in app.outings(&machine.id, &machine.host, usize::MAX).await? {
        events += fetch(Arc::clone(app), feed.clone(), outing).await?.events;
    }
    Ok(events)
}

/// What this server fetches for and nobody has taken for it elsewhere, so that it does not do so twice at a time.
#[derive(Clone, Default)]
struct Busy(Arc<Mutex<HashSet<String>>>);

/// Leaves when it is dropped, however the fetching ended.
struct Alone {
    busy: Busy,
    of: Option<String>,
}

impl Busy {
    /// `None` where it is under way already.
    fn enter(&self, outing: &Outing) -> Option<Alone> {
        let of = outing.is_untaken().map(str::to_owned);
        if let Some(of) = &of
            && !self.locked().insert(of.clone())
        {
            return None;
        }
        Some(Alone { busy: self.clone(), of })
    }

    fn count(&self) -> usize {
        self.locked().len()
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(of) = &self.of {
            self.busy.locked().remove(of);
        }
    }
}
