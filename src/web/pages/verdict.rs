//! What a rule made of an event, as pages show it.

use serde_json::Value;

use crate::app::rules::{Outcome, VerdictView};
use crate::domain::time::Timestamp;
use crate::web::ansi::visible;
use crate::web::page::Moment;

/// A verdict with its reasons.
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// Its page.
    pub rule_href: String,
    /// The event's id.
    pub event: String,
    /// When.
    pub at: Moment,
    /// The outcome's class.
    pub state: &'static str,
    /// The outcome in words.
    pub words: &'static str,
    /// Why.
    pub detail: String,
    /// Each criterion.
    pub criteria: Vec<Line>,
    /// Each guard.
    pub guards: Vec<Line>,
    /// The run that it asked for.
    pub run: Option<i64>,
    /// Whether the rule was left out by the index, and is judged for this page.
    pub left_out: bool,
}

/// A criterion or a guard.
pub struct Line {
    /// What was asked.
    pub asked: String,
    /// What was seen.
    pub seen: String,
    /// Whether it holds.
    pub held: bool,
    /// Why.
    pub reason: String,
}

/// A verdict as a page shows it.
pub fn verdict(view: &VerdictView, now: Timestamp) -> Verdict {
    let v = &view.verdict;
    let (state, words) = match v.outcome {
        Outcome::NotMatched => ("skipped", "no match"),
        Outcome::Held => ("expired", "held back"),
        Outcome::Refused => ("rejected", "refused"),
        Outcome::Would => ("dry_run", "would have acted"),
        Outcome::Notified => ("ran", "told people"),
        Outcome::Nothing => ("ran", "did nothing"),
        Outcome::Ran => ("ran", "asked for a run"),
    };
    Verdict {
        rule_href: format!("/rules/{}/{}", v.project, super::words::encoded(&v.rule)),
        rule: v.rule.clone(),
        event: v.event_id.to_string(),
        at: Moment::new(v.created_at, now),
        state,
        words,
        detail: visible(&v.detail),
        criteria: v.criteria.0.iter().map(criterion).collect(),
        guards: v
            .guards
            .0
            .iter()
            .map(|g| Line { asked: g.guard.clone(), seen: String::new(), held: g.passed, reason: visible(&g.detail) })
            .collect(),
        run: v.run.map(|r| r.get()),
        left_out: !view.stored,
    }
}

fn criterion(c: &Value) -> Line {
    let text = |key: &str| c.get(key).and_then(Value::as_str).unwrap_or_default();
    let shown = |key: &str| match c.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(value) => visible(&value.to_string()).chars().take(200).collect(),
    };
    let group = text("group");
    let asked = format!("{} {} {}", text("path"), text("operator"), shown("pattern"));
    Line {
        asked: if group.is_empty() { asked } else { format!("{group}: {asked}") },
        seen: shown("value"),
        held: c.get("matched").and_then(Value::as_bool).unwrap_or(false),
        reason: visible(text("reason")),
    }
}
