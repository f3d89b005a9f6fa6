//! systemd's journal: what comes of entries.

use super::no_headers;
use super::outside::{Brought, Outing, remark};
use crate::domain::access::Permit;
use crate::domain::source::errand::Entries;
use crate::domain::source::journal::Journal;
use crate::domain::time::{Seconds, Timestamp};
use crate::store::sources::{self, NewStanding};
use crate::store::{Conn, StoreError, events};

/// The pause between two looks: each is a process of its own.
const PAUSE: Seconds = Seconds::new(2);

/// Stores events of entries and how far they reach, unless somebody has read so far.
pub(super) fn store_entries(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    journal: &Journal,
    came: &Entries,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    let found: Vec<_> = came
        .entries
        .iter()
        .filter_map(|entry| Some((&entry.line.key, journal.payload(entry, &outing.host)?)))
        .collect();
    let (error, failed_at) = remark(standing, came.warning.as_ref(), now);
    let new = NewStanding {
        position: serde_json::to_string(&came.position).unwrap_or_default(),
        next_at: Some(if came.more { now } else { now + PAUSE.to_delta() }),
        failures: 0,
        error,
        failed_at,
        event_at: if found.is_empty() { standing.event_at } else { Some(now) },
        ..NewStanding::of(standing)
    };
    if !sources::advance(c, permit, &watched.at, standing.changes, &new)? {
        return Ok(Brought::default());
    }
    let mut events = 0;
    for (key, payload) in found {
        let event = watched.event(format!("{} {key}", watched.at.place), &payload, now);
        let stored = events::insert_event_once(c, permit, &event, &no_headers())?;
        events += usize::from(matches!(stored, events::Stored::Inserted));
    }
    Ok(Brought { events, more: came.more, taken: true })
}
