//! A judgement as it is kept, and what several of them make of an event.

use crate::app::catalogue::StoredRule;
use crate::domain::event::{Event, EventVerdict};
use crate::domain::ids::RunNumber;
use crate::domain::rule::judge::{Decision, Judgement};
use crate::domain::rule::shown;
use crate::domain::time::Timestamp;
use crate::store::rules::states::TextOfRule;
use crate::store::rules::verdicts::{Criteria, Guards, Outcome, VerdictRecord};

/// A judgement as a row; what the guards of the past and the action add comes later.
pub(super) fn verdict_of(
    text: &TextOfRule,
    stored: &StoredRule,
    event: &Event,
    live: bool,
    judgement: &Judgement,
    now: Timestamp,
) -> VerdictRecord {
    let judgement = shown(&stored.rule, judgement);
    let (outcome, detail) = match &judgement.decision {
        Decision::NotMatched => (Outcome::NotMatched, why_not_matched(&judgement)),
        Decision::Held(why) => (Outcome::Held, why.clone()),
        Decision::Refused(why) => (Outcome::Refused, why.clone()),
        Decision::Act | Decision::NotifyOnly(_) | Decision::ActIfSigned(_) => (Outcome::Would, String::new()),
    };
    let criteria = judgement.outcome.criteria.iter().filter_map(|c| serde_json::to_value(c).ok()).collect();
    VerdictRecord {
        event_id: event.id,
        definition_id: text.definition.clone(),
        revision: stored.revision,
        project: text.project.clone(),
        rule: text.rule.clone(),
        live,
        outcome,
        detail,
        criteria: Criteria(criteria),
        guards: Guards(judgement.guards),
        proposal: judgement.proposal,
        run: None,
        created_at: now,
    }
}

fn why_not_matched(judgement: &Judgement) -> String {
    let failed = judgement.outcome.criteria.iter().find(|c| !c.result.matched);
    failed.map_or_else(
        || "Its criteria do not hold.".to_owned(),
        |c| format!("{} {}: {}.", c.result.path, c.result.operator, c.result.reason),
    )
}

/// What all rules together made of an event, as its own verdict.
pub(super) fn summary(all: &[VerdictRecord]) -> (EventVerdict, String, Option<RunNumber>) {
    let of = |outcomes: &[Outcome]| all.iter().filter(|v| outcomes.contains(&v.outcome)).collect::<Vec<_>>();
    let names = |found: &[&VerdictRecord]| found.iter().map(|v| v.rule.as_str()).collect::<Vec<_>>().join(", ");
    let acted = of(&[Outcome::Ran, Outcome::Notified, Outcome::Nothing]);
    if !acted.is_empty() {
        let run = acted.iter().find_map(|v| v.run);
        return (EventVerdict::Ran, format!("Acted on by {}.", names(&acted)), run);
    }
    let would = of(&[Outcome::Would]);
    if !would.is_empty() {
        return (EventVerdict::DryRun, format!("In dry run {} would have acted.", names(&would)), None);
    }
    let stopped = of(&[Outcome::Held, Outcome::Refused]);
    if let Some(first) = stopped.first() {
        return (EventVerdict::Refused, format!("{}: {}", first.rule, first.detail), None);
    }
    let detail = if all.is_empty() { "No rule could match it." } else { "No rule's criteria hold." };
    (EventVerdict::NotMatched, detail.to_owned(), None)
}
