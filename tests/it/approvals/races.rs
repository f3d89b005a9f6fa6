//! What happens at the same moment: one dispatch at most, and only of what was approved.

use std::thread;

use chrono::TimeDelta;
use interlock::app::approvals::Decision;
use interlock::domain::approval::{RequestState, Verdict};
use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;

use super::world::{ACCESS, PROJECT, load, request, states, world_on};
use crate::harness::{Base, TestApp, on_both_databases};
use crate::servers::rounds;

on_both_databases! { approvals_race }

/// Approves as it was looked at before anything else happened; whether it counted.
fn approve(test: &TestApp, who: &str, seen: &(interlock::domain::ids::ApprovalId, Decision)) -> bool {
    test.wait(test.app.decide(&test.actor(who), seen.0, seen.1.clone(), "test")).is_ok()
}

fn looked_at(test: &TestApp, run: RunNumber) -> (interlock::domain::ids::ApprovalId, Decision) {
    let view = request(test, run).view;
    (view.id, Decision { verdict: Verdict::Approve, digest: view.digest, reason: "fine".to_owned() })
}

fn approvals_race(base: Base) {
    let test = world_on(base);
    let other = test.beside();
    for round in 0..rounds(200).max(20) {
        let job = if round % 5 == 1 { "two" } else { "one" };
        let run = test.ask("olga", "ops", job, &[]).unwrap().number;
        let seen = looked_at(&test, run);
        let before = test.steps().calls().len() + other.steps().calls().len();
        let (mut counted, mut most) = (0, 1);
        match round % 5 {
            // An approval and a new revision of the job; two servers look for work meanwhile.
            0 => thread::scope(|scope| {
                let signing = scope.spawn(|| approve(&test, "mia", &seen));
                let editing = scope.spawn(|| load(&test, PROJECT, ACCESS, &format!("echo {round}")));
                let working = scope.spawn(|| other.settle());
                test.settle();
                counted = usize::from(signing.join().unwrap());
                editing.join().unwrap();
                working.join().unwrap();
            }),
            // Two who each complete what the other one began.
            1 => thread::scope(|scope| {
                most = 2;
                let all = ["mia", "moe"].map(|who| {
                    let (test, seen) = (&test, &seen);
                    scope.spawn(move || approve(test, who, seen))
                });
                counted = all.into_iter().map(|one| usize::from(one.join().unwrap())).sum();
                assert_eq!(counted, 2, "round {round}");
            }),
            // The same one, many times over.
            2 => thread::scope(|scope| {
                let all: Vec<_> = (0..4).map(|_| scope.spawn(|| approve(&test, "mia", &seen))).collect();
                counted = all.into_iter().map(|one| usize::from(one.join().unwrap())).sum();
                assert_eq!(counted, 1, "round {round}");
            }),
            // Too late, and after it was canceled.
            3 => {
                if round % 2 == 0 {
                    test.clock.advance(TimeDelta::hours(5));
                } else {
                    test.wait(test.app.cancel_run(&test.actor("olga"), run, "test")).unwrap();
                }
                assert!(!approve(&test, "mia", &seen), "round {round}");
            }
            // Canceled at the same moment.
            _ => thread::scope(|scope| {
                let signing = scope.spawn(|| approve(&test, "mia", &seen));
                let canceling =
                    scope.spawn(|| test.wait(test.app.cancel_run(&test.actor("olga"), run, "test")).is_ok());
                counted = usize::from(signing.join().unwrap());
                canceling.join().unwrap();
            }),
        }
        thread::scope(|scope| {
            let working = scope.spawn(|| other.settle());
            test.settle();
            working.join().unwrap();
        });
        // The same decision once more, after whatever came of it.
        assert!(!approve(&test, "mia", &seen), "round {round}");
        test.settle();
        let ran = test.steps().calls().len() + other.steps().calls().len() - before;
        let detail = test.run(run);
        assert_eq!(detail.plan.digest(), seen.1.digest, "round {round}");
        assert_eq!(detail.run.digest, seen.1.digest, "round {round}");
        assert!(counted <= most, "round {round}");
        match states(&test, run) {
            (RequestState::Used, State::Succeeded) => assert_eq!((ran, counted), (1, most), "round {round}"),
            (RequestState::Void | RequestState::Expired, State::Canceled | State::Expired) => {
                assert_eq!(ran, 0, "round {round}");
            }
            odd => panic!("round {round}: {odd:?}"),
        }
    }
    assert!(test.wait(test.app.verify_audit(&crate::harness::operator(), None)).unwrap().is_ok());
}
