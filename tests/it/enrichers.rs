//! Enrichers: a label is what an enricher said and nobody else, and no label means that nothing runs by itself.

mod classifier;
mod command;
mod endpoint;
mod model;
mod patterns;

use chrono::TimeDelta;
use interlock::app::runs::RunView;
use interlock::domain::run::State;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::harness::{Base, TestApp};

const ACCESS: &str = "
roles:
  all: [{allow: [view, run, edit, promote, approve, use_secret, view_secret_names], on: '**'}]
  looks: [{allow: [view], on: '**'}]
members:
  all: ['user:ann', 'user:bob', 'service:robot']
  looks: ['user:vic']
";
const NODES: &str = "web1: {hostname: 192.0.2.1, tags: web, environment: staging}\n";
const PROJECT: &str = "environments: [staging, production]\napprovals:\n  two: {need: [{role: all, count: 1}]}\n";
const JOB: &str = "
name: rotate
group: ops
options: [{name: host, type: string, required: true}]
nodes: {filter: 'tags: web'}
steps: [{name: rotate, run: 'echo ${option.host}'}]
";

/// The table that most tests ask.
const TABLE: &str = "
name: table
type: patterns
labels: [disk-full, other]
text: '{{ trigger.summary }}'
patterns:
  - {match: '(?i)no space left', label: disk-full, confidence: 0.95}
  - {match: '(?i)disk', label: disk-full, confidence: 0.4}
  - {match: 'cpu', label: other}
";

/// A rule that asks these enrichers and acts on a full disk, with this word for what is not sure enough.
fn rule(name: &str, asks: &str, below: &str) -> String {
    format!(
        "name: {name}\npack: ops\ntrigger: {{type: alert}}\ncriteria:\n  trigger.env: {{type: equals, pattern: staging}}\n  ai_class: {{type: equals, pattern: disk-full}}\naction:\n  ref: ops/rotate\n  parameters: {{host: '{{{{ trigger.host }}}}'}}\nowner: service:robot\nenrich: [{asks}]\nguard:\n  environment: [staging]\n  min_confidence: {{field: ai_confidence, at_least: 0.9, below: {below}}}\n"
    )
}

fn world(base: Base, files: &[(&str, &str)]) -> TestApp {
    let test = TestApp::fake_on(base);
    for name in ["ann", "bob", "vic"] {
        test.person(name);
    }
    load(&test, files);
    test
}

fn load(test: &TestApp, files: &[(&str, &str)]) {
    test.load("ops", &with(files));
}

/// The files of the project with these, the last of a name being the one that counts.
fn with<'f>(files: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let own = [("project.yaml", PROJECT), ("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/rotate.yaml", JOB)];
    let kept = own.into_iter().filter(|(path, _)| files.iter().all(|(other, _)| other != path));
    kept.chain(files.iter().copied()).collect()
}

fn alert(summary: &str) -> Value {
    json!({"env": "staging", "host": "web1", "summary": summary})
}

/// Posts an event and lets the engine do what is to do.
fn post(test: &TestApp, client: &Client, payload: &Value) -> String {
    let body = json!({"type": "alert", "payload": payload, "project": "ops"});
    let id = client.post("/api/v1/events", &body).expect(202).json()["event"].as_str().unwrap().to_owned();
    test.settle();
    id
}

fn event(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/v1/events/{id}")).expect(200).json()
}

/// What the rule of this name made of an event.
fn verdict(client: &Client, id: &str, rule: &str) -> Value {
    let found = event(client, id);
    let mut all = found["verdicts"].as_array().unwrap().iter();
    all.find(|v| v["rule"] == rule).unwrap_or_else(|| panic!("{rule} did not look: {found}")).clone()
}

/// Why the rule's floor let it pass or not.
fn floor(verdict: &Value) -> String {
    let mut guards = verdict["guards"].as_array().unwrap().iter();
    let found = guards.find(|g| g["guard"] == "confidence").unwrap_or_else(|| panic!("{verdict}"));
    found["detail"].as_str().unwrap().to_owned()
}

fn switch(client: &Client, rule: &str, what: &str) {
    let digest = client.get(&format!("/api/v1/rules/ops/{rule}")).expect(200).json()["digest"].clone();
    client.post(&format!("/api/v1/rules/ops/{rule}/promotion"), &json!({"do": what, "digest": digest})).expect(200);
}

/// Makes a rule live: what it did in dry run is right, two weeks go by, and two people agree.
fn promote(test: &TestApp, rule: &str) {
    let ann = test.signed_in("ann");
    for e in ann.get(&format!("/api/v1/rules/ops/{rule}")).expect(200).json()["would_have_done"].as_array().unwrap() {
        let mark = json!({"enforcement": e["id"], "mark": "right"});
        ann.post(&format!("/api/v1/rules/ops/{rule}/marks"), &mark).expect(200);
    }
    test.clock.advance(TimeDelta::days(15));
    switch(&test.signed_in("ann"), rule, "ask");
    switch(&test.signed_in("bob"), rule, "confirm");
    assert_eq!(mode(&test.signed_in("ann"), rule), "live");
}

fn mode(client: &Client, rule: &str) -> Value {
    client.get(&format!("/api/v1/rules/ops/{rule}")).expect(200).json()["mode"].clone()
}

fn runs(test: &TestApp) -> Vec<RunView> {
    test.runs_in(&State::ALL)
}

/// Sends a form.
fn form(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    let client = client.with("content-type", "application/x-www-form-urlencoded");
    client.send("POST", path, Some(body.finish().as_bytes()))
}

/// Another server on the same database.
fn beside(test: &TestApp) -> interlock::app::App {
    let db = interlock::store::Db::open(&test.database(), &interlock::store::Options::default()).unwrap();
    let settings = interlock::app::Settings {
        data: test.data().to_owned(),
        public_url: String::new(),
        server: "another".to_owned(),
        is_gone: |_| false,
    };
    let root = interlock::store::RootKey::new(crate::harness::ROOT_KEY);
    test.wait(interlock::app::App::open(db, &root, test.clock.clone(), settings)).unwrap()
}
