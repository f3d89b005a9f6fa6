//! Which signatures a run needs, if any.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::catalogue::{ProjectState, StoredJob};
use super::error::{AppError, AppResult};
use crate::domain::access::Principal;
use crate::domain::approval::{ApprovalPolicy, Need};
use crate::domain::expression;
use crate::domain::node::Node;
use crate::domain::option::{Checked, CheckedValues};
use crate::domain::plan::{Plan, PlannedValue};

/// The sign-off that a plan needs.
#[derive(Debug, Clone)]
pub struct SignOff {
    /// The policy as it is now.
    pub policy: ApprovalPolicy,
    /// The lines that apply to this plan.
    pub need: Vec<Need>,
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

/// The sign-off that a run needs, or none. What cannot be decided counts as needed.
///
/// # Errors
/// `policy_missing`, `policy_empty`: a policy that is missing, or that nobody could meet, refuses the run.
pub(crate) fn sign_off(
    project: &ProjectState,
    job: &StoredJob,
    nodes: &[Arc<Node>],
    requester: &Principal,
    options: &BTreeMap<&str, &str>,
) -> AppResult<Option<SignOff>> {
    let Some(name) = &job.job.approval else { return Ok(None) };
    let policy = project.project.approvals.get(name).ok_or_else(|| {
        let message = format!("This job needs the approval policy `{name}`, which project.yaml does not have (any more). Nothing was started; ask whoever looks after the project.");
        AppError::conflict("policy_missing", message)
    })?;
    let environment = project.project.strictest(nodes.iter().map(|n| n.environment.as_ref()));
    let scope = json!({
        "environment": environment,
        "project": project.project.name,
        "job": { "name": job.job.path.name(), "group": job.job.path.group(), "id": job.id },
        "option": options,
        "requester": requester.short(),
        "nodes": nodes.len(),
    });
    // An expression that cannot be decided is taken as true: the strict answer.
    let applies = |when: &Option<String>| when.as_ref().is_none_or(|w| expression::holds(w, &scope).unwrap_or(true));
    if !applies(&policy.when) {
        return Ok(None);
    }
    let need: Vec<Need> = policy.need.iter().filter(|n| applies(&n.when)).cloned().collect();
    if need.iter().all(|n| n.count == 0) {
        let message =
            format!("The approval policy `{name}` applies but names nobody who could sign, so nothing can start.");
        return Err(AppError::conflict("policy_empty", message));
    }
    Ok(Some(SignOff { policy: policy.clone(), need }))
}
