//! Writes the record: every act with its entry, in the same transaction. No entry, no act.

use serde_json::Value;

use super::App;
use crate::domain::access::{Actor, Principal};
use crate::domain::audit::Act;
use crate::domain::ids::ProjectName;
use crate::domain::time::Timestamp;
use crate::store::{Conn, StoreError, audit};

/// Where an act came from: an address, `cli`, `engine`.
pub type Source = str;

/// Makes an act.
#[must_use]
pub fn act(
    actor: &Principal,
    source: &Source,
    action: &str,
    resource: impl Into<String>,
    project: Option<&ProjectName>,
    detail: Value,
) -> Act {
    Act {
        actor: actor.clone(),
        source: source.to_owned(),
        action: action.to_owned(),
        resource: resource.into(),
        project: project.map(ToString::to_string),
        detail,
    }
}

impl App {
    /// A small writer of entries for a transaction's closure.
    pub(crate) fn recorder(&self) -> Recorder {
        Recorder { key: self.keys.audit, now: self.clock.now() }
    }
}

/// Appends entries inside a transaction.
#[derive(Clone)]
pub(crate) struct Recorder {
    key: [u8; 32],
    now: Timestamp,
}

impl Recorder {
    /// Appends an entry.
    pub(crate) fn write(&self, c: &mut Conn, act: &Act) -> Result<(), StoreError> {
        audit::append(c, &self.key, self.now, act).map(|_| ())
    }

    /// Appends an entry of an actor, saying by which token or hook they came.
    #[expect(clippy::too_many_arguments, reason = "they are the columns of one entry")]
    pub(crate) fn note(
        &self,
        c: &mut Conn,
        actor: &Actor,
        source: &Source,
        action: &str,
        resource: String,
        project: Option<&ProjectName>,
        mut detail: Value,
    ) -> Result<(), StoreError> {
        use crate::domain::access::Via;
        let via = match &actor.via {
            Via::Token { id, .. } => Some(format!("token:{id}")),
            Via::Webhook { name } => Some(format!("webhook:{name}")),
            Via::Chat { .. } => Some("slack".to_owned()),
            Via::Session { .. } | Via::CommandLine | Via::Engine => None,
        };
        if let (Some(via), Some(object)) = (via, detail.as_object_mut()) {
            object.insert("via".to_owned(), Value::from(via));
        }
        self.write(c, &act(&actor.principal, source, action, resource, project, detail))
    }
}
