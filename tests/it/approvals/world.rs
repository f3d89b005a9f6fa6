//! A project whose runs need signatures, and the people who give them.

use interlock::app::approvals::{ApprovalDetail, Decision};
use interlock::app::error::AppError;
use interlock::domain::approval::{RequestState, Verdict};
use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::harness::{Base, TestApp, operator};

pub(super) const PROJECT: &str = "
approvals:
  one: {need: [{role: manager, count: 1}], start_within: 30m}
  two: {need: [{role: manager, count: 2}]}
  both: {need: [{role: manager, count: 1}, {role: dba, count: 1}]}
";

pub(super) const NODES: &str = "n1: {hostname: 192.0.2.1, environment: production}\n";

pub(super) const ACCESS: &str = "
roles:
  everybody: [{allow: [view, run, cancel], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]
  manager: [{allow: [view, approve], on: 'job/**'}]
  dba: [{allow: [view, approve], on: 'job/**'}]
members:
  everybody: ['user:olga', 'user:max']
  manager: ['user:mia', 'user:max', 'user:moe', 'user:mia-adm']
  dba: ['user:dan', 'user:max']
";

/// Files of the project; a job for each policy of the same name.
pub(super) fn files(project: &str, access: &str, command: &str) -> Vec<(String, String)> {
    let job = |name: &str| {
        let text = format!(
            "name: {name}\nnodes: {{filter: '.*'}}\noptions: [{{name: word, type: string}}]\n\
             steps: [{{name: one, run: \"{command}\"}}]\napproval: {{rule: {name}}}\n"
        );
        (format!("jobs/{name}.yaml"), text)
    };
    let mut files = vec![
        ("project.yaml".to_owned(), project.to_owned()),
        ("nodes.yaml".to_owned(), NODES.to_owned()),
        ("access.yaml".to_owned(), access.to_owned()),
    ];
    files.extend(["one", "two", "both"].map(job));
    files
}

pub(super) fn load(test: &TestApp, project: &str, access: &str, command: &str) {
    let files = files(project, access, command);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    test.load("ops", &files);
}

pub(super) fn world() -> TestApp {
    world_on(Base::Sqlite)
}

pub(super) fn world_on(base: Base) -> TestApp {
    let test = TestApp::fake_on(base);
    for name in ["olga", "mia", "max", "moe", "mia-adm", "dan"] {
        test.person(name);
    }
    load(&test, PROJECT, ACCESS, "true");
    test
}

/// Asks for a run over the API; its number and its request.
pub(super) fn ask(client: &Client, job: &str) -> (RunNumber, String) {
    let body = json!({ "options": {}, "reason": "because a test asks" });
    let run = client.post(&format!("/api/v1/projects/ops/jobs/{job}/runs"), &body).expect(201).json();
    let number = RunNumber::parse(&run["number"].to_string()).unwrap();
    (number, run["approval"].as_str().unwrap().to_owned())
}

/// Answers a request over the API, with the digest that it shows.
pub(super) fn answer(client: &Client, id: &str, decision: &str, reason: &str) -> Answer {
    let digest = client.get(&format!("/api/v1/approvals/{id}")).expect(200).json()["digest"].clone();
    let body = json!({ "decision": decision, "digest": digest, "reason": reason });
    client.post(&format!("/api/v1/approvals/{id}/decision"), &body)
}

pub(super) fn approve(client: &Client, id: &str) -> Answer {
    answer(client, id, "approve", "fine")
}

/// The request as it is shown over the API.
pub(super) fn shown(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/v1/approvals/{id}")).expect(200).json()
}

/// The request of a run.
pub(super) fn request(test: &TestApp, run: RunNumber) -> ApprovalDetail {
    let id = test.run(run).run.approval.unwrap();
    test.wait(test.app.approval(&operator(), id)).unwrap()
}

/// Decides as a use case, for what HTTP cannot time.
pub(super) fn decide(test: &TestApp, who: &str, run: RunNumber, verdict: Verdict) -> Result<RequestState, AppError> {
    let view = request(test, run).view;
    let decision = Decision { verdict, digest: view.digest, reason: "a reason".to_owned() };
    test.wait(test.app.decide(&test.actor(who), view.id, decision, "test")).map(|v| v.state)
}

/// Where request and run stand.
pub(super) fn states(test: &TestApp, run: RunNumber) -> (RequestState, State) {
    (request(test, run).view.state, test.state(run))
}
