//! Timers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use super::{ACCESS, events, load, payloads, whole, world};
use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases};
use crate::program::{Install, Server, ends};
use crate::store_contract::databases::postgres;

on_both_databases! {
    a_timer_fires_at_its_moments_and_rules_see_it
    missed_firings_go_as_the_author_says
    a_timer_that_is_off_makes_nothing_and_makes_up_for_nothing
    two_servers_at_the_same_moment_make_one_event
}

fn scheduled(client: &Client, source: &str) -> Vec<String> {
    payloads(client, source).iter().map(|p| p["scheduled_at"].as_str().unwrap().to_owned()).collect()
}

/// It is Monday, 12:00 UTC.
fn a_timer_fires_at_its_moments_and_rules_see_it(base: Base) {
    let daily = "name: daily\ntype: timer\ncron: '30 13 * * *'\ntime_zone: Europe/Berlin\n";
    let often = "name: often\ntype: timer\nevery: 15m\n";
    let once = "name: once\ntype: timer\nat: 2026-11-30T12:20:00Z\n";
    let test = world(base, &[("daily", daily), ("often", often), ("once", once)]);
    test.settle();
    for _ in 0..35 {
        test.clock.advance(TimeDelta::minutes(1));
        test.settle();
    }
    let ann = test.signed_in("ann");
    assert_eq!(scheduled(&ann, "daily"), ["2026-11-30T12:30:00Z"]);
    assert_eq!(scheduled(&ann, "often"), ["2026-11-30T12:15:00Z", "2026-11-30T12:30:00Z"]);
    assert_eq!(scheduled(&ann, "once"), ["2026-11-30T12:20:00Z"]);
    let event = whole(&ann, &events(&ann, "daily")[0]);
    assert_eq!(event["type"], "source.daily");
    assert_eq!(event["dedupe_key"], "2026-11-30T12:30:00Z");
    let payload = json!({"name": "daily", "scheduled_at": "2026-11-30T12:30:00Z", "fired_at": "2026-11-30T12:30:00Z"});
    assert_eq!(event["payload"], payload);
    assert_eq!(event["verdicts"][0]["rule"], "on_daily", "{event}");
}

fn missed_firings_go_as_the_author_says(base: Base) {
    let timer = |name: &str, missed: &str| format!("name: {name}\ntype: timer\ncron: '0 * * * *'\nmissed: {missed}\n");
    let (skip, one, all) = (timer("skip", "skip"), timer("one", "one"), timer("all", "all"));
    let test = world(base, &[("skip", &skip), ("one", &one), ("all", &all)]);
    test.settle();
    // Nobody is there for three firings.
    test.clock.advance(TimeDelta::minutes(200));
    test.settle();
    let ann = test.signed_in("ann");
    assert_eq!(scheduled(&ann, "skip"), [""; 0]);
    assert_eq!(scheduled(&ann, "one"), ["2026-11-30T15:00:00Z"]);
    assert_eq!(scheduled(&ann, "all"), ["2026-11-30T13:00:00Z", "2026-11-30T14:00:00Z", "2026-11-30T15:00:00Z"]);
    // From then on all go on alike.
    test.clock.advance(TimeDelta::minutes(40));
    test.settle();
    for name in ["skip", "one", "all"] {
        assert_eq!(scheduled(&ann, name).last().unwrap(), "2026-11-30T16:00:00Z", "{name}");
    }
}

fn a_timer_that_is_off_makes_nothing_and_makes_up_for_nothing(base: Base) {
    let text = |more: &str| format!("name: t\ntype: timer\nevery: 10m\nmissed: all\n{more}");
    let test = world(base, &[("t", &text(""))]);
    test.settle();
    load(&test, &[("t", &text("enabled: false\n"))]);
    test.settle();
    test.clock.advance(TimeDelta::minutes(60));
    test.settle();
    load(&test, &[("t", &text(""))]);
    test.settle();
    let ann = test.signed_in("ann");
    assert_eq!(scheduled(&ann, "t"), [""; 0]);
    test.clock.advance(TimeDelta::minutes(10));
    test.settle();
    assert_eq!(scheduled(&ann, "t"), ["2026-11-30T13:10:00Z"]);
    // Other words about it change nothing of when it fires.
    load(&test, &[("t", &text("description: as before\n"))]);
    test.clock.advance(TimeDelta::minutes(10));
    test.settle();
    assert_eq!(scheduled(&ann, "t").last().unwrap(), "2026-11-30T13:20:00Z");
    // One that is deleted is silent.
    load(&test, &[]);
    test.clock.advance(TimeDelta::minutes(30));
    test.settle();
    assert_eq!(scheduled(&ann, "t").len(), 2);
}

fn two_servers_at_the_same_moment_make_one_event(base: Base) {
    let one = world(base, &[("t", "name: t\ntype: timer\nevery: 1m\n")]);
    let two = one.beside();
    one.settle();
    for _ in 0..20 {
        one.clock.advance(TimeDelta::minutes(1));
        let together = std::sync::Barrier::new(2);
        let step = |test: &TestApp| {
            together.wait();
            test.step();
        };
        std::thread::scope(|scope| {
            scope.spawn(|| step(&one));
            scope.spawn(|| step(&two));
        });
    }
    one.settle();
    two.settle();
    let fired = scheduled(&one.signed_in("ann"), "t");
    assert_eq!(fired.len(), 20);
    assert_eq!(fired.iter().collect::<BTreeSet<_>>().len(), 20);
}

/// Real processes with the real time, one of which is killed on the way.
#[test]
fn two_processes_on_one_postgresql_fire_each_moment_once() {
    let fresh = postgres();
    let install = Install::on(&fresh.url);
    install.write("project.yaml", "description: timers\n");
    install.write("access.yaml", &ACCESS.replace("user:vic", "user:oncall"));
    install.write("sources/t.yaml", "name: t\ntype: timer\nevery: 1s\nmissed: all\n");
    let project = install.path().join("ops");
    ends(&install.run(&["apply", project.to_str().unwrap()]), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    let mut one = Server::start(&install);
    let two = Server::start(&install);
    let client = Client::new(&two.address).with("authorization", &format!("Bearer {}", token.trim()));
    let until = |count: usize| {
        let began = Instant::now();
        while events(&client, "t").len() < count {
            assert!(began.elapsed() < Duration::from_secs(60), "only {} events", events(&client, "t").len());
        }
    };
    until(4);
    one.kill();
    until(8);
    let moments: Vec<chrono::DateTime<chrono::Utc>> =
        scheduled(&client, "t").iter().map(|at| at.parse().unwrap()).collect();
    for pair in moments.windows(2) {
        assert_eq!(pair[1] - pair[0], TimeDelta::seconds(1), "{moments:?}");
    }
}
