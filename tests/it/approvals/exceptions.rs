//! Running without waiting, and signing for somebody else.

use chrono::TimeDelta;
use interlock::domain::approval::RequestState;
use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;
use serde_json::{Value, json};

use super::world::{ACCESS, PROJECT, approve, ask, files, load, shown, states, world};
use crate::client::Client;
use crate::harness::{TestApp, operator, user};

fn emergency() -> (String, String) {
    let project =
        PROJECT.replace("start_within: 30m}", "start_within: 30m, break_glass: {role: commander, review_within: 24h}}");
    let access = ACCESS.replace(
        "  dba: [{allow",
        "  commander: [{allow: [view, run, break_glass], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]\n  dba: [{allow",
    ) + "  commander: ['user:carl', 'user:mia-adm']\n";
    (project, access)
}

fn broken_world() -> TestApp {
    let test = world();
    test.person("carl");
    let (project, access) = emergency();
    load(&test, &project, &access, "true");
    test
}

fn break_glass(client: &Client, job: &str, reason: &str) -> crate::client::Answer {
    let body = json!({ "options": {}, "reason": reason, "break_glass": true });
    client.post(&format!("/api/v1/projects/ops/jobs/{job}/runs"), &body)
}

fn number(run: &Value) -> RunNumber {
    RunNumber::parse(&run["number"].to_string()).unwrap()
}

#[test]
fn who_breaks_the_glass_runs_at_once_and_somebody_else_reviews_it() {
    let test = broken_world();
    let (carl, mia) = (test.signed_in("carl"), test.signed_in("mia"));
    let run = number(&break_glass(&carl, "one", "the site is down").expect(201).json());
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
    assert_eq!(
        test.sql_rows("SELECT kind, audience FROM notices"),
        [("break_glass".to_owned(), "[\"members\",\"requester\"]".to_owned())]
    );
    let entry = test.record().into_iter().find(|e| e.act.action == "run.requested").unwrap();
    assert_eq!(entry.act.detail["break_glass"], true);

    let path = format!("/api/v1/break-glass/{run}/review");
    carl.post(&path, &json!({ "note": "it was me" })).refused(403, "not_a_reviewer");
    mia.post(&path, &json!({ "note": " " })).refused(422, "reason_required");
    test.clock.advance(TimeDelta::hours(25));
    let mia = test.signed_in("mia");
    let item = mia.get("/api/v1/break-glass").expect(200).json()["items"][0].clone();
    assert_eq!((&item["overdue"], &item["reviewed_by"]), (&json!(true), &Value::Null));
    let page = mia.get("/break-glass").expect(200).text();
    assert!(page.contains("the site is down") && page.contains("overdue"), "{page}");
    mia.post(&path, &json!({ "note": "it was right" })).expect(204);
    test.signed_in("moe").post(&path, &json!({ "note": "me too" })).refused(409, "reviewed");
}

#[test]
fn the_glass_is_broken_only_as_it_was_meant() {
    let test = broken_world();
    let carl = test.signed_in("carl");
    break_glass(&carl, "one", " ").refused(422, "invalid_options");
    let later = json!({ "options": {}, "reason": "x", "break_glass": true, "run_at": "2026-12-01T02:00:00Z" });
    carl.post("/api/v1/projects/ops/jobs/one/runs", &later).refused(422, "not_at_once");
    break_glass(&carl, "two", "no such way").refused(403, "no_break_glass");
    break_glass(&test.signed_in("olga"), "one", "I wish").refused(403, "not_entitled");
    let token = test.token(interlock::domain::access::Principal::User(user("carl")), None).0;
    break_glass(&test.bearer(&token), "one", "a program").refused(403, "not_a_person");
    test.clock.advance(TimeDelta::minutes(16));
    break_glass(&carl, "one", "long ago").refused(403, "stale_session");
    assert!(test.runs_in(&State::ALL).is_empty());

    // A second account of whoever broke it reviews nothing.
    let carl = test.signed_in("carl");
    let run = number(&break_glass(&carl, "one", "down").expect(201).json());
    test.wait(test.app.set_person(&operator(), user("mia"), Some(user("carl")), "test")).unwrap();
    let path = format!("/api/v1/break-glass/{run}/review");
    test.signed_in("mia").post(&path, &json!({ "note": "fine" })).refused(403, "own_run");
    test.settle();

    let (project, access) = emergency();
    load(&test, &format!("break_glass: false\n{project}"), &access, "true");
    break_glass(&carl, "one", "turned off").refused(403, "break_glass_off");
}

/// Changes a world of this project and these rules.
type Change = fn(&TestApp, &str, &str);

#[test]
fn a_run_without_waiting_starts_only_as_it_was_meant() {
    let (project, access) = emergency();
    let changes: [(&str, Change); 3] = [
        ("the job", |test, project, access| load(test, project, access, "echo other")),
        ("the switch", |test, project, access| load(test, &format!("break_glass: false\n{project}"), access, "true")),
        ("the role", |test, project, access| load(test, project, &access.replace("'user:carl', ", ""), "true")),
    ];
    for (what, change) in changes {
        let test = broken_world();
        let run = number(&break_glass(&test.signed_in("carl"), "one", "down").expect(201).json());
        change(&test, &project, &access);
        test.settle();
        assert_eq!(test.state(run), State::Canceled, "{what}");
        assert!(test.steps().calls().is_empty(), "{what}");
    }
    assert_eq!(files(&project, &access, "true").len(), 6);
}

fn delegate(test: &TestApp, from: &str, to: &str, role: &str) -> crate::client::Answer {
    let ends_at = (test.clock.now() + TimeDelta::days(3)).to_rfc3339();
    let body = json!({ "project": "ops", "role": role, "to": to, "ends_at": ends_at, "reason": "holidays" });
    test.signed_in(from).post("/api/v1/delegations", &body)
}

fn approve_for(client: &Client, id: &str, other: &str) -> crate::client::Answer {
    let digest = shown(client, id)["digest"].clone();
    let body = json!({ "decision": "approve", "digest": digest, "reason": "fine", "on_behalf_of": other });
    client.post(&format!("/api/v1/approvals/{id}/decision"), &body)
}

#[test]
fn somebody_of_the_same_role_signs_for_another_for_a_while() {
    let test = world();
    delegate(&test, "mia", "mia", "manager").refused(422, "to_oneself");
    delegate(&test, "mia", "dan", "manager").refused(422, "not_of_the_role");
    delegate(&test, "dan", "mia", "manager").refused(422, "not_of_the_role");
    delegate(&test, "mia", "moe", "manager").expect(201);
    let entry = test.record().into_iter().find(|e| e.act.action == "delegation.made").unwrap();
    assert_eq!((entry.act.resource.as_str(), &entry.act.detail["to"]), ("user:mia", &json!("moe")));
    assert_eq!(test.sql_rows("SELECT kind, audience FROM notices")[0].1, "[\"user:moe\"]");
    assert!(test.signed_in("moe").get("/delegations").expect(200).text().contains("You sign for mia as manager"));

    let olga = test.signed_in("olga");
    let (run, id) = ask(&olga, "two");
    let page = test.signed_in("max").get(&format!("/approvals/{id}")).expect(200).text();
    assert!(page.contains("moe signs for mia as manager"), "{page}");
    approve_for(&test.signed_in("max"), &id, "mia").refused(403, "not_delegated");
    approve_for(&test.signed_in("moe"), &id, "mia").expect(200);
    // Both of them have signed by that, and one place is filled.
    approve(&test.signed_in("moe"), &id).refused(409, "signed_already");
    approve(&test.signed_in("mia"), &id).refused(409, "signed_already");
    assert_eq!(states(&test, run).0, RequestState::Pending);
    assert_eq!(shown(&olga, &id)["signatures"][0]["on_behalf_of"], "mia");

    let (_, later) = ask(&olga, "one");
    test.clock.advance(TimeDelta::days(4));
    // The request has expired, but the delegation is looked at first.
    approve_for(&test.signed_in("moe"), &later, "mia").refused(403, "not_delegated");
    let (_, again) = ask(&test.signed_in("olga"), "one");
    approve_for(&test.signed_in("moe"), &again, "mia").refused(403, "not_delegated");
    test.settle();
}

#[test]
fn nobody_signs_for_whoever_asked() {
    let test = world();
    delegate(&test, "max", "mia", "manager").expect(201);
    let (_, id) = ask(&test.signed_in("max"), "one");
    approve_for(&test.signed_in("mia"), &id, "max").refused(403, "own_request");
    delegate(&test, "mia", "max", "manager").expect(201);
    approve_for(&test.signed_in("max"), &id, "mia").refused(403, "own_request");
}

#[test]
fn a_delegation_is_ended_by_who_made_it() {
    let test = world();
    let made = delegate(&test, "mia", "moe", "manager").expect(201).json();
    let path = format!("/api/v1/delegations/{}", made["id"].as_str().unwrap());
    test.signed_in("moe").send("DELETE", &path, None).refused(404, "not_found");
    test.signed_in("mia").send("DELETE", &path, None).expect(204);
    let (_, id) = ask(&test.signed_in("olga"), "one");
    approve_for(&test.signed_in("moe"), &id, "mia").refused(403, "not_delegated");
    assert_eq!(test.signed_in("mia").get("/api/v1/delegations").json()["items"], json!([]));
}
