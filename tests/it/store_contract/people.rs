//! Accounts, sessions, tokens and sign-in.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use interlock::domain::access::{Permission, Principal, Resource};
use interlock::domain::ids::GroupName;
use interlock::store::sessions::NewSession;
use interlock::store::tokens::NewToken;
use interlock::store::users::NewUser;
use interlock::store::{Conn, installation, sessions, sign_in, tokens, users};

use super::access::{at, conflict, digest, mismatch, not_found, person, system, user};
use super::databases::both;

fn new_user(name: &str, administrator: bool) -> NewUser {
    let groups = BTreeSet::from([GroupName::parse("sre").unwrap()]);
    NewUser { name: user(name), password_hash: Some("$argon2id$x".to_owned()), groups, administrator }
}

fn new_session(cookie: &str, name: &str) -> NewSession {
    NewSession {
        id_hash: digest(cookie),
        user: user(name),
        csrf: "c".to_owned(),
        expires_at: at(1_000),
        ip: "127.0.0.1".to_owned(),
        user_agent: "curl".to_owned(),
    }
}

fn own(name: &str) -> interlock::domain::access::Permit {
    person(name, Permission::Edit, &Resource::Account { name: user(name) })
}

#[tokio::test(flavor = "multi_thread")]
async fn people_and_their_sessions() {
    for fresh in both() {
        let db = &fresh.db;
        assert!(!db.read(users::any_administrator).await.unwrap());
        for name in ["bob", "alice", "carol"] {
            let admin = name == "alice";
            let made = db.write(move |c| users::create(c, &system(), &new_user(name, admin), at(0))).await.unwrap();
            assert_eq!(made.created_at.timestamp_subsec_nanos(), 123_456_000, "{}", fresh.name);
        }
        assert!(db.read(users::any_administrator).await.unwrap());
        conflict(db.write(|c| users::create(c, &system(), &new_user("bob", false), at(0))).await);
        mismatch(db.write(|c| users::create(c, &own("bob"), &new_user("bob2", true), at(0))).await);
        mismatch(db.write(|c| users::set_password(c, &own("bob"), &user("alice"), "x", at(0))).await);
        let look = || person("bob", Permission::View, &Resource::Account { name: user("bob") });
        mismatch(db.write(move |c| users::set_password(c, &look(), &user("bob"), "x", at(0))).await);
        mismatch(db.write(|c| users::set_administrator(c, &own("bob"), &user("bob"), true)).await);
        mismatch(db.write(|c| users::set_groups(c, &own("bob"), &user("bob"), &BTreeSet::new())).await);
        not_found(db.write(|c| users::set_active(c, &system(), &user("nobody"), true)).await);
        db.write(|c| users::set_password(c, &own("bob"), &user("bob"), "new", at(5))).await.unwrap();
        let bob = db.read(|c| users::find(c, &user("bob"))).await.unwrap().unwrap();
        assert_eq!(bob.password_hash.as_deref(), Some("new"));
        assert!(bob.active && !bob.administrator && bob.groups.len() == 1);
        assert!(!format!("{bob:?}").contains("new"));
        let page = db.read(|c| users::list(c, Some(&user("alice")), 10)).await.unwrap();
        assert_eq!(page.iter().map(|u| u.name.as_str()).collect::<Vec<_>>(), ["bob", "carol"]);

        for cookie in ["one", "two", "three"] {
            db.write(move |c| sessions::open(c, &new_session(cookie, "bob"), at(10))).await.unwrap();
        }
        let live =
            |cookie: &'static str, when: i64| db.read(move |c| sessions::find_live(c, &digest(cookie), at(when)));
        let one = live("one", 20).await.unwrap().unwrap();
        assert_eq!((one.session.user.as_str(), one.administrator, one.groups.len()), ("bob", false, 1));
        assert!(live("one", 1_001).await.unwrap().is_none(), "expired");
        assert!(live("other", 20).await.unwrap().is_none());
        db.write(|c| sessions::reauthenticate(c, &digest("one"), at(30))).await.unwrap();
        db.write(|c| sessions::touch(c, &digest("one"), at(40))).await.unwrap();
        let one = live("one", 50).await.unwrap().unwrap().session;
        assert!(one.authenticated_at < one.last_seen_at && one.created_at < one.authenticated_at);
        mismatch(db.write(|c| sessions::end(c, &own("carol"), &user("bob"), &digest("one"), at(50))).await);
        assert!(!db.write(|c| sessions::end(c, &own("carol"), &user("carol"), &digest("one"), at(50))).await.unwrap());
        assert_eq!(
            db.write(|c| sessions::end_all(c, &own("bob"), &user("bob"), Some(&digest("one")), at(50))).await.unwrap(),
            2
        );
        assert!(live("two", 51).await.unwrap().is_none());
        not_found(db.write(|c| sessions::reauthenticate(c, &digest("two"), at(52))).await);
        assert_eq!(db.read(|c| sessions::list_live(c, &user("bob"), at(52), 10)).await.unwrap().len(), 1);
        db.write(|c| users::set_active(c, &system(), &user("bob"), false)).await.unwrap();
        assert!(live("one", 53).await.unwrap().is_none(), "an account that was switched off has no session");
        assert_eq!(db.write(|c| sessions::prune(c, at(2_000))).await.unwrap(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_sign_in() {
    for fresh in both() {
        let db = &fresh.db;
        let new = |id: &str, principal: &str, expires: Option<i64>| NewToken {
            id: id.to_owned(),
            token_hash: digest(id),
            principal: Principal::parse(principal).unwrap(),
            label: "ci".to_owned(),
            scopes: Some(BTreeSet::from([Permission::Run, Permission::View])),
            expires_at: expires.map(at),
        };
        for (i, id) in ["a", "b", "c"].into_iter().enumerate() {
            let token = new(id, "user:bob", (id == "b").then_some(100));
            let when = at(i64::try_from(i).unwrap() / 2);
            let made = db.write(move |c| tokens::create(c, &own("bob"), &token, when)).await.unwrap();
            assert_eq!(made.scopes.unwrap().len(), 2);
        }
        let hooks = new("h", "service:hooks", None);
        mismatch(
            db.write({
                let hooks = hooks.clone();
                move |c| tokens::create(c, &own("bob"), &hooks, at(0))
            })
            .await,
        );
        db.write(move |c| tokens::create(c, &system(), &hooks, at(0))).await.unwrap();
        let again = new("a", "user:bob", None);
        conflict(db.write(move |c| tokens::create(c, &own("bob"), &again, at(0))).await);
        let live = |id: &'static str, when| db.read(move |c| tokens::find_live(c, &digest(id), at(when)));
        assert_eq!(live("b", 99).await.unwrap().unwrap().id, "b");
        assert!(live("b", 101).await.unwrap().is_none());
        mismatch(db.write(|c| tokens::revoke(c, &own("carol"), "a", at(5))).await);
        assert!(db.write(|c| tokens::revoke(c, &own("bob"), "a", at(5))).await.unwrap());
        assert!(!db.write(|c| tokens::revoke(c, &own("bob"), "a", at(6))).await.unwrap());
        assert!(live("a", 6).await.unwrap().is_none());
        db.write(|c| tokens::touch(c, "c", at(7))).await.unwrap();
        let bobs = Principal::parse("user:bob").unwrap();
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let (whose, from) = (bobs.clone(), after.clone());
            let page = db.read(move |c| tokens::list(c, Some(&whose), from, 1)).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id.clone()));
            seen.push(last.id.clone());
        }
        assert_eq!(seen, ["c", "b", "a"], "{}", fresh.name);

        for n in 1..=3 {
            assert_eq!(db.write(|c| sign_in::add_failure(c, "mallory", at(1))).await.unwrap().count, n);
        }
        db.write(|c| sign_in::clear_failures(c, "mallory")).await.unwrap();
        assert_eq!(db.read(|c| sign_in::failures(c, "mallory")).await.unwrap(), None);
        db.write(|c| sign_in::add_setup_link(c, &digest("link"), at(0))).await.unwrap();
        assert!(!db.write(|c| sign_in::use_setup_link(c, &digest("link"), at(1), at(2))).await.unwrap(), "too old");
        let tries = (0..10).map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.write(|c| sign_in::use_setup_link(c, &digest("link"), at(-1), at(2))).await })
        });
        let mut used = 0;
        for tried in tries.collect::<Vec<_>>() {
            used += u32::from(tried.await.unwrap().unwrap());
        }
        assert_eq!(used, 1, "{}", fresh.name);

        assert_eq!(db.read(installation::find).await.unwrap(), None);
        let first = db.write(|c| installation::found(c, "i1", at(0))).await.unwrap();
        assert_eq!(db.write(|c| installation::found(c, "i2", at(9))).await.unwrap(), first);
        assert_eq!(first.id, "i1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loser_of_a_deadlock_is_tried_again() {
    for fresh in both() {
        for name in ["alice", "bob"] {
            fresh.db.write(move |c| users::create(c, &system(), &new_user(name, false), at(0))).await.unwrap();
        }
        // Each holds its first row until the other holds its own, so the first try of both cannot end well.
        let held = Arc::new(Barrier::new(2));
        let tries = Arc::new(AtomicU32::new(0));
        let won = Arc::new(AtomicBool::new(false));
        let cross = |first: &'static str, second: &'static str| {
            let (db, held, tries) = (fresh.db.clone(), Arc::clone(&held), Arc::clone(&tries));
            let (won, done) = (Arc::clone(&won), Arc::clone(&won));
            tokio::spawn(async move {
                let written = db.write(move |c| {
                    let number = tries.fetch_add(1, Ordering::SeqCst);
                    // The loser's next try may not have its first row before the winner has its second one: they would
                    // only meet again.
                    while number == 2 && !won.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    users::set_password(c, &system(), &user(first), first, at(1))?;
                    // SQLite has one writer, so there is nobody to wait for.
                    if matches!(c, Conn::Postgres(_)) && number < 2 {
                        held.wait();
                    }
                    users::set_password(c, &system(), &user(second), first, at(1))
                });
                let written = written.await;
                done.store(true, Ordering::SeqCst);
                written
            })
        };
        let (one, two) = (cross("alice", "bob"), cross("bob", "alice"));
        one.await.unwrap().unwrap();
        two.await.unwrap().unwrap();
        let expected = if fresh.name == "postgres" { 3 } else { 2 };
        assert_eq!(tries.load(Ordering::SeqCst), expected, "{}", fresh.name);
        let hash = |name: &'static str| fresh.db.read(move |c| users::find(c, &user(name)));
        let (alice, bob) = (hash("alice").await.unwrap().unwrap(), hash("bob").await.unwrap().unwrap());
        assert_eq!(alice.password_hash, bob.password_hash, "{}: one whole write is on top", fresh.name);
    }
}
