use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;

/// Accounts, the person behind each, and the roles that each holds at first. `alice` asks.
const ACCOUNTS: [(&str, &str, &[&str]); 6] = [
    ("alice", "alice", &["manager", "dba"]),
    ("alice-adm", "alice", &["manager"]),
    ("bob", "bob", &["manager", "dba"]),
    ("bob-adm", "bob", &["dba"]),
    ("carol", "carol", &["manager"]),
    ("dave", "dave", &["dba"]),
];
const EXPIRES: i64 = 3_600;
const START_WITHIN: i64 = 1_800;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

fn party(account: usize) -> Party {
    let (name, person, _) = ACCOUNTS[account];
    Party::new(&user(name), [user(person)])
}

fn digest(right: bool) -> Digest {
    Digest::of(if right { b"plan" } else { b"else" })
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn need() -> Vec<Need> {
    [("manager", 1), ("dba", 1)].map(|(name, count)| Need { role: role(name), count, when: None }).into()
}

fn request() -> Request {
    Request {
        state: RequestState::Pending,
        digest: digest(true),
        requester: Some(party(0)),
        need: need(),
        self_approval: false,
        expires_at: at(EXPIRES),
        start_before: None,
        reasons: Reasons { request_required: false, approve_required: false, reject_required: true },
        signatures: Vec::new(),
    }
}

fn signer(account: usize) -> Signer {
    let (name, _, roles) = ACCOUNTS[account];
    Signer {
        person: Some((user(name), party(account))),
        speaks_for: None,
        delegated: false,
        roles: roles.iter().map(|r| role(r)).collect(),
        may_approve: true,
        authenticated_at: Some(at(0)),
    }
}

fn answer(request: &Request, signer: &Signer, verdict: Verdict, reason: &str) -> Result<RequestState, &'static str> {
    let event = Event::Decision { signer, verdict, seen: &digest(true), reason };
    match next(request, event, at(1)) {
        Ok(moved) => Ok(moved.state),
        Err(Refused::Decision(refused)) => Err(refused.code()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_refusal_has_its_own_reason() {
    let approve = |request: &Request, signer: &Signer| answer(request, signer, Verdict::Approve, "");
    let bob = signer(2);
    assert_eq!(approve(&request(), &bob), Ok(RequestState::Pending));
    assert_eq!(approve(&request(), &Signer { person: None, ..bob.clone() }), Err("not_a_person"));
    assert_eq!(approve(&request(), &Signer { may_approve: false, ..bob.clone() }), Err("not_entitled"));
    assert_eq!(approve(&request(), &Signer { roles: [role("other")].into(), ..bob.clone() }), Err("not_entitled"));
    assert_eq!(approve(&request(), &signer(0)), Err("own_request"));
    assert_eq!(approve(&request(), &signer(1)), Err("own_request"));
    assert_eq!(approve(&Request { self_approval: true, ..request() }, &signer(0)), Ok(RequestState::Pending));
    assert_eq!(approve(&request(), &Signer { authenticated_at: None, ..bob.clone() }), Err("stale_session"));
    let long_ago = at(0) - FRESH_FOR.to_delta();
    assert_eq!(approve(&request(), &Signer { authenticated_at: Some(long_ago), ..bob.clone() }), Err("stale_session"));
    assert_eq!(approve(&Request { expires_at: at(1), ..request() }, &bob), Err("request_closed"));
    assert_eq!(approve(&Request { digest: digest(false), ..request() }, &bob), Err("other_plan"));
    for state in RequestState::ALL.into_iter().filter(|s| *s != RequestState::Pending) {
        assert_eq!(approve(&Request { state, ..request() }, &bob), Err("request_closed"));
    }
    assert_eq!(answer(&request(), &bob, Verdict::Reject, " "), Err("reason_required"));
    assert_eq!(answer(&request(), &bob, Verdict::PushBack, ""), Err("reason_required"));
    assert_eq!(answer(&request(), &bob, Verdict::PushBack, "not on a Friday"), Ok(RequestState::PushedBack));
}

#[test]
fn who_approved_may_still_say_no_but_not_yes_again() {
    let mut signed = request();
    signed.signatures.push(Signature {
        user: user("bob"),
        party: party(2),
        roles: [role("manager")].into(),
        digest: digest(true),
    });
    assert_eq!(answer(&signed, &signer(2), Verdict::Approve, ""), Err("signed_already"));
    assert_eq!(answer(&signed, &signer(3), Verdict::Approve, ""), Err("signed_already"), "a second account");
    assert_eq!(answer(&signed, &signer(2), Verdict::Reject, "I looked again"), Ok(RequestState::Rejected));
}

#[test]
fn who_speaks_for_another_counts_as_both() {
    let carol_for = |account: usize, delegated: bool| Signer {
        speaks_for: Some((user(ACCOUNTS[account].0), party(account))),
        delegated,
        ..signer(4)
    };
    assert_eq!(answer(&request(), &carol_for(2, false), Verdict::Approve, ""), Err("not_delegated"));
    assert_eq!(answer(&request(), &carol_for(2, true), Verdict::Approve, ""), Ok(RequestState::Pending));
    assert_eq!(answer(&request(), &carol_for(0, true), Verdict::Approve, ""), Err("own_request"));
    let mut signed = request();
    signed.signatures.push(Signature {
        user: user("carol"),
        party: party(4).with(&party(2)),
        roles: [role("manager")].into(),
        digest: digest(true),
    });
    assert_eq!(answer(&signed, &signer(2), Verdict::Approve, ""), Err("signed_already"));
    assert_eq!(answer(&signed, &signer(5), Verdict::Approve, ""), Ok(RequestState::Approved));
}

/// One thing that happens in a random life.
#[derive(Debug, Clone)]
enum Happens {
    Answer { account: usize, verdict: Verdict, right: bool, fresh: bool, for_account: Option<usize> },
    Advance(i64),
    TimePassed,
    Voided,
    Start { right: bool },
    LosesRights(usize),
}

fn happens() -> impl Strategy<Value = Happens> {
    let account = 0..ACCOUNTS.len();
    let verdict = prop_oneof![8 => Just(Verdict::Approve), 1 => Just(Verdict::PushBack), 1 => Just(Verdict::Reject)];
    prop_oneof![
        12 => (account.clone(), verdict, prop::bool::weighted(0.9), prop::bool::weighted(0.9), prop::option::weighted(0.2, account.clone()))
            .prop_map(|(account, verdict, right, fresh, for_account)| Happens::Answer { account, verdict, right, fresh, for_account }),
        3 => (0..2_000i64).prop_map(Happens::Advance),
        2 => Just(Happens::TimePassed),
        1 => Just(Happens::Voided),
        5 => prop::bool::weighted(0.8).prop_map(|right| Happens::Start { right }),
        1 => account.prop_map(Happens::LosesRights),
    ]
}

/// Whether the places can be filled, by trying every choice: another way than the machine's.
fn can_fill(places: &[RoleName], people: &[(BTreeSet<&str>, BTreeSet<RoleName>)], used: &BTreeSet<&str>) -> bool {
    let Some((first, rest)) = places.split_first() else { return true };
    people.iter().any(|(persons, roles)| {
        let free = persons.is_disjoint(used);
        free && roles.contains(first) && can_fill(rest, people, &used.union(persons).copied().collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn one_approval_is_one_execution_of_what_others_signed(life in prop::collection::vec(happens(), 1..40)) {
        let mut request = request();
        let mut now = 0;
        let mut without_rights = BTreeSet::new();
        // Beside the request: who signed for whom, as the test itself saw it.
        let mut signed: Vec<(usize, Option<usize>)> = Vec::new();
        let (mut used, mut ended) = (0, false);
        for one in life {
            let before = request.state;
            for (signature, (account, _)) in request.signatures.iter_mut().zip(&signed) {
                if without_rights.contains(account) {
                    signature.roles.clear();
                }
            }
            match one {
                Happens::Advance(seconds) => now += seconds,
                Happens::LosesRights(account) => { without_rights.insert(account); }
                Happens::Answer { account, verdict, right, fresh, for_account } => {
                    let signer = Signer {
                        speaks_for: for_account.map(|other| (user(ACCOUNTS[other].0), party(other))),
                        delegated: true,
                        may_approve: !without_rights.contains(&account),
                        authenticated_at: fresh.then(|| at(now)),
                        ..signer(account)
                    };
                    let seen = digest(right);
                    let event = Event::Decision { signer: &signer, verdict, seen: &seen, reason: "because" };
                    if let Ok(moved) = next(&request, event, at(now)) {
                        prop_assert_eq!(before, RequestState::Pending);
                        prop_assert!(right && fresh && now < EXPIRES && !without_rights.contains(&account));
                        prop_assert!(ACCOUNTS[account].1 != "alice", "the requester decided");
                        prop_assert!(for_account.is_none_or(|other| ACCOUNTS[other].1 != "alice"));
                        request.state = moved.state;
                        if verdict == Verdict::Approve {
                            signed.push((account, for_account));
                            let party = for_account.map_or_else(|| party(account), |o| party(account).with(&party(o)));
                            let (user, roles) = (user(ACCOUNTS[account].0), signer.roles.clone());
                            request.signatures.push(Signature { user, party, roles, digest: seen });
                            if moved.state == RequestState::Approved {
                                request.start_before = Some(at(now + START_WITHIN));
                            }
                        } else {
                            prop_assert!(moved.state.ended_without_run());
                        }
                    }
                }
                Happens::TimePassed => if let Ok(moved) = next(&request, Event::TimePassed, at(now)) {
                    prop_assert_eq!(moved.state, RequestState::Expired);
                    request.state = moved.state;
                },
                Happens::Voided => if let Ok(moved) = next(&request, Event::Voided, at(now)) {
                    prop_assert_eq!(moved.state, RequestState::Void);
                    request.state = moved.state;
                },
                Happens::Start { right } => if let Ok(moved) = next(&request, Event::Start(&digest(right)), at(now)) {
                    prop_assert_eq!((before, moved.state), (RequestState::Approved, RequestState::Used));
                    prop_assert!(right && at(now) <= request.start_before.unwrap());
                    let people: Vec<(BTreeSet<&str>, BTreeSet<RoleName>)> = signed
                        .iter()
                        .filter(|(account, _)| !without_rights.contains(account))
                        .map(|(account, other)| {
                            let persons = [Some(*account), *other].into_iter().flatten().map(|a| ACCOUNTS[a].1).collect();
                            (persons, ACCOUNTS[*account].2.iter().map(|r| role(r)).collect())
                        })
                        .collect();
                    prop_assert!(can_fill(&[role("manager"), role("dba")], &people, &BTreeSet::from(["alice"])));
                    request.state = moved.state;
                    used += 1;
                },
            }
            prop_assert!(!ended || request.state == before, "an end is an end");
            ended = !matches!(request.state, RequestState::Pending | RequestState::Approved);
        }
        prop_assert!(used <= 1);
    }
}
