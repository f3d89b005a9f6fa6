//! Polls, against a server that answers as each test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ACCESS, events, payloads, whole, world};
use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases};
use crate::program::{Install, Server, ends};

on_both_databases! {
    only_new_items_become_events
    items_that_vanish_and_come_back_make_no_second_event
    what_goes_wrong_is_shown_and_asked_again_later
    an_answer_that_is_known_is_not_read_again
    two_servers_ask_once
}

/// What a server is told to say.
type Says = fn(&Elsewhere);

/// What the server does with a request, and the heads of the requests that came.
#[derive(Clone)]
pub(super) struct Elsewhere {
    url: String,
    script: Arc<Mutex<String>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/list", listener.local_addr().unwrap());
        let this = Self { url, script: Arc::default(), heads: Arc::default() };
        let (script, heads) = (Arc::clone(&this.script), Arc::clone(&this.heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (script, heads) = (Arc::clone(&script), Arc::clone(&heads));
                std::thread::spawn(move || Self::answer(stream.unwrap(), &script, &heads));
            }
        });
        this
    }

    fn answer(mut stream: TcpStream, script: &Mutex<String>, heads: &Mutex<Vec<String>>) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        loop {
            let mut head = String::new();
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                if line == "\r\n" {
                    break;
                }
                head.push_str(&line.to_lowercase());
            }
            heads.lock().unwrap().push(head);
            let answer = script.lock().unwrap().clone();
            if answer.is_empty() {
                // Says nothing for as long as the other side waits.
                let mut line = String::new();
                let _ = reader.read_line(&mut line);
                return;
            }
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn says_raw(&self, answer: &str) {
        answer.clone_into(&mut self.script.lock().unwrap());
    }

    fn says(&self, status: &str, headers: &str, body: &str) {
        self.says_raw(&format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()));
    }

    pub(super) fn lists(&self, ids: &[u32]) {
        let list: Vec<Value> = ids.iter().map(|id| json!({"id": id, "what": format!("incident {id}")})).collect();
        self.says("200 OK", "", &json!({"data": {"incidents": list}}).to_string());
    }

    fn asked(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    pub(super) fn source(&self, more: &str) -> String {
        format!(
            "name: p\ntype: poll\nurl: {}\nevery: 1m\nitems: data.incidents\nkey: id\ntimeout: 2s\n{more}",
            self.url
        )
    }
}

/// Looks, after a minute.
fn look(test: &TestApp) -> usize {
    test.clock.advance(TimeDelta::minutes(1));
    test.watch()
}

fn begun(base: Base, elsewhere: &Elsewhere, more: &str) -> TestApp {
    let test = world(base, &[("p", &elsewhere.source(more))]);
    // The first look begins to remember.
    assert_eq!(test.watch(), 0);
    test
}

fn ids(client: &Client) -> Vec<i64> {
    payloads(client, "p").iter().map(|p| p["id"].as_i64().unwrap()).collect()
}

fn state(test: &TestApp) -> (String, String) {
    test.sql_rows("SELECT CAST(failures AS TEXT), error FROM source_states").pop().unwrap()
}

fn only_new_items_become_events(base: Base) {
    let elsewhere = Elsewhere::start();
    elsewhere.lists(&[1, 2]);
    let test = begun(base, &elsewhere, "");
    assert_eq!(look(&test), 0, "what is there at first counts as seen");
    elsewhere.lists(&[1, 2, 3, 4]);
    assert_eq!(look(&test), 2);
    assert_eq!(look(&test), 0);
    test.settle();
    let ann = test.signed_in("ann");
    assert_eq!(ids(&ann), [3, 4]);
    let event = whole(&ann, &events(&ann, "p")[0]);
    assert_eq!((&event["dedupe_key"], &event["payload"]["what"]), (&json!("3"), &json!("incident 3")));
    assert_eq!(event["verdicts"][0]["rule"], "on_p", "{event}");

    let all = begun(base, &elsewhere, "first: events\n");
    assert_eq!(look(&all), 4);
}

fn items_that_vanish_and_come_back_make_no_second_event(base: Base) {
    let elsewhere = Elsewhere::start();
    elsewhere.lists(&[]);
    let test = begun(base, &elsewhere, "");
    look(&test);
    elsewhere.lists(&[1, 2]);
    assert_eq!(look(&test), 2);
    elsewhere.lists(&[2]);
    assert_eq!(look(&test), 0);
    elsewhere.lists(&[2, 1]);
    assert_eq!(look(&test), 0);
    // What stays away long enough is forgotten; what stays there never is.
    elsewhere.lists(&[2]);
    look(&test);
    test.clock.advance(TimeDelta::days(8));
    test.watch();
    elsewhere.lists(&[1, 2, 3]);
    look(&test);
    assert_eq!(ids(&test.signed_in("ann")), [1, 2, 3]);
}

fn what_goes_wrong_is_shown_and_asked_again_later(base: Base) {
    let elsewhere = Elsewhere::start();
    elsewhere.lists(&[1]);
    let test = begun(base, &elsewhere, "");
    look(&test);
    let wrong: [(&str, Says); 7] = [
        ("It answered 500.", |e| e.says("500 Oh", "", "")),
        ("not JSON", |e| e.says("200 OK", "", "<html>")),
        ("nothing at `data.incidents`", |e| e.says("200 OK", "", "{}")),
        ("a redirect", |e| e.says("302 Found", "location: http://169.254.169.254/\r\n", "")),
        ("did not answer in time", |e| e.says_raw("")),
        ("more than 4 MiB", |e| e.says("200 OK", "", &format!("\"{}\"", "x".repeat(5 << 20)))),
        ("not JSON", |e| e.says("200 OK", "", "{\"data\": 1, \"data\": 2}")),
    ];
    let client = test.signed_in("ann");
    for (place, (said, does)) in wrong.iter().enumerate() {
        does(&elsewhere);
        // Each failure lengthens the pause.
        test.clock.advance(TimeDelta::minutes(15));
        assert_eq!(test.watch(), 0);
        let shown = client.get("/api/v1/sources/ops/p").expect(200).json();
        assert!(shown["error"].as_str().unwrap().contains(said), "{said}: {shown}");
        assert_eq!(shown["failures"], place + 1);
        assert_eq!(shown["state"], "failing");
        let asked = elsewhere.asked().len();
        assert_eq!(look(&test), 0);
        let again = elsewhere.asked().len() - asked;
        assert_eq!(again, 0, "{said}: it waits longer than usual");
    }
    elsewhere.lists(&[1, 2]);
    test.clock.advance(TimeDelta::minutes(15));
    assert_eq!(test.watch(), 1);
    let shown = client.get("/api/v1/sources/ops/p").expect(200).json();
    assert_eq!((&shown["error"], &shown["failures"], &shown["state"]), (&json!(""), &json!(0), &json!("watching")));
    if base == Base::Sqlite {
        assert_eq!(state(&test), ("0".to_owned(), String::new()));
    }
}

fn an_answer_that_is_known_is_not_read_again(base: Base) {
    let elsewhere = Elsewhere::start();
    let list = json!({"data": {"incidents": [{"id": 1}]}}).to_string();
    elsewhere.says("200 OK", "etag: \"one\"\r\nlast-modified: Mon, 30 Nov 2026 11:00:00 GMT\r\n", &list);
    let secret = "headers: {X-Team: ops, Authorization: {secret: keys/ops/api, prefix: 'Bearer '}}\n";
    let test = begun(base, &elsewhere, secret);
    // Without the secret nothing is asked.
    look(&test);
    assert!(elsewhere.asked().is_empty());
    test.key("keys/ops/api", "hush-hush");
    test.clock.advance(TimeDelta::minutes(5));
    test.watch();
    elsewhere.says("304 Not Modified", "", "");
    look(&test);
    let heads = elsewhere.asked();
    assert_eq!(heads.len(), 2);
    assert!(
        heads[0].contains("authorization: bearer hush-hush\r\n") && heads[0].contains("x-team: ops"),
        "{}",
        heads[0]
    );
    assert!(!heads[0].contains("if-none-match"));
    assert!(heads[1].contains("if-none-match: \"one\""), "{}", heads[1]);
    assert!(heads[1].contains("if-modified-since: mon, 30 nov 2026"), "{}", heads[1]);
    let shown = test.signed_in("ann").get("/api/v1/sources/ops/p").expect(200).text();
    assert!(shown.contains("watching") && !shown.contains("hush-hush"), "{shown}");
}

fn two_servers_ask_once(base: Base) {
    let elsewhere = Elsewhere::start();
    elsewhere.lists(&[1]);
    let one = begun(base, &elsewhere, "first: events\n");
    let two = one.beside();
    for round in 0..10u32 {
        elsewhere.lists(&(0..=round).collect::<Vec<_>>());
        one.clock.advance(TimeDelta::minutes(1));
        let together = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for test in [&one, &two] {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    test.watch();
                });
            }
        });
    }
    assert_eq!(elsewhere.asked().len(), 10);
    let mut ids = ids(&one.signed_in("ann"));
    ids.sort_unstable();
    assert_eq!(ids, (0..10).collect::<Vec<_>>());
}

/// However much comes and goes, so many are remembered at most; those that are there always, and of the others the newest.
#[test]
fn what_is_remembered_stays_within_its_bound() {
    let elsewhere = Elsewhere::start();
    elsewhere.lists(&[1, 2]);
    let test = begun(Base::Sqlite, &elsewhere, "");
    look(&test);
    test.sql(
        "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 59999)
         INSERT INTO source_seen (definition_id, key, gone_at)
         SELECT definition_id, 'gone ' || n, datetime('2026-11-29 00:00:00', n || ' seconds') FROM n, source_states",
    );
    elsewhere.lists(&[1, 2, 3]);
    assert_eq!(look(&test), 1);
    let counted = |which: &str| {
        let query = format!("SELECT CAST(count(*) AS TEXT), '' FROM source_seen WHERE {which}");
        test.sql_rows(&query).remove(0).0.parse::<u64>().unwrap()
    };
    assert_eq!(counted("true"), 50_000);
    assert_eq!(counted("gone_at IS NULL AND key IN ('1', '2', '3')"), 3);
    assert_eq!(counted("key IN ('gone 0', 'gone 10002')"), 0, "the oldest are forgotten");
    assert_eq!(counted("key IN ('gone 10003', 'gone 59999')"), 2, "and no more of them than it takes");
}

/// Without the server's leave no private address is asked, however it is written.
#[test]
fn private_addresses_are_not_asked_by_default() {
    let install = Install::new();
    install.write("project.yaml", "description: polls\n");
    install.write("access.yaml", &ACCESS.replace("user:vic", "user:oncall"));
    let elsewhere = Elsewhere::start();
    let tls = elsewhere.url.replace("http://127.0.0.1", "https://localhost");
    for (name, url) in [("plain", elsewhere.url.as_str()), ("named", tls.as_str())] {
        let text = format!("name: {name}\ntype: poll\nurl: {url}\nevery: 1s\n");
        install.write(&format!("sources/{name}.yaml"), &text);
    }
    let queue = elsewhere.url.trim_start_matches("http://").trim_end_matches("/list");
    for (name, url) in [
        ("queue", format!("nats://{queue}")),
        ("secured", format!("tls://{queue}")),
        ("called", format!("tls://{}", queue.replace("127.0.0.1", "localhost"))),
    ] {
        let text = format!("name: {name}\ntype: nats\nurl: {url}\nstream: ALERTS\n");
        install.write(&format!("sources/{name}.yaml"), &text);
    }
    let project = install.path().join("ops");
    ends(&install.run(&["apply", project.to_str().unwrap()]), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    let server = Server::start(&install);
    let client = Client::new(&server.address).with("authorization", &format!("Bearer {}", token.trim()));
    for name in ["plain", "named", "queue", "secured", "called"] {
        let began = Instant::now();
        loop {
            let shown = client.get(&format!("/api/v1/sources/ops/{name}")).expect(200).json();
            if shown["error"].as_str().unwrap().contains("--sources-private") {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{shown}");
        }
    }
    assert!(elsewhere.asked().is_empty());
}
