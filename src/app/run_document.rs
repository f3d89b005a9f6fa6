//! Makes the signed document of a run.

use super::App;
use super::error::{AppError, AppResult};
use super::planning::job_of;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::RunNumber;
use crate::domain::plan::Plan;
use crate::domain::run_document::{
    DocumentedAnswer, DocumentedException, DocumentedRequest, FORMAT, RunDocument, WHAT,
};
use crate::store::approvals::{self as requests, ApprovalRecord, SignatureRecord};
use crate::store::signed_document::SignedDocument;
use crate::store::{StoreError, audit, break_glass, runs};

impl App {
    /// One run with its plan, its signatures and its part of the record, signed with the key of the record's ends. As it
    /// says from where everybody acted, it is for who administers the project.
    ///
    /// # Errors
    /// Not found, also when the run may not be seen; forbidden without `administer` on the project.
    pub async fn run_document(&self, actor: &Actor, number: RunNumber) -> AppResult<SignedDocument> {
        self.catalogue().await?;
        let now = self.clock.now();
        let (run, (text, digest), request, glass, record, head) = self
            .db
            .read(move |c| {
                let run = runs::find(c, number)?.ok_or_else(|| StoreError::not_found(format!("run {number}")))?;
                let plan = runs::plan(c, number)?;
                let request = run.approval_id.map(|id| requests::get_signed(c, id)).transpose()?;
                let filter = audit::Filter { resource: Some(format!("run:{number}")), ..audit::Filter::default() };
                let mut record = Vec::new();
                let mut before = None;
                loop {
                    let piece = audit::list(c, &filter, before, 200)?;
                    let Some(last) = piece.last() else { break };
                    before = Some(last.seq);
                    record.extend(piece);
                }
                record.reverse();
                let glass = break_glass::find(c, number)?;
                Ok::<_, StoreError>((run, plan, request, glass, record, audit::head(c, now)?))
            })
            .await?;
        self.authorize(actor, Permission::View, &job_of(&run.project, &run.job_path, run.environment.as_ref()))?;
        let permit = Resource::Project { project: run.project.clone() };
        self.authorize(actor, Permission::Administer, &permit)?;
        let document = RunDocument {
            what: WHAT.to_owned(),
            format: FORMAT,
            made_at: now,
            run: number,
            state: run.state,
            end_reason: run.end_reason.clone(),
            created_at: run.created_at,
            started_at: run.started_at,
            ended_at: run.ended_at,
            plan: Plan::read_verified(&text, &digest).map_err(AppError::fault)?,
            digest,
            request: request.map(|(record, answers)| documented(record, answers)),
            break_glass: glass.map(|g| DocumentedException {
                user: g.user,
                reason: g.reason,
                review_by: g.review_by,
                reviewed_by: g.reviewed_by,
                reviewed_at: g.reviewed_at,
                note: g.note,
            }),
            record,
            head,
        };
        let value = serde_json::to_value(&document).map_err(AppError::fault)?;
        Ok(self.anchor.sign_document(value))
    }

    /// The public key, in hexadecimal, that signed documents and the record's ends are checked with.
    #[must_use]
    pub fn document_key(&self) -> String {
        self.anchor.public_key()
    }
}

fn documented(record: ApprovalRecord, answers: Vec<SignatureRecord>) -> DocumentedRequest {
    DocumentedRequest {
        id: record.id,
        state: record.state,
        policy_digest: record.policy.digest(),
        policy: record.policy,
        need: record.need,
        requester: record.requester,
        requester_known_as: record.known_as,
        created_at: record.created_at,
        expires_at: record.expires_at,
        decided_at: record.decided_at,
        void_reason: record.void_reason,
        replaces: record.replaces,
        answers: answers
            .into_iter()
            .map(|a| DocumentedAnswer {
                user: a.user,
                known_as: a.known_as,
                on_behalf_of: a.on_behalf_of,
                verdict: a.verdict,
                reason: a.reason,
                roles: a.roles,
                digest: a.digest,
                source: a.source,
                at: a.at,
            })
            .collect(),
    }
}
