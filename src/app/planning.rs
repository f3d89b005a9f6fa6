//! From a request to a frozen plan: the job, its values, its nodes and the sign-off that it needs, looked up, checked and
//! authorised.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::App;
use super::catalogue::{Catalogue, ProjectState, StoredJob};
use super::choosing::{chosen, may_run_on, nameable};
use super::error::{AppError, AppResult, Refusal, RefusalKind, sentence};
use super::scope::reaches;
use super::sign_off::{Asking, SignOff, not_shut, texts};
use crate::domain::access::{Actor, Permission, Permit, Principal, Resource};
use crate::domain::digest::Digest;
use crate::domain::ids::{JobRef, KeyPath, OptionName, ProjectName};
use crate::domain::node::Node;
use crate::domain::option::{
    CheckContext, Checked, CheckedValues, FieldError, OptionKind, OptionSpec, RawValue, RawValues, validate,
};
use crate::domain::plan::freeze::{Ingredients, freeze};
use crate::domain::plan::{Origin, Plan, PlannedJob, PlannedPolicy, PlannedValue};
use crate::domain::time::Timestamp;
use crate::store::{blobs, host_keys, secrets};

/// A request for a run, as any door hands it in.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The project.
    pub project: ProjectName,
    /// The job.
    pub job: JobRef,
    /// The values as given.
    pub values: RawValues,
    /// Why; where it is empty, an option named `reason` speaks for it.
    pub reason: String,
    /// Only these of the matched nodes.
    pub nodes: Option<Vec<String>>,
    /// Only the matched nodes that this filter matches as well.
    pub node_filter: Option<String>,
    /// When to start; now if absent.
    pub start_at: Option<Timestamp>,
    /// Through which door it came.
    pub origin: Origin,
    /// Write down what would run, and nothing else.
    pub dry_run: bool,
}

/// A request that was looked up, checked and authorised.
pub struct Prepared {
    pub(crate) plan: Plan,
    pub(crate) permit: Permit,
    pub(crate) sign_off: Option<SignOff>,
    /// Values that have to be stored, encrypted, together with the run.
    pub(crate) blobs: Vec<blobs::NewBlob>,
    pub(crate) job: StoredJob,
}

impl App {
    /// Looks up, checks and authorises a request, without storing anything.
    ///
    /// # Errors
    /// Not found, forbidden, `invalid_options` with every wrong field, `no_nodes`, `no_such_node`, `policy_missing`,
    /// `frozen`.
    pub(crate) async fn prepare(&self, actor: &Actor, request: &RunRequest) -> AppResult<Prepared> {
        let prepared = self.prepare_in_any_freeze(actor, request).await?;
        if !request.dry_run {
            not_shut(&prepared.plan.freezes, request.start_at)?;
        }
        Ok(prepared)
    }

    /// As [`App::prepare`], also where a change freeze lets nothing through; for who may run without waiting.
    pub(super) async fn prepare_in_any_freeze(&self, actor: &Actor, request: &RunRequest) -> AppResult<Prepared> {
        let catalogue = self.catalogue().await?;
        let project = catalogue.project(&request.project)?;
        let job = project.job(&request.job).ok_or_else(AppError::not_found)?.clone();
        let matched = project.matched(&job.job);
        catalogue.policy.authorize(actor, Permission::View, &project.job_resource(&job, &matched))?;
        let (nodes, narrowed) = chosen(project, &job, matched, request)?;
        let resource = project.job_resource(&job, &nodes);
        let permit = catalogue.policy.authorize(actor, Permission::Run, &resource)?;
        if !job.job.enabled {
            return Err(AppError::conflict(
                "job_disabled",
                "This job is disabled. Its definition says `enabled: false`.",
            ));
        }
        not_past(request.start_at, self.clock.now())?;
        may_run_on(&catalogue, project, actor, &nodes)?;
        reaches(project, &request.origin, &nodes)?;
        let values = check_values(&catalogue, project, &job, actor, &with_reason(&job, request))?;
        let reason = reason_of(request, &values);
        let (now, options) = (self.clock.now(), texts(&values));
        let asking = Asking { project, job: &job, nodes: &nodes, requester: &actor.principal, options: &options };
        let freezes = asking.freezes(request.start_at.map_or(now, |at| at.max(now)));
        let sign_off = asking.sign_off(freezes)?;
        if reason.is_empty() && sign_off.as_ref().is_some_and(|s| s.policy.reasons.request_required) {
            return Err(invalid(vec![FieldError {
                field: "reason".to_owned(),
                code: "required".to_owned(),
                message: "Say why: whoever signs needs to know.".to_owned(),
            }]));
        }
        let (options, blobs) = self.references(project, values).await?;
        let fingerprints = self.fingerprints(&request.project).await?;
        let environment = resource.environment().cloned();
        let plan = freeze(Ingredients {
            project: request.project.clone(),
            identity: PlannedJob {
                id: job.id.clone(),
                path: job.job.path.clone(),
                revision: job.revision,
                digest: job.digest,
            },
            job: &job.job,
            environment,
            nodes: nodes.iter().map(|n| (n.as_ref(), fingerprints_of(&fingerprints, n))).collect(),
            narrowed,
            options,
            requester: actor.principal.clone(),
            origin: request.origin.clone(),
            reason,
            start_at: request.start_at,
            freezes: sign_off.as_ref().map(|s| s.freezes.clone()).unwrap_or_default(),
            policy: sign_off.as_ref().map(|s| PlannedPolicy {
                name: s.policy.name.clone(),
                digest: s.policy.digest(),
                need: s.need.clone(),
            }),
        })
        .map_err(|errors| {
            let first = errors.first().map(ToString::to_string).unwrap_or_default();
            AppError::conflict("job_broken", format!("A command of this job cannot be compiled: {}", sentence(&first)))
        })?;
        Ok(Prepared { plan, permit, sign_off, blobs, job })
    }

    /// Turns checked values into what a plan may hold: text as it is, secrets and files by reference.
    async fn references(
        &self,
        project: &ProjectState,
        values: CheckedValues,
    ) -> AppResult<(BTreeMap<OptionName, PlannedValue>, Vec<blobs::NewBlob>)> {
        let mut out = BTreeMap::new();
        let mut kept = Vec::new();
        let blob = |kind, name: &str, bytes: Vec<u8>| blobs::NewBlob {
            id: uuid::Uuid::now_v7().to_string(),
            project: project.project.name.clone(),
            kind,
            name: name.to_owned(),
            bytes: zeroize::Zeroizing::new(bytes),
        };
        for (name, value) in values {
            let planned = match value {
                Checked::Text(value) => PlannedValue::Text { value },
                Checked::StoredSecret(path) => {
                    let version = self.current_version(project, &path).await?;
                    PlannedValue::Secret { path: path.to_string(), version }
                }
                Checked::TypedSecret(text) => {
                    let blob = blob(blobs::BlobKind::TypedSecret, name.as_str(), text.expose().as_bytes().to_vec());
                    let path = format!("typed/{}", blob.id);
                    kept.push(blob);
                    PlannedValue::Secret { path, version: 1 }
                }
                Checked::File { name: file, bytes } => {
                    let (sha256, size) = (Digest::of(&bytes), u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                    let blob = blob(blobs::BlobKind::File, &file, bytes);
                    let planned = PlannedValue::File { id: blob.id.clone(), name: file, sha256, size };
                    kept.push(blob);
                    planned
                }
            };
            out.insert(name, planned);
        }
        Ok((out, kept))
    }

    async fn current_version(&self, project: &ProjectState, path: &KeyPath) -> AppResult<i64> {
        if !key_is_usable(&self.known(), &project.project.name, path) {
            return Err(missing_key(path));
        }
        let wanted = path.clone();
        let found = self.db.read(move |c| secrets::newest(c, &wanted)).await?;
        found.map(|s| s.version).ok_or_else(|| missing_key(path))
    }

    pub(crate) async fn fingerprints(&self, project: &ProjectName) -> AppResult<Vec<host_keys::HostKeyRecord>> {
        let project = project.clone();
        Ok(self.db.read(move |c| host_keys::list(c, &project)).await?)
    }
}

/// Refuses a planned start whose minute is over.
fn not_past(start_at: Option<Timestamp>, now: Timestamp) -> AppResult<()> {
    match start_at {
        Some(at) if at + TimeDelta::minutes(1) <= now => {
            let message = format!("The planned start, {}, is over already.", at.format("%Y-%m-%d %H:%M UTC"));
            Err(field("run_at", "past", message))
        }
        _ => Ok(()),
    }
}

fn missing_key(path: &KeyPath) -> AppError {
    let message = format!(
        "The key store has nothing at `{path}`. An administrator adds it with `interlock key put {path} --type password`."
    );
    AppError::conflict("key_missing", message)
}

/// Whether a project may use a key: `keys/P/…` belongs to the project P if there is one, every other key to all.
pub(crate) fn key_is_usable(catalogue: &Catalogue, project: &ProjectName, path: &KeyPath) -> bool {
    let owner = path.as_str().split('/').nth(1).and_then(|p| ProjectName::parse(p).ok());
    owner.is_none_or(|owner| owner == *project || !catalogue.projects.contains_key(&owner))
}

pub(crate) fn fingerprints_of(keys: &[host_keys::HostKeyRecord], node: &Node) -> Vec<String> {
    let of_node = keys.iter().filter(|k| k.host == node.host && k.port == i32::from(node.port));
    of_node.map(|k| k.fingerprint.clone()).collect()
}

/// Checks the given values against the job's options, with the nodes that the caller may name.
pub(crate) fn check_values(
    catalogue: &Catalogue,
    project: &ProjectState,
    job: &StoredJob,
    actor: &Actor,
    given: &RawValues,
) -> AppResult<CheckedValues> {
    let mut context = CheckContext::default();
    for option in &job.job.options {
        if let OptionKind::Node { filter } = &option.kind {
            context.nodes.insert(&option.name, nameable(catalogue, project, actor, filter.as_deref()));
        }
    }
    validate(&job.job.options, given, &context).map_err(invalid)
}

/// The values as given; a job that asks for its own `reason` gets the request's where none is given for it.
fn with_reason(job: &StoredJob, request: &RunRequest) -> RawValues {
    let mut values = request.values.clone();
    let asked = job.job.options.iter().any(OptionSpec::is_reason);
    let reason = request.reason.trim();
    if asked && !reason.is_empty() {
        values.entry("reason".to_owned()).or_insert_with(|| RawValue::Text(reason.to_owned()));
    }
    values
}

fn reason_of(request: &RunRequest, values: &CheckedValues) -> String {
    let given = request.reason.trim();
    if !given.is_empty() {
        return given.chars().take(2_000).collect();
    }
    let option = values.iter().find(|(name, _)| name.as_str() == "reason");
    match option {
        Some((_, Checked::Text(text))) => text.trim().to_owned(),
        _ => String::new(),
    }
}

/// A refusal with every wrong field.
pub(crate) fn invalid(fields: Vec<FieldError>) -> AppError {
    let named: Vec<&str> = fields.iter().map(|f| f.field.as_str()).collect();
    let message = format!("Some values are wrong: {}. Nothing was started.", named.join(", "));
    Refusal::new(RefusalKind::Invalid, "invalid_options", message).with_fields(fields).into()
}

/// A refusal of one field.
pub(super) fn field(field: &str, code: &str, message: String) -> AppError {
    invalid(vec![FieldError { field: field.to_owned(), code: code.to_owned(), message }])
}

/// The person behind a principal, if it is one.
pub(crate) fn person(principal: &Principal) -> Option<crate::domain::ids::UserName> {
    match principal {
        Principal::User(name) => Some(name.clone()),
        _ => None,
    }
}

/// The resource of a stored run or request: its job, in its own environment.
pub(crate) fn job_of(
    project: &ProjectName,
    path: &crate::domain::ids::JobPath,
    environment: Option<&crate::domain::ids::Environment>,
) -> Resource {
    Resource::Job { project: project.clone(), path: path.clone(), environment: environment.cloned() }
}
