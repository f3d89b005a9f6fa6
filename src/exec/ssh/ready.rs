//! One shell kept ready on each warm connection, so that a step does not wait until the account's login shell has started.
//!
//! It is opened once nothing runs over the connection any more, so it has seen everything that steps before it left
//! behind, and let go of before it is old. The node's program in it has said hello and waits for a step. A step that comes
//! while it is being opened waits for it: opening another one would only slow both down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::pool::Pool;
use crate::exec::Target;
use crate::exec::crowd::{self, Spare};
use crate::exec::session::Session;

/// A shell that is older may not know what has changed on its node.
const OLDEST: Duration = Duration::from_secs(60);

/// Where it is kept.
#[derive(Default)]
pub(super) struct Ready {
    /// Locked while one is being opened.
    shell: Mutex<Option<Kept>>,
    /// Whether somebody waits for the time to open one.
    awaited: AtomicBool,
}

/// A shell that waits for a step.
struct Kept {
    since: Instant,
    session: Session,
    _spare: Spare,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready")
    }
}

impl Ready {
    /// The shell, if there is one or one is being opened.
    pub(super) async fn take(&self) -> Option<Session> {
        self.shell.lock().await.take().map(|kept| kept.session)
    }

    /// The place for a new shell, without the one that was there; none while one is being opened.
    pub(super) fn vacate(&self) -> Option<Vacant<'_>> {
        let mut slot = self.shell.try_lock().ok()?;
        drop(slot.take());
        Some(Vacant(slot))
    }

    /// Lets go of the shell that was opened then.
    async fn let_go(&self, born: Instant) {
        drop(self.shell.lock().await.take_if(|kept| kept.since == born));
    }
}

/// The place of a shell that is being opened.
pub(super) struct Vacant<'p>(MutexGuard<'p, Option<Kept>>);

/// Opens a shell on a connection that nothing runs over, and lets go of it when it has become old.
pub(super) fn keep(pool: &Arc<Pool>, target: &Target) -> impl Future<Output = ()> + Send + 'static {
    let (pool, target) = (Arc::downgrade(pool), target.clone());
    async move {
        let Some(place) = pool.upgrade().and_then(|pool| pool.known(&target)) else { return };
        // One is enough, however many steps end meanwhile.
        if place.ready.awaited.swap(true, Ordering::Relaxed) {
            return;
        }
        // A run over many nodes would pay for it before its last node is done.
        crowd::passed().await;
        place.ready.awaited.store(false, Ordering::Relaxed);
        drop(place);
        let Some(pool) = pool.upgrade() else { return };
        let Some((born, place)) = open(&pool, &target).await else { return };
        drop(pool);
        tokio::time::sleep(OLDEST).await;
        if let Some(place) = place.upgrade() {
            place.ready.let_go(born).await;
        }
    }
}

/// Opens it, when its turn comes, files are left for it and still nothing runs; when that was, and where it is.
async fn open(pool: &Pool, target: &Target) -> Option<(Instant, std::sync::Weak<super::pool::Place>)> {
    let _turn = pool.turn_to_open().await?;
    let spare = Spare::begin()?;
    let place = pool.known(target)?;
    let mut vacant = place.ready.vacate()?;
    let idle = place.idle()?;
    // The connection may end at any time; then there is nothing to keep.
    let mut session = super::open(idle.master.session(), Box::new((idle.permit, idle.master))).await.ok()?;
    session.greet().await.ok()?;
    let born = Instant::now();
    *vacant.0 = Some(Kept { since: born, session, _spare: spare });
    drop(vacant);
    Some((born, Arc::downgrade(&place)))
}
