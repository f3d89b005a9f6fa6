//! The server is killed between what a source watches and its events: nothing is lost, and nothing makes a second event.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::pull;
use interlock::domain::moment::Moment;
use serde_json::Value;

use super::polls::Elsewhere;
use super::{ACCESS, whole};
use crate::client::Client;
use crate::clocks::own_clock;
use crate::nats::NatsServer;
use crate::program::{Install, Server, ends};
use crate::servers::rounds;

const PATIENCE: Duration = Duration::from_secs(100);

/// A project with one source, and a token of who may look.
fn installed(source: &str) -> (Install, String) {
    let install = Install::new();
    install.write("project.yaml", "description: sources\n");
    install.write("access.yaml", &ACCESS.replace("user:vic", "user:oncall"));
    install.write("sources/s.yaml", source);
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    (install, token.trim().to_owned())
}

/// Starts a server that sees the clock so many seconds ahead, and ends at this moment if one is named.
fn serve(install: &Install, ahead: u32, until: Option<Moment>) -> Server {
    let mut command = install.command(&["serve", "--listen", "127.0.0.1:0", "--sources-private"]);
    command
        .env("LD_PRELOAD", own_clock())
        .env("FAKETIME", format!("+{ahead}s"))
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    if let Some(moment) = until {
        command.env("INTERLOCK_DIE_AT", moment.as_str());
    }
    Server::spawn(command)
}

fn client(server: &Server, token: &str) -> Client {
    Client::new(&server.address).with("authorization", &format!("Bearer {token}"))
}

/// The payloads of a source's events by their ids, as far as they were looked at: each round looks at what is new only.
#[derive(Default)]
struct Seen(BTreeMap<String, Value>);

impl Seen {
    /// Looks until there are so many.
    #[track_caller]
    fn until_there(&mut self, client: &Client, count: usize, what: &str) {
        let began = Instant::now();
        while self.look(client) < count {
            assert!(began.elapsed() < PATIENCE, "{what}: {} of {count} events", self.0.len());
        }
    }

    /// Takes note of the newest events down to one that is known; how many are known then.
    fn look(&mut self, client: &Client) -> usize {
        let mut cursor = String::new();
        loop {
            let page = client.get(&format!("/api/v1/events?source=source:s&limit=50{cursor}")).expect(200).json();
            let mut met = false;
            for event in page["items"].as_array().unwrap() {
                let id = event["id"].as_str().unwrap().to_owned();
                match self.0.entry(id) {
                    Entry::Occupied(_) => met = true,
                    Entry::Vacant(new) => drop(new.insert(whole(client, event)["payload"].clone())),
                }
            }
            match page["next"].as_str() {
                Some(next) if !met => cursor = format!("&cursor={next}"),
                _ => return self.0.len(),
            }
        }
    }

    fn numbers(&self, of: impl Fn(&Value) -> u64) -> Vec<u64> {
        let mut all: Vec<u64> = self.0.values().map(of).collect();
        all.sort_unstable();
        all
    }
}

const MOMENTS: [Moment; 3] = [Moment::SourceFetched, Moment::SourceUncommitted, Moment::SourceStored];

#[test]
fn no_message_of_a_queue_is_lost_or_doubled() {
    let nats = NatsServer::start("");
    let publisher = nats.publisher();
    publisher.stream("ALERTS", &["alerts.>"]);
    // One that does not let the next server wait for long.
    let config =
        pull::Config { durable_name: Some("mine".to_owned()), ack_wait: Duration::from_secs(1), ..Default::default() };
    publisher.consumer("ALERTS", config);
    let source = format!("name: s\ntype: nats\nurl: {}\nstream: ALERTS\nconsumer: mine\n", nats.url());
    let (install, token) = installed(&source);
    let (mut expected, mut seen) = (0, Seen::default());
    for moment in MOMENTS {
        for round in 0..rounds(50) {
            let what = format!("{} round {round}", moment.as_str());
            for _ in 0..20 {
                publisher.publish("alerts.a", format!("{{\"n\": {expected}}}"));
                expected += 1;
            }
            let dying = serve(&install, 0, Some(moment));
            assert_eq!(dying.ended().signal(), Some(9), "{what}");
            let server = serve(&install, 0, None);
            let client = client(&server, &token);
            seen.until_there(&client, usize::try_from(expected).unwrap(), &what);
            publisher.until_acknowledged("ALERTS");
            seen.look(&client);
            let found = seen.numbers(|p| p["data"]["n"].as_u64().unwrap());
            assert_eq!(found, (0..expected).collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn no_item_of_a_poll_is_lost_or_doubled() {
    let elsewhere = Elsewhere::start();
    elsewhere.lists(&[]);
    let source = elsewhere.source("first: events\n").replace("name: p", "name: s").replace("every: 1m", "every: 1s");
    let (install, token) = installed(&source);
    let (mut expected, mut ahead, mut seen) = (0, 0, Seen::default());
    for moment in MOMENTS {
        for round in 0..rounds(50) {
            let what = format!("{} round {round}", moment.as_str());
            expected += 20;
            elsewhere.lists(&(0..expected).collect::<Vec<_>>());
            let dying = serve(&install, ahead, Some(moment));
            assert_eq!(dying.ended().signal(), Some(9), "{what}");
            // The poll is another server's as soon as the first one is known to be gone.
            let server = serve(&install, ahead + 1, None);
            ahead += 2;
            let client = client(&server, &token);
            seen.until_there(&client, usize::try_from(expected).unwrap(), &what);
            let found = seen.numbers(|p| p["id"].as_u64().unwrap());
            assert_eq!(found, (0..u64::from(expected)).collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn no_moment_of_a_timer_is_lost_or_doubled() {
    let (install, token) = installed("name: s\ntype: timer\nevery: 1m\nmissed: all\n");
    // It is brought in.
    let server = serve(&install, 0, None);
    let looks = client(&server, &token);
    let began = Instant::now();
    while looks.get("/api/v1/sources/ops/s").expect(200).json()["state"] != "watching" {
        assert!(began.elapsed() < PATIENCE);
    }
    drop(server);
    let (mut ahead, mut fired, mut seen) = (0, 0, Seen::default());
    for moment in [Moment::TimerUncommitted, Moment::TimerFired] {
        for round in 0..rounds(50) {
            let what = format!("{} round {round}", moment.as_str());
            ahead += 180;
            let dying = serve(&install, ahead, Some(moment));
            assert_eq!(dying.ended().signal(), Some(9), "{what}");
            let server = serve(&install, ahead, None);
            let client = client(&server, &token);
            fired += 3;
            seen.until_there(&client, fired, &what);
            let at = |p: &Value| {
                let text = p["scheduled_at"].as_str().unwrap();
                u64::try_from(chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp()).unwrap()
            };
            let all = seen.numbers(at);
            let steps: BTreeSet<u64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(steps.iter().all(|step| *step == 60), "{what}: {all:?}");
            // The real time that goes by may bring one more.
            fired = all.len();
        }
    }
}
