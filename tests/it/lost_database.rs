//! PostgreSQL that is not there at the start, goes away while Interlock serves, and comes back.

use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;
use interlock::exec::StepOutcome;
use interlock::exec::fake::{End, Script};
use serde_json::json;
use std::sync::Arc;

use crate::harness::TestApp;
use crate::program::{Install, ends};
use crate::store_contract::databases::Cluster;

const SECRET: &str = "a-shared-secret-of-32-characters";

#[test]
fn a_database_that_does_not_answer_is_named_without_its_password() {
    // A port that nobody listens on: it was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let install = Install::on(&format!("postgres://interlock:s3cret@127.0.0.1:{port}/interlock"));
    let (_, err) = ends(&install.run(&["serve", "--listen", "127.0.0.1:0"]), 1);
    let place = format!("postgres://127.0.0.1:{port}/interlock");
    for part in [place.as_str(), "refused", "see that PostgreSQL runs there", "--database"] {
        assert!(err.contains(part), "`{part}` is missing: {err}");
    }
    assert!(!err.contains("s3cret") && err.lines().count() == 1, "{err}");
}

fn load(test: &TestApp) {
    let access = "roles: {all: [{allow: [view, run], on: '**'}]}\nmembers: {all: ['service:hook', 'user:eve']}\n";
    let hook = "webhook:\n  name: talk\n  eventPlugin: webhook-run-job\n  config: {jobId: talk, argString: ''}\n  run_as: hook\n  verify: {kind: token, secrets: [keys/ops/hook]}\n";
    test.load(
        "ops",
        &[
            ("access.yaml", access),
            ("nodes.yaml", "web1: {hostname: 192.0.2.1, tags: web, environment: staging}\n"),
            ("jobs/talk.yaml", "name: talk\nnodes: {filter: 'tags: web'}\nsteps: [{name: talk, run: talk}]\n"),
            ("webhooks/talk.yaml", hook),
        ],
    );
    test.key("keys/ops/hook", SECRET);
    test.person("eve");
}

#[test]
fn a_database_that_goes_away_is_told_and_what_ran_meanwhile_is_not_forgotten() {
    let folder = tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut cluster = Cluster::start(&folder.path().join("pg"));
    let test = TestApp::fake_at_url(&cluster.url("postgres"));
    load(&test);
    let sender = test.anonymous().with("x-interlock-token", SECRET);
    let eve = test.signed_in("eve");
    let deliver = |id: &str| sender.with("idempotency-key", id).post("/hooks/talk", &json!({}));
    assert_eq!(test.anonymous().get("/readyz").status, 200);
    let release = Arc::new(tokio::sync::Notify::new());
    let ends = End::OnRelease(Arc::clone(&release), StepOutcome::Exited(0));
    test.steps().script("web1", "talk", Script { output: Vec::new(), end: ends });
    let run = RunNumber::new(deliver("first").expect(202).json()["run"].as_i64().unwrap());
    test.step();
    test.until_started(1);

    cluster.stop();
    let ready = test.anonymous().get("/readyz").expect(503).json();
    assert_eq!(ready["status"], "not ready");
    assert!(ready["detail"].as_str().unwrap().contains("database"), "{ready}");
    assert_eq!(test.anonymous().get("/healthz").status, 200);
    let page = eve.get("/").expect(503).text();
    assert!(page.contains("database cannot be used at the moment") && page.contains("try again"), "{page}");
    let refused = deliver("second");
    refused.refused(503, "database_busy");
    assert!(refused.header("retry-after").is_some());
    // The step ends while nobody can write that down.
    release.notify_one();

    cluster.start_again();
    // Longer than a lease: the run is still this server's.
    test.clock.advance(chrono::TimeDelta::seconds(60));
    test.settle();
    assert_eq!(test.state(run), State::Succeeded, "{}", test.run(run).run.end_reason);
    assert_eq!(test.anonymous().get("/readyz").status, 200);
    eve.get("/").expect(200);
    assert_eq!(deliver("second").expect(202).json()["duplicate"], false);
    release.notify_one();
    test.settle();
    assert_eq!(test.runs_in(&State::ALL).len(), 2);
    drop(test);
}
