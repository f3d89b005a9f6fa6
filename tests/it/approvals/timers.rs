//! What time does to a request: it tells people, and it ends it; it never approves.

use chrono::TimeDelta;
use interlock::domain::approval::RequestState;
use interlock::domain::run::State;

use super::world::{ACCESS, approve, ask, load, request, states, world};
use crate::harness::TestApp;

const PROJECT: &str = "
approvals:
  one: {need: [{role: manager, count: 1}], expires: 4h, remind: 50m, escalate: {after: 2h, to: 'role:dba'}, start_within: 30m}
  two: {need: [{role: manager, count: 2}], expires: 4h, remind: 1h}
  both: {need: [{role: manager, count: 1}, {role: dba, count: 1}]}
";

fn timed() -> TestApp {
    let test = world();
    load(&test, PROJECT, ACCESS, "true");
    test
}

/// Every notice so far, oldest first: its kind and who is to hear of it.
fn notices(test: &TestApp) -> Vec<(String, String)> {
    test.sql_rows("SELECT kind, audience FROM notices ORDER BY created_at, id")
}

fn kinds(test: &TestApp) -> Vec<String> {
    notices(test).into_iter().map(|(kind, _)| kind).collect()
}

fn timers(test: &TestApp) -> Vec<(String, String)> {
    test.sql_rows("SELECT kind, due_at FROM approval_timers ORDER BY kind")
}

#[test]
fn it_reminds_escalates_and_expires() {
    let test = timed();
    let (run, _) = ask(&test.signed_in("olga"), "one");
    assert_eq!(kinds(&test), ["approval_asked"]);
    let mut seen = Vec::new();
    for _ in 0..25 {
        test.clock.advance(TimeDelta::minutes(10));
        test.settle();
        seen = kinds(&test);
        if test.state(run) != State::PendingApproval {
            break;
        }
    }
    let reminder = "approval_reminder";
    assert_eq!(
        seen,
        ["approval_asked", reminder, reminder, "approval_escalated", reminder, reminder, "approval_decided"]
    );
    assert_eq!(states(&test, run), (RequestState::Expired, State::Expired));
    assert!(timers(&test).is_empty());
    let (_, audience) = notices(&test).into_iter().find(|(kind, _)| kind == "approval_escalated").unwrap();
    assert!(audience.contains("role:dba") && audience.contains("signers"), "{audience}");
    let page = test.signed_in("olga").get(&format!("/approvals/{}", request(&test, run).view.id)).expect(200).text();
    assert!(page.contains("Nobody answered, so everybody who is dba was told"), "{page}");
    assert!(test.record().iter().any(|e| e.act.action == "approval.reminded"));
}

#[test]
fn a_decision_takes_the_timers_away() {
    for (decision, left) in [("approve", 1), ("reject", 0), ("push_back", 0)] {
        let test = timed();
        let (_, id) = ask(&test.signed_in("olga"), "one");
        assert_eq!(timers(&test).len(), 3, "{decision}");
        super::world::answer(&test.signed_in("mia"), &id, decision, "a reason").expect(200);
        // Only the window to start in begins with an approval.
        let kinds: Vec<String> = timers(&test).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds.len(), left, "{decision}: {kinds:?}");
        test.settle();
        assert!(timers(&test).is_empty(), "{decision}");
        test.clock.advance(TimeDelta::hours(5));
        test.settle();
        assert!(!kinds_contain(&test, "approval_reminder"), "{decision}");
    }
}

fn kinds_contain(test: &TestApp, kind: &str) -> bool {
    kinds(test).iter().any(|k| k == kind)
}

#[test]
fn approved_now_and_started_at_two() {
    let test = timed();
    let olga = test.signed_in("olga");
    let at = test.clock.now() + TimeDelta::hours(14);
    let body = serde_json::json!({ "options": {}, "reason": "tonight", "run_at": at.to_rfc3339() });
    let asked = olga.post("/api/v1/projects/ops/jobs/one/runs", &body).expect(201).json();
    let run = interlock::domain::ids::RunNumber::parse(&asked["number"].to_string()).unwrap();
    approve(&test.signed_in("mia"), asked["approval"].as_str().unwrap()).expect(200);
    assert_eq!(test.state(run), State::Scheduled);
    // The window to start in is counted from the planned start.
    test.clock.advance(TimeDelta::hours(13));
    test.settle();
    assert_eq!(states(&test, run), (RequestState::Approved, State::Scheduled));
    test.clock.advance(TimeDelta::hours(1));
    test.settle();
    assert_eq!(states(&test, run), (RequestState::Used, State::Succeeded));
}

#[test]
fn timers_survive_a_restart() {
    let test = timed();
    let (run, _) = ask(&test.signed_in("olga"), "two");
    let test = test.restart();
    test.clock.advance(TimeDelta::hours(1));
    test.settle();
    assert_eq!(kinds(&test), ["approval_asked", "approval_reminder"]);
    test.clock.advance(TimeDelta::hours(3));
    test.settle();
    assert_eq!(test.state(run), State::Expired);
}

/// Sends the form of the job's page.
fn press(client: &crate::client::Client, fields: &str) -> crate::client::Answer {
    let csrf = client.get("/api/v1/session").json()["csrf"].as_str().unwrap().to_owned();
    let form = format!("csrf={csrf}&reason=tonight&{fields}");
    let form = Some(form.as_bytes());
    client.with("content-type", "application/x-www-form-urlencoded").send("POST", "/projects/ops/run/one", form)
}

#[test]
fn a_start_is_planned_on_the_page_on_the_clock_that_it_names() {
    let test = timed();
    let (olga, mia) = (test.signed_in("olga"), test.signed_in("mia"));
    let page = olga.get("/projects/ops/jobs/one").expect(200).text();
    assert!(page.contains("Start at") && page.contains("On the clock of") && page.contains("time_zone"), "{page}");
    let berlin = |at: chrono::DateTime<chrono::Utc>| {
        let zone = interlock::domain::zone::Zone::parse("Europe/Berlin").unwrap();
        zone.clock(at).format("%Y-%m-%dT%H:%M").to_string()
    };
    let at = test.clock.now() + TimeDelta::hours(3);
    // In the past; no time; no clock.
    let past = format!("run_at={}&time_zone=Europe/Berlin", berlin(test.clock.now() - TimeDelta::hours(1)));
    let page = press(&olga, &past).expect(422).text();
    assert!(
        page.contains("is over already") && page.contains(&berlin(test.clock.now() - TimeDelta::hours(1))),
        "{page}"
    );
    press(&olga, "run_at=tonight&time_zone=UTC").expect(422);
    press(&olga, &format!("run_at={}&time_zone=Atlantis", berlin(at))).expect(422);
    let body = serde_json::json!({ "options": {}, "reason": "x", "run_at": "2020-01-01T00:00:00Z" });
    olga.post("/api/v1/projects/ops/jobs/one/runs", &body).refused(422, "invalid_options");
    assert!(test.runs_in(&State::ALL).is_empty());

    let made = press(&olga, &format!("run_at={}&time_zone=Europe/Berlin", berlin(at))).expect(303);
    let href = made.header("location").unwrap().to_owned();
    let run = interlock::domain::ids::RunNumber::parse(href.rsplit('/').next().unwrap()).unwrap();
    let id = request(&test, run).view.id.to_string();
    let time = at.format("%H:%M UTC").to_string();
    let page = mia.get(&format!("/approvals/{id}")).expect(200).text();
    assert!(page.contains("approved now, it starts") && page.contains(&time), "{page}");
    approve(&mia, &id).expect(200);
    let page = olga.get(&href).expect(200).text();
    assert!(page.contains("starts in 3h") && page.contains(&time), "{page}");
    test.settle();
    assert_eq!(test.state(run), State::Scheduled);
    test.clock.advance(TimeDelta::hours(3));
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
}
