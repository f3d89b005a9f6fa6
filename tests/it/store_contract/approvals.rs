//! Approval requests and signatures.

use std::collections::BTreeSet;

use interlock::domain::access::{Permission, Permit, Principal};
use interlock::domain::approval::{ApprovalPolicy, Need, Reasons, RequestState, Verdict};
use interlock::domain::ids::{ApprovalId, PolicyName, RoleName};
use interlock::domain::run::State;
use interlock::domain::time::Seconds;
use interlock::store::approval_timers;
use interlock::store::approvals::{self, Filter, NewApproval, SignatureRecord};

use super::access::{at, conflict, digest, job, mismatch, not_found, ops, path, person, system, user, with_project};
use super::databases::both;
use super::runs::{make, new_run};

fn policy() -> ApprovalPolicy {
    ApprovalPolicy {
        name: PolicyName::parse("production-change").unwrap(),
        when: None,
        need: vec![Need { role: RoleName::parse("manager").unwrap(), count: 2, when: None }],
        self_approval: false,
        expires: Seconds::new(3_600),
        start_within: None,
        remind: None,
        escalate: None,
        reasons: Reasons { request_required: true, approve_required: false, reject_required: true },
        break_glass: None,
    }
}

fn id(n: u128) -> ApprovalId {
    ApprovalId::new(uuid::Uuid::from_u128(n))
}

fn signature(name: &str, seconds: i64) -> SignatureRecord {
    SignatureRecord {
        user: user(name),
        verdict: Verdict::Approve,
        reason: "fine".to_owned(),
        roles: BTreeSet::from([RoleName::parse("manager").unwrap()]),
        digest: digest("{}"),
        source: "127.0.0.1".to_owned(),
        at: at(seconds),
        known_as: BTreeSet::from([user(name)]),
        on_behalf_of: None,
    }
}

fn signer(name: &str) -> Permit {
    person(name, Permission::Approve, &job("web/a"))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_signed_and_decided_once() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        for n in 1..=4u32 {
            let run = make(db, new_run("a", State::PendingApproval), i64::from(n)).await;
            let new = NewApproval {
                id: id(u128::from(n)),
                run,
                project: ops(),
                job_path: path("web/a"),
                policy: policy(),
                need: policy().need,
                plan_digest: digest("{}"),
                requester: Principal::parse("user:alice").unwrap(),
                expires_at: at(1_000 * i64::from(n)),
                known_as: BTreeSet::new(),
                replaces: None,
            };
            // Two of them in the same moment.
            let when = at(i64::from(n) / 2);
            db.write(move |c| approvals::create(c, &system(), &new, when)).await.unwrap();
        }
        let sign =
            |permit: Permit, n: u128, s: SignatureRecord| db.write(move |c| approvals::sign(c, &permit, id(n), &s));
        sign(signer("maria"), 1, signature("maria", 9)).await.unwrap();
        conflict(sign(signer("maria"), 1, signature("maria", 9)).await);
        mismatch(sign(signer("maria"), 1, signature("mo", 9)).await);
        mismatch(sign(person("mo", Permission::View, &job("web/a")), 1, signature("mo", 9)).await);
        mismatch(sign(person("mo", Permission::Approve, &job("web/b")), 1, signature("mo", 9)).await);
        mismatch(sign(system(), 1, signature("mo", 9)).await);
        not_found(sign(signer("mo"), 99, signature("mo", 9)).await);
        sign(signer("mo"), 1, signature("mo", 8)).await.unwrap();
        let (approval, signed) = db.read(|c| approvals::get_signed(c, id(1))).await.unwrap();
        assert_eq!((approval.policy, approval.state), (policy(), RequestState::Pending));
        assert_eq!(signed.iter().map(|s| s.user.as_str()).collect::<Vec<_>>(), ["mo", "maria"]);
        assert_eq!(signed[0].roles.len(), 1);

        let set = |to: RequestState, reason: Option<&'static str>| {
            db.write(move |c| approvals::set_state(c, &signer("mo"), id(1), RequestState::Pending, to, reason, at(20)))
        };
        set(RequestState::Approved, None).await.unwrap();
        conflict(set(RequestState::Void, Some("late")).await);
        conflict(sign(signer("zoe"), 1, signature("zoe", 30)).await);
        let approval = db.read(|c| approvals::get(c, id(1))).await.unwrap();
        assert_eq!((approval.state, approval.void_reason), (RequestState::Approved, None));

        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let filter = Filter { state: Some(RequestState::Pending), projects: vec![ops()] };
            let page = db.read(move |c| approvals::list(c, &filter, after, 1)).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.created_at, last.id));
            seen.push(last.id);
        }
        assert_eq!(seen, [id(4), id(3), id(2)], "{}", fresh.name);
        assert_eq!(db.read(|c| approvals::list(c, &Filter::default(), None, 9)).await.unwrap().len(), 4);
        // The decision took the timers of the first one away.
        let late = db.read(|c| approval_timers::due(c, at(3_602), 9)).await.unwrap();
        assert_eq!(late.iter().map(|t| t.approval).collect::<Vec<_>>(), [id(2), id(3), id(4)]);
    }
}

/// Two people who sign at the same moment: the second sees the first, so exactly one of them completes the quorum.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_several_signatures_at_once_sees_all_others() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let run = make(db, new_run("a", State::PendingApproval), 0).await;
        let new = NewApproval {
            id: id(1),
            run,
            project: ops(),
            job_path: path("web/a"),
            policy: policy(),
            need: policy().need,
            plan_digest: digest("{}"),
            requester: Principal::parse("user:alice").unwrap(),
            expires_at: at(1_000),
            known_as: BTreeSet::new(),
            replaces: None,
        };
        db.write(move |c| approvals::create(c, &system(), &new, at(0))).await.unwrap();
        let people = (0..10).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                let name = format!("m{i}");
                db.write(move |c| {
                    approvals::sign(c, &signer(&name), id(1), &signature(&name, 1))?;
                    Ok::<_, interlock::store::StoreError>(approvals::get_signed(c, id(1))?.1.len())
                })
                .await
                .unwrap()
            })
        });
        let mut seen = BTreeSet::new();
        for person in people.collect::<Vec<_>>() {
            seen.insert(person.await.unwrap());
        }
        assert_eq!(seen, (1..=10).collect(), "{}", fresh.name);
    }
}
