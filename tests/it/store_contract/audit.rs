//! The record: no gap whatever fails beside it, and no change that is not named.

use diesel::connection::SimpleConnection;
use interlock::domain::access::Principal;
use interlock::domain::audit::{Act, Broken, Head};
use interlock::store::anchor::Anchor;
use interlock::store::audit::{self, Filter};
use interlock::store::{Conn, Db, RootKey, StoreError};

use super::access::at;
use super::databases::{Fresh, both};

fn root() -> RootKey {
    RootKey::new([7; 32])
}

fn act(action: &str, n: i64) -> Act {
    Act {
        actor: Principal::parse(if n % 2 == 0 { "user:alice" } else { "system" }).unwrap(),
        source: "cli".to_owned(),
        action: action.to_owned(),
        resource: format!("run:{n}"),
        project: (n % 3 == 0).then(|| "ops".to_owned()),
        detail: serde_json::json!({ "n": n, "a": "ü\u{1f980}" }),
    }
}

async fn append(db: &Db, action: &'static str, n: i64) {
    db.write(move |c| audit::append(c, &root().audit(), at(n), &act(action, n))).await.unwrap();
}

async fn verify(db: &Db, heads: Vec<Head>) -> Result<i64, Broken> {
    db.read(move |c| audit::verify(c, &root().audit(), heads.clone())).await.unwrap().map(|intact| intact.entries)
}

async fn raw(db: &Db, sql: &'static str) -> Result<(), StoreError> {
    db.write(move |c| Ok::<_, StoreError>(c.batch_execute(sql)?)).await
}

/// What somebody with full rights on the database would do first.
async fn drop_guards(fresh: &Fresh) {
    let sql = match fresh.name {
        "sqlite" => "DROP TRIGGER audit_not_updated; DROP TRIGGER audit_not_deleted",
        _ => "DROP TRIGGER audit_frozen ON audit; DROP TRIGGER audit_not_emptied ON audit",
    };
    raw(&fresh.db, sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gap_among_writes_that_fail() {
    for fresh in both() {
        let writes = (0..100i64).map(|n| {
            let db = fresh.db.clone();
            tokio::spawn(async move {
                db.write(move |c| {
                    audit::append(c, &root().audit(), at(n), &act("run.requested", n))?;
                    match n % 4 {
                        0 => Err(StoreError::Full),
                        1 => panic!("on purpose"),
                        _ => Ok(()),
                    }
                })
                .await
            })
        });
        let mut kept = 0;
        for write in writes.collect::<Vec<_>>() {
            match write.await.unwrap() {
                Ok(()) => kept += 1,
                Err(StoreError::Full | StoreError::Panicked) => {}
                Err(other) => panic!("{}: {other:?}", fresh.name),
            }
        }
        assert_eq!(kept, 50);
        let entries = fresh.db.read(|c| audit::walk(c, 0, 1_000)).await.unwrap();
        assert_eq!(entries.iter().map(|e| e.seq).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>(), "{}", fresh.name);
        assert_eq!(verify(&fresh.db, vec![]).await, Ok(50));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_refuse_changes() {
    for fresh in both() {
        append(&fresh.db, "run.requested", 1).await;
        for sql in ["UPDATE audit SET actor = 'system'", "DELETE FROM audit"] {
            assert!(raw(&fresh.db, sql).await.is_err(), "{} let pass: {sql}", fresh.name);
        }
        if fresh.name == "postgres" {
            assert!(raw(&fresh.db, "TRUNCATE audit").await.is_err());
        }
        assert_eq!(verify(&fresh.db, vec![]).await, Ok(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_tampering_is_named() {
    let kinds: [(&str, Broken); 7] = [
        ("DELETE FROM audit WHERE seq = 3", Broken::Gap { after: 2, expected: 3, found: 4 }),
        ("UPDATE audit SET actor = 'user:mallory' WHERE seq = 3", Broken::Changed { seq: 3 }),
        ("UPDATE audit SET detail = '{\"n\":9}' WHERE seq = 4", Broken::Changed { seq: 4 }),
        (
            "UPDATE audit SET seq = 100 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 100",
            Broken::Unlinked { seq: 2 },
        ),
        ("DELETE FROM audit WHERE seq > 4", Broken::Cut { expected: 6, found: 4 }),
        ("DELETE FROM audit", Broken::Cut { expected: 6, found: 0 }),
        (
            "INSERT INTO audit (seq, at, actor, source, action, resource, detail, previous, hash) \
             SELECT 7, at, actor, source, action, resource, detail, hash, previous FROM audit WHERE seq = 6",
            Broken::Changed { seq: 7 },
        ),
    ];
    for (sql, expected) in kinds {
        for fresh in both() {
            for n in 1..=6 {
                append(&fresh.db, "run.requested", n).await;
            }
            let anchor = Anchor::new(&fresh.folder.path().join("heads"), &root());
            anchor.append(&fresh.db.read(|c| audit::head(c, at(9))).await.unwrap().unwrap()).unwrap();
            assert_eq!(verify(&fresh.db, anchor.read().unwrap()).await, Ok(6));
            drop_guards(&fresh).await;
            raw(&fresh.db, sql).await.unwrap();
            // Without the heads, the database's own count still gives a cut end away.
            if let Broken::Cut { expected, found } = expected {
                assert_eq!(verify(&fresh.db, vec![]).await, Err(Broken::Short { expected, found }), "{}", fresh.name);
            }
            assert_eq!(verify(&fresh.db, anchor.read().unwrap()).await, Err(expected.clone()), "{}: {sql}", fresh.name);
        }
    }
}

/// Who has the key can forge a whole chain, but not the heads that were copied away before.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_written_anew_does_not_meet_its_heads() {
    for fresh in both() {
        for n in 1..=3 {
            append(&fresh.db, "run.requested", n).await;
        }
        let head = fresh.db.read(|c| audit::head(c, at(9))).await.unwrap().unwrap();
        drop_guards(&fresh).await;
        let zeros = "DELETE FROM audit; UPDATE audit_head SET seq = 0, \
                     hash = '0000000000000000000000000000000000000000000000000000000000000000'";
        raw(&fresh.db, zeros).await.unwrap();
        for n in 11..=14 {
            append(&fresh.db, "run.requested", n).await;
        }
        assert_eq!(verify(&fresh.db, vec![]).await, Ok(4));
        assert_eq!(verify(&fresh.db, vec![head]).await, Err(Broken::Rewritten { seq: 3 }), "{}", fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_found() {
    for fresh in both() {
        for n in 1..=8 {
            append(&fresh.db, if n < 5 { "run.requested" } else { "session.opened" }, n).await;
        }
        let numbers = |filter: Filter, before, limit| {
            let work = move |c: &mut Conn| audit::list(c, &filter, before, limit);
            let db = fresh.db.clone();
            async move { db.read(work).await.unwrap().iter().map(|e| e.seq).collect::<Vec<_>>() }
        };
        assert_eq!(numbers(Filter::default(), None, 3).await, [8, 7, 6]);
        assert_eq!(numbers(Filter::default(), Some(3), 3).await, [2, 1]);
        assert_eq!(
            numbers(Filter { actor: Principal::parse("user:alice"), ..Filter::default() }, None, 9).await,
            [8, 6, 4, 2]
        );
        assert_eq!(
            numbers(Filter { action_prefix: Some("run.".to_owned()), ..Filter::default() }, None, 9).await,
            [4, 3, 2, 1]
        );
        assert_eq!(numbers(Filter { action_prefix: Some("ru".to_owned()), ..Filter::default() }, None, 1).await, [4]);
        assert_eq!(numbers(Filter { resource: Some("run:5".to_owned()), ..Filter::default() }, None, 9).await, [5]);
        assert_eq!(numbers(Filter { project: Some("ops".to_owned()), ..Filter::default() }, None, 9).await, [6, 3]);
        assert_eq!(
            numbers(Filter { since: Some(at(7)), ..Filter::default() }, None, 9).await,
            [8, 7],
            "{}",
            fresh.name
        );
    }
}
