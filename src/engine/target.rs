//! From a planned node to what an executor connects to, and from a plan to the variables of a step.

use std::collections::{BTreeMap, BTreeSet};

use super::insist::is_final;
use crate::app::App;
use crate::app::error::{AppError, AppResult};
use crate::domain::command::option_variable;
use crate::domain::ids::{HostName, KeyPath, Ticket};
use crate::domain::node::Transport;
use crate::domain::plan::{Plan, PlannedAction, PlannedNode, PlannedStep, PlannedValue};
use crate::domain::secret::SecretText;
use crate::exec::enrol::HostKey;
use crate::exec::{Earlier, EnvValue, Known, StepRequest, Target, UploadedFile};

/// What is read once for a whole run: host keys, private keys, secrets and files.
pub(super) struct Supplies {
    /// Lines of known_hosts, by host in small letters and port.
    known_hosts: BTreeMap<(String, u16), String>,
    keys: BTreeMap<KeyPath, Result<SecretText, String>>,
    values: Vec<(String, EnvValue)>,
    files: Vec<UploadedFile>,
    /// What has to be masked in the output.
    pub(super) secrets: Vec<SecretText>,
}

impl Supplies {
    /// Fetches everything that the plan refers to, at the moment of use.
    ///
    /// # Errors
    /// A secret or file that is gone: nothing may start then.
    pub(super) async fn fetch(app: &App, plan: &Plan) -> AppResult<Self> {
        let mut known_hosts = BTreeMap::<(String, u16), String>::new();
        for record in app.trusted_keys(&plan.project).await? {
            let port = u16::try_from(record.port).map_err(AppError::fault)?;
            if let Ok(key) = HostKey::new(&record.kind, &record.key_base64) {
                let lines = known_hosts.entry(place(&record.host, port)).or_default();
                lines.push_str(&key.known_hosts_line(&record.host, port));
                lines.push('\n');
            }
        }
        let mut keys = BTreeMap::new();
        for path in plan.nodes.iter().filter_map(needed_key) {
            if !keys.contains_key(path) {
                keys.insert(path.clone(), lasting(app.key_value(&plan.project, path, None).await)?);
            }
        }
        let mut values = Vec::new();
        let mut files = Vec::new();
        let mut secrets = Vec::new();
        for (name, value) in &plan.options {
            let variable = option_variable(name);
            match value {
                PlannedValue::Text { value } => values.push((variable, EnvValue::Text(value.clone()))),
                PlannedValue::Secret { .. } => {
                    let secret = app.secret_value(plan, value).await?;
                    secrets.push(secret.clone());
                    values.push((variable, EnvValue::Secret(secret)));
                }
                PlannedValue::File { .. } => {
                    let (name, bytes) = app.file_value(plan, value).await?;
                    files.push(UploadedFile { variable, name, bytes });
                }
            }
        }
        Ok(Self { known_hosts, keys, values, files, secrets })
    }

    /// What to connect to.
    ///
    /// # Errors
    /// A sentence when the node's private key is not to be had.
    pub(super) fn target(&self, node: &PlannedNode) -> Result<Target, String> {
        let key = match needed_key(node).map(|path| self.keys.get(path)) {
            None => None,
            Some(Some(Ok(key))) => Some(key.clone()),
            Some(Some(Err(why))) => {
                return Err(format!("{why} The node {} names it as its `ssh-key-storage-path`.", node.name));
            }
            Some(None) => return Err(format!("the private key of the node {} was not looked up", node.name)),
        };
        Ok(Target {
            node: node.name.clone(),
            host: node.host.clone(),
            port: node.port,
            user: node.user.clone(),
            jumps: node.jumps.clone(),
            known_hosts: self.known_on_the_way(node),
            key,
            key_id: node.key.as_ref().map_or_else(|| "no key".to_owned(), ToString::to_string),
        })
    }

    /// The trusted keys of the node and of the hosts on the way to it, and of no others: so nobody has to read through
    /// those of a thousand nodes for each connection, and one that is there stays when another node is enrolled.
    fn known_on_the_way(&self, node: &PlannedNode) -> String {
        let jumps = node.jumps.iter().map(|jump| place(&jump.host, jump.port));
        let places: BTreeSet<_> = jumps.chain([place(&node.host, node.port)]).collect();
        places.iter().filter_map(|place| self.known_hosts.get(place)).map(String::as_str).collect()
    }

    /// What to run on a node, as a first try. Values travel beside the author's text, never in it.
    pub(super) fn request(&self, run: i64, plan: &Plan, node: &PlannedNode, step: &PlannedStep) -> StepRequest {
        let (interpreter, body) = match &step.action {
            PlannedAction::Run { command } => ("/bin/sh".to_owned(), command.clone()),
            PlannedAction::Script { body, interpreter } => (interpreter.clone(), body.clone()),
        };
        let mut env = self.values.clone();
        // Rundeck's names for the same values, for scripts that people already have.
        env.extend(self.values.iter().map(|(name, value)| (format!("RD_{name}"), value.clone())));
        let text = |value: &str| EnvValue::Text(value.to_owned());
        env.extend(node.variables.iter().map(|(name, value)| (name.clone(), text(value))));
        let environment = plan.environment.as_ref().map_or("", |e| e.as_str());
        env.extend([
            ("JOB_NAME".to_owned(), text(plan.job.path.name())),
            ("JOB_GROUP".to_owned(), text(plan.job.path.group())),
            ("JOB_ID".to_owned(), text(plan.job.id.as_str())),
            ("RUN_NUMBER".to_owned(), text(&run.to_string())),
            ("RUN_USER".to_owned(), text(plan.requester.short())),
            ("RUN_REASON".to_owned(), text(&plan.reason)),
            ("RUN_PROJECT".to_owned(), text(plan.project.as_str())),
            ("RUN_ENVIRONMENT".to_owned(), text(environment)),
        ]);
        // Options that were given no value are empty, so that scripts under `set -u` go on working.
        StepRequest {
            run,
            step: step.name.to_string(),
            attempt: 1,
            interpreter,
            body: body.into_bytes(),
            env,
            files: self.files.clone(),
            timeout: step.timeout.map(crate::domain::time::Seconds::to_std),
            ticket: fresh_ticket(),
            fence: 0,
            earlier: Earlier::Never,
            known: Known::default(),
        }
    }
}

/// As ssh looks hosts up: upper and lower case alike.
fn place(host: &HostName, port: u16) -> (String, u16) {
    (host.as_str().to_ascii_lowercase(), port)
}

/// A name that no other step's directory has.
#[expect(clippy::expect_used, reason = "a UUID is 32 hexadecimal digits")]
pub(super) fn fresh_ticket() -> Ticket {
    Ticket::parse(&uuid::Uuid::new_v4().simple().to_string()).expect("a UUID is a ticket")
}

/// The private key that signs in on a node; Interlock's own machine needs none.
fn needed_key(node: &PlannedNode) -> Option<&KeyPath> {
    node.key.as_ref().filter(|_| node.transport == Transport::Ssh)
}

/// A key that is not to be had concerns the nodes that name it; a database that is away for a moment says nothing of any key.
fn lasting<T>(found: AppResult<T>) -> AppResult<Result<T, String>> {
    match found {
        Ok(key) => Ok(Ok(key)),
        Err(AppError::Refused(refusal)) if is_final(&AppError::Refused(refusal.clone())) => Ok(Err(refusal.message)),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::error::{Refusal, RefusalKind};

    #[test]
    fn a_database_that_is_away_says_nothing_of_a_key() {
        let refused = |kind| lasting::<()>(Err(Refusal::new(kind, "code", "why").into()));
        for kind in [RefusalKind::Busy, RefusalKind::Unavailable] {
            assert!(refused(kind).is_err(), "asked again");
        }
        for kind in [RefusalKind::NotFound, RefusalKind::Conflict] {
            assert_eq!(refused(kind).ok(), Some(Err("why".to_owned())));
        }
        assert!(lasting::<()>(Err(AppError::fault("broken"))).is_err());
        assert_eq!(lasting(Ok(1)).ok(), Some(Ok(1)));
    }
}
