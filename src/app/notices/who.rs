//! The people whom a notice is for, as things are at this moment.

use std::collections::BTreeSet;

use crate::app::App;
use crate::app::error::AppResult;
use crate::app::planning::{job_of, person};
use crate::domain::access::{Actor, Permission, Principal, Via};
use crate::domain::ids::UserName;
use crate::domain::notice::Audience;
use crate::store::approvals::{self as requests, ApprovalRecord, SignatureRecord};
use crate::store::notices::NoticeRecord;
use crate::store::runs::{self, RunRecord};
use crate::store::users::{self, UserRecord};
use crate::store::{Conn, StoreError};

/// How many accounts are read at a time.
const PIECE: u32 = 200;

/// What a notice is about, as it stands now.
#[derive(Debug, Clone, Default)]
pub(super) struct Matter {
    pub(super) request: Option<(ApprovalRecord, Vec<SignatureRecord>)>,
    pub(super) run: Option<RunRecord>,
}

impl Matter {
    /// What a notice is about; what is gone by now is left out.
    pub(super) fn read(c: &mut Conn, notice: &NoticeRecord) -> Result<Self, StoreError> {
        let request = match notice.approval {
            Some(id) => found(requests::get_signed(c, id))?,
            None => None,
        };
        let number = notice.run.or(request.as_ref().map(|(r, _)| r.run));
        let run = match number {
            Some(number) => runs::find(c, number)?,
            None => None,
        };
        Ok(Self { request, run })
    }
}

fn found<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl App {
    /// Everybody who may sign in.
    pub(super) async fn everybody(&self) -> AppResult<Vec<UserRecord>> {
        let mut all: Vec<UserRecord> = Vec::new();
        loop {
            let after = all.last().map(|u| u.name.clone());
            let page = self.db.read(move |c| users::list(c, after.as_ref(), PIECE)).await?;
            let full = page.len() == PIECE as usize;
            all.extend(page);
            if !full {
                all.retain(|u| u.active);
                return Ok(all);
            }
        }
    }

    /// Whether this person could sign the request now, were they in front of the page.
    pub(super) fn can_sign(&self, user: &UserRecord, matter: &Matter) -> bool {
        let (Some((request, signatures)), Some(run)) = (&matter.request, &matter.run) else { return false };
        user.active && self.view(&self.in_person(user), request.clone(), run, signatures).mine
    }

    /// The people whom a notice is for. Whoever did it knows already; whoever may not see the job is not told.
    pub(super) async fn recipients(&self, notice: &NoticeRecord, matter: &Matter) -> AppResult<BTreeSet<UserName>> {
        let everybody = self.everybody().await?;
        let wanted = |user: &UserRecord| notice.audience.iter().any(|a| self.is_meant(user, a, notice, matter));
        let sees = |user: &UserRecord| match &matter.run {
            Some(run) => {
                let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
                self.authorize(&self.in_person(user), Permission::View, &resource).is_ok()
            }
            None => true,
        };
        let did_it = |user: &UserRecord| notice.actor.as_ref() == Some(&Principal::User(user.name.clone()));
        Ok(everybody.into_iter().filter(|u| !did_it(u) && wanted(u) && sees(u)).map(|u| u.name).collect())
    }

    fn is_meant(&self, user: &UserRecord, audience: &Audience, notice: &NoticeRecord, matter: &Matter) -> bool {
        let roles = || self.known().policy.roles_of(&self.in_person(user), &notice.project);
        match audience {
            Audience::Signers => self.can_sign(user, matter),
            Audience::Requester => {
                let asked = matter.request.as_ref().map(|(r, _)| &r.requester);
                asked.or(matter.run.as_ref().map(|r| &r.requester)).and_then(person).as_ref() == Some(&user.name)
            }
            Audience::Members => !roles().is_empty(),
            Audience::Role(role) => roles().contains(role),
            Audience::User(name) => user.name == *name,
            Audience::Channel(_) => false,
        }
    }

    /// Who could sign a request now, by name.
    pub(super) async fn signers_now(&self, matter: &Matter) -> AppResult<Vec<UserRecord>> {
        Ok(self.everybody().await?.into_iter().filter(|u| self.can_sign(u, matter)).collect())
    }

    /// The person as if they had just signed in.
    fn in_person(&self, user: &UserRecord) -> Actor {
        Actor {
            principal: Principal::User(user.name.clone()),
            groups: user.groups.clone(),
            via: Via::Session { authenticated_at: self.clock.now() },
            administrator: user.administrator,
        }
    }
}
