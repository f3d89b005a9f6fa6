//! Whether a frozen plan still says what would be planned now, and whether it may still start.
//!
//! A signed plan stands only as long as nothing that it was made from has changed. A plan that needed no signature runs as
//! it was frozen, also after a newer revision of its job; but nothing that guards it is older than its start: the job is
//! there and enabled, its nodes are still its nodes, and no signature is needed by now. In both cases no change freeze is on
//! that the plan was not made under, and whoever asked must
//! still be allowed to.

use std::sync::Arc;

use super::break_glass::still_broken;
use super::catalogue::{Catalogue, ProjectState, StoredJob};
use super::choosing::refused_nodes;
use super::planning::fingerprints_of;
use super::scope::reaches;
use super::sign_off::{Asking, not_shut, texts_of};
use super::signed::{same_lines, still_signed};
use super::signers::{Weighed, actor_of};
use crate::domain::access::{Actor, Permission, Principal};
use crate::domain::change_freeze;
use crate::domain::job::Dispatch;
use crate::domain::node::{Node, Transport};
use crate::domain::plan::Plan;
use crate::domain::plan::standing::{Reach, list_stands, node_stands};
use crate::domain::run::RunEvent;
use crate::domain::time::Timestamp;
use crate::store::host_keys::{self, HostKeyRecord};
use crate::store::runs::{self, RunRecord};
use crate::store::{Conn, break_glass, users};

/// What becomes of a run that may not start, and why in words.
pub(super) type NotStarted = (RunEvent, String);

/// Whether a frozen plan still says what would be planned now; if not, why. Secrets' versions may have moved on: the plan
/// names its own.
pub(super) fn still_stands(
    catalogue: &Catalogue,
    plan: &Plan,
    keys: &[HostKeyRecord],
    now: Timestamp,
) -> Result<(), String> {
    let (project, job) = job_of_plan(catalogue, plan)?;
    if job.digest != plan.job.digest {
        return Err(format!(
            "the job was changed (revision {} was looked at, now it is {})",
            plan.job.revision, job.revision
        ));
    }
    if let Some(policy) = &plan.policy {
        let current = project.project.policy(&policy.name).ok_or("the approval policy was removed")?;
        if current.digest() != policy.digest {
            return Err(format!("the approval policy {} was changed", policy.name));
        }
    }
    let nodes = planned_nodes(project, job, plan, keys)?;
    list_stands(plan, &project.matched(&job.job))?;
    if project.project.strictest(nodes.iter().map(|n| n.environment.as_ref())) != plan.environment {
        return Err("the order of environments in project.yaml was changed".to_owned());
    }
    same_need(project, job, &nodes, plan, now)
}

/// Whether the lines that apply are those that stand in the plan, and the freezes that are on are among its own.
fn same_need(
    project: &ProjectState,
    job: &StoredJob,
    nodes: &[Arc<Node>],
    plan: &Plan,
    now: Timestamp,
) -> Result<(), String> {
    let Some(planned) = &plan.policy else { return Ok(()) };
    let options = texts_of(plan);
    let asking = Asking { project, job, nodes, requester: &plan.requester, options: &options };
    change_freeze::stand(&plan.freezes, &project.project.freezes)?;
    let on = asking.freezes(plan.start_at.map_or(now, |at| at.max(now)));
    if let Some(new) = change_freeze::new_ones(&plan.freezes, &on) {
        return Err(format!("{}, and the plan was made without it", new.words()));
    }
    let needed = asking.sign_off(plan.freezes.clone()).map_err(|e| e.to_string())?;
    match needed {
        Some(needed) if planned.need.is_empty() || needed.need == planned.need => Ok(()),
        _ => Err(format!("the approval policy {} asks for other signatures by now", planned.name)),
    }
}

/// Whether a request's plan, whoever asked and those who signed so far still stand; if not, why.
pub(super) fn request_stands(
    c: &mut Conn,
    catalogue: &Catalogue,
    weighed: &Weighed,
    now: Timestamp,
) -> Result<(), String> {
    let (text, digest) = runs::plan(c, weighed.run.number).map_err(|e| e.to_string())?;
    let keys = host_keys::list(c, &weighed.run.project).map_err(|e| e.to_string())?;
    let plan = Plan::read_verified(&text, &digest).map_err(|e| e.to_string())?;
    if digest != weighed.record.plan_digest {
        return Err("what was asked for is not what would run".to_owned());
    }
    let policy = plan.policy.as_ref().ok_or("its plan names no approval policy")?;
    same_lines(&weighed.record, policy)?;
    still_stands(catalogue, &plan, &keys, now)?;
    requester_still_may(c, catalogue, &plan, &keys, now)?;
    weighed.eroded().map_or(Ok(()), Err)
}

/// Whether a queued run may start, looked at in the moment of dispatch.
pub(super) fn may_start(
    c: &mut Conn,
    catalogue: &Catalogue,
    run: &RunRecord,
    plan: &Plan,
    keys: &[HostKeyRecord],
    now: Timestamp,
) -> Result<(), NotStarted> {
    let void = |why: String| (RunEvent::Voided, why);
    if let Some(policy) = &plan.policy {
        let digest = plan.digest();
        match break_glass::find(c, run.number).map_err(|e| void(e.to_string()))? {
            Some(noted) => still_broken(c, catalogue, &noted, plan, now).map_err(void)?,
            None => {
                not_shut(&plan.freezes, None).map_err(|refused| void(refused.to_string()))?;
                still_signed(c, catalogue, run, policy, &digest, now)?;
            }
        }
        still_stands(catalogue, plan, keys, now).map_err(void)?;
    } else {
        still_unsigned(catalogue, plan, keys, now).map_err(void)?;
    }
    requester_still_may(c, catalogue, plan, keys, now).map_err(void)?;
    source_still_reaches(catalogue, plan, keys).map_err(void)
}

/// Whether the rule or webhook that asked may still reach each of the nodes by itself.
fn source_still_reaches(catalogue: &Catalogue, plan: &Plan, keys: &[HostKeyRecord]) -> Result<(), String> {
    let (project, job) = job_of_plan(catalogue, plan)?;
    reaches(project, &plan.origin, &planned_nodes(project, job, plan, keys)?).map_err(|refused| refused.to_string())
}

/// Whether a plan without signatures may do what was frozen, as things are now.
fn still_unsigned(catalogue: &Catalogue, plan: &Plan, keys: &[HostKeyRecord], now: Timestamp) -> Result<(), String> {
    let (project, job) = job_of_plan(catalogue, plan)?;
    if !job.job.enabled {
        return Err("the job was disabled".to_owned());
    }
    let nodes = planned_nodes(project, job, plan, keys)?;
    let options = texts_of(plan);
    let asking = Asking { project, job, nodes: &nodes, requester: &plan.requester, options: &options };
    if let Some(on) = asking.freezes(now).first() {
        return Err(on.words());
    }
    match asking.sign_off(Vec::new()) {
        Ok(None) => Ok(()),
        Ok(Some(needed)) => Err(format!("it needs signatures by now (approval policy {})", needed.policy.name)),
        Err(refused) => Err(refused.to_string()),
    }
}

/// Whether whoever asked may still run the job on each of the nodes.
fn requester_still_may(
    c: &mut Conn,
    catalogue: &Catalogue,
    plan: &Plan,
    keys: &[HostKeyRecord],
    now: Timestamp,
) -> Result<(), String> {
    let (project, job) = job_of_plan(catalogue, plan)?;
    let nodes = planned_nodes(project, job, plan, keys)?;
    let actor = match &plan.requester {
        Principal::User(name) => {
            let user = users::find(c, name).map_err(|e| e.to_string())?.filter(|u| u.active);
            let user = user.ok_or_else(|| format!("the account of {name}, who asked for it, is closed"))?;
            actor_of(user, now)
        }
        other => Actor { principal: other.clone(), ..Actor::system() },
    };
    let refused = catalogue.policy.authorize(&actor, Permission::Run, &project.job_resource(job, &nodes)).err();
    if let Some(why) = refused {
        return Err(format!("{} may not run it any more: {why}", plan.requester));
    }
    match refused_nodes(catalogue, project, &actor, &nodes).first() {
        Some(node) => Err(format!("{} may not run on {node} any more", plan.requester)),
        None => Ok(()),
    }
}

/// The plan's job as it is now, under the name that the plan knows.
fn job_of_plan<'c>(catalogue: &'c Catalogue, plan: &Plan) -> Result<(&'c ProjectState, &'c StoredJob), String> {
    let project = catalogue.projects.get(&plan.project).ok_or("the project is gone")?;
    let job = project.jobs.get(&plan.job.path).filter(|job| job.id == plan.job.id);
    Ok((project, job.ok_or("the job was deleted or renamed")?))
}

/// The plan's nodes as the inventory has them now; refused unless each is where and what it was, and still the job's.
fn planned_nodes(
    project: &ProjectState,
    job: &StoredJob,
    plan: &Plan,
    keys: &[HostKeyRecord],
) -> Result<Vec<Arc<Node>>, String> {
    let matched = project.matched(&job.job);
    let reach = Reach::of(plan, &matched)?;
    let mut nodes = Vec::with_capacity(plan.nodes.len());
    for planned in &plan.nodes {
        let own = planned.transport == Transport::Local;
        if own && !project.project.local_execution {
            return Err("the job may not run on Interlock's own machine any more".to_owned());
        }
        if own && matches!(job.job.dispatch, Dispatch::Local) {
            nodes.push(Arc::new(Node::local().map_err(|e| e.to_string())?));
            continue;
        }
        let node = project.nodes.iter().find(|n| n.name == planned.name);
        let node = node.ok_or_else(|| format!("the node {} is no longer in the inventory", planned.name))?;
        node_stands(planned, node, fingerprints_of(keys, node))?;
        reach.covers(node)?;
        nodes.push(Arc::clone(node));
    }
    Ok(nodes)
}
