//! Servers on one PostgreSQL wake each other, so that a run that is asked for here starts there at once, a cancel reaches
//! the server that carries the run out, and a page follows a run of another server.
//!
//! Everybody still looks at the store by themselves; without this they are only slower.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::App;
use super::error::AppResult;
use super::random;
use crate::domain::wake::{self, Wake};
use crate::store::bell::{Heard, Listening};

/// How long what happens next is gathered after something was told: the log of a busy run grows all the time.
const GATHER: Duration = Duration::from_millis(25);

/// Telling and hearing, until this is dropped.
#[derive(Debug)]
pub struct Sharing {
    teller: JoinHandle<()>,
    _listening: Listening,
}

impl Drop for Sharing {
    fn drop(&mut self) {
        self.teller.abort();
    }
}

impl App {
    /// Begins to tell other servers what is signalled here and to hear what they signal; `None` on SQLite, which no other
    /// server works on. In a tokio runtime only.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn share_wakes(self: &Arc<Self>) -> AppResult<Option<Sharing>> {
        let mark: String = random::bytes::<6>()?.iter().map(|b| format!("{b:02x}")).collect();
        let (live, own) = (self.live.clone(), mark.clone());
        let listening = self.db.listen(move |heard| match heard {
            // What was told before that was missed.
            Heard::Began => {
                tracing::debug!("other servers on this database are heard");
                live.heard(Wake::Work);
            }
            Heard::Message(text) => wake::read(&own, &text).into_iter().for_each(|wake| live.heard(wake)),
            Heard::Lost(why) => tracing::warn!(
                error.cause = %why,
                "other servers on this database are not heard until the connection is made again; what they store is found by looking"
            ),
        })?;
        let Some(listening) = listening else { return Ok(None) };
        let app = Arc::clone(self);
        let teller = tokio::spawn(async move {
            loop {
                let wakes = app.live.outgoing().await;
                if let Err(error) = app.db.ring(wake::write(&mark, &wakes)).await {
                    tracing::warn!(error.cause = %error, "other servers could not be woken; they find it by looking");
                }
                tokio::time::sleep(GATHER).await;
            }
        });
        Ok(Some(Sharing { teller, _listening: listening }))
    }
}
