//! Sources that look outside: which are due, and what comes of what was brought back.

use std::sync::Arc;

use super::Watched;
use super::journals::store_entries;
use super::logs::store_lines;
use super::polls::{position, store_items};
use super::queues::store_messages;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Permission, Permit};
use crate::domain::moment::Moment;
use crate::domain::source::SourceKind;
use crate::domain::source::errand::{Answer, Catch, Errand, Following, LogPosition, Question, Reading};
use crate::domain::source::standing::{Turn, turn};
use crate::domain::time::{Seconds, Timestamp};
use crate::store::sources::{self, NewStanding, StandingRecord, seen};
use crate::store::{Conn, StoreError};

/// What a poll has for itself beyond its patience, to store what it brought back.
const BEYOND: Seconds = Seconds::new(30);
/// The pause after a file could not be read, once for each failure in a row.
const PAUSE: Seconds = Seconds::new(5);
/// The position of a log that goes on from the end, whatever its author says of the first time.
pub(super) const FROM_END: &str = "end";

/// Something to fetch, with what it is for.
#[derive(Debug)]
pub struct Outing {
    pub(super) watched: Watched,
    pub(super) standing: StandingRecord,
    /// The machine's name, for what is read on it.
    pub(super) host: String,
    errand: Option<Errand>,
}

impl Outing {
    /// Takes what is to be fetched; the first call has it.
    #[must_use]
    pub fn errand(&mut self) -> Option<Errand> {
        self.errand.take()
    }

    /// What it is for, where no row says that this server is at it.
    #[must_use]
    pub fn is_untaken(&self) -> Option<&str> {
        match self.watched.source.kind {
            SourceKind::Timer(_) | SourceKind::Poll(_) => None,
            SourceKind::Log(_) | SourceKind::Queue(_) | SourceKind::Journal(_) => Some(&self.watched.at.definition),
        }
    }
}

/// What came of something that was brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought {
    /// Events that it made.
    pub events: usize,
    /// Whether there is more to fetch at once.
    pub more: bool,
    /// Whether it is stored, so that nobody need keep it any longer.
    pub taken: bool,
}

/// What is said of a source that works: a warning stays to be seen until the next failure.
pub(super) fn remark(
    standing: &StandingRecord,
    warning: Option<&String>,
    now: Timestamp,
) -> (String, Option<Timestamp>) {
    match warning {
        Some(warning) => (warning.clone(), Some(now)),
        None if standing.failures == 0 => (standing.error.clone(), standing.failed_at),
        None => (String::new(), standing.failed_at),
    }
}

impl App {
    /// What is to be fetched now, on the machine of this id and name. An address is this server's to ask for a while, and no
    /// more than so many are.
    ///
    /// # Errors
    /// The database.
    pub async fn outings(&self, machine: &str, host: &str, mut room: usize) -> AppResult<Vec<Outing>> {
        let catalogue = self.catalogue().await?;
        let place = |kind: &SourceKind| match kind {
            SourceKind::Timer(_) => None,
            SourceKind::Poll(_) => Some(String::new()),
            SourceKind::Log(_) | SourceKind::Queue(_) | SourceKind::Journal(_) => Some(machine.to_owned()),
        };
        let watched: Vec<Watched> = catalogue
            .projects
            .values()
            .flat_map(|state| state.sources.values().map(move |stored| (state, stored)))
            .filter_map(|(state, stored)| Some(Watched::new(state, stored, &place(&stored.source.kind)?)))
            .collect();
        if watched.is_empty() {
            return Ok(Vec::new());
        }
        let standings = self.db.read(sources::all).await?;
        let permit = self.own_permit(Permission::Edit)?;
        let mut out = Vec::new();
        for watched in watched {
            let is_poll = matches!(watched.source.kind, SourceKind::Poll(_));
            if is_poll && room == 0 {
                continue;
            }
            let own = |s: &&StandingRecord| s.definition_id == watched.at.definition && s.place == watched.at.place;
            let standing = standings.iter().find(own).cloned();
            if let Some(outing) = self.outing(&permit, watched, standing, &standings, host).await? {
                room = room.saturating_sub(usize::from(is_poll));
                out.push(outing);
            }
        }
        Ok(out)
    }

    async fn outing(
        &self,
        permit: &Permit,
        watched: Watched,
        standing: Option<StandingRecord>,
        all: &[StandingRecord],
        host: &str,
    ) -> AppResult<Option<Outing>> {
        let now = self.clock.now();
        let turn = turn(&watched.source, standing.as_ref().map(|s| (s.position_digest, s.resting)));
        let Some(mut standing) = standing.clone().filter(|_| turn == Turn::Holds) else {
            let permit = permit.clone();
            self.db.write(move |c| settle(c, &permit, &watched, standing.as_ref(), turn, now)).await?;
            return Ok(None);
        };
        if !watched.source.enabled || standing.next_at.is_none_or(|at| at > now) {
            return Ok(None);
        }
        let made = match &watched.source.kind {
            SourceKind::Timer(_) => return Ok(None),
            SourceKind::Poll(poll) => {
                let until = now + (poll.timeout.to_delta() + BEYOND.to_delta());
                let claim = format!("{} {}", self.settings.server, uuid::Uuid::new_v4());
                // Nobody waits for a server that is known to be gone.
                let holder = standing.claim.as_deref().and_then(|claim| claim.split(' ').next());
                let left = holder.is_some_and(self.settings.is_gone);
                let (permit, at, seen) = (permit.clone(), watched.at.clone(), standing.changes);
                let take = move |c: &mut Conn| {
                    let seen = if left { sources::let_go(c, &permit, &at, seen)? } else { seen };
                    sources::claim(c, &permit, &at, seen, &claim, now, until)
                };
                let taken = self.db.write(take).await?;
                let Some(changes) = taken else { return Ok(None) };
                standing.changes = changes;
                let known_by = serde_json::from_str(&standing.position).unwrap_or_default();
                let headers = self.headers(&watched.at.project, poll).await;
                headers.map(|headers| Errand::Ask(Question { poll: Arc::new(poll.clone()), headers, known_by }))
            }
            SourceKind::Log(log) => Ok(Errand::Read(Reading {
                file: log.file.clone(),
                position: serde_json::from_str::<LogPosition>(&standing.position).ok(),
                from_start: log.from_start && standing.position != FROM_END,
                born: now.timestamp_micros().to_string(),
            })),
            SourceKind::Journal(journal) => Ok(Errand::Follow(Following {
                filter: journal.filter.clone(),
                position: serde_json::from_str(&standing.position).ok(),
                from_start: journal.from_start && standing.position != FROM_END,
            })),
            SourceKind::Queue(queue) => self.pulling(&watched, queue, all).await.map(Errand::Pull),
        };
        match made {
            Ok(errand) => Ok(Some(Outing { watched, standing, host: host.to_owned(), errand: Some(errand) })),
            Err(AppError::Refused(refusal)) => {
                let outing = Outing { watched, standing, host: host.to_owned(), errand: None };
                self.brought(outing, Err(refusal.message)).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Stores what comes of what was brought back, or why nothing was: events and position in one transaction, unless
    /// another server was faster or the definition is another one by now.
    ///
    /// # Errors
    /// The database.
    pub async fn brought(&self, outing: Outing, catch: Result<Catch, String>) -> AppResult<Brought> {
        let now = self.clock.now();
        let permit = self.own_permit(Permission::Edit)?;
        let storing = Arc::new((outing, catch));
        let write = move |c: &mut Conn| {
            let brought = store(c, &permit, &storing.0, &storing.1, now)?;
            if brought.events > 0 {
                Moment::SourceUncommitted.reached();
            }
            Ok::<_, StoreError>(brought)
        };
        let brought = self.db.write(write).await?;
        if brought.events > 0 {
            self.live.work_is_there();
        }
        Ok(brought)
    }
}

/// Brings what is remembered into line with the definition.
fn settle(
    c: &mut Conn,
    permit: &Permit,
    watched: &Watched,
    standing: Option<&StandingRecord>,
    turn: Turn,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !sources::still_defined(c, &watched.at.definition, watched.revision)? {
        return Ok(());
    }
    let begun = NewStanding {
        position_digest: watched.source.position_digest(),
        position: match (turn, standing) {
            // A queue keeps what comes meanwhile.
            (Turn::Wake, Some(standing)) if matches!(watched.source.kind, SourceKind::Queue(_)) => {
                standing.position.clone()
            }
            (Turn::Wake, _) => FROM_END.to_owned(),
            _ => String::new(),
        },
        next_at: Some(now),
        resting: false,
        failures: 0,
        error: String::new(),
        failed_at: None,
        event_at: standing.and_then(|s| s.event_at),
    };
    match (turn, standing) {
        (Turn::Begin | Turn::Wake, None) => sources::begin(c, permit, &watched.at, &begun).map(drop),
        (Turn::Begin | Turn::Wake, Some(standing)) => {
            if sources::advance(c, permit, &watched.at, standing.changes, &begun)? {
                seen::clear(c, permit, &watched.at)?;
            }
            Ok(())
        }
        (Turn::Rest, Some(standing)) => {
            let rests = NewStanding { next_at: None, resting: true, ..NewStanding::of(standing) };
            sources::advance(c, permit, &watched.at, standing.changes, &rests).map(drop)
        }
        (Turn::Holds | Turn::Rest, _) => Ok(()),
    }
}

fn store(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    catch: &Result<Catch, String>,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    if !sources::still_defined(c, &watched.at.definition, watched.revision)? {
        return Ok(Brought::default());
    }
    match (&watched.source.kind, catch) {
        (SourceKind::Poll(poll), Ok(Catch::Answer(answer))) => {
            let items = match answer {
                Answer::Unchanged => Ok((None, standing.position.clone())),
                Answer::Document(document, known_by) => {
                    poll.items(document).map(|items| (Some(items), position(known_by)))
                }
            };
            match items {
                Ok((items, position)) => store_items(c, permit, outing, poll, items, position, now),
                Err(why) => fail(c, permit, outing, &why, now),
            }
        }
        (SourceKind::Log(log), Ok(Catch::Lines(lines))) => store_lines(c, permit, outing, log, lines, now),
        (SourceKind::Journal(journal), Ok(Catch::Entries(came))) => {
            store_entries(c, permit, outing, journal, came, now)
        }
        (SourceKind::Queue(queue), Ok(Catch::Messages(came))) => store_messages(c, permit, outing, queue, came, now),
        (_, Err(why)) => fail(c, permit, outing, why, now),
        _ => Ok(Brought::default()),
    }
}

fn fail(c: &mut Conn, permit: &Permit, outing: &Outing, why: &str, now: Timestamp) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    let failures = standing.failures.saturating_add(1);
    let count = u32::try_from(failures).unwrap_or(u32::MAX);
    let next_at = match &watched.source.kind {
        SourceKind::Poll(poll) => poll.next(count, now),
        _ => now + Seconds::new(PAUSE.get() * u64::from(count.min(12))).to_delta(),
    };
    let new = NewStanding {
        next_at: Some(next_at),
        failures,
        error: why.to_owned(),
        failed_at: Some(now),
        ..NewStanding::of(standing)
    };
    sources::advance(c, permit, &watched.at, standing.changes, &new)?;
    tracing::warn!(source.name = %watched.at.name, source.project = %watched.at.project, error.cause = why, "a source failed");
    Ok(Brought::default())
}
