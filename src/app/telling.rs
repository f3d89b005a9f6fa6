//! What people are told: one notice, written in the transaction of what happened.

use crate::domain::access::{Permit, Principal};
use crate::domain::ids::{ApprovalId, NoticeId, ProjectName, RunNumber};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::time::Timestamp;
use crate::store::approvals::ApprovalRecord;
use crate::store::notices::{self, NewNotice};
use crate::store::runs::RunRecord;
use crate::store::{Conn, StoreError};

/// Writes a notice about a request.
pub(super) fn tell(
    c: &mut Conn,
    permit: &Permit,
    request: &ApprovalRecord,
    what: (NoticeKind, Vec<Audience>),
    actor: Option<&Principal>,
    words: impl Into<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    tell_of(c, permit, &request.project, Some((Some(request.id), request.run)), what, actor, words, now)
}

/// Writes a notice about a run for channels of its project.
pub(super) fn tell_channels(
    c: &mut Conn,
    permit: &Permit,
    run: &RunRecord,
    kind: NoticeKind,
    channels: Vec<String>,
    words: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let audience = channels.into_iter().map(Audience::Channel).collect();
    tell_of(c, permit, &run.project, Some((None, run.number)), (kind, audience), None, words, now)
}

/// Writes a notice that may be about a request and its run.
#[expect(clippy::too_many_arguments, reason = "they are the columns of one notice")]
pub(super) fn tell_of(
    c: &mut Conn,
    permit: &Permit,
    project: &ProjectName,
    about: Option<(Option<ApprovalId>, RunNumber)>,
    what: (NoticeKind, Vec<Audience>),
    actor: Option<&Principal>,
    words: impl Into<String>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let notice = NewNotice {
        id: NoticeId::new(uuid::Uuid::now_v7()),
        project: project.clone(),
        kind: what.0,
        approval: about.and_then(|(id, _)| id),
        run: about.map(|(_, run)| run),
        rule: None,
        event: None,
        audience: what.1,
        actor: actor.cloned(),
        words: words.into(),
    };
    notices::add(c, permit, &notice, now)
}
