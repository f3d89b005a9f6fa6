//! Takes messages of NATS streams. Connections are kept between two looks; a message stays the stream's until it is
//! acknowledged.

mod connect;
mod consumer;
mod pull;
mod trust;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::domain::digest::{Digest, canonical_json};
use crate::domain::source::errand::{Messages, Pulling, Receipts};
use connect::Connection;

/// How long a look may take in all.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Connections to servers, by what they were made for.
#[derive(Debug, Clone, Default)]
pub(super) struct Queues {
    open: Arc<Mutex<HashMap<String, Arc<Connection>>>>,
}

impl Queues {
    /// Takes what waits.
    pub(super) async fn pull(&self, pulling: &Pulling, private: bool) -> Result<Messages, String> {
        let key = key(pulling);
        let known = self.open().get(&key).cloned();
        let work = async {
            let connection = match known {
                Some(connection) => connection,
                None => {
                    let made = Arc::new(Connection::make(pulling, private).await?);
                    self.open().insert(key.clone(), Arc::clone(&made));
                    made
                }
            };
            let taken = pull::take(&connection, &key).await;
            taken.map_err(|why| connection.complained().unwrap_or(why))
        };
        let taken = match tokio::time::timeout(PATIENCE, work).await {
            Ok(taken) => taken,
            Err(_) => Err("The server did not answer in time.".to_owned()),
        };
        if taken.is_err() {
            // The next look begins with a connection of its own, and with a look for the address.
            self.open().remove(&key);
        }
        taken
    }

    /// Acknowledges messages. What is lost on the way comes again.
    pub(super) async fn acknowledge(&self, receipts: &Receipts) {
        let Some(connection) = self.open().get(&receipts.connection).cloned() else { return };
        let work = async {
            for address in &receipts.addresses {
                if connection.client.publish(address.clone(), "+ACK".into()).await.is_err() {
                    return;
                }
            }
            let _ = connection.client.flush().await;
        };
        let _ = tokio::time::timeout(PATIENCE, work).await;
    }

    /// Lets go of connections that nobody has used for a while.
    pub(super) fn close_idle(&self) {
        let now = Instant::now();
        self.open().retain(|_, connection| now.duration_since(connection.used()) < IDLE);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Another one whenever a connection would be another one.
fn key(pulling: &Pulling) -> String {
    let secret = pulling.secret.as_ref().map(|secret| secret.expose());
    let made_for = json!([pulling.queue.settings(), pulling.consumer, secret]);
    Digest::of(canonical_json(&made_for).as_bytes()).to_string()
}
