//! Approval requests and their signatures. What a signature is worth, `domain::approval` says.

use std::collections::BTreeSet;

use diesel::prelude::*;

use crate::domain::access::{Permission, Permit, Principal};
use crate::domain::approval::{ApprovalPolicy, Need, RequestState, Verdict, timers_of_request};
use crate::domain::digest::Digest;
use crate::domain::ids::{ApprovalId, JobPath, ProjectName, RoleName, RunNumber, UserName};
use crate::domain::time::Timestamp;

use super::approval_timers;
use super::column::{Json, MaybeStamp, Stamp, json, stamp};
use super::connection::{Conn, MultiBackend};
use super::error::StoreError;
use super::page::limit;
use super::permit;
use super::schema::{approvals, signatures};

/// An approval request.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = approvals, check_for_backend(MultiBackend))]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// The run that waits for it.
    pub run: RunNumber,
    /// The run's project.
    pub project: ProjectName,
    /// The run's job.
    pub job_path: JobPath,
    /// Where it stands.
    pub state: RequestState,
    /// The policy as it was when the plan was frozen.
    #[diesel(deserialize_as = Json<ApprovalPolicy>)]
    pub policy: ApprovalPolicy,
    /// The lines that apply.
    #[diesel(deserialize_as = Json<Vec<Need>>)]
    pub need: Vec<Need>,
    /// The digest that signers approve.
    pub plan_digest: Digest,
    /// Who asked for the run.
    pub requester: Principal,
    /// When.
    #[diesel(deserialize_as = Stamp)]
    pub created_at: Timestamp,
    /// When it expires undecided.
    #[diesel(deserialize_as = Stamp)]
    pub expires_at: Timestamp,
    /// When it left `pending`.
    #[diesel(deserialize_as = MaybeStamp)]
    pub decided_at: Option<Timestamp>,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// The accounts of the requester when they asked.
    #[diesel(deserialize_as = Json<BTreeSet<UserName>>)]
    pub known_as: BTreeSet<UserName>,
    /// The first of those that were asked again one after another.
    pub thread: ApprovalId,
    /// The one that this was asked again after.
    pub replaces: Option<ApprovalId>,
    /// The one that was asked after this.
    pub replaced_by: Option<ApprovalId>,
    /// When somebody else was told that nobody answers.
    #[diesel(deserialize_as = MaybeStamp)]
    pub escalated_at: Option<Timestamp>,
}

/// A request to be made.
#[derive(Debug, Clone)]
pub struct NewApproval {
    /// Its id.
    pub id: ApprovalId,
    /// The run that waits for it.
    pub run: RunNumber,
    /// The run's project.
    pub project: ProjectName,
    /// The run's job.
    pub job_path: JobPath,
    /// The policy.
    pub policy: ApprovalPolicy,
    /// The lines that apply.
    pub need: Vec<Need>,
    /// The plan's digest.
    pub plan_digest: Digest,
    /// Who asked for the run.
    pub requester: Principal,
    /// When it expires undecided.
    pub expires_at: Timestamp,
    /// The accounts of the requester, if a person.
    pub known_as: BTreeSet<UserName>,
    /// The one that this is asked again after.
    pub replaces: Option<ApprovalId>,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = signatures, check_for_backend(MultiBackend))]
pub struct SignatureRecord {
    /// Who.
    #[diesel(column_name = user_name)]
    pub user: UserName,
    /// Yes or no.
    pub verdict: Verdict,
    /// Why, in their words.
    pub reason: String,
    /// The roles that they held then.
    #[diesel(deserialize_as = Json<BTreeSet<RoleName>>)]
    pub roles: BTreeSet<RoleName>,
    /// The digest that they looked at.
    pub digest: Digest,
    /// From where.
    pub source: String,
    /// When.
    #[diesel(column_name = signed_at, deserialize_as = Stamp)]
    pub at: Timestamp,
    /// The accounts of the signer then.
    #[diesel(deserialize_as = Json<BTreeSet<UserName>>)]
    pub known_as: BTreeSet<UserName>,
    /// In whose name they spoke beside their own.
    pub on_behalf_of: Option<UserName>,
}

/// Which requests are wanted. What is empty does not narrow.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<RequestState>,
    /// In any of these projects.
    pub projects: Vec<ProjectName>,
}

fn missing(id: ApprovalId) -> StoreError {
    StoreError::not_found(format!("approval request {id}"))
}

/// Writes a request, pending.
///
/// # Errors
/// [`StoreError::Conflict`] when the one that it replaces was asked again already or is another job's;
/// [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn create(c: &mut Conn, permit: &Permit, new: &NewApproval, now: Timestamp) -> Result<(), StoreError> {
    permit::job(permit, &new.project, &new.job_path)?;
    let thread = match new.replaces {
        None => new.id,
        Some(old) => replace(c, old, new)?,
    };
    let row = (
        approvals::id.eq(new.id.to_string()),
        approvals::run.eq(new.run.get()),
        approvals::project.eq(new.project.as_str()),
        approvals::job_path.eq(new.job_path.to_string()),
        approvals::state.eq(RequestState::Pending.as_str()),
        approvals::policy.eq(json(&new.policy)?),
        approvals::need.eq(json(&new.need)?),
        approvals::plan_digest.eq(new.plan_digest.to_string()),
        approvals::requester.eq(new.requester.to_string()),
        approvals::created_at.eq(stamp(now)),
        approvals::expires_at.eq(stamp(new.expires_at)),
        approvals::known_as.eq(json(&new.known_as)?),
        approvals::thread.eq(thread.to_string()),
        approvals::replaces.eq(new.replaces.map(|id| id.to_string())),
    );
    diesel::insert_into(approvals::table).values(row).execute(c)?;
    let made = get(c, new.id)?;
    for (kind, at) in timers_of_request(&new.policy, now) {
        approval_timers::set(c, permit, &made, kind, at)?;
    }
    Ok(())
}

/// Marks the old one as asked again; its thread.
fn replace(c: &mut Conn, old: ApprovalId, new: &NewApproval) -> Result<ApprovalId, StoreError> {
    let found = locked(c, old)?;
    if found.project != new.project || !found.state.ended_without_run() {
        return Err(StoreError::conflict(format!("request {old} cannot be asked again")));
    }
    let open = approvals::table.find(old.to_string()).filter(approvals::replaced_by.is_null());
    match diesel::update(open).set(approvals::replaced_by.eq(new.id.to_string())).execute(c)? {
        1 => Ok(found.thread),
        _ => Err(StoreError::conflict("this was asked again already")),
    }
}

/// The requests of a thread, the first one first.
///
/// # Errors
/// Those of the database.
pub fn thread(c: &mut Conn, thread: ApprovalId) -> Result<Vec<ApprovalRecord>, StoreError> {
    Ok(approvals::table
        .filter(approvals::thread.eq(thread.to_string()))
        .order((approvals::created_at, approvals::id))
        .limit(limit(200))
        .select(ApprovalRecord::as_select())
        .load(c)?)
}

/// The request of this id.
///
/// # Errors
/// [`StoreError::NotFound`]; those of the database.
pub fn get(c: &mut Conn, id: ApprovalId) -> Result<ApprovalRecord, StoreError> {
    let found = approvals::table.find(id.to_string()).select(ApprovalRecord::as_select()).first(c).optional()?;
    found.ok_or_else(|| missing(id))
}

/// The request of this id with its signatures in the order in which they came.
///
/// # Errors
/// As [`get`].
pub fn get_signed(c: &mut Conn, id: ApprovalId) -> Result<(ApprovalRecord, Vec<SignatureRecord>), StoreError> {
    let approval = get(c, id)?;
    let mut signed: Vec<SignatureRecord> = signatures::table
        .filter(signatures::approval.eq(id.to_string()))
        .select(SignatureRecord::as_select())
        .load(c)?;
    signed.sort_by(|a, b| (a.at, &a.user, a.verdict.as_str()).cmp(&(b.at, &b.user, b.verdict.as_str())));
    Ok((approval, signed))
}

/// Adds an answer to a pending request. An account gives each answer once.
///
/// # Errors
/// [`StoreError::Conflict`] when the request is not pending any more or the account has answered so;
/// [`StoreError::PermitMismatch`] unless the permit is the signer's own `approve` on the job; those of the database.
pub fn sign(c: &mut Conn, permit: &Permit, id: ApprovalId, signature: &SignatureRecord) -> Result<(), StoreError> {
    let approval = locked(c, id)?;
    permit::job(permit, &approval.project, &approval.job_path)?;
    let own = permit.actor().principal == Principal::User(signature.user.clone());
    if !own || permit.permission() != Permission::Approve {
        return Err(StoreError::PermitMismatch {
            permit: format!("{} by {}", permit.permission(), permit.actor().principal),
            row: format!("a signature of user:{}", signature.user),
        });
    }
    if approval.state != RequestState::Pending {
        return Err(StoreError::conflict(format!("the request is {} by now", approval.state.as_str())));
    }
    let there = signatures::table.find((id.to_string(), signature.user.as_str(), signature.verdict.as_str()));
    if diesel::select(diesel::dsl::exists(there)).get_result(c)? {
        return Err(StoreError::conflict(format!("{} has signed already", signature.user)));
    }
    let row = (
        signatures::approval.eq(id.to_string()),
        signatures::user_name.eq(signature.user.as_str()),
        signatures::verdict.eq(signature.verdict.as_str()),
        signatures::reason.eq(&signature.reason),
        signatures::roles.eq(json(&signature.roles)?),
        signatures::digest.eq(signature.digest.to_string()),
        signatures::source.eq(&signature.source),
        signatures::signed_at.eq(stamp(signature.at)),
        signatures::known_as.eq(json(&signature.known_as)?),
        signatures::on_behalf_of.eq(signature.on_behalf_of.as_ref().map(UserName::as_str)),
    );
    diesel::insert_into(signatures::table).values(row).execute(c)?;
    Ok(())
}

/// The request, which no other transaction can change until this one ends: two last signatures that come at once see
/// each other.
///
/// # Errors
/// As [`get`].
pub fn locked(c: &mut Conn, id: ApprovalId) -> Result<ApprovalRecord, StoreError> {
    if let Conn::Postgres(c) = c {
        let row = approvals::table.find(id.to_string()).select(approvals::id).for_update();
        row.first::<String>(c).optional()?.ok_or_else(|| missing(id))?;
    }
    get(c, id)
}

/// Moves a request from one state to another and takes its timers away. The reason is kept where it becomes void.
///
/// # Errors
/// [`StoreError::Conflict`] when it is not in `from` any more; [`StoreError::NotFound`];
/// [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn set_state(
    c: &mut Conn,
    permit: &Permit,
    id: ApprovalId,
    from: RequestState,
    to: RequestState,
    void_reason: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let approval = get(c, id)?;
    permit::job(permit, &approval.project, &approval.job_path)?;
    let unchanged =
        approvals::table.filter(approvals::id.eq(id.to_string())).filter(approvals::state.eq(from.as_str()));
    // Once approved, the moment of the decision stays.
    let decided = if from == RequestState::Pending { Some(stamp(now)) } else { approval.decided_at.map(stamp) };
    let change =
        (approvals::state.eq(to.as_str()), approvals::decided_at.eq(decided), approvals::void_reason.eq(void_reason));
    match diesel::update(unchanged).set(change).execute(c)? {
        1 => approval_timers::cancel(c, permit, &approval),
        _ => Err(StoreError::conflict(format!("the request is {} by now", approval.state.as_str()))),
    }
}

/// Requests from the newest on, after the last one of the page before.
///
/// # Errors
/// Those of the database.
pub fn list(
    c: &mut Conn,
    filter: &Filter,
    after: Option<(Timestamp, ApprovalId)>,
    wanted: u32,
) -> Result<Vec<ApprovalRecord>, StoreError> {
    if filter.projects.is_empty() {
        return walk(c, filter.state, None, after, wanted);
    }
    let mut found = Vec::new();
    for project in &filter.projects {
        found.extend(walk(c, filter.state, Some(project), after, wanted)?);
    }
    found.sort_by_key(|a| std::cmp::Reverse((a.created_at, a.id)));
    found.dedup_by_key(|a| a.id);
    found.truncate(usize::try_from(limit(wanted)).unwrap_or_default());
    Ok(found)
}

fn walk(
    c: &mut Conn,
    state: Option<RequestState>,
    project: Option<&ProjectName>,
    after: Option<(Timestamp, ApprovalId)>,
    wanted: u32,
) -> Result<Vec<ApprovalRecord>, StoreError> {
    let mut query = approvals::table.select(ApprovalRecord::as_select()).into_boxed();
    if let Some(state) = state {
        query = query.filter(approvals::state.eq(state.as_str()));
    }
    if let Some(project) = project {
        query = query.filter(approvals::project.eq(project.as_str()));
    }
    if let Some((at, id)) = after {
        let at = stamp(at);
        query = query
            .filter(approvals::created_at.le(at))
            .filter(approvals::created_at.lt(at).or(approvals::id.lt(id.to_string())));
    }
    Ok(query.order((approvals::created_at.desc(), approvals::id.desc())).limit(limit(wanted)).load(c)?)
}

/// Notes that somebody else was told of a request that nobody answers.
///
/// # Errors
/// [`StoreError::PermitMismatch`] without a permit for the job; those of the database.
pub fn set_escalated(
    c: &mut Conn,
    permit: &Permit,
    request: &ApprovalRecord,
    now: Timestamp,
) -> Result<(), StoreError> {
    permit::job(permit, &request.project, &request.job_path)?;
    let row = approvals::table.find(request.id.to_string());
    diesel::update(row).set(approvals::escalated_at.eq(stamp(now))).execute(c)?;
    Ok(())
}
