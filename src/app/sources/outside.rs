//! Sources that look outside: which are due, and what comes of what was brought back.

use std::sync::Arc;

use super::{Watched, no_headers};
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::{Permission, Permit};
use crate::domain::ids::ProjectName;
use crate::domain::secret::SecretText;
use crate::domain::source::SourceKind;
use crate::domain::source::errand::{Answer, Catch, Errand, KnownBy, Lines, LogPosition, Question, Reading};
use crate::domain::source::poll::{HeaderValue, MOST_REMEMBERED, Poll, REMEMBERED, payload};
use crate::domain::source::standing::{Turn, turn};
use crate::domain::time::{Seconds, Timestamp};
use crate::store::sources::{self, NewStanding, StandingRecord, seen};
use crate::store::{Conn, StoreError, events};

/// What a poll has for itself beyond its patience, to store what it brought back.
const BEYOND: Seconds = Seconds::new(60);
/// The pause after a file could not be read, once for each failure in a row.
const PAUSE: Seconds = Seconds::new(5);
/// The position of a log that goes on from the end, whatever its author says of the first time.
const FROM_END: &str = "end";

/// Something to fetch, with what it is for.
#[derive(Debug)]
pub struct Outing {
    watched: Watched,
    standing: StandingRecord,
    /// The machine's name, for what is read on it.
    host: String,
    errand: Option<Errand>,
}

impl Outing {
    /// Takes what is to be fetched; the first call has it.
    #[must_use]
    pub fn errand(&mut self) -> Option<Errand> {
        self.errand.take()
    }
}

/// What came of something that was brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Brought {
    /// Events that it made.
    pub events: usize,
    /// Whether there is more to fetch at once.
    pub more: bool,
}

impl App {
    /// What is to be fetched now, on the machine of this id and name. What is asked elsewhere is this server's for a while.
    ///
    /// # Errors
    /// The database.
    pub async fn outings(&self, machine: &str, host: &str) -> AppResult<Vec<Outing>> {
        let catalogue = self.catalogue().await?;
        let place = |kind: &SourceKind| match kind {
            SourceKind::Timer(_) => None,
            SourceKind::Poll(_) => Some(String::new()),
            SourceKind::Log(_) => Some(machine.to_owned()),
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
            let own = |s: &&StandingRecord| s.definition_id == watched.at.definition && s.place == watched.at.place;
            if let Some(outing) = self.outing(&permit, watched.clone(), standings.iter().find(own), host).await? {
                out.push(outing);
            }
        }
        Ok(out)
    }

    async fn outing(
        &self,
        permit: &Permit,
        watched: Watched,
        standing: Option<&StandingRecord>,
        host: &str,
    ) -> AppResult<Option<Outing>> {
        let now = self.clock.now();
        let turn = turn(&watched.source, standing.map(|s| (s.position_digest, s.resting)));
        let Some(standing) = standing.filter(|_| turn == Turn::Holds) else {
            let (permit, standing) = (permit.clone(), standing.cloned());
            self.db.write(move |c| settle(c, &permit, &watched, standing.as_ref(), turn, now)).await?;
            return Ok(None);
        };
        let mut standing = standing.clone();
        if !watched.source.enabled || standing.next_at.is_none_or(|at| at > now) {
            return Ok(None);
        }
        let errand = match &watched.source.kind {
            SourceKind::Timer(_) => return Ok(None),
            SourceKind::Poll(poll) => {
                let until = now + (poll.timeout.to_delta() + BEYOND.to_delta());
                let claim = format!("{} {}", self.settings.server, uuid::Uuid::new_v4());
                let (permit, at, seen) = (permit.clone(), watched.at.clone(), standing.changes);
                let taken = self.db.write(move |c| sources::claim(c, &permit, &at, seen, &claim, now, until)).await?;
                let Some(changes) = taken else { return Ok(None) };
                standing.changes = changes;
                match self.headers(&watched.at.project, poll).await {
                    Ok(headers) => {
                        let known_by = serde_json::from_str(&standing.position).unwrap_or_default();
                        Errand::Ask(Question { poll: Arc::new(poll.clone()), headers, known_by })
                    }
                    Err(AppError::Refused(refusal)) => {
                        let outing = Outing { watched, standing, host: host.to_owned(), errand: None };
                        self.brought(outing, Err(refusal.message)).await?;
                        return Ok(None);
                    }
                    Err(error) => return Err(error),
                }
            }
            SourceKind::Log(log) => Errand::Read(Reading {
                file: log.file.clone(),
                position: serde_json::from_str::<LogPosition>(&standing.position).ok(),
                from_start: log.from_start && standing.position != FROM_END,
                born: now.timestamp_micros().to_string(),
            }),
        };
        Ok(Some(Outing { watched, standing, host: host.to_owned(), errand: Some(errand) }))
    }

    async fn headers(&self, project: &ProjectName, poll: &Poll) -> AppResult<Vec<(String, SecretText)>> {
        let mut out = Vec::with_capacity(poll.headers.len());
        for (name, value) in &poll.headers {
            let value = match value {
                HeaderValue::Plain(text) => SecretText::new(text.clone()),
                HeaderValue::Secret { path, prefix } => {
                    let secret = Box::pin(self.key_value(project, path, None)).await?;
                    SecretText::new(format!("{prefix}{}", secret.expose().trim_end_matches(['\r', '\n'])))
                }
            };
            out.push((name.clone(), value));
        }
        Ok(out)
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
        let brought = self.db.write(move |c| store(c, &permit, &storing.0, &storing.1, now)).await?;
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
        position: if turn == Turn::Wake { FROM_END.to_owned() } else { String::new() },
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
        (SourceKind::Log(_), Ok(Catch::Lines(lines))) => store_lines(c, permit, outing, lines, now),
        (_, Err(why)) => fail(c, permit, outing, why, now),
        _ => Ok(Brought::default()),
    }
}

fn position(known_by: &KnownBy) -> String {
    serde_json::to_string(known_by).unwrap_or_default()
}

fn store_items(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    poll: &Poll,
    items: Option<Vec<(String, serde_json::Value)>>,
    position: String,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    use crate::domain::source::poll::First;
    let Outing { watched, standing, .. } = outing;
    let at = &watched.at;
    // Nothing was brought before, or it was off meanwhile.
    let first = standing.position.is_empty() || standing.position == FROM_END;
    let silent = first && (poll.first == First::Seen || standing.position == FROM_END);
    let known = if items.is_some() { seen::all(c, &at.definition)? } else { Default::default() };
    let items =
        items.map(|all| (all.iter().map(|(key, _)| key.clone()).collect::<std::collections::BTreeSet<_>>(), all));
    let fresh: Vec<&(String, serde_json::Value)> = match &items {
        Some((_, all)) => all.iter().filter(|(key, _)| !known.contains_key(key)).collect(),
        None => Vec::new(),
    };
    let makes = !silent && !fresh.is_empty();
    let new = NewStanding {
        position,
        next_at: Some(poll.next(0, now)),
        failures: 0,
        error: String::new(),
        event_at: if makes { Some(now) } else { standing.event_at },
        ..NewStanding::of(standing)
    };
    if !sources::advance(c, permit, at, standing.changes, &new)? {
        return Ok(Brought::default());
    }
    if let Some((there, _)) = &items {
        let picked = |gone: bool, present: bool| -> Vec<String> {
            known.iter().filter(|(k, g)| **g == gone && there.contains(*k) == present).map(|(k, _)| k.clone()).collect()
        };
        seen::add(c, permit, at, &fresh.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>())?;
        seen::set_gone(c, permit, at, &picked(false, false), Some(now))?;
        seen::set_gone(c, permit, at, &picked(true, true), None)?;
        seen::age(c, permit, at, now - REMEMBERED.to_delta(), MOST_REMEMBERED)?;
    }
    if silent {
        return Ok(Brought::default());
    }
    for (key, item) in &fresh {
        let event = watched.event(key.clone(), &payload(item.clone()), now);
        events::insert_event_once(c, permit, &event, &no_headers())?;
    }
    Ok(Brought { events: fresh.len(), more: false })
}

fn store_lines(
    c: &mut Conn,
    permit: &Permit,
    outing: &Outing,
    lines: &Lines,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let Outing { watched, standing, .. } = outing;
    let SourceKind::Log(log) = &watched.source.kind else { return Ok(Brought::default()) };
    let position = serde_json::to_string(&lines.position).unwrap_or_default();
    if position == standing.position && standing.failures == 0 {
        return Ok(Brought::default());
    }
    let found: Vec<_> =
        lines.lines.iter().filter_map(|line| Some((line.key.clone(), log.payload(line, &outing.host)?))).collect();
    let new = NewStanding {
        position,
        next_at: Some(now),
        failures: 0,
        // That lines may be lost stays to be seen until the next failure.
        error: lines
            .warning
            .clone()
            .unwrap_or_else(|| if standing.failures == 0 { standing.error.clone() } else { String::new() }),
        failed_at: lines.warning.as_ref().map_or(standing.failed_at, |_| Some(now)),
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
    Ok(Brought { events, more: lines.more })
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
