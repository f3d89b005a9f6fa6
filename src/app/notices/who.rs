//! The people whom a notice is for, as things are at this moment.

use std::collections::BTreeSet;

use crate::app::App;
use crate::app::approvals::would_approve;
use crate::app::catalogue::Catalogue;
use crate::app::error::AppResult;
use crate::app::planning::{job_of, person};
use crate::app::signers::{Weighed, actor_of, signer, weigh};
use crate::domain::access::{Permission, Principal};
use crate::domain::ids::UserName;
use crate::domain::notice::Audience;
use crate::store::approvals as requests;
use crate::store::notices::NoticeRecord;
use crate::store::runs::{self, RunRecord};
use crate::store::users::{self, UserRecord};
use crate::store::{Conn, StoreError};

/// How many accounts are read at a time.
const PIECE: u32 = 200;

/// What a notice is about, as it stands now.
#[derive(Debug, Clone, Default)]
pub(super) struct Matter {
    pub(super) request: Option<Weighed>,
    pub(super) run: Option<RunRecord>,
}

impl Matter {
    /// What a notice is about; what is gone by now is left out.
    pub(super) fn read(c: &mut Conn, catalogue: &Catalogue, notice: &NoticeRecord) -> Result<Self, StoreError> {
        let request = match notice.approval {
            Some(id) => found(requests::get(c, id).and_then(|record| weigh(c, catalogue, record)))?,
            None => None,
        };
        let number = notice.run.or(request.as_ref().map(|r| r.record.run));
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

    /// Those of these people who could sign the request now, were they in front of the page.
    pub(super) async fn signers_among(&self, people: Vec<UserRecord>, matter: &Matter) -> AppResult<Vec<UserRecord>> {
        let Some(weighed) = matter.request.clone() else { return Ok(Vec::new()) };
        let (catalogue, now) = (self.known(), self.clock.now());
        let look = move |c: &mut Conn| {
            let mut can = Vec::new();
            for user in people.into_iter().filter(|u| u.active) {
                let signer = signer(c, &catalogue, &actor_of(user.clone(), now), &weighed, None, now)?;
                if would_approve(&weighed.request, &signer, now).is_ok() {
                    can.push(user);
                }
            }
            Ok::<_, StoreError>(can)
        };
        Ok(self.db.read(look).await?)
    }

    /// The people whom a notice is for. Whoever did it knows already; whoever may not see the job is not told.
    pub(super) async fn recipients(&self, notice: &NoticeRecord, matter: &Matter) -> AppResult<BTreeSet<UserName>> {
        let everybody = self.everybody().await?;
        let asks = notice.audience.contains(&Audience::Signers);
        let signers = if asks { self.signers_among(everybody.clone(), matter).await? } else { Vec::new() };
        let wanted = |user: &UserRecord| {
            (asks && signers.iter().any(|s| s.name == user.name))
                || notice.audience.iter().any(|a| self.is_meant(user, a, notice, matter))
        };
        let sees = |user: &UserRecord| match &matter.run {
            Some(run) => {
                let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
                self.authorize(&actor_of(user.clone(), self.clock.now()), Permission::View, &resource).is_ok()
            }
            None => true,
        };
        let did_it = |user: &UserRecord| notice.actor.as_ref() == Some(&Principal::User(user.name.clone()));
        Ok(everybody.into_iter().filter(|u| !did_it(u) && wanted(u) && sees(u)).map(|u| u.name).collect())
    }

    fn is_meant(&self, user: &UserRecord, audience: &Audience, notice: &NoticeRecord, matter: &Matter) -> bool {
        let roles = || self.known().policy.roles_of(&actor_of(user.clone(), self.clock.now()), &notice.project);
        match audience {
            Audience::Requester => {
                let asked = matter.request.as_ref().map(|r| &r.record.requester);
                asked.or(matter.run.as_ref().map(|r| &r.requester)).and_then(person).as_ref() == Some(&user.name)
            }
            Audience::Members => !roles().is_empty(),
            Audience::Role(role) => roles().contains(role),
            Audience::User(name) => user.name == *name,
            // Signers are looked for among everybody at once.
            Audience::Signers | Audience::Channel(_) => false,
        }
    }

    /// Who could sign a request now, by name.
    pub(super) async fn signers_now(&self, matter: &Matter) -> AppResult<Vec<UserRecord>> {
        self.signers_among(self.everybody().await?, matter).await
    }
}
