//! Logs in a bucket: they get there whole, are read there in pieces, survive every failure of it, and go with their run.

use chrono::TimeDelta;
use interlock::app::archive::{Known, Moved};
use interlock::app::log::{From, Page, Wanted};
use interlock::domain::ids::RunNumber;
use interlock::domain::time::Seconds;
use interlock::exec::fake::Script;
use interlock::store::bucket::{Bucket, Options};
use interlock::store::output;

use crate::certificates::certificates;
use crate::harness::{Base, TestApp, on_both_databases, operator};
use crate::program::{Install, Server, ends};
use crate::proxy::{Mood, Proxy};
use crate::s3::{S3, bucket, options};
use crate::store_contract::databases::postgres;

const ANY: (&str, &str) = ("id", "secret");
const WEEK: Seconds = Seconds::new(7 * 86_400);
const ACCESS: &str = "roles: {all: [{allow: [view, run], on: '**'}]}\nmembers: {all: ['user:eve']}\n";

fn load(test: &TestApp) {
    test.load(
        "ops",
        &[
            ("project.yaml", "retention: {days: 30}\n"),
            ("access.yaml", ACCESS),
            ("nodes.yaml", "n1: {hostname: 192.0.2.1}\nn2: {hostname: 192.0.2.2}\n"),
            ("jobs/a.yaml", "name: a\nnodes: {filter: '.*'}\nsteps: [{name: one, run: 'true'}]\n"),
        ],
    );
    test.person("eve");
}

fn archives_in(test: &TestApp, port: u16) {
    test.wait(test.app.archive_logs_in(bucket(port, "logs", ANY), WEEK)).unwrap();
}

/// A run with this output on each of two nodes.
fn run_that_says(test: &TestApp, text: &str) -> RunNumber {
    for node in ["n1", "n2"] {
        test.steps().script(node, "one", Script::exits(0).says(text));
    }
    let run = test.ask("eve", "ops", "a", &[]).unwrap().number;
    test.settle();
    run
}

fn moves(test: &TestApp) -> Moved {
    test.wait(test.app.archive_logs(&mut Known::new())).unwrap()
}

fn stored(count: usize) -> Moved {
    Moved { stored: count, ..Moved::default() }
}

fn read(test: &TestApp, run: RunNumber, from: From, most: usize) -> Page {
    test.wait(test.app.log(&operator(), run, from, most, Wanted::default())).unwrap().1
}

fn is_here(test: &TestApp, run: RunNumber) -> bool {
    output::folder(test.data(), run).exists()
}

on_both_databases! {
    a_log_goes_to_the_bucket_is_read_there_and_goes_with_its_run
}

fn a_log_goes_to_the_bucket_is_read_there_and_goes_with_its_run(base: Base) {
    let (s3, test) = (S3::start(), TestApp::fake_on(base));
    load(&test);
    archives_in(&test, s3.port);
    let text: String = (1..=1_000).map(|n| format!("line {n}\n")).collect();
    let run = run_that_says(&test, &text);
    let eve = test.signed_in("eve");
    let look = |path: &str| eve.get(&format!("/api/v1/runs/{run}/log?{path}")).expect(200).text();
    let paths = ["limit=5000", "offset=0&limit=7", "node=n2&limit=3000", "text=line%20777&limit=5"];
    let before = (paths.map(look), read(&test, run, From::Line(900), 10), read(&test, run, From::Tail(20), 100));
    assert!(before.0[3].contains("line 777") && before.1.entries.len() == 10, "{before:?}");

    assert_eq!(moves(&test), stored(1));
    assert_eq!(moves(&test), Moved::default(), "once is enough");
    let objects = s3.objects();
    assert!(
        objects.iter().all(|key| key.starts_with("there/") && key.contains(&format!("/runs/{run}/"))),
        "{objects:?}"
    );
    assert_eq!(objects.len(), 2, "a segment and the index: {objects:?}");
    test.clock.advance(TimeDelta::days(6));
    assert_eq!((moves(&test), is_here(&test, run)), (Moved::default(), true));

    test.clock.advance(TimeDelta::days(2));
    let eve = test.signed_in("eve");
    let look = |path: &str| eve.get(&format!("/api/v1/runs/{run}/log?{path}")).expect(200).text();
    assert_eq!(moves(&test), Moved { left: 1, ..Moved::default() });
    assert!(!is_here(&test, run));
    let after = (paths.map(look), read(&test, run, From::Line(900), 10), read(&test, run, From::Tail(20), 100));
    assert_eq!(before, after);
    let folded = eve.get(&format!("/runs/{run}?view=output")).expect(200).text();
    assert!(folded.contains("n1") && folded.contains("line 17"), "{folded}");
    let found = eve.get(&format!("/runs/{run}?text=line+777")).expect(200).text();
    assert!(found.contains("line 777"), "{found}");
    let raw = eve.get(&format!("/runs/{run}/log.txt?node=n2")).expect(200).text();
    assert_eq!(raw, text);
    let followed = eve.get(&format!("/runs/{run}/stream")).expect(200).text();
    assert!(followed.contains("line 1000") && followed.contains("event: end"), "{}", followed.len());

    test.clock.advance(TimeDelta::days(30));
    assert_eq!(test.wait(test.app.prune()).unwrap().runs, 1);
    assert_eq!(moves(&test), Moved { removed: 1, ..Moved::default() });
    assert_eq!(s3.objects(), Vec::<String>::new());
    assert_eq!(moves(&test), Moved::default());
}

/// As after a server that died before it could, and whose run nobody could go on with.
#[test]
fn a_log_whose_length_was_not_noted_is_read_in_the_bucket() {
    let (s3, test) = (S3::start(), TestApp::fake());
    load(&test);
    archives_in(&test, s3.port);
    let run = run_that_says(&test, "one\n");
    test.sql("UPDATE runs SET log_bytes = 0");
    assert_eq!(moves(&test), stored(1));
    test.clock.advance(TimeDelta::days(8));
    assert_eq!((moves(&test).left, is_here(&test, run)), (1, false));
    assert_eq!(read(&test, run, From::Offset(0), 9).entries.len(), 2);
}

#[test]
fn the_middle_of_a_long_log_comes_without_the_rest_of_it() {
    let (s3, test) = (S3::start(), TestApp::fake());
    load(&test);
    let proxy = Proxy::before("127.0.0.1", s3.port);
    archives_in(&test, proxy.port);
    // Longer than a segment, on one node and on the other.
    let filler = "x".repeat(2_000);
    let text: String = (1..=18_000).map(|n| format!("line {n} {filler}\n")).collect();
    let run = run_that_says(&test, &text);
    assert_eq!(moves(&test), stored(1));
    assert_eq!(s3.objects().iter().filter(|key| key.contains("/log.")).count(), 2, "{:?}", s3.objects());
    let places = [From::Line(20_000), From::Line(34_000), From::Tail(100)];
    let before = places.map(|from| read(&test, run, from, 300));
    test.clock.advance(TimeDelta::days(8));
    assert_eq!((moves(&test).left, is_here(&test, run)), (1, false));
    for (from, before) in places.into_iter().zip(before) {
        let sent = proxy.passed();
        assert_eq!(read(&test, run, from, 300), before);
        assert!(proxy.passed() - sent < 3_000_000, "{from:?} took {} bytes", proxy.passed() - sent);
    }
    // All of it, across the segments.
    let mut offset = 0;
    let mut count = 0;
    loop {
        let page = read(&test, run, From::Offset(offset), 20_000);
        if page.next == offset {
            break;
        }
        assert!(page.entries.iter().zip(count + 1..).all(|(entry, number)| entry.number == number));
        count += u64::try_from(page.entries.len()).unwrap();
        offset = page.next;
    }
    assert_eq!(count, 36_000);
}

#[test]
fn a_bucket_that_is_away_loses_nothing_and_gets_it_later() {
    let (s3, test) = (S3::start(), TestApp::fake());
    load(&test);
    let proxy = Proxy::before("127.0.0.1", s3.port);
    archives_in(&test, proxy.port);
    let run = run_that_says(&test, &format!("{}\n", "x".repeat(1_000)).repeat(10_000));
    let failed = Moved { failed: 1, ..Moved::default() };

    // It goes away while the log is on its way.
    proxy.breaks_after(4_000_000);
    assert_eq!(moves(&test), failed);
    assert!(is_here(&test, run));
    let (probed, failing) = test.wait(test.app.check_archive(&operator())).unwrap().unwrap();
    assert!(probed.unwrap_err().contains("cannot be reached"));
    assert!(failing[0].run == run && failing[0].failed == 1 && failing[0].error.contains("cannot be reached"));
    assert_eq!(moves(&test), Moved::default(), "not at once again");
    test.clock.advance(TimeDelta::seconds(31));
    assert_eq!(moves(&test), failed);
    test.clock.advance(TimeDelta::seconds(31));
    assert_eq!(moves(&test), Moved::default(), "it waits longer now");
    test.clock.advance(TimeDelta::days(20));
    assert_eq!((moves(&test), is_here(&test, run)), (failed, true), "it stays until it is stored");

    proxy.set(Mood::Passes);
    test.clock.advance(TimeDelta::hours(1));
    assert_eq!(moves(&test), stored(1));
    let (probed, failing) = test.wait(test.app.check_archive(&operator())).unwrap().unwrap();
    assert_eq!((probed, failing), (Ok(()), Vec::new()));
    let first = read(&test, run, From::Line(15_000), 5);
    test.clock.advance(TimeDelta::days(7));
    assert_eq!((moves(&test).left, is_here(&test, run)), (1, false));
    assert_eq!(read(&test, run, From::Line(15_000), 5), first);

    // Away again: who wants to read is told, and what is removed meanwhile is removed later.
    proxy.set(Mood::Refuses);
    proxy.cut();
    let eve = test.signed_in("eve");
    eve.get(&format!("/api/v1/runs/{run}/log")).refused(503, "log_unreachable");
    eve.get(&format!("/runs/{run}/log.txt")).expect(503);
    for view in ["", "?text=x", "?view=output"] {
        let page = eve.get(&format!("/runs/{run}{view}")).expect(200).text();
        assert!(page.contains("in a bucket that cannot be read at the moment"), "{view}: {page}");
        assert!(page.contains(">Try again</a>") && page.contains("succeeded"), "{view}: {page}");
    }
    test.clock.advance(TimeDelta::days(10));
    assert_eq!(test.wait(test.app.prune()).unwrap().runs, 1);
    assert_eq!(moves(&test), failed);
    proxy.set(Mood::Passes);
    assert!(!s3.objects().is_empty());
    test.clock.advance(TimeDelta::hours(1));
    assert_eq!(moves(&test), Moved { removed: 1, ..Moved::default() });
    assert_eq!(s3.objects(), Vec::<String>::new());
}

#[test]
fn what_comes_back_otherwise_does_not_count_as_stored() {
    let (s3, test) = (S3::start(), TestApp::fake());
    load(&test);
    let proxy = Proxy::before("127.0.0.1", s3.port);
    archives_in(&test, proxy.port);
    let run = run_that_says(&test, "one ~ two\n");
    proxy.set(Mood::Garbles);
    assert_eq!(moves(&test), Moved { failed: 1, ..Moved::default() });
    let (_, failing) = test.wait(test.app.check_archive(&operator())).unwrap().unwrap();
    assert!(failing[0].error.contains("is not what was sent"), "{}", failing[0].error);
    test.clock.advance(TimeDelta::days(8));
    assert_eq!((moves(&test).left, is_here(&test, run)), (0, true));
    proxy.set(Mood::Passes);
    test.clock.advance(TimeDelta::hours(1));
    assert_eq!(moves(&test), stored(1));
}

#[test]
fn each_server_reads_every_log_in_the_bucket() {
    let (s3, fresh) = (S3::start(), postgres());
    let (one, two, untold) =
        (TestApp::fake_at_url(&fresh.url), TestApp::fake_at_url(&fresh.url), TestApp::fake_at_url(&fresh.url));
    load(&one);
    archives_in(&one, s3.port);
    archives_in(&two, s3.port);
    let run = run_that_says(&one, "from one\n");
    assert_eq!(moves(&two), Moved::default(), "it has nothing of it");
    assert!(read(&two, run, From::Offset(0), 10).entries.is_empty());
    assert_eq!(moves(&one), stored(1));
    let whole = read(&one, run, From::Offset(0), 10);
    assert_eq!(whole.entries.len(), 2);
    assert_eq!(read(&two, run, From::Offset(0), 10), whole);
    let told = untold.wait(untold.app.log(&operator(), run, From::Offset(0), 10, Wanted::default())).unwrap_err();
    assert!(told.to_string().contains("start it with `--logs`"), "{told}");
}

#[test]
fn a_server_sends_logs_by_itself_and_commands_read_them() {
    let s3 = S3::start();
    let (id, secret) = s3.lock();
    let install = Install::new();
    install.write("project.yaml", "local_execution: true\n");
    install.write("jobs/say.yaml", "name: say\nsteps: [{run: echo kept elsewhere}]\n");
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.run(&["run", "say"]), 0);
    let address = s3.address();
    let logs = ["--logs", "s3://logs", "--logs-endpoint", address.as_str()];
    let with_key = |arguments: &[&str]| {
        let mut command = install.command(&[arguments, &logs].concat());
        command.env("AWS_ACCESS_KEY_ID", &id).env("AWS_SECRET_ACCESS_KEY", &secret);
        command
    };
    let folder = install.data().join("runs/001/1");
    assert!(folder.exists());
    let server = Server::spawn(with_key(&["serve", "--listen", "127.0.0.1:0", "--logs-keep", "0s"]));
    let began = std::time::Instant::now();
    while folder.exists() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "the log is still here after a minute");
        std::thread::yield_now();
    }
    server.stop();
    let read = with_key(&["log", "1"]).output().unwrap();
    assert!(ends(&read, 0).0.contains("kept elsewhere"));
    let (_, err) = ends(&install.run(&["log", "1"]), 3);
    assert!(err.contains("was not told which: start it with `--logs`"), "{err}");
}

#[test]
fn what_is_wrong_with_a_bucket_is_said_with_what_to_do() {
    let s3 = S3::start();
    let (id, secret) = s3.lock();
    let install = Install::new();
    let address = s3.address();
    let doctor = |place: &str, endpoint: &str, id: &str, secret: &str| {
        let mut command = install.command(&["doctor", "--logs", place, "--logs-endpoint", endpoint]);
        let output = command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret).output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert!(secret.is_empty() || !said.contains(secret), "the key is printed: {said}");
        (output.status.code().unwrap(), said)
    };
    let (code, said) = doctor("s3://logs/there", &address, &id, &secret);
    assert!(code == 0 && said.contains("ok    the bucket of logs can be written and read"), "{said}");
    let wrong = [
        ("s3://logs", address.as_str(), id.as_str(), "another", "refuses the key: see that AWS_ACCESS_KEY_ID"),
        ("s3://logs", &address, "AKIANOBODY", &secret, "refuses the key: see that AWS_ACCESS_KEY_ID"),
        ("s3://elsewhere", &address, &id, &secret, "there is no bucket elsewhere at http://127.0.0.1"),
        ("s3://logs", "http://127.0.0.1:1", &id, &secret, "cannot be reached"),
    ];
    for (place, endpoint, id, secret, told) in wrong {
        let (code, said) = doctor(place, endpoint, id, secret);
        assert!(code == 1 && said.contains("WRONG the bucket of logs"), "{told}: {said}");
        assert!(said.contains(told), "{told}: {said}");
    }
    let usage = [
        ("s3://logs", address.as_str(), "AWS_ACCESS_KEY_ID is not set"),
        ("logs", &address, "write s3://BUCKET"),
        ("s3://logs", "ftp://x", "the endpoint must be http://HOST:PORT"),
    ];
    for (place, endpoint, told) in usage {
        let id = if told.contains("not set") { "" } else { "id" };
        let (code, said) = doctor(place, endpoint, id, "secret of theirs");
        assert!(code == 2 && said.contains(told), "{told}: {code} {said}");
    }
    let (_, err) = ends(&install.run(&["runs", "--logs-endpoint", "http://x"]), 2);
    assert!(err.contains("needs `--logs"), "{err}");
}

#[test]
fn a_bucket_with_a_certificate_of_ones_own_is_used_where_its_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let s3 = S3::start_privately(folder.path());
    let pem = |name: &str| std::fs::read(folder.path().join(format!("{name}.pem"))).unwrap();
    let at = |authorities: Option<Vec<u8>>| {
        let endpoint = Some(format!("https://127.0.0.1:{}", s3.port));
        Bucket::new(Options { endpoint, authorities, ..options(s3.port, "logs", ANY) })
    };
    let trusted = ureq::Agent::config_builder()
        .tls_config(ureq::tls::TlsConfig::builder().disable_verification(true).build())
        .build()
        .new_agent();
    trusted.put(&format!("https://127.0.0.1:{}/logs", s3.port)).send_empty().unwrap();

    let with_a_run = |authorities: Option<Vec<u8>>| {
        let test = TestApp::fake();
        load(&test);
        let run = run_that_says(&test, "one\ntwo\n");
        test.wait(test.app.archive_logs_in(at(authorities).unwrap(), WEEK)).unwrap();
        (test, run)
    };
    for other in [None, Some(pem("other"))] {
        let (test, run) = with_a_run(other);
        assert_eq!((moves(&test), is_here(&test, run)), (Moved { failed: 1, ..Moved::default() }, true));
        let (_, failing) = test.wait(test.app.check_archive(&operator())).unwrap().unwrap();
        assert!(failing[0].error.contains("name its authority with `--logs-ca`"), "{}", failing[0].error);
    }
    let (test, run) = with_a_run(Some(pem("ca")));
    let whole = read(&test, run, From::Offset(0), 10);
    assert_eq!(moves(&test), stored(1));
    test.clock.advance(TimeDelta::days(8));
    assert_eq!((moves(&test).left, is_here(&test, run)), (1, false));
    assert_eq!(read(&test, run, From::Offset(0), 10), whole);

    let none = at(Some(b"no certificate".to_vec())).unwrap_err().to_string();
    assert!(none.contains("the file of `--logs-ca` holds no certificate in PEM"), "{none}");
    let install = Install::new();
    let given =
        ["serve", "--logs", "s3://logs", "--logs-endpoint", "https://127.0.0.1:1", "--logs-ca", "/nowhere/ca.pem"];
    let mut command = install.command(&given);
    command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let (_, said) = ends(&command.output().unwrap(), 2);
    assert!(said.contains("`--logs-ca /nowhere/ca.pem` cannot be read"), "{said}");
}
