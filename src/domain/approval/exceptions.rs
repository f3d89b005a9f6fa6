//! The ways beside the usual one, each as one decision: running without waiting, reviewing that, signing for another.

use std::collections::BTreeSet;

use super::machine::FRESH_FOR;
use super::quorum::Party;
use super::{ApprovalPolicy, BreakGlass};
use crate::domain::ids::{RoleName, UserName};
use crate::domain::time::{Seconds, Timestamp};

/// Why an exception is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionRefused {
    /// Only people.
    #[error("only a signed-in person can do this; a service account or an API token cannot")]
    NotAPerson,
    /// The project has turned it off.
    #[error("this project does not let anybody run without waiting (`break_glass: false` in project.yaml)")]
    TurnedOff,
    /// The policy has no such way.
    #[error("the approval policy lets nobody run this without waiting")]
    NoSuchWay,
    /// Another role is needed.
    #[error("you need the role {0} and the right `break_glass` on this job to run it without waiting")]
    NotEntitled(RoleName),
    /// The session is too old.
    #[error("please type your password again: it was last checked more than 15 minutes ago")]
    StaleSession,
    /// No reason.
    #[error("please say why: whoever reviews this needs to know")]
    ReasonRequired,
    /// Their own.
    #[error("you ran this yourself, so somebody else has to review it")]
    OwnRun,
    /// Reviewed.
    #[error("it was reviewed already")]
    Reviewed,
    /// May not review.
    #[error("you may not approve runs of this job, so you cannot review one either")]
    NotAReviewer,
    /// To oneself.
    #[error("name somebody else to approve for you")]
    ToOneself,
    /// One of both does not hold the role.
    #[error("{who} does not hold the role {role}; only somebody of the same role can approve for another")]
    NotOfTheRole {
        /// Who lacks it.
        who: UserName,
        /// The role.
        role: RoleName,
    },
    /// No good time.
    #[error("say until when: a time that is still to come, at most 60 days away")]
    BadEnd,
}

impl ExceptionRefused {
    /// A stable snake_case code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAPerson => "not_a_person",
            Self::TurnedOff => "break_glass_off",
            Self::NoSuchWay => "no_break_glass",
            Self::NotEntitled(_) => "not_entitled",
            Self::StaleSession => "stale_session",
            Self::ReasonRequired => "reason_required",
            Self::OwnRun => "own_run",
            Self::Reviewed => "reviewed",
            Self::NotAReviewer => "not_a_reviewer",
            Self::ToOneself => "to_oneself",
            Self::NotOfTheRole { .. } => "not_of_the_role",
            Self::BadEnd => "bad_end",
        }
    }
}

/// Somebody who asks for an exception, as known at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// Whether they are a person in a session of their own.
    pub is_person: bool,
    /// The roles that they hold now.
    pub roles: BTreeSet<RoleName>,
    /// Whether they have the right that it takes on this job now.
    pub permitted: bool,
    /// When they last typed their password.
    pub authenticated_at: Option<Timestamp>,
}

impl Asker {
    fn fresh(&self, now: Timestamp) -> Result<(), ExceptionRefused> {
        let stale = self.authenticated_at.is_none_or(|at| now - at > FRESH_FOR.to_delta());
        if stale { Err(ExceptionRefused::StaleSession) } else { Ok(()) }
    }
}

/// How often whoever can review a run is told that its review is overdue.
const REMIND_REVIEW: Seconds = Seconds::new(24 * 3_600);

/// When they are told again.
#[must_use]
pub fn next_review_reminder(now: Timestamp) -> Timestamp {
    now + REMIND_REVIEW.to_delta()
}

/// The way round that a policy has, where the project lets anybody take it.
///
/// # Errors
/// [`ExceptionRefused::TurnedOff`], [`ExceptionRefused::NoSuchWay`].
pub fn way_round(allowed: bool, policy: &ApprovalPolicy) -> Result<&BreakGlass, ExceptionRefused> {
    if !allowed {
        return Err(ExceptionRefused::TurnedOff);
    }
    policy.break_glass.as_ref().ok_or(ExceptionRefused::NoSuchWay)
}

/// Whether somebody may run without waiting; until when somebody else has to review it.
///
/// # Errors
/// [`ExceptionRefused`] with the reason.
pub fn break_glass(
    allowed: bool,
    policy: &ApprovalPolicy,
    asker: &Asker,
    reason: &str,
    now: Timestamp,
) -> Result<Timestamp, ExceptionRefused> {
    let way = way_round(allowed, policy)?;
    if !asker.is_person {
        return Err(ExceptionRefused::NotAPerson);
    }
    if !asker.permitted || !asker.roles.contains(&way.role) {
        return Err(ExceptionRefused::NotEntitled(way.role.clone()));
    }
    if reason.trim().is_empty() {
        return Err(ExceptionRefused::ReasonRequired);
    }
    asker.fresh(now)?;
    Ok(now + way.review_within.to_delta())
}

/// Whether somebody may sign a run off that did not wait.
///
/// # Errors
/// [`ExceptionRefused`] with the reason.
pub fn review(
    ran: &Party,
    reviewer: &Party,
    asker: &Asker,
    reviewed: bool,
    note: &str,
    now: Timestamp,
) -> Result<(), ExceptionRefused> {
    if !asker.is_person {
        return Err(ExceptionRefused::NotAPerson);
    }
    if !asker.permitted {
        return Err(ExceptionRefused::NotAReviewer);
    }
    if ran.is(reviewer) {
        return Err(ExceptionRefused::OwnRun);
    }
    if reviewed {
        return Err(ExceptionRefused::Reviewed);
    }
    if note.trim().is_empty() {
        return Err(ExceptionRefused::ReasonRequired);
    }
    asker.fresh(now)
}

/// The two sides of a delegation: their account, who they are, and the roles that they hold.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The account.
    pub user: &'a UserName,
    /// Who that is.
    pub party: &'a Party,
    /// Their roles.
    pub roles: &'a BTreeSet<RoleName>,
}

/// Whether one person may let another sign for them. It gives no right: both hold the role themselves.
///
/// # Errors
/// [`ExceptionRefused`] with the reason.
pub fn delegate(
    from: Side<'_>,
    to: Side<'_>,
    role: &RoleName,
    ends_at: Timestamp,
    now: Timestamp,
) -> Result<(), ExceptionRefused> {
    if from.party.is(to.party) {
        return Err(ExceptionRefused::ToOneself);
    }
    for side in [from, to] {
        if !side.roles.contains(role) {
            return Err(ExceptionRefused::NotOfTheRole { who: side.user.clone(), role: role.clone() });
        }
    }
    if ends_at <= now || ends_at > now + chrono::TimeDelta::days(60) {
        return Err(ExceptionRefused::BadEnd);
    }
    Ok(())
}
