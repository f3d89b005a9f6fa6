//! What a rule would have done with stored events, as pages show it.

use crate::app::rules::{BacktestReport, Outcome};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::page::Moment;

/// A backtest.
pub struct Tried {
    /// The numbers, in a sentence or two.
    pub summary: String,
    /// The newest events that it is about.
    pub rows: Vec<Row>,
}

/// An event of a backtest.
pub struct Row {
    /// Its id.
    pub event: String,
    /// When it came.
    pub at: Moment,
    /// What the text at hand makes of it.
    pub now: &'static str,
    /// What was made of it then.
    pub then: &'static str,
    /// Why it is held back.
    pub detail: String,
}

/// A report as a page shows it.
pub fn tried(report: &BacktestReport, now: Timestamp) -> Tried {
    let rows = report.rows.iter().map(|r| Row {
        event: r.event.to_string(),
        at: Moment::new(r.at, now),
        now: match r.now {
            "acts" => "acts",
            "held" => "held back",
            _ => "no match",
        },
        then: match r.then {
            None => "not looked at",
            Some(Outcome::NotMatched) => "no match",
            Some(Outcome::Held) => "held back",
            Some(Outcome::Refused) => "refused",
            Some(Outcome::Would) => "would have acted",
            Some(Outcome::Notified | Outcome::Nothing | Outcome::Ran) => "acted",
        },
        detail: visible(&r.detail),
    });
    let summary = format!(
        "Of {} events of its type in 14 days {} match; it acts on {} and is held back on {}. Then it acted on {} of those as well; {} are new, and {} fall away.",
        report.events, report.matched, report.acts, report.held, report.also_then, report.only_now, report.only_then
    );
    Tried { summary, rows: rows.collect() }
}
