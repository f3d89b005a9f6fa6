//! The runbooks that somebody wants at hand: jobs pinned to their own start page. A pin changes nothing for anybody else
//! and gives no right, so the record does not hold it.

use super::App;
use super::error::{AppError, AppResult};
use super::jobs::JobView;
use crate::domain::access::{Actor, Permission, Principal, Resource};
use crate::domain::ids::{JobId, JobRef, ProjectName};
use crate::store::pins;

/// The most pins that one person has.
const MOST: usize = 24;

impl App {
    /// Pins a job to the actor's start page, or takes the pin away.
    ///
    /// # Errors
    /// Not found, also when the job may not be seen; `not_a_person`; `too_many_pins`.
    pub async fn pin(&self, actor: &Actor, project: &ProjectName, job: &JobRef, on: bool) -> AppResult<JobView> {
        let view = self.job(actor, project, job).await?;
        let Principal::User(user) = actor.principal.clone() else {
            return Err(AppError::invalid("not_a_person", "Only people have a start page to pin a job to."));
        };
        let permit = self.authorize(actor, Permission::Edit, &Resource::Account { name: user.clone() })?;
        let (now, project, id) = (self.clock.now(), project.clone(), view.stored.id.clone());
        self.db
            .write(move |c| {
                if !on {
                    return Ok(pins::remove(c, &permit, &user, &project, &id)?);
                }
                if pins::list(c, &user)?.len() >= MOST {
                    let message = format!("{MOST} jobs are pinned already; take one away first.");
                    return Err(AppError::conflict("too_many_pins", message));
                }
                Ok(pins::put(c, &permit, &user, &project, &id, now)?)
            })
            .await?;
        Ok(view)
    }

    /// What the actor pinned, the oldest pin first; nothing for who is not a person.
    ///
    /// # Errors
    /// The database.
    pub async fn pins(&self, actor: &Actor) -> AppResult<Vec<(ProjectName, JobId)>> {
        let Principal::User(user) = actor.principal.clone() else { return Ok(Vec::new()) };
        Ok(self.db.read(move |c| pins::list(c, &user)).await?)
    }
}
