//! Who is told of what, by name: those who can still sign, those who sign for others, those who can review.

use chrono::TimeDelta;
use interlock::domain::ids::RunNumber;
use serde_json::json;

use super::world::{ACCESS, PROJECT, approve, ask, load, shown, world};
use crate::harness::{PASSWORD, TestApp};

/// Who is told by a notice of this kind, once it is addressed.
fn told(test: &TestApp, kind: &str) -> Vec<String> {
    while test.wait(test.app.address_notices()).unwrap() > 0 {}
    let query = format!(
        "SELECT d.recipient, n.kind FROM notice_deliveries d JOIN notices n ON n.id = d.notice WHERE n.kind = '{kind}' ORDER BY d.recipient"
    );
    test.sql_rows(&query).into_iter().map(|(who, _)| who.replace("user:", "")).collect()
}

#[test]
fn after_the_first_signature_only_those_are_told_who_can_still_give_what_is_missing() {
    let test = world();
    let (_, id) = ask(&test.signed_in("olga"), "both");
    assert_eq!(told(&test, "approval_asked"), ["dan", "max", "mia", "mia-adm", "moe"]);
    approve(&test.signed_in("mia"), &id).expect(200);
    // Of the managers only the one who is a dba as well.
    assert_eq!(told(&test, "approval_signed"), ["dan", "max"]);
    let page = test.signed_in("dan").get(&format!("/approvals/{id}")).expect(200).text();
    assert!(page.contains("dba: dan, max") && !page.contains("moe"), "{page}");
    approve(&test.signed_in("dan"), &id).expect(200);
    assert_eq!(told(&test, "approval_signed").len(), 2, "the last signature asks nobody");
    test.settle();
}

#[test]
fn what_was_signed_by_others_meanwhile_asks_nobody_any_more() {
    let test = world();
    let (_, id) = ask(&test.signed_in("olga"), "both");
    approve(&test.signed_in("mia"), &id).expect(200);
    approve(&test.signed_in("dan"), &id).expect(200);
    assert_eq!(told(&test, "approval_signed"), Vec::<String>::new());
    test.settle();
}

#[test]
fn who_signs_for_others_is_told_and_named_on_the_page() {
    let test = world();
    let mia = test.signed_in("mia");
    let ends = (test.clock.now() + TimeDelta::days(2)).to_rfc3339();
    let body = json!({ "project": "ops", "role": "manager", "to": "moe", "ends_at": ends, "reason": "away" });
    mia.post("/api/v1/delegations", &body).expect(201);
    let (_, id) = ask(&test.signed_in("max"), "one");
    assert_eq!(told(&test, "approval_asked"), ["mia", "mia-adm", "moe"]);
    let page = mia.get(&format!("/approvals/{id}")).expect(200).text();
    // Exactly who can: not who asked, though they hold the role.
    assert!(page.contains("manager: mia, mia-adm, moe (also for mia)"), "{page}");
    assert_eq!(shown(&mia, &id)["could_sign"][2], json!({ "user": "moe", "roles": ["manager"] }));
}

#[test]
fn an_overdue_review_is_told_to_who_can_give_it_until_somebody_has() {
    let test = world();
    test.person("carl");
    let project =
        PROJECT.replace("start_within: 30m}", "start_within: 30m, break_glass: {role: commander, review_within: 24h}}");
    let access = ACCESS.replace(
        "  dba: [{allow",
        "  commander: [{allow: [view, run, approve, break_glass], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]\n  dba: [{allow",
    ) + "  commander: ['user:carl']\n";
    load(&test, &project, &access, "true");
    let body = json!({ "options": {}, "reason": "the site is down", "break_glass": true });
    let run = test.signed_in("carl").post("/api/v1/projects/ops/jobs/one/runs", &body).expect(201).json();
    let run = RunNumber::parse(&run["number"].to_string()).unwrap();
    test.settle();
    test.clock.advance(TimeDelta::hours(23));
    test.settle();
    assert_eq!(told(&test, "review_overdue"), Vec::<String>::new());
    // It survives a restart. Whoever ran it cannot review it, whatever they may do.
    let test = test.restart();
    test.clock.advance(TimeDelta::hours(24));
    test.settle();
    let reviewers = ["dan", "max", "mia", "mia-adm", "moe"];
    assert_eq!(told(&test, "review_overdue"), reviewers);
    assert!(test.record().iter().any(|e| e.act.action == "break_glass.overdue"));
    let page = test.anonymous().sign_in("mia", PASSWORD).get("/break-glass").expect(200).text();
    assert!(page.contains("overdue"), "{page}");
    // Once more a day later, to those who still can.
    test.clock.advance(TimeDelta::hours(24));
    test.settle();
    assert_eq!(told(&test, "review_overdue").len(), 2 * reviewers.len());
    // A reminder that was written already asks nobody once it was reviewed, and no further one is written.
    test.clock.advance(TimeDelta::hours(24));
    test.step();
    let mia = test.anonymous().sign_in("mia", PASSWORD);
    mia.post(&format!("/api/v1/break-glass/{run}/review"), &json!({ "note": "it was right" })).expect(204);
    assert_eq!(told(&test, "review_overdue").len(), 2 * reviewers.len());
    test.clock.advance(TimeDelta::days(3));
    test.settle();
    let written = test.sql_rows("SELECT kind, audience FROM notices WHERE kind = 'review_overdue'");
    assert_eq!(written.len(), 3);
}
