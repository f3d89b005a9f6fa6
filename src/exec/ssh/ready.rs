//! One shell kept ready on each warm connection, so that a step does not wait until the account's login shell has started.
//!
//! It is opened once nothing runs over the connection any more, so it has seen everything that steps before it left
//! behind, and let go of before it is old. The node's program in it has said hello and waits for a step.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::pool::Pool;
use crate::exec::Target;
use crate::exec::session::Session;

/// How long after a step's end: most steps of a run follow each other sooner.
const PAUSE: Duration = Duration::from_millis(100);
/// A shell that is older may not know what has changed on its node.
const OLDEST: Duration = Duration::from_secs(60);

/// Where it is kept.
#[derive(Default)]
pub(super) struct Ready(Mutex<Option<(Instant, Session)>>);

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready")
    }
}

impl Ready {
    /// The shell, if there is one.
    pub(super) fn take(&self) -> Option<Session> {
        self.slot().take().map(|(_, session)| session)
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Option<(Instant, Session)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a shell on a connection that nothing runs over, and lets go of it when it has become old.
pub(super) fn keep(pool: &Arc<Pool>, target: &Target) -> impl Future<Output = ()> + Send + 'static {
    let (pool, target) = (Arc::downgrade(pool), target.clone());
    async move {
        tokio::time::sleep(PAUSE).await;
        let Some(idle) = pool.upgrade().and_then(|pool| pool.idle(&target)) else { return };
        // The connection may end at any time; then there is nothing to keep.
        let Some(session) = idle.master.session() else { return };
        let Ok(mut session) = super::open(session, Box::new((idle.permit, idle.master))).await else { return };
        if session.greet().await.is_err() {
            return;
        }
        let born = Instant::now();
        *idle.place.ready.slot() = Some((born, session));
        let place = Arc::downgrade(&idle.place);
        drop(idle.place);
        tokio::time::sleep(OLDEST).await;
        if let Some(place) = place.upgrade() {
            drop(place.ready.slot().take_if(|(since, _)| *since == born));
        }
    }
}
