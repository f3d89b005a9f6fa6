//! Pushed back, amended, asked again: the thread stays.

use interlock::domain::approval::RequestState;
use interlock::domain::run::State;
use serde_json::json;

use super::world::{ACCESS, PROJECT, answer, approve, ask, load, request, shown, states, world};
use crate::harness::PASSWORD;

#[test]
fn pushed_back_amended_and_asked_again() {
    let test = world();
    let (olga, mia) = (test.signed_in("olga"), test.signed_in("mia"));
    let (first, id) = ask(&olga, "one");
    answer(&mia, &id, "push_back", " ").refused(422, "reason_required");
    answer(&mia, &id, "push_back", "say which word").expect(200);
    assert_eq!(states(&test, first), (RequestState::PushedBack, State::Rejected));
    assert!(test.run(first).run.end_reason.contains("say which word"));

    let body = json!({ "options": { "word": "hello" }, "reason": "with a word", "replaces": id });
    let second = olga.post("/api/v1/projects/ops/jobs/one/runs", &body).expect(201).json();
    let newer = second["approval"].as_str().unwrap();
    let detail = shown(&mia, newer);
    assert_eq!(detail["replaces"], json!(id));
    assert_eq!(detail["thread"][0]["id"], json!(id));
    assert_eq!(detail["thread"][0]["signatures"][0]["reason"], "say which word");
    assert_eq!(shown(&mia, &id)["replaced_by"], json!(newer));
    let page = mia.get(&format!("/approvals/{newer}")).expect(200).text();
    assert!(page.contains("say which word") && page.contains("option word = hello"), "{page}");

    olga.post("/api/v1/projects/ops/jobs/one/runs", &body).refused(409, "asked_again");
    approve(&mia, newer).expect(200);
    test.settle();
    assert_eq!(test.steps().calls().len(), 1);
    olga.post(&format!("/api/v1/approvals/{newer}/again"), &json!({})).refused(409, "not_over");
}

#[test]
fn a_void_request_is_asked_again_in_one_press_with_the_difference_shown() {
    let test = world();
    let (olga, mia) = (test.signed_in("olga"), test.signed_in("mia"));
    let (first, id) = ask(&olga, "one");
    load(&test, PROJECT, ACCESS, "echo newer");
    assert_eq!(states(&test, first).0, RequestState::Void);
    let page = olga.get(&format!("/approvals/{id}")).expect(200).text();
    assert!(page.contains("Ask again") && page.contains("echo newer"), "{page}");

    let csrf = olga.get("/api/v1/session").json()["csrf"].as_str().unwrap().to_owned();
    let form = format!("csrf={csrf}");
    let pressed = olga
        .with("content-type", "application/x-www-form-urlencoded")
        .send("POST", &format!("/approvals/{id}/again"), Some(form.as_bytes()))
        .expect(303);
    let newer = pressed.header("location").unwrap().rsplit('/').next().unwrap().to_owned();
    let page = mia.get(&format!("/approvals/{newer}")).expect(200).text();
    assert!(page.contains("Changed since run") && page.contains("echo newer"), "{page}");
    approve(&mia, &newer).expect(200);
    test.settle();
    assert_eq!(states(&test, first), (RequestState::Void, State::Canceled));
    assert_eq!(test.steps().calls().len(), 1);
}

#[test]
fn only_who_may_run_the_job_asks_again_and_only_for_it() {
    let test = world();
    let olga = test.signed_in("olga");
    let (_, id) = ask(&olga, "one");
    olga.post(&format!("/api/v1/approvals/{id}/again"), &json!({})).refused(409, "not_over");
    answer(&test.signed_in("mia"), &id, "reject", "no").expect(200);
    // A signer without `run` cannot.
    test.signed_in("mia").post(&format!("/api/v1/approvals/{id}/again"), &json!({})).refused(403, "forbidden");
    let other = json!({ "options": {}, "reason": "x", "replaces": id });
    olga.post("/api/v1/projects/ops/jobs/two/runs", &other).refused(422, "other_job");
    // Whoever asks again is the one who asked.
    let max = test.signed_in("max");
    let run = max.post(&format!("/api/v1/approvals/{id}/again"), &json!({})).expect(201).json();
    let newer = run["approval"].as_str().unwrap();
    approve(&max, newer).refused(403, "own_request");
    assert_eq!(test.anonymous().sign_in("max", PASSWORD).get("/api/v1/session").json()["user"], "max");
    let number = interlock::domain::ids::RunNumber::parse(&run["number"].to_string()).unwrap();
    assert_eq!(request(&test, number).view.state, RequestState::Pending);
}
