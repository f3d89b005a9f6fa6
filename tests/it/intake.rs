//! Deliveries: proof before anything else, one event and one run for each, and nothing half done.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use interlock::domain::event::EventVerdict;
use interlock::domain::ids::WebhookName;
use interlock::domain::run::State;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::{Answer, Client};
use crate::harness::{Base, TestApp, noon, on_both_databases, operator, project_name};
use crate::program::{Install, Server, ends};
use crate::store_contract::databases::postgres;

const SECRET: &str = "a-shared-secret-of-32-characters";

const ACCESS: &str = "
roles:
  hooks:
    - {allow: [view, run], on: job/restart}
    - {allow: [view, run], on: 'node/**'}
members:
  hooks: ['service:hook']
";

const JOB: &str = "
name: restart
options:
  - {name: service, type: text, required: true, allow_leading_dash: true}
  - {name: mode, default: soft}
nodes: {filter: 'tags: web'}
steps:
  - run: echo ${option.service} ${option.mode}
";

/// A webhook for `restart` with more keys, each indented below `webhook:`.
fn hook(name: &str, arguments: &str, more: &str) -> String {
    let more = more.lines().map(|l| format!("  {l}\n")).collect::<String>();
    format!(
        "webhook:\n  name: {name}\n  eventPlugin: webhook-run-job\n  config:\n    jobId: restart\n    argString: '{arguments}'\n  run_as: hook\n{more}"
    )
}

fn world(hooks: &[(&str, String)]) -> TestApp {
    world_on(Base::Sqlite, hooks)
}

fn world_on(base: Base, hooks: &[(&str, String)]) -> TestApp {
    let test = TestApp::fake_on(base);
    load(&test, hooks);
    test
}

on_both_databases! {
    fifty_copies_at_once_are_one_event_and_one_run
    a_delivery_that_a_crash_left_undecided_is_decided_once
    a_service_account_without_rights_is_refused_and_recorded
    definitions_and_secrets_of_another_process_hold_at_once
    what_was_accepted_outlives_a_crash
}

fn load(test: &TestApp, hooks: &[(&str, String)]) {
    let files: Vec<(String, String)> =
        hooks.iter().map(|(name, text)| (format!("webhooks/{name}.yaml"), text.clone())).collect();
    let mut all = vec![
        ("access.yaml", ACCESS),
        ("nodes.yaml", "web1: {hostname: 192.0.2.1, tags: web, environment: staging}\n"),
        ("jobs/restart.yaml", JOB),
    ];
    all.extend(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    test.load("ops", &all);
    test.key("keys/ops/hook", SECRET);
}

/// A world with one webhook behind a static token, named `plain`.
fn plain(arguments: &str, more: &str) -> TestApp {
    plain_on(Base::Sqlite, arguments, more)
}

fn plain_on(base: Base, arguments: &str, more: &str) -> TestApp {
    let more = format!("verify: {{kind: token, secrets: [keys/ops/hook]}}\n{more}");
    world_on(base, &[("plain", hook("plain", arguments, &more))])
}

fn sender(test: &TestApp) -> Client {
    test.anonymous().with("x-interlock-token", SECRET)
}

fn deliver(client: &Client, body: &[u8]) -> Answer {
    client.send("POST", "/hooks/plain", Some(body))
}

fn events(test: &TestApp) -> Vec<interlock::domain::event::Event> {
    test.wait(test.app.events(&operator(), None, None, 200)).unwrap()
}

fn nothing_was_kept(test: &TestApp) {
    assert!(events(test).is_empty());
    assert!(test.runs_in(&State::ALL).is_empty());
}

fn hmac(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    parts.iter().for_each(|p| mac.update(p));
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The headers that prove a body, for each kind.
fn proof(kind: &str, secret: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let stamp = noon().timestamp().to_string();
    let signed = hex(&hmac(secret.as_bytes(), &[body]));
    match kind {
        "pagerduty" => vec![("x-pagerduty-signature", format!("v1={},v1={signed}", "0".repeat(64)))],
        "github" => vec![("x-hub-signature-256", format!("sha256={signed}")), ("x-github-delivery", "d-1".into())],
        "slack" => {
            let signed = hex(&hmac(secret.as_bytes(), &[b"v0:", stamp.as_bytes(), b":", body]));
            vec![("x-slack-request-timestamp", stamp), ("x-slack-signature", format!("v0={signed}"))]
        }
        "grafana" => vec![("x-grafana-alerting-signature", signed)],
        "alertmanager" => vec![("authorization", format!("Bearer {secret}"))],
        "standard-webhooks" => {
            let key = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap_or_else(|_| b"other".to_vec());
            let signed = STANDARD.encode(hmac(&key, &[b"msg_1", b".", stamp.as_bytes(), b".", body]));
            vec![
                ("webhook-id", "msg_1".into()),
                ("webhook-timestamp", stamp),
                ("webhook-signature", format!("v1,AAAA v1,{signed}")),
            ]
        }
        "token" => vec![("x-interlock-token", secret.to_owned())],
        _ => vec![("x-signed", format!("hmac={signed}"))],
    }
}

#[test]
fn every_kind_of_proof_opens_and_only_the_right_one_does() {
    let kinds = ["pagerduty", "github", "slack", "grafana", "alertmanager", "standard-webhooks", "token", "hmac"];
    let hooks: Vec<(&str, String)> = kinds
        .iter()
        .map(|kind| {
            let more = if *kind == "hmac" { ", header: X-Signed, prefix: 'hmac='" } else { "" };
            let verify = format!("verify: {{kind: {kind}, secrets: [keys/ops/{kind}]{more}}}");
            (*kind, hook(kind, "-service ${data.service}", &verify))
        })
        .collect();
    let test = world(&hooks);
    let secret_of = |kind: &str| {
        if kind == "standard-webhooks" { format!("whsec_{}", STANDARD.encode(SECRET)) } else { SECRET.to_owned() }
    };
    let body: &[u8] = br#"{"service": "nginx"}"#;
    for kind in kinds {
        test.key(&format!("keys/ops/{kind}"), &secret_of(kind));
        let path = format!("/hooks/{kind}");
        let with = |headers: Vec<(&'static str, String)>| {
            headers.iter().fold(test.anonymous(), |client, (name, value)| client.with(name, value))
        };
        let kept = events(&test).len();
        let good = with(proof(kind, &secret_of(kind), body));
        let wrong_secret = with(proof(kind, "another-secret-of-32-characters!", body));
        test.anonymous().send("POST", &path, Some(body)).refused(403, "unverified");
        wrong_secret.send("POST", &path, Some(body)).refused(403, "unverified");
        if !matches!(kind, "alertmanager" | "token") {
            good.send("POST", &path, Some(br#"{"service": "evil"}"#)).refused(403, "unverified");
        }
        if matches!(kind, "slack" | "standard-webhooks") {
            test.clock.advance(TimeDelta::seconds(301));
            good.send("POST", &path, Some(body)).refused(403, "unverified");
            test.clock.advance(TimeDelta::seconds(-301));
        }
        assert_eq!(events(&test).len(), kept, "{kind}: a refused delivery left something");
        let accepted = good.send("POST", &path, Some(body)).expect(202).json();
        assert!(accepted["run"].is_i64() && accepted["event"].is_string(), "{kind}: {accepted}");
        assert_eq!(events(&test).len(), kept + 1);
    }
    test.settle();
    assert_eq!(test.runs_in(&[State::Succeeded]).len(), kinds.len());
}

#[test]
fn published_signatures_are_taken_and_stale_ones_are_not() {
    let vectors: Value = serde_json::from_str(include_str!("../fixtures/payloads/signature_vectors.json")).unwrap();
    let vectors = vectors.as_array().cloned().unwrap_or_else(|| vectors["vectors"].as_array().unwrap().clone());
    let mut covered = BTreeMap::new();
    for vector in vectors {
        let text = |key: &str| vector[key].as_str().unwrap_or_default().to_owned();
        let kind = text("provider").replace('_', "-");
        let more = match kind.as_str() {
            "pagerduty" | "github" | "slack" | "grafana" | "alertmanager" | "standard-webhooks" => String::new(),
            other => panic!("nobody says how a vector of {other} is held against a webhook"),
        };
        *covered.entry(kind.clone()).or_insert(0) += 1;
        let headers = vector["headers"].as_object().unwrap();
        let stamp = headers
            .iter()
            .find(|(n, _)| n.to_lowercase().ends_with("timestamp"))
            .and_then(|(_, v)| v.as_str()?.parse::<i64>().ok());
        let at = stamp.map_or_else(noon, |s| chrono::DateTime::from_timestamp(s, 0).unwrap());
        let test = TestApp::fake_at(at);
        let verify =
            format!("verify: {{kind: {kind}, secrets: [keys/ops/vector]{more}}}\nmissing: empty\nmode: dry_run");
        load(&test, &[("plain", hook("plain", "-service ${data.x}", &verify))]);
        test.key("keys/ops/vector", &text("secret"));
        let client = headers.iter().fold(test.anonymous(), |c, (n, v)| c.with(n, v.as_str().unwrap()));
        let answer = deliver(&client, text("body").as_bytes());
        let verified = answer.status != 403;
        assert_eq!(verified, vector["valid"] == true, "{kind} {}: {}", text("name"), answer.text());
        if stamp.is_some() {
            test.clock.advance(TimeDelta::days(1));
            deliver(&client, text("body").as_bytes()).refused(403, "unverified");
        }
    }
    let expected = [("github", 1), ("pagerduty", 2), ("slack", 1), ("standard-webhooks", 1)];
    assert_eq!(covered, expected.map(|(kind, count)| (kind.to_owned(), count)).into());
}

#[test]
fn an_unknown_address_and_a_bad_proof_get_the_same_answer() {
    let open = hook("open", "-service ${data.service}", "");
    let closed = hook("plain", "-service x", "verify: {kind: token, secrets: [keys/ops/hook]}");
    let lost = hook("lost", "-service x", "verify: {kind: token, secrets: [keys/ops/nowhere]}");
    let test = world(&[("open", open), ("plain", closed), ("lost", lost)]);
    let body = json!({"service": "nginx"});
    let answers: Vec<Answer> =
        ["/hooks/absent", "/hooks/plain", "/hooks/open", "/hooks/lost", "/hooks/..%2f", "/hooks/%00"]
            .iter()
            .map(|path| test.anonymous().with("x-interlock-token", "wrong").post(path, &body))
            .collect();
    for answer in &answers {
        answer.refused(403, "unverified");
        assert_eq!(answer.body, answers[0].body);
    }
    // An unverified body is not even looked at.
    for garbage in [b"\xff\xfe{{{".as_slice(), &[b'['; 5_000], b""] {
        deliver(&test.anonymous(), garbage).refused(403, "unverified");
    }
    nothing_was_kept(&test);
    let name = WebhookName::parse("open").unwrap();
    let address = test.wait(test.app.hook_address(&operator(), &project_name("ops"), &name)).unwrap();
    let again = test.wait(test.app.hook_address(&operator(), &project_name("ops"), &name)).unwrap();
    assert_eq!(address, again);
    assert!(address.len() > 40);
    test.anonymous().post(&format!("/hooks/{address}"), &body).expect(202);
    test.anonymous().post(&format!("/hooks/{address}x"), &body).refused(403, "unverified");
    test.settle();
}

#[test]
fn bodies_that_cannot_be_read_leave_nothing() {
    let test = plain("-service ${data.service}", "");
    let client = sender(&test);
    let deep = [vec![b'['; 5_000], vec![b']'; 5_000]].concat();
    for (body, what) in [
        (br#"{"service": "#.to_vec(), "broken"),
        (deep, "deep"),
        (b"{\"service\": \"\xff\"}".to_vec(), "not UTF-8"),
        (br#"{"service": "a", "service": "b"}"#.to_vec(), "twice"),
        (br#"{"service": NaN}"#.to_vec(), "no number"),
        (br#"{"service": "a"} trailing"#.to_vec(), "trailing"),
    ] {
        let answer = deliver(&client, &body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_payload"), "{what}");
    }
    deliver(&client, br#"{"other": "a"}"#).refused(422, "missing_field");
    deliver(&client, br#"{"service": null}"#).refused(422, "missing_field");
    nothing_was_kept(&test);
    let large = |size: usize| format!("{{\"service\": \"nginx\", \"pad\": \"{}\"}}", "x".repeat(size)).into_bytes();
    deliver(&client, &large(1024 * 1024)).refused(413, "body_too_large");
    nothing_was_kept(&test);
    deliver(&client, &large(1_000_000)).expect(202);
    test.settle();
}

fn fifty_copies_at_once_are_one_event_and_one_run(base: Base) {
    let test = plain_on(base, "-service ${data.service}", "");
    let client = sender(&test).with("idempotency-key", "delivery-7");
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(|| deliver(&client, br#"{"service": "nginx"}"#))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let mut ids: Vec<String> =
        answers.into_iter().map(|a| a.expect(202).json()["event"].as_str().unwrap().to_owned()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!((events(&test).len(), test.runs_in(&State::ALL).len()), (1, 1));
    test.settle();
    let again = deliver(&client, br#"{"service": "nginx"}"#).expect(202).json();
    assert_eq!((&again["duplicate"], &again["run"]), (&json!(true), &json!(1)));
    assert_eq!(test.steps().calls().len(), 1);
    deliver(&sender(&test).with("idempotency-key", "delivery-8"), br#"{"service": "nginx"}"#).expect(202);
    test.settle();
    assert_eq!(test.steps().calls().len(), 2);
}

#[test]
fn a_payload_never_adds_an_option() {
    let test = plain("-service ${data.service}", "");
    let hostile = [
        "x -mode hard",
        "-mode hard",
        "\" -mode hard \"",
        "' -mode 'hard",
        "x\\\" -mode hard",
        "${option.mode}",
        "{{ option.mode }}",
        "${data.service}",
        "$(reboot) `reboot` ; reboot | reboot > /etc/passwd",
        "line\n-mode hard",
        "\u{202e}drah edom-",
    ];
    for value in hostile {
        let accepted = deliver(&sender(&test), json!({"service": value}).to_string().as_bytes()).expect(202).json();
        let run = test.run(interlock::domain::ids::RunNumber::parse(&accepted["run"].to_string()).unwrap());
        let options = json!(run.plan.options);
        assert_eq!(options["service"]["value"], value, "{options}");
        assert_eq!(options["mode"]["value"], "soft", "{options}");
        assert_eq!(options.as_object().unwrap().len(), 2);
    }
    test.settle();
    // What the node gets is the value beside the text, never in it.
    for call in test.steps().calls() {
        let body = String::from_utf8(call.request.body).unwrap();
        assert!(!body.contains("reboot") && !body.contains("hard"), "{body}");
    }
    // NUL is no text at all.
    let answer = deliver(&sender(&test), br#"{"service": "a\u0000b"}"#);
    answer.refused(422, "invalid_options");
    assert_eq!(events(&test)[0].verdict, EventVerdict::Refused);
}

#[test]
fn a_refused_delivery_that_comes_again_is_refused_again() {
    let dedupe = "dedupe: '${data.id}'";
    let test = plain("-service ${data.service}", dedupe);
    let bad = br#"{"service": "a\u0000b", "id": "1"}"#;
    let first = deliver(&sender(&test), bad);
    let again = deliver(&sender(&test), bad);
    first.refused(422, "invalid_options");
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(events(&test).len(), 1);
    // When the reason of then is another one now, the words of then stay, and nothing is decided anew.
    test.load(
        "ops",
        &[
            ("access.yaml", ACCESS),
            ("nodes.yaml", "web1: {hostname: 192.0.2.1, tags: web, environment: staging}\n"),
            ("jobs/restart.yaml", &JOB.replace("options:", "enabled: false\noptions:")),
            (
                "webhooks/plain.yaml",
                &hook(
                    "plain",
                    "-service ${data.service}",
                    &format!("verify: {{kind: token, secrets: [keys/ops/hook]}}\n{dedupe}"),
                ),
            ),
        ],
    );
    deliver(&sender(&test), bad).refused(409, "refused");
    assert!(test.runs_in(&State::ALL).is_empty());
}

#[test]
fn conditions_and_dry_runs_start_nothing() {
    let when = "when:\n  data.kind: {type: equals, pattern: down}";
    let test = plain("-service ${data.service}", when);
    let answer = deliver(&sender(&test), br#"{"service": "nginx", "kind": "up"}"#).expect(202).json();
    assert_eq!((&answer["run"], &answer["verdict"]), (&Value::Null, &json!("not_matched")));
    // A missing field never matches, and then no field of the template is needed either.
    let answer = deliver(&sender(&test), b"{}").expect(202).json();
    assert_eq!(answer["verdict"], "not_matched");
    assert!(test.runs_in(&State::ALL).is_empty());
    deliver(&sender(&test), br#"{"service": "nginx", "kind": "down"}"#).expect(202);
    test.settle();
    assert_eq!(test.steps().calls().len(), 1);

    let test = plain("-service ${data.service}", "mode: dry_run");
    let answer = deliver(&sender(&test), br#"{"service": "nginx"}"#).expect(202).json();
    assert_eq!(answer["verdict"], "dry_run");
    test.settle();
    assert_eq!(test.runs_in(&[State::DryRun]).len(), 1);
    assert!(test.steps().calls().is_empty());
}

fn a_service_account_without_rights_is_refused_and_recorded(base: Base) {
    let test = plain_on(base, "-service ${data.service}", "");
    let files = [
        ("access.yaml", "roles:\n  none: [{allow: [view], on: job/other}]\nmembers: {none: ['service:hook']}\n"),
        ("nodes.yaml", "web1: {hostname: 192.0.2.1, tags: web}\n"),
        ("jobs/restart.yaml", JOB),
    ];
    let text = hook("plain", "-service ${data.service}", "verify: {kind: token, secrets: [keys/ops/hook]}");
    let mut all = files.to_vec();
    all.push(("webhooks/plain.yaml", &text));
    test.load("ops", &all);
    deliver(&sender(&test), br#"{"service": "nginx"}"#).refused(409, "job_not_available");
    let kept = events(&test);
    assert_eq!((kept.len(), kept[0].verdict), (1, EventVerdict::Refused));
    assert!(kept[0].detail.contains("service account"), "{}", kept[0].detail);
    assert!(test.runs_in(&State::ALL).is_empty());
}

#[test]
fn secrets_of_a_delivery_are_not_kept() {
    let test = plain("-service ${data.service}", "");
    let client = sender(&test).with("authorization", "Bearer another-secret").with("x-fine", "kept");
    let id = deliver(&client, br#"{"service": "nginx"}"#).expect(202).json()["event"].as_str().unwrap().to_owned();
    let id = interlock::domain::ids::EventId::parse(&id).unwrap();
    let (_, headers) = test.wait(test.app.event(&operator(), id)).unwrap();
    assert_eq!(headers.get("x-fine").map(String::as_str), Some("kept"));
    let all = format!("{headers:?}");
    assert!(!all.contains(SECRET) && !all.contains("another-secret"), "{all}");
    test.settle();
}

#[test]
fn every_sample_of_every_sender_is_taken() {
    let test = plain("-service ${raw}", "");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/payloads");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("signature_vectors.json") {
            continue;
        }
        let body = std::fs::read(&path).unwrap();
        let answer = deliver(&sender(&test), &body);
        assert_eq!(answer.status, 202, "{}: {}", path.display(), answer.text());
        count += 1;
    }
    assert!(count >= 10);
    test.settle();
    assert_eq!(test.steps().calls().len(), count);
}

/// Stores an event as a server leaves it that stops right after answering.
fn left_behind(test: &TestApp, key: &str) -> interlock::domain::ids::EventId {
    let permit = test
        .app
        .authorize(
            &operator(),
            interlock::domain::access::Permission::Edit,
            &interlock::domain::access::Resource::System,
        )
        .unwrap();
    let event = interlock::domain::event::Event {
        id: interlock::domain::ids::EventId::new(uuid::Uuid::now_v7()),
        project: project_name("ops"),
        received_at: test.clock.now(),
        source: "webhook:plain".to_owned(),
        event_type: "webhook.plain".to_owned(),
        payload: r#"{"service": "nginx"}"#.to_owned(),
        dedupe_key: key.to_owned(),
        verdict: EventVerdict::Pending,
        detail: String::new(),
        run: None,
        depth: 0,
        awaits_rules: false,
    };
    let id = event.id;
    let db = interlock::store::Db::open(&test.database(), &interlock::store::Options::default()).unwrap();
    let stored = test.wait(db.write(move |c| {
        interlock::store::events::insert_event_once(c, &permit, &event, &std::collections::BTreeMap::new())
    }));
    assert!(matches!(stored.unwrap(), interlock::store::events::Stored::Inserted));
    id
}

fn a_delivery_that_a_crash_left_undecided_is_decided_once(base: Base) {
    let test = plain_on(base, "-service ${data.service}", "");
    let id = left_behind(&test, "crashed");
    // The sender's retry does not make a second one of it.
    let again = deliver(&sender(&test).with("idempotency-key", "crashed"), br#"{"service": "nginx"}"#).expect(202);
    assert_eq!(again.json()["event"], id.to_string());
    test.settle();
    assert!(test.runs_in(&State::ALL).is_empty(), "whoever stored it may still be deciding");
    test.clock.advance(TimeDelta::seconds(31));
    // Two servers look at the same moment.
    test.wait(async {
        let (a, b) = tokio::join!(test.app.settle_events(), test.app.settle_events());
        a.unwrap();
        b.unwrap();
    });
    test.settle();
    let runs = test.runs_in(&State::ALL);
    assert_eq!((runs.len(), runs[0].state), (1, State::Succeeded));
    let (event, _) = test.wait(test.app.event(&operator(), id)).unwrap();
    // The one that lost may have taken a number with it.
    assert_eq!((event.verdict, event.run), (EventVerdict::Ran, Some(runs[0].number)));
    assert_eq!(test.steps().calls().len(), 1);
}

/// Another process on the same database, as the command line is one.
fn another_process(test: &TestApp) -> interlock::app::App {
    let db = interlock::store::Db::open(&test.database(), &interlock::store::Options::default()).unwrap();
    let settings = interlock::app::Settings {
        data: test.data().to_owned(),
        public_url: String::new(),
        server: "another".to_owned(),
        is_gone: |_| false,
    };
    let root = interlock::store::RootKey::new(crate::harness::ROOT_KEY);
    test.wait(interlock::app::App::open(db, &root, test.clock.clone(), settings)).unwrap()
}

fn definitions_and_secrets_of_another_process_hold_at_once(base: Base) {
    let never = "when:\n  data.kind: {type: equals, pattern: never}";
    let test = plain_on(base, "-service ${data.service}", never);
    let other = another_process(&test);
    let put = |secret: &str| {
        let path = interlock::domain::ids::KeyPath::parse("keys/ops/hook").unwrap();
        let (kind, value) = (interlock::store::secrets::SecretKind::Secret, secret.to_owned());
        let value = interlock::domain::secret::SecretText::new(value);
        test.wait(other.put_key(&operator(), path, kind, value, "test")).unwrap();
    };
    let with = |secret: &str| test.anonymous().with("x-interlock-token", secret);
    for round in 0..3 {
        let (old, new) = (format!("{SECRET}{round}"), format!("{SECRET}{}", round + 1));
        put(&old);
        deliver(&with(&old), b"{}").expect(202);
        deliver(&with(&old), b"{}").expect(202);
        put(&new);
        deliver(&with(&old), b"{}").refused(403, "unverified");
        deliver(&with(&new), b"{}").expect(202);
    }
    // The same by this very process.
    test.key("keys/ops/hook", SECRET);
    deliver(&sender(&test), b"{}").expect(202);
    let kept = events(&test).len();
    let files = [("access.yaml", ACCESS)].map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    test.wait(other.apply(&operator(), &project_name("ops"), &files, "test", "test")).unwrap();
    deliver(&sender(&test), b"{}").refused(403, "unverified");
    assert_eq!(events(&test).len(), kept);
}

/// The program is killed while it accepts; whatever it had answered with 202 is there when it is started again.
fn what_was_accepted_outlives_a_crash(base: Base) {
    let fresh = (base == Base::Postgres).then(postgres);
    let install = fresh.as_ref().map_or_else(Install::new, |fresh| Install::on(&fresh.url));
    let more = "verify: {kind: token, secrets: [keys/ops/hook]}\nwhen:\n  data.n: {type: equals, pattern: -1}";
    install.write("access.yaml", ACCESS);
    install.write("nodes.yaml", "web1: {hostname: 192.0.2.1, tags: web, environment: staging}\n");
    install.write("jobs/restart.yaml", JOB);
    install.write("webhooks/plain.yaml", &hook("plain", "-service ${data.n}", more));
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["key", "put", "keys/ops/hook", "--type", "secret"], SECRET), 0);
    let mut server = Server::start(&install);
    let (next, address) = (AtomicUsize::new(0), server.address.clone());
    let accepted = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let client = Client::new(&address).with("x-interlock-token", SECRET);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let client = client.with("idempotency-key", &n.to_string());
                    let Some(answer) =
                        client.try_send("POST", "/hooks/plain", Some(json!({"n": n}).to_string().as_bytes()))
                    else {
                        return;
                    };
                    accepted.lock().unwrap().push((n, answer.expect(202).json()["event"].clone()));
                }
            });
        }
        while accepted.lock().unwrap().len() < 100 {
            std::thread::yield_now();
        }
        server.kill();
    });
    let server = Server::start(&install);
    let client = Client::new(&server.address).with("x-interlock-token", SECRET);
    let accepted = accepted.into_inner().unwrap();
    assert!(accepted.len() >= 100);
    for (n, event) in accepted {
        let again = client.with("idempotency-key", &n.to_string()).post("/hooks/plain", &json!({"n": n})).expect(202);
        assert_eq!((&again.json()["event"], &again.json()["duplicate"]), (&event, &json!(true)), "{n} was lost");
    }
    assert_eq!(server.stop(), Some(0));
}
