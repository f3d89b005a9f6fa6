//! The history of events: found by what is known of them, taken away as a file, and counted when it is removed.

use chrono::TimeDelta;
use interlock::domain::event::{Event, EventVerdict};
use interlock::domain::ids::EventId;
use interlock::store::{StoreError, events};
use serde_json::{Value, json};

use crate::backtests::system_permit;
use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases, project_name};
use crate::rules::{alert, database, post, rule, world};

on_both_databases! {
    events_are_found_by_what_is_known_of_them
    removed_events_are_counted
}

/// Two rules, of which one is held back by what it wants to be sure of.
fn two_rules(base: Base) -> TestApp {
    let other = rule("other", "guard: {min_confidence: {field: trigger.sure, at_least: 0.5, below: drop}}\n");
    world(base, &[("rules/r.yaml", &rule("r", "")), ("rules/other.yaml", &other)])
}

fn ids(client: &Client, query: &str) -> Vec<String> {
    let found = client.get(&format!("/api/v1/events?{query}")).expect(200).json();
    found["items"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap().to_owned()).collect()
}

fn events_are_found_by_what_is_known_of_them(base: Base) {
    let test = two_rules(base);
    let ann = test.signed_in("ann");
    let acted = post(&test, &ann, &alert("a"));
    test.clock.advance(TimeDelta::hours(2));
    let mut calm = alert("b");
    calm["labels"]["severity"] = json!("info");
    let calm = post(&test, &ann, &calm);
    let body = json!({"type": "deploy.done", "payload": {}, "project": "ops"});
    let deploy = ann.post("/api/v1/events", &body).expect(202).json()["event"].as_str().unwrap().to_owned();
    assert_eq!(ids(&ann, ""), [&*deploy, &calm, &acted]);
    assert_eq!(ids(&ann, "type=deploy.done"), [&*deploy]);
    assert_eq!(ids(&ann, "type=prometheus.alert&source=api"), [&*calm, &acted]);
    assert!(ids(&ann, "source=webhook:none").is_empty());
    assert_eq!(ids(&ann, "outcome=dry_run"), [&*acted]);
    assert_eq!(ids(&ann, "outcome=would"), [&*acted], "by any rule");
    assert_eq!(ids(&ann, "rule=other&outcome=held"), [&*acted]);
    assert!(ids(&ann, "rule=r&outcome=held").is_empty());
    assert_eq!(ids(&ann, "rule=r&outcome=would"), [&*acted]);
    assert_eq!(ids(&ann, "since=1h"), [&*deploy, &calm]);
    let day = test.clock.now().format("%Y-%m-%d");
    assert!(ids(&ann, &format!("until={day}")).is_empty() || !ids(&ann, &format!("since={day}")).is_empty());
    for bad in ["outcome=maybe", "rule=r&outcome=pending", "since=soon", "project=No%20Name"] {
        ann.get(&format!("/api/v1/events?{bad}")).refused(400, "bad_query");
        let page = ann.get(&format!("/events?{bad}")).expect(200).text();
        assert!(page.contains("role=\"alert\"") && page.contains("No events match."), "{bad}");
    }
    // Page by page it is the same list.
    let first = ann.get("/api/v1/events?limit=2&type=prometheus.alert").expect(200).json();
    assert_eq!(first["next"], Value::Null, "two are all of them");
    let first = ann.get("/api/v1/events?limit=2").expect(200).json();
    assert_eq!(ids(&ann, &format!("limit=2&cursor={}", first["next"].as_str().unwrap())), [&*acted]);
    // The page keeps what is asked for, and offers it as a file.
    let page = ann.get("/events?rule=other&outcome=held&since=30d").expect(200).text();
    assert!(page.contains(&acted) && !page.contains(&calm), "{page}");
    for words in ["value=\"other\"", "<option value=\"held\" selected>", "/events/export?rule=other&#38;outcome=held"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // A rule that may not be seen looked at nothing.
    let access = crate::rules::ACCESS.replace("viewer: [{allow: [view], on: 'rule/**'}, ", "viewer: [");
    let files = [
        ("access.yaml", access.as_str()),
        ("nodes.yaml", crate::rules::NODES),
        ("jobs/rotate.yaml", crate::rules::ROTATE),
        ("rules/r.yaml", &rule("r", "")),
    ];
    test.load("ops", &files);
    let vic = test.signed_in("vic");
    assert_eq!(ids(&vic, "type=deploy.done"), [&*deploy]);
    assert!(ids(&vic, "rule=r").is_empty());
}

/// More than a page of any list, with what spreadsheets and secrets make of it.
#[test]
fn an_export_has_every_event_once() {
    let test = two_rules(Base::Sqlite);
    let ann = test.signed_in("ann");
    let (now, permit) = (test.clock.now(), system_permit(&test));
    let put = move |c: &mut interlock::store::Conn| {
        for n in 0..450_i64 {
            let event = Event {
                id: EventId::new(uuid::Uuid::now_v7()),
                project: project_name("ops"),
                received_at: now - TimeDelta::seconds(n),
                source: "api".to_owned(),
                event_type: "deploy.done".to_owned(),
                payload: json!({"n": n, "password": "hush-hush", "note": "=1+1"}).to_string(),
                dedupe_key: format!("={n}"),
                verdict: EventVerdict::NotMatched,
                detail: "a \"quoted\", word".to_owned(),
                run: None,
                depth: 0,
                awaits_rules: false,
            };
            events::insert_event_once(c, &permit, &event, &Default::default())?;
        }
        Ok::<_, StoreError>(())
    };
    test.wait(database(&test).write(put)).unwrap();
    for path in ["/api/v1/events/export", "/events/export"] {
        let lines = ann.get(&format!("{path}?type=deploy.done")).expect(200).text();
        let seen: Vec<i64> = lines
            .lines()
            .map(|l| serde_json::from_str::<Value>(l).unwrap()["payload"]["n"].as_i64().unwrap())
            .collect();
        assert_eq!(seen, (0..450).collect::<Vec<_>>());
        assert!(!lines.contains("hush-hush"));
        let table = ann.get(&format!("{path}?type=deploy.done&format=csv")).expect(200).text();
        assert_eq!(table.split("\r\n").count(), 452, "a head, each event, and the end");
        assert!(
            table.contains("\"'=449\"") && table.contains("\"a \"\"quoted\"\", word\"") && !table.contains("hush-hush")
        );
    }
    assert_eq!(ann.get("/api/v1/events/export?type=absent").expect(200).text(), "");
    ann.get("/api/v1/events/export?format=pdf").refused(400, "bad_query");
    assert_eq!(test.signed_in("una").get("/api/v1/events/export").expect(200).text(), "", "who sees none gets none");
}

fn removed_events_are_counted(base: Base) {
    let test = two_rules(base);
    let project = "retention: {days: 30}\n";
    let (other, r) = (rule("other", ""), rule("r", ""));
    let files = [
        ("project.yaml", project),
        ("access.yaml", crate::rules::ACCESS),
        ("nodes.yaml", crate::rules::NODES),
        ("jobs/rotate.yaml", crate::rules::ROTATE),
        ("rules/r.yaml", &*r),
        ("rules/other.yaml", &*other),
    ];
    test.load("ops", &files);
    let ann = test.signed_in("ann");
    let day = test.clock.now().format("%Y-%m-%d").to_string();
    for host in ["a", "b"] {
        post(&test, &ann, &alert(host));
    }
    test.clock.advance(TimeDelta::days(31));
    let ann = test.signed_in("ann");
    let kept = post(&test, &ann, &alert("c"));
    assert_eq!(test.wait(test.app.prune()).unwrap().events, 2);
    assert_eq!(test.wait(test.app.prune()).unwrap().events, 0, "they are counted once");
    assert_eq!(ids(&ann, ""), [kept]);
    let counts = |of: &str| ann.get(&format!("/api/v1/events/counts?of={of}")).expect(200).json()["items"].clone();
    let line = |rule: Option<&str>, outcome: &str| {
        let mut line = json!({"project": "ops", "day": day, "source": "api", "type": "prometheus.alert", "outcome": outcome, "count": 2});
        if let Some(rule) = rule {
            line["rule"] = json!(rule);
        }
        line
    };
    assert_eq!(counts("events"), json!([line(None, "dry_run")]));
    assert_eq!(counts("rules"), json!([line(Some("other"), "would"), line(Some("r"), "would")]));
    let page = ann.get("/events/counts").expect(200).text();
    assert!(page.contains(&day) && page.contains("<td>2</td>"), "{page}");
    assert!(test.signed_in("una").get("/events/counts").expect(200).text().contains("Nothing was removed yet."));
}
