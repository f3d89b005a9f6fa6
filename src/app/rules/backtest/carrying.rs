//! Carrying a backtest out, piece by piece, so that others go on meanwhile and somebody can stop it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::BacktestRecord;
use super::report::{BacktestReport, Course};
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::access::Permission;
use crate::domain::enricher::label::Labels;
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::time::{Seconds, Timestamp};
use crate::spec;
use crate::store::enrichment::labels;
use crate::store::rules::backtests;
use crate::store::rules::verdicts::{self, Outcome};
use crate::store::{Conn, StoreError, events};

/// Events that are looked at, at most.
const MOST: usize = 5_000_000;
/// Events that are read at once.
const PIECE: u32 = 1_000;
/// Events whose labels are read in one query.
const LABELLED: usize = 500;
/// Pieces after which it is noted how far it is, and looked whether it is to go on.
const NOTED: usize = 20;
/// The same in time, where pieces take long.
const NOTED_EVERY: Duration = Duration::from_millis(500);
/// How long a server has a backtest to itself after each note.
const LEASE: Seconds = Seconds::new(20);

impl App {
    /// Carries out what a server left behind that is gone. How many.
    ///
    /// # Errors
    /// The database.
    pub async fn take_up_backtests(&self) -> AppResult<usize> {
        let mut count = 0;
        loop {
            let now = self.clock.now();
            let forsaken = self.db.read(move |c| backtests::forsaken(c, now, now - LEASE.to_delta())).await?;
            let Some(id) = forsaken else { return Ok(count) };
            self.carry_out_backtest(&id).await?;
            count += 1;
        }
    }

    /// Carries a backtest out, unless it is over or somebody else does. One at a time on a server.
    ///
    /// # Errors
    /// The database; what is wrong with the backtest itself is noted with it.
    pub(super) async fn carry_out_backtest(&self, id: &str) -> AppResult<()> {
        // Nobody closes it.
        let _turn = self.backtests.acquire().await.map_err(AppError::fault)?;
        let now = self.clock.now();
        let permit = self.own_permit(Permission::Edit)?;
        let claim = format!("{} {}", self.settings.server, uuid::Uuid::new_v4());
        let (own, mine, until) = (id.to_owned(), claim.clone(), now + LEASE.to_delta());
        let taken = self
            .db
            .write(move |c| {
                if !backtests::claim(c, &permit, &own, &mine, now, until)? {
                    return Ok(None);
                }
                backtests::get(c, &own).map(Some)
            })
            .await?;
        let Some(record) = taken else { return Ok(()) };
        let outcome = match self.replay_events(&record, &claim).await {
            // Somebody stopped it, or has it by now.
            Ok(None) => return Ok(()),
            Ok(Some(report)) => {
                serde_json::to_string(&report).map(|json| (report.events, json)).map_err(AppError::fault)
            }
            Err(error) => Err(error),
        };
        let outcome = outcome.map_err(|error| match error {
            AppError::Refused(refusal) => refusal.message,
            fault => {
                tracing::error!(backtest.id = id, error.cause = %fault, "a backtest broke off");
                "Something is broken; the log of the server says what.".to_owned()
            }
        });
        let (permit, now, id) = (self.own_permit(Permission::Edit)?, self.clock.now(), id.to_owned());
        let finish = move |c: &mut Conn| {
            let looked_at = outcome.as_ref().map_or(0, |(events, _)| count(*events));
            let report = outcome.as_ref().map(|(_, json)| json.as_str()).map_err(String::as_str);
            backtests::finish(c, &permit, (&id, &claim), looked_at, report, now)
        };
        self.db.write(finish).await?;
        Ok(())
    }

    /// Holds the text against each event. Nothing where it is not to go on.
    async fn replay_events(&self, record: &BacktestRecord, claim: &str) -> AppResult<Option<BacktestReport>> {
        let rule = spec::read_rule(&record.text).map_err(|found| {
            AppError::invalid("invalid_definitions", format!("The rule has mistakes: {}", spec::render(&found)))
        })?;
        let rule = Arc::new(rule);
        let (kind, project) = (rule.trigger.clone(), record.project.clone());
        let (since, until) = (record.since, record.until);
        let total = self.db.read(move |c| events::count_of_type(c, &project, &kind, since, until)).await?;
        let mut course = Course::new(Arc::clone(&rule));
        let mut after: Option<(Timestamp, EventId)> = None;
        let mut noted = self.clock.running();
        for piece in 0_usize.. {
            let due = self.clock.running().saturating_sub(noted) >= NOTED_EVERY;
            if piece.is_multiple_of(NOTED) || due {
                noted = self.clock.running();
                if !self.note_progress(&record.id, claim, course.looked_at(), total).await? {
                    return Ok(None);
                }
            }
            let (wanted, kind) = (record.clone(), rule.trigger.clone());
            let asks = !rule.enrich.is_empty();
            let Piece { found, then, labels } = self.db.read(move |c| read(c, &wanted, &kind, asks, after)).await?;
            let (last, full) = (found.last().map(|e| (e.received_at, e.id)), found.len() == PIECE as usize);
            // Judging keeps a core busy, and those who answer people need theirs.
            let judged = tokio::task::spawn_blocking(move || {
                for event in &found {
                    course.event(event, then.get(&event.id).copied(), labels.get(&event.id));
                }
                course
            });
            course = judged.await.map_err(AppError::fault)?;
            if !full || course.looked_at() >= MOST {
                return Ok(Some(course.report(full)));
            }
            after = last;
        }
        Err(AppError::fault("a backtest has no end"))
    }

    async fn note_progress(&self, id: &str, claim: &str, looked_at: usize, total: i64) -> AppResult<bool> {
        let (permit, until) = (self.own_permit(Permission::Edit)?, self.clock.now() + LEASE.to_delta());
        let (id, claim, looked_at) = (id.to_owned(), claim.to_owned(), count(looked_at));
        let note = move |c: &mut Conn| backtests::advance(c, &permit, (&id, &claim), (looked_at, total), until);
        Ok(self.db.write(note).await?)
    }
}

fn count(events: usize) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}

/// Events with what is known of them.
struct Piece {
    found: Vec<Event>,
    /// What the rule made of them then.
    then: BTreeMap<EventId, Outcome>,
    /// What enrichers said of them then. Nobody is asked again, so what has none counts as having none.
    labels: BTreeMap<EventId, Labels>,
}

fn read(
    c: &mut Conn,
    record: &BacktestRecord,
    kind: &str,
    asks: bool,
    after: Option<(Timestamp, EventId)>,
) -> Result<Piece, StoreError> {
    let found = events::of_type(c, &record.project, kind, record.since, record.until, after, PIECE)?;
    let ids: Vec<EventId> = found.iter().map(|e| e.id).collect();
    let then = match &record.definition_id {
        Some(definition) => verdicts::of_events(c, definition, &ids)?.into_iter().collect(),
        None => BTreeMap::new(),
    };
    let mut all: BTreeMap<EventId, Labels> = BTreeMap::new();
    if asks {
        for ids in ids.chunks(LABELLED) {
            for record in labels::of_events(c, ids)? {
                all.entry(record.event_id).or_default().insert(record.enricher, record.label);
            }
        }
    }
    Ok(Piece { found, then, labels: all })
}
