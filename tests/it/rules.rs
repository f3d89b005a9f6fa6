//! Rules over stored events: what they do, what holds them back, and how they become live.

mod telling;

use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use interlock::domain::access::{Actor, Permission, Principal, Resource};
use interlock::domain::event::EventVerdict;
use interlock::domain::ids::RunNumber;
use interlock::domain::plan::Origin;
use interlock::domain::run::State;
use interlock::exec::fake::Script;
use interlock::store::{Conn, Db, Options, StoreError, events};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases, operator, project_name, user};

on_both_databases! {
    a_rule_in_dry_run_says_what_it_would_have_done
    a_live_rule_asks_for_one_run_as_its_owner
    of_fifty_copies_at_once_one_is_acted_on
    of_events_that_are_looked_at_together_the_first_one_acts
    an_event_that_a_server_left_half_done_is_done_once
    a_breaker_opens_once_and_lets_one_probe_through
}

pub(crate) const ACCESS: &str = "
roles:
  admin:
    - {allow: [view, run, edit, promote], on: 'rule/**'}
    - {allow: [view, run], on: event}
    - {allow: [view], on: 'job/**'}
    - {allow: [view, edit], on: project}
    - {allow: [view], on: 'node/**'}
  viewer: [{allow: [view], on: 'rule/**'}, {allow: [view], on: event}]
  robots: [{allow: [view, run], on: 'job/ops/**'}, {allow: [view, run], on: 'node/**'}]
  hooks: [{allow: [view, run], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]
members:
  admin: ['user:ann', 'user:bob', 'user:cleo']
  viewer: ['user:vic']
  robots: ['service:robot']
  hooks: ['service:hook']
";

pub(crate) const NODES: &str = "
web1: {hostname: 192.0.2.1, tags: web, environment: staging}
web2: {hostname: 192.0.2.2, tags: web, environment: staging}
db1: {hostname: 192.0.2.3, tags: db, environment: production}
";

pub(crate) const ROTATE: &str = "
name: rotate_logs
group: ops
options: [{name: host, type: string, required: true}]
nodes: {filter: 'tags: web'}
steps: [{name: rotate, run: 'echo ${option.host}'}]
";

/// A rule on `prometheus.alert` with the article's criteria and more lines.
pub(crate) fn rule(name: &str, more: &str) -> String {
    format!(
        "name: {name}\npack: ops\ntrigger: {{type: prometheus.alert}}\ncriteria:\n  trigger.labels.alertname: {{type: equals, pattern: DiskAlmostFull}}\n  trigger.labels.severity: {{type: equals, pattern: warning}}\naction:\n  ref: ops.rotate_logs\n  parameters: {{host: '{{{{ trigger.labels.instance }}}}'}}\nowner: service:robot\n{more}"
    )
}

pub(crate) fn world(base: Base, files: &[(&str, &str)]) -> TestApp {
    let test = TestApp::fake_on(base);
    let mut all = vec![("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/rotate.yaml", ROTATE)];
    all.extend(files);
    test.load("ops", &all);
    // `una` may nothing.
    for name in ["ann", "bob", "cleo", "vic", "una"] {
        test.person(name);
    }
    test
}

pub(crate) fn with_rule(base: Base, more: &str) -> TestApp {
    world(base, &[("rules/r.yaml", &rule("r", more))])
}

pub(crate) fn alert(instance: &str) -> Value {
    json!({"labels": {"alertname": "DiskAlmostFull", "severity": "warning", "instance": instance}, "fingerprint": instance})
}

/// Posts an event and lets the engine do what is to do.
pub(crate) fn post(test: &TestApp, client: &Client, payload: &Value) -> String {
    let body = json!({"type": "prometheus.alert", "payload": payload, "project": "ops"});
    let id = client.post("/api/v1/events", &body).expect(202).json()["event"].as_str().unwrap().to_owned();
    test.settle();
    id
}

/// The only verdict on an event.
fn verdict(client: &Client, event: &str) -> Value {
    let found = client.get(&format!("/api/v1/events/{event}/verdicts")).expect(200).json();
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    found["items"][0].clone()
}

fn shown(client: &Client, rule: &str) -> Value {
    client.get(&format!("/api/v1/rules/ops/{rule}")).expect(200).json()
}

fn switch(client: &Client, rule: &str, what: &str) -> crate::client::Answer {
    let digest = shown(client, rule)["digest"].clone();
    client.post(&format!("/api/v1/rules/ops/{rule}/promotion"), &json!({"do": what, "digest": digest}))
}

/// Marks everything that the rule would have done as right.
fn mark_all(client: &Client, rule: &str) {
    for e in shown(client, rule)["would_have_done"].as_array().unwrap().clone() {
        client
            .post(&format!("/api/v1/rules/ops/{rule}/marks"), &json!({"enforcement": e["id"], "mark": "right"}))
            .expect(200);
    }
}

/// Brings a rule through its dry run: one event, two weeks, two people.
fn promote(test: &TestApp, rule: &str, payload: &Value) {
    let ann = test.signed_in("ann");
    post(test, &ann, payload);
    mark_all(&ann, rule);
    test.clock.advance(TimeDelta::days(15));
    switch(&test.signed_in("ann"), rule, "ask").expect(200);
    let promoted = switch(&test.signed_in("bob"), rule, "confirm").expect(200).json();
    assert_eq!(promoted["mode"], "live", "{promoted}");
}

/// The store from the outside, as a server that dies leaves it.
pub(crate) fn database(test: &TestApp) -> Db {
    Db::open(&test.database(), &Options::default()).unwrap()
}

fn runs(test: &TestApp) -> Vec<interlock::app::runs::RunView> {
    let mut all = test.runs_in(&State::ALL);
    all.sort_by_key(|r| r.number);
    all
}

fn a_rule_in_dry_run_says_what_it_would_have_done(base: Base) {
    let test = with_rule(base, "");
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("web1:9100"));
    assert!(runs(&test).is_empty());
    let found = verdict(&ann, &event);
    assert_eq!(
        (&found["outcome"], &found["mode"], &found["stored"]),
        (&json!("would"), &json!("dry_run"), &json!(true))
    );
    assert_eq!(found["detail"], "Would ask for a run of ops/rotate_logs on web1, web2.");
    assert_eq!(found["action"]["parameters"], json!({"host": ["web1:9100"]}));
    assert_eq!(found["criteria"][0]["value"], "DiskAlmostFull");
    let stored = ann.get(&format!("/api/v1/events/{event}")).expect(200).json();
    assert_eq!((&stored["verdict"], &stored["verdicts"][0]["rule"]), (&json!("dry_run"), &json!("r")));

    // Why did it not fire? The criterion says so, with what it saw.
    let mut other = alert("web1:9100");
    other["labels"]["severity"] = json!("critical");
    let event = post(&test, &ann, &other);
    let found = verdict(&ann, &event);
    assert_eq!(found["outcome"], "not_matched");
    let failed = found["criteria"].as_array().unwrap().iter().find(|c| c["matched"] == false).unwrap();
    assert_eq!((&failed["value"], &failed["pattern"]), (&json!("critical"), &json!("warning")));

    // A missing value is no empty one.
    let mut bare = alert("x");
    bare["labels"].as_object_mut().unwrap().remove("instance");
    let event = post(&test, &ann, &bare);
    let found = verdict(&ann, &event);
    assert_eq!(found["outcome"], "refused");
    assert!(found["detail"].as_str().unwrap().contains("trigger.labels.instance"), "{found}");
}

fn a_live_rule_asks_for_one_run_as_its_owner(base: Base) {
    let test = with_rule(base, "");
    promote(&test, "r", &alert("web1"));
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("web1; touch /tmp/x"));
    let all = runs(&test);
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].requester.to_string(), all[0].state), ("service:robot".to_owned(), State::Succeeded));
    let Origin::Rule { name, event: cause } = &all[0].origin else { panic!("{:?}", all[0].origin) };
    assert_eq!((name.as_str(), cause.to_string()), ("r", event.clone()));
    let found = verdict(&ann, &event);
    assert_eq!((&found["outcome"], &found["run"]), (&json!("ran"), &json!(all[0].number)));
    let stored = ann.get(&format!("/api/v1/events/{event}")).expect(200).json();
    assert_eq!((&stored["verdict"], &stored["run"]), (&json!("ran"), &json!(all[0].number)));
    assert!(
        test.record().iter().any(|e| e.act.action == "rule.promoted" && e.act.actor == Principal::User(user("bob")))
    );
}

fn of_fifty_copies_at_once_one_is_acted_on(base: Base) {
    let test = with_rule(base, "guard: {dedupe: {key: '{{ trigger.fingerprint }}', window: 1h}}\n");
    promote(&test, "r", &alert("first"));
    let other = test.beside();
    let token = test.token(Principal::User(user("ann")), None).0;
    let body = json!({"type": "prometheus.alert", "payload": alert("same"), "project": "ops"});
    std::thread::scope(|scope| {
        for n in 0..50 {
            let client = if n % 2 == 0 { test.bearer(&token) } else { other.bearer(&token) };
            let body = body.clone();
            scope.spawn(move || client.post("/api/v1/events", &body).expect(202));
        }
    });
    std::thread::scope(|scope| {
        scope.spawn(|| while test.wait(test.app.match_events()).unwrap() > 0 {});
        scope.spawn(|| while other.wait(other.app.match_events()).unwrap() > 0 {});
    });
    assert_eq!(runs(&test).len(), 1);
    let seen = shown(&test.signed_in("ann"), "r");
    let held = seen["verdicts"].as_array().unwrap().iter().filter(|v| v["outcome"] == "held").count();
    assert_eq!(held, 49, "{seen}");
    // After the window it counts anew.
    test.settle();
    test.clock.advance(TimeDelta::minutes(61));
    post(&test, &test.signed_in("ann"), &alert("same"));
    assert_eq!(runs(&test).len(), 2);
    drop(other);
}

fn of_events_that_are_looked_at_together_the_first_one_acts(base: Base) {
    let test = with_rule(base, "guard: {dedupe: {key: '{{ trigger.fingerprint }}', window: 1h}}\n");
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for burst in 0..4 {
        let body = json!({"type": "prometheus.alert", "payload": alert(&format!("burst{burst}")), "project": "ops"});
        let post = || ann.post("/api/v1/events", &body).expect(202).json()["event"].as_str().unwrap().to_owned();
        let events: Vec<String> = (0..16).map(|_| post()).collect();
        assert_eq!(test.wait(test.app.match_events()).unwrap(), 16);
        let outcomes: Vec<Value> = events.iter().map(|event| verdict(&ann, event)["outcome"].clone()).collect();
        let held = outcomes.iter().skip(1).all(|outcome| outcome == "held");
        assert!(outcomes[0] == "ran" && held, "{outcomes:?}");
        test.settle();
    }
}

/// A server takes an event and dies; then one dies after the run was stored and before the event was done with.
fn an_event_that_a_server_left_half_done_is_done_once(base: Base) {
    let test = with_rule(base, "");
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    let body = json!({"type": "prometheus.alert", "payload": alert("x"), "project": "ops"});
    let event = ann.post("/api/v1/events", &body).expect(202).json()["event"].as_str().unwrap().to_owned();
    let permit = test.app.authorize(&Actor::system(), Permission::Edit, &Resource::System).unwrap();
    let (now, until) = (test.clock.now(), test.clock.now() + TimeDelta::seconds(30));
    let take = move |c: &mut Conn| events::claim_unmatched(c, &permit, "somebody else", now, until, 50);
    assert_eq!(test.wait(database(&test).write(take)).unwrap().len(), 1);
    test.settle();
    assert!(runs(&test).is_empty(), "it is somebody's");
    test.clock.advance(TimeDelta::seconds(31));
    test.settle();
    assert_eq!(runs(&test).len(), 1);
    let forget = |c: &mut Conn| Ok::<_, StoreError>(c.batch_execute("UPDATE events SET matched = FALSE")?);
    test.wait(database(&test).write(forget)).unwrap();
    test.settle();
    assert_eq!(runs(&test).len(), 1, "it acts on an event once");
    assert_eq!(verdict(&test.signed_in("ann"), &event)["outcome"], "ran");
}

fn a_breaker_opens_once_and_lets_one_probe_through(base: Base) {
    let more = "guard: {breaker: {count: 2, per: 10m, cool_down: 30m, failures_percent: 100}}\n";
    let test = with_rule(base, more);
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for n in 0..5 {
        post(&test, &ann, &alert(&format!("h{n}")));
    }
    assert_eq!(runs(&test).len(), 2);
    let opened = |test: &TestApp| test.record().iter().filter(|e| e.act.action == "rule.breaker_opened").count();
    assert_eq!(opened(&test), 1, "people are called once");
    assert_eq!(shown(&ann, "r")["breaker"]["state"], "open");
    test.clock.advance(TimeDelta::minutes(31));
    let ann = test.signed_in("ann");
    test.steps().script("web1", "rotate", Script::exits(1));
    test.steps().script("web1", "rotate", Script::exits(0));
    post(&test, &ann, &alert("probe"));
    assert_eq!(runs(&test).len(), 3);
    post(&test, &ann, &alert("after"));
    assert_eq!(runs(&test).len(), 3, "the probe failed");
    test.clock.advance(TimeDelta::minutes(31));
    let ann = test.signed_in("ann");
    post(&test, &ann, &alert("probe 2"));
    post(&test, &ann, &alert("after 2"));
    assert_eq!(runs(&test).len(), 5, "the probe succeeded, so the breaker is closed");
    assert_eq!(opened(&test), 1);
}

#[test]
fn a_rate_limit_holds_by_key_and_may_open_the_breaker() {
    let test =
        with_rule(Base::Sqlite, "guard: {rate: {limit: 2, window: 10m, key: '{{ trigger.labels.instance }}'}}\n");
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for host in ["a", "a", "a", "b", "a", "b"] {
        post(&test, &ann, &alert(host));
    }
    assert_eq!(runs(&test).len(), 4);
    test.clock.advance(TimeDelta::minutes(11));
    post(&test, &test.signed_in("ann"), &alert("a"));
    assert_eq!(runs(&test).len(), 5);

    let test = with_rule(Base::Sqlite, "guard: {rate: {limit: 1, window: 10m, on_trip: open_and_escalate}}\n");
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for host in ["a", "b", "c"] {
        post(&test, &ann, &alert(host));
    }
    assert_eq!(runs(&test).len(), 1);
    test.clock.advance(TimeDelta::days(1));
    let ann = test.signed_in("ann");
    post(&test, &ann, &alert("d"));
    assert_eq!(runs(&test).len(), 1, "it is open until somebody closes it");
    switch(&ann, "r", "close_breaker").expect(200);
    post(&test, &ann, &alert("e"));
    assert_eq!(runs(&test).len(), 2);
    assert_eq!(test.record().iter().filter(|e| e.act.action == "rule.breaker_opened").count(), 1);
}

#[test]
fn production_is_reached_only_where_the_project_names_the_source() {
    let hook = "webhook:\n  name: in\n  eventPlugin: webhook-run-job\n  config: {jobId: ops/rotate_logs, argString: '-host x'}\n  run_as: hook\n  verify: {kind: token, secrets: [keys/ops/hook]}\n";
    let job = ROTATE.replace("tags: web", "tags: db");
    let strange = rule("r", "guard: {environment: [staging]}\n");
    let plain = rule("s", "");
    let project = "production_sources: ['rule:r', 'webhook:in']\n";
    let nothing = "description: nobody reaches production by itself\n";
    let files = |settings| {
        [
            ("project.yaml", settings),
            ("jobs/rotate.yaml", job.as_str()),
            ("rules/r.yaml", strange.as_str()),
            ("rules/s.yaml", plain.as_str()),
            ("webhooks/in.yaml", hook),
        ]
    };
    let test = world(Base::Sqlite, &files(nothing));
    test.key("keys/ops/hook", "a-shared-secret-of-32-characters");
    let ann = test.signed_in("ann");
    let sender = test.anonymous().with("x-interlock-token", "a-shared-secret-of-32-characters");
    let event = post(&test, &ann, &alert("x"));
    let all = ann.get(&format!("/api/v1/events/{event}/verdicts")).expect(200).json();
    for v in all["items"].as_array().unwrap() {
        assert_eq!(v["outcome"], "held", "{v}");
        assert!(v["guards"].as_array().unwrap().iter().any(|g| g["guard"] == "environment" && g["passed"] == false));
    }
    sender.post("/hooks/in", &json!({})).refused(403, "environment");
    let mut all: Vec<(&str, &str)> = vec![("access.yaml", ACCESS), ("nodes.yaml", NODES)];
    all.extend(files(project));
    test.load("ops", &all);
    sender.post("/hooks/in", &json!({"second": 1})).expect(202);
    test.settle();
    let event = post(&test, &ann, &alert("y"));
    let all = ann.get(&format!("/api/v1/events/{event}/verdicts")).expect(200).json();
    let outcomes: Vec<&str> = all["items"].as_array().unwrap().iter().map(|v| v["outcome"].as_str().unwrap()).collect();
    // The first is named by the project, but its own guard knows staging only; the second is not named.
    assert_eq!(outcomes, ["held", "held"], "{all}");
}

/// What was allowed when it was asked for may be taken back before it starts.
#[test]
fn a_run_does_not_start_once_its_source_may_not_reach_production() {
    let job = ROTATE.replace("tags: web", "tags: db");
    let text = rule("r", "");
    let named = "production_sources: ['rule:r']\n";
    let files =
        |settings| [("project.yaml", settings), ("jobs/rotate.yaml", job.as_str()), ("rules/r.yaml", text.as_str())];
    let test = world(Base::Sqlite, &files(named));
    promote(&test, "r", &alert("first"));
    let body = json!({"type": "prometheus.alert", "payload": alert("x"), "project": "ops"});
    test.signed_in("ann").post("/api/v1/events", &body).expect(202);
    test.wait(test.app.match_events()).unwrap();
    assert_eq!(runs(&test)[0].state, State::Queued);
    let mut all: Vec<(&str, &str)> = vec![("access.yaml", ACCESS), ("nodes.yaml", NODES)];
    all.extend(files("description: no longer\n"));
    test.load("ops", &all);
    test.settle();
    let run = &runs(&test)[0];
    assert_eq!(run.state, State::Canceled, "{}", run.end_reason);
    assert!(run.end_reason.contains("production_sources"), "{}", run.end_reason);
}

#[test]
fn a_chain_of_runs_and_events_ends() {
    let text = "name: again\ntrigger: {type: interlock.run.finished}\ncriteria: {trigger.state: {type: equals, pattern: succeeded}}\naction: {ref: ops.rotate_logs, parameters: {host: '{{ trigger.run }}'}}\nowner: service:robot\n";
    let test = world(
        Base::Sqlite,
        &[("rules/again.yaml", text), ("jobs/open.yaml", &ROTATE.replace("rotate_logs", "by_hand"))],
    );
    let access = ACCESS
        .replace("{allow: [view], on: 'job/**'}", "{allow: [view, run], on: 'job/**'}")
        .replace("- {allow: [view], on: 'node/**'}", "- {allow: [view, run], on: 'node/**'}");
    test.load(
        "ops",
        &[
            ("access.yaml", &access),
            ("nodes.yaml", NODES),
            ("jobs/rotate.yaml", ROTATE),
            ("jobs/open.yaml", &ROTATE.replace("rotate_logs", "by_hand")),
            ("rules/again.yaml", text),
        ],
    );
    test.ask("ann", "ops", "ops/by_hand", &[("host", "x")]).unwrap();
    test.settle();
    assert_eq!(runs(&test).len(), 1, "it is in dry run");
    let ann = test.signed_in("ann");
    mark_all(&ann, "again");
    test.clock.advance(TimeDelta::days(15));
    switch(&test.signed_in("ann"), "again", "ask").expect(200);
    switch(&test.signed_in("bob"), "again", "confirm").expect(200);
    test.ask("ann", "ops", "ops/by_hand", &[("host", "x")]).unwrap();
    test.settle();
    // By hand twice; then three that follow from the second, and no fourth.
    assert_eq!(runs(&test).len(), 5);
    let found = shown(&test.signed_in("ann"), "again");
    assert_eq!(
        found["verdicts"][0]["guards"][0],
        json!({"guard": "loop", "passed": false, "detail": "The event follows from a chain of 4 runs; a loop ends after 3."})
    );
}

#[test]
fn promotion_needs_its_conditions_two_people_and_the_same_text() {
    let test = with_rule(Base::Sqlite, "");
    let ann = test.signed_in("ann");
    switch(&ann, "r", "ask").refused(409, "not_ready");
    post(&test, &ann, &alert("a"));
    post(&test, &ann, &alert("b"));
    test.clock.advance(TimeDelta::days(15));
    let ann = test.signed_in("ann");
    switch(&ann, "r", "ask").refused(409, "not_ready");
    mark_all(&ann, "r");
    // Somebody finds one of them wrong after all.
    let id = shown(&ann, "r")["would_have_done"][0]["id"].clone();
    ann.post("/api/v1/rules/ops/r/marks", &json!({"enforcement": id, "mark": "wrong"})).expect(200);
    switch(&ann, "r", "ask").refused(409, "not_ready");
    mark_all(&ann, "r");
    switch(&test.signed_in("bob"), "r", "confirm").refused(409, "not_ready");
    switch(&ann, "r", "ask").expect(200);
    switch(&ann, "r", "confirm").refused(409, "not_ready");
    // Seeing is not promoting, and neither does a token.
    let digest = shown(&ann, "r")["digest"].clone();
    let body = json!({"do": "confirm", "digest": digest});
    test.signed_in("vic").post("/api/v1/rules/ops/r/promotion", &body).refused(403, "forbidden");
    let token = test.token(Principal::User(user("cleo")), None).0;
    test.bearer(&token).post("/api/v1/rules/ops/r/promotion", &body).refused(403, "not_a_person");
    let stale = test.signed_in("bob");
    test.clock.advance(TimeDelta::minutes(16));
    stale.post("/api/v1/rules/ops/r/promotion", &body).refused(403, "stale_session");
    let old = json!({"do": "confirm", "digest": "0".repeat(64)});
    test.signed_in("bob").post("/api/v1/rules/ops/r/promotion", &old).refused(409, "other_text");
    assert_eq!(switch(&test.signed_in("bob"), "r", "confirm").expect(200).json()["mode"], "live");

    // A comment changes nothing; an edit ends it, also when the old text comes back.
    let save = |text: &str| {
        let client = test.signed_in("cleo").with("content-type", "application/yaml");
        client.send("PUT", "/api/v1/rules/ops/r", Some(text.as_bytes())).expect(200);
        shown(&test.signed_in("cleo"), "r")["mode"].clone()
    };
    assert_eq!(save(&rule("r", "# a comment\n")), "live");
    assert_eq!(save(&rule("r", "guard: {strict: [trigger.labels.severity]}\n")), "dry_run");
    assert_eq!(save(&rule("r", "")), "dry_run");
    post(&test, &test.signed_in("ann"), &alert("c"));
    assert!(runs(&test).is_empty());
}

#[test]
fn who_wrote_a_text_does_not_confirm_it() {
    let test = with_rule(Base::Sqlite, "");
    let client = test.signed_in("bob").with("content-type", "application/yaml");
    client.send("PUT", "/api/v1/rules/ops/r", Some(rule("r", "description: mine\n").as_bytes())).expect(200);
    post(&test, &test.signed_in("ann"), &alert("a"));
    mark_all(&test.signed_in("ann"), "r");
    test.clock.advance(TimeDelta::days(15));
    switch(&test.signed_in("ann"), "r", "ask").expect(200);
    switch(&test.signed_in("bob"), "r", "confirm").refused(409, "not_ready");
    switch(&test.signed_in("cleo"), "r", "confirm").expect(200);
    assert_eq!(switch(&test.signed_in("vic"), "r", "dry_run").status, 403);
    assert_eq!(switch(&test.signed_in("ann"), "r", "dry_run").expect(200).json()["mode"], "dry_run");
}

#[test]
fn a_live_rule_starts_nothing_in_a_change_freeze_and_says_which() {
    let text = rule("r", "");
    let files = |project| {
        let files = [("project.yaml", project), ("jobs/rotate.yaml", ROTATE), ("rules/r.yaml", text.as_str())];
        files.into_iter().chain([("access.yaml", ACCESS), ("nodes.yaml", NODES)]).collect::<Vec<_>>()
    };
    let test = with_rule(Base::Sqlite, "");
    test.load("ops", &files("description: open\n"));
    promote(&test, "r", &alert("first"));
    let (from, until) = (test.clock.now(), test.clock.now() + TimeDelta::hours(2));
    let frozen = format!(
        "freezes:\n  - {{name: quiet, reason: a fair, from: '{}', until: '{}'}}\n",
        from.to_rfc3339(),
        until.to_rfc3339()
    );
    test.load("ops", &files(&frozen));
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("second"));
    let told = verdict(&ann, &event);
    assert!(told["detail"].as_str().unwrap().contains("the change freeze `quiet` is on until"), "{told}");
    assert!(runs(&test).is_empty());
    // With signers it asks them.
    test.load("ops", &files(&frozen.replace("a fair,", "a fair, need: [{role: admin}],")));
    post(&test, &ann, &alert("third"));
    let all = runs(&test);
    assert_eq!((all.len(), all[0].state), (1, State::PendingApproval));
}

#[test]
fn the_owners_rights_decide_and_signatures_are_asked_for() {
    let signed = ROTATE.replace("name: rotate_logs", "name: signed\napproval: {rule: one}");
    let elsewhere = ROTATE.replace("group: ops", "group: secret");
    let project = "approvals:\n  one: {need: [{role: admin, count: 1}]}\n";
    let to = |name: &str, job: &str| rule(name, "").replace("ref: ops.rotate_logs", &format!("ref: {job}"));
    let (a, b) = (to("a", "ops/signed"), to("b", "secret.rotate_logs"));
    let test = world(
        Base::Sqlite,
        &[
            ("project.yaml", project),
            ("jobs/s.yaml", &signed),
            ("jobs/e.yaml", &elsewhere),
            ("rules/a.yaml", &a),
            ("rules/b.yaml", &b),
        ],
    );
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("x"));
    let all = ann.get(&format!("/api/v1/events/{event}/verdicts")).expect(200).json();
    assert_eq!(all["items"][1]["outcome"], "refused");
    assert_eq!(all["items"][1]["detail"], "The rule's job is not there, or its owner may not see it.");
    assert!(all["items"][0]["detail"].as_str().unwrap().ends_with("after a signature."), "{all}");
    promote(&test, "a", &alert("y"));
    post(&test, &test.signed_in("ann"), &alert("z"));
    let all = runs(&test);
    assert_eq!((all.len(), all[0].state), (1, State::PendingApproval));
}

#[test]
fn low_confidence_tells_people_and_runs_nothing() {
    let guard = "guard: {min_confidence: {field: sureness, at_least: 0.9, below: notify}, maintenance: [{from: '03:00', for: 1h}]}\n";
    let test = with_rule(Base::Sqlite, guard);
    let sure = |confidence: Value| {
        let mut payload = alert("x");
        payload["sureness"] = confidence;
        payload
    };
    promote(&test, "r", &sure(json!(0.95)));
    let ann = test.signed_in("ann");
    for (confidence, expected) in
        [(json!(0.95), "ran"), (json!(0.5), "notified"), (json!(null), "notified"), (json!(1.7), "notified")]
    {
        let event = post(&test, &ann, &sure(confidence.clone()));
        assert_eq!(verdict(&ann, &event)["outcome"], expected, "{confidence}");
    }
    assert_eq!(runs(&test).len(), 1);
    // Noon is outside of the window from 03:00; three at night is not.
    test.clock.advance(TimeDelta::hours(15));
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &sure(json!(0.95)));
    assert_eq!(verdict(&ann, &event)["outcome"], "held");
}

#[test]
fn the_blast_radius_is_counted_in_nodes() {
    let test = with_rule(Base::Sqlite, "guard: {blast_radius: {nodes: 4, per: 1h}}\n");
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for n in 0..3 {
        post(&test, &ann, &alert(&format!("h{n}")));
    }
    assert_eq!(runs(&test).len(), 2, "two nodes each");
}

#[test]
fn a_webhooks_event_is_its_jobs_and_every_rules() {
    let hook = "webhook:\n  name: in\n  eventPlugin: webhook-run-job\n  config: {jobId: ops/rotate_logs, argString: '-host x'}\n  run_as: hook\n  verify: {kind: token, secrets: [keys/ops/hook]}\n";
    let text = |name: &str| rule(name, "").replace("prometheus.alert", "webhook.in");
    let test =
        world(Base::Sqlite, &[("webhooks/in.yaml", hook), ("rules/a.yaml", &text("a")), ("rules/b.yaml", &text("b"))]);
    test.key("keys/ops/hook", "a-shared-secret-of-32-characters");
    let sender = test.anonymous().with("x-interlock-token", "a-shared-secret-of-32-characters");
    let answer = sender.post("/hooks/in", &alert("x")).expect(202).json();
    test.settle();
    let run = RunNumber::new(answer["run"].as_i64().unwrap());
    assert_eq!(test.state(run), State::Succeeded);
    let ann = test.signed_in("ann");
    let event = ann.get(&format!("/api/v1/events/{}", answer["event"].as_str().unwrap())).expect(200).json();
    assert_eq!((&event["verdict"], &event["run"]), (&json!("ran"), &answer["run"]), "the webhook's own");
    let outcomes: Vec<&Value> = event["verdicts"].as_array().unwrap().iter().map(|v| &v["outcome"]).collect();
    assert_eq!(outcomes, [&Value::Null, &json!("would"), &json!("would")]);
}

/// `view` on a rule shows the rule; what is in events is for who may see events.
#[test]
fn verdicts_are_for_who_may_see_both() {
    let test = with_rule(Base::Sqlite, "");
    let access = ACCESS.replace(
        "viewer: [{allow: [view], on: 'rule/**'}, {allow: [view], on: event}]",
        "viewer: [{allow: [view], on: 'rule/**'}]",
    );
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("hush-hush"));
    assert_eq!(verdict(&test.signed_in("vic"), &event)["outcome"], "would");
    test.load(
        "ops",
        &[
            ("access.yaml", &access),
            ("nodes.yaml", NODES),
            ("jobs/rotate.yaml", ROTATE),
            ("rules/r.yaml", &rule("r", "")),
        ],
    );
    let vic = test.signed_in("vic");
    let seen = vic.get("/api/v1/rules/ops/r").expect(200);
    assert!(!seen.text().contains("hush-hush"));
    assert_eq!(vic.get(&format!("/api/v1/events/{event}/verdicts")).status, 404);
    assert_eq!(vic.post("/api/v1/rules/ops/r/backtest", &json!({})).status, 404);
    let permissions = Some([Permission::View].as_slice());
    let narrow = test.token(Principal::User(user("ann")), permissions).0;
    assert_eq!(
        test.bearer(&narrow).post("/api/v1/rules/ops/r/marks", &json!({"enforcement": "x", "mark": "right"})).status,
        403
    );
    let stored = test.wait(test.app.events(&operator(), Some(&project_name("ops")), None, 10)).unwrap();
    assert_eq!(stored[0].verdict, EventVerdict::DryRun);
}

/// The start path of `docs/rules.md`, followed literally with the page's own files: "disk warning on the log host means
/// rotate logs", in dry run, with strict criteria; watch the history; promote.
#[test]
fn the_start_path_of_the_documentation_can_be_followed() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md")).unwrap();
    let files: Vec<(&str, &str)> = page
        .split("```yaml\n# file: ")
        .skip(1)
        .map(|block| block.split("```").next().unwrap().split_once('\n').unwrap())
        .filter(|(name, _)| !name.starts_with("rules/") || *name == "rules/restart-on-disk-full.yaml")
        .collect();
    let access = files.iter().find(|(name, _)| *name == "access.yaml").unwrap().1;
    let people = "  admin:\n    - {allow: [view, promote], on: 'rule/**'}\n    - {allow: [view, run], on: event}\nmembers:\n  admin: ['user:ann', 'user:bob']\n";
    let access = access.replace("members:\n", people);
    let mut all: Vec<(&str, &str)> = files.iter().copied().filter(|(name, _)| *name != "access.yaml").collect();
    all.push(("access.yaml", &access));
    all.push(("nodes.yaml", "log1: {hostname: 192.0.2.1, tags: logs, environment: staging}\n"));
    let test = TestApp::fake();
    test.load("ops", &all);
    test.person("ann");
    test.person("bob");
    let name = "restart_on_disk_full";
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("log1:9100"));
    let shown_page = ann.get(&format!("/events/{event}")).expect(200).text();
    for words in ["Why did rules act, or not", "would have acted", "trigger.labels.severity", "DiskAlmostFull"] {
        assert!(shown_page.contains(words), "{words}");
    }
    let rule_page = ann.get(&format!("/rules/ops/{name}")).expect(200).text();
    for words in ["1 · Sensor", "2 · Rule", "3 · Action", "4 · History", "dry run", "Would it have been right?"] {
        assert!(rule_page.contains(words), "{words}");
    }
    mark_all(&ann, name);
    test.clock.advance(TimeDelta::days(15));
    switch(&test.signed_in("ann"), name, "ask").expect(200);
    switch(&test.signed_in("bob"), name, "confirm").expect(200);
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("log1:9100"));
    assert_eq!(verdict(&ann, &event)["outcome"], "ran");
    assert_eq!(runs(&test).len(), 1);
    let page = ann.get(&format!("/events/{event}")).expect(200).text();
    assert!(page.contains("asked for a run") && page.contains("/runs/"), "{page}");
}

/// The pages do what the API does, by plain forms; and a text that is not saved is held against stored events.
#[test]
fn marks_and_backtests_work_from_the_pages() {
    let test = with_rule(Base::Sqlite, "");
    let ann = test.signed_in("ann");
    post(&test, &ann, &alert("a"));
    assert!(ann.get("/rules").expect(200).text().contains("/rules/ops/r"));
    let id = shown(&ann, "r")["would_have_done"][0]["id"].as_str().unwrap().to_owned();
    let form = |path: &str, body: &str| {
        ann.with("content-type", "application/x-www-form-urlencoded").send("POST", path, Some(body.as_bytes()))
    };
    form("/rules/ops/r/marks", &format!("enforcement={id}&mark=right")).expect(303);
    assert_eq!(shown(&ann, "r")["would_have_done"][0]["mark"], "right");
    let digest = shown(&ann, "r")["digest"].as_str().unwrap().to_owned();
    let refused = form("/rules/ops/r/promotion", &format!("do=ask&digest={digest}")).expect(409).text();
    assert!(refused.contains("The dry run is not over"), "{refused}");
    let place = form("/rules/ops/r/backtest", "days=30").expect(303).header("location").unwrap().to_owned();
    let page = ann.get(&place).expect(200).text();
    assert!(page.contains("Of 1 events of its type in 30 days 1 match") && page.contains("Backtest of r"), "{page}");
    assert!(ann.get("/rules/ops/r").expect(200).text().contains(&format!("{place}\"")), "the rule's page leads there");
    assert!(
        !ann.get(&format!("{place}/part")).expect(200).text().contains("hx-get"),
        "what is over is not asked again"
    );
    let edited = rule("r", "").replace("pattern: warning", "pattern: critical");
    let source: String = form_urlencoded::byte_serialize(edited.as_bytes()).collect();
    let page = form("/projects/ops/edit/rule/r", &format!("source={source}&expected=1&do=backtest")).expect(200).text();
    assert!(page.contains("it acts on 0") && page.contains("1 fall away"), "{page}");
}
