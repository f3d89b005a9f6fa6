//! What is kept for so many days is gone afterwards, and what is still needed is not.

use chrono::TimeDelta;
use interlock::app::prune::Pruned;
use interlock::domain::run::State;
use serde_json::json;

use crate::harness::{TestApp, operator};

const ACCESS: &str = "
roles:
  all: [{allow: [view, run], on: '**'}]
  manager: [{allow: [view, approve], on: '**'}]
members: {all: ['user:oncall'], manager: ['user:manager']}
";

fn load(test: &TestApp, project: &str, retention: &str) {
    let settings = format!("approvals:\n  one: {{need: [{{role: manager, count: 1}}], expires: 90d}}\n{retention}");
    let files = [
        ("project.yaml", settings.as_str()),
        ("access.yaml", ACCESS),
        ("nodes.yaml", "n1: {hostname: 192.0.2.1}\n"),
        (
            "jobs/a.yaml",
            "name: a\noptions: [{name: s, type: secret}]\nnodes: {filter: '.*'}\nsteps: [{name: one, run: 'true'}]\n",
        ),
        ("jobs/b.yaml", "name: b\nnodes: {filter: '.*'}\napproval: {rule: one}\nsteps: [{run: 'true'}]\n"),
    ];
    test.load(project, &files);
}

#[test]
fn what_is_old_goes_with_its_output_and_an_entry() {
    let test = TestApp::fake();
    test.person("oncall");
    test.person("manager");
    load(&test, "ops", "retention: {days: 30}\n");
    load(&test, "kept", "");
    test.steps().script("n1", "one", interlock::exec::fake::Script::exits(0).says("hello\n"));
    let old = test.ask("oncall", "ops", "a", &[("s", "typed secret")]).unwrap().number;
    let for_good = test.ask("oncall", "kept", "a", &[]).unwrap().number;
    test.settle();
    let waiting = test.ask("oncall", "ops", "b", &[]).unwrap().number;
    let oncall = test.signed_in("oncall");
    oncall.with("idempotency-key", "k").post("/api/v1/events", &json!({"type": "x", "project": "ops"})).expect(202);
    oncall
        .post("/api/v1/session", &json!({"user": "oncall", "password": "wrong password"}))
        .refused(401, "bad_credentials");
    let folder = |run: interlock::domain::ids::RunNumber| {
        test.data().join("runs").join(format!("{:03}", run.get() % 1_000)).join(run.to_string())
    };
    assert!(folder(old).exists() && folder(for_good).exists());

    test.clock.advance(TimeDelta::days(29));
    let passing = test.wait(test.app.prune()).unwrap();
    assert_eq!((passing.runs, passing.events), (0, 0));
    assert!(passing.passing >= 3, "{passing:?}");
    let young = test.ask("oncall", "ops", "a", &[]).unwrap().number;
    test.settle();

    test.clock.advance(TimeDelta::days(2));
    let pruned = test.wait(test.app.prune()).unwrap();
    // What passes is the notice that somebody's signature is wanted.
    assert_eq!(pruned, Pruned { runs: 1, events: 1, blobs: 0, passing: 1 });
    assert_eq!(test.wait(test.app.prune()).unwrap(), Pruned::default(), "once is enough");
    assert!(!folder(old).exists() && folder(for_good).exists() && folder(young).exists());
    assert!(test.wait(test.app.run(&operator(), old)).is_err());
    assert_eq!((test.state(waiting), test.state(young)), (State::PendingApproval, State::Succeeded));
    let entry = test.record().into_iter().find(|e| e.act.action == "runs.pruned").unwrap();
    assert_eq!((&entry.act.detail["runs"], &entry.act.detail["from"]), (&json!(1), &json!(old)));
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().is_ok());

    // Typed secrets go when nothing that could need them waits, and every project lets go of its runs.
    load(&test, "kept", "retention: {days: 40}\n");
    test.wait(test.app.cancel_run(&operator(), waiting, "test")).unwrap();
    test.clock.advance(TimeDelta::days(10));
    let pruned = test.wait(test.app.prune()).unwrap();
    assert_eq!((pruned.runs, pruned.blobs), (3 - usize::from(test.wait(test.app.run(&operator(), young)).is_ok()), 1));
}
