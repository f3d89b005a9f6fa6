//! Notices and their deliveries: each is taken by one server at a time, and leaves its list once.

use std::collections::BTreeSet;

use interlock::domain::access::{Permission, Principal};
use interlock::domain::digest::Digest;
use interlock::domain::ids::{ApprovalId, NoticeId, ProjectName, RunNumber};
use interlock::domain::notice::{Audience, NoticeKind};
use interlock::store::notices::{self, DeliveryState, NewNotice, NoticeState, Target};

use super::access::{at, job, mismatch, not_found, ops, person, system, with_project};
use super::databases::both;

fn id(n: u128) -> NoticeId {
    NoticeId::new(uuid::Uuid::from_u128(n))
}

fn new(n: u128) -> NewNotice {
    NewNotice {
        id: id(n),
        project: ops(),
        kind: NoticeKind::ApprovalAsked,
        approval: Some(ApprovalId::new(uuid::Uuid::from_u128(7))),
        run: Some(RunNumber::new(12)),
        rule: None,
        event: None,
        audience: vec![Audience::Signers, Audience::parse("role:head-of-ops").unwrap()],
        actor: Principal::parse("user:alice"),
        words: "Disk is full.\n<b>".to_owned(),
    }
}

fn target(channel: &str, recipient: &str) -> Target {
    Target { channel: channel.to_owned(), recipient: recipient.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_addressed_once() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        for kind in NoticeKind::ALL {
            let new = NewNotice { kind: *kind, approval: None, run: None, actor: None, ..new(*kind as u128 + 100) };
            db.write(move |c| notices::add(c, &system(), &new, at(500))).await.unwrap();
        }
        db.write(|c| notices::add(c, &person("a", Permission::Run, &job("web/a")), &new(2), at(2))).await.unwrap();
        db.write(|c| notices::add(c, &system(), &new(1), at(1))).await.unwrap();
        let elsewhere = NewNotice { project: ProjectName::parse("other").unwrap(), ..new(3) };
        mismatch(
            db.write(move |c| notices::add(c, &person("a", Permission::Run, &job("web/a")), &elsewhere, at(3))).await,
        );
        mismatch(db.write(|c| notices::add(c, &person("a", Permission::View, &job("web/a")), &new(3), at(3))).await);

        let due = db.read(|c| notices::due(c, at(2), 9)).await.unwrap();
        assert_eq!(due.iter().map(|n| n.id).collect::<Vec<_>>(), [id(1), id(2)], "{}", fresh.name);
        let first = due.into_iter().next().unwrap();
        assert_eq!((first.audience.clone(), first.words.as_str()), (new(1).audience, "Disk is full.\n<b>"));
        assert_eq!((first.kind, first.approval, first.run), (new(1).kind, new(1).approval, new(1).run));
        assert_eq!(first.actor, new(1).actor);

        let take = |seen: &notices::NoticeRecord, until| {
            let seen = seen.clone();
            db.write(move |c| notices::claim(c, &system(), &seen, until))
        };
        let seen = first.clone();
        mismatch(
            db.write(move |c| notices::claim(c, &person("a", Permission::Edit, &job("web/a")), &seen, at(9))).await,
        );
        assert!(take(&first, at(60)).await.unwrap());
        assert!(!take(&first, at(60)).await.unwrap(), "who looked before it was taken comes too late");
        assert_eq!(db.read(|c| notices::due(c, at(59), 1)).await.unwrap()[0].id, id(2));

        // The lease runs out; another server takes it, and the first one has nothing to say any more.
        let again = db.read(|c| notices::get(c, id(1))).await.unwrap();
        assert!(take(&again, at(120)).await.unwrap());
        let address = |attempts, targets: &[Target]| {
            let targets: BTreeSet<Target> = targets.iter().cloned().collect();
            db.write(move |c| notices::address(c, &system(), id(1), attempts, &targets, at(70)))
        };
        assert!(!address(1, &[target("mail", "user:late")]).await.unwrap());
        assert!(address(2, &[target("mail", "user:maria"), target("chat", "")]).await.unwrap());
        assert!(!address(2, &[target("mail", "user:zoe")]).await.unwrap());
        let told = db.read(|c| notices::of_notice(c, id(1))).await.unwrap();
        let told: Vec<_> = told.iter().map(|d| (d.channel.as_str(), d.recipient.as_str())).collect();
        assert_eq!(told, [("chat", ""), ("mail", "user:maria")]);
        assert_eq!(db.read(|c| notices::get(c, id(1))).await.unwrap().state, NoticeState::Addressed);

        let second = db.read(|c| notices::get(c, id(2))).await.unwrap();
        assert!(take(&second, at(60)).await.unwrap());
        db.write(|c| notices::not_addressed(c, &system(), id(2), 1, "no policy", Some(at(80)))).await.unwrap();
        assert_eq!(db.read(|c| notices::due(c, at(80), 9)).await.unwrap()[0].error, "no policy");
        db.write(|c| notices::not_addressed(c, &system(), id(2), 1, "gone", None)).await.unwrap();
        assert!(db.read(|c| notices::due(c, at(400), 9)).await.unwrap().is_empty());
        assert_eq!(db.read(|c| notices::get(c, id(2))).await.unwrap().state, NoticeState::Failed);

        assert_eq!(db.write(|c| notices::prune(c, &system(), at(2), 9)).await.unwrap(), 1);
        not_found(db.read(|c| notices::get(c, id(1))).await);
        assert!(db.read(|c| notices::of_notice(c, id(1))).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_has_one_sender_at_a_time_and_one_end() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        db.write(|c| {
            notices::add(c, &system(), &new(1), at(0))?;
            let seen = notices::get(c, id(1))?;
            notices::claim(c, &system(), &seen, at(10))?;
            let all = ["a", "b", "c", "d", "e"].map(|name| target("mail", name)).into();
            notices::address(c, &system(), id(1), 1, &all, at(1))
        })
        .await
        .unwrap();
        let one = |name: &'static str| db.read(move |c| notices::get_delivery(c, id(1), "mail", name));
        let take = |seen: &notices::DeliveryRecord, until| {
            let seen = seen.clone();
            db.write(move |c| notices::claim_delivery(c, &system(), &seen, until))
        };
        assert!(db.read(|c| notices::due_deliveries(c, at(0), 9)).await.unwrap().is_empty());
        let due = db.read(|c| notices::due_deliveries(c, at(1), 9)).await.unwrap();
        assert_eq!(due.iter().map(|d| d.recipient.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
        for delivery in &due {
            assert!(take(delivery, at(30)).await.unwrap());
            assert!(!take(delivery, at(30)).await.unwrap());
        }
        assert!(db.read(|c| notices::due_deliveries(c, at(29), 9)).await.unwrap().is_empty());

        let [a, b, c, d, e] = due.try_into().unwrap();
        let seen = a.clone();
        mismatch(
            db.write(move |c| notices::sent(c, &person("a", Permission::Edit, &job("web/a")), &seen, at(2))).await,
        );
        let sent = |seen: &notices::DeliveryRecord| {
            let seen = seen.clone();
            db.write(move |c| notices::sent(c, &system(), &seen, at(2)))
        };
        assert!(sent(&a).await.unwrap());
        assert!(!sent(&a).await.unwrap());
        // Taken over from a server that was gone: its late word does not count.
        assert!(take(&one("b").await.unwrap(), at(90)).await.unwrap());
        assert!(!sent(&b).await.unwrap());
        assert_eq!(one("b").await.unwrap().attempts, 2);
        db.write(move |x| {
            notices::unneeded(x, &system(), &c, "decided")?;
            notices::wait_until(x, &system(), &d, "refused", at(50))?;
            notices::failed(x, &system(), &e, "no such host", at(40))
        })
        .await
        .unwrap();
        assert_eq!(one("a").await.unwrap().state, DeliveryState::Sent);
        assert_eq!(one("c").await.unwrap().state, DeliveryState::Unneeded);
        assert_eq!(
            (one("d").await.unwrap().state, one("d").await.unwrap().error.as_str()),
            (DeliveryState::Waiting, "refused")
        );
        let due = db.read(|c| notices::due_deliveries(c, at(60), 9)).await.unwrap();
        assert_eq!(due.iter().map(|d| d.recipient.as_str()).collect::<Vec<_>>(), ["d"], "{}", fresh.name);

        let waiting = one("d").await.unwrap();
        assert!(take(&waiting, at(70)).await.unwrap());
        db.write(move |x| notices::failed(x, &system(), &waiting, "a day", at(40))).await.unwrap();
        let (mut after, mut seen) = (None, Vec::new());
        loop {
            let from = after.clone();
            let page = db.read(move |c| notices::list_failed(c, from.as_ref(), 1)).await.unwrap();
            let Some(last) = page.into_iter().next() else { break };
            after = Some((last.next_at, last.notice, last.channel.clone(), last.recipient.clone()));
            seen.push((last.recipient, last.error));
        }
        let told = |name: &str, error: &str| (name.to_owned(), error.to_owned());
        assert_eq!(seen, [told("e", "no such host"), told("d", "a day")], "{}", fresh.name);
    }
}

/// Many servers that see the same delivery at the same moment.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_want_a_delivery_one_gets_it() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let seen = db
            .write(|c| {
                notices::add(c, &system(), &new(1), at(0))?;
                let seen = notices::get(c, id(1))?;
                notices::claim(c, &system(), &seen, at(10))?;
                notices::address(c, &system(), id(1), 1, &[target("mail", "a")].into(), at(1))?;
                notices::get_delivery(c, id(1), "mail", "a")
            })
            .await
            .unwrap();
        let tries = (0..10).map(|_| {
            let (db, seen) = (db.clone(), seen.clone());
            tokio::spawn(async move { db.write(move |c| notices::claim_delivery(c, &system(), &seen, at(9))).await })
        });
        let mut got = 0;
        for one in tries.collect::<Vec<_>>() {
            got += usize::from(one.await.unwrap().unwrap());
        }
        assert_eq!(got, 1, "{}", fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_is_taken_once_and_forgotten_when_it_is_old() {
    use interlock::store::slack_presses::{prune, take};
    for fresh in both() {
        let db = &fresh.db;
        let one = |n: u8| move |c: &mut interlock::store::Conn| take(c, &system(), &Digest::of(&[n]), at(i64::from(n)));
        assert!(db.write(one(1)).await.unwrap());
        assert!(!db.write(one(1)).await.unwrap());
        assert!(db.write(one(2)).await.unwrap());
        mismatch(db.write(|c| take(c, &person("a", Permission::Edit, &job("web/a")), &Digest::of(b"x"), at(3))).await);
        assert_eq!(db.write(|c| prune(c, &system(), at(2))).await.unwrap(), 1);
        assert!(!db.write(one(2)).await.unwrap());
    }
}
