//! Timers: what is due becomes an event, in the transaction that moves the timer on.

use super::{Watched, no_headers};
use crate::app::App;
use crate::app::error::AppResult;
use crate::domain::access::{Permission, Permit};
use crate::domain::moment::Moment;
use crate::domain::source::SourceKind;
use crate::domain::source::standing::{Turn, turn};
use crate::domain::source::timer::{Timer, delivery_key, payload};
use crate::domain::time::Timestamp;
use crate::store::events;
use crate::store::sources::{self, NewStanding, StandingRecord};
use crate::store::{Conn, StoreError};

/// All servers share what is known of a timer.
const SHARED: &str = "";

impl App {
    /// Lets the timers fire that are due. How many events that made.
    ///
    /// # Errors
    /// The database.
    pub async fn fire_timers(&self) -> AppResult<usize> {
        let catalogue = self.catalogue().await?;
        let timers: Vec<Watched> = catalogue
            .projects
            .values()
            .flat_map(|state| state.sources.values().map(move |stored| Watched::new(state, stored, SHARED)))
            .filter(|watched| matches!(watched.source.kind, SourceKind::Timer(_)))
            .collect();
        if timers.is_empty() {
            return Ok(0);
        }
        let standings = self.db.read(sources::all).await?;
        let permit = self.own_permit(Permission::Edit)?;
        let mut made = 0;
        for watched in timers {
            let SourceKind::Timer(timer) = &watched.source.kind else { continue };
            let own = |s: &&StandingRecord| s.definition_id == watched.at.definition && s.place == watched.at.place;
            let now = self.clock.now();
            let Some(step) = step(&watched, timer, standings.iter().find(own), now) else { continue };
            let (permit, watched) = (permit.clone(), watched.clone());
            made += self.db.write(move |c| take(c, &permit, &watched, &step, now)).await?;
        }
        if made > 0 {
            Moment::TimerFired.reached();
            self.live.work_is_there();
        }
        Ok(made)
    }
}

/// One move of a timer.
struct Step {
    /// The `changes` that it was decided on; `None` where nothing is remembered yet.
    seen: Option<i64>,
    new: NewStanding,
    fires: Vec<Timestamp>,
}

fn step(watched: &Watched, timer: &Timer, standing: Option<&StandingRecord>, now: Timestamp) -> Option<Step> {
    let begun = || NewStanding {
        position_digest: watched.source.position_digest(),
        position: String::new(),
        next_at: timer.schedule.first(now),
        resting: false,
        failures: 0,
        error: String::new(),
        failed_at: None,
        event_at: standing.and_then(|s| s.event_at),
    };
    let remembered = standing.map(|s| (s.position_digest, s.resting));
    let seen = standing.map(|s| s.changes);
    match (turn(&watched.source, remembered), standing) {
        (Turn::Begin | Turn::Wake, _) => Some(Step { seen, new: begun(), fires: Vec::new() }),
        (Turn::Rest, Some(standing)) => {
            let new = NewStanding { next_at: None, resting: true, ..NewStanding::of(standing) };
            Some(Step { seen, new, fires: Vec::new() })
        }
        (Turn::Holds, Some(standing)) => {
            let due = timer.due(standing.next_at?, now)?;
            let event_at = due.fires.last().map_or(standing.event_at, |_| Some(now));
            let new = NewStanding { next_at: due.next, event_at, ..NewStanding::of(standing) };
            Some(Step { seen, new, fires: due.fires })
        }
        (Turn::Holds | Turn::Rest, None) => None,
    }
}

/// Makes the move, unless another server did or the definition is another one by now. How many events it made.
fn take(c: &mut Conn, permit: &Permit, watched: &Watched, step: &Step, now: Timestamp) -> Result<usize, StoreError> {
    if !sources::still_defined(c, &watched.at.definition, watched.revision)? {
        return Ok(0);
    }
    let moved = match step.seen {
        None => sources::begin(c, permit, &watched.at, &step.new)?,
        Some(seen) => sources::advance(c, permit, &watched.at, seen, &step.new)?,
    };
    if !moved {
        return Ok(0);
    }
    for scheduled in &step.fires {
        let payload = payload(watched.source.name.as_str(), *scheduled, now);
        let event = watched.event(delivery_key(*scheduled), &payload, now);
        events::insert_event_once(c, permit, &event, &no_headers())?;
    }
    if !step.fires.is_empty() {
        Moment::TimerUncommitted.reached();
    }
    Ok(step.fires.len())
}
