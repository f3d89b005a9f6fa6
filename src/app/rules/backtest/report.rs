//! What a rule would have done with stored events, counted as they come.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::app::hooks::read_body;
use crate::domain::enricher::label::Labels;
use crate::domain::event::Event;
use crate::domain::ids::EventId;
use crate::domain::rule::Rule;
use crate::domain::rule::backtest::{Replay, Replayed};
use crate::domain::rule::judge::{judge, labelled, scope};
use crate::domain::time::Timestamp;
use crate::domain::words::words;
use crate::store::rules::verdicts::Outcome;

/// Events that a report names.
const NAMED: usize = 200;

words! {
    /// What a text makes of an event.
    Tried {
        /// It acts.
        Acts => "acts",
        /// A guard holds it back.
        Held => "held",
        /// Its criteria do not hold.
        NotMatched => "not_matched",
    }
}

/// What a rule would have done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    pub rows: VecDeque<BacktestRow>,
}

/// An event of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BacktestRow {
    /// The event.
    pub event: EventId,
    /// When it came.
    pub at: Timestamp,
    /// What the text makes of it.
    pub now: Tried,
    /// Why it is held back.
    pub detail: String,
    /// What the rule of then made of it; nothing where it did not look.
    pub then: Option<Outcome>,
}

/// A backtest as far as it is.
#[derive(Debug)]
pub(super) struct Course {
    report: BacktestReport,
    replay: Replay,
    rule: Arc<Rule>,
}

impl Course {
    pub(super) fn new(rule: Arc<Rule>) -> Self {
        Self { report: BacktestReport::default(), replay: Replay::new(&rule), rule }
    }

    /// How many events it has looked at.
    pub(super) fn looked_at(&self) -> usize {
        self.report.events
    }

    /// The next event, with what was made of it then and what enrichers said of it.
    pub(super) fn event(&mut self, event: &Event, then: Option<Outcome>, labels: Option<&Labels>) {
        let payload = read_body(event.payload.as_bytes()).map(|(data, _)| data).unwrap_or_default();
        let (scope, none) = (scope(payload), Labels::new());
        let scope = labelled(&self.rule, &scope, labels.unwrap_or(&none));
        let judgement = judge(&self.rule, &scope, event.depth, event.received_at);
        let replayed = self.replay.next(&judgement, event.received_at);
        let report = &mut self.report;
        let acted =
            then.is_some_and(|t| matches!(t, Outcome::Ran | Outcome::Would | Outcome::Notified | Outcome::Nothing));
        report.events += 1;
        report.matched += usize::from(judgement.outcome.matched);
        let (now, detail) = match replayed {
            Replayed::Acts => (Tried::Acts, String::new()),
            Replayed::Held(why) => (Tried::Held, why),
            Replayed::NotMatched => (Tried::NotMatched, String::new()),
        };
        match (now, acted) {
            (Tried::Acts, true) => report.also_then += 1,
            (Tried::Acts, false) => report.only_now += 1,
            (_, true) => report.only_then += 1,
            (_, false) => {}
        }
        report.acts += usize::from(now == Tried::Acts);
        report.held += usize::from(now == Tried::Held);
        if now == Tried::NotMatched && !acted {
            return;
        }
        if report.rows.len() == NAMED {
            report.rows.pop_front();
        }
        report.rows.push_back(BacktestRow { event: event.id, at: event.received_at, now, detail, then });
    }

    /// The report, the newest events first. `more` says whether there were more events than it looked at.
    pub(super) fn report(mut self, more: bool) -> BacktestReport {
        self.report.more = more;
        self.report.rows = self.report.rows.into_iter().rev().collect();
        self.report
    }
}
