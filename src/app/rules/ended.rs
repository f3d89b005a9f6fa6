//! Runs that end become events, so that rules can follow up. Each carries how many runs stand before it.

use serde_json::json;

use crate::app::catalogue::Catalogue;
use crate::app::error::AppResult;
use crate::domain::access::Permit;
use crate::domain::event::{Event, EventVerdict, RUN_FINISHED, RUNS};
use crate::domain::ids::EventId;
use crate::domain::plan::Origin;
use crate::domain::time::Timestamp;
use crate::store::runs::RunRecord;
use crate::store::{Conn, StoreError, events};

/// Stores the event of a run that has ended, once, where any rule of its project listens to such events.
pub(in crate::app) fn tell_rules(
    c: &mut Conn,
    own: &Permit,
    catalogue: &Catalogue,
    run: &RunRecord,
    now: Timestamp,
) -> AppResult<()> {
    if !catalogue.projects.get(&run.project).is_some_and(|p| p.rule_index.listens(RUN_FINISHED)) {
        return Ok(());
    }
    let before = match &run.origin {
        Origin::Rule { event, .. } | Origin::Webhook { event, .. } => match events::get(c, *event) {
            Ok(event) => event.depth,
            // An event that was let go of meanwhile may have been the end of a chain.
            Err(StoreError::NotFound { .. }) => u32::MAX - 1,
            Err(error) => return Err(error.into()),
        },
        Origin::Button | Origin::Api | Origin::Cli | Origin::Chat | Origin::Schedule { .. } => 0,
    };
    let payload = json!({
        "run": run.number, "job": run.job_path, "job_id": run.job_id, "state": run.state, "reason": run.end_reason,
        "requester": run.requester, "origin": run.origin, "environment": run.environment,
    });
    let event = Event {
        id: EventId::new(uuid::Uuid::now_v7()),
        project: run.project.clone(),
        received_at: now,
        source: RUNS.to_owned(),
        event_type: RUN_FINISHED.to_owned(),
        payload: payload.to_string(),
        dedupe_key: format!("run {}", run.number),
        verdict: EventVerdict::NotMatched,
        detail: "Rules are about to look at it.".to_owned(),
        run: None,
        depth: before.saturating_add(1),
        awaits_rules: true,
    };
    events::insert_event_once(c, own, &event, &std::collections::BTreeMap::new())?;
    Ok(())
}
