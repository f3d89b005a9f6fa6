//! Lists show what their reader may see, whole pages of it, and go on where they stopped.

use chrono::TimeDelta;
use interlock::domain::run::State;
use interlock::exec::fake::Script;
use serde_json::Value;

use crate::client::Client;
use crate::harness::TestApp;

const PROJECT: &str = "approvals:\n  one: {need: [{role: manager, count: 1}]}\n";

const ACCESS: &str = "
roles:
  everybody: [{allow: [view, run], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]
  manager: [{allow: [view, approve], on: 'job/open/**'}]
members:
  everybody: ['user:oncall']
  manager: ['user:manager']
";

fn job(group: &str) -> String {
    format!(
        "name: signed\ngroup: {group}\nnodes: {{filter: '.*'}}\napproval: {{rule: one}}\nsteps: [{{run: 'true'}}]\n"
    )
}

fn world() -> TestApp {
    let test = TestApp::fake();
    test.person("oncall");
    test.person("manager");
    let files = [
        ("project.yaml", PROJECT),
        ("access.yaml", ACCESS),
        ("nodes.yaml", "n1: {hostname: 192.0.2.1, environment: staging}\n"),
        ("jobs/open.yaml", &job("open")),
        ("jobs/closed.yaml", &job("closed")),
        ("jobs/plain.yaml", "name: plain\ngroup: open\nnodes: {filter: '.*'}\nsteps: [{name: s, run: 'true'}]\n"),
    ];
    test.load("ops", &files);
    test
}

/// Every item of a list, page by page; how many pages there were.
fn pages(client: &Client, path: &str) -> (Vec<Value>, usize) {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for page in 1..50 {
        let answer = client.get(&format!("{path}{cursor}")).expect(200).json();
        items.extend(answer["items"].as_array().unwrap().iter().cloned());
        let Some(next) = answer["next"].as_str() else { return (items, page) };
        cursor = format!("&cursor={next}");
    }
    panic!("{path} does not end");
}

#[test]
fn requests_that_one_may_not_see_do_not_shorten_a_page() {
    let test = world();
    let mut open = Vec::new();
    for round in 0..5 {
        open.push(test.ask("oncall", "ops", "open/signed", &[]).unwrap().number);
        for _ in 0..3 {
            test.ask("oncall", "ops", "closed/signed", &[]).unwrap();
        }
        test.clock.advance(TimeDelta::seconds(round));
    }
    let manager = test.signed_in("manager");
    let first = manager.get("/api/v1/approvals?state=pending&limit=2").expect(200).json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2, "{first}");
    assert!(first["next"].is_string(), "{first}");
    let (all, count) = pages(&manager, "/api/v1/approvals?state=pending&limit=2");
    let runs: Vec<i64> = all.iter().map(|a| a["run"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = open.iter().rev().map(|n| n.get()).collect();
    assert_eq!((runs, count), (expected, 3));
    assert_eq!(pages(&test.signed_in("oncall"), "/api/v1/approvals?limit=7").0.len(), 20);
    assert_eq!(test.wait(test.app.waiting_for(&test.actor("manager"))).unwrap(), 5);
}

#[test]
fn the_queue_counts_beyond_a_page() {
    let test = world();
    for _ in 0..205 {
        test.ask("oncall", "ops", "open/signed", &[]).unwrap();
    }
    assert_eq!(test.wait(test.app.waiting_for(&test.actor("manager"))).unwrap(), 205);
    let home = test.signed_in("manager").get("/").expect(200).text();
    assert!(home.contains("205 wait for a signature"), "{home}");
}

#[test]
fn runs_of_a_name_are_those_of_every_project_also_after_the_job_went() {
    let test = world();
    let files = |job: bool| {
        let mut files = vec![
            ("access.yaml", ACCESS),
            ("nodes.yaml", "n1: {hostname: 192.0.2.9, environment: staging}\n"),
            ("jobs/other.yaml", "name: other\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n"),
        ];
        if job {
            let plain = "name: plain\ngroup: open\nnodes: {filter: '.*'}\nsteps: [{name: s, run: 'true'}]\n";
            files.push(("jobs/plain.yaml", plain));
        }
        files
    };
    test.load("second", &files(true));
    for project in ["ops", "second", "ops", "second"] {
        test.ask("oncall", project, "open/plain", &[]).unwrap();
    }
    test.settle();
    let oncall = test.signed_in("oncall");
    let count = |query: &str| pages(&oncall, &format!("/api/v1/runs?limit=3{query}")).0.len();
    assert_eq!((count("&job=open/plain"), count("&job=open/plain&project=second")), (4, 2));
    test.load("second", &files(false));
    assert_eq!((count("&job=open/plain"), count("&job=open/plain&project=second")), (4, 2));
    assert_eq!((count("&job=other"), count("&job=nowhere")), (0, 0));
    let (runs, _) = pages(&oncall, "/api/v1/runs?limit=3");
    let numbers: Vec<i64> = runs.iter().map(|r| r["number"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [4, 3, 2, 1]);
}

#[test]
fn the_start_page_counts_every_run_and_goes_by_when_they_failed() {
    let test = world();
    for _ in 0..20 {
        test.ask("oncall", "ops", "open/plain", &[]).unwrap();
    }
    let oncall = test.signed_in("oncall");
    assert!(oncall.get("/").expect(200).text().contains("0 running, 20 queued"));
    test.settle();
    test.steps().script("n1", "s", Script::exits(1));
    let asked = serde_json::json!({"run_at": test.clock.now() + TimeDelta::hours(30)});
    let run = oncall.post("/api/v1/projects/ops/jobs/open/plain/runs", &asked).expect(201).json();
    assert_eq!(run["state"], "scheduled");
    let calm = |hours: i64| {
        test.clock.advance(TimeDelta::hours(hours));
        test.settle();
        test.signed_in("oncall").get("/").expect(200).text().contains("Nothing went wrong")
    };
    // Asked for long before the last day began, but failed an hour ago.
    assert!(calm(29) && !calm(2) && calm(25));
    assert_eq!(test.runs_in(&[State::Failed]).len(), 1);
}

#[test]
fn the_record_goes_on_where_a_page_stopped() {
    let test = world();
    test.administrator("root");
    for _ in 0..4 {
        test.ask("oncall", "ops", "open/plain", &[]).unwrap();
    }
    test.settle();
    let root = test.signed_in("root");
    let (all, _) = pages(&root, "/api/v1/audit?limit=3");
    let numbers: Vec<i64> = all.iter().map(|e| e["seq"].as_i64().unwrap()).collect();
    let expected: Vec<i64> = (1..=numbers.len() as i64).rev().collect();
    assert_eq!(numbers, expected);
    for cursor in ["x", "-1", "99999999999999999999", "1.5"] {
        root.get(&format!("/api/v1/audit?cursor={cursor}")).refused(400, "bad_query");
    }
}
