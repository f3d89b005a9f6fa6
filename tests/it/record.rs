//! The file of signed heads, and what is said when it is not there.

use interlock::domain::audit::Broken;

use crate::harness::{TestApp, operator};

#[test]
fn a_file_of_heads_that_is_gone_is_missed() {
    let test = TestApp::fake();
    test.person("oncall");
    let verify = |test: &TestApp| test.wait(test.app.verify_audit(&operator(), None)).unwrap();
    assert!(verify(&test).is_ok(), "nothing was signed yet, so nothing is missing");
    test.wait(test.app.sign_head()).unwrap();
    let since = test.record().last().unwrap().clone();
    assert_eq!(since.act.action, "audit.anchored");
    assert!(verify(&test).unwrap().begun_again.is_empty());
    // An unchanged record is not signed twice.
    test.wait(test.app.sign_head()).unwrap();
    assert_eq!(test.record().last().unwrap().seq, since.seq);

    let file = test.data().join("audit-heads.jsonl");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(verify(&test), Err(Broken::Unanchored { since: since.seq }));
    // The server goes on, and the record says from where on.
    test.wait(test.app.sign_head()).unwrap();
    let again = test.record().last().unwrap().clone();
    assert_eq!((again.act.action.as_str(), &again.act.detail["again"]), ("audit.anchored", &true.into()));
    assert_eq!(verify(&test).unwrap().begun_again, [again.seq]);
}

/// A server that ends between the first head and the entry that says so.
#[test]
fn a_server_that_dies_at_its_first_head_misses_nothing() {
    let test = TestApp::fake();
    test.person("oncall");
    let file = test.data().join("audit-heads.jsonl");
    // The disk takes the first head, the database not the entry behind it.
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON audit WHEN NEW.action = 'audit.anchored' BEGIN SELECT RAISE(ABORT, 'no'); END";
    test.sql(refuse);
    assert!(test.wait(test.app.sign_head()).is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().is_ok(), "nothing is said to be missing");
    // The next one says so.
    test.sql("DROP TRIGGER refuse");
    test.wait(test.app.sign_head()).unwrap();
    assert_eq!(test.record().last().unwrap().act.action, "audit.anchored");
    assert_eq!(test.record().last().unwrap().act.detail["again"], false);
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().unwrap().begun_again.is_empty());
}
