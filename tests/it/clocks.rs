//! Servers whose clocks jump: nothing starts twice, nothing is ended early, nothing is left lying.

use std::path::PathBuf;

use crate::program::{Install, Server};
use crate::servers::{Counters, Installation, OVER, ask, until};
use crate::sshd::Sshd;
use crate::store_contract::databases::postgres;

const ACCOUNTS: [&str; 2] = ["ilk-dash", "ilk-bash"];

/// The library that gives a process a clock of its own.
pub(crate) fn own_clock() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|f| f.path().join("faketime/libfaketime.so.1"));
    let found = folders.into_iter().find(|f| f.exists());
    found.unwrap_or_else(|| panic!("libfaketime is not installed; tests/run brings it"))
}

#[test]
fn a_clock_that_jumps_starts_nothing_twice_and_ends_nothing_early() {
    let sshd = Sshd::start();
    let fresh = postgres();
    let counters = Counters::new();
    let job = counters.job(400).replace("name: count\nnodes", "name: count\ntimeout: 2m\nnodes");
    let installation = Installation::new(Install::on(&fresh.url), &sshd, &ACCOUNTS, &[("count", &job)]);
    let (clock, library) = (installation.install.path().join("clock"), own_clock());
    std::fs::write(&clock, "+0").unwrap();
    let variables = [
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", clock.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // As with a real clock that is set, what only counts time goes on evenly.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let (jumping, steady) = (Server::start_with(&installation.install, &variables), installation.serve());
    let (first, second) = (installation.oncall(&jumping), installation.oncall(&steady));
    for jump in ["+1h", "-1h", "+0"] {
        let runs: Vec<i64> = (0..6).map(|i| ask(if i % 2 == 0 { &first } else { &second }, "count")).collect();
        for run in &runs {
            until(&second, *run, &["running"]);
        }
        std::fs::write(&clock, jump).unwrap();
        for run in runs {
            let seen = until(&second, run, &OVER);
            assert_eq!(seen["state"], "succeeded", "{jump}: {seen}");
            counters.check(&second, run, &ACCOUNTS, jump);
        }
    }
    installation.done(&["audit", "verify"], "");
}
