//! Slash commands of Slack: signed, taken once, by whom an administrator named, with exactly their rights, through the very way
//! of the button.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use interlock::app::chat::{ANSWER_WITHIN, Chat};
use interlock::domain::ids::RunNumber;
use interlock::domain::notice::address::{MailAddress, SlackAccount};
use interlock::domain::plan::Origin;
use interlock::domain::run::State;
use interlock::domain::secret::SecretText;
use interlock::exec::fake::Script;

use super::{Heard, SIGNING_SECRET, Said, sign};
use crate::client::Answer;
use crate::harness::{Base, TestApp, on_both_databases, operator, user};
use crate::notices::{courier, tell};
use crate::sinks::{ChatServer, MailServer};

on_both_databases! {
    a_command_starts_a_run_as_the_person_and_tells_how_it_ended
    a_command_is_taken_once_also_when_it_comes_twice_at_once
}

pub(super) const ACCESS: &str = "
roles:
  oncall:
    - {allow: [view, run, cancel], on: 'job/web/**'}
    - {allow: [view, run], on: 'node/**'}
  manager: [{allow: [view, approve], on: 'job/**'}]
  watcher: [{allow: [view], on: 'job/**'}]
members:
  oncall: ['user:alice']
  manager: ['user:maria']
  watcher: ['user:will']
";

pub(super) const NODES: &str = "
web1: {hostname: 192.0.2.1, environment: staging}
web2: {hostname: 192.0.2.2, environment: staging}
";

pub(super) const RESTART: &str = "
name: restart
group: web
description: Restart one unit.
options:
  - {name: service, required: true, pattern: '[a-z]{1,20}', description: 'systemd unit'}
  - {name: note}
  - {name: password, type: secret}
nodes: {filter: '.*'}
steps: [{name: restart, run: 'echo ${option.service}'}]
";

pub(super) const SIGNED: &str = "
name: signed
group: web
approval: {rule: change}
nodes: {filter: 'name: web1'}
steps: [{name: s, run: 'echo s'}]
";

const HIDDEN: &str = "
name: vacuum
group: db
steps: [{name: s, run: 'echo s'}]
nodes: {filter: '.*'}
";

/// With these lines of `notify` in project `ops`.
fn world(base: Base, notify: &str, answer_within: Duration) -> (TestApp, Said) {
    let test = TestApp::fake_on(base);
    let project = format!("approvals: {{change: {{need: [{{role: manager, count: 1}}]}}}}\nnotify: {notify}\n");
    let files = [
        ("project.yaml", project.as_str()),
        ("access.yaml", ACCESS),
        ("nodes.yaml", NODES),
        ("jobs/restart.yaml", RESTART),
        ("jobs/signed.yaml", SIGNED),
        ("jobs/vacuum.yaml", HIDDEN),
    ];
    test.load("ops", &files);
    let said = furnish(&test, answer_within);
    (test, said)
}

/// Gives an installation its app in Slack and its people.
pub(super) fn furnish(test: &TestApp, answer_within: Duration) -> Said {
    let said = Said::default();
    let answers = Arc::new(Heard(Arc::clone(&said)));
    let signing_secret = SecretText::new(SIGNING_SECRET.to_owned());
    test.app.chat_with(Chat { signing_secret, answers, answer_within });
    for name in ["alice", "maria", "will"] {
        test.person(name);
        let account = SlackAccount::parse(&format!("T0001/U{}", name.to_ascii_uppercase())).unwrap();
        test.wait(test.app.set_slack(&operator(), user(name), Some(account), "test")).unwrap();
        let address = MailAddress::parse(&format!("{name}@example.com")).unwrap();
        test.wait(test.app.set_email(&operator(), user(name), Some(address), "test")).unwrap();
    }
    said
}

fn wanted(base: Base) -> (TestApp, Said) {
    world(base, "{slack_commands: true}", ANSWER_WITHIN)
}

fn form(member: &str, text: &str, answer_to: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("token", "xyzz0WbapA4vBCDEFasx0q6G"),
        ("team_id", "T0001"),
        ("team_domain", "example"),
        ("channel_id", "C0003"),
        ("user_id", member),
        ("user_name", "maria"),
        ("command", "/interlock"),
        ("text", text),
        ("response_url", answer_to),
        ("trigger_id", "398738663015.47445629121"),
    ] {
        form.append_pair(name, value);
    }
    form.finish()
}

fn send(test: &TestApp, stamp: i64, signature: &str, body: &str) -> Answer {
    let client = test.anonymous().with("content-type", "application/x-www-form-urlencoded");
    let client = client.with("x-slack-request-timestamp", &stamp.to_string()).with("x-slack-signature", signature);
    client.send("POST", "/hooks/slack/commands", Some(body.as_bytes()))
}

/// What is said to somebody who types this now.
fn typed_at(test: &TestApp, member: &str, text: &str, answer_to: &str) -> String {
    let (stamp, body) = (test.clock.now().timestamp(), form(member, text, answer_to));
    let answer = send(test, stamp, &sign(SIGNING_SECRET, stamp, &body), &body).expect(200).json();
    assert_eq!((&answer["response_type"], &answer["mrkdwn"]), (&"ephemeral".into(), &false.into()));
    answer["text"].as_str().unwrap().to_owned()
}

pub(super) fn typed(test: &TestApp, member: &str, text: &str) -> String {
    // A second apart, so that no two are the same signed request.
    test.clock.advance(TimeDelta::seconds(1));
    typed_at(test, member, text, "https://hooks.slack.com/commands/T0001/1/x")
}

pub(super) fn runs(test: &TestApp) -> usize {
    test.runs_in(&State::ALL).len()
}

fn a_command_starts_a_run_as_the_person_and_tells_how_it_ended(base: Base) {
    let (chat, sink) = (ChatServer::start(), MailServer::start());
    let (test, _) = wanted(base);
    let answers_at = format!("{}/answer", chat.address);
    let text = "run web/restart -service nginx -note \u{201c}it's <!channel>; `id`\u{201d} reason \"the disk is full\"";
    let told = typed_at(&test, "UALICE", text, &answers_at);
    assert!(told.starts_with("Run #1 of web/restart on web1, web2 in staging is queued."), "{told}");
    assert!(told.contains("/runs/1"), "{told}");
    let run = test.run(RunNumber::new(1));
    assert_eq!((run.run.requester.to_string().as_str(), &run.run.origin), ("user:alice", &Origin::Chat));
    assert_eq!(run.run.reason, "the disk is full");
    assert!(format!("{:?}", run.plan.options).contains("it's <!channel>; `id`"), "a value stays what it is");
    let entry = test.record().into_iter().find(|e| e.act.action == "run.requested").unwrap();
    assert_eq!(
        (entry.act.source.as_str(), entry.act.actor.to_string()),
        ("slack:T0001/UALICE", "user:alice".to_owned())
    );

    // While Slack takes answers there, the end is told there and nowhere else.
    test.settle();
    tell(&test, &courier(Some(sink.port)));
    let posts = chat.posts();
    assert_eq!((posts.len(), posts[0].path.as_str()), (1, "/answer"));
    assert!(posts[0].body.contains("#1 web/restart is succeeded") && posts[0].body.contains("ephemeral"), "{posts:?}");
    assert!(sink.mails().is_empty());

    // Later it is told by mail.
    test.clock.advance(TimeDelta::minutes(1));
    typed_at(&test, "UALICE", "run web/restart -service sshd", &answers_at);
    test.clock.advance(TimeDelta::minutes(31));
    test.settle();
    tell(&test, &courier(Some(sink.port)));
    assert_eq!(chat.posts().len(), 1);
    let mails = sink.mails();
    assert_eq!((mails.len(), mails[0].to.as_slice()), (1, &["alice@example.com".to_owned()][..]));
    assert_eq!(mails[0].header("subject"), Some("[ops] #2 web/restart is succeeded"));
}

fn a_command_is_taken_once_also_when_it_comes_twice_at_once(base: Base) {
    let (test, _) = wanted(base);
    let body = form("UALICE", "run web/restart -service nginx", "https://hooks.slack.com/commands/x");
    let stamp = test.clock.now().timestamp();
    let signature = sign(SIGNING_SECRET, stamp, &body);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| send(&test, stamp, &signature, &body).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| [200, 409].contains(s)), "{statuses:?}");
    assert_eq!(runs(&test), 1);
    test.settle();
}

#[test]
fn what_slack_did_not_sign_just_now_is_turned_away() {
    let (test, _) = wanted(Base::Sqlite);
    let (now, body) = (test.clock.now().timestamp(), form("UALICE", "run web/restart -service nginx", ""));
    for (stamp, secret, signed) in [
        (now, "another secret of another app!!!", body.clone()),
        (now, SIGNING_SECRET, format!("{body}&x=y")),
        (now - 301, SIGNING_SECRET, body.clone()),
        (now + 301, SIGNING_SECRET, body.clone()),
    ] {
        send(&test, stamp, &sign(secret, stamp, &signed), &body).refused(403, "unverified");
    }
    send(&test, now, "", &body).refused(403, "unverified");
    for odd in ["", "text=help", "team_id=T0001&user_id=maria&command=/x&text=help"] {
        send(&test, now, &sign(SIGNING_SECRET, now, odd), odd).refused(400, "bad_payload");
    }
    assert_eq!(runs(&test), 0);
}

#[test]
fn only_whom_an_administrator_named_is_heard_and_only_where_the_project_wants_it() {
    let (test, _) = wanted(Base::Sqlite);
    let told = typed(&test, "UOTHER", "run web/restart -service nginx");
    assert!(told.contains("does not know whose Slack account") && told.contains("T0001/UOTHER"), "{told}");
    test.wait(test.app.set_active(&operator(), user("maria"), false, "test")).unwrap();
    assert!(typed(&test, "UMARIA", "jobs").contains("does not know"), "nor one that is closed");

    let (other, _) = world(Base::Sqlite, "{slack_buttons: true}", ANSWER_WITHIN);
    for text in ["jobs", "run web/restart -service nginx", "status #1"] {
        let told = typed(&other, "UALICE", text);
        assert!(told.contains("takes commands from Slack") && told.contains("slack_commands: true"), "{told}");
    }
    assert_eq!(runs(&test) + runs(&other), 0);
}

#[test]
fn everybody_may_what_they_may_on_the_pages_and_no_more() {
    let (test, _) = wanted(Base::Sqlite);
    let told = typed(&test, "UALICE", "jobs");
    assert!(told.contains("ops/web/restart: Restart one unit.") && told.contains("ops/web/signed"), "{told}");
    assert!(!told.contains("vacuum"), "what may not be seen is not there: {told}");
    assert!(typed(&test, "UALICE", "jobs sign").starts_with("1 jobs:"));
    let absent = typed(&test, "UALICE", "show db/absent");
    assert_eq!(typed(&test, "UALICE", "show db/vacuum"), absent.replace("absent", "vacuum"));
    let told = typed(&test, "UALICE", "show ops/web/restart");
    assert!(told.contains("-service: required; systemd unit"), "{told}");
    assert!(told.contains("/interlock run ops/web/restart -service …"), "{told}");

    // Will may look and not run; nor may he stop what runs.
    let told = typed(&test, "UWILL", "run web/restart -service nginx");
    assert!(told.starts_with("Nothing was done.") && told.contains("may not"), "{told}");
    assert_eq!(runs(&test), 0);
    test.steps().script("web1", "restart", Script::exits(0));
    typed(&test, "UALICE", "run web/restart -service nginx");
    assert!(typed(&test, "UWILL", "cancel #1").starts_with("Nothing was done."));
    assert_eq!(test.state(RunNumber::new(1)), State::Queued);
    let told = typed(&test, "UALICE", "status 1");
    assert!(told.contains("#1 ops/web/restart is queued") && told.contains("Asked for by alice"), "{told}");
    assert!(typed(&test, "UALICE", "runs web/restart").contains("#1 ops/web/restart queued by alice"));
    assert!(typed(&test, "UALICE", "cancel #1").contains("#1 is canceled."));
    assert_eq!(typed(&test, "UALICE", "log #99"), typed(&test, "UALICE", "status #98"), "nothing there");
}

#[test]
fn a_mistake_says_what_to_type() {
    let (test, _) = wanted(Base::Sqlite);
    for (text, says) in [
        ("run web/restart", "-service:"),
        ("run web/restart -service 'NGINX; id'", "-service:"),
        ("run web/restart -service nginx -colour red", "-colour:"),
        ("run web/restart -service nginx -password hunter2", "is a secret"),
        ("run web/restart -service", "has no value"),
        ("run web/restrat -service nginx", "no job `web/restrat`"),
        ("run", "which job"),
        ("run web/signed", "reason:"),
        ("approve #1", "password"),
        ("dance <!channel>", "I do not understand `dance &lt;!channel&gt;`"),
    ] {
        let told = typed(&test, "UALICE", text);
        assert!(told.contains(says), "{text}: {told}");
        assert!(!told.contains("hunter2") && !told.contains("<!"), "{told}");
    }
    assert_eq!(runs(&test), 0);
    assert!(typed(&test, "UALICE", "").contains("/interlock run JOB"), "help");
}

#[test]
fn a_run_that_needs_a_signature_waits_for_it_and_says_where() {
    let (test, _) = wanted(Base::Sqlite);
    let told = typed(&test, "UALICE", "run web/signed reason because");
    let request = test.run(RunNumber::new(1)).run.approval.unwrap();
    assert!(told.contains("waits for signatures: 1 × manager"), "{told}");
    assert!(told.contains(&format!("/approvals/{request}")) && told.contains("on web1 in staging"), "{told}");
    test.settle();
    assert_eq!(test.state(RunNumber::new(1)), State::PendingApproval);
    assert!(typed(&test, "UMARIA", "approve #1").contains("Signing needs a password"));
    assert_eq!(test.state(RunNumber::new(1)), State::PendingApproval);
}

#[test]
fn the_end_of_a_log_is_shown_as_it_was_stored() {
    let (test, _) = wanted(Base::Sqlite);
    let lines: Vec<String> = (0..40).map(|n| format!("\u{1b}[31mline {n}\u{1b}[0m <!here>")).collect();
    test.steps().script("web1", "restart", Script::exits(0).says(&lines.join("\n")));
    typed(&test, "UALICE", "run web/restart -service nginx");
    test.settle();
    let told = typed(&test, "UALICE", "log #1");
    assert!(told.contains("web1 | line 39 &lt;!here&gt;"), "{told}");
    assert!(!told.contains("line 3 ") && !told.contains('\u{1b}'), "{told}");
}

#[test]
fn what_takes_longer_than_slack_waits_is_answered_later() {
    let (test, said) = world(Base::Sqlite, "{slack_commands: true}", Duration::ZERO);
    let told = typed(&test, "UALICE", "run web/restart -service nginx");
    assert!(told.contains("the answer follows"), "{told}");
    let begin = std::time::Instant::now();
    let (to, text) = loop {
        if let Some(first) = said.lock().unwrap().first().cloned() {
            break first;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "no answer came");
        std::thread::yield_now();
    };
    assert_eq!(to, "https://hooks.slack.com/commands/T0001/1/x");
    assert!(text.starts_with("Run #1 of web/restart"), "{text}");
    test.settle();
}
