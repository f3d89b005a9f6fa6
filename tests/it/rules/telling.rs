//! What rules tell people, over real connections: once for each event, never in dry run, to nobody who may not see it, and of
//! a storm no more than people can read.

use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use interlock::domain::notice::address::MailAddress;
use interlock::store::{Conn, StoreError};
use serde_json::{Value, json};

use super::{ACCESS, NODES, ROTATE, alert, database, post, promote, rule, runs, shown, switch, verdict};
use crate::harness::{Base, TestApp, on_both_databases, operator, user};
use crate::notices::{courier, tell};
use crate::sinks::{ChatServer, Mail, MailServer};

on_both_databases! {
    a_live_rule_tells_its_channel_once_for_each_event
    of_a_storm_people_hear_at_once_and_then_how_much_it_was
    a_breaker_that_opens_calls_people_once
}

const CHANNELS: &str = "
channels:
  town: {type: slack, url: keys/ops/town}
  other: {type: slack, url: keys/ops/other}
";

/// Members of more kinds: who may promote but sees no events, and a role that is called.
const MORE: &str = "
  blind: [{allow: [view, promote], on: 'rule/**'}]
  oncall: [{allow: [view], on: 'rule/**'}, {allow: [view], on: event}]
";

/// Tells `town` of the article's alert.
const TELLS: &str = "
name: r
trigger: {type: prometheus.alert}
criteria:
  trigger.labels.alertname: {type: equals, pattern: DiskAlmostFull}
action: {notify: town, message: '{{ trigger.labels.instance }} is full. {{ trigger.api_token | default(\"\") }}'}
owner: service:robot
";

fn world(base: Base, project: &str, rule: &str, town: &ChatServer) -> TestApp {
    let access = ACCESS
        .replace("members:\n", &format!("{}members:\n  blind: ['user:blake']\n  oncall: ['user:oda']\n", &MORE[1..]));
    let test = TestApp::fake_on(base);
    let project = format!("{CHANNELS}{project}");
    let files = [
        ("project.yaml", project.as_str()),
        ("access.yaml", access.as_str()),
        ("nodes.yaml", NODES),
        ("jobs/rotate.yaml", ROTATE),
        ("rules/r.yaml", rule),
    ];
    test.load("ops", &files);
    test.key("keys/ops/town", &town.address);
    test.key("keys/ops/other", &format!("{}/other", town.address));
    for name in ["ann", "bob", "cleo", "vic", "blake", "oda"] {
        test.person(name);
        let address = MailAddress::parse(&format!("{name}@example.com")).unwrap();
        test.wait(test.app.set_email(&operator(), user(name), Some(address), "test")).unwrap();
    }
    test
}

/// To whom, sorted.
fn to(mails: &[Mail]) -> Vec<String> {
    let mut all: Vec<String> = mails.iter().flat_map(|m| m.to.clone()).collect();
    all.sort();
    all
}

fn a_live_rule_tells_its_channel_once_for_each_event(base: Base) {
    let (chat, sink) = (ChatServer::start(), MailServer::start());
    let test = world(base, "", TELLS, &chat);
    let courier = courier(Some(sink.port));
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &alert("web1"));
    tell(&test, &courier);
    assert!(chat.posts().is_empty(), "a rule in dry run tells nobody");
    assert_eq!(verdict(&ann, &event)["detail"], "Would tell the channel town.");

    promote(&test, "r", &alert("web1"));
    let ann = test.signed_in("ann");
    let mut payload = alert("<!channel> <https://evil.example|web1>");
    payload["api_token"] = json!("hush");
    let event = post(&test, &ann, &payload);
    assert_eq!(verdict(&ann, &event)["detail"], "Told the channel town.");
    let forget = |c: &mut Conn| Ok::<_, StoreError>(c.batch_execute("UPDATE events SET matched = FALSE")?);
    test.wait(database(&test).write(forget)).unwrap();
    test.settle();
    tell(&test, &courier);
    let posts = chat.posts();
    assert_eq!(posts.len(), 1, "once for an event, also when it is looked at again");
    let said = &posts[0].body;
    assert!(said.contains("&lt;!channel&gt;") && !said.contains("<!channel>"), "{said}");
    assert!(!said.contains("hush") && said.contains("[redacted]"), "{said}");
    assert!(said.contains(&format!("/events/{event}")), "{said}");
    assert!(sink.mails().is_empty());

    // Who puts it back says so to those who may promote it and see it, and does not hear it themselves.
    switch(&ann, "r", "dry_run").expect(200);
    tell(&test, &courier);
    assert_eq!(to(&sink.mails()), ["blake@example.com", "bob@example.com", "cleo@example.com"]);
    assert_eq!(sink.mails()[0].header("subject"), Some("[ops] the rule r is back in dry run by ann"));
    post(&test, &ann, &alert("web2"));
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), 1);
}

fn of_a_storm_people_hear_at_once_and_then_how_much_it_was(base: Base) {
    let chat = ChatServer::start();
    let test = world(base, "", TELLS, &chat);
    let courier = courier(None);
    promote(&test, "r", &alert("first"));
    let client = test.signed_in("ann");
    post(&test, &client, &alert("begins"));
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), 1, "the first one is heard of at once");
    // Each is a request of its own, which takes PostgreSQL longer.
    let more = if matches!(base, Base::Postgres) { 60 } else { 499 };
    for n in 0..more {
        let body = json!({"type": "prometheus.alert", "payload": alert(&format!("h{n}")), "project": "ops"});
        client.post("/api/v1/events", &body).expect(202);
    }
    let other = test.beside();
    std::thread::scope(|scope| {
        scope.spawn(|| while test.wait(test.app.match_events()).unwrap() > 0 {});
        scope.spawn(|| while other.wait(other.app.match_events()).unwrap() > 0 {});
    });
    test.settle();
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), 1, "the others wait for each other");
    test.clock.advance(TimeDelta::minutes(5));
    tell(&test, &courier);
    let posts = chat.posts();
    assert_eq!(posts.len(), 2);
    assert!(
        posts[1].body.contains(&format!("and {} more", more - 1)) && posts[1].body.contains("/rules/ops/r"),
        "{}",
        posts[1].body
    );
    // After that it is quiet, and the next event is heard of at once again.
    test.clock.advance(TimeDelta::minutes(6));
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), 2);
    post(&test, &test.signed_in("ann"), &alert("later"));
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), 3);
    drop(other);
}

fn a_breaker_that_opens_calls_people_once(base: Base) {
    let (chat, sink) = (ChatServer::start(), MailServer::start());
    let guard = "guard: {breaker: {count: 2, per: 10m, cool_down: 30m, escalate: 'role:oncall'}}\n";
    let test = world(base, "notify: {rules: [other]}\n", &rule("r", guard), &chat);
    let courier = courier(Some(sink.port));
    let ann = test.signed_in("ann");
    for n in 0..4 {
        post(&test, &ann, &alert(&format!("dry{n}")));
    }
    tell(&test, &courier);
    assert_eq!(shown(&ann, "r")["breaker"]["state"], "open", "also in dry run");
    assert!(sink.mails().is_empty() && chat.posts().is_empty(), "but then nobody is called");

    super::mark_all(&ann, "r");
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for n in 0..6 {
        post(&test, &ann, &alert(&format!("h{n}")));
    }
    tell(&test, &courier);
    let called = ["ann@example.com", "bob@example.com", "cleo@example.com", "oda@example.com"];
    assert_eq!(to(&sink.mails()), called, "the role and who may promote it, but nobody who sees no events");
    let mail = &sink.mails()[0];
    assert_eq!(mail.header("subject"), Some("[ops] the rule r has stopped itself: its breaker opened"));
    assert!(mail.body.contains("2 actions in 10m") && mail.body.contains("/rules/ops/r"), "{}", mail.body);
    assert_eq!(chat.posts().iter().map(|p| p.path.as_str()).collect::<Vec<_>>(), ["/other"]);

    // A probe that fails opens it again, which is on the record and calls nobody.
    test.clock.advance(TimeDelta::minutes(31));
    let ann = test.signed_in("ann");
    test.steps().script("web1", "rotate", interlock::exec::fake::Script::exits(1));
    post(&test, &ann, &alert("probe"));
    post(&test, &ann, &alert("after"));
    tell(&test, &courier);
    assert!(test.record().iter().any(|e| e.act.action == "rule.breaker_reopened"));
    assert_eq!(sink.mails().len(), called.len());
    // Closed and opened anew is another opening.
    switch(&ann, "r", "close_breaker").expect(200);
    for n in 0..4 {
        post(&test, &ann, &alert(&format!("again{n}")));
    }
    tell(&test, &courier);
    assert_eq!(sink.mails().len(), 2 * called.len());
}

#[test]
fn a_rule_that_demotes_itself_says_so() {
    let (chat, sink) = (ChatServer::start(), MailServer::start());
    let guard = "guard: {breaker: {count: 1, per: 10m, demote: true, escalate: town}}\n";
    let test = world(Base::Sqlite, "", &rule("r", guard), &chat);
    promote(&test, "r", &alert("first"));
    let ann = test.signed_in("ann");
    for n in 0..4 {
        post(&test, &ann, &alert(&format!("h{n}")));
    }
    tell(&test, &courier(Some(sink.port)));
    assert_eq!((runs(&test).len(), &shown(&ann, "r")["mode"]), (1, &json!("dry_run")));
    let posts = chat.posts();
    assert_eq!(posts.len(), 1);
    assert!(posts[0].body.contains("back in dry run"), "{}", posts[0].body);
    assert_eq!(to(&sink.mails()), ["ann@example.com", "bob@example.com", "cleo@example.com"]);
}

#[test]
fn what_is_not_sure_enough_reaches_somebody() {
    let (chat, sink) = (ChatServer::start(), MailServer::start());
    let floor = |more: &str| format!("guard: {{min_confidence: {{field: trigger.sure, at_least: 0.9{more}}}}}\n");
    let payload = |confidence: Value| {
        let mut payload = alert("x");
        payload["sure"] = confidence;
        payload
    };
    // Nobody is named: those who may promote the rule and see the event.
    let test = world(Base::Sqlite, "", &rule("r", &floor("")), &chat);
    promote(&test, "r", &payload(json!(0.95)));
    let ann = test.signed_in("ann");
    let event = post(&test, &ann, &payload(json!(0.4)));
    tell(&test, &courier(Some(sink.port)));
    let told = verdict(&ann, &event)["detail"].as_str().unwrap().to_owned();
    assert!(told.ends_with("Told whoever looks after the rule."), "{told}");
    assert_eq!(to(&sink.mails()), ["ann@example.com", "bob@example.com", "cleo@example.com"]);
    let body = &sink.mails()[0].body;
    assert!(body.contains("is 0.4, below 0.9") && body.contains("a run of ops.rotate_logs"), "{body}");
    assert!(chat.posts().is_empty() && runs(&test).is_empty());

    // A channel is named, in the guard or for all rules of the project.
    for (project, more) in [("", ", below: notify, notify: town"), ("notify: {rules: [town]}\n", "")] {
        let (chat, sink) = (ChatServer::start(), MailServer::start());
        let test = world(Base::Sqlite, project, &rule("r", &floor(more)), &chat);
        promote(&test, "r", &payload(json!(0.95)));
        post(&test, &test.signed_in("ann"), &payload(json!(0.4)));
        tell(&test, &courier(Some(sink.port)));
        assert_eq!((chat.posts().len(), sink.mails().len()), (1, 0), "{project}{more}");
    }
}
