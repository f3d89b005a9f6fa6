//! Message queues, against Debian's NATS server.

use std::collections::BTreeSet;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{events, payloads, world};
use crate::harness::{Base, TestApp, on_both_databases};
use crate::nats::{NatsServer, Publisher};

on_both_databases! {
    each_message_becomes_one_event
    a_queue_is_gone_on_with_where_it_stopped
    what_is_no_json_or_too_large_is_told_and_does_not_come_again
    two_servers_share_the_work
    a_consumer_that_is_gone_is_made_anew
    a_stream_that_is_made_anew_begins_anew
}

fn source(server: &NatsServer, more: &str) -> String {
    format!("name: q\ntype: nats\nurl: {}\nstream: ALERTS\n{more}", server.url())
}

/// A stream, and a project that has begun to read it.
fn begun(base: Base, more: &str) -> (NatsServer, Publisher, TestApp) {
    let server = NatsServer::start("max_payload: 32MB\n");
    let publisher = server.publisher();
    publisher.stream("ALERTS", &["alerts.>"]);
    let test = world(base, &[("q", &source(&server, more))]);
    // The first look begins to remember, the second makes the consumer.
    assert_eq!((test.watch(), test.watch()), (0, 0));
    (server, publisher, test)
}

/// Looks until nothing new comes; how many events that made.
fn drain(test: &TestApp) -> usize {
    let mut all = 0;
    loop {
        match test.watch() {
            0 => return all,
            some => all += some,
        }
    }
}

fn shown(test: &TestApp) -> Value {
    test.signed_in("ann").get("/api/v1/sources/ops/q").expect(200).json()
}

#[track_caller]
fn says(test: &TestApp, words: &str) {
    let shown = shown(test);
    assert!(shown["error"].as_str().unwrap().contains(words), "{words}: {shown}");
    assert_eq!(shown["state"], "failing", "{shown}");
}

fn numbers(test: &TestApp) -> Vec<u64> {
    payloads(&test.signed_in("ann"), "q").iter().map(|p| p["data"]["n"].as_u64().unwrap()).collect()
}

fn each_message_becomes_one_event(base: Base) {
    let (_server, publisher, test) = begun(base, "subject: alerts.disk.*\n");
    publisher.publish_with("alerts.disk.sda", &[("ce-type", "disk"), ("Authorization", "hush")], r#"{"free": 3}"#);
    publisher.publish("alerts.network", r#"{"free": 4}"#);
    publisher.publish("alerts.disk.sdb", r#"[1, 2]"#);
    assert_eq!(drain(&test), 2);
    publisher.until_acknowledged("ALERTS");
    assert_eq!(drain(&test), 0);
    let ann = test.signed_in("ann");
    let found = payloads(&ann, "q");
    let (first, second) = (&found[0], &found[1]);
    assert_eq!(
        (&first["subject"], &first["stream"], &first["sequence"]),
        (&json!("alerts.disk.sda"), &json!("ALERTS"), &json!(1))
    );
    assert_eq!(first["data"], json!({"free": 3}));
    assert_eq!(first["headers"], json!({"ce-type": "disk", "Authorization": "[redacted]"}));
    assert!(first["published_at"].as_str().unwrap().ends_with('Z'), "{first}");
    assert_eq!((&second["sequence"], &second["data"]), (&json!(3), &json!([1, 2])));
    test.settle();
    let event = super::whole(&ann, &events(&ann, "q")[0]);
    assert_eq!((&event["type"], &event["verdicts"][0]["rule"]), (&json!("source.q"), &json!("on_q")), "{event}");
    let shown = shown(&test);
    assert_eq!(
        (&shown["state"], &shown["error"], &shown["waiting"]),
        (&json!("watching"), &json!(""), &json!(0)),
        "{shown}"
    );
    let page = ann.get("/sources").expect(200).text();
    assert!(page.contains("nothing waits"), "{page}");
}

fn a_queue_is_gone_on_with_where_it_stopped(base: Base) {
    let (mut server, publisher, test) = begun(base, "");
    publisher.publish("alerts.a", r#"{"n": 1}"#);
    assert_eq!(drain(&test), 1);
    // Interlock starts anew.
    let test = test.restart();
    publisher.publish("alerts.a", r#"{"n": 2}"#);
    assert_eq!(drain(&test), 1);
    publisher.until_acknowledged("ALERTS");
    // The queue's server is away and comes back.
    drop(publisher);
    server.kill();
    assert_eq!(test.watch(), 0);
    assert_eq!(shown(&test)["state"], "failing");
    server.run();
    server.publisher().publish("alerts.a", r#"{"n": 3}"#);
    assert_eq!(test.watch(), 0, "it waits after a failure");
    test.clock.advance(TimeDelta::minutes(1));
    assert_eq!(drain(&test), 1);
    assert_eq!((&shown(&test)["error"], &shown(&test)["failures"]), (&json!(""), &json!(0)));
    // What comes while it is off is there when it is turned on.
    let switch = |enabled: bool| {
        let path = "/api/v1/sources/ops/q/enabled";
        test.signed_in("ann").post(path, &json!({ "enabled": enabled })).expect(200);
    };
    switch(false);
    server.publisher().publish("alerts.a", r#"{"n": 4}"#);
    assert_eq!(drain(&test), 0);
    switch(true);
    assert_eq!(test.watch(), 0, "it wakes");
    assert_eq!(drain(&test), 1);
    assert_eq!(numbers(&test), [1, 2, 3, 4]);
}

fn what_is_no_json_or_too_large_is_told_and_does_not_come_again(base: Base) {
    let (_server, publisher, test) = begun(base, "");
    publisher.publish("alerts.a", "disk full");
    publisher.publish("alerts.b", b"a\xff".to_vec());
    publisher.publish("alerts.c", vec![b'x'; 2 << 20]);
    // Larger than everything that is taken at once.
    publisher.publish("alerts.d", vec![b'x'; 20 << 20]);
    for n in 0..250 {
        publisher.publish("alerts.e", format!("{{\"n\": {n}, \"n\": 1}}"));
    }
    publisher.publish("alerts.f", "");
    assert_eq!(drain(&test), 255);
    publisher.until_acknowledged("ALERTS");
    let found = payloads(&test.signed_in("ann"), "q");
    assert_eq!((&found[0]["text"], found[0].get("data")), (&json!("disk full"), None));
    assert_eq!((&found[1]["text"], &found[1]["not_utf8"]), (&json!("a\u{fffd}"), &json!(true)));
    for (at, size) in [(2, 2 << 20), (3, 20 << 20)] {
        assert_eq!(
            (&found[at]["too_large"], &found[at]["size"], found[at].get("text")),
            (&json!(true), &json!(size), None)
        );
    }
    assert_eq!(found[4]["text"], "{\"n\": 0, \"n\": 1}");
    assert_eq!(found[254]["text"], "");
    assert_eq!((&shown(&test)["error"], &shown(&test)["waiting"]), (&json!(""), &json!(0)));
}

fn two_servers_share_the_work(base: Base) {
    let (_server, publisher, one) = begun(base, "");
    let two = one.beside();
    let (mut first, mut second) = (0, 0);
    for round in 0..3 {
        for n in 0..250 {
            publisher.publish("alerts.a", format!("{{\"n\": {}}}", round * 250 + n));
        }
        // So that both find something, whoever is faster.
        first += one.watch();
        second += two.watch();
        std::thread::scope(|scope| {
            let counted = [&one, &two].map(|test| scope.spawn(move || drain(test)));
            let [a, b] = counted.map(|thread| thread.join().unwrap());
            (first, second) = (first + a, second + b);
        });
    }
    assert_eq!(first + second, 750);
    assert!(first >= 600 && second >= 150, "{first} and {second}");
    publisher.until_acknowledged("ALERTS");
    let found = numbers(&one);
    assert_eq!((found.len(), found.iter().collect::<BTreeSet<_>>().len()), (750, 750));
}

fn a_consumer_that_is_gone_is_made_anew(base: Base) {
    let (_server, publisher, test) = begun(base, "");
    publisher.publish("alerts.a", r#"{"n": 1}"#);
    assert_eq!(drain(&test), 1);
    publisher.until_acknowledged("ALERTS");
    let name = publisher.consumers("ALERTS").remove(0).0;
    assert!(name.starts_with("interlock-ops-q-"), "{name}");
    publisher.delete_consumer("ALERTS", &name);
    publisher.publish("alerts.a", r#"{"n": 2}"#);
    while shown(&test)["error"] == "" {
        test.watch();
    }
    test.clock.advance(TimeDelta::minutes(1));
    assert_eq!(drain(&test), 1);
    assert_eq!(publisher.consumers("ALERTS").remove(0).0, name);
    assert_eq!(numbers(&test), [1, 2], "what comes once more makes no second event");
    let shown = shown(&test);
    assert!(shown["error"].as_str().unwrap().contains("was gone and is made anew"), "{shown}");
    assert_eq!(shown["state"], "watching");
}

fn a_stream_that_is_made_anew_begins_anew(base: Base) {
    let (_server, publisher, test) = begun(base, "deliver: all\n");
    publisher.publish("alerts.a", r#"{"n": 1}"#);
    assert_eq!(drain(&test), 1);
    publisher.delete_stream("ALERTS");
    publisher.stream("ALERTS", &["alerts.>"]);
    // It has the number of the first one.
    publisher.publish("alerts.a", r#"{"n": 2}"#);
    while shown(&test)["error"] == "" {
        test.watch();
    }
    test.clock.advance(TimeDelta::minutes(1));
    assert_eq!(drain(&test), 1);
    assert_eq!(numbers(&test), [1, 2]);
}

#[test]
fn what_was_there_before_counts_where_the_source_says_so() {
    for (more, expected) in [("", vec![2]), ("deliver: new\n", vec![2]), ("deliver: all\n", vec![1, 2])] {
        let server = NatsServer::start("");
        let publisher = server.publisher();
        publisher.stream("ALERTS", &["alerts.>"]);
        publisher.publish("alerts.a", r#"{"n": 1}"#);
        let test = world(Base::Sqlite, &[("q", &source(&server, more))]);
        test.watch();
        drain(&test);
        publisher.publish("alerts.a", r#"{"n": 2}"#);
        drain(&test);
        assert_eq!(numbers(&test), expected, "{more}");
    }
}

#[test]
fn what_is_wrong_at_the_server_is_told() {
    let server = NatsServer::start("");
    let test = world(Base::Sqlite, &[("q", &source(&server, "consumer: mine\nsubject: alerts.a\n"))]);
    test.watch();
    test.watch();
    says(&test, "There is no stream ALERTS; streams are made on the server.");
    let publisher = server.publisher();
    publisher.stream("ALERTS", &["alerts.>"]);
    let mine = || pull::Config { durable_name: Some("mine".to_owned()), ..Default::default() };
    let again = |test: &TestApp| {
        test.clock.advance(TimeDelta::minutes(2));
        test.watch()
    };
    for (config, words) in [
        (pull::Config { ack_policy: AckPolicy::None, ..mine() }, "does not ask for each message to be acknowledged"),
        (mine(), "The consumer mine reads all subjects; write that as `subject`"),
        (pull::Config { filter_subject: "alerts.b".to_owned(), ..mine() }, "The consumer mine reads alerts.b"),
    ] {
        publisher.consumer("ALERTS", config);
        again(&test);
        says(&test, words);
        publisher.delete_consumer("ALERTS", "mine");
    }
    // One that fits is used, whoever made it.
    publisher.consumer("ALERTS", pull::Config { filter_subject: "alerts.a".to_owned(), ..mine() });
    publisher.publish("alerts.a", r#"{"n": 1}"#);
    assert_eq!(again(&test), 1);
    assert_eq!(shown(&test)["state"], "watching");

    let bare = NatsServer::without_streams();
    let test = world(Base::Sqlite, &[("q", &source(&bare, ""))]);
    test.watch();
    test.watch();
    says(&test, "The server has no JetStream");
}
