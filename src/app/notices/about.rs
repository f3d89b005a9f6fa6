//! What a notice says.

use super::who::Matter;
use crate::app::App;
use crate::app::error::AppResult;
use crate::app::planning::person;
use crate::domain::approval::{RequestState, missing};
use crate::domain::notice::NoticeKind;
use crate::domain::notice::message::About;
use crate::store::notices::NoticeRecord;
use crate::store::runs;

impl App {
    /// The facts of a notice as they are now. Values of options are not among them: they could be secrets.
    pub(super) async fn facts(&self, notice: &NoticeRecord, matter: &Matter, signers: Vec<String>) -> AppResult<About> {
        let nodes = match matter.run.as_ref().map(|r| r.number) {
            Some(number) => self.db.read(move |c| runs::nodes(c, number)).await?.len(),
            None => 0,
        };
        let request = matter.request.as_ref();
        let run = matter.run.as_ref();
        let requester = request.map(|r| &r.record.requester).or(run.map(|r| &r.requester));
        let state = match (notice.kind, request, run) {
            (NoticeKind::RunEnded, _, Some(run)) => Some(run.state.as_str()),
            (_, Some(request), _) => Some(request.record.state.as_str()),
            (_, None, Some(run)) => Some(run.state.as_str()),
            (_, None, None) => None,
        };
        let pending = request.filter(|r| r.record.state == RequestState::Pending);
        let lacks = pending.map(|r| {
            let each = missing(&r.record.need, &r.request.signatures);
            each.into_iter().map(|m| format!("{} × {}", m.count, m.role)).collect::<Vec<_>>().join(", ")
        });
        let place = match (notice.approval, notice.run, &notice.rule) {
            _ if notice.kind == NoticeKind::ReviewOverdue => "/break-glass".to_owned(),
            (Some(id), ..) => format!("/approvals/{id}"),
            (None, Some(number), _) => format!("/runs/{number}"),
            (None, None, Some(rule)) => rule_place(notice, rule),
            (None, None, None) => "/".to_owned(),
        };
        Ok(About {
            kind: notice.kind,
            project: notice.project.to_string(),
            job: run.map(|r| r.job_path.to_string()),
            run: notice.run.or(run.map(|r| r.number)),
            rule: notice.rule.clone(),
            more: u32::try_from(notice.more).unwrap_or(0),
            state,
            requester: requester.map(|r| r.short().to_owned()),
            reason: run.map(|r| r.reason.clone()).unwrap_or_default(),
            environment: run.and_then(|r| r.environment.as_ref()).map(ToString::to_string),
            nodes,
            digest: run.map(|r| r.plan_digest.short()),
            expires_at: pending.map(|r| r.record.expires_at),
            missing: lacks.unwrap_or_default(),
            signers,
            actor: notice.actor.as_ref().map(|a| match person(a) {
                Some(name) => name.to_string(),
                None => a.to_string(),
            }),
            words: notice.words.clone(),
            link: format!("{}{place}", self.settings.public_url),
        })
    }
}

/// The page of the event where it is one, of the rule where they are several or none.
fn rule_place(notice: &NoticeRecord, rule: &str) -> String {
    match notice.event {
        Some(event) if notice.more == 0 && notice.kind == NoticeKind::RuleTold => format!("/events/{event}"),
        // The name of a rule has nothing in it that an address writes otherwise.
        _ => format!("/rules/{}/{rule}", notice.project),
    }
}
