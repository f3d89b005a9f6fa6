//! Which signatures a run needs, if any: those of its job's policy, and those of the change freezes that it meets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::catalogue::{ProjectState, StoredJob};
use super::error::{AppError, AppResult};
use crate::domain::access::Principal;
use crate::domain::approval::{ApprovalPolicy, Need};
use crate::domain::change_freeze::{self, MetFreeze};
use crate::domain::expression;
use crate::domain::ids::{Environment, PolicyName};
use crate::domain::node::Node;
use crate::domain::option::{Checked, CheckedValues};
use crate::domain::plan::{Plan, PlannedValue};
use crate::domain::time::Timestamp;

/// The sign-off that a plan needs.
#[derive(Debug, Clone)]
pub struct SignOff {
    /// The policy as it is now.
    pub policy: ApprovalPolicy,
    /// The lines that apply to this plan.
    pub need: Vec<Need>,
    /// The change freezes whose lines are among them.
    pub freezes: Vec<MetFreeze>,
}

/// The values that a policy's `when` may look at: text only.
pub(crate) fn texts(values: &CheckedValues) -> BTreeMap<&str, &str> {
    let text = values.iter().filter_map(|(name, value)| match value {
        Checked::Text(text) => Some((name.as_str(), text.as_str())),
        _ => None,
    });
    text.collect()
}

/// As [`texts`], of a plan that is frozen already.
pub(crate) fn texts_of(plan: &Plan) -> BTreeMap<&str, &str> {
    let text = plan.options.iter().filter_map(|(name, value)| match value {
        PlannedValue::Text { value } => Some((name.as_str(), value.as_str())),
        PlannedValue::Secret { .. } | PlannedValue::File { .. } => None,
    });
    text.collect()
}

/// What a sign-off is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    /// The project as it is now.
    pub(crate) project: &'a ProjectState,
    /// The job.
    pub(crate) job: &'a StoredJob,
    /// The nodes that it would run on.
    pub(crate) nodes: &'a [Arc<Node>],
    /// Who asks.
    pub(crate) requester: &'a Principal,
    /// The values that are text.
    pub(crate) options: &'a BTreeMap<&'a str, &'a str>,
}

impl Asking<'_> {
    /// The change freezes that a run meets at a time, with the lines that let it through.
    pub(crate) fn freezes(&self, at: Timestamp) -> Vec<MetFreeze> {
        let project = &self.project.project;
        let environment = |n: &Arc<Node>| project.strictest(std::iter::once(n.environment.as_ref()));
        let places: BTreeSet<Environment> = self.nodes.iter().filter_map(environment).collect();
        let covering = project.freezes.iter().filter(|f| f.covers(&self.job.job.path, &places));
        let met = covering.filter_map(|f| Some((f, f.on_until(at)?)));
        met.map(|(freeze, until)| MetFreeze::of(freeze, until, self.applying(&freeze.need))).collect()
    }

    /// The sign-off that a run needs which meets these freezes, or none. What cannot be decided counts as needed. Whether a
    /// freeze lets anything through at all, the caller asks.
    ///
    /// # Errors
    /// `policy_missing`, `policy_empty`: a policy that is missing, or that nobody could meet, refuses the run.
    pub(crate) fn sign_off(&self, freezes: Vec<MetFreeze>) -> AppResult<Option<SignOff>> {
        let own = self.job.job.approval.as_ref().map(|name| self.policy(name)).transpose()?;
        let mut need = match own {
            Some(policy) if self.applies(policy.when.as_ref()) => self.signable(policy)?,
            Some(_) | None if freezes.is_empty() => return Ok(None),
            Some(_) | None => Vec::new(),
        };
        let policy = own.cloned().or_else(change_freeze::policy).ok_or_else(|| AppError::fault("no policy"))?;
        for line in freezes.iter().flat_map(|freeze| &freeze.need) {
            match need.iter_mut().find(|n| n.role == line.role) {
                Some(same) => same.count = same.count.saturating_add(line.count),
                None => need.push(line.clone()),
            }
        }
        Ok(Some(SignOff { policy, need, freezes }))
    }

    fn policy(&self, name: &PolicyName) -> AppResult<&ApprovalPolicy> {
        self.project.project.approvals.get(name).ok_or_else(|| {
            let message = format!("This job needs the approval policy `{name}`, which project.yaml does not have (any more). Nothing was started; ask whoever looks after the project.");
            AppError::conflict("policy_missing", message)
        })
    }

    /// The lines of a policy that applies.
    fn signable(&self, policy: &ApprovalPolicy) -> AppResult<Vec<Need>> {
        let need = self.applying(&policy.need);
        if need.iter().any(|n| n.count > 0) {
            return Ok(need);
        }
        let name = &policy.name;
        let message =
            format!("The approval policy `{name}` applies but names nobody who could sign, so nothing can start.");
        Err(AppError::conflict("policy_empty", message))
    }

    fn applying(&self, need: &[Need]) -> Vec<Need> {
        need.iter().filter(|n| self.applies(n.when.as_ref())).cloned().collect()
    }

    /// An expression that cannot be decided is taken as true: the strict answer.
    fn applies(&self, when: Option<&String>) -> bool {
        when.is_none_or(|w| expression::holds(w, &self.scope()).unwrap_or(true))
    }

    fn scope(&self) -> serde_json::Value {
        let (project, job) = (&self.project.project, &self.job.job);
        json!({
            "environment": project.strictest(self.nodes.iter().map(|n| n.environment.as_ref())),
            "project": project.name,
            "job": { "name": job.path.name(), "group": job.path.group(), "id": self.job.id },
            "option": self.options,
            "requester": self.requester.short(),
            "nodes": self.nodes.len(),
        })
    }
}

/// Refuses what meets a freeze that lets nothing through.
///
/// # Errors
/// `frozen`, which names the freeze and its end.
pub(crate) fn not_shut(freezes: &[MetFreeze], start_at: Option<Timestamp>) -> AppResult<()> {
    let Some(shut) = freezes.iter().find(|f| f.is_shut()) else { return Ok(()) };
    let when = if start_at.is_some() { "At the planned start, " } else { "Now " };
    let message =
        format!("{when}{}, and it lets nobody through. Nothing was started; ask again after that.", shut.words());
    Err(AppError::conflict("frozen", message))
}
