//! Sources of events: what makes them by itself makes each of them once.

mod alertmanager;
mod alerts;
mod journals;
mod kills;
mod logs;
mod polls;
mod privately;
mod queue_logins;
mod queues;
mod timers;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Client;
use crate::harness::{Base, TestApp};
use crate::program::{Install, Server, ends};

const ACCESS: &str = "
roles:
  all: [{allow: [view, run, edit, promote, use_secret, view_secret_names], on: '**'}]
  looks: [{allow: [view], on: '**'}]
members:
  all: ['user:ann', 'service:robot']
  looks: ['user:vic']
";

/// A project with these sources, each by its file's name and text, and a rule in dry run on everything that they make.
fn world(base: Base, sources: &[(&str, &str)]) -> TestApp {
    let test = TestApp::fake_on(base);
    load(&test, sources);
    test.person("ann");
    test.person("vic");
    test
}

fn load(test: &TestApp, sources: &[(&str, &str)]) {
    let rules: Vec<(String, String)> = sources
        .iter()
        .flat_map(|(_, text)| text.lines().filter_map(|line| line.strip_prefix("name: ")))
        .map(|name| {
            let text = format!(
                "name: on_{name}\ntrigger: {{type: source.{name}}}\ncriteria: {{trigger: {{type: exists}}}}\naction: nothing\nowner: service:robot\n"
            );
            (format!("rules/{name}.yaml"), text)
        })
        .collect();
    let paths: Vec<String> = sources.iter().map(|(name, _)| format!("sources/{name}.yaml")).collect();
    let mut files = vec![("access.yaml", ACCESS)];
    files.extend(paths.iter().map(String::as_str).zip(sources.iter().map(|(_, text)| *text)));
    files.extend(rules.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    test.load("ops", &files);
}

/// Every event of a source, oldest first, with its payload.
fn events(client: &Client, source: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/events?source=source:{source}&limit=200{cursor}");
        let page = client.get(&path).expect(200).json();
        all.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.reverse();
    all
}

/// An event as its own page has it.
fn whole(client: &Client, event: &Value) -> Value {
    client.get(&format!("/api/v1/events/{}", event["id"].as_str().unwrap())).expect(200).json()
}

/// The payloads of every event of a source, oldest first.
fn payloads(client: &Client, source: &str) -> Vec<Value> {
    events(client, source).iter().map(|event| whole(client, event)["payload"].clone()).collect()
}

/// A database from before there were sources keeps its definitions and their revisions.
#[test]
fn an_older_database_is_brought_to_this_form() {
    let test = world(Base::Sqlite, &[("t", "name: t\ntype: timer\nevery: 1h\n")]);
    let rows = "SELECT d.kind || '/' || d.name, r.digest FROM definitions d JOIN revisions r ON r.definition_id = d.id";
    let before = test.sql_rows(rows);
    assert!(before.len() >= 3, "{before:?}");
    test.sql(
        "DROP TABLE source_seen; DROP TABLE source_states; \
         DELETE FROM __diesel_schema_migrations WHERE version = '20261125000800'",
    );
    let test = test.restart();
    assert_eq!(test.sql_rows(rows), before);
    assert_eq!(test.sql_rows("SELECT \"table\", parent FROM pragma_foreign_key_check"), []);
    test.signed_in("ann").get("/rules/ops/on_t").expect(200);
}

/// The doctor names each source that fails, with why, and no other.
#[test]
fn the_doctor_names_a_source_that_fails() {
    let install = Install::new();
    install.write("project.yaml", "description: sources\n");
    install.write("access.yaml", &ACCESS.replace("user:vic", "user:oncall"));
    install.write("sources/well.yaml", "name: well\ntype: timer\nevery: 1h\n");
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n"), 0);
    let token = ends(&install.run(&["token", "create", "--user", "oncall"]), 0).0;
    let until = |server: &Server, source: &str, wanted: &str| {
        let client = Client::new(&server.address).with("authorization", &format!("Bearer {}", token.trim()));
        let began = Instant::now();
        loop {
            let shown = client.get(&format!("/api/v1/sources/ops/{source}")).expect(200).json();
            if shown["state"] == wanted {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{shown}");
        }
    };
    let line = "sources see what they watch";
    {
        let server = Server::start(&install);
        until(&server, "well", "watching");
        assert_eq!(server.stop(), Some(0));
    }
    let (said, _) = ends(&install.run(&["doctor"]), 0);
    assert!(said.contains(&format!("ok    {line}")), "{said}");

    install.write("sources/broken.yaml", "name: broken\ntype: log\nfile: /etc/shadow\npattern: root\n");
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    {
        let server = Server::start(&install);
        until(&server, "broken", "failing");
        assert_eq!(server.stop(), Some(0));
    }
    let (said, _) = ends(&install.run(&["doctor"]), 1);
    assert!(said.contains(&format!("WRONG {line}\n      ops/broken: This server reads no logs;")), "{said}");
    assert!(!said.contains("ops/well"), "{said}");
}

/// Only who may edit a source turns it off; that is a revision of its text.
#[test]
fn a_source_is_turned_off_by_who_may_edit_it() {
    let test = world(Base::Sqlite, &[("t", "# A comment.\nname: t\ntype: timer\nevery: 1h\n")]);
    test.settle();
    let path = "/api/v1/sources/ops/t/enabled";
    test.signed_in("vic").post(path, &serde_json::json!({"enabled": false})).refused(403, "forbidden");
    let ann = test.signed_in("ann");
    ann.post(path, &serde_json::json!({"enabled": "no"})).refused(422, "bad_enabled");
    let shown = |state: &str| {
        let shown = ann.get("/api/v1/sources/ops/t").expect(200).json();
        assert_eq!(shown["state"], state, "{shown}");
        shown["revision"].as_i64().unwrap()
    };
    let before = shown("watching");
    ann.post(path, &serde_json::json!({"enabled": false})).expect(200);
    assert_eq!(shown("off"), before + 1);
    ann.post(path, &serde_json::json!({"enabled": false})).expect(200);
    assert_eq!(shown("off"), before + 1, "what is off is not turned off again");
    test.clock.advance(chrono::TimeDelta::hours(3));
    test.settle();
    ann.post(path, &serde_json::json!({"enabled": true})).expect(200);
    test.settle();
    assert!(events(&ann, "t").is_empty());
    let text = test.sql_rows("SELECT source, canonical FROM revisions ORDER BY created_at DESC LIMIT 1").remove(0).0;
    assert_eq!(text, "# A comment.\nname: t\ntype: timer\nevery: 1h\nenabled: true\n");
    let page = test.signed_in("vic").get("/sources").expect(200).text();
    assert!(page.contains("source.t") && !page.contains("Turn off"), "{page}");
}
