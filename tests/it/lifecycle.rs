//! A run's life: the table of states, signatures, what the engine makes of jobs, and what voids a request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::TimeDelta;
use interlock::app::approvals::{ApprovalView, Decision};
use interlock::app::error::{AppError, RefusalKind};
use interlock::app::nodes::AcceptedKey;
use interlock::domain::approval::{Need, Party, RequestState, Signature, Verdict, missing};
use interlock::domain::digest::Digest;
use interlock::domain::ids::{NodeName, RoleName, RunNumber, UserName};
use interlock::domain::run::{RunEvent, State, StepState, first, next};
use interlock::exec::fake::Script;
use interlock::exec::{Earlier, StepOutcome};
use proptest::prelude::*;

use crate::harness::{Base, TestApp, noon, operator, project_name, user};

#[test]
fn the_whole_table_of_states_and_events() {
    let mut table = String::new();
    for later in [None, Some(noon() + TimeDelta::hours(1))] {
        writeln!(table, "start_at: {}", if later.is_some() { "in an hour" } else { "now" }).unwrap();
        for state in State::ALL {
            for event in RunEvent::ALL {
                let cell = match next(state, event, later, noon()) {
                    Ok((to, effects)) => format!("{to} {effects:?}"),
                    Err(_) => continue,
                };
                writeln!(table, "  {state} + {event:?} -> {cell}").unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

proptest! {
    #[test]
    fn nothing_leaves_a_terminal_state(
        events in proptest::collection::vec(proptest::sample::select(RunEvent::ALL.to_vec()), 0..12),
        dry in any::<bool>(), signed in any::<bool>(), later in any::<bool>(),
    ) {
        let start_at = later.then(|| noon() + TimeDelta::hours(1));
        let mut state = first(dry, signed, start_at, noon());
        let mut ended = usize::from(state.is_terminal());
        let mut was_signed = !signed;
        for event in events {
            let before = state;
            if let Ok((to, _)) = next(state, event, start_at, noon()) {
                prop_assert!(!before.is_terminal(), "{before} + {event:?}");
                was_signed |= event == RunEvent::Approved;
                ended += usize::from(to.is_terminal());
                state = to;
            }
            prop_assert!(was_signed || !matches!(state, State::Queued | State::Scheduled | State::Running));
        }
        prop_assert!(ended <= 1);
        prop_assert!(!dry || state == State::DryRun);
    }

    /// Whatever the lines and the roles: as many distinct people as places, each with the place's role, and no fewer.
    #[test]
    fn a_quorum_is_met_by_distinct_people_only(
        counts in proptest::collection::vec(0u32..3, 1..4),
        people in proptest::collection::vec((0u8..5, proptest::collection::btree_set(0usize..3, 0..4)), 0..7),
    ) {
        let role = |n: usize| RoleName::parse(&format!("role{n}")).unwrap();
        let need: Vec<Need> =
            counts.iter().enumerate().map(|(n, count)| Need { role: role(n), count: *count, when: None }).collect();
        let signatures: Vec<Signature> = people
            .iter()
            .map(|(who, roles)| Signature {
                user: user(&format!("person{who}")),
                party: Party::new(&user(&format!("person{who}")), []),
                roles: roles.iter().map(|n| role(*n)).collect(),
                digest: Digest::of(b"plan"),
            })
            .collect();
        let places: Vec<RoleName> =
            need.iter().flat_map(|n| std::iter::repeat_n(n.role.clone(), n.count as usize)).collect();
        let mut each_once: BTreeMap<&UserName, BTreeSet<RoleName>> = BTreeMap::new();
        for signature in &signatures {
            each_once.entry(&signature.user).or_default().extend(signature.roles.iter().cloned());
        }
        let each_once: Vec<BTreeSet<RoleName>> = each_once.into_values().collect();
        let short: u32 = missing(&need, &signatures).iter().map(|m| m.count).sum();
        prop_assert_eq!(places.len() - short as usize, most_places(&places, &each_once, 0));
    }
}

/// The most places that people can fill, by trying everything.
fn most_places(places: &[RoleName], people: &[BTreeSet<RoleName>], taken: u32) -> usize {
    let Some((person, rest)) = people.split_first() else { return 0 };
    let mut best = most_places(places, rest, taken);
    for (index, role) in places.iter().enumerate() {
        if taken & (1 << index) == 0 && person.contains(role) {
            best = best.max(1 + most_places(places, rest, taken | (1 << index)));
        }
    }
    best
}

const PROJECT: &str = "
approvals:
  one:
    need: [{role: manager, count: 1}]
    expires: 4h
    start_within: 30m
  two:
    need: [{role: manager, count: 1}, {role: dba, count: 1}]
";

const NODES: &str = "
n1: {hostname: 192.0.2.1, tags: web, environment: staging}
n2: {hostname: 192.0.2.2, tags: web, environment: staging}
n3: {hostname: 192.0.2.3, tags: web, environment: staging}
n4: {hostname: 192.0.2.4, tags: web, environment: staging}
";

const ACCESS: &str = "
roles:
  everybody: [{allow: [view, run, cancel], on: 'job/**'}, {allow: [view, run], on: 'node/**'}]
  manager: [{allow: [view, approve], on: 'job/**'}]
  dba: [{allow: [view, approve], on: 'job/**'}]
members:
  everybody: ['user:oncall']
  manager: ['user:manager', 'user:both']
  dba: ['user:dba', 'user:both']
";

/// A job of two steps with more keys at its top, or below `nodes:`.
fn job(name: &str, nodes: &str, more: &str) -> (String, String) {
    let text = format!(
        "name: {name}\noptions: [{{name: key, default: a}}]\nnodes: {{filter: 'tags: web'{nodes}}}\n{more}\nsteps:\n  - {{name: one, run: 'echo ${{option.key}}'}}\n  - {{name: two, run: 'true'}}\n"
    );
    (format!("jobs/{name}.yaml"), text)
}

fn world(jobs: &[(String, String)]) -> TestApp {
    world_on(TestApp::fake(), jobs)
}

fn world_on(test: TestApp, jobs: &[(String, String)]) -> TestApp {
    for name in ["oncall", "manager", "dba", "both"] {
        test.person(name);
    }
    load(&test, PROJECT, NODES, ACCESS, jobs);
    test
}

fn load(test: &TestApp, project: &str, nodes: &str, access: &str, jobs: &[(String, String)]) {
    let mut files = vec![("project.yaml", project), ("nodes.yaml", nodes), ("access.yaml", access)];
    files.extend(jobs.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    test.load("ops", &files);
}

fn ask(test: &TestApp, job: &str) -> RunNumber {
    test.ask("oncall", "ops", job, &[]).unwrap().number
}

/// How every step ended, node by node: `n1 succeeded succeeded`.
fn grid(test: &TestApp, run: RunNumber) -> Vec<String> {
    let detail = test.run(run);
    let mut steps = detail.steps.clone();
    steps.sort_by_key(|s| (s.node.clone(), s.step_index, s.attempt));
    let nodes: BTreeSet<&NodeName> = detail.plan.nodes.iter().map(|n| &n.name).collect();
    let word = |state: StepState| format!("{state:?}").to_lowercase();
    nodes
        .into_iter()
        .map(|node| {
            let own: Vec<String> = steps.iter().filter(|s| s.node == *node).map(|s| word(s.state)).collect();
            format!("{node} {}", own.join(" "))
        })
        .collect()
}

#[test]
fn a_failed_node_stops_the_others_unless_told_to_go_on() {
    let test = world(&[
        job("stop", ", concurrency: 1", ""),
        job("go-on", ", concurrency: 1, keep_going: true", ""),
        job("enough", ", concurrency: 1, keep_going: true, max_failures: 1", ""),
    ]);
    for _ in 0..2 {
        test.steps().script("n1", "one", Script::exits(1));
        test.steps().script("n2", "one", Script::exits(1));
    }
    let expected = [
        ("stop", ["n1 failed skipped", "n2 skipped skipped", "n3 skipped skipped", "n4 skipped skipped"]),
        ("go-on", ["n1 failed skipped", "n2 failed skipped", "n3 succeeded succeeded", "n4 succeeded succeeded"]),
        ("enough", ["n1 failed skipped", "n2 failed skipped", "n3 skipped skipped", "n4 skipped skipped"]),
    ];
    for (name, wanted) in expected {
        let run = ask(&test, name);
        test.settle();
        assert_eq!((test.state(run), grid(&test, run)), (State::Failed, wanted.map(str::to_owned).to_vec()), "{name}");
    }
}

#[test]
fn nodes_start_in_the_order_that_the_job_gives_them() {
    let nodes = NODES
        .replace("n1: {", "n1: {rank: '9', ")
        .replace("n3: {", "n3: {rank: '10', ")
        .replace("n4: {", "n4: {rank: '2', ");
    let test = TestApp::fake();
    test.person("oncall");
    let jobs = [job("by-rank", ", concurrency: 1, order_by: rank", ""), job("by-name", ", concurrency: 1", "")];
    load(&test, PROJECT, &nodes, ACCESS, &jobs);
    for (name, wanted) in [("by-rank", ["n4", "n1", "n3", "n2"]), ("by-name", ["n1", "n2", "n3", "n4"])] {
        let before = test.steps().calls().len();
        ask(&test, name);
        test.settle();
        let mut nodes: Vec<String> =
            test.steps().calls().iter().skip(before).map(|c| c.target.node.to_string()).collect();
        nodes.dedup();
        assert_eq!(nodes, wanted, "numbers by their value, and those without a rank last");
    }
}

#[test]
fn retries_are_attempts_of_the_same_run() {
    let test = world(&[job("again", "", "retry: {count: 2}")]);
    test.steps().script("n1", "one", Script::exits(1));
    test.steps().script("n1", "one", Script::exits(1));
    test.steps().script("n1", "one", Script::exits(0));
    let run = ask(&test, "again");
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
    let tries =
        test.steps().calls().iter().filter(|c| c.target.node.as_str() == "n1" && c.request.step == "one").count();
    assert_eq!(tries, 3);
}

#[test]
fn an_unknown_outcome_is_told_as_such_and_not_tried_again() {
    let test = world(&[job("again", ", concurrency: 4", "retry: {count: 2}")]);
    test.steps().script("n1", "one", Script::ends(StepOutcome::Unknown { message: "the line went dead".into() }));
    let run = ask(&test, "again");
    test.settle();
    assert_eq!(test.state(run), State::Unknown);
    assert_eq!(test.steps().calls().iter().filter(|c| c.target.node.as_str() == "n1").count(), 1);
}

#[test]
fn a_run_that_takes_too_long_is_stopped() {
    let test = world(&[job("slow", ", concurrency: 4", "timeout: 1s")]);
    test.steps().script("n1", "one", Script::hangs());
    let run = ask(&test, "slow");
    test.settle();
    assert_eq!(test.state(run), State::TimedOut);
    assert!(test.run(run).run.end_reason.contains("time limit"), "{}", test.run(run).run.end_reason);
}

#[test]
fn cancel_waits_for_the_nodes() {
    let test = world(&[job("slow", ", concurrency: 1", "")]);
    test.steps().script("n1", "one", Script::hangs());
    let run = ask(&test, "slow");
    assert_eq!(test.step(), 1);
    test.until_started(1);
    let canceled = test.wait(test.app.cancel_run(&test.actor("oncall"), run, "test")).unwrap();
    assert_eq!(canceled.state, State::Canceling);
    let again = test.wait(test.app.cancel_run(&test.actor("oncall"), run, "test")).unwrap_err();
    assert_eq!(again.refusal().unwrap().code, "illegal_transition");
    test.settle();
    assert_eq!(test.state(run), State::Canceled);
    assert_eq!(test.steps().calls().len(), 1);
    // One that waits ends at once.
    let waiting = ask(&test, "slow");
    let canceled = test.wait(test.app.cancel_run(&test.actor("oncall"), waiting, "test")).unwrap();
    assert_eq!(canceled.state, State::Canceled);
    test.settle();
    assert_eq!(test.steps().calls().len(), 1);
}

#[test]
fn one_too_many_is_refused_queued_or_takes_over() {
    let limit = |when: &str| format!("concurrency: {{limit: 1, key: '${{option.key}}', when_busy: {when}}}");
    let test = world(&[
        job("refuse", "", &limit("refuse")),
        job("queue", "", &limit("queue")),
        job("take-over", "", &limit("cancel_running")),
    ]);
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    let hold = || Script {
        output: Vec::new(),
        end: interlock::exec::fake::End::OnRelease(std::sync::Arc::clone(&release), StepOutcome::Exited(0)),
    };
    test.steps().script("n1", "one", hold());

    let running = ask(&test, "refuse");
    // Also while the first one has not started yet.
    let refused = test.ask("oncall", "ops", "refuse", &[]).unwrap_err();
    assert_eq!(refused.refusal().unwrap().code, "busy");
    test.step();
    test.until_started(1);
    let refused = test.ask("oncall", "ops", "refuse", &[]).unwrap_err();
    assert_eq!(refused.refusal().unwrap().code, "busy");
    // Another key is another place.
    let other = test.ask("oncall", "ops", "refuse", &[("key", "b")]).unwrap().number;
    test.step();
    assert_eq!((test.state(running), test.state(other)), (State::Running, State::Running));
    release.notify_waiters();
    for run in [running, other] {
        test.wait(test.app.cancel_run(&test.actor("oncall"), run, "test")).ok();
    }
    test.settle();

    let before = test.steps().calls().len();
    let (a, b) = (ask(&test, "queue"), ask(&test, "queue"));
    assert_eq!(test.step(), 1);
    test.until_started(before + 1);
    assert_eq!(test.step(), 0);
    assert_eq!((test.state(a), test.state(b)), (State::Running, State::Queued));
    test.wait(test.app.cancel_run(&test.actor("oncall"), a, "test")).unwrap();
    let engine_waits = test.steps().calls().len();
    assert!(engine_waits > before);
    test.wait(test.app.cancel_run(&test.actor("oncall"), b, "test")).unwrap();
    test.settle();
    assert_eq!((test.state(a), test.state(b)), (State::Canceled, State::Canceled));

    let before = test.steps().calls().len();
    let a = ask(&test, "take-over");
    test.step();
    test.until_started(before + 1);
    let b = ask(&test, "take-over");
    assert_eq!((test.state(a), test.state(b)), (State::Canceling, State::Queued));
    // The newest one takes over from one that still waits as well.
    let c = ask(&test, "take-over");
    assert_eq!((test.state(b), test.state(c)), (State::Canceled, State::Queued));
    test.wait(test.app.cancel_run(&test.actor("oncall"), c, "test")).unwrap();
    test.settle();
    assert_eq!(test.state(a), State::Canceled);
}

fn request(test: &TestApp, run: RunNumber) -> ApprovalView {
    let id = test.run(run).run.approval.unwrap();
    test.wait(test.app.approval(&operator(), id)).unwrap().view
}

fn approve(test: &TestApp, who: &str, run: RunNumber) -> Result<ApprovalView, AppError> {
    let view = request(test, run);
    let decision = Decision { verdict: Verdict::Approve, digest: view.digest, reason: "fine".to_owned() };
    test.wait(test.app.decide(&test.actor(who), view.id, decision, "test"))
}

#[test]
fn two_lines_need_two_people() {
    let jobs = [job("signed", "", "approval: {rule: two}")];
    let test = world(&jobs);
    let run = ask(&test, "signed");
    assert_eq!(approve(&test, "both", run).unwrap().state, RequestState::Pending);
    assert_eq!(approve(&test, "both", run).unwrap_err().refusal().unwrap().code, "signed_already");
    test.settle();
    assert_eq!(test.state(run), State::PendingApproval);
    assert_eq!(approve(&test, "oncall", run).unwrap_err().refusal().unwrap().code, "not_entitled");
    // Whoever comes second takes the place that is left, whatever place the first could have had.
    assert_eq!(approve(&test, "manager", run).unwrap().state, RequestState::Approved);
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
}

/// Signers and an editor at the same moment: one decision counts, and nothing runs that nobody signed.
fn decisions_race_with_an_edit(test: &TestApp) {
    let signed = job("signed", "", "approval: {rule: one}");
    let edited = |n: usize| vec![(signed.0.clone(), signed.1.replace("'true'", &format!("'true {n}'")))];
    for round in 0..8 {
        let run = ask(test, "signed");
        let view = request(test, run);
        let frozen = test.run(run).plan.digest();
        let before = test.steps().calls().len();
        let outcomes: Vec<Result<ApprovalView, AppError>> = std::thread::scope(|scope| {
            let decide = |who: &'static str| {
                let decision = Decision { verdict: Verdict::Approve, digest: view.digest, reason: String::new() };
                scope.spawn(move || test.wait(test.app.decide(&test.actor(who), view.id, decision, "test")))
            };
            let signers: Vec<_> = (0..6).map(|n| decide(if n % 2 == 0 { "manager" } else { "both" })).collect();
            let editor = (round % 2 == 0).then(|| scope.spawn(|| load(test, PROJECT, NODES, ACCESS, &edited(round))));
            let outcomes = signers.into_iter().map(|s| s.join().unwrap()).collect();
            if let Some(editor) = editor {
                editor.join().unwrap();
            }
            outcomes
        });
        let taken = outcomes.iter().filter(|o| o.is_ok()).count();
        for refused in outcomes.iter().filter_map(|o| o.as_ref().err()) {
            assert!(refused.refusal().is_some_and(|r| r.kind == RefusalKind::Conflict), "{refused}");
        }
        test.settle();
        let (state, ran) = (test.state(run), test.steps().calls().len() - before);
        assert_eq!(test.run(run).plan.digest(), frozen);
        match state {
            State::Succeeded => assert_eq!((taken, ran), (1, 8), "round {round}"),
            State::Canceled => assert!(round % 2 == 0 && taken <= 1 && ran == 0, "round {round}: {taken} {ran}"),
            other => panic!("round {round}: {other}"),
        }
        assert_eq!(state == State::Canceled, round % 2 == 0, "an edit before the start always stops it");
    }
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().is_ok());
}

#[test]
fn decisions_race_with_an_edit_on_sqlite() {
    let signed = job("signed", "", "approval: {rule: one}");
    decisions_race_with_an_edit(&world(&[signed]));
}

#[test]
fn decisions_race_with_an_edit_on_postgres() {
    let signed = job("signed", "", "approval: {rule: one}");
    decisions_race_with_an_edit(&world_on(TestApp::fake_on(Base::Postgres), &[signed]));
}

type Change = (&'static str, fn(&TestApp));

/// Everything that changes what would run, or under which rule.
fn changes() -> Vec<Change> {
    fn signed() -> (String, String) {
        job("signed", "", "approval: {rule: one}")
    }
    fn new_host_key(test: &TestApp) {
        let key = AcceptedKey { kind: "ssh-ed25519".into(), base64: "AAAA".into(), fingerprint: "SHA256:new".into() };
        let node = NodeName::parse("n1").unwrap();
        test.wait(test.app.enrol(&operator(), &project_name("ops"), &node, vec![key], "test")).unwrap();
    }
    vec![
        ("the job", |test| {
            let (path, text) = signed();
            load(test, PROJECT, NODES, ACCESS, &[(path, text.replace("'true'", "'true; reboot'"))]);
        }),
        ("the job is gone", |test| load(test, PROJECT, NODES, ACCESS, &[job("other", "", "")])),
        ("a node", |test| load(test, PROJECT, &NODES.replace("192.0.2.1,", "192.0.2.99,"), ACCESS, &[signed()])),
        ("a node is the server itself", |test| {
            load(test, PROJECT, &NODES.replace("n1: {", "n1: {node-executor: local, "), ACCESS, &[signed()]);
        }),
        ("a node is gone", |test| load(test, PROJECT, &NODES.replace("n1:", "x1:"), ACCESS, &[signed()])),
        ("the policy", |test| load(test, &PROJECT.replace("expires: 4h", "expires: 5h"), NODES, ACCESS, &[signed()])),
        ("the host key", new_host_key),
    ]
}

#[test]
fn a_change_before_the_decision_voids_the_request() {
    for (what, change) in changes() {
        let test = world(&[job("signed", "", "approval: {rule: one}")]);
        let run = ask(&test, "signed");
        let view = request(&test, run);
        change(&test);
        let decision = Decision { verdict: Verdict::Approve, digest: view.digest, reason: String::new() };
        let refused = test.wait(test.app.decide(&test.actor("manager"), view.id, decision, "test")).unwrap_err();
        assert_eq!(refused.refusal().unwrap().kind, RefusalKind::Conflict, "{what}");
        let view = request(&test, run);
        assert_eq!((view.state, test.state(run)), (RequestState::Void, State::Canceled), "{what}");
        assert!(view.void_reason.unwrap().contains("Ask again"), "{what}");
        test.settle();
        assert!(test.steps().calls().is_empty(), "{what}");
    }
}

#[test]
fn a_change_between_signature_and_start_stops_the_run() {
    let mut all = changes();
    all.push(("the signer's role", |test| {
        let access = ACCESS.replace("manager: ['user:manager', 'user:both']", "manager: ['user:both']");
        load(test, PROJECT, NODES, &access, &[job("signed", "", "approval: {rule: one}")]);
    }));
    all.push(("the signer's account", |test| {
        test.wait(test.app.set_active(&operator(), user("manager"), false, "test")).unwrap();
    }));
    for (what, change) in all {
        let test = world(&[job("signed", "", "approval: {rule: one}")]);
        let run = ask(&test, "signed");
        assert_eq!(approve(&test, "manager", run).unwrap().state, RequestState::Approved);
        assert_eq!(test.state(run), State::Queued);
        change(&test);
        test.settle();
        assert_eq!(test.state(run), State::Canceled, "{what}");
        // At once where a definition or an account was changed, else in the moment of the start.
        let why = test.run(run).run.end_reason;
        assert!(why.starts_with("Not started: ") || why.starts_with("Void: "), "{what}: {why}");
        assert_eq!(request(&test, run).state, RequestState::Void, "{what}");
        assert!(test.steps().calls().is_empty(), "{what}");
        assert!(test.record().iter().any(|e| e.act.action.ends_with(".voided")), "{what}");
    }
}

#[test]
fn a_change_elsewhere_voids_nothing() {
    let signed = job("signed", "", "approval: {rule: one}");
    let test = world(std::slice::from_ref(&signed));
    let run = ask(&test, "signed");
    load(&test, PROJECT, NODES, ACCESS, &[signed, job("other", "", "")]);
    approve(&test, "manager", run).unwrap();
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
}

#[test]
fn requests_expire_and_signatures_do_not_keep_for_ever() {
    let test = world(&[job("signed", "", "approval: {rule: one}")]);
    let late = ask(&test, "signed");
    test.clock.advance(TimeDelta::hours(4) - TimeDelta::seconds(1));
    test.settle();
    assert_eq!(test.state(late), State::PendingApproval);
    test.clock.advance(TimeDelta::seconds(1));
    // Also before anything has looked at the clock, nobody can sign any more.
    assert_eq!(approve(&test, "manager", late).unwrap_err().refusal().unwrap().code, "request_closed");
    test.settle();
    assert_eq!((test.state(late), request(&test, late).state), (State::Expired, RequestState::Expired));

    let run = ask(&test, "signed");
    approve(&test, "manager", run).unwrap();
    test.clock.advance(TimeDelta::minutes(30) + TimeDelta::seconds(1));
    test.settle();
    assert_eq!(test.state(run), State::Expired);
    assert!(test.steps().calls().is_empty());
}

#[test]
fn waiting_requests_outlive_the_server() {
    let test = world(&[job("signed", "", "approval: {rule: one}"), job("plain", "", "")]);
    let (signed, plain) = (ask(&test, "signed"), ask(&test, "plain"));
    let test = test.restart();
    assert_eq!((test.state(signed), test.state(plain)), (State::PendingApproval, State::Queued));
    test.settle();
    assert_eq!((test.state(signed), test.state(plain)), (State::PendingApproval, State::Succeeded));
    let test = test.restart();
    approve(&test, "manager", signed).unwrap();
    let test = test.restart();
    test.settle();
    assert_eq!(test.state(signed), State::Succeeded);
    let verified = test.wait(test.app.verify_audit(&operator(), None)).unwrap();
    assert!(verified.is_ok(), "{verified:?}");
}

#[test]
fn a_run_whose_server_died_is_gone_on_with_under_its_ticket() {
    let test = world(&[job("slow", ", concurrency: 1", "")]);
    test.steps().script("n1", "one", Script::hangs());
    test.steps().script("n1", "one", Script::exits(0));
    let run = ask(&test, "slow");
    test.step();
    test.until_started(1);
    let test = test.restart();
    test.settle();
    // Nobody else touches it as long as its server may be alive.
    assert_eq!((test.state(run), test.steps().calls().len()), (State::Running, 1));
    test.clock.advance(TimeDelta::seconds(31));
    test.settle();
    assert_eq!(test.state(run), State::Succeeded);
    let calls = test.steps().calls();
    let first: Vec<_> = calls.iter().filter(|c| c.target.node.as_str() == "n1" && c.request.step == "one").collect();
    assert_eq!(first.len(), 2);
    assert_eq!((first[0].request.fence, first[0].request.earlier), (1, Earlier::Never));
    assert_eq!((first[1].request.fence, &first[1].request.ticket), (2, &first[0].request.ticket));
    assert!(matches!(first[1].request.earlier, Earlier::Perhaps(_)), "{:?}", first[1].request.earlier);
    let tickets: std::collections::BTreeSet<_> = calls.iter().map(|c| c.request.ticket.clone()).collect();
    assert_eq!(tickets.len(), calls.len() - 1, "every other step has a ticket of its own");
    let record: Vec<String> = test.record().into_iter().map(|e| e.act.action).collect();
    assert!(record.contains(&"run.taken_over".to_owned()), "{record:?}");
}
