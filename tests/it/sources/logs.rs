//! Log streams: files that grow, are rotated, and are not what they should be.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;

use super::{ACCESS, events, load, payloads, whole, world};
use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases};
use crate::program::{Install, Server, ends};

on_both_databases! {
    new_lines_become_events
    a_file_that_is_rotated_loses_no_line_and_doubles_none
    only_files_below_the_servers_folders_are_read
}

const PATTERN: &str = "ERROR (?P<code>[0-9]+)";

fn source(file: &Path, more: &str) -> String {
    format!("name: l\ntype: log\nfile: {}\npattern: '{PATTERN}'\n{more}", file.display())
}

/// With a file that has one line already, which is not looked at.
fn begun(base: Base) -> (TestApp, std::path::PathBuf) {
    let test = world(base, &[]);
    let file = test.logs().join("app.log");
    fs::write(&file, "ERROR 0\n").unwrap();
    load(&test, &[("l", &source(&file, ""))]);
    // Begins to remember, and then takes note of the end.
    assert_eq!((test.watch(), test.watch()), (0, 0));
    (test, file)
}

fn write(file: &Path, text: &[u8]) {
    fs::OpenOptions::new().append(true).create(true).open(file).unwrap().write_all(text).unwrap();
}

fn codes(test: &TestApp) -> Vec<String> {
    let codes = payloads(&test.signed_in("ann"), "l");
    codes.iter().map(|p| p["code"].as_str().unwrap().to_owned()).collect()
}

/// Looks until nothing new comes.
fn drain(test: &TestApp) {
    for _ in 0..6 {
        test.watch();
    }
}

fn new_lines_become_events(base: Base) {
    let (test, file) = begun(base);
    write(&file, b"INFO 1\nERROR 2\nERROR");
    assert_eq!(test.watch(), 1, "a line that is not ended is left alone");
    write(&file, b" 3\n");
    assert_eq!(test.watch(), 1);
    assert_eq!(test.watch(), 0);
    test.settle();
    let ann = test.signed_in("ann");
    let event = whole(&ann, &events(&ann, "l")[0]);
    let payload = json!({"code": "2", "line": "ERROR 2", "file": file.to_str().unwrap(), "host": "web1"});
    assert_eq!(event["payload"], payload);
    assert_eq!(event["verdicts"][0]["rule"], "on_l", "{event}");

    // A server that starts again goes on where this one was.
    write(&file, b"ERROR 4\n");
    let test = test.restart();
    assert_eq!(test.watch(), 1);
    assert_eq!(codes(&test), ["2", "3", "4"]);

    // Lines without end are cut, and what is no UTF-8 is said.
    let mut long = b"ERROR 5 ".to_vec();
    long.resize(300 << 10, b'x');
    write(&file, &long);
    drain(&test);
    write(&file, b"still the same line, ERROR 6\nERROR 7 \xff\n");
    drain(&test);
    let all = payloads(&test.signed_in("ann"), "l");
    let last: Vec<_> = all[3..].iter().map(|p| (p["code"].as_str().unwrap(), &p["cut"], &p["not_utf8"])).collect();
    assert_eq!(last, [("5", &json!(true), &json!(null)), ("7", &json!(null), &json!(true))]);
    // Off and on again, it goes on from the end.
    load(&test, &[("l", &source(&file, "enabled: false\n"))]);
    test.watch();
    write(&file, b"ERROR 8\n");
    load(&test, &[("l", &source(&file, ""))]);
    drain(&test);
    write(&file, b"ERROR 9\n");
    drain(&test);
    assert_eq!(codes(&test), ["2", "3", "4", "5", "7", "9"]);
}

fn a_file_that_is_rotated_loses_no_line_and_doubles_none(base: Base) {
    let (test, file) = begun(base);
    let mut expected = Vec::new();
    let mut next = 0;
    let mut more = |count: usize, expected: &mut Vec<String>| {
        let lines: String = (0..count)
            .map(|_| {
                next += 1;
                expected.push(next.to_string());
                format!("ERROR {next}\n")
            })
            .collect();
        lines.into_bytes()
    };
    for round in 0..4 {
        write(&file, &more(3, &mut expected));
        if round % 2 == 0 {
            test.watch();
        }
        write(&file, &more(2, &mut expected));
        // By another name, with lines that nobody has read yet.
        let old = file.with_file_name(format!("app.log.{round}"));
        fs::rename(&file, &old).unwrap();
        write(&old, &more(1, &mut expected));
        if round == 1 {
            drain(&test);
            write(&old, &more(1, &mut expected));
        }
        write(&file, &more(2, &mut expected));
        drain(&test);
        assert_eq!(codes(&test), expected, "renamed, round {round}");
    }
    for round in 0..3 {
        // Copied and emptied.
        write(&file, &more(4, &mut expected));
        if round == 1 {
            test.watch();
            write(&file, &more(2, &mut expected));
        }
        fs::copy(&file, file.with_file_name(format!("app.log-{round}"))).unwrap();
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
        if round == 2 {
            drain(&test);
        }
        write(&file, &more(3, &mut expected));
        drain(&test);
        assert_eq!(codes(&test), expected, "copied and emptied, round {round}");
    }
    // One that vanished without a trace is said so.
    write(&file, &more(1, &mut expected));
    drain(&test);
    fs::remove_file(&file).unwrap();
    for round in 0..4 {
        let _ = fs::remove_file(file.with_file_name(format!("app.log.{round}")));
        let _ = fs::remove_file(file.with_file_name(format!("app.log-{round}")));
    }
    fs::write(&file, more(1, &mut expected)).unwrap();
    drain(&test);
    assert_eq!(codes(&test), expected);
    let shown = test.signed_in("ann").get("/api/v1/sources/ops/l").expect(200).json();
    assert!(shown["error"].as_str().unwrap().contains("may be lost"), "{shown}");
}

fn only_files_below_the_servers_folders_are_read(base: Base) {
    let test = world(base, &[]);
    let logs = test.logs();
    let secret = logs.parent().unwrap().join("secret.txt");
    fs::write(&secret, "ERROR 1\n").unwrap();
    std::os::unix::fs::symlink(&secret, logs.join("link.log")).unwrap();
    std::os::unix::fs::symlink(logs.parent().unwrap(), logs.join("up")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        logs.join("pipe.log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let client = test.signed_in("ann");
    for (file, said) in [
        ("/etc/shadow".to_owned(), "lies in no folder"),
        ("/etc/nothing-of-that-name".to_owned(), "lies in no folder"),
        (secret.display().to_string(), "lies in no folder"),
        (logs.join("link.log").display().to_string(), "lies in no folder"),
        (logs.join("up/secret.txt").display().to_string(), "lies in no folder"),
        (logs.join("pipe.log").display().to_string(), "is not a file"),
        (logs.join("none.log").display().to_string(), "There is no file"),
    ] {
        load(&test, &[("l", &source(Path::new(&file), "from: start\n"))]);
        test.watch();
        test.clock.advance(TimeDelta::minutes(2));
        assert_eq!(test.watch(), 0, "{file}");
        let shown = client.get("/api/v1/sources/ops/l").expect(200).json();
        assert!(shown["error"].as_str().unwrap().contains(said), "{file}: {shown}");
    }
}

/// The server is killed when it has read lines and cannot store them yet, and when it has just stored some.
#[test]
fn a_killed_server_loses_no_line_and_doubles_none() {
    use diesel::connection::SimpleConnection as _;
    use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection};
    use rustix::fs::inotify;

    let install = Install::new();
    let logs = install.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let file = logs.join("app.log");
    fs::write(&file, "").unwrap();
    install.write("project.yaml", "description: logs\n");
    install.write("access.yaml", &ACCESS.replace("user:vic", "user:oncall"));
    install.write("sources/l.yaml", &source(&file, "from: start\n"));
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    let client =
        |server: &Server| Client::new(&server.address).with("authorization", &format!("Bearer {}", token.trim()));
    let serve = || {
        let folder = logs.to_str().unwrap();
        Server::spawn(install.command(&["serve", "--listen", "127.0.0.1:0", "--source-logs", folder]))
    };
    let until = |server: &Server, count: usize| {
        let (client, began) = (client(server), Instant::now());
        loop {
            let there = events(&client, "l").len();
            if there >= count {
                return there;
            }
            assert!(began.elapsed() < Duration::from_secs(100), "{there} of {count} events");
        }
    };
    let mut database = SqliteConnection::establish(install.data().join("interlock.db").to_str().unwrap()).unwrap();
    database.batch_execute("PRAGMA busy_timeout = 20000").unwrap();
    let mut written = 0;
    let mut more = || {
        let lines: String = (written..written + 50).map(|n| format!("ERROR {n}\n")).collect();
        written += 50;
        write(&file, lines.as_bytes());
        written
    };
    for round in 0..6 {
        let mut server = serve();
        if round % 2 == 0 {
            let before = more();
            assert_eq!(until(&server, before), before);
            // Nobody else stores anything now, and so the server has only read these when it dies.
            database.batch_execute("BEGIN IMMEDIATE").unwrap();
            more();
            let seen = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
            inotify::add_watch(&seen, &file, inotify::WatchFlags::ACCESS).unwrap();
            let mut buffer = [std::mem::MaybeUninit::uninit(); 1_024];
            let mut reader = inotify::Reader::new(&seen, &mut buffer);
            assert!(reader.next().unwrap().events().contains(inotify::ReadFlags::ACCESS));
            server.kill();
            let stored = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>(
                "(SELECT count(*) FROM events WHERE source = 'source:l')",
            ));
            assert_eq!(stored.get_result::<i64>(&mut database).unwrap(), i64::try_from(before).unwrap());
            database.batch_execute("ROLLBACK").unwrap();
        } else {
            let before = more() - 50;
            until(&server, before + 1);
            server.kill();
        }
    }
    let server = serve();
    assert_eq!(until(&server, written), written);
    let codes: Vec<usize> =
        payloads(&client(&server), "l").iter().map(|p| p["code"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(codes, (0..written).collect::<Vec<_>>());
}
