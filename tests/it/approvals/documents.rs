//! What an auditor gets: a plan whose digest is computed again, and a signed document that holds by itself.

use interlock::domain::run_document::{Contradiction, RunDocument};
use interlock::store::signed_document::SignedDocument;
use serde_json::json;

use super::world::{approve, ask, world};
use crate::harness::TestApp;

fn document(test: &TestApp, path: &str) -> SignedDocument {
    let answer = test.signed_in("root").get(path).expect(200);
    assert!(answer.header("content-disposition").unwrap().contains("run-"));
    serde_json::from_value(answer.json()).unwrap()
}

#[test]
fn a_signed_document_tells_who_signed_what_and_holds_without_the_server() {
    let test = world();
    test.administrator("root");
    let (run, id) = ask(&test.signed_in("olga"), "both");
    for who in ["max", "dan"] {
        approve(&test.signed_in(who), &id).expect(200);
    }
    test.settle();
    let path = format!("/api/v1/runs/{run}/document");
    test.signed_in("mia").get(&path).refused(404, "not_found");
    let signed = document(&test, &path);
    let key = test.app.document_key();
    signed.check(&key).unwrap();
    let read: RunDocument = serde_json::from_value(signed.document.clone()).unwrap();
    read.check().unwrap();
    let request = read.request.as_ref().unwrap();
    assert_eq!(request.need.len(), 2);
    assert_eq!(request.policy_digest, read.plan.policy.as_ref().unwrap().digest);
    let who: Vec<&str> = request.answers.iter().map(|a| a.user.as_str()).collect();
    // They came in the same moment, so by name.
    assert_eq!(who, ["dan", "max"]);
    assert!(request.answers.iter().all(|a| a.digest == read.digest && !a.source.is_empty() && a.reason == "fine"));
    let actions: Vec<&str> = read.record.iter().map(|e| e.act.action.as_str()).collect();
    assert_eq!(actions, ["run.requested", "approval.approved", "approval.approved", "run.started", "run.ended"]);

    // A signer too few, another plan, another lines: it says so, even if it were signed.
    let mut few = read.clone();
    few.request.as_mut().unwrap().answers.pop();
    assert!(matches!(few.check(), Err(Contradiction::Unsigned(_))));
    let mut other = read.clone();
    other.plan.reason = "another".to_owned();
    assert!(matches!(other.check(), Err(Contradiction::Plan { .. })));
    let mut lines = read.clone();
    lines.request.as_mut().unwrap().need.pop();
    assert_eq!(lines.check(), Err(Contradiction::OtherPolicy));
    let mut unsigned = read;
    unsigned.request = None;
    assert!(matches!(unsigned.check(), Err(Contradiction::Unsigned(_))));
}

#[test]
fn the_command_line_checks_documents_and_plans_without_a_server() {
    let test = world();
    test.administrator("root");
    let (run, id) = ask(&test.signed_in("olga"), "one");
    approve(&test.signed_in("mia"), &id).expect(200);
    test.settle();
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &serde_json::Value| {
        let path = dir.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path.display().to_string()
    };
    let run_program = |args: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_interlock")).args(args).current_dir(dir.path()).output().unwrap()
    };
    let signed = json!(document(&test, &format!("/api/v1/runs/{run}/document")));
    let file = write("document.json", &signed);
    let key = test.app.document_key();
    let good = run_program(&["audit", "check-document", &file, "--key", &key]);
    assert!(good.status.success(), "{good:?}");
    assert!(String::from_utf8_lossy(&good.stdout).contains("holds"));
    let mut forged = signed;
    forged["document"]["end_reason"] = json!("nothing happened");
    let forged = write("forged.json", &forged);
    let bad = run_program(&["audit", "check-document", &forged, "--key", &key]);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");

    let shown = test.signed_in("olga").get(&format!("/api/v1/runs/{run}")).expect(200).json();
    let plan = json!({ "run": run, "digest": shown["digest"], "plan": shown["plan"] });
    let same = run_program(&["plan", "verify", &write("plan.json", &plan)]);
    assert!(same.status.success(), "{same:?}");
    let mut other = plan;
    other["plan"]["reason"] = json!("another");
    let other = run_program(&["plan", "verify", &write("other.json", &other)]);
    assert_eq!(other.status.code(), Some(1), "{other:?}");
    assert!(String::from_utf8_lossy(&other.stdout).contains("CHANGED"));
}
