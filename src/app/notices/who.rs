//! The people whom a notice is for, as things are at this moment.

use std::collections::BTreeSet;

use crate::app::App;
use crate::app::break_glass::may_review;
use crate::app::catalogue::Catalogue;
use crate::app::error::AppResult;
use crate::app::planning::{job_of, person};
use crate::app::signers::{Weighed, actor_of, signer, weigh};
use crate::domain::access::{Permission, Principal, Resource};
use crate::domain::approval::helps;
use crate::domain::ids::UserName;
use crate::domain::notice::{Audience, NoticeKind};
use crate::store::approvals as requests;
use crate::store::break_glass::{self, BreakGlassRecord};
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
    pub(super) glass: Option<BreakGlassRecord>,
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
        let glass = match number {
            Some(number) if notice.kind == NoticeKind::ReviewOverdue => break_glass::find(c, number)?,
            _ => None,
        };
        Ok(Self { request, run, glass })
    }

    /// Whether somebody still has to look at a run that did not wait.
    pub(super) fn wants_review(&self) -> bool {
        self.glass.as_ref().is_some_and(|g| g.reviewed_at.is_none())
    }
}

/// The rule that a notice is about.
fn rule_of(notice: &NoticeRecord) -> Option<Resource> {
    notice.rule.clone().map(|name| Resource::Rule { project: notice.project.clone(), name })
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

    /// Everybody who could bring a request on with their signature now, were they in front of the page.
    pub(in crate::app) async fn who_can_sign(&self, weighed: &Weighed) -> AppResult<Vec<UserRecord>> {
        let matter = Matter { request: Some(weighed.clone()), ..Matter::default() };
        self.signers_among(self.everybody().await?, &matter).await
    }

    /// Those of these people who could bring the request on with their signature now, were they in front of the page.
    pub(super) async fn signers_among(&self, people: Vec<UserRecord>, matter: &Matter) -> AppResult<Vec<UserRecord>> {
        let Some(weighed) = matter.request.clone() else { return Ok(Vec::new()) };
        let (catalogue, now) = (self.known(), self.clock.now());
        let look = move |c: &mut Conn| {
            let mut can = Vec::new();
            for user in people.into_iter().filter(|u| u.active) {
                let actor = actor_of(user.clone(), now);
                let roles = catalogue.policy.roles_of(&actor, &weighed.run.project);
                if !weighed.record.need.iter().any(|n| roles.contains(&n.role)) {
                    continue;
                }
                let signer = signer(c, &catalogue, &actor, &weighed, None, now)?;
                if helps(&weighed.request, &signer, now) {
                    can.push(user);
                }
            }
            Ok::<_, StoreError>(can)
        };
        Ok(self.db.read(look).await?)
    }

    /// Those of these people who could review the run now, were they in front of the page.
    async fn reviewers_among(&self, people: Vec<UserRecord>, matter: &Matter) -> AppResult<BTreeSet<UserName>> {
        let (Some(glass), Some(run)) = (matter.glass.clone(), &matter.run) else { return Ok(BTreeSet::new()) };
        let resource = job_of(&run.project, &run.job_path, run.environment.as_ref());
        let (catalogue, now) = (self.known(), self.clock.now());
        let look = move |c: &mut Conn| {
            let mut can = BTreeSet::new();
            for user in people.into_iter().filter(|u| u.active) {
                let actor = actor_of(user.clone(), now);
                let may = catalogue.policy.authorize(&actor, Permission::Approve, &resource).is_ok();
                if may && may_review(c, &catalogue, &actor, &glass, &resource, "-", now)?.is_ok() {
                    can.insert(user.name);
                }
            }
            Ok::<_, StoreError>(can)
        };
        Ok(self.db.read(look).await?)
    }

    /// Whether somebody may see what a notice is about: the job of its run; the rule, and the events of which it tells.
    pub(super) fn may_hear(&self, user: &UserRecord, notice: &NoticeRecord, matter: &Matter) -> bool {
        let actor = actor_of(user.clone(), self.clock.now());
        let sees = |resource: &Resource| self.authorize(&actor, Permission::View, resource).is_ok();
        let run = matter.run.as_ref().is_none_or(|r| sees(&job_of(&r.project, &r.job_path, r.environment.as_ref())));
        let event = notice.event.is_none() || sees(&Resource::Events { project: notice.project.clone() });
        run && event && rule_of(notice).is_none_or(|rule| sees(&rule))
    }

    /// The people whom a notice is for. Whoever did it knows already; whoever may not see what it is about is not told.
    pub(super) async fn recipients(&self, notice: &NoticeRecord, matter: &Matter) -> AppResult<BTreeSet<UserName>> {
        let everybody = self.everybody().await?;
        let asks = notice.audience.contains(&Audience::Signers);
        let signers = if asks { self.signers_among(everybody.clone(), matter).await? } else { Vec::new() };
        let reviewers = if notice.audience.contains(&Audience::Reviewers) {
            self.reviewers_among(everybody.clone(), matter).await?
        } else {
            BTreeSet::new()
        };
        let wanted = |user: &UserRecord| {
            reviewers.contains(&user.name)
                || (asks && signers.iter().any(|s| s.name == user.name))
                || notice.audience.iter().any(|a| self.is_meant(user, a, notice, matter))
        };
        let did_it = |user: &UserRecord| notice.actor.as_ref() == Some(&Principal::User(user.name.clone()));
        Ok(everybody
            .into_iter()
            .filter(|u| !did_it(u) && wanted(u) && self.may_hear(u, notice, matter))
            .map(|u| u.name)
            .collect())
    }

    fn is_meant(&self, user: &UserRecord, audience: &Audience, notice: &NoticeRecord, matter: &Matter) -> bool {
        let roles = || self.known().policy.roles_of(&actor_of(user.clone(), self.clock.now()), &notice.project);
        match audience {
            Audience::Requester => {
                let asked = matter.request.as_ref().map(|r| &r.record.requester);
                asked.or(matter.run.as_ref().map(|r| &r.requester)).and_then(person).as_ref() == Some(&user.name)
            }
            Audience::Members => !roles().is_empty(),
            Audience::Keepers => rule_of(notice).is_some_and(|rule| {
                let actor = actor_of(user.clone(), self.clock.now());
                self.authorize(&actor, Permission::Promote, &rule).is_ok()
            }),
            Audience::Role(role) => roles().contains(role),
            Audience::User(name) => user.name == *name,
            // Signers are looked for among everybody at once.
            Audience::Signers | Audience::Reviewers | Audience::Channel(_) => false,
        }
    }

    /// Who could sign a request now, by name.
    pub(super) async fn signers_now(&self, matter: &Matter) -> AppResult<Vec<UserRecord>> {
        self.signers_among(self.everybody().await?, matter).await
    }
}
