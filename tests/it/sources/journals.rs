//! systemd's journal: real journal files, written by systemd's own tool and read by journalctl.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ACCESS, payloads, world};
use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases};
use crate::program::{Install, Server, ends};

on_both_databases! {
    new_entries_become_events_once
    a_journal_that_lost_its_older_files_is_read_on_and_told
}

/// When the first entry was taken, in microseconds.
const START: u64 = 1_764_300_000_000_000;

/// An entry as journals are exported: its second, its message, and more fields.
fn entry(second: u64, message: &[u8], more: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!(
        "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n",
        START + second * 1_000_000,
        second * 1_000_000
    );
    for (name, value) in more {
        writeln!(head, "{name}={value}").unwrap();
    }
    let length = u64::try_from(message.len()).unwrap().to_le_bytes();
    [head.as_bytes(), b"MESSAGE\n", &length, message, b"\n\n"].concat()
}

fn simple(second: u64, message: &str, unit: &str) -> Vec<u8> {
    entry(second, message.as_bytes(), &[("_SYSTEMD_UNIT", unit), ("PRIORITY", "3"), ("SYSLOG_IDENTIFIER", "app")])
}

/// Writes a journal file of these entries.
fn write(folder: &Path, name: &str, entries: &[Vec<u8>]) -> PathBuf {
    let export = folder.join("export");
    std::fs::write(&export, entries.concat()).unwrap();
    let file = folder.join(format!("{name}.journal"));
    let mut command = Command::new("/lib/systemd/systemd-journal-remote");
    command.arg("--output").arg(&file).arg(&export).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().unwrap_or_else(|e| panic!("systemd-journal-remote: {e}; tests/run installs it"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::remove_file(export).unwrap();
    file
}

fn source(more: &str) -> String {
    format!("name: j\ntype: journal\nunit: app\npattern: 'ERROR (?P<code>[0-9]+)'\n{more}")
}

/// Looks, after a while, until nothing new comes; how many events that made.
fn look(test: &TestApp) -> usize {
    let mut all = 0;
    loop {
        test.clock.advance(TimeDelta::minutes(1));
        match test.watch() {
            0 => return all,
            some => all += some,
        }
    }
}

/// A project that has begun to read a journal of these entries, and the journal's folder and file.
fn begun(base: Base, text: &str, entries: &[Vec<u8>]) -> (TestApp, PathBuf, PathBuf) {
    let test = world(base, &[("j", text)]);
    let folder = test.journal();
    let file = write(&folder, "a", entries);
    test.watch();
    (test, folder, file)
}

fn shown(test: &TestApp) -> Value {
    test.signed_in("ann").get("/api/v1/sources/ops/j").expect(200).json()
}

fn codes(test: &TestApp) -> Vec<String> {
    payloads(&test.signed_in("ann"), "j").iter().map(|p| p["code"].as_str().unwrap().to_owned()).collect()
}

fn new_entries_become_events_once(base: Base) {
    let before = [simple(1, "ERROR 1 before", "app.service")];
    let (test, folder, _) = begun(base, &source("priority: err\n"), &before);
    assert_eq!(look(&test), 0, "what was there before is no event");
    let of = |priority: &'static str| [("_SYSTEMD_UNIT", "app.service"), ("PRIORITY", priority), ("_HOSTNAME", "db7")];
    write(
        &folder,
        "b",
        &[
            simple(2, "ERROR 2 here\nand more", "app.service"),
            simple(3, "ERROR 3 elsewhere", "other.service"),
            simple(4, "INFO 4", "app.service"),
            entry(5, b"ERROR 5 \xff\xfe", &of("2")),
            entry(6, b"ERROR 6 not so grave", &of("4")),
            entry(7, &[b"ERROR 7 ".as_slice(), &vec![b'x'; 100_000]].concat(), &of("3")),
        ],
    );
    assert_eq!(look(&test), 3);
    assert_eq!(look(&test), 0);
    assert_eq!(codes(&test), ["2", "5", "7"]);
    let found = payloads(&test.signed_in("ann"), "j");
    let known = json!({"code": "2", "line": "ERROR 2 here\nand more", "host": "web1", "unit": "app.service",
        "identifier": "app", "priority": "err", "at": "2025-11-28T03:20:02Z"});
    assert_eq!(found[0], known);
    assert_eq!((&found[1]["line"], &found[1]["not_utf8"]), (&json!("ERROR 5 \u{fffd}\u{fffd}"), &json!(true)));
    assert_eq!((&found[1]["host"], &found[1]["priority"]), (&json!("db7"), &json!("crit")));
    assert_eq!((found[2]["line"].as_str().unwrap().len(), &found[2]["cut"]), (16 << 10, &json!(true)));
    // After a restart it goes on where it stopped.
    let test = test.restart();
    write(&folder, "c", &[simple(8, "ERROR 8", "app.service")]);
    assert_eq!(look(&test), 1);
    assert_eq!((codes(&test).last().unwrap().as_str(), &shown(&test)["error"]), ("8", &json!("")));
}

fn a_journal_that_lost_its_older_files_is_read_on_and_told(base: Base) {
    let before = [simple(1, "ERROR 1", "app.service"), simple(2, "ERROR 2", "app.service")];
    let (test, folder, old) = begun(base, &source("from: start\n"), &before);
    look(&test);
    assert_eq!(codes(&test), ["1", "2"]);
    assert_eq!(shown(&test)["error"], "");
    // What comes next is written before the file of the last one is removed.
    write(&folder, "b", &[simple(3, "ERROR 3", "app.service"), simple(4, "ERROR 4", "app.service")]);
    std::fs::remove_file(old).unwrap();
    assert_eq!(look(&test), 2, "the first entry after the gap counts as well");
    assert_eq!(codes(&test), ["1", "2", "3", "4"]);
    let shown = shown(&test);
    assert!(shown["error"].as_str().unwrap().contains("entries after it may be lost"), "{shown}");
    assert_eq!(shown["state"], "watching");
    // A journal that was emptied begins anew.
    std::fs::remove_file(folder.join("b.journal")).unwrap();
    assert_eq!(look(&test), 0);
    write(&folder, "c", &[simple(5, "ERROR 5", "app.service")]);
    assert_eq!(look(&test), 1);
}

/// More than is read at once comes whole and in order.
#[test]
fn a_long_journal_is_read_in_pieces() {
    let all: Vec<Vec<u8>> = (0..1_200).map(|n| simple(n, &format!("ERROR {n}"), "app.service")).collect();
    let (test, _, _) = begun(Base::Sqlite, &source("from: start\n"), &all);
    look(&test);
    assert_eq!(codes(&test), (0..1_200).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// Nobody's file makes a server read its journal.
#[test]
fn no_journal_is_read_without_the_option() {
    let install = Install::new();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a", &[simple(1, "ERROR 1", "app.service")]);
    install.write("project.yaml", "description: journals\n");
    install.write("access.yaml", &ACCESS.replace("user:vic", "user:oncall"));
    install.write("sources/j.yaml", &source("from: start\n"));
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    let until = |server: &Server, wanted: &dyn Fn(&Value) -> bool| {
        let client = Client::new(&server.address).with("authorization", &format!("Bearer {}", token.trim()));
        let began = std::time::Instant::now();
        loop {
            let shown = client.get("/api/v1/sources/ops/j").expect(200).json();
            if wanted(&shown) {
                return client;
            }
            assert!(began.elapsed() < std::time::Duration::from_secs(60), "{shown}");
        }
    };
    let without = Server::start(&install);
    until(&without, &|shown| shown["error"] == "This server reads no journal; start it with --source-journal.");
    drop(without);
    let option = format!("--source-journal={}", folder.path().display());
    let with = Server::spawn(install.command(&["serve", "--listen", "127.0.0.1:0", option.as_str()]));
    let client = until(&with, &|shown| !shown["last_event_at"].is_null());
    assert_eq!(payloads(&client, "j")[0]["code"], "1");
    let (_, said) = ends(&install.run(&["serve", "--source-journal=/nowhere"]), 2);
    assert!(said.contains("--source-journal /nowhere is not the whole path of a folder"), "{said}");
}
