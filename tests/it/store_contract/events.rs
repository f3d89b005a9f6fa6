//! Events once, webhook tokens, idempotency keys.

use std::collections::BTreeMap;

use interlock::domain::access::{Permission, Principal, Resource};
use interlock::domain::event::{Event, EventVerdict};
use interlock::domain::ids::{EventId, RunNumber, WebhookName};
use interlock::store::events::history::Filter;
use interlock::store::events::{self, Stored};
use interlock::store::idempotency::{self, Claim};
use interlock::store::webhook_tokens;

use super::access::{at, digest, mismatch, not_found, ops, person, system, with_project};
use super::databases::both;

fn event(n: u128, source: &str, key: &str, seconds: i64) -> Event {
    Event {
        id: EventId::new(uuid::Uuid::from_u128(n)),
        project: ops(),
        received_at: at(seconds),
        source: source.to_owned(),
        event_type: "webhook.pagerduty".to_owned(),
        payload: "{\"a\":1}".to_owned(),
        dedupe_key: key.to_owned(),
        verdict: EventVerdict::Pending,
        detail: String::new(),
        run: None,
        depth: 0,
        awaits_rules: false,
    }
}

fn hook(name: &str) -> Resource {
    Resource::Webhook { project: ops(), name: name.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_50_equal_deliveries_at_once_one_is_stored() {
    for fresh in both() {
        with_project(&fresh.db).await;
        let tries = (0..50).map(|n| {
            let db = fresh.db.clone();
            let event = event(n, "webhook:pagerduty", "delivery-1", 0);
            tokio::spawn(async move {
                let stored = db.write(move |c| events::insert_event_once(c, &system(), &event, &BTreeMap::new())).await;
                match stored.unwrap() {
                    Stored::Inserted => (1, EventId::new(uuid::Uuid::from_u128(n))),
                    Stored::Duplicate(first) => (0, first.id),
                }
            })
        });
        let (mut inserted, mut ids) = (0, std::collections::BTreeSet::new());
        for tried in tries.collect::<Vec<_>>() {
            let (new, id) = tried.await.unwrap();
            inserted += new;
            ids.insert(id);
        }
        assert_eq!((inserted, ids.len()), (1, 1), "{}: one row, and everybody hears of it", fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_decided_listed_and_pruned() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let put = |event: Event, resource: Resource| {
            let permit = person("hooks", Permission::Run, &resource);
            let headers = BTreeMap::from([("x-id".to_owned(), "7".to_owned())]);
            db.write(move |c| events::insert_event_once(c, &permit, &event, &headers))
        };
        for n in 1..=4u32 {
            let source = if n == 3 { "api" } else { "webhook:a" };
            let resource = if n == 3 { Resource::Events { project: ops() } } else { hook("a") };
            put(event(n.into(), source, &format!("k{n}"), i64::from(n) / 2), resource).await.unwrap();
        }
        mismatch(put(event(9, "webhook:a", "k9", 0), hook("b")).await);
        mismatch(put(event(9, "api", "k9", 0), hook("api")).await);
        let id = EventId::new(uuid::Uuid::from_u128(2));
        assert_eq!(db.read(move |c| events::headers(c, id)).await.unwrap()["x-id"], "7");
        assert_eq!(db.read(|c| events::pending(c, 10)).await.unwrap().len(), 4);
        let run = Some(RunNumber::new(5));
        let set = |resource| {
            let permit = person("hooks", Permission::Run, &resource);
            db.write(move |c| events::set_verdict(c, &permit, id, EventVerdict::Ran, "it ran", run))
        };
        mismatch(set(hook("b")).await);
        set(hook("a")).await.unwrap();
        let found = db.read(move |c| events::get(c, id)).await.unwrap();
        assert_eq!(
            (found.verdict, found.run, found.detail.as_str(), found.received_at),
            (EventVerdict::Ran, run, "it ran", event(2, "", "", 1).received_at - chrono::TimeDelta::nanoseconds(789))
        );
        not_found(db.read(|c| events::get(c, EventId::new(uuid::Uuid::from_u128(99)))).await);

        for (source, expected) in [(None, vec![4, 3, 2, 1]), (Some("webhook:a"), vec![4, 2, 1])] {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let filter = Filter { source: source.map(str::to_owned), ..Filter::default() };
                let page = db.read(move |c| events::list(c, &ops(), &filter, after, 1)).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some((last.received_at, last.id));
                seen.push(last.id);
            }
            let expected: Vec<EventId> = expected.into_iter().map(|n| EventId::new(uuid::Uuid::from_u128(n))).collect();
            assert_eq!(seen, expected, "{}", fresh.name);
        }
        assert_eq!(db.write(|c| events::prune(c, &system(), &ops(), at(1), 9)).await.unwrap(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhook_tokens_and_idempotency_keys() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let name = || WebhookName::parse("a").unwrap();
        let put = |token: &'static str, resource: Resource| {
            let permit = person("alice", Permission::Edit, &resource);
            db.write(move |c| webhook_tokens::put(c, &permit, &ops(), &name(), b"nonce", &digest(token), at(0)))
        };
        mismatch(put("t1", hook("b")).await);
        put("t1", hook("a")).await.unwrap();
        put("t2", hook("a")).await.unwrap();
        assert!(db.read(|c| webhook_tokens::find(c, &digest("t1"))).await.unwrap().is_none(), "the old one is gone");
        assert_eq!(db.read(|c| webhook_tokens::find(c, &digest("t2"))).await.unwrap().unwrap().name, "a");
        let found = db.read(move |c| webhook_tokens::of_webhook(c, &ops(), &name())).await.unwrap().unwrap();
        assert_eq!((found.nonce.as_slice(), found.token_hash), (b"nonce".as_slice(), digest("t2")));

        let who = || Principal::parse("user:alice").unwrap();
        let claim = |body: &'static str| {
            db.write(move |c| idempotency::claim(c, &who(), "k", "POST /runs", &digest(body), at(0), at(-300)))
        };
        assert_eq!(claim("x").await.unwrap(), Claim::New);
        assert_eq!(claim("x").await.unwrap(), Claim::UnderWay);
        assert_eq!(claim("y").await.unwrap(), Claim::OtherRequest);
        db.write(move |c| idempotency::release(c, &who(), "k")).await.unwrap();
        assert_eq!(claim("x").await.unwrap(), Claim::New);
        db.write(move |c| idempotency::complete(c, &who(), "k", 201, "{}")).await.unwrap();
        assert_eq!(claim("x").await.unwrap(), Claim::Answered { status: 201, body: "{}".to_owned() });
        db.write(move |c| idempotency::release(c, &who(), "k")).await.unwrap();
        assert!(matches!(claim("x").await.unwrap(), Claim::Answered { .. }), "an answer is not given up");
        not_found(db.write(move |c| idempotency::complete(c, &who(), "other", 201, "{}")).await);
        assert_eq!(db.write(|c| idempotency::prune(c, at(1))).await.unwrap(), 1);
    }
}
