//! Runs: their life, lists, leases and steps.

use std::collections::{BTreeMap, BTreeSet};

use interlock::domain::access::{Permission, Permit, Principal};
use interlock::domain::ids::{Environment, JobId, NodeName, OptionName, RunNumber, StepName, Ticket};
use interlock::domain::plan::Origin;
use interlock::domain::run::{State, StepState};
use interlock::store::runs::{self, Change, Filter, Lapse, NewRun, StepRecord};
use interlock::store::{Db, StoreError};

use super::access::{at, conflict, digest, job, mismatch, not_found, ops, path, person, system, with_project};
use super::databases::both;

pub(super) fn new_run(name: &str, state: State) -> NewRun {
    NewRun {
        project: ops(),
        job_id: JobId::parse(&format!("id-{name}")).unwrap(),
        job_path: path(&format!("web/{name}")),
        job_revision: 3,
        state,
        requester: Principal::parse("user:alice").unwrap(),
        origin: Origin::Button,
        reason: "because".to_owned(),
        plan: "{}".to_owned(),
        plan_digest: digest("{}"),
        environment: Some(Environment::parse("staging").unwrap()),
        start_at: (state == State::Scheduled).then(|| at(100)),
        approval_id: None,
        attempt: 1,
        concurrency_key: Some(format!("key-{name}")),
        options: vec![
            (OptionName::parse("service").unwrap(), name.to_owned()),
            (OptionName::parse("note").unwrap(), "long ".repeat(2_000)),
        ],
        nodes: ["web2", "web1"].iter().map(|n| NodeName::parse(n).unwrap()).collect(),
    }
}

pub(super) async fn make(db: &Db, new: NewRun, seconds: i64) -> RunNumber {
    db.write(move |c| runs::create(c, &system(), &new, at(seconds))).await.unwrap()
}

async fn change(
    db: &Db,
    permit: Permit,
    number: RunNumber,
    from: State,
    to: State,
    fence: Option<i64>,
) -> Result<(), StoreError> {
    let change = Change { from, to, reason: format!("now {to}"), fence };
    db.write(move |c| runs::transition(c, &permit, number, &change, at(50))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_from_request_to_end() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        let wrong = person("alice", Permission::Run, &job("web/other"));
        let new = new_run("a", State::Queued);
        mismatch(db.write(move |c| runs::create(c, &wrong, &new, at(0))).await);
        let number = make(db, new_run("a", State::Queued), 0).await;
        assert_eq!(number.get(), 1, "{}: what failed took no number", fresh.name);
        let run = db.read(move |c| runs::get(c, number)).await.unwrap();
        assert_eq!(
            (run.state, run.fence, run.origin, run.queued_at.is_some()),
            (State::Queued, 0, Origin::Button, true)
        );
        assert_eq!(run.created_at.timestamp_subsec_nanos(), 123_456_000);
        assert_eq!(db.read(move |c| runs::plan(c, number)).await.unwrap(), ("{}".to_owned(), digest("{}")));
        let nodes = db.read(move |c| runs::nodes(c, number)).await.unwrap();
        assert_eq!(nodes.iter().map(NodeName::as_str).collect::<Vec<_>>(), ["web2", "web1"]);
        let options = db.read(move |c| runs::options(c, number)).await.unwrap();
        assert_eq!((options.len(), options[1].1.as_str()), (2, "a"));
        not_found(db.read(|c| runs::get(c, RunNumber::new(99))).await);

        let by_job = || person("alice", Permission::Cancel, &job("web/a"));
        mismatch(
            change(
                db,
                person("alice", Permission::Cancel, &job("web/b")),
                number,
                State::Queued,
                State::Canceled,
                None,
            )
            .await,
        );
        conflict(change(db, by_job(), number, State::Running, State::Canceling, None).await);
        assert_eq!(db.read(|c| runs::count_under_way(c, "key-a")).await.unwrap(), 0);
        assert_eq!(db.read(|c| runs::under_way_and_next(c, "key-a")).await.unwrap().len(), 1);
        let take = |server: &'static str, lapse: Lapse, now, until| {
            db.write(move |c| runs::claim(c, &system(), number, server, lapse.clone(), now, until))
        };
        let claimed = take("s1", Lapse::None, at(1), at(31)).await.unwrap().unwrap();
        assert_eq!((claimed.run.number, claimed.fence, claimed.run.state), (number, 1, State::Queued));
        assert_eq!(take("s2", Lapse::None, at(2), at(32)).await.unwrap(), None);
        assert_eq!(take("s2", Lapse::ServerGone("s3".to_owned()), at(2), at(32)).await.unwrap(), None);
        conflict(change(db, system(), number, State::Queued, State::Running, Some(0)).await);
        change(db, system(), number, State::Queued, State::Running, Some(1)).await.unwrap();
        assert_eq!(db.read(|c| runs::count_under_way(c, "key-a")).await.unwrap(), 1);
        assert_eq!(db.read(|c| runs::under_way_and_next(c, "key-a")).await.unwrap().len(), 1);
        assert_eq!(db.read(|c| runs::count_under_way(c, "key-b")).await.unwrap(), 0);

        let step = |state: StepState, exit_code| StepRecord {
            node: NodeName::parse("web1").unwrap(),
            step_index: 0,
            step_name: StepName::parse("restart").unwrap(),
            attempt: 1,
            state,
            exit_code,
            message: String::new(),
            started_at: Some(at(2)),
            ended_at: exit_code.map(|_| at(3)),
            ticket: Ticket::parse(&"a".repeat(32)).ok(),
            begun: false,
        };
        let put = |step: StepRecord, fence| db.write(move |c| runs::put_step(c, &system(), number, fence, &step));
        put(step(StepState::Running, None), 1).await.unwrap();
        let begun = |fence| {
            let node = NodeName::parse("web1").unwrap();
            db.write(move |c| runs::set_begun(c, &system(), number, fence, &node, (0, 1)))
        };
        begun(1).await.unwrap();
        conflict(begun(2).await);
        put(step(StepState::Failed, Some(3)), 1).await.unwrap();
        // It stays when more is known.
        assert!(db.read(move |c| runs::steps(c, number)).await.unwrap()[0].begun);
        db.write(move |c| runs::set_log(c, &system(), number, 1, 4_096, true)).await.unwrap();

        // The server dies; another one takes over. What the first still says is not heard any more.
        assert_eq!(
            db.read(|c| runs::leased(c, 10)).await.unwrap()[0].lease_until.map(|t| t.timestamp()),
            Some(at(31).timestamp())
        );
        assert!(take("s2", Lapse::None, at(20), at(60)).await.unwrap().is_none());
        let taken = take("s2", Lapse::None, at(40), at(60)).await.unwrap().unwrap();
        assert_eq!((taken.fence, taken.run.lease_owner.as_deref()), (2, Some("s2")));
        conflict(put(step(StepState::Succeeded, Some(0)), 1).await);
        conflict(db.write(move |c| runs::extend_lease(c, &system(), number, 1, at(99), 5)).await);
        conflict(db.write(move |c| runs::set_log(c, &system(), number, 1, 9, false)).await);
        conflict(change(db, system(), number, State::Running, State::Succeeded, Some(1)).await);
        db.write(move |c| runs::extend_lease(c, &system(), number, 2, at(99), 5)).await.unwrap();
        // A server that is known to be gone keeps nobody waiting.
        let taken = take("s3", Lapse::ServerGone("s2".to_owned()), at(50), at(80)).await.unwrap().unwrap();
        assert_eq!((taken.fence, taken.run.worked_ms), (3, 5));
        // Nor does a lease that was seen to stand still; one that was extended since does.
        assert_eq!(take("s4", Lapse::NotExtended(at(79)), at(51), at(81)).await.unwrap(), None);
        assert_eq!(take("s4", Lapse::NotExtended(at(80)), at(51), at(81)).await.unwrap().unwrap().fence, 4);
        conflict(db.write(move |c| runs::set_attempt(c, &system(), number, 3, 2)).await);
        db.write(move |c| runs::set_attempt(c, &system(), number, 4, 2)).await.unwrap();
        // What was missing before stays missing.
        db.write(move |c| runs::set_log(c, &system(), number, 4, 8_192, false)).await.unwrap();
        change(db, system(), number, State::Running, State::Failed, Some(4)).await.unwrap();
        conflict(db.write(move |c| runs::extend_lease(c, &system(), number, 2, at(99), 5)).await);

        let run = db.read(move |c| runs::get(c, number)).await.unwrap();
        assert_eq!((run.end_reason.as_str(), run.lease_owner, run.lease_until), ("now failed", None, None));
        assert!(run.started_at.is_some() && run.ended_at.is_some() && run.log_truncated && run.log_bytes == 8_192);
        let steps = db.read(move |c| runs::steps(c, number)).await.unwrap();
        assert_eq!(steps.iter().map(|s| (s.state, s.exit_code)).collect::<Vec<_>>(), [(StepState::Failed, Some(3))]);
        assert_eq!((run.attempt, steps[0].ticket.as_ref().map(Ticket::as_str)), (2, Some("a".repeat(32).as_str())));

        let waits = make(db, new_run("b", State::Scheduled), 1).await;
        assert_eq!(db.read(|c| runs::due(c, at(99), 10)).await.unwrap(), []);
        assert_eq!(db.read(|c| runs::due(c, at(100), 10)).await.unwrap()[0].number, waits);
        make(db, new_run("c", State::Queued), 2).await;
        let gone = db.write(|c| runs::prune(c, &system(), &ops(), at(500), 10)).await.unwrap();
        assert_eq!(gone, [number], "{}: only what has ended", fresh.name);
        assert_eq!(make(db, new_run("d", State::Queued), 3).await.get(), 4, "{}: no number comes twice", fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_narrow_and_page() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        for i in 0..12i64 {
            let mut new =
                new_run(if i % 3 == 0 { "a" } else { "b" }, if i % 2 == 0 { State::Succeeded } else { State::Failed });
            if i == 5 {
                new.requester = Principal::parse("service:hooks").unwrap();
                new.nodes = vec![NodeName::parse("db1").unwrap()];
            }
            make(db, new, i).await;
        }
        let numbers = |filter: Filter, before: Option<i64>, limit| {
            let db = db.clone();
            async move {
                let list = db.read(move |c| runs::list(c, &filter, before.map(RunNumber::new), limit)).await.unwrap();
                list.into_iter().map(|r| r.number.get()).collect::<Vec<_>>()
            }
        };
        let option = |value: &str| Some((OptionName::parse("service").unwrap(), value.to_owned()));
        assert_eq!(numbers(Filter::default(), None, 3).await, [12, 11, 10]);
        assert_eq!(numbers(Filter::default(), Some(3), 10).await, [2, 1]);
        assert_eq!(numbers(Filter { projects: vec![ops()], ..Filter::default() }, None, 2).await, [12, 11]);
        let elsewhere = interlock::domain::ids::ProjectName::parse("none").unwrap();
        assert_eq!(
            numbers(Filter { projects: vec![elsewhere.clone()], ..Filter::default() }, None, 2).await,
            [0i64; 0]
        );
        let two = vec![State::Succeeded, State::Failed];
        assert_eq!(
            numbers(Filter { projects: vec![elsewhere, ops()], states: two, ..Filter::default() }, Some(10), 3).await,
            [9, 8, 7]
        );
        assert_eq!(numbers(Filter { states: vec![State::Failed], ..Filter::default() }, None, 3).await, [12, 10, 8]);
        let a = Some(JobId::parse("id-a").unwrap());
        assert_eq!(
            numbers(Filter { projects: vec![ops()], job: a, ..Filter::default() }, None, 9).await,
            [10, 7, 4, 1]
        );
        assert_eq!(
            numbers(Filter { requester: Principal::parse("service:hooks"), ..Filter::default() }, None, 9).await,
            [6]
        );
        assert_eq!(numbers(Filter { node: NodeName::parse("db1").ok(), ..Filter::default() }, None, 9).await, [6]);
        assert_eq!(numbers(Filter { option: option("a"), ..Filter::default() }, Some(7), 9).await, [4, 1]);
        let both = Filter { option: option("b"), node: NodeName::parse("web1").ok(), ..Filter::default() };
        assert_eq!(numbers(both, None, 3).await, [12, 11, 9]);
        let span = Filter { since: Some(at(2)), until: Some(at(4)), ..Filter::default() };
        assert_eq!(numbers(span, None, 9).await, [4, 3], "{}", fresh.name);
        assert_eq!(numbers(Filter::default(), None, 100_000).await.len(), 12);

        let last = db.read(|c| runs::last_success(c, &ops(), &JobId::parse("id-a").unwrap())).await.unwrap();
        assert_eq!(last.unwrap().number.get(), 7);
        let jobs: Vec<JobId> = ["id-a", "id-b", "id-none"].iter().map(|j| JobId::parse(j).unwrap()).collect();
        let recent = db.read(move |c| runs::recent_outcomes(c, &ops(), &jobs, 2)).await.unwrap();
        let recent: BTreeMap<String, Vec<(i64, State)>> = recent
            .into_iter()
            .map(|(j, o)| (j.to_string(), o.iter().map(|o| (o.number.get(), o.state)).collect()))
            .collect();
        let expected = [
            ("id-a".to_owned(), vec![(10, State::Failed), (7, State::Succeeded)]),
            ("id-b".to_owned(), vec![(12, State::Failed), (11, State::Succeeded)]),
        ];
        assert_eq!(recent, BTreeMap::from(expected), "{}", fresh.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_200_runs_is_claimed_by_one_of_8() {
    for fresh in both() {
        let db = &fresh.db;
        with_project(db).await;
        for _ in 0..4 {
            let make = |c: &mut interlock::store::Conn| {
                for _ in 0..50 {
                    runs::create(c, &system(), &new_run("a", State::Queued), at(0))?;
                }
                Ok::<_, StoreError>(())
            };
            db.write(make).await.unwrap();
        }
        let claimers = (0..8).map(|i| {
            let db = db.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                let queued = db.read(|c| runs::queued(c, 200)).await.unwrap();
                for run in queued.into_iter().map(|r| r.number) {
                    let owner = format!("s{i}");
                    let claim = db.write(move |c| runs::claim(c, &system(), run, &owner, Lapse::None, at(1), at(60)));
                    if let Some(claimed) = claim.await.unwrap() {
                        assert_eq!(claimed.fence, 1);
                        mine.push(claimed.run.number);
                    }
                }
                mine
            })
        });
        let mut all = Vec::new();
        for claimer in claimers.collect::<Vec<_>>() {
            all.extend(claimer.await.unwrap());
        }
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (200, 200), "{}", fresh.name);
    }
}
