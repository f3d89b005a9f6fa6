//! Telling people: who is to hear of a notice, what it says to them, and what became of it.
//!
//! Notices are written where something happens, in the same transaction. Engine loops come here for the rest; each step is
//! safe to call again, on any server.

mod about;
mod address;
mod letters;
mod trouble;
mod who;

use crate::domain::ids::{NoticeId, ProjectName, RunNumber};
use crate::domain::notice::{Audience, NoticeKind};
use crate::domain::time::Seconds;
use crate::store::notices::NewNotice;

pub use letters::Taken;
pub use trouble::Trouble;

/// How long a server has a notice or a delivery to itself.
const LEASE: Seconds = Seconds::new(120);

/// A notice about a run, for channels of its project.
pub(super) fn about_run(
    project: &ProjectName,
    run: RunNumber,
    kind: NoticeKind,
    channels: &[String],
    words: &str,
) -> NewNotice {
    NewNotice {
        id: fresh_id(),
        project: project.clone(),
        kind,
        approval: None,
        run: Some(run),
        audience: channels.iter().cloned().map(Audience::Channel).collect(),
        actor: None,
        words: words.to_owned(),
    }
}

/// A notice's id.
pub(super) fn fresh_id() -> NoticeId {
    NoticeId::new(uuid::Uuid::now_v7())
}
