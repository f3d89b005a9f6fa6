//! A node of the inventory that is the server's own machine.

use interlock::app::approvals::Decision;
use interlock::domain::approval::Verdict;
use interlock::domain::run::State;
use serde_json::json;

use crate::client::Client;
use crate::harness::{TestApp, operator};
use crate::program::{Install, Server, ends};
use crate::servers::{OVER, ask, output, until};

const NODES: &str = "here: {hostname: localhost, node-executor: local, ssh-key-storage-path: keys/ops/none, zone: a}\n";
const JOB: &str =
    "name: own\nnodes: {filter: 'name: here'}\nsteps: [{name: one, run: 'echo on ${node.name} in ${node.zone}'}]\n";

fn applied(project: &str) -> Install {
    let install = Install::new();
    install.write("nodes.yaml", NODES);
    install.write("jobs/own.yaml", JOB);
    apply(&install, project);
    install
}

fn apply(install: &Install, project: &str) {
    install.write("project.yaml", project);
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
}

#[test]
fn a_listed_node_that_is_the_server_itself_runs_where_the_project_allows_it() {
    let install = applied("description: no\n");
    let (_, refused) = ends(&install.run(&["run", "own"]), 3);
    assert!(refused.contains("here is Interlock's own machine") && refused.contains("local_execution"), "{refused}");
    apply(&install, "local_execution: true\n");
    let (doctor, _) = ends(&install.run(&["doctor"]), 0);
    assert!(!doctor.contains("host key of here"), "{doctor}");
    let (list, _) = ends(&install.run(&["node", "list"]), 0);
    assert!(list.contains("own machine"), "{list}");
    let (out, _) = ends(&install.run(&["run", "own"]), 0);
    assert!(out.contains("here | on here in a"), "{out}");
}

/// A client that signs in with a token of this name.
fn client(install: &Install, server: &Server, name: &str) -> Client {
    let (token, _) = ends(&install.run(&["token", "create", "--user", name]), 0);
    Client::new(&server.address).with("authorization", &format!("Bearer {}", token.trim()))
}

fn person(install: &Install, name: &str) {
    ends(&install.feed(&["user", "add", name, "--password-stdin"], "correct horse battery\n"), 0);
}

/// It is a node like any other for whoever asks.
#[test]
fn rights_count_there_as_anywhere() {
    let install = applied("local_execution: true\n");
    let roles = "roles:\n  some: [{allow: [view, run], on: 'job/**'}, {allow: [view], on: 'node/**'}]\n  \
                 all: [{allow: [view, run], on: '**'}]\nmembers: {some: ['user:some'], all: ['user:all']}\n";
    install.write("access.yaml", roles);
    apply(&install, "local_execution: true\n");
    let server = Server::start(&install);
    let [some, all] = ["some", "all"].map(|name| {
        person(&install, name);
        client(&install, &server, name)
    });
    let refused = some.post("/api/v1/projects/ops/jobs/own/runs", &json!({})).expect(403).json();
    assert_eq!(refused["code"], "forbidden_node", "{refused}");
    let run = ask(&all, "own");
    assert_eq!(until(&all, run, &OVER)["state"], "succeeded");
    assert_eq!(output(&all, run, "here", "stdout"), "on here in a\n");
    assert_eq!(server.stop(), Some(0));
}

/// What the unit in docs/service.md leaves alone when the server is stopped or ends.
#[test]
fn a_step_there_outlives_the_server() {
    let install = applied("local_execution: true\n");
    let (count, go) = (install.path().join("count"), install.path().join("go"));
    let job = format!(
        "name: own\nnodes: {{filter: 'name: here'}}\nsteps:\n  - name: one\n    script: |\n      echo start >> {}\n      \
         echo begun\n      until [ -e {} ]; do sleep 0.1; done\n      echo over\n",
        count.display(),
        go.display()
    );
    install.write("jobs/own.yaml", &job);
    install.write("access.yaml", "roles: {r: [{allow: [view, run], on: '**'}]}\nmembers: {r: ['user:oncall']}\n");
    apply(&install, "local_execution: true\n");
    person(&install, "oncall");
    let server = Server::start(&install);
    let oncall = client(&install, &server, "oncall");
    let run = ask(&oncall, "own");
    while output(&oncall, run, "here", "stdout") != "begun\n" {
        assert_eq!(until(&oncall, run, &["queued", "running"])["number"], run);
        std::thread::yield_now();
    }
    server.signal(rustix::process::Signal::KILL);
    server.ended();
    let server = Server::start(&install);
    let oncall = client(&install, &server, "oncall");
    std::fs::write(go, "").unwrap();
    let seen = until(&oncall, run, &OVER);
    assert_eq!(seen["state"], "succeeded", "{seen}");
    assert_eq!(output(&oncall, run, "here", "stdout"), "begun\nover\n");
    assert_eq!(std::fs::read_to_string(count).unwrap(), "start\n");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_was_signed_does_not_start_there_once_the_project_forbids_it() {
    let test = TestApp::fake();
    for name in ["oncall", "manager"] {
        test.person(name);
    }
    let load = |allowed: bool| {
        let project = format!(
            "local_execution: {allowed}\napprovals: {{one: {{need: [{{role: manager}}], reason: {{request: optional}}}}}}\n"
        );
        let access = "roles: {r: [{allow: [view, run], on: '**'}], manager: [{allow: [view, approve], on: 'job/**'}]}\n\
                      members: {r: ['user:oncall'], manager: ['user:manager']}\n";
        let job = JOB.replace("steps:", "approval: {rule: one}\nsteps:");
        let files = [
            ("project.yaml", project.as_str()),
            ("nodes.yaml", NODES),
            ("access.yaml", access),
            ("jobs/own.yaml", &job),
        ];
        test.load("ops", &files);
    };
    for allowed_still in [true, false] {
        load(true);
        let run = test.ask("oncall", "ops", "own", &[]).unwrap().number;
        let id = test.run(run).run.approval.unwrap();
        let view = test.wait(test.app.approval(&operator(), id)).unwrap().view;
        let decision = Decision { verdict: Verdict::Approve, digest: view.digest, reason: String::new() };
        test.wait(test.app.decide(&test.actor("manager"), view.id, decision, "test")).unwrap();
        load(allowed_still);
        test.settle();
        let state = if allowed_still { State::Succeeded } else { State::Canceled };
        assert_eq!(test.state(run), state, "{}", test.run(run).run.end_reason);
    }
}
