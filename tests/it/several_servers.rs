//! Several servers on one PostgreSQL and one data folder, on real nodes: they share the work, one that was paused past its
//! lease does nothing any more, and a database that stops or crashes loses nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use interlock::store::{Db, Options, audit};
use rustix::process::Signal;

use crate::client::Client;
use crate::program::{Install, Server};
use crate::servers::{Counters, Installation, OVER, ask, rounds, until};
use crate::sshd::Sshd;
use crate::store_contract::databases::{Cluster, postgres};

const ACCOUNTS: [&str; 2] = ["ilk-dash", "ilk-bash"];

/// The servers that started or took over a run, in order.
fn servers_of(url: &str, run: i64) -> Vec<String> {
    let db = Db::open(url, &Options::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let entries = runtime.block_on(db.read(|c| audit::walk(c, 0, 10_000))).unwrap();
    let about = entries.into_iter().filter(|e| e.act.resource == format!("run:{run}"));
    let began = about.filter(|e| ["run.started", "run.taken_over"].contains(&e.act.action.as_str()));
    began.map(|e| e.act.detail["server"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn two_servers_share_the_work_and_a_paused_one_does_nothing_any_more() {
    let sshd = Sshd::start();
    let fresh = postgres();
    let counters = Counters::new();
    let jobs =
        [("count", counters.job(20)), ("slow", counters.job(700).replace("name: count\nnodes", "name: slow\nnodes"))];
    let jobs: Vec<(&str, &str)> = jobs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let installation = Installation::new(Install::on(&fresh.url), &sshd, &ACCOUNTS, &jobs);
    let (one, two) = (installation.serve(), installation.serve());
    let (first, second) = (installation.oncall(&one), installation.oncall(&two));

    let mut busy = BTreeSet::new();
    for round in 0..20 {
        let runs: Vec<i64> = (0..4).map(|i| ask(if i % 2 == 0 { &first } else { &second }, "count")).collect();
        for run in runs {
            assert_eq!(until(&first, run, &OVER)["state"], "succeeded");
            counters.check(&second, run, &ACCOUNTS, "shared");
            let servers = servers_of(&fresh.url, run);
            assert_eq!(servers.len(), 1, "one server begins a run: {servers:?}");
            busy.extend(servers);
        }
        if busy.len() == 2 {
            break;
        }
        assert!(round < 19, "one server did all of the work");
    }

    // The one that has the run is paused for longer than its lease.
    let run = ask(&first, "slow");
    until(&first, run, &["running"]);
    let began = loop {
        if let Some(server) = servers_of(&fresh.url, run).pop() {
            break server;
        }
    };
    let is_one = began.split('/').rev().nth(1) == Some(one.id().to_string().as_str());
    let (paused, other) = if is_one { (&one, &second) } else { (&two, &first) };
    paused.signal(Signal::STOP);
    assert_eq!(until(other, run, &OVER)["state"], "succeeded");
    counters.check(other, run, &ACCOUNTS, "taken over");
    let servers = servers_of(&fresh.url, run);
    assert_eq!((servers.len(), servers[0] == began, servers[1] == began), (2, true, false), "{servers:?}");

    // It goes on as if nothing had been, and nothing comes of it.
    let before = other.get(&format!("/api/v1/runs/{run}")).expect(200).json();
    paused.signal(Signal::CONT);
    let resumed = if is_one { &first } else { &second };
    for _ in 0..3 {
        let later = ask(resumed, "count");
        assert_eq!(until(resumed, later, &OVER)["state"], "succeeded");
        counters.check(resumed, later, &ACCOUNTS, "afterwards");
    }
    assert_eq!(other.get(&format!("/api/v1/runs/{run}")).expect(200).json(), before);
    counters.check(other, run, &ACCOUNTS, "untouched");
    assert_eq!(servers_of(&fresh.url, run).len(), 2);
    installation.done(&["audit", "verify"], "");
}

#[test]
fn one_server_answers_and_others_carry_out() {
    let sshd = Sshd::start();
    let fresh = postgres();
    let counters = Counters::new();
    let slow = counters.job(300).replace("name: count\nnodes", "name: slow\nnodes");
    let jobs = [("count", counters.job(5)), ("slow", slow)];
    let jobs: Vec<(&str, &str)> = jobs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let installation = Installation::new(Install::on(&fresh.url), &sshd, &ACCOUNTS, &jobs);
    let web = Server::spawn(installation.install.command(&["serve", "--listen", "127.0.0.1:0", "--role", "web"]));
    let oncall = installation.oncall(&web);
    let runs: Vec<i64> = (0..3).map(|_| ask(&oncall, "count")).collect();
    let by = |server: &Server| server.id().to_string();
    let of = |run| servers_of(&fresh.url, run).iter().map(|s| s.split('/').rev().nth(1).unwrap().to_owned()).collect();

    let mut first = Server::worker(&installation.install);
    for run in runs {
        assert_eq!(until(&oncall, run, &OVER)["state"], "succeeded");
        counters.check(&oncall, run, &ACCOUNTS, "by the worker");
        let servers: Vec<String> = of(run);
        assert_eq!(servers, [by(&first)], "who only answers carries nothing out");
    }

    // A worker that crashes is followed by another; the one that answers goes on all the time.
    let run = ask(&oncall, "slow");
    until(&oncall, run, &["running"]);
    first.kill();
    let second = Server::worker(&installation.install);
    assert_eq!(until(&oncall, run, &OVER)["state"], "succeeded");
    counters.check(&oncall, run, &ACCOUNTS, "by two workers");
    let servers: Vec<String> = of(run);
    assert_eq!(servers, [by(&first), by(&second)]);

    // A cancel goes the same way.
    let run = ask(&oncall, "slow");
    until(&oncall, run, &["running"]);
    oncall.post(&format!("/api/v1/runs/{run}/cancel"), &serde_json::json!({})).expect(200);
    assert_eq!(until(&oncall, run, &OVER)["state"], "canceled");
    assert_eq!((second.stop(), web.stop()), (Some(0), Some(0)));
}

#[test]
fn a_database_that_stops_during_runs_loses_none_and_starts_none_twice() {
    let folder = tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut cluster = Cluster::start(&folder.path().join("pg"));
    let sshd = Sshd::start();
    let counters = Counters::new();
    let job = counters.job(400);
    let url = cluster.url("postgres");
    let installation = Installation::new(Install::on(&url), &sshd, &ACCOUNTS, &[("count", &job)]);
    let server = installation.serve();
    let client = installation.oncall(&server);
    // Who looks whether the process lives says nothing about who asks, which only the database could check.
    let probe = Client::new(&server.address);
    let runs: Vec<i64> = (0..20).map(|_| ask(&client, "count")).collect();
    until(&client, runs[0], &["running", "succeeded"]);
    // For a moment, by a crash, and for longer: in the long rounds for longer than any lease.
    for (crashes, seconds) in [(false, 0), (true, 0), (false, if rounds(50) > 3 { 30 } else { 1 })] {
        if crashes {
            cluster.crash();
        } else {
            cluster.stop();
        }
        let began = Instant::now();
        client.get("/readyz").expect(503);
        while began.elapsed() < Duration::from_secs(seconds) {
            probe.get("/healthz").expect(200);
        }
        cluster.start_again();
    }
    for run in runs {
        let seen = until(&client, run, &OVER);
        assert_eq!(seen["state"], "succeeded", "{seen}");
        counters.check(&client, run, &ACCOUNTS, "database away");
    }
    installation.done(&["audit", "verify"], "");
}
