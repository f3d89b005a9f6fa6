//! Labels once, answers for a while, calls within a budget, and what people taught.

use interlock::domain::access::{Permission, Resource};
use interlock::domain::enricher::label::Label;
use interlock::domain::ids::{EnricherName, EventId};
use interlock::store::enrichment::{EnricherRef, answers, labels, taught};
use interlock::store::{Conn, StoreError};

use super::access::{at, digest, mismatch, ops, person, system, with_project};
use super::databases::both;

fn by() -> EnricherRef {
    EnricherRef { definition: "d-1".to_owned(), project: ops(), name: EnricherName::parse("triage").unwrap() }
}

fn event(n: u128) -> EventId {
    EventId::new(uuid::Uuid::from_u128(n))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_label_an_event_one_does() {
    for fresh in both() {
        with_project(&fresh.db).await;
        let tries = (0..20).map(|n| {
            let db = fresh.db.clone();
            let label = Label::given(&format!("label-{n}"), 0.5, "");
            tokio::spawn(async move {
                db.write(move |c| labels::insert_once(c, &system(), &by(), 1, event(7), &label, at(0))).await.unwrap()
            })
        });
        let mut stored = 0;
        for tried in tries.collect::<Vec<_>>() {
            stored += usize::from(tried.await.unwrap());
        }
        let found = fresh.db.read(|c| labels::of_event(c, event(7))).await.unwrap();
        assert_eq!((stored, found.len()), (1, 1), "{}", fresh.name);
        assert_eq!((found[0].label.confidence, found[0].enricher.as_str()), (0.5, "triage"));
        let removed = fresh.db.write(|c| labels::prune(c, &system(), &ops(), at(1))).await.unwrap();
        assert_eq!(removed, 1, "{}", fresh.name);
        let foreign = |c: &mut Conn| {
            let permit = person("alice", Permission::Edit, &Resource::Events { project: ops() });
            labels::insert_once(c, &permit, &by(), 1, event(8), &Label::none("x"), at(0))
        };
        mismatch(fresh.db.write(foreign).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_spend_a_budget_no_more_than_it_has_are_let() {
    for fresh in both() {
        let tries = (0..30).map(|_| {
            let db = fresh.db.clone();
            tokio::spawn(
                async move { db.write(|c| answers::spend(c, &system(), &by(), at(0), at(60), 7)).await.unwrap() },
            )
        });
        let mut granted = 0;
        for tried in tries.collect::<Vec<_>>() {
            granted += usize::from(tried.await.unwrap());
        }
        assert_eq!(granted, 7, "{}", fresh.name);
        assert_eq!(fresh.db.read(|c| answers::spent(c, "d-1", at(0))).await.unwrap(), 7);
        assert!(fresh.db.write(|c| answers::spend(c, &system(), &by(), at(60), at(120), 7)).await.unwrap());
        assert_eq!(fresh.db.write(|c| answers::prune(c, &system(), at(60))).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_remembered_until_its_time() {
    for fresh in both() {
        let key = digest("one");
        for (class, until) in [("a", 10), ("b", 20)] {
            let label = Label::given(class, 1.0, "because").quoting();
            fresh.db.write(move |c| answers::remember(c, &system(), &by(), &key, &label, at(until))).await.unwrap();
        }
        let found = |seconds| {
            let db = fresh.db.clone();
            async move { db.read(move |c| answers::find(c, &key, at(seconds))).await.unwrap() }
        };
        let label = found(19).await.unwrap();
        assert_eq!((label.class.as_deref(), label.quoted), (Some("b"), true), "{}", fresh.name);
        assert_eq!(found(20).await, None);
        assert_eq!(fresh.db.write(|c| answers::prune(c, &system(), at(20))).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_that_somebody_gave_replaces_the_one_before() {
    for fresh in both() {
        let db = &fresh.db;
        let stamp = || db.read(|c| taught::stamp_of(c, "d-1"));
        let begun = stamp().await.unwrap();
        for (n, label, seconds) in [(1, "a", 0), (2, "b", 1), (1, "b", 2)] {
            db.write(move |c| taught::set(c, &system(), &by(), event(n), label, "some text", at(seconds)))
                .await
                .unwrap();
        }
        let newest = db.read(|c| taught::newest(c, "d-1", 10)).await.unwrap();
        let told: Vec<_> = newest.iter().map(|t| (t.event_id, t.label.as_str())).collect();
        assert_eq!(told, [(event(1), "b"), (event(2), "b")], "{}", fresh.name);
        let after = stamp().await.unwrap();
        assert_ne!(begun, after);
        assert!(db.write(|c| taught::take_back(c, &system(), &by(), event(1))).await.unwrap());
        assert!(!db.write(|c| taught::take_back(c, &system(), &by(), event(1))).await.unwrap());
        assert_ne!(after, stamp().await.unwrap());
        let found: Result<_, StoreError> = db.read(|c| taught::of_event(c, "d-1", event(2))).await;
        assert_eq!(found.unwrap().unwrap().text, "some text");
    }
}
