//! Change freezes: what a run that meets one needs, and that none runs silently, by whatever way it came.

use chrono::{DateTime, TimeDelta, Utc};
use interlock::domain::approval::RequestState;
use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;
use serde_json::{Value, json};

use super::world::{ACCESS, PROJECT, approve, ask, files, request, shown, states, world};
use crate::client::Client;
use crate::harness::{PASSWORD, TestApp};

/// A freeze from `from` to `until`, in minutes from now.
fn freeze(test: &TestApp, name: &str, (from, until): (i64, i64), more: &str) -> String {
    let at = |minutes| (test.clock.now() + TimeDelta::minutes(minutes)).to_rfc3339();
    format!("  - {{name: {name}, reason: The books are closed., from: '{}', until: '{}'{more}}}\n", at(from), at(until))
}

const BOSS: &str = ", need: [{role: boss, count: 1}]";

/// The project with these freezes, a job `plain` that needs no signature and somebody who holds the role `boss`.
fn load_with(test: &TestApp, freezes: &[String], project: &str) {
    let access = ACCESS
        .replace("members:\n", "  boss: [{allow: [view, approve], on: 'job/**'}]\n  commander: [{allow: [view, run, break_glass], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]\n  bot: [{allow: [view, run], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]\nmembers:\n  boss: ['user:bea']\n  commander: ['user:carl']\n  bot: ['service:bot']\n");
    let list = if freezes.is_empty() { String::new() } else { format!("freezes:\n{}", freezes.concat()) };
    let mut files = files(&format!("{project}production_sources: ['webhook:incoming']\n{list}"), &access, "true");
    let plain = "name: plain\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n";
    files.push(("jobs/plain.yaml".to_owned(), plain.to_owned()));
    let hook = "webhook:\n  name: incoming\n  eventPlugin: webhook-run-job\n  config: {jobId: plain}\n  run_as: bot\n  verify: {kind: token, secrets: [keys/ops/token]}\n";
    files.push(("webhooks/incoming.yaml".to_owned(), hook.to_owned()));
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    test.load("ops", &files);
}

fn frozen(window: (i64, i64), more: &str) -> TestApp {
    let test = world();
    for name in ["bea", "carl"] {
        test.person(name);
    }
    let one = freeze(&test, "year-end", window, more);
    load_with(&test, &[one], PROJECT);
    test
}

fn run_of(answer: &Value) -> RunNumber {
    RunNumber::parse(&answer["number"].to_string()).unwrap()
}

fn ask_for(client: &Client, job: &str, at: Option<DateTime<Utc>>) -> crate::client::Answer {
    let mut body = json!({ "options": {}, "reason": "because a test asks" });
    if let Some(at) = at {
        body["run_at"] = json!(at.to_rfc3339());
    }
    client.post(&format!("/api/v1/projects/ops/jobs/{job}/runs"), &body)
}

/// Sends a page's form.
fn press(client: &Client, path: &str, fields: &str) -> crate::client::Answer {
    let csrf = client.get("/api/v1/session").json()["csrf"].as_str().unwrap().to_owned();
    let form = format!("csrf={csrf}&{fields}");
    client.with("content-type", "application/x-www-form-urlencoded").send("POST", path, Some(form.as_bytes()))
}

#[test]
fn a_run_in_a_freeze_needs_its_signers_beside_its_own() {
    let test = frozen((-10, 600), BOSS);
    let (olga, mia, bea) = (test.signed_in("olga"), test.signed_in("mia"), test.signed_in("bea"));
    let (run, id) = ask(&olga, "one");
    let detail = shown(&mia, &id);
    assert_eq!(detail["plan"]["freezes"][0]["name"], "year-end");
    assert_eq!(detail["plan"]["policy"]["need"].as_array().unwrap().len(), 2);
    approve(&mia, &id).expect(200);
    assert_eq!(states(&test, run), (RequestState::Pending, State::PendingApproval));
    let page = bea.get(&format!("/approvals/{id}")).expect(200).text();
    assert!(
        page.contains("Change freeze year-end") && page.contains("The books are closed.") && page.contains("1 × boss"),
        "{page}"
    );
    approve(&bea, &id).expect(200);
    test.settle();
    assert_eq!(states(&test, run), (RequestState::Used, State::Succeeded));
}

#[test]
fn a_job_without_signatures_waits_for_those_of_the_freeze() {
    let test = frozen((-10, 600), BOSS);
    let asked = ask_for(&test.signed_in("olga"), "plain", None).expect(201).json();
    let id = asked["approval"].as_str().unwrap();
    assert_eq!(test.state(run_of(&asked)), State::PendingApproval);
    assert_eq!(shown(&test.signed_in("bea"), id)["plan"]["policy"]["name"], "change-freeze");
    approve(&test.signed_in("mia"), id).refused(403, "not_entitled");
    // The lines were frozen with the plan: the end of the freeze takes none of them away.
    test.clock.advance(TimeDelta::minutes(200));
    approve(&test.anonymous().sign_in("bea", PASSWORD), id).expect(200);
    test.settle();
    assert_eq!(test.state(run_of(&asked)), State::Succeeded);
}

#[test]
fn what_was_asked_for_in_a_freeze_is_signed_after_it_all_the_same() {
    let test = frozen((-10, 60), BOSS);
    let (run, id) = ask(&test.signed_in("olga"), "one");
    test.clock.advance(TimeDelta::minutes(90));
    approve(&test.anonymous().sign_in("mia", PASSWORD), &id).expect(200);
    assert_eq!(states(&test, run).0, RequestState::Pending);
    approve(&test.anonymous().sign_in("bea", PASSWORD), &id).expect(200);
    test.settle();
    assert_eq!(states(&test, run), (RequestState::Used, State::Succeeded));
}

#[test]
fn a_freeze_without_signers_refuses_and_names_itself_and_its_end() {
    let test = frozen((-10, 600), "");
    let olga = test.signed_in("olga");
    for job in ["one", "plain"] {
        let refused = ask_for(&olga, job, None).expect(409).json();
        let message = refused["detail"].as_str().unwrap();
        let end = (test.clock.now() + TimeDelta::minutes(600)).format("%Y-%m-%d %H:%M UTC").to_string();
        assert_eq!(refused["code"], "frozen");
        assert!(
            message.contains("`year-end`") && message.contains(&end) && message.contains("The books are closed"),
            "{message}"
        );
    }
    // By the button, with the same words on the page.
    let page = press(&olga, "/projects/ops/run/plain", "reason=now").expect(409).text();
    assert!(page.contains("lets nobody through") && page.contains("Change freeze year-end"), "{page}");
    // By a webhook.
    test.key("keys/ops/token", "s3cret-token-of-the-hook");
    let refused =
        test.anonymous().with("x-interlock-token", "s3cret-token-of-the-hook").post("/hooks/incoming", &json!({}));
    assert!(refused.expect(409).text().contains("year-end"));
    assert!(test.steps().calls().is_empty());
    // A dry run starts nothing.
    let body = json!({ "options": {}, "reason": "a look", "dry_run": true });
    olga.post("/api/v1/projects/ops/jobs/plain/runs", &body).expect(201);
    // It is over.
    test.clock.advance(TimeDelta::minutes(600));
    let run = run_of(&ask_for(&test.anonymous().sign_in("olga", PASSWORD), "plain", None).expect(201).json());
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
}

#[test]
fn a_planned_start_is_held_against_the_freeze_of_its_time() {
    let test = frozen((60, 120), "");
    let (olga, now) = (test.signed_in("olga"), test.clock.now());
    let refused = ask_for(&olga, "plain", Some(now + TimeDelta::minutes(90))).expect(409).json();
    assert!(refused["detail"].as_str().unwrap().starts_with("At the planned start, the change freeze `year-end`"));
    let after = run_of(&ask_for(&olga, "plain", Some(now + TimeDelta::minutes(130))).expect(201).json());
    let before = run_of(&ask_for(&olga, "plain", None).expect(201).json());
    test.settle();
    assert_eq!(test.state(before), State::Succeeded);
    test.clock.advance(TimeDelta::minutes(131));
    test.settle();
    assert_eq!(test.state(after), State::Succeeded);
}

#[test]
fn a_freeze_that_begins_between_signature_and_start_voids_what_waits() {
    let test = frozen((60, 120), BOSS);
    let (olga, now) = (test.signed_in("olga"), test.clock.now());
    // Both were asked for as if they were to start before the freeze, but nobody looked at them in time.
    let asked = ask_for(&olga, "one", Some(now + TimeDelta::minutes(50))).expect(201).json();
    let signed = run_of(&asked);
    approve(&test.signed_in("mia"), asked["approval"].as_str().unwrap()).expect(200);
    let unsigned = run_of(&ask_for(&olga, "plain", Some(now + TimeDelta::minutes(50))).expect(201).json());
    let (waiting, id) = ask(&olga, "two");
    test.clock.advance(TimeDelta::minutes(65));
    test.settle();
    assert_eq!(states(&test, signed), (RequestState::Void, State::Canceled));
    for run in [signed, unsigned] {
        let reason = test.run(run).run.end_reason;
        assert_eq!(test.state(run), State::Canceled);
        assert!(reason.contains("the change freeze `year-end` is on until"), "{reason}");
    }
    // At the next signature of one that waits.
    let refused = approve(&test.anonymous().sign_in("mia", PASSWORD), &id).expect(409).json();
    assert!(refused["detail"].as_str().unwrap().contains("year-end"), "{refused}");
    assert_eq!(states(&test, waiting).0, RequestState::Void);
    assert!(test.steps().calls().is_empty());
    // Asked again, it needs the signers of the freeze as well.
    let again = olga_again(&test, &id);
    let need = shown(&test.signed_in("bea"), &again)["plan"]["policy"]["need"].clone();
    assert!(need.to_string().contains("boss"), "{need}");
}

fn olga_again(test: &TestApp, id: &str) -> String {
    let olga = test.anonymous().sign_in("olga", PASSWORD);
    let run = olga.post(&format!("/api/v1/approvals/{id}/again"), &json!({})).expect(201).json();
    run["approval"].as_str().unwrap().to_owned()
}

#[test]
fn a_freeze_that_is_changed_or_taken_away_voids_what_was_made_under_it() {
    let test = frozen((-10, 600), BOSS);
    let (run, _) = ask(&test.signed_in("olga"), "one");
    load_with(&test, &[], PROJECT);
    assert_eq!(states(&test, run).0, RequestState::Void);
    assert!(request(&test, run).view.void_reason.unwrap().contains("`year-end` was changed or removed"));
    // And one that is written into the project while something waits.
    let (run, _) = ask(&test.signed_in("olga"), "one");
    let one = freeze(&test, "new", (-1, 60), BOSS);
    load_with(&test, &[one], PROJECT);
    assert_eq!(states(&test, run).0, RequestState::Void);
}

#[test]
fn only_what_it_covers_is_frozen() {
    let test = frozen((-10, 600), ", jobs: ['pl*'], environments: [staging]");
    let olga = test.signed_in("olga");
    // The node is in production.
    ask_for(&olga, "plain", None).expect(201);
    let other = freeze(&test, "year-end", (-10, 600), ", jobs: ['pl*'], environments: [production]");
    load_with(&test, &[other], PROJECT);
    ask_for(&olga, "plain", None).refused(409, "frozen");
    ask_for(&olga, "one", None).expect(201);
    test.settle();
}

#[test]
fn the_glass_is_broken_in_a_freeze_and_the_review_names_it() {
    let test = frozen((-10, 600), "");
    let with = PROJECT.replace("start_within: 30m", "break_glass: {role: commander, review_within: 1h}");
    let one = freeze(&test, "year-end", (-10, 600), "");
    load_with(&test, &[one], &with);
    let carl = test.signed_in("carl");
    let body = json!({ "options": {}, "reason": "the house burns", "break_glass": true });
    let run = run_of(&carl.post("/api/v1/projects/ops/jobs/one/runs", &body).expect(201).json());
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
    let mia = test.signed_in("mia");
    assert_eq!(mia.get("/api/v1/break-glass").json()["items"][0]["freezes"], json!(["year-end"]));
    let page = mia.get("/break-glass").expect(200).text();
    assert!(page.contains("In the change freeze <b>year-end</b>"), "{page}");
    // Where no policy has such a way, nobody has it.
    carl.post("/api/v1/projects/ops/jobs/plain/runs", &body).expect(403);
}

#[test]
fn it_is_shown_where_people_look_while_it_is_on_and_only_to_who_sees_a_job_of_it() {
    let test = frozen((-10, 60), BOSS);
    test.person("nina");
    let olga = test.signed_in("olga");
    for page in ["/", "/jobs", "/projects/ops/jobs/plain"] {
        let text = olga.get(page).expect(200).text();
        assert!(text.contains("Change freeze year-end") && text.contains("1 × boss"), "{page}: {text}");
    }
    assert!(!test.signed_in("nina").get("/").expect(200).text().contains("year-end"));
    test.clock.advance(TimeDelta::minutes(60));
    let olga = test.anonymous().sign_in("olga", PASSWORD);
    for page in ["/", "/jobs", "/projects/ops/jobs/plain"] {
        assert!(!olga.get(page).expect(200).text().contains("Change freeze"), "{page}");
    }
}
