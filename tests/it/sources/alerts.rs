//! What Alertmanager posts becomes one event for each alert, whichever group tells it and however often.

use interlock::domain::run::State;
use serde_json::{Value, json};

use super::whole;
use crate::client::{Answer, Client};
use crate::harness::{Base, TestApp, on_both_databases, operator};

on_both_databases! {
    each_alert_of_a_group_is_an_event_and_the_webhooks_job_one_run
    repeats_and_other_groups_make_no_second_event
    fifty_copies_at_once_store_each_alert_once
    a_thousand_alerts_are_taken_and_more_are_refused
}

pub(super) const SECRET: &str = "a-shared-secret-of-32-characters";

pub(super) const ACCESS: &str = "
roles:
  all: [{allow: [view, run, edit], on: '**'}]
members:
  all: ['user:ann', 'service:hook', 'service:robot']
";

pub(super) const NODES: &str = "
log1: {hostname: 192.0.2.1, tags: logs, environment: staging}
";

pub(super) const ROTATE: &str = "
name: rotate_logs
group: ops
options: [{name: host, required: true, pattern: '[a-z0-9.:-]{1,100}'}]
nodes: {filter: 'tags: logs'}
idempotent: true
steps: [{run: 'echo ${option.host}'}]
";

/// A webhook that Alertmanager vouches for, whose own job looks at the group.
const HOOK: &str = "
webhook:
  name: am
  eventPlugin: webhook-run-job
  config: {jobId: ops/rotate_logs, argString: '-host ${data.receiver}'}
  run_as: hook
  verify: {kind: alertmanager, secrets: [keys/ops/am]}
";

/// The article's rule, as the design has it.
pub(super) const RULE: &str = "
name: restart_on_disk_full
pack: ops
description: Rotate logs where a disk fills up
trigger: {type: prometheus.alert}
criteria:
  trigger.labels.alertname: {type: equals, pattern: DiskAlmostFull}
  trigger.labels.severity:  {type: equals, pattern: warning}
  trigger.labels.env:       {type: equals, pattern: staging}
action:
  ref: ops.rotate_logs
  parameters: {host: '{{ trigger.labels.instance }}'}
mode: dry_run
owner: service:robot
guard:
  environment: [staging]
  dedupe: {key: '{{ trigger.fingerprint }}', window: 1h}
  rate: {limit: 3, window: 10m, key: '{{ trigger.labels.instance }}', on_trip: open_and_escalate}
  strict: [trigger.labels.env, trigger.labels.severity]
";

fn world(base: Base, more: &[(&str, &str)]) -> TestApp {
    let test = TestApp::fake_on(base);
    load(&test, more);
    test.key("keys/ops/am", SECRET);
    test.person("ann");
    test
}

fn load(test: &TestApp, more: &[(&str, &str)]) {
    let mut files =
        vec![("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/rotate.yaml", ROTATE), ("webhooks/am.yaml", HOOK)];
    files.extend(more);
    test.load("ops", &files);
}

fn alert(instance: &str, status: &str) -> Value {
    json!({
        "status": status, "startsAt": "2026-11-30T11:58:00Z", "endsAt": "0001-01-01T00:00:00Z",
        "labels": {"alertname": "DiskAlmostFull", "severity": "warning", "env": "staging", "instance": instance},
        "annotations": {"summary": "little is left", "api_token": "hush-hush"},
        "generatorURL": "http://prometheus/graph", "fingerprint": format!("print-of-{instance}"),
    })
}

fn group(key: &str, alerts: &[Value]) -> Value {
    json!({
        "version": "4", "receiver": "interlock", "status": "firing", "groupKey": key, "externalURL": "http://am",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "truncatedAlerts": 0, "alerts": alerts,
    })
}

fn deliver(test: &TestApp, body: &Value) -> Answer {
    test.anonymous().with("authorization", &format!("Bearer {SECRET}")).post("/hooks/am", body)
}

/// The events of one type, oldest first.
fn of_type(client: &Client, kind: &str) -> Vec<Value> {
    all(client).into_iter().filter(|e| e["type"] == kind).collect()
}

fn all(client: &Client) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/v1/events?source=webhook:am&limit=199{cursor}")).expect(200).json();
        all.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.reverse();
    all
}

fn each_alert_of_a_group_is_an_event_and_the_webhooks_job_one_run(base: Base) {
    let test = world(base, &[("rules/r.yaml", RULE)]);
    let mut other = alert("b:9100", "firing");
    other["labels"]["env"] = json!("production");
    let answer = deliver(&test, &group("{}:{}", &[alert("a:9100", "firing"), other])).expect(202).json();
    test.settle();
    let ann = test.signed_in("ann");
    // The webhook's own job: one run of the whole delivery.
    let runs = test.runs_in(&State::ALL);
    assert_eq!((runs.len(), runs[0].state), (1, State::Succeeded));
    let delivery = of_type(&ann, "webhook.am");
    assert_eq!(delivery.len(), 1);
    assert_eq!((&delivery[0]["id"], &delivery[0]["verdict"]), (&answer["event"], &json!("ran")));
    // Rules: each alert.
    let alerts: Vec<Value> = of_type(&ann, "prometheus.alert").iter().map(|e| whole(&ann, e)).collect();
    assert_eq!(alerts.len(), 2);
    let of = |instance: &str| alerts.iter().find(|a| a["payload"]["labels"]["instance"] == instance).unwrap();
    let mut expected = alert("a:9100", "firing");
    expected["annotations"]["api_token"] = json!("[redacted]");
    for (name, value) in [("receiver", "interlock"), ("groupKey", "{}:{}"), ("externalURL", "http://am")] {
        expected[name] = json!(value);
    }
    let (would, not) = (of("a:9100"), of("b:9100"));
    assert_eq!(would["payload"], expected);
    assert_eq!(would["dedupe_key"], "alert print-of-a:9100 2026-11-30T11:58:00Z firing");
    assert_eq!((&would["source"], &would["verdict"]), (&json!("webhook:am"), &json!("dry_run")), "{would}");
    let verdicts = would["verdicts"].as_array().unwrap();
    assert_eq!(verdicts.len(), 1, "{would}");
    assert_eq!((&verdicts[0]["rule"], &verdicts[0]["outcome"]), (&json!("restart_on_disk_full"), &json!("would")));
    assert_eq!(verdicts[0]["detail"], "Would ask for a run of ops/rotate_logs on log1.");
    assert_eq!((&not["verdict"], &not["run"]), (&json!("not_matched"), &Value::Null), "{not}");
    // What only came of a delivery is none, and is not replayed as one.
    let id = would["id"].as_str().unwrap();
    assert!(!ann.get(&format!("/events/{id}")).expect(200).text().contains("Replay"));
    assert!(ann.get(&format!("/events/{}", answer["event"].as_str().unwrap())).expect(200).text().contains("Replay"));
    let id = interlock::domain::ids::EventId::parse(id).unwrap();
    let refused = test.wait(test.app.replay(&operator(), id)).unwrap_err();
    assert_eq!(refused.refusal().unwrap().code, "not_a_delivery");
}

fn repeats_and_other_groups_make_no_second_event(base: Base) {
    let test = world(base, &[]);
    let (a, b) = (alert("a", "firing"), alert("b", "firing"));
    let one = group("one", &[a.clone(), b.clone()]);
    deliver(&test, &one).expect(202);
    test.settle();
    let ann = test.signed_in("ann");
    let keys = || -> Vec<String> {
        let alerts = of_type(&ann, "prometheus.alert");
        let mut keys: Vec<String> = alerts.iter().map(|e| e["dedupe_key"].as_str().unwrap().to_owned()).collect();
        keys = keys.iter().map(|k| k.replace("alert print-of-", "").replace(" 2026-11-30T11:58:00Z", "")).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(), [""; 0], "where no rule listens, nobody needs them");

    // A repeat of a delivery that is known, now that a rule listens; and again; and by another group and receiver.
    load(&test, &[("rules/r.yaml", RULE)]);
    for body in [&one, &one, &group("two", &[b.clone(), a.clone()])] {
        deliver(&test, body).expect(202);
        test.settle();
        assert_eq!(keys(), ["a firing", "b firing"]);
    }
    // What is resolved is news, and so is what begins anew.
    let mut resolved = alert("a", "resolved");
    resolved["endsAt"] = json!("2026-11-30T12:30:00Z");
    deliver(&test, &group("one", &[resolved.clone(), b.clone()])).expect(202);
    deliver(&test, &group("two", &[resolved, b])).expect(202);
    assert_eq!(keys(), ["a firing", "a resolved", "b firing"]);
    let mut anew = a;
    anew["startsAt"] = json!("2026-11-30T13:00:00Z");
    deliver(&test, &group("one", &[anew])).expect(202);
    assert_eq!(keys(), ["a 2026-11-30T13:00:00Z firing", "a firing", "a resolved", "b firing"]);
    test.settle();
    // A sender can give no delivery the name of an alert.
    let text = HOOK.replace("  run_as", "  dedupe: '${data.groupKey}'\n  run_as");
    let named = ("webhooks/other.yaml", text.replace("name: am", "name: other"));
    load(&test, &[("rules/r.yaml", RULE), (named.0, &named.1)]);
    let crafted = group("alert print-of-c 2026-11-30T11:58:00Z firing", &[alert("c", "firing")]);
    let client = test.anonymous().with("authorization", &format!("Bearer {SECRET}"));
    client.post("/hooks/other", &crafted).expect(202);
    let other = ann.get("/api/v1/events?source=webhook:other").expect(200).json();
    assert_eq!(other["items"].as_array().unwrap().len(), 2, "{other}");
    test.settle();
}

fn fifty_copies_at_once_store_each_alert_once(base: Base) {
    let test = world(base, &[("rules/r.yaml", RULE)]);
    let list: Vec<Value> = (0..20).map(|i| alert(&format!("host{i}"), "firing")).collect();
    let backwards: Vec<Value> = list.iter().rev().cloned().collect();
    // The same alerts by two groups, from both ends.
    let bodies = [group("one", &list), group("two", &backwards)];
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..50).map(|i| (&test, &bodies[i % 2])).map(|(t, body)| scope.spawn(move || deliver(t, body))).collect();
        for thread in threads {
            thread.join().unwrap().expect(202);
        }
    });
    test.settle();
    let ann = test.signed_in("ann");
    assert_eq!(of_type(&ann, "webhook.am").len(), 2);
    assert_eq!(of_type(&ann, "prometheus.alert").len(), 20);
    assert_eq!(test.runs_in(&State::ALL).len(), 2);
}

fn a_thousand_alerts_are_taken_and_more_are_refused(base: Base) {
    let test = world(base, &[("rules/r.yaml", &RULE.replace("DiskAlmostFull", "Other"))]);
    let list: Vec<Value> = (0..1_001).map(|i| alert(&format!("host{i}"), "firing")).collect();
    let refused = deliver(&test, &group("one", &list));
    refused.refused(413, "too_many_alerts");
    assert!(refused.text().contains("max_alerts"), "{}", refused.text());
    deliver(&test, &group("one", &[json!({"labels": {}})])).refused(422, "bad_alert");
    let ann = test.signed_in("ann");
    assert!(all(&ann).is_empty(), "what is refused leaves nothing");
    assert!(test.runs_in(&State::ALL).is_empty());

    deliver(&test, &group("one", &list[1..])).expect(202);
    test.settle();
    let alerts = of_type(&ann, "prometheus.alert");
    assert_eq!(alerts.len(), 1_000);
    assert!(alerts.iter().all(|e| e["detail"] != "Rules are about to look at it."));
    // Other webhooks are not looked into, whatever they are sent.
    let text = HOOK.replace("name: am", "name: am2").replace("kind: alertmanager", "kind: token");
    load(&test, &[("rules/r.yaml", RULE), ("webhooks/am2.yaml", &text)]);
    test.anonymous().with("x-interlock-token", SECRET).post("/hooks/am2", &group("one", &list)).expect(202);
    test.settle();
    let other = ann.get("/api/v1/events?source=webhook:am2").expect(200).json();
    assert_eq!(other["items"].as_array().unwrap().len(), 1);
}
