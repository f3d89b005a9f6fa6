//! Log streams: what comes of lines.

use super::no_headers;
use super::outside::{Brought, Outing, remark};
use crate::domain::access::Permit;
use crate::domain::source::errand::Lines;
use crate::domain::source::log::LogFile;
use crate::domain::time::Timestamp;
use crate::store::sources::{self, NewStanding};
use crate::store::{Conn, StoreError, events};

/// Stores events of lines and how far they reach, unless somebody has read so far.
pub(super) fn store_lines(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    log: &LogFile,
    lines: &Lines,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    let position = serde_json::to_string(&lines.position).unwrap_or_default();
    if position == standing.position && standing.failures == 0 {
        return Ok(Brought::default());
    }
    let found: Vec<_> =
        lines.lines.iter().filter_map(|line| Some((line.key.clone(), log.payload(line, &outing.host)?))).collect();
    let (error, failed_at) = remark(standing, lines.warning.as_ref(), now);
    let new = NewStanding {
        position,
        next_at: Some(now),
        failures: 0,
        error,
        failed_at,
        event_at: if found.is_empty() { standing.event_at } else { Some(now) },
        ..NewStanding::of(standing)
    };
    if !sources::advance(c, permit, &watched.at, standing.changes, &new)? {
        return Ok(Brought::default());
    }
    let events = found.len();
    for (key, payload) in found {
        let event = watched.event(format!("{} {key}", watched.at.place), &payload, now);
        events::insert_event_once(c, permit, &event, &no_headers())?;
    }
    Ok(Brought { events, more: lines.more, taken: true })
}
