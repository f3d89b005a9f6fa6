//! Definitions: immutable revisions, saved only on top of the one that the author saw.

use diesel::connection::SimpleConnection;
use interlock::domain::access::{Permission, Resource};
use interlock::domain::ids::JobId;
use interlock::store::definitions::{self, Kind, NewRevision};
use interlock::store::{StoreError, projects};

use super::access::{at, conflict, digest, job, mismatch, not_found, ops, person, system, with_project};
use super::databases::both;

fn revision(id: &str, kind: Kind, name: &str, source: &str) -> NewRevision {
    NewRevision {
        id: id.to_owned(),
        project: ops(),
        kind,
        name: name.to_owned(),
        job_id: (kind == Kind::Job).then(|| JobId::parse(&format!("id-{name}").replace('/', "-")).unwrap()),
        source: source.to_owned(),
        canonical: source.to_owned(),
        digest: digest(source),
        message: "because".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_follow_each_other() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        assert!(!db.write(|c| projects::ensure(c, &system(), &ops(), at(1))).await.unwrap());
        let save = |id: &'static str, name: &'static str, source: &'static str, expected: i64| {
            let new = revision(id, Kind::Job, name, source);
            let permit = person("alice", Permission::Edit, &job(name));
            db.write(move |c| definitions::save_revision(c, &permit, &new, expected, at(expected)))
        };
        let first = save("d1", "web/restart", "one", 0).await.unwrap();
        assert_eq!((first.id.as_str(), first.revision), ("d1", 1));
        conflict(save("d2", "web/restart", "again", 0).await);
        assert_eq!(save("unused", "web/restart", "two", 1).await.unwrap().id, "d1");
        conflict(save("unused", "web/restart", "late", 1).await);
        conflict(save("unused", "nothing", "late", 3).await);
        let wrong = person("alice", Permission::Edit, &job("web/other"));
        let new = revision("d3", Kind::Job, "web/restart", "x");
        mismatch(db.write(move |c| definitions::save_revision(c, &wrong, &new, 2, at(3))).await);
        // Another job may not take the id.
        let mut thief = revision("d4", Kind::Job, "web/thief", "x");
        thief.job_id = Some(JobId::parse("id-web-restart").unwrap());
        conflict(db.write(move |c| definitions::save_revision(c, &system(), &thief, 0, at(3))).await);

        let history = db.read(|c| definitions::history(c, "d1", None, 10)).await.unwrap();
        assert_eq!(
            history.iter().map(|r| (r.revision, r.source.as_str())).collect::<Vec<_>>(),
            [(2, "two"), (1, "one")]
        );
        assert_eq!(history[0].author, "user:alice");
        assert_eq!(db.read(|c| definitions::revision(c, "d1", 1)).await.unwrap().digest, digest("one"));
        not_found(db.read(|c| definitions::revision(c, "d1", 9)).await);
        let by_id =
            db.read(|c| definitions::find_job(c, &ops(), &JobId::parse("id-web-restart").unwrap())).await.unwrap();
        assert_eq!(by_id.unwrap().name, "web/restart");

        conflict(db.write(|c| definitions::delete(c, &system(), "d1", 1, at(4))).await);
        mismatch(db.write(|c| definitions::delete(c, &person("a", Permission::Edit, &job("x")), "d1", 2, at(4))).await);
        db.write(|c| definitions::delete(c, &system(), "d1", 2, at(4))).await.unwrap();
        not_found(db.write(|c| definitions::delete(c, &system(), "d1", 2, at(4))).await);
        assert_eq!(db.read(|c| definitions::find(c, &ops(), Kind::Job, "web/restart")).await.unwrap(), None);
        assert_eq!(save("d5", "web/restart", "anew", 0).await.unwrap().revision, 1);
        assert_eq!(db.read(|c| definitions::history(c, "d1", None, 10)).await.unwrap().len(), 2, "the old ones stay");

        let access = revision("d6", Kind::Access, "access", "roles");
        let settings = person("alice", Permission::Edit, &Resource::Project { project: ops() });
        db.write(move |c| definitions::save_revision(c, &settings, &access, 0, at(5))).await.unwrap();
        let current = db.read(|c| definitions::current(c, Kind::Access, None)).await.unwrap();
        assert_eq!(
            current.iter().map(|(d, r)| (d.id.as_str(), r.source.as_str())).collect::<Vec<_>>(),
            [("d6", "roles")]
        );
        for name in ["a", "Z", "a/b"] {
            save(name, name, "x", 0).await.unwrap();
        }
        let list = db.read(|c| definitions::list(c, &ops(), Kind::Job, None, 3)).await.unwrap();
        assert_eq!(list.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["Z", "a", "a/b"], "{}", fresh.name);
        let rest = db.read(|c| definitions::list(c, &ops(), Kind::Job, Some("a/b"), 3)).await.unwrap();
        assert_eq!(rest.len(), 1);

        for statement in ["UPDATE revisions SET source = 'x'", "DELETE FROM revisions"] {
            let refused = db.write(move |c| Ok::<_, StoreError>(c.batch_execute(statement)?)).await;
            assert!(refused.is_err(), "{} let pass: {statement}", fresh.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_authors_at_once_one_saves() {
    for fresh in both() {
        with_project(&fresh.db).await;
        let tries = (0..20).map(|i| {
            let db = fresh.db.clone();
            let new = revision(&format!("d{i}"), Kind::Job, "j", &format!("text {i}"));
            tokio::spawn(
                async move { db.write(move |c| definitions::save_revision(c, &system(), &new, 0, at(0))).await },
            )
        });
        let mut saved = 0;
        for tried in tries.collect::<Vec<_>>() {
            match tried.await.unwrap() {
                Ok(_) => saved += 1,
                refused => conflict(refused),
            }
        }
        assert_eq!(saved, 1, "{}", fresh.name);
    }
}
