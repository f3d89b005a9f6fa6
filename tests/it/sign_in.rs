//! Sessions, tokens and secrets: nothing to guess, nothing that outlives its end, nothing in clear at rest.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use interlock::domain::access::{Permission, Principal};
use interlock::domain::run::State;
use interlock::domain::secret::SecretText;
use interlock::exec::fake::Script;
use serde_json::{Value, json};

use crate::client::Answer;
use crate::harness::{PASSWORD, TestApp, operator, user};

fn try_sign_in(test: &TestApp, user: &str, password: &str) -> Answer {
    test.anonymous().post("/api/v1/session", &json!({"user": user, "password": password}))
}

#[test]
fn who_has_an_account_cannot_be_told_from_outside() {
    let test = TestApp::fake();
    test.person("known");
    test.person("gone");
    test.wait(test.app.set_active(&operator(), user("gone"), false, "test")).unwrap();
    let answers: Vec<Answer> = [
        ("known", "wrong password!"),
        ("unknown", "wrong password!"),
        ("gone", PASSWORD),
        ("../x y", PASSWORD),
        ("", ""),
    ]
    .iter()
    .map(|(name, password)| try_sign_in(&test, name, password))
    .collect();
    for answer in &answers {
        answer.refused(401, "bad_credentials");
        assert_eq!((&answer.body, answer.header("set-cookie")), (&answers[0].body, None));
    }
    for name in ["known", "unknown"] {
        for _ in 0..6 {
            try_sign_in(&test, name, "wrong password!");
        }
        let answer = try_sign_in(&test, name, PASSWORD);
        answer.refused(429, "too_many_failures");
        assert!(answer.header("retry-after").is_some());
    }
    // The wait ends by itself, and a success forgets the failures.
    test.clock.advance(TimeDelta::minutes(16));
    try_sign_in(&test, "known", PASSWORD).expect(200);
    try_sign_in(&test, "known", "wrong password!").refused(401, "bad_credentials");
    try_sign_in(&test, "known", PASSWORD).expect(200);
}

#[test]
fn a_session_is_new_at_every_sign_in_and_ends_when_it_should() {
    let test = TestApp::fake();
    test.person("oncall");
    let alive = |client: &crate::client::Client| client.get("/api/v1/session").status == 200;
    let first = test.signed_in("oncall");
    let second = first.sign_in("oncall", PASSWORD);
    assert_ne!(first.sends("cookie"), second.sends("cookie"));
    assert_ne!(first.sends("x-csrf-token"), second.sends("x-csrf-token"));
    assert!(!alive(&first) && alive(&second), "the session before ends when the same browser signs in again");

    second.send("DELETE", "/api/v1/session", None).expect(204);
    assert!(!alive(&second));

    let session = test.signed_in("oncall");
    let (token, _) = test.token(Principal::User(user("oncall")), None);
    let token = test.bearer(&token);
    let password = SecretText::new("another long password".to_owned());
    test.wait(test.app.set_password(&operator(), user("oncall"), password, None, "test")).unwrap();
    assert!(!alive(&session));
    try_sign_in(&test, "oncall", PASSWORD).refused(401, "bad_credentials");
    let session = test.anonymous().sign_in("oncall", "another long password");
    assert!(alive(&session) && alive(&token));
    test.wait(test.app.set_active(&operator(), user("oncall"), false, "test")).unwrap();
    assert!(!alive(&session) && !alive(&token));
    test.wait(test.app.set_active(&operator(), user("oncall"), true, "test")).unwrap();
    assert!(!alive(&session), "an ended session does not come back");

    let idle = test.anonymous().sign_in("oncall", "another long password");
    let used = test.anonymous().sign_in("oncall", "another long password");
    for _ in 0..11 {
        test.clock.advance(TimeDelta::minutes(61));
        assert!(alive(&used));
    }
    assert!(!alive(&idle));
    test.clock.advance(TimeDelta::minutes(61));
    assert!(!alive(&used), "used or not, a session ends after twelve hours");
}

#[test]
fn tokens_end_and_are_no_wider_than_they_were_made() {
    let test = TestApp::fake();
    test.person("oncall");
    test.load(
        "ops",
        &[
            ("access.yaml", "roles:\n  all: [{allow: [view, run], on: '**'}]\nmembers: {all: ['user:oncall']}\n"),
            ("nodes.yaml", "n1: {hostname: 192.0.2.1}\n"),
            ("jobs/a.yaml", "name: a\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n"),
        ],
    );
    let (text, id) = test.token(Principal::User(user("oncall")), Some(&[Permission::View]));
    let narrow = test.bearer(&text);
    narrow.get("/api/v1/projects/ops/jobs/a").expect(200);
    narrow.post("/api/v1/projects/ops/jobs/a/runs", &json!({})).refused(403, "forbidden");
    test.wait(test.app.revoke_token(&operator(), &id, "test")).unwrap();
    narrow.get("/api/v1/projects/ops/jobs/a").refused(401, "unauthenticated");
    let (text, _) = test.token(Principal::User(user("oncall")), None);
    let wide = test.bearer(&text);
    wide.post("/api/v1/projects/ops/jobs/a/runs", &json!({})).expect(201);
    test.settle();
    test.clock.advance(TimeDelta::seconds(3_601));
    wide.get("/api/v1/session").refused(401, "unauthenticated");
    for odd in ["", "ilk_", "x".repeat(10_000).as_str()] {
        test.bearer(odd).get("/api/v1/session").refused(401, "unauthenticated");
    }
    test.anonymous().with("authorization", "Basic b25jYWxsOng=").get("/api/v1/session").refused(401, "unauthenticated");
}

#[test]
fn no_token_makes_a_token_a_person_or_a_password() {
    let test = TestApp::fake();
    test.administrator("root");
    test.person("oncall");
    let root = Principal::User(user("root"));
    let before = test.record().len() + 4;
    for scopes in
        [None, Some(&[Permission::Edit][..]), Some(&[Permission::Administer, Permission::View, Permission::Edit])]
    {
        let (text, id) = test.token(root.clone(), scopes);
        let token = test.bearer(&text).with("content-type", "application/x-www-form-urlencoded");
        for (path, form) in [
            ("/settings/tokens", "label=wider&days=1"),
            ("/settings/tokens/revoke", &format!("id={id}")),
            ("/settings/password", &format!("present={PASSWORD}&new=another+long+one&again=another+long+one")),
            ("/settings/people", "name=intruder&password=long+enough+password&administrator=yes"),
            ("/settings/people/change", "name=oncall&do=groups&groups=managers"),
        ] {
            let answer = token.send("POST", path, Some(form.as_bytes()));
            assert!(matches!(answer.status, 403 | 404), "{path} by a token of {scopes:?}: {}", answer.status);
        }
        token.get("/api/v1/session").expect(200);
    }
    let (service, _) = test.token(root, None);
    let actor = test.wait(test.app.actor_by_token(&service)).unwrap().unwrap();
    let for_service = Principal::Service(user("robot"));
    let made = test.app.create_token(&actor, for_service, "x", None, interlock::app::tokens::DEFAULT_LIFE, "test");
    assert_eq!(test.wait(made).unwrap_err().refusal().unwrap().code, "not_by_token");
    let done: Vec<String> = test.record().into_iter().skip(before).map(|e| e.act.action).collect();
    assert!(done.is_empty(), "{done:?}");
}

#[test]
fn a_scope_that_is_none_makes_no_token() {
    let test = TestApp::fake();
    test.person("oncall");
    let page = test.signed_in("oncall").with("content-type", "application/x-www-form-urlencoded");
    for scope in ["scope=veiw", "scope=view&scope=runs", "scope="] {
        let answer = page.send("POST", "/settings/tokens", Some(format!("label=x&days=1&{scope}").as_bytes()));
        assert_eq!(answer.status, 422, "{scope}");
        assert!(answer.text().contains("is no permission"), "{}", answer.text());
    }
    assert!(test.record().iter().all(|e| e.act.action != "token.created"));
    page.send("POST", "/settings/tokens", Some(b"label=x&days=1&scope=view")).expect(200);
    let made = test.wait(test.app.tokens_of(&test.actor("oncall"))).unwrap();
    assert_eq!(made[0].scopes, Some([Permission::View].into()));
}

#[test]
fn sessions_of_others_are_neither_shown_nor_ended() {
    let test = TestApp::fake();
    test.person("oncall");
    test.person("other");
    let oncall = test.signed_in("oncall");
    test.clock.advance(TimeDelta::seconds(1));
    let second = test.signed_in("oncall");
    let other = test.signed_in("other");
    let ids = |who: &str| -> Vec<String> {
        test.wait(test.app.own_sessions(&test.actor(who))).unwrap().into_iter().map(|s| s.id).collect()
    };
    assert_eq!((ids("oncall").len(), ids("other").len()), (2, 1));
    let end = |client: &crate::client::Client, id: &str| {
        let form = client.with("content-type", "application/x-www-form-urlencoded");
        form.send("POST", "/settings/sessions/end", Some(format!("id={id}").as_bytes())).status
    };
    let first = ids("oncall")[1].clone();
    end(&other, &first);
    assert_eq!(ids("oncall").len(), 2, "another's session cannot be ended");
    let page = other.get("/settings").expect(200).text();
    assert!(!page.contains(&first));
    assert!(page.contains("At least 8 characters"), "what is asked is what is taken");
    assert_eq!(end(&second, &first), 303);
    assert_eq!(ids("oncall").len(), 1);
    oncall.get("/api/v1/session").refused(401, "unauthenticated");
    second.get("/api/v1/session").expect(200);
}

#[test]
fn sign_ins_at_once_are_bounded_and_none_is_lost() {
    let passwords = interlock::app::password::Passwords::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let hash = passwords.hash(SecretText::new(PASSWORD.to_owned())).await.unwrap();
        let checks: Vec<_> = (0..200)
            .map(|n| {
                let (passwords, hash) = (passwords.clone(), hash.clone());
                let text = if n % 2 == 0 { PASSWORD } else { "wrong password!" };
                tokio::spawn(async move { (n, passwords.check(SecretText::new(text.to_owned()), Some(hash)).await) })
            })
            .collect();
        let (mut answered, mut turned_away) = (0, 0);
        for check in checks {
            match check.await.unwrap() {
                (n, Ok(right)) => {
                    assert_eq!(right, n % 2 == 0);
                    answered += 1;
                }
                (_, Err(busy)) => {
                    assert_eq!(busy.refusal().unwrap().code, "too_many_sign_ins");
                    turned_away += 1;
                }
            }
        }
        assert!(answered >= 64 && turned_away > 0, "{answered} answered, {turned_away} turned away");
        // Every place is free again.
        assert!(passwords.check(SecretText::new(PASSWORD.to_owned()), Some(hash)).await.unwrap());
    });
}

#[test]
fn a_set_up_link_works_once_and_for_a_day() {
    let test = TestApp::fake();
    let link = |test: &TestApp| {
        let link = test.wait(test.app.setup_link()).unwrap().unwrap();
        link.split_once("/setup/").unwrap().1.to_owned()
    };
    let set_up = |token: &str, name: &str, password: &str| {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("user", name)
            .append_pair("password", password)
            .finish();
        test.anonymous().with("content-type", "application/x-www-form-urlencoded").send(
            "POST",
            &format!("/setup/{token}"),
            Some(form.as_bytes()),
        )
    };
    let old = link(&test);
    assert_eq!(set_up("guessed", "root", PASSWORD).status, 404);
    test.clock.advance(TimeDelta::hours(25));
    assert_eq!(set_up(&old, "root", PASSWORD).status, 404);
    let fresh = link(&test);
    assert_eq!(set_up(&fresh, "root", "short").status, 422);
    assert_eq!(set_up(&fresh, "root", PASSWORD).status, 303);
    assert_eq!(set_up(&fresh, "second", PASSWORD).status, 404);
    assert!(test.wait(test.app.setup_link()).unwrap().is_none());
    assert_eq!(test.signed_in("root").get("/api/v1/session").json()["administrator"], true);
}

/// Everything that is written while it is switched on.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn files_below(folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, all);
        } else if path.is_file() {
            all.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle.as_bytes())
}

#[test]
fn secrets_stand_nowhere_in_clear() {
    const TYPED: &str = "canary-typed-5hG8/+=\"q";
    const STORED: &str = "canary-stored-9xKw%&'z";
    let log = Captured::default();
    let writer = log.clone();
    // Where another test of this process was first, only its share of the log is looked at.
    let _ =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).try_init();
    let test = TestApp::fake();
    test.person("oncall");
    test.person("manager");
    test.administrator("root");
    let job = "name: a\noptions:\n  - {name: typed, type: secret, required: true}\n  - {name: db, type: secret, storage: keys/ops/db}\n  - {name: number, type: integer, default: 1}\nnodes: {filter: '.*'}\napproval: {rule: one}\nsteps:\n  - {name: say, script: 'echo \"$OPTION_TYPED\"'}\n";
    let access = "roles:\n  all: [{allow: [view, run], on: '**'}]\n  manager: [{allow: [view, approve], on: '**'}]\nmembers: {all: ['user:oncall'], manager: ['user:manager']}\n";
    test.load(
        "ops",
        &[
            ("project.yaml", "approvals:\n  one: {need: [{role: manager, count: 1}]}\n"),
            ("access.yaml", access),
            ("nodes.yaml", "n1: {hostname: 192.0.2.1}\n"),
            ("jobs/a.yaml", job),
        ],
    );
    test.key("keys/ops/db", STORED);
    let encoded = STANDARD.encode(TYPED);
    test.steps().script(
        "n1",
        "say",
        Script::exits(0).says(&format!("plain {TYPED} {STORED}\nencoded {encoded}\nlast {TYPED}")),
    );
    let (oncall, manager) = (test.signed_in("oncall"), test.signed_in("manager"));
    let (token, _) = test.token(Principal::User(user("oncall")), None);
    let path = "/api/v1/projects/ops/jobs/a/runs";
    let mut said: Vec<Answer> = vec![oncall.post(path, &json!({"options": {"typed": TYPED, "number": "no number"}}))];
    said[0].refused(422, "invalid_options");
    let asked = test.bearer(&token).post(path, &json!({"options": {"typed": TYPED}, "reason": "why"})).expect(201);
    let run = asked.json()["number"].as_i64().unwrap();
    said.push(asked);
    let request = manager.get("/api/v1/approvals").expect(200);
    let id = request.json()["items"][0]["id"].as_str().unwrap().to_owned();
    let digest = request.json()["items"][0]["digest"].clone();
    said.push(request);
    said.push(manager.get(&format!("/api/v1/approvals/{id}")).expect(200));
    let decision = json!({"decision": "approve", "digest": digest, "reason": "go"});

    // A session that is older than fifteen minutes has to show the password again.
    test.clock.advance(TimeDelta::minutes(16));
    manager.post(&format!("/api/v1/approvals/{id}/decision"), &decision).refused(403, "stale_session");
    assert_eq!(test.runs_in(&[State::PendingApproval]).len(), 1);
    let manager = manager.sign_in("manager", PASSWORD);
    said.push(manager.post(&format!("/api/v1/approvals/{id}/decision"), &decision).expect(200));
    test.settle();
    assert_eq!(test.runs_in(&[State::Succeeded]).len(), 1);
    let root = test.signed_in("root");
    for path in [
        format!("/api/v1/runs/{run}"),
        format!("/api/v1/runs/{run}/log"),
        format!("/api/v1/runs/{run}/log?follow=true"),
        "/api/v1/runs".to_owned(),
        "/api/v1/audit".to_owned(),
        "/api/v1/projects/ops/jobs/a".to_owned(),
        "/metrics".to_owned(),
        format!("/runs/{run}"),
        format!("/runs/{run}/log.txt"),
        format!("/approvals/{id}"),
        "/projects/ops/jobs/a".to_owned(),
    ] {
        said.push(root.get(&path).expect(200));
    }
    let lines = root.get(&format!("/api/v1/runs/{run}/log")).json();
    let texts: Vec<&str> = lines["items"].as_array().unwrap().iter().filter_map(|e| e["text"].as_str()).collect();
    assert_eq!(texts.len(), 3, "{lines}");
    assert!(texts.iter().all(|t| t.contains("[secret]")), "{texts:?}");

    let json_form = Value::from(TYPED).to_string();
    let json_form = json_form.trim_matches('"');
    let url_form: String = form_urlencoded::byte_serialize(TYPED.as_bytes()).collect();
    let mut places: Vec<(String, Vec<u8>)> =
        said.into_iter().enumerate().map(|(n, a)| (format!("answer {n}"), a.body)).collect();
    places.push(("the process's log".to_owned(), log.0.lock().unwrap().clone()));
    files_below(test.data(), &mut places);
    // The search finds what is there.
    let database = |bytes: &[u8]| contains(bytes, "run.requested");
    assert!(places.iter().any(|(name, bytes)| name.contains("interlock.db") && database(bytes)));
    let cookie = manager.sends("cookie").unwrap().split_once('=').unwrap().1.to_owned();
    for (place, bytes) in &places {
        for secret in [TYPED, STORED, encoded.as_str(), json_form, url_form.as_str(), "canary-typed", "canary-stored"] {
            assert!(!contains(bytes, secret), "{secret} stands in {place}");
        }
        for proof in [token.as_str(), PASSWORD, cookie.as_str()] {
            assert!(!contains(bytes, proof), "{proof} stands in {place}");
        }
    }
}
