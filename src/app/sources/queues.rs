//! Message queues: what is asked of one, and what comes of its messages.
//!
//! The queue itself knows which messages were acknowledged, and gives each to one server at a time. So what is brought is
//! stored whatever became of the row that says where the source stands; a message that comes once more finds its event.

use std::sync::Arc;

use super::Watched;
use super::outside::{Brought, Outing, remark};
use crate::app::App;
use crate::app::error::AppResult;
use crate::domain::access::Permit;
use crate::domain::source::errand::{Messages, Pulling};
use crate::domain::source::queue::{Queue, QueuePosition};
use crate::domain::time::Timestamp;
use crate::store::sources::{self, NewStanding, StandingRecord};
use crate::store::{Conn, StoreError, events};

impl App {
    /// What is to be taken, by what all machines remember of the source.
    pub(super) async fn pulling(
        &self,
        watched: &Watched,
        queue: &Queue,
        standings: &[StandingRecord],
    ) -> AppResult<Pulling> {
        let secret = match queue.secret() {
            Some(path) => Some(Box::pin(self.key_value(&watched.at.project, path, None)).await?),
            None => None,
        };
        let installation = self.installation().await?;
        let of = watched.source.position_digest();
        let own = standings.iter().filter(|s| s.definition_id == watched.at.definition && s.position_digest == of);
        Ok(Pulling {
            consumer: queue.consumer_of(&installation, &watched.at.project, &watched.source.name),
            since: own.filter_map(|s| QueuePosition::read(&s.position).published).max(),
            queue: Arc::new(queue.clone()),
            secret,
        })
    }
}

/// Stores what came. Once that is committed it may be acknowledged.
pub(super) fn store_messages(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    queue: &Queue,
    came: &Messages,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    // Two servers that store the same messages do so in the same order.
    let mut messages: Vec<_> = came.messages.iter().collect();
    messages.sort_by_key(|message| (message.sequence, message.published));
    let new: Vec<_> =
        messages.iter().map(|m| watched.event(m.key(&queue.stream), &m.payload(&queue.stream), now)).collect();
    let events = events::insert_events_once(c, permit, &new)?;
    let before = QueuePosition::read(&standing.position);
    let position = QueuePosition {
        published: messages.iter().map(|m| m.published).max().max(before.published),
        waiting: came.waiting.unwrap_or(before.waiting),
    };
    let (error, failed_at) = remark(standing, came.warning.as_ref(), now);
    let new = NewStanding {
        position: serde_json::to_string(&position).unwrap_or_default(),
        next_at: Some(now),
        failures: 0,
        error,
        failed_at,
        event_at: if events == 0 { standing.event_at } else { Some(now) },
        ..NewStanding::of(standing)
    };
    if new != (NewStanding { next_at: new.next_at, ..NewStanding::of(standing) }) {
        // Another server of this machine may have moved it; what it says is as good.
        sources::advance(c, permit, &watched.at, standing.changes, &new)?;
    }
    Ok(Brought { events, more: came.more, taken: true })
}
