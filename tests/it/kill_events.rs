//! The server is killed on the way from an event to a run. Afterwards each event that was stored has a verdict of every rule,
//! and one run; no guard has lost its claim, and none keeps one of an action that never was.

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use interlock::domain::moment::Moment;
use serde_json::{Value, json};

use crate::client::Client;
use crate::clocks::own_clock;
use crate::program::{Install, Server};
use crate::servers::{Counters, Installation, OVER, a_test_of_each_moment, rounds, until};
use crate::sshd::Sshd;

const PASSWORD: &str = "correct horse battery";
const DAY: u32 = 86_400;
/// Longer than a server has an event to itself.
const LATER: u32 = 60;

/// Starts a server that sees the clock so many seconds ahead, with one more variable.
fn serve(install: &Install, ahead: u32, more: Option<(&str, Moment)>) -> Server {
    let mut command = install.command(&["serve", "--listen", "127.0.0.1:0"]);
    command
        .env("LD_PRELOAD", own_clock())
        .env("FAKETIME", format!("+{ahead}s"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    if let Some((variable, moment)) = more {
        command.env(variable, moment.as_str());
    }
    Server::spawn(command)
}

/// A rule on every full disk.
fn rule(name: &str, criterion: &str, action: &str) -> String {
    format!(
        "name: {name}\ntrigger: {{type: disk.full}}\ncriteria:\n  trigger.key: {criterion}\naction: {action}\nowner: service:robot\n"
    )
}

/// With a rule that is live and asks for a run, one in dry run, and one that never matches.
fn installed(sshd: &Sshd, counters: &Counters) -> Installation {
    let installation = Installation::new(Install::new(), sshd, &["ilk-dash"], &[("count", &counters.job(1))]);
    let install = &installation.install;
    let nodes = std::fs::read_to_string(install.path().join("ops/nodes.yaml")).unwrap();
    install.write("nodes.yaml", &nodes.replace("}\n", ", environment: staging}\n"));
    install.write(
        "access.yaml",
        "roles:\n  r: [{allow: [view, run, cancel], on: '**'}]\n  promoters: [{allow: [view, edit, promote, run], on: '**'}]\n\
         members: {r: ['user:oncall', 'service:robot'], promoters: ['user:ann', 'user:bob']}\n",
    );
    let acts =
        rule("acts", "{type: exists}", "{ref: count}") + "guard: {dedupe: {key: '{{ trigger.key }}', window: 30d}}\n";
    install.write("rules/acts.yaml", &acts);
    install.write("rules/looks.yaml", &rule("looks", "{type: exists}", "nothing"));
    install.write("rules/other.yaml", &rule("other", "{type: equals, pattern: nobody}", "{ref: count}"));
    installation.done(&["apply", install.path().join("ops").to_str().unwrap()], "");
    for name in ["ann", "bob"] {
        installation.done(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n"));
    }

    // Two weeks in dry run, a look at what it would have done, and two people.
    let path = "/api/v1/rules/ops/acts";
    let server = serve(install, 0, None);
    post(&installation.oncall(&server), "first", "first");
    let ann = Client::new(&server.address).sign_in("ann", PASSWORD);
    let would = wait(|| ann.get(path).expect(200).json()["would_have_done"].as_array().unwrap().first().cloned());
    ann.post(&format!("{path}/marks"), &json!({"enforcement": would["id"], "mark": "right"})).expect(200);
    drop(server);
    let server = serve(install, 15 * DAY, None);
    for (who, what) in [("ann", "ask"), ("bob", "confirm")] {
        let client = Client::new(&server.address).sign_in(who, PASSWORD);
        let digest = client.get(path).expect(200).json()["digest"].clone();
        client.post(&format!("{path}/promotion"), &json!({"do": what, "digest": digest})).expect(200);
    }
    drop(server);
    installation
}

fn posted(key: &str, id: &str) -> Value {
    json!({"type": "disk.full", "project": "ops", "payload": {"key": key}, "dedupe_key": id})
}

fn post(client: &Client, key: &str, id: &str) -> Value {
    client.post("/api/v1/events", &posted(key, id)).expect(202).json()
}

#[track_caller]
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(100), "it does not come");
    }
}

/// The verdicts on an event, by rule, once every rule has looked at it.
#[track_caller]
fn verdicts(client: &Client, event: &Value, what: &str) -> Vec<(String, String, Option<i64>)> {
    let path = format!("/api/v1/events/{}", event["event"].as_str().unwrap());
    let whole = wait(|| {
        let whole = client.get(&path).expect(200).json();
        (whole["detail"] != "Rules are about to look at it.").then_some(whole)
    });
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let of = |v: &Value| (text(&v["rule"]), text(&v["outcome"]), v["run"].as_i64());
    let mut all: Vec<_> =
        whole["verdicts"].as_array().unwrap_or_else(|| panic!("{what}: {whole}")).iter().map(of).collect();
    all.sort();
    all
}

fn newest_run(client: &Client) -> i64 {
    client.get("/api/v1/runs?limit=1").expect(200).json()["items"][0]["number"].as_i64().unwrap_or(0)
}

a_test_of_each_moment! {
    loses_no_event_and_acts_on_none_twice, Moment::OF_AN_EVENT;
    event_stored: EventStored,
    event_taken: EventTaken,
    event_judged: EventJudged,
    action_uncommitted: ActionUncommitted,
    event_unmarked: EventUnmarked,
}

fn loses_no_event_and_acts_on_none_twice(moment: Moment) {
    let sshd = Sshd::start();
    let counters = Counters::new();
    let installation = installed(&sshd, &counters);
    let install = &installation.install;
    let mut ahead = 15 * DAY;
    let mut expected = 0;
    for round in 0..rounds(50) {
        let what = format!("{} round {round}", moment.as_str());
        ahead += LATER;
        let dying = serve(install, ahead, Some(("INTERLOCK_DIE_AT", moment)));
        let client = installation.oncall(&dying);
        // The server may die before it has answered.
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            client.post("/api/v1/events", &posted(&what, &what)).status
        }));
        assert_eq!(dying.ended().signal(), Some(9), "{what}: the server ends there");
        if moment == Moment::EventStored {
            assert!(asked.is_err(), "{what}: {asked:?}");
        }

        ahead += LATER;
        let server = serve(install, ahead, None);
        let client = installation.oncall(&server);
        // A sender that got no answer sends again, and one that got one may do so as well.
        let event = post(&client, &what, &what);
        assert_eq!(event["duplicate"], true, "{what}: it was stored");
        expected += 1;
        let ran = |outcome: &str, run| ("acts".to_owned(), outcome.to_owned(), run);
        let others =
            [("looks".to_owned(), "would".to_owned(), None), ("other".to_owned(), "not_matched".to_owned(), None)];
        let with = |first| [&[first], &others[..]].concat();
        assert_eq!(verdicts(&client, &event, &what), with(ran("ran", Some(expected))), "{what}");
        assert_eq!(newest_run(&client), expected, "{what}: one run");
        let run = until(&client, expected, &OVER);
        assert_eq!(run["state"], "succeeded", "{what}: {run}");
        counters.check(&client, expected, &["ilk-dash"], &what);
        // What was claimed stays claimed.
        let second = post(&client, &what, &format!("{what} again"));
        assert_eq!(second["duplicate"], false, "{what}");
        assert_eq!(verdicts(&client, &second, &what), with(ran("held", None)), "{what}");
        assert_eq!(newest_run(&client), expected, "{what}: no second run");
    }
    installation.done(&["audit", "verify"], "");
}

/// Whoever posts does not wait for rules: their loop stands still, and every post is answered and stored.
#[test]
fn events_are_taken_while_nobody_matches() {
    let sshd = Sshd::start();
    let counters = Counters::new();
    let installation = installed(&sshd, &counters);
    let install = &installation.install;
    let standing = serve(install, 16 * DAY, Some(("INTERLOCK_HALT_AT", Moment::EventJudged)));
    let client = installation.oncall(&standing);
    let events: Vec<Value> = (0..60).map(|n| post(&client, &format!("k{n}"), &format!("k{n}"))).collect();
    assert!(events.iter().all(|event| event["duplicate"] == false));
    for event in &events {
        let path = format!("/api/v1/events/{}", event["event"].as_str().unwrap());
        let whole = client.get(&path).expect(200).json();
        assert_eq!(whole["detail"], "Rules are about to look at it.", "{whole}");
    }
    assert_eq!(newest_run(&client), 0);
    drop(standing);
    let server = serve(install, 16 * DAY + LATER, None);
    let client = installation.oncall(&server);
    for (n, event) in events.iter().enumerate() {
        let found = verdicts(&client, event, &format!("event {n}"));
        assert_eq!((found.len(), found[0].1.as_str()), (3, "ran"), "event {n}: {found:?}");
    }
    assert_eq!(newest_run(&client), 60);
}
