//! Decisions by a button in Slack: only where the project wants it, only with Slack's own signature, once, and only by
//! somebody whose account an administrator has named and who could sign on the page.

mod aliases;
mod commands;

use std::sync::{Arc, Mutex};

use futures_util::future::{BoxFuture, FutureExt as _};
use hmac::{Hmac, KeyInit, Mac};
use interlock::app::chat::{ANSWER_WITHIN, Answers, Chat};
use interlock::app::runs::RunView;
use interlock::domain::digest::Digest;
use interlock::domain::notice::address::SlackAccount;
use interlock::domain::run::State;
use interlock::domain::secret::SecretText;
use serde_json::json;
use sha2::Sha256;

use crate::client::Answer;
use crate::harness::{Base, TestApp, on_both_databases, operator, user};
use crate::notices::{ask, courier, tell, world};
use crate::sinks::ChatServer;

on_both_databases! {
    a_button_is_a_signature_of_whom_an_administrator_named
    a_press_counts_once_also_when_it_comes_twice_at_once
}

const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// What was answered, each with where it went.
type Said = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Debug, Default)]
struct Heard(Said);

impl Answers for Heard {
    fn answer(&self, to: SecretText, text: String) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().push((to.expose().to_owned(), text));
        async {}.boxed()
    }
}

fn slack_world(base: Base, notify: &str, chat: &ChatServer) -> (TestApp, Said) {
    let project = format!(
        "channels:\n  s: {{type: slack, url: keys/ops/s}}\n  pager: {{type: slack, url: keys/ops/s}}\nnotify: {notify}\n"
    );
    let test = world(base, &project);
    test.key("keys/ops/s", &chat.address);
    let heard = Heard::default();
    let said = Arc::clone(&heard.0);
    let signing_secret = SecretText::new(SIGNING_SECRET.to_owned());
    test.app.chat_with(Chat { signing_secret, answers: Arc::new(heard), answer_within: ANSWER_WITHIN });
    for (name, account) in
        [("alice", "T0001/UALICE"), ("maria", "T0001/UMARIA"), ("mo", "T0001/UMO1"), ("bob", "T0001/UBOB1")]
    {
        let account = SlackAccount::parse(account).unwrap();
        test.wait(test.app.set_slack(&operator(), user(name), Some(account), "test")).unwrap();
    }
    (test, said)
}

fn body(member: &str, run: &RunView, digest: &Digest) -> String {
    let payload = json!({
        "type": "block_actions",
        "team": { "id": "T0001" },
        "user": { "id": member, "team_id": "T0001", "username": "maria", "name": "maria" },
        "response_url": "https://hooks.slack.com/actions/T0001/1/x",
        "actions": [{ "action_id": "approve", "value": format!("{} {digest}", run.approval.unwrap()) }],
    });
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("payload", &payload.to_string()).finish()
}

fn sign(secret: &str, stamp: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("v0:{stamp}:{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("v0={hex}")
}

fn send(test: &TestApp, stamp: i64, signature: &str, body: &str) -> Answer {
    let client = test.anonymous().with("content-type", "application/x-www-form-urlencoded");
    let client = client.with("x-slack-request-timestamp", &stamp.to_string()).with("x-slack-signature", signature);
    client.send("POST", "/hooks/slack/actions", Some(body.as_bytes()))
}

/// A press that Slack signed now.
fn press(test: &TestApp, member: &str, run: &RunView) -> String {
    let (stamp, body) = (test.clock.now().timestamp(), body(member, run, &run.digest));
    let answer = send(test, stamp, &sign(SIGNING_SECRET, stamp, &body), &body).expect(200).json();
    assert_eq!(answer["response_type"], "ephemeral");
    answer["text"].as_str().unwrap().to_owned()
}

fn a_button_is_a_signature_of_whom_an_administrator_named(base: Base) {
    let chat = ChatServer::start();
    let (test, said) = slack_world(base, "{approvals: [s], slack_buttons: true}", &chat);
    let run = ask(&test, "x");
    tell(&test, &courier(None));
    let post = chat.posts()[0].json();
    let blocks = post["blocks"].as_array().unwrap();
    let value = blocks.last().unwrap()["elements"][0]["value"].as_str().unwrap().to_owned();
    assert_eq!(value, format!("{} {}", run.approval.unwrap(), run.digest));
    assert!(post.to_string().contains("<@UMARIA> <@UMO1>"), "those are named who can sign: {post}");

    // Who asked, who lacks the role, who is not known (whatever they call themselves), who is known no more.
    for (member, why) in
        [("UALICE", "You asked for this run"), ("UBOB1", "Nothing was decided"), ("UOTHER", "does not know")]
    {
        let told = press(&test, member, &run);
        assert!(told.contains(why) && told.starts_with("Nothing was decided"), "{member}: {told}");
    }
    test.wait(test.app.set_active(&operator(), user("mo"), false, "test")).unwrap();
    assert!(press(&test, "UMO1", &run).contains("does not know"));
    // A plan that is not the one that waits.
    let (stamp, other) = (test.clock.now().timestamp(), body("UMARIA", &run, &Digest::of(b"another plan")));
    let told = send(&test, stamp, &sign(SIGNING_SECRET, stamp, &other), &other).expect(200).json();
    assert!(told["text"].as_str().unwrap().contains("is not the one that waits"), "{told}");
    assert_eq!(test.state(run.number), State::PendingApproval);

    let told = press(&test, "UMARIA", &run);
    assert!(told.contains("is approved"), "{told}");
    assert_eq!(test.state(run.number), State::Queued);
    let (to, text) = said.lock().unwrap().last().unwrap().clone();
    assert_eq!((to.as_str(), text), ("https://hooks.slack.com/actions/T0001/1/x", told));
    let entry = test.record().into_iter().rev().find(|e| e.act.action == "approval.approved").unwrap();
    assert_eq!(entry.act.actor.to_string(), "user:maria");
    assert_eq!((entry.act.source.as_str(), &entry.act.detail["via"]), ("slack:T0001/UMARIA", &"slack".into()));
    test.settle();
}

fn a_press_counts_once_also_when_it_comes_twice_at_once(base: Base) {
    let chat = ChatServer::start();
    let (test, _) = slack_world(base, "{approvals: [s], slack_buttons: true}", &chat);
    let run = ask(&test, "x");
    let (stamp, body) = (test.clock.now().timestamp(), body("UMARIA", &run, &run.digest));
    let signature = sign(SIGNING_SECRET, stamp, &body);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..6).map(|_| scope.spawn(|| send(&test, stamp, &signature, &body).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|s| [200, 409].contains(s)), "{statuses:?}");
    send(&test, stamp, &signature, &body).refused(409, "replayed");
    send(&test, stamp, &signature.to_ascii_uppercase().replace("V0", "v0"), &body).refused(409, "replayed");
    test.settle();
    assert_eq!(test.record().iter().filter(|e| e.act.action == "approval.approved").count(), 1);
}

#[test]
fn what_slack_did_not_sign_just_now_is_turned_away() {
    let chat = ChatServer::start();
    let (test, _) = slack_world(Base::Sqlite, "{approvals: [s], slack_buttons: true}", &chat);
    let run = ask(&test, "x");
    let (now, body) = (test.clock.now().timestamp(), body("UMARIA", &run, &run.digest));
    let refused =
        |stamp: i64, signature: &str, body: &str| send(&test, stamp, signature, body).refused(403, "unverified");
    refused(now, &sign("another secret of another app!!!", now, &body), &body);
    refused(now, &sign(SIGNING_SECRET, now, "payload=x"), &body);
    refused(now, &sign(SIGNING_SECRET, now - 1, &body), &body);
    refused(now - 301, &sign(SIGNING_SECRET, now - 301, &body), &body);
    refused(now + 301, &sign(SIGNING_SECRET, now + 301, &body), &body);
    refused(now, "v0=", &body);
    refused(now, "", &body);
    refused(now, &sign(SIGNING_SECRET, now, &body).replace("v0=", "v1="), &body);
    // A byte more is another body.
    refused(now, &sign(SIGNING_SECRET, now, &body), &format!("{body}&x=y"));
    test.anonymous().post("/hooks/slack/actions", &json!({})).refused(403, "unverified");
    assert_eq!(test.state(run.number), State::PendingApproval);
    // Signed, but no press of a button of Interlock's.
    for odd in ["payload=%7B%7D", "", "x=y", "payload=%7B%22type%22%3A%22view_submission%22%7D"] {
        send(&test, now, &sign(SIGNING_SECRET, now, odd), odd).refused(400, "bad_payload");
    }
}

#[test]
fn a_project_that_does_not_want_it_takes_no_decision_from_slack() {
    let chat = ChatServer::start();
    let (test, _) = slack_world(Base::Sqlite, "{approvals: [s]}", &chat);
    let run = ask(&test, "x");
    tell(&test, &courier(None));
    assert!(!chat.posts()[0].body.contains("\"approve\""), "there is no button");
    let told = press(&test, "UMARIA", &run);
    assert!(told.contains("takes no decisions from Slack"), "{told}");
    assert_eq!(test.state(run.number), State::PendingApproval);
}

#[test]
fn an_installation_without_a_signing_secret_takes_nothing() {
    let test = world(
        Base::Sqlite,
        "channels:\n  pager: {type: slack, url: keys/ops/s}\nnotify: {approvals: [pager], slack_buttons: true}\n",
    );
    let run = ask(&test, "x");
    let (now, body) = (test.clock.now().timestamp(), body("UMARIA", &run, &run.digest));
    send(&test, now, &sign("", now, &body), &body).refused(403, "unverified");
    assert_eq!(test.state(run.number), State::PendingApproval);
}

#[test]
fn only_an_administrator_names_whose_account_it_is() {
    let chat = ChatServer::start();
    let (test, _) = slack_world(Base::Sqlite, "{slack_buttons: true}", &chat);
    let account = || Some(SlackAccount::parse("T0001/UMARIA").unwrap());
    let by =
        |who: &str, name: &str, account| test.wait(test.app.set_slack(&test.actor(who), user(name), account, "test"));
    assert!(by("alice", "alice", account()).is_err(), "not even one's own");
    // One account is one person.
    let taken = test.wait(test.app.set_slack(&operator(), user("alice"), account(), "test")).unwrap_err();
    assert!(taken.to_string().contains("maria"), "{taken}");
    test.wait(test.app.set_slack(&operator(), user("maria"), None, "test")).unwrap();
    test.wait(test.app.set_slack(&operator(), user("alice"), account(), "test")).unwrap();
    // One's own mail address one sets oneself, and nobody else's.
    let maria = test.signed_in("maria");
    let form = maria.with("content-type", "application/x-www-form-urlencoded");
    form.send("POST", "/settings/email", Some(b"email=maria2%40example.com")).expect(303);
    form.send("POST", "/settings/email", Some(b"email=a%40b.c%0d%0aBcc%3ax%40y.z")).expect(422);
    form.send("POST", "/settings/people/change", Some(b"name=mo&do=email&email=x%40example.com")).expect(404);
    let own = test.wait(test.app.own_email(&test.actor("maria"))).unwrap().unwrap();
    assert_eq!(own.as_str(), "maria2@example.com");
}
