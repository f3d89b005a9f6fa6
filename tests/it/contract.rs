//! The API as others build on it: events, rules, repeated requests, bad input, and its own description.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use chrono::TimeDelta;
use interlock::domain::access::Principal;
use interlock::web::routes::table;
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{TestApp, operator, user};

const ACCESS: &str = "
roles:
  everybody: [{allow: [view, run, edit], on: 'job/**'}, {allow: [view, run], on: 'node/**'}, {allow: [view], on: project}]
  posters: [{allow: [run], on: event}]
  readers: [{allow: [view], on: event}, {allow: [view], on: 'rule/**'}]
members:
  everybody: ['user:oncall']
  posters: ['service:prober', 'user:oncall']
  readers: ['user:oncall', 'user:reader']
";

const JOB: &str = "name: a\nnodes: {filter: '.*', user_may_narrow: true}\nsteps: [{run: 'true'}]\n";

fn load(test: &TestApp, project: &str) {
    let files = [
        ("access.yaml", ACCESS),
        (
            "nodes.yaml",
            "n1: {hostname: 192.0.2.1, environment: staging}\nn2: {hostname: 192.0.2.2, environment: staging}\n",
        ),
        ("jobs/a.yaml", JOB),
        ("jobs/runs.yaml", "name: runs\ngroup: nightly\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n"),
        ("rules/disk.yaml", "name: disk\npack: ops\ntrigger: {type: prometheus.alert}\naction: {ref: ops.a}\n"),
    ];
    test.load(project, &files);
}

fn world() -> TestApp {
    let test = TestApp::fake();
    for name in ["oncall", "reader", "stranger"] {
        test.person(name);
    }
    load(&test, "ops");
    test
}

#[test]
fn an_event_is_stored_once_for_each_key() {
    let test = world();
    let (token, _) = test.token(Principal::Service(user("prober")), None);
    let prober = test.bearer(&token);
    let event = json!({"type": "disk.full", "payload": {"host": "web1", "free": 0}, "dedupe_key": "web1-1"});
    let made = prober.post("/api/v1/events", &event).expect(202);
    let id = made.json()["event"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), Some(format!("/api/v1/events/{id}").as_str()));
    assert_eq!(made.json()["duplicate"], false);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (prober, event) = (prober.clone(), event.clone());
            std::thread::spawn(move || prober.post("/api/v1/events", &event).expect(202).json())
        })
        .collect();
    for again in threads.into_iter().map(|t| t.join().unwrap()) {
        assert_eq!((again["event"].as_str(), &again["duplicate"]), (Some(id.as_str()), &json!(true)));
    }
    prober.post("/api/v1/events", &json!({"type": "disk.full"})).expect(202);
    prober.post("/api/v1/events", &json!({"type": "disk.full"})).expect(202);
    let oncall = test.signed_in("oncall");
    let shown = oncall.get(&format!("/api/v1/events/{id}")).expect(200).json();
    assert_eq!(
        (&shown["type"], &shown["source"], &shown["payload"]["free"]),
        (&json!("disk.full"), &json!("api"), &json!(0))
    );
    assert_eq!(shown["verdicts"], json!([]));
    let record = test.record();
    let posted: Vec<_> = record.iter().filter(|e| e.act.action == "event.posted").collect();
    assert_eq!(posted.len(), 3, "what was there before is no new act");
    assert_eq!(posted[0].act.actor.to_string(), "service:prober");
    // The engine has nothing to decide about it.
    test.clock.advance(TimeDelta::minutes(5));
    test.settle();
    assert_eq!(oncall.get(&format!("/api/v1/events/{id}")).expect(200).json(), shown);
}

#[test]
fn events_are_posted_by_who_may_and_to_a_project() {
    let test = world();
    let post = |client: &Client, body: Value| client.post("/api/v1/events", &body);
    let oncall = test.signed_in("oncall");
    post(&test.anonymous(), json!({"type": "x"})).refused(401, "unauthenticated");
    post(&test.signed_in("stranger"), json!({"type": "x"})).refused(404, "not_found");
    post(&test.signed_in("stranger"), json!({"type": "x", "project": "ops"})).refused(404, "not_found");
    post(&test.signed_in("reader"), json!({"type": "x"})).refused(403, "forbidden");
    post(&oncall, json!({"type": "x", "project": "nowhere"})).refused(404, "not_found");
    for body in [
        json!({}),
        json!({"type": ""}),
        json!({"type": "a b"}),
        json!({"type": 1}),
        json!({"type": "x", "dedupe_key": ""}),
        json!({"type": "x", "kind": "y"}),
    ] {
        post(&oncall, body).refused(422, "invalid_fields");
    }
    post(&oncall, json!({"type": "x"})).expect(202);
    load(&test, "second");
    post(&oncall, json!({"type": "x"})).refused(422, "invalid_fields");
    post(&oncall, json!({"type": "x", "project": "second"})).expect(202);
}

#[test]
fn events_are_read_page_by_page() {
    let test = world();
    load(&test, "second");
    let oncall = test.signed_in("oncall");
    let mut made = Vec::new();
    for n in 0..7 {
        let project = if n % 2 == 0 { "ops" } else { "second" };
        let body = json!({"type": "x", "payload": n, "project": project});
        made.push(oncall.post("/api/v1/events", &body).expect(202).json()["event"].clone());
        test.clock.advance(TimeDelta::seconds(i64::from(n % 3)));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = oncall.get(&format!("/api/v1/events?limit=3{cursor}")).expect(200).json();
        seen.extend(page["items"].as_array().unwrap().iter().map(|e| e["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.iter().map(Value::to_string).collect::<BTreeSet<_>>(), made.iter().map(Value::to_string).collect());
    assert_eq!(seen.len(), 7);
    oncall.get("/api/v1/events?cursor=x").refused(400, "bad_query");
    let rules = oncall.get("/api/v1/rules").expect(200).json();
    assert_eq!((rules["items"].as_array().unwrap().len(), &rules["next"]), (2, &Value::Null));
    assert_eq!(
        (&rules["items"][0]["name"], &rules["items"][0]["trigger"]),
        (&json!("disk"), &json!("prometheus.alert"))
    );
    assert_eq!(test.signed_in("stranger").get("/api/v1/rules").expect(200).json()["items"], json!([]));
}

#[test]
fn a_repeated_request_gets_the_whole_first_answer() {
    let test = world();
    let oncall = test.signed_in("oncall").with("idempotency-key", "k-1");
    let path = "/api/v1/projects/ops/jobs/a/runs";
    let first = oncall.post(path, &json!({})).expect(201);
    let again = oncall.post(path, &json!({})).expect(201);
    assert_eq!((first.json(), first.header("location")), (again.json(), again.header("location")));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    oncall.post(path, &json!({"reason": "another"})).refused(409, "idempotency_key_reused");
    test.settle();
    assert_eq!(test.record().iter().filter(|e| e.act.action == "run.requested").count(), 1);
}

#[test]
fn a_key_whose_server_died_is_free_again_after_a_while() {
    let test = world();
    let actor = test.actor("oncall");
    let claim = || test.wait(test.app.keyed(&actor, "k", "POST /x", b"body"));
    claim().unwrap();
    assert_eq!(claim().unwrap_err().refusal().unwrap().code, "idempotency_key_busy");
    test.clock.advance(TimeDelta::minutes(5));
    assert_eq!(claim().unwrap_err().refusal().unwrap().code, "idempotency_key_busy");
    test.clock.advance(TimeDelta::seconds(1));
    assert_eq!(claim().unwrap(), interlock::app::idempotency::Keyed::First);
    assert_eq!(claim().unwrap_err().refusal().unwrap().code, "idempotency_key_busy", "one takes it over, not two");
    let other = test.wait(test.app.keyed(&actor, "k", "POST /x", b"other"));
    assert_eq!(other.unwrap_err().refusal().unwrap().code, "idempotency_key_reused");
}

#[test]
fn a_job_can_be_called_runs() {
    let test = world();
    let oncall = test.signed_in("oncall");
    let job = oncall.get("/api/v1/projects/ops/jobs/nightly/runs").expect(200).json();
    assert_eq!(job["path"], "nightly/runs");
    let text = job["source"].as_str().unwrap().replace("'true'", "echo more");
    let saved = oncall.send("PUT", "/api/v1/projects/ops/jobs/nightly/runs", Some(text.as_bytes())).expect(200);
    assert_eq!(saved.json()["revision"], 2);
    oncall.post("/api/v1/projects/ops/jobs/nightly/runs/runs", &json!({})).expect(201);
    test.settle();
    oncall.send("DELETE", "/api/v1/projects/ops/jobs/nightly/runs", None).refused(405, "method_not_allowed");
    oncall.send("PATCH", "/api/v1/runs", None).refused(405, "method_not_allowed");
    oncall.get("/api/v1/nothing").refused(404, "not_found");
}

#[test]
fn a_job_is_saved_only_on_the_revision_that_its_author_saw() {
    let test = world();
    let oncall = test.signed_in("oncall");
    let path = "/api/v1/projects/ops/jobs/a";
    let put =
        |client: &Client, query: &str, text: &str| client.send("PUT", &format!("{path}{query}"), Some(text.as_bytes()));
    let newer = JOB.replace("'true'", "echo newer");
    let checked = put(&oncall, "?dry_run=true", &newer).expect(200).json();
    assert_eq!((&checked["valid"], &oncall.get(path).json()["revision"]), (&json!(true), &json!(1)));
    let wrong = put(&oncall, "?dry_run=true", &newer.replace("steps", "stepz")).expect(200).json();
    assert_eq!(wrong["valid"], false);
    assert!(wrong["diagnostics"].to_string().contains("stepz"));
    for unreadable in ["latest", "\"x\"", "*", "W/\"1\"", ""] {
        put(&oncall.with("if-match", unreadable), "", &newer).refused(400, "bad_if_match");
    }
    assert_eq!(put(&oncall.with("if-match", "\"1\""), "", &newer).expect(200).json()["revision"], 2);
    put(&oncall.with("if-match", "1"), "", JOB).refused(409, "stale_revision");
    // By its id as well, and the run says which revision it runs.
    let id = oncall.get(path).expect(200).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(oncall.get(&format!("/api/v1/projects/ops/jobs/{id}")).expect(200).json()["path"], "a");
    let run =
        oncall.post(&format!("/api/v1/projects/ops/jobs/{id}/runs"), &json!({"nodes": ["n2"]})).expect(201).json();
    assert_eq!(run["revision"], 2);
    test.settle();
    let shown = oncall.get(&format!("/api/v1/runs/{}", run["number"])).expect(200).json();
    assert_eq!((&shown["nodes"], &shown["plan"]["narrowed"]["by_name"]), (&json!(["n2"]), &json!(true)));
    let none = oncall.post(&format!("{path}/runs"), &json!({"nodes": ["n9"]}));
    none.refused(422, "invalid_options");
    // An older text saved again is a newer revision.
    let history = test.wait(test.app.history(
        &test.actor("oncall"),
        &crate::harness::project_name("ops"),
        interlock::app::definitions::Kind::Job,
        "a",
    ));
    let oldest = history.unwrap().pop().unwrap();
    assert_eq!(put(&oncall, "", &oldest.source).expect(200).json()["revision"], 3);
    assert_eq!(oncall.get(path).json()["source"], JOB);
}

#[test]
fn what_is_hidden_inside_a_visible_project_answers_like_what_is_absent() {
    let test = world();
    let access = ACCESS.replace("on: 'job/**'}, {allow", "on: 'job/*'}, {allow");
    test.load(
        "ops",
        &[
            ("access.yaml", &access),
            ("nodes.yaml", "n1: {hostname: 192.0.2.1}\n"),
            ("jobs/a.yaml", JOB),
            ("jobs/secret.yaml", "name: job\ngroup: hidden\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n"),
        ],
    );
    let oncall = test.signed_in("oncall");
    oncall.get("/api/v1/projects/ops/jobs/a").expect(200);
    for (method, tail, body) in [("GET", "", ""), ("POST", "/runs", "{}"), ("PUT", "", "name: job\ngroup: hidden\n")] {
        let client = oncall.with("content-type", "application/json");
        let body = Some(body.as_bytes()).filter(|b| !b.is_empty());
        let hidden = client.send(method, &format!("/api/v1/projects/ops/jobs/hidden/job{tail}"), body);
        let absent = client.send(method, &format!("/api/v1/projects/ops/jobs/hidden/nob{tail}"), body);
        if method != "PUT" {
            assert_eq!((hidden.status, &hidden.body), (404, &absent.body), "{method}");
        }
        assert_eq!(hidden.status, absent.status, "{method}: {}", hidden.text());
    }
}

#[test]
fn an_idle_follower_is_told_that_the_line_is_open() {
    let test = world();
    let later = json!({"run_at": test.clock.now() + TimeDelta::hours(1)});
    let oncall = test.signed_in("oncall");
    let run = oncall.post("/api/v1/projects/ops/jobs/a/runs", &later).expect(201).json()["number"].clone();
    let address = oncall.base().strip_prefix("http://").unwrap().to_owned();
    let mut line = TcpStream::connect(&address).unwrap();
    let cookie = oncall.sends("cookie").unwrap();
    let head = format!(
        "GET /api/v1/runs/{run}/log?follow=true HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    line.write_all(head.as_bytes()).unwrap();
    let mut heard = until(&mut line, ": still here");
    let number = interlock::domain::ids::RunNumber::new(run.as_i64().unwrap());
    test.wait(test.app.cancel_run(&operator(), number, "test")).unwrap();
    heard += &until(&mut line, "event: end");
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
}

/// Reads until something was said.
fn until(line: &mut TcpStream, said: &str) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 512];
    while !String::from_utf8_lossy(&all).contains(said) {
        let count = line.read(&mut piece).unwrap();
        assert!(count > 0, "the line ended before {said}: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(all).unwrap()
}

#[test]
fn the_server_is_ready_and_says_so() {
    let test = TestApp::fake();
    assert_eq!(test.anonymous().get("/readyz").expect(200).json()["status"], "ready");
    assert_eq!(test.anonymous().get("/healthz").expect(200).json()["status"], "ok");
}

#[test]
fn the_description_names_every_route_once() {
    let test = TestApp::fake();
    let document = test.anonymous().get("/api/v1/openapi.json").expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    let (mut ids, mut described) = (BTreeSet::new(), 0);
    let mut references = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{what} is not described"));
            assert!(id.bytes().all(|b| b.is_ascii_alphanumeric()), "{what}: {id}");
            assert!(ids.insert(id.to_owned()), "{what}: {id} is there twice");
            let parameters = operation["parameters"].as_array().unwrap();
            let named = |place: &str| -> BTreeSet<String> {
                let of = parameters.iter().filter(|p| p["in"] == place);
                of.map(|p| p["name"].as_str().unwrap().to_owned()).collect()
            };
            let in_path: BTreeSet<String> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}').map(str::to_owned))
                .collect();
            assert_eq!(named("path"), in_path, "{what}");
            let success: Vec<&String> = operation["responses"].as_object().unwrap().keys().collect();
            assert!(success.iter().any(|s| s.starts_with('2') && s.len() == 3), "{what}: {success:?}");
            assert_eq!(operation["requestBody"].is_object(), what.starts_with("put") || posts_a_body(&what), "{what}");
            references.extend(all_references(operation));
            described += 1;
        }
    }
    let routes = table().filter(|r| r.path.starts_with("/api/") || r.path.starts_with("/hooks/")).count();
    assert_eq!(described, routes);
    references.extend(all_references(&document["components"]));
    for reference in references {
        let name = reference.strip_prefix("#/components/schemas/").unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{reference} leads nowhere");
    }
}

fn posts_a_body(what: &str) -> bool {
    what.starts_with("post") && !what.ends_with("/cancel")
}

fn all_references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).map(str::to_owned);
            own.into_iter().chain(map.values().flat_map(all_references)).collect()
        }
        Value::Array(list) => list.iter().flat_map(all_references).collect(),
        _ => Vec::new(),
    }
}
