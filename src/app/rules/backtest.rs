//! A rule, stored or only written, held against stored events, beside what really happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::App;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::app::hooks::read_body;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::event::Event;
use crate::domain::ids::{EventId, ProjectName};
use crate::domain::rule::Rule;
use crate::domain::rule::backtest::{Replay, Replayed};
use crate::domain::rule::judge::{judge, scope};
use crate::domain::time::Timestamp;
use crate::spec;
use crate::store::rules::verdicts::{self, Outcome};
use crate::store::{Conn, StoreError, events};

/// Events that are looked at, at most.
const MOST: usize = 1_000_000;
/// Events that are read at once.
const PIECE: u32 = 1_000;
/// Events that the report names.
const NAMED: usize = 200;

/// What a rule would have done.
#[derive(Debug, Clone, Default)]
pub struct BacktestReport {
    /// Events of its type in the time.
    pub events: usize,
    /// Those whose criteria hold.
    pub matched: usize,
    /// Those that it would have acted on.
    pub acts: usize,
    /// Those that a guard would have held back.
    pub held: usize,
    /// Acts where the rule as it was acted as well, or in dry run would have.
    pub also_then: usize,
    /// Acts where it did not, then.
    pub only_now: usize,
    /// Acts of then that it would not do now.
    pub only_then: usize,
    /// Whether there were more events than are looked at.
    pub more: bool,
    /// The newest of those that it acts on, is held back on, or that differ from then.
    pub rows: Vec<BacktestRow>,
}

/// An event of a report.
#[derive(Debug, Clone)]
pub struct BacktestRow {
    /// The event.
    pub event: EventId,
    /// When it came.
    pub at: Timestamp,
    /// `acts`, `held` or `not_matched`.
    pub now: &'static str,
    /// Why it is held back.
    pub detail: String,
    /// What the rule of then made of it; nothing where it did not look.
    pub then: Option<Outcome>,
}

impl App {
    /// Holds a rule's text against the events of a time. The stored text is taken where none is given.
    ///
    /// # Errors
    /// Not found; forbidden without `view` on the rule and on events; `invalid_definitions` for a text with mistakes.
    pub async fn backtest(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: Option<&str>,
        text: Option<&str>,
        since: Timestamp,
        until: Timestamp,
    ) -> AppResult<BacktestReport> {
        let catalogue = self.catalogue().await?;
        self.authorize(actor, Permission::View, &Resource::Events { project: project.clone() })?;
        let state = catalogue.project(project)?;
        let rule = match text {
            Some(text) => Arc::new(spec::read_rule(text).map_err(|found| {
                let all = spec::render(&found);
                AppError::from(Refusal::new(
                    RefusalKind::Invalid,
                    "invalid_definitions",
                    format!("The rule has mistakes: {all}"),
                ))
            })?),
            None => {
                let stored = name.and_then(|name| state.rule(name)).ok_or_else(AppError::not_found)?;
                Arc::clone(&stored.rule)
            }
        };
        let named = name.unwrap_or(&rule.name);
        let resource = Resource::Rule { project: project.clone(), name: named.to_owned() };
        self.authorize(actor, Permission::View, &resource)?;
        let definition = state.rule(named).map(|r| r.definition.clone());
        let mut run = Run { report: BacktestReport::default(), replay: Replay::new(&rule), rule: &rule };
        let mut after: Option<(Timestamp, EventId)> = None;
        loop {
            let (project, kind, definition) = (project.clone(), rule.trigger.clone(), definition.clone());
            let (piece, then) =
                self.db.read(move |c| piece(c, &project, &kind, definition.as_deref(), since, until, after)).await?;
            let Some(last) = piece.last() else { break };
            after = Some((last.received_at, last.id));
            run.report.events += piece.len();
            for event in &piece {
                run.event(event, then.get(&event.id).copied());
            }
            if run.report.events >= MOST {
                run.report.more = true;
                break;
            }
            if piece.len() < PIECE as usize {
                break;
            }
            // Others may go on meanwhile.
            tokio::task::yield_now().await;
        }
        let mut report = run.report;
        report.rows.reverse();
        Ok(report)
    }
}

type Piece = (Vec<Event>, BTreeMap<EventId, Outcome>);

fn piece(
    c: &mut Conn,
    project: &ProjectName,
    kind: &str,
    definition: Option<&str>,
    since: Timestamp,
    until: Timestamp,
    after: Option<(Timestamp, EventId)>,
) -> Result<Piece, StoreError> {
    let found = events::of_type(c, project, kind, since, until, after, PIECE)?;
    let ids: Vec<EventId> = found.iter().map(|e| e.id).collect();
    let then = match definition {
        Some(definition) => verdicts::of_events(c, definition, &ids)?.into_iter().collect(),
        None => BTreeMap::new(),
    };
    Ok((found, then))
}

struct Run<'r> {
    report: BacktestReport,
    replay: Replay<'r>,
    rule: &'r Rule,
}

impl Run<'_> {
    fn event(&mut self, event: &Event, then: Option<Outcome>) {
        let payload = read_body(event.payload.as_bytes()).map(|(data, _)| data).unwrap_or_default();
        let judgement = judge(self.rule, &scope(payload), event.depth, event.received_at);
        let replayed = self.replay.next(&judgement, event.received_at);
        let report = &mut self.report;
        let acted =
            then.is_some_and(|t| matches!(t, Outcome::Ran | Outcome::Would | Outcome::Notified | Outcome::Nothing));
        report.matched += usize::from(judgement.outcome.matched);
        let (now, detail) = match &replayed {
            Replayed::Acts => ("acts", String::new()),
            Replayed::Held(why) => ("held", why.clone()),
            Replayed::NotMatched => ("not_matched", String::new()),
        };
        match (&replayed, acted) {
            (Replayed::Acts, true) => report.also_then += 1,
            (Replayed::Acts, false) => report.only_now += 1,
            (_, true) => report.only_then += 1,
            (_, false) => {}
        }
        report.acts += usize::from(replayed == Replayed::Acts);
        report.held += usize::from(matches!(replayed, Replayed::Held(_)));
        if replayed == Replayed::NotMatched && !acted {
            return;
        }
        if report.rows.len() == NAMED {
            report.rows.remove(0);
        }
        report.rows.push(BacktestRow { event: event.id, at: event.received_at, now, detail, then });
    }
}
