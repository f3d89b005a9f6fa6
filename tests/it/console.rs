//! What pages offer beside the story: pins, the queue, replays, the look at nodes, filters in the address, health.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use interlock::app::nodes::AcceptedKey;
use interlock::app::reach::Reach;
use interlock::domain::ids::{NodeName, ProjectName};
use interlock::domain::node::Node;
use serde_json::json;

use crate::client::{Answer, Client};
use crate::harness::{Base, TestApp, on_both_databases, operator, project_name};

const ACCESS: &str = "
roles:
  oncall: [{allow: [view, run, cancel], on: '**'}]
  admin: [{allow: [view, administer], on: '**'}]
  hooks: [{allow: [view, run], on: '**'}]
members:
  oncall: ['user:oncall', 'user:other']
  admin: ['user:boss']
  hooks: ['service:robot']
";

const NODES: &str = "n1: {hostname: 192.0.2.1, tags: web, environment: staging}\nn2: {hostname: 192.0.2.2, tags: db, environment: staging}\n";

const HOOK: &str = "
webhook:
  name: incoming
  eventPlugin: webhook-run-job
  config:
    jobId: services/restart
    argString: '-service ${data.service} -reason ${data.auth_token}'
  run_as: robot
  verify: {kind: token, secrets: [keys/ops/hook]}
";

fn job(name: &str, filter: &str) -> String {
    format!(
        "name: {name}\ngroup: services\ndescription: Does {name}.\noptions: [{{name: service}}, {{name: reason}}]\nnodes: {{filter: '{filter}'}}\nsteps: [{{run: ./do}}]\n"
    )
}

fn world(base: Base) -> TestApp {
    let test = TestApp::fake_on(base);
    let (restart, drain) = (job("restart", "tags: web"), job("drain", "tags: db"));
    let files = [
        ("access.yaml", ACCESS),
        ("nodes.yaml", NODES),
        ("jobs/restart.yaml", &restart),
        ("jobs/drain.yaml", &drain),
        ("webhooks/incoming.yaml", HOOK),
    ];
    test.load("ops", &files);
    test.load("side", &[("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/clean.yaml", &job("clean", ".*"))]);
    test.key("keys/ops/hook", "a-shared-secret-of-32-characters");
    for name in ["oncall", "other", "boss"] {
        test.person(name);
    }
    test.administrator("root");
    test
}

fn form(client: &Client, path: &str, body: &str) -> Answer {
    client.with("content-type", "application/x-www-form-urlencoded").send("POST", path, Some(body.as_bytes()))
}

fn page(client: &Client, path: &str) -> String {
    client.get(path).expect(200).text()
}

on_both_databases! {
    pins_are_a_persons_own
    runs_are_filtered_by_the_address
}

fn pins_are_a_persons_own(base: Base) {
    let test = world(base);
    let (oncall, other) = (test.signed_in("oncall"), test.signed_in("other"));
    let pinned = |client: &Client| {
        let home = page(client, "/");
        let names = home.split("<a class=\"pin\"").skip(1).filter_map(|p| p.split("<b>").nth(1)?.split('<').next());
        (home.contains("Pinned runbooks"), names.map(str::to_owned).collect::<Vec<_>>())
    };
    assert!(!pinned(&oncall).0);
    for (name, project) in [("restart", "ops"), ("clean", "side"), ("restart", "ops")] {
        let answer = form(&oncall, &format!("/projects/{project}/pin/services/{name}"), "pin=yes").expect(303);
        assert_eq!(answer.header("location").unwrap(), format!("/projects/{project}/jobs/services/{name}"));
    }
    assert_eq!(pinned(&oncall), (true, vec!["restart".to_owned(), "clean".to_owned()]));
    assert!(!pinned(&other).0, "nobody else sees them");
    assert!(page(&oncall, "/projects/ops/jobs/services/restart").contains("Take off my home page"));
    assert!(page(&other, "/projects/ops/jobs/services/restart").contains("Pin to my home page"));
    form(&oncall, "/projects/ops/pin/services/restart", "pin=no").expect(303);
    assert_eq!(pinned(&oncall), (true, vec!["clean".to_owned()]));
    form(&oncall, "/projects/ops/pin/services/absent", "pin=yes").expect(404);
    // A job that is gone leaves no button behind.
    test.load("side", &[("access.yaml", ACCESS), ("nodes.yaml", NODES)]);
    assert!(!pinned(&oncall).0);
}

fn runs_are_filtered_by_the_address(base: Base) {
    let test = world(base);
    let restart = test.ask("oncall", "ops", "services/restart", &[("service", "nginx")]).unwrap().number;
    test.clock.advance(chrono::TimeDelta::hours(2));
    let clean = test.ask("other", "side", "services/clean", &[("service", "cron")]).unwrap().number;
    test.settle();
    let sender = test.anonymous().with("x-interlock-token", "a-shared-secret-of-32-characters");
    let sent = sender.post("/hooks/incoming", &json!({"service": "nginx", "auth_token": "t"})).expect(202).json();
    let hooked = sent["run"].as_i64().unwrap();
    test.settle();
    let client = test.signed_in("oncall");
    let shown = |query: &str| -> Vec<i64> {
        let text = page(&client, &format!("/runs?{query}"));
        let cells = text.split("<td><a href=\"/runs/").skip(1);
        cells.map(|c| c.split('"').next().unwrap().parse().unwrap()).collect()
    };
    let (restart, clean) = (restart.get(), clean.get());
    assert_eq!(shown("project=side"), [clean]);
    assert_eq!(shown("option=service%3Dnginx"), [hooked, restart]);
    assert_eq!(shown("option.service=cron"), [clean]);
    assert_eq!(shown("origin=webhook"), [hooked]);
    assert_eq!(shown("origin=api"), [clean, restart]);
    assert_eq!(shown("since=1h"), [hooked, clean]);
    assert_eq!(shown("since=2026-11-30T12%3A30%3A00Z&origin=api&project=side"), [clean]);
    for nonsense in ["since=sometime", "option=!!", "project=%21", "origin=nowhere"] {
        assert_eq!(shown(nonsense), Vec::<i64>::new(), "{nonsense}");
    }
    // What the address says stands in the form.
    let text = page(&client, "/runs?since=3h&project=side&option=service%3Dcron");
    for kept in ["value=\"3h\" selected", "value=\"side\" selected", "value=\"service=cron\""] {
        assert!(text.contains(kept), "{kept}");
    }
}

#[test]
fn the_queue_is_counted_and_its_oldest_told() {
    let mut test = world(Base::Sqlite);
    test.leaves_work = true;
    for _ in 0..18 {
        test.ask("oncall", "ops", "services/restart", &[]).unwrap();
    }
    test.clock.advance(chrono::TimeDelta::minutes(5));
    let home = page(&test.signed_in("oncall"), "/");
    assert!(home.contains("0 running, 18 queued (the oldest for 5m)"), "{home}");
}

#[test]
fn a_delivery_is_replayed_as_a_dry_run_and_secrets_are_shown_nowhere() {
    let test = world(Base::Sqlite);
    let sender = test.anonymous().with("x-interlock-token", "a-shared-secret-of-32-characters");
    let body = json!({"service": "nginx <b>", "auth_token": "hush-hush", "deep": {"Password": ["pst"]}});
    let sent = sender.post("/hooks/incoming", &body).expect(202).json();
    test.settle();
    let event = format!("/events/{}", sent["event"].as_str().unwrap());
    let client = test.signed_in("oncall");
    let runs = || test.runs_in(&interlock::domain::run::State::ALL).len();
    let (before, entries) = (runs(), test.record().len());
    let shown = page(&client, &event);
    let api = client.get(&format!("/api/v1{event}")).expect(200).text();
    let replay = form(&client, &format!("{event}/replay"), "").expect(200).text();
    for text in [&shown, &api, &replay] {
        assert!(text.contains("[redacted]"), "{text}");
        for secret in ["hush-hush", "pst", "a-shared-secret"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    assert!(replay.contains("would ask for a run of services/restart") && replay.contains("${data.service}"));
    assert!(replay.contains("nginx &#60;b&#62;") || replay.contains("nginx &lt;b&gt;"), "{replay}");
    assert_eq!((runs(), test.record().len()), (before, entries), "nothing was stored and nothing runs");
    // By the webhook as it is now.
    let needs = HOOK.replace("${data.service}", "${data.absent}");
    let files = [
        ("access.yaml", ACCESS),
        ("nodes.yaml", NODES),
        ("jobs/restart.yaml", &job("restart", "tags: web")),
        ("webhooks/incoming.yaml", &needs),
    ];
    test.load("ops", &files);
    assert!(form(&client, &format!("{event}/replay"), "").expect(422).text().contains("data.absent"));
}

/// Nodes that answer by their names.
#[derive(Debug)]
struct Scripted;

impl Reach for Scripted {
    fn fingerprints(&self, _: ProjectName, node: Arc<Node>) -> BoxFuture<'_, Result<Vec<String>, String>> {
        let answer = match node.name.as_str() {
            "n1" => Ok(vec!["SHA256:one".to_owned()]),
            _ => Err("no host key came from n2".to_owned()),
        };
        async move { answer }.boxed()
    }
}

#[test]
fn who_administers_a_node_may_look_whether_it_answers() {
    let test = world(Base::Sqlite);
    test.app.reach_with(Arc::new(Scripted));
    let (boss, oncall) = (test.signed_in("boss"), test.signed_in("oncall"));
    let check = |name: &str| form(&boss, &format!("/nodes/ops/{name}/check"), "").expect(200).text();
    assert!(check("n1").contains("compare that on the node"));
    let trust = |fingerprint: &str| {
        let key = AcceptedKey { kind: "ssh-ed25519".into(), base64: "AAAA".into(), fingerprint: fingerprint.into() };
        let name = NodeName::parse("n1").unwrap();
        test.wait(test.app.enrol(&operator(), &project_name("ops"), &name, vec![key], "test")).unwrap();
    };
    trust("SHA256:one");
    assert!(check("n1").contains("It answers with the host key that is trusted."));
    trust("SHA256:two");
    assert!(check("n1").contains("Somebody may be in between"));
    assert!(check("n2").contains("No host key came from n2"));
    let looks = test.record().into_iter().filter(|e| e.act.action == "node.checked").count();
    assert_eq!(looks, 4);
    form(&oncall, "/nodes/ops/n1/check", "").expect(403);
    assert!(!page(&oncall, "/nodes").contains("/check\"") && page(&boss, "/nodes").contains("/nodes/ops/n1/check"));
    // What ran there last.
    let run = test.ask("oncall", "ops", "services/restart", &[]).unwrap().number;
    test.settle();
    assert!(page(&oncall, "/nodes").contains(&format!("<a href=\"/runs/{run}\">")));
}

#[test]
fn health_is_for_administrators() {
    let test = world(Base::Sqlite);
    let shown = page(&test.signed_in("root"), "/settings");
    for part in
        ["Health", "SQLite answers in", " free of ", "no engine runs in this process", env!("CARGO_PKG_VERSION")]
    {
        assert!(shown.contains(part), "{part}");
    }
    assert!(!page(&test.signed_in("boss"), "/settings").contains("Health"));
}

#[test]
fn a_job_of_rundeck_may_let_its_includes_win() {
    let test = TestApp::fake();
    let rundeck = "
- name: odd
  nodefilters:
    filter: 'tags: web !name: n1'
    dispatch: {excludePrecedence: false, threadcount: '1'}
  sequence: {commands: [{exec: ./do}]}
";
    let files = [("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/odd.yaml", rundeck)];
    test.load("ops", &files);
    test.person("oncall");
    let run = test.ask("oncall", "ops", "odd", &[]).unwrap().number;
    let nodes: Vec<String> = test.run(run).plan.nodes.iter().map(|n| n.name.to_string()).collect();
    assert_eq!(nodes, ["n1", "n2"], "n1 is included, and n2 is spoken of by neither side");
    test.settle();
}
