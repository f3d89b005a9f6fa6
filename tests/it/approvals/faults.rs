//! What a request must not get wrong: whose signature counts, and that it ends with its run.

use chrono::TimeDelta;
use interlock::domain::approval::{RequestState, Verdict};
use interlock::domain::run::State;
use serde_json::json;

use super::world::{ACCESS, PROJECT, answer, approve, ask, decide, load, request, shown, states, world};
use crate::harness::{TestApp, operator, user};

#[test]
fn a_request_ends_with_its_run() {
    let test = world();
    let (olga, mia) = (test.signed_in("olga"), test.signed_in("mia"));
    let (used, id) = ask(&olga, "one");
    approve(&mia, &id).expect(200);
    assert_eq!(states(&test, used), (RequestState::Approved, State::Queued));
    test.settle();
    assert_eq!(states(&test, used), (RequestState::Used, State::Succeeded));

    let (late, id) = ask(&olga, "one");
    approve(&mia, &id).expect(200);
    test.clock.advance(TimeDelta::minutes(31));
    test.settle();
    assert_eq!(states(&test, late), (RequestState::Expired, State::Expired));

    let (canceled, id) = ask(&olga, "one");
    let mia = test.signed_in("mia");
    approve(&mia, &id).expect(200);
    olga.post(&format!("/api/v1/runs/{canceled}/cancel"), &json!({})).expect(200);
    assert_eq!(states(&test, canceled), (RequestState::Void, State::Canceled));

    let (edited, id) = ask(&olga, "one");
    approve(&mia, &id).expect(200);
    load(&test, PROJECT, ACCESS, "echo newer");
    assert_eq!(states(&test, edited), (RequestState::Void, State::Canceled));
    test.settle();
    assert_eq!(test.steps().calls().len(), 1, "only the first one ran");
}

#[test]
fn the_requesters_rights_are_asked_again_at_the_decision() {
    let test = world();
    let (run, _) = ask(&test.signed_in("olga"), "one");
    // Not through the use case, which would void the request at once.
    test.sql("UPDATE users SET active = false WHERE name = 'olga'");
    let refused = decide(&test, "mia", run, Verdict::Approve).unwrap_err();
    assert_eq!(refused.refusal().unwrap().code, "request_void");
    assert!(refused.to_string().contains("olga"), "{refused}");
    assert_eq!(states(&test, run), (RequestState::Void, State::Canceled));
}

#[test]
fn earlier_signers_are_asked_again_when_a_later_one_signs() {
    let test = world();
    let (run, _) = ask(&test.signed_in("olga"), "two");
    assert_eq!(decide(&test, "mia", run, Verdict::Approve).unwrap(), RequestState::Pending);
    test.sql("UPDATE users SET active = false WHERE name = 'mia'");
    let refused = decide(&test, "moe", run, Verdict::Approve).unwrap_err();
    assert!(refused.to_string().contains("mia may not sign"), "{refused}");
    assert_eq!(states(&test, run), (RequestState::Void, State::Canceled));
}

/// Takes something away from the people of a world.
type Loss = fn(&TestApp);

#[test]
fn a_lost_right_voids_what_waits_at_once() {
    let losses: [(&str, Loss); 4] = [
        ("mia's account is closed", |test| {
            test.wait(test.app.set_active(&operator(), user("mia"), false, "test")).unwrap();
        }),
        ("mia lost the role", |test| load(test, PROJECT, &ACCESS.replace("'user:mia', ", ""), "true")),
        ("olga may not run it", |test| load(test, PROJECT, &ACCESS.replace("'user:olga', ", ""), "true")),
        ("the policy asks for more", |test| load(test, &PROJECT.replace("count: 2", "count: 3"), ACCESS, "true")),
    ];
    for (what, lose) in losses {
        let test = world();
        let (run, id) = ask(&test.signed_in("olga"), "two");
        approve(&test.signed_in("mia"), &id).expect(200);
        lose(&test);
        assert_eq!(states(&test, run), (RequestState::Void, State::Canceled), "{what}");
    }
}

#[test]
fn two_accounts_of_one_person_are_one_signer() {
    let test = world();
    test.administrator("root");
    let admin = test.signed_in("root");
    let put =
        |name: &str, other: &str| admin.post("/api/v1/people/same-person", &json!({ "name": name, "same_as": other }));
    put("mia-adm", "mia-adm").refused(422, "same_account");
    put("mia-adm", "nobody").refused(404, "not_found");
    put("mia-adm", "mia").expect(200);
    let entry = test.record().into_iter().find(|e| e.act.action == "user.person_set").unwrap();
    assert_eq!((entry.act.resource.as_str(), &entry.act.detail["same_as"]), ("user:mia-adm", &json!("mia")));

    let (run, id) = ask(&test.signed_in("olga"), "two");
    approve(&test.signed_in("mia"), &id).expect(200);
    approve(&test.signed_in("mia-adm"), &id).refused(409, "signed_already");
    assert_eq!(shown(&test.signed_in("olga"), &id)["missing"], json!([{ "role": "manager", "count": 1 }]));
    // Who becomes one person afterwards has signed once as well, and was one person then whatever is said later.
    let (later, id) = ask(&test.signed_in("olga"), "two");
    approve(&test.signed_in("mia"), &id).expect(200);
    approve(&test.signed_in("moe"), &id).expect(200);
    put("moe", "mia").expect(200);
    test.settle();
    assert_eq!(states(&test, later), (RequestState::Void, State::Canceled));
    assert_eq!(test.state(run), State::PendingApproval);
}

#[test]
fn a_second_account_signs_for_nobody_who_asked() {
    let test = world();
    let (run, id) = ask(&test.signed_in("max"), "one");
    test.wait(test.app.set_person(&operator(), user("mia"), Some(user("max")), "test")).unwrap();
    approve(&test.signed_in("max"), &id).refused(403, "own_request");
    approve(&test.signed_in("mia"), &id).refused(403, "own_request");
    // Parting them again does not help for what was asked as one person.
    let (second, second_id) = ask(&test.signed_in("max"), "one");
    test.wait(test.app.set_person(&operator(), user("max"), None, "test")).unwrap();
    test.wait(test.app.set_person(&operator(), user("mia"), None, "test")).unwrap();
    approve(&test.signed_in("moe"), &id).expect(200);
    assert_eq!(test.state(run), State::Queued);
    approve(&test.signed_in("mia"), &second_id).refused(403, "own_request");
    test.settle();
    assert_eq!(states(&test, second), (RequestState::Pending, State::PendingApproval));
}

#[test]
fn nobody_parts_their_own_account_from_another() {
    let test = world();
    test.administrator("root");
    let admin = test.signed_in("root");
    let body = |name: &str| json!({ "name": name, "same_as": null });
    admin.post("/api/v1/people/same-person", &body("root")).refused(409, "own_account");
    test.signed_in("mia").post("/api/v1/people/same-person", &body("mia")).refused(404, "not_found");
}

#[test]
fn who_approved_may_still_say_no() {
    for (decision, state) in [("reject", "rejected"), ("push_back", "pushed_back")] {
        let test = world();
        let mia = test.signed_in("mia");
        let (run, id) = ask(&test.signed_in("olga"), "two");
        approve(&mia, &id).expect(200);
        approve(&mia, &id).refused(409, "signed_already");
        assert_eq!(answer(&mia, &id, decision, "I looked again").expect(200).json()["state"], state);
        let answers: Vec<&str> = request(&test, run).signatures.iter().map(|s| s.verdict.as_str()).collect();
        assert_eq!(answers, ["approve", decision]);
        assert_eq!(test.state(run), State::Rejected);
        approve(&test.signed_in("moe"), &id).refused(409, "request_closed");
    }
}

#[test]
fn a_start_compares_what_was_signed_with_what_would_run() {
    let forged = [
        ("a signature's own digest", "UPDATE signatures SET digest = replace(digest, substr(digest, 1, 6), '000000')"),
        ("the request's lines", "UPDATE approvals SET need = '[{\"role\":\"dba\",\"count\":0,\"when\":null}]'"),
        ("the request's policy", "UPDATE approvals SET policy = replace(policy, '\"count\":1', '\"count\":0')"),
        (
            "the request's digest",
            "UPDATE approvals SET plan_digest = replace(plan_digest, substr(plan_digest, 1, 6), '000000')",
        ),
    ];
    for (what, statement) in forged {
        let test = world();
        let (run, id) = ask(&test.signed_in("olga"), "one");
        approve(&test.signed_in("mia"), &id).expect(200);
        test.sql(statement);
        test.settle();
        let view = test.run(run).run;
        assert_eq!(view.state, State::Canceled, "{what}");
        assert!(view.end_reason.contains("Ask again"), "{what}: {}", view.end_reason);
        assert!(test.steps().calls().is_empty(), "{what}");
    }
}

#[test]
fn the_lines_that_apply_stand_in_the_plan() {
    let test = world();
    let (run, _) = ask(&test.signed_in("olga"), "both");
    let policy = test.run(run).plan.policy.unwrap();
    assert_eq!(policy.need, request(&test, run).view.need);
    assert_eq!(policy.need.len(), 2);
}

#[test]
fn a_save_voids_every_request_that_waits() {
    let test = world();
    let olga = test.signed_in("olga");
    let runs: Vec<_> = (0..205).map(|_| ask(&olga, "one").0).collect();
    load(&test, PROJECT, ACCESS, "echo newer");
    let open: Vec<_> = runs.iter().filter(|run| test.state(**run) != State::Canceled).collect();
    assert!(open.is_empty(), "{open:?}");
}
