//! What may have changed while a run waited: a plan that no longer stands does not start, signed or not.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use interlock::app::approvals::Decision;
use interlock::app::planning::RunRequest;
use interlock::domain::approval::Verdict;
use interlock::domain::ids::{JobRef, RunNumber};
use interlock::domain::option::RawValues;
use interlock::domain::plan::Origin;
use interlock::domain::run::State;
use interlock::exec::fake::Script;

use crate::harness::{TestApp, noon, operator, project_name, user};

const PROJECT: &str = "
approvals:
  one: {need: [{role: manager, count: 1}]}
  production: {when: \"{{ environment == 'production' }}\", need: [{role: manager, count: 1}]}
";

const NODES: &str = "
n1: {hostname: 192.0.2.1, tags: web, environment: staging}
n2: {hostname: 192.0.2.2, tags: web, environment: staging}
n3: {hostname: 192.0.2.3, tags: db, environment: staging}
";

const ACCESS: &str = "
roles:
  everybody: [{allow: [view, run, cancel], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]
  manager: [{allow: [view, approve], on: 'job/**'}]
members:
  everybody: ['user:oncall']
  manager: ['user:manager']
";

const PLAIN: &str =
    "name: plain\nnodes: {filter: 'tags: web', user_may_narrow: true}\nsteps: [{name: one, run: 'true'}]\n";

fn with(more: &str) -> String {
    format!("{PLAIN}{more}\n")
}

/// A project, with what a test changes of it.
#[derive(Clone)]
struct Files {
    project: String,
    nodes: String,
    access: String,
    job: Option<String>,
}

impl Files {
    fn new(job: &str) -> Self {
        Self { project: PROJECT.into(), nodes: NODES.into(), access: ACCESS.into(), job: Some(job.into()) }
    }

    fn load(&self, test: &TestApp) {
        let mut files =
            vec![("project.yaml", self.project.as_str()), ("nodes.yaml", &self.nodes), ("access.yaml", &self.access)];
        files.extend(self.job.as_deref().map(|job| ("jobs/plain.yaml", job)));
        test.load("ops", &files);
    }
}

fn world(files: &Files) -> TestApp {
    let test = TestApp::fake();
    test.person("oncall");
    test.person("manager");
    files.load(&test);
    test
}

fn request(nodes: Option<&[&str]>, filter: Option<&str>) -> RunRequest {
    RunRequest {
        project: project_name("ops"),
        job: JobRef::parse("plain").unwrap(),
        values: RawValues::new(),
        reason: "because".to_owned(),
        nodes: nodes.map(|n| n.iter().map(|n| (*n).to_owned()).collect()),
        node_filter: filter.map(str::to_owned),
        start_at: None,
        origin: Origin::Api,
        dry_run: false,
    }
}

fn ask(test: &TestApp, request: RunRequest) -> RunNumber {
    test.wait(test.app.request_run(&test.actor("oncall"), request, "test")).unwrap().number
}

fn later() -> RunRequest {
    RunRequest { start_at: Some(noon() + TimeDelta::hours(1)), ..request(None, None) }
}

fn sign(test: &TestApp, run: RunNumber) {
    let view = test.run(run).run;
    let decision = Decision { verdict: Verdict::Approve, digest: view.digest, reason: "go".to_owned() };
    test.wait(test.app.decide(&test.actor("manager"), view.approval.unwrap(), decision, "test")).unwrap();
}

/// Lets the time come and the engine look; the state and why.
fn outcome(test: &TestApp, run: RunNumber) -> (State, String) {
    test.clock.advance(TimeDelta::hours(1));
    test.settle();
    let run = test.run(run).run;
    (run.state, run.end_reason)
}

/// Something that is changed while a run waits, and a word of the reason.
type Change = (&'static str, fn(&mut Files), &'static str);

fn retag(files: &mut Files, node: &str, from: &str, to: &str) {
    let old = files.nodes.lines().find(|line| line.starts_with(node)).unwrap().to_owned();
    files.nodes = files.nodes.replace(&old, &old.replace(from, to));
}

const FOR_ALL: &[Change] = &[
    ("the job is deleted", |f| f.job = None, "deleted"),
    (
        "the job is renamed",
        |f| f.job = f.job.take().map(|j| j.replace("name: plain", "name: other")),
        "deleted or renamed",
    ),
    ("the job is disabled", |f| f.job = f.job.take().map(|j| format!("{j}enabled: false\n")), ""),
    ("a node is retagged", |f| retag(f, "n2", "tags: web", "tags: db"), "n2"),
    (
        "a node is gone",
        |f| f.nodes = f.nodes.lines().filter(|l| !l.starts_with("n2")).collect::<Vec<_>>().join("\n"),
        "n2",
    ),
    ("a node is elsewhere", |f| retag(f, "n2", "192.0.2.2", "192.0.2.77"), "n2"),
    ("a node is production by now", |f| retag(f, "n2", "staging", "production"), "n2"),
    ("who asked lost the right on the job", |f| f.access = f.access.replace("[view, run, cancel]", "[view]"), "oncall"),
    (
        "who asked lost the right on nodes",
        |f| f.access = f.access.replace("[view, run], on: 'node/**'", "[view, run], on: node/n1"),
        "n2",
    ),
    ("who asked has no role any more", |f| f.access = f.access.replace("user:oncall", "user:nobody"), "oncall"),
];

#[test]
fn a_scheduled_run_is_looked_at_again_when_it_starts() {
    let unsigned: &[Change] = &[
        (
            "a policy was added",
            |f| f.job = f.job.take().map(|j| format!("{j}approval: {{rule: one}}\n")),
            "signatures by now",
        ),
        (
            "a policy for production was added, and production came first",
            |f| {
                f.job = f.job.take().map(|j| format!("{j}approval: {{rule: production}}\n"));
                f.project =
                    format!("environments: [production, staging]\n{}", f.project.replace("'production'", "'staging'"));
            },
            "signatures by now",
        ),
        (
            "the filter leaves a node out",
            |f| f.job = f.job.take().map(|j| j.replace("tags: web", "tags: web !name: n2")),
            "n2",
        ),
    ];
    for (what, change, reason) in FOR_ALL.iter().chain(unsigned) {
        let mut files = Files::new(PLAIN);
        let test = world(&files);
        let run = ask(&test, later());
        assert_eq!(test.state(run), State::Scheduled);
        change(&mut files);
        files.load(&test);
        let (state, why) = outcome(&test, run);
        assert_eq!(state, State::Canceled, "{what}: {why}");
        assert!(why.contains(reason) && why.contains("Ask again"), "{what}: {why}");
        assert!(test.steps().calls().is_empty(), "{what}");
        assert!(test.record().iter().any(|e| e.act.action == "run.voided"), "{what}");
    }
}

#[test]
fn an_unsigned_run_runs_what_was_frozen_after_a_harmless_edit() {
    let changes: &[Change] = &[
        ("nothing", |_| (), ""),
        ("another command", |f| f.job = f.job.take().map(|j| j.replace("'true'", "echo newer")), ""),
        ("a node came to it", |f| retag(f, "n3", "tags: db", "tags: web"), ""),
        (
            "a policy that does not apply",
            |f| f.job = f.job.take().map(|j| format!("{j}approval: {{rule: production}}\n")),
            "",
        ),
    ];
    for (what, change, _) in changes {
        let mut files = Files::new(PLAIN);
        let test = world(&files);
        let run = ask(&test, later());
        change(&mut files);
        files.load(&test);
        assert_eq!(outcome(&test, run), (State::Succeeded, String::new()), "{what}");
        let nodes: BTreeSet<String> = test.steps().calls().iter().map(|c| c.target.node.to_string()).collect();
        assert_eq!(nodes, ["n1", "n2"].map(str::to_owned).into(), "{what}");
    }
}

#[test]
fn a_closed_account_starts_nothing_any_more() {
    for job in [PLAIN.to_owned(), with("approval: {rule: one}")] {
        let test = world(&Files::new(&job));
        let run = ask(&test, later());
        if test.run(run).run.approval.is_some() {
            sign(&test, run);
        }
        test.wait(test.app.set_active(&operator(), user("oncall"), false, "test")).unwrap();
        let (state, why) = outcome(&test, run);
        assert_eq!(state, State::Canceled);
        assert!(why.contains("oncall"), "{why}");
    }
}

#[test]
fn a_signed_run_starts_only_as_it_was_signed() {
    let signed: &[Change] = &[
        ("another command", |f| f.job = f.job.take().map(|j| j.replace("'true'", "echo newer")), "job was changed"),
        ("a node came to it", |f| retag(f, "n3", "tags: db", "tags: web"), "n3"),
    ];
    let job = with("approval: {rule: one}");
    for (what, change, reason) in FOR_ALL.iter().chain(signed) {
        let mut files = Files::new(&job);
        let test = world(&files);
        let (waiting, scheduled) = (ask(&test, request(None, None)), ask(&test, later()));
        sign(&test, scheduled);
        change(&mut files);
        files.load(&test);
        // A request that waits is void at once; a lost right of who asked is seen at the start.
        let view = test.run(waiting).run;
        if !what.starts_with("who asked") {
            assert_eq!(view.state, State::Canceled, "{what}");
            assert!(view.end_reason.contains(reason) && view.end_reason.contains("Ask again"), "{what}: {view:?}");
        }
        let (state, why) = outcome(&test, scheduled);
        assert_eq!(state, State::Canceled, "{what}: {why}");
        assert!(why.contains(reason), "{what}: {why}");
        assert!(test.steps().calls().is_empty(), "{what}");
    }
}

#[test]
fn another_order_of_environments_voids_a_signed_plan() {
    let mut files = Files::new(&with("approval: {rule: one}"));
    retag(&mut files, "n1", "environment: staging", "environment: testing");
    let test = world(&files);
    let run = ask(&test, request(None, None));
    assert_eq!(test.run(run).run.environment.unwrap().as_str(), "staging");
    files.project = format!("environments: [development, staging, testing, production]\n{}", files.project);
    files.load(&test);
    let view = test.run(run).run;
    assert_eq!(view.state, State::Canceled);
    assert!(view.end_reason.contains("environments"), "{}", view.end_reason);
}

#[test]
fn a_request_that_named_its_nodes_keeps_them() {
    let mut files = Files::new(&with("approval: {rule: one}"));
    let test = world(&files);
    let named = ask(&test, request(Some(&["n1", "n2"]), None));
    let filtered = ask(&test, request(None, Some("name: n1")));
    let all = ask(&test, request(None, None));
    // The page sends every tick; with all of them set nothing was named.
    let ticked = ask(&test, RunRequest { origin: Origin::Button, ..request(Some(&["n1", "n2"]), None) });
    retag(&mut files, "n3", "tags: db", "tags: web");
    files.load(&test);
    let states = [named, filtered, all, ticked].map(|run| test.state(run));
    assert_eq!(states, [State::PendingApproval, State::PendingApproval, State::Canceled, State::Canceled]);
    retag(&mut files, "n2", "tags: web", "tags: db");
    files.load(&test);
    assert_eq!([named, filtered].map(|run| test.state(run)), [State::Canceled, State::PendingApproval]);
    retag(&mut files, "n1", "tags: web", "tags: db");
    files.load(&test);
    assert_eq!(test.state(filtered), State::Canceled);
}

#[test]
fn a_newer_run_that_cancels_an_older_one_says_so_in_the_record() {
    let test = world(&Files::new(&with("concurrency: {limit: 1, when_busy: cancel_running}")));
    test.steps().script("n1", "one", Script::hangs());
    test.steps().script("n1", "one", Script::exits(0));
    let old = ask(&test, request(None, None));
    test.step();
    test.until_started(1);
    let mut changes = test.app.live.runs();
    let new = ask(&test, request(None, None));
    assert_eq!(test.state(old), State::Canceling);
    let told: Vec<RunNumber> = std::iter::from_fn(|| changes.try_recv().ok()).collect();
    assert!(told.contains(&old) && told.contains(&new), "{told:?}");
    let entry = test.record().into_iter().find(|e| e.act.action == "run.cancel_requested").unwrap();
    assert_eq!(entry.act.resource, format!("run:{old}"));
    assert_eq!(entry.act.detail["because_of"], new.get());
    assert_eq!(entry.act.actor.to_string(), "user:oncall");
    test.settle();
    test.settle();
    assert_eq!((test.state(old), test.state(new)), (State::Canceled, State::Succeeded));
}

#[test]
fn an_applied_folder_keeps_the_ids_of_its_jobs() {
    let files = Files::new(PLAIN);
    let test = world(&files);
    let run = ask(&test, request(None, None));
    test.settle();
    Files::new(&PLAIN.replace("'true'", "echo newer")).load(&test);
    let again = ask(&test, request(None, None));
    test.settle();
    assert_eq!(test.run(run).run.job_id, test.run(again).run.job_id);
}
