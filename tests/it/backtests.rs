//! Rules held against stored events: what they would have done, beside what happened.

use chrono::TimeDelta;
use interlock::app::rules::BacktestState;
use interlock::domain::access::{Actor, Permission, Permit, Principal, Resource};
use interlock::domain::event::{Event, EventVerdict};
use interlock::domain::ids::EventId;
use interlock::store::rules::backtests;
use interlock::store::{StoreError, events};
use serde_json::{Value, json};

use crate::harness::{Base, TestApp, on_both_databases, project_name, user};
use crate::rules::{ACCESS, NODES, ROTATE, alert, database, post, rule, with_rule};

on_both_databases! {
    a_backtest_goes_on_where_its_server_is_gone_and_stops_when_it_is_told_to
}

pub(crate) fn system_permit(test: &TestApp) -> Permit {
    test.app.authorize(&Actor::system(), Permission::Edit, &Resource::System).unwrap()
}

#[test]
fn a_backtest_stands_beside_what_happened() {
    let test = with_rule(Base::Sqlite, "");
    let ann = test.signed_in("ann");
    for (severity, host) in [("warning", "a"), ("warning", "a"), ("critical", "b"), ("info", "c")] {
        let mut payload = alert(host);
        payload["labels"]["severity"] = json!(severity);
        post(&test, &ann, &payload);
        test.clock.advance(TimeDelta::minutes(1));
    }
    let path = "/api/v1/rules/ops/r/backtest";
    let same = ann.post(path, &json!({"since": "1d"})).expect(200).json();
    assert_eq!(
        (&same["events"], &same["acts"], &same["also_then"], &same["only_now"]),
        (&json!(4), &json!(2), &json!(2), &json!(0))
    );
    let edited = rule("r", "guard: {dedupe: {key: '{{ trigger.fingerprint }}', window: 1h}}\n")
        .replace("pattern: warning", "pattern: critical");
    let other = ann.post(path, &json!({"since": "1d", "rule": edited})).expect(200).json();
    assert_eq!((&other["acts"], &other["only_now"], &other["only_then"]), (&json!(1), &json!(1), &json!(2)), "{other}");
    let deduped = rule("r", "guard: {dedupe: {key: '{{ trigger.fingerprint }}', window: 1h}}\n");
    let other = ann.post(path, &json!({"since": "1d", "rule": deduped})).expect(200).json();
    assert_eq!((&other["acts"], &other["held"]), (&json!(1), &json!(1)), "{other}");
    ann.post(path, &json!({"rule": "name: r\n"})).refused(422, "invalid_definitions");
    assert!(test.runs_in(&interlock::domain::run::State::ALL).is_empty());
}

/// Far more events than any page of a list has: each is looked at once.
#[test]
fn a_backtest_looks_at_every_event() {
    let test = with_rule(Base::Sqlite, "");
    let ann = test.signed_in("ann");
    stored_alerts(&test, 2_300);
    let report = ann.post("/api/v1/rules/ops/r/backtest", &json!({"since": "1d"})).expect(200).json();
    assert_eq!((&report["events"], &report["acts"], &report["more"]), (&json!(2_300), &json!(2_300), &json!(false)));
    assert_eq!((&report["looked_at"], &report["total"]), (&json!(2_300), &json!(2_300)));
    assert_eq!(report["items"].as_array().unwrap().len(), 200, "the newest of them are named");
}

/// Puts events of the rule's type where intake puts them, a second apart.
fn stored_alerts(test: &TestApp, count: i64) {
    let now = test.clock.now();
    let permit = system_permit(test);
    test.wait(database(test).write(move |c| {
        for n in 0..count {
            let event = Event {
                id: EventId::new(uuid::Uuid::now_v7()),
                project: project_name("ops"),
                received_at: now - TimeDelta::seconds(count - n),
                source: "api".to_owned(),
                event_type: "prometheus.alert".to_owned(),
                payload: alert("a").to_string(),
                dedupe_key: n.to_string(),
                verdict: EventVerdict::NotMatched,
                detail: String::new(),
                run: None,
                depth: 0,
                awaits_rules: false,
            };
            events::insert_event_once(c, &permit, &event, &Default::default())?;
        }
        Ok::<_, StoreError>(())
    }))
    .unwrap();
}

/// One that nobody carries out any more is begun again by whoever looks; one that was stopped, or whose asker has enough of
/// them, is not.
fn a_backtest_goes_on_where_its_server_is_gone_and_stops_when_it_is_told_to(base: Base) {
    let test = with_rule(base, "");
    let db = database(&test);
    let ann = test.signed_in("ann");
    stored_alerts(&test, 5);
    let record = |id: &str| backtests::BacktestRecord {
        id: id.to_owned(),
        project: project_name("ops"),
        rule: "r".to_owned(),
        definition_id: None,
        text: rule("r", ""),
        since: test.clock.now() - TimeDelta::days(1),
        until: test.clock.now(),
        asked_by: Principal::User(user("ann")),
        asked_at: test.clock.now(),
        state: BacktestState::Waiting,
        looked_at: 0,
        total: 0,
        report: None,
        error: String::new(),
        ended_at: None,
    };
    let put = |id: &str| {
        let (new, permit) = (record(id), system_permit(&test));
        test.wait(db.write(move |c| backtests::insert(c, &permit, &new))).unwrap();
    };
    let state = |id: &str| ann.get(&format!("/api/v1/backtests/{id}")).expect(200).json()["state"].clone();
    // A server took it, went on for a while, and died.
    put("a");
    put("b");
    let (now, until) = (test.clock.now(), test.clock.now() + TimeDelta::seconds(20));
    let permit = system_permit(&test);
    let taken = test.wait(db.write(move |c| {
        let first = backtests::claim(c, &permit, "a", "gone", now, until)?;
        assert!(!backtests::claim(c, &permit, "a", "other", now, until)?, "it is somebody's");
        assert!(backtests::advance(c, &permit, ("a", "gone"), (3, 5), until)?);
        Ok::<_, StoreError>(first)
    }));
    assert!(taken.unwrap());
    assert_eq!((state("a"), state("b")), (json!("running"), json!("waiting")));
    ann.post("/api/v1/backtests/b/cancel", &json!({})).expect(200);
    assert_eq!(test.wait(test.app.take_up_backtests()).unwrap(), 0, "its lease holds");
    test.clock.advance(TimeDelta::seconds(21));
    assert_eq!(test.wait(test.app.take_up_backtests()).unwrap(), 1);
    let over = ann.get("/api/v1/backtests/a").expect(200).json();
    assert_eq!((&over["state"], &over["events"], &over["acts"]), (&json!("done"), &json!(5), &json!(5)), "{over}");
    // The one that was thought dead writes nothing any more.
    let (now, until) = (test.clock.now(), test.clock.now() + TimeDelta::seconds(20));
    let permit = system_permit(&test);
    let late = test.wait(db.write(move |c| {
        let went_on = backtests::advance(c, &permit, ("a", "gone"), (4, 5), until)?;
        Ok::<_, StoreError>(went_on || backtests::finish(c, &permit, ("a", "gone"), 5, Err("late"), now)?)
    }));
    assert!(!late.unwrap());
    assert_eq!((state("a"), state("b")), (json!("done"), json!("canceled")));
    // Who has four under way waits for one of them.
    for id in ["c", "d", "e", "f"] {
        put(id);
    }
    ann.post("/api/v1/rules/ops/r/backtest", &json!({})).refused(429, "too_many_backtests");
    // Somebody else sees them, and stops none.
    let vic = test.signed_in("vic");
    vic.post("/api/v1/backtests/c/cancel", &json!({})).refused(403, "not_yours");
    vic.get("/api/v1/backtests/c").expect(200);
    assert_eq!(test.signed_in("una").get("/api/v1/backtests/c").status, 404);
    assert_eq!(ann.get("/api/v1/rules/ops/r/backtests").expect(200).json()["items"].as_array().unwrap().len(), 6);
}

/// A revision of before is tried as well as the newest.
#[test]
fn a_backtest_of_an_earlier_revision_takes_its_text() {
    let test = with_rule(Base::Sqlite, "");
    let ann = test.signed_in("ann");
    stored_alerts(&test, 3);
    let edited = rule("r", "").replace("pattern: warning", "pattern: critical");
    test.load(
        "ops",
        &[("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/rotate.yaml", ROTATE), ("rules/r.yaml", &edited)],
    );
    let path = "/api/v1/rules/ops/r/backtest";
    let acts = |body: Value| ann.post(path, &body).expect(200).json()["acts"].clone();
    assert_eq!((acts(json!({"revision": 1})), acts(json!({}))), (json!(3), json!(0)));
    ann.post(path, &json!({"revision": 99})).refused(404, "not_found");
    ann.post(path, &json!({"revision": 1, "rule": edited})).refused(422, "invalid_fields");
    ann.post(path, &json!({"since": "2030-01-01T00:00:00Z"})).refused(422, "invalid_fields");
}
