//! Who is told what, over real connections: exactly those who can sign, once, also when the other side fails, a server is
//! gone in between, or two servers look at the same time.

use std::collections::BTreeMap;
use std::net::TcpListener;

use chrono::TimeDelta;
use interlock::app::approvals::Decision;
use interlock::app::error::AppError;
use interlock::app::notices::{Taken, Trouble};
use interlock::app::planning::RunRequest;
use interlock::app::runs::RunView;
use interlock::domain::approval::Verdict;
use interlock::domain::ids::JobRef;
use interlock::domain::notice::address::MailAddress;
use interlock::domain::notice::letter::Outcome;
use interlock::domain::option::RawValues;
use interlock::domain::plan::Origin;
use interlock::domain::run::State;
use interlock::domain::secret::SecretText;
use interlock::domain::webhook::verify::verify;
use interlock::domain::webhook::{Verify, VerifyKind};
use interlock::engine::{Engine, Executors};
use interlock::notify::{Courier, Mail, MailSettings, Tls, Web};

use crate::harness::{Base, TestApp, on_both_databases, operator, project_name, user};
use crate::sinks::{ChatServer, MailServer};

on_both_databases! {
    mail_reaches_exactly_those_who_can_sign_and_then_who_asked
    a_failed_delivery_is_tried_again_with_the_same_id_and_given_up_after_a_day
    what_a_server_took_and_never_sent_another_one_sends
    two_servers_send_everything_once
}

const ACCESS: &str = "
roles:
  oncall: [{allow: [view, run], on: '**'}]
  manager: [{allow: [view, approve], on: 'job/**'}]
  blind: [{allow: [approve], on: 'job/**'}]
  elsewhere: [{allow: [view, approve], on: 'job/other/**'}]
members:
  oncall: ['user:alice', 'user:oscar']
  manager: ['user:alice', 'user:maria', 'user:mo', 'user:closed', 'user:silent']
  blind: ['user:bob']
  elsewhere: ['user:eve']
";

const JOB: &str = "name: restart\ngroup: web\napproval: {rule: change}\nnodes: {filter: '.*'}\noptions: [{name: token}]\nsteps:\n  - {run: 'echo ${option.token}'}\nnotify: {on_start: [pager], on_success: [pager], on_failure: [pager]}\n";

/// With these channels and lines of `notify`; people with an address each, but for `silent`.
pub(crate) fn world(base: Base, project: &str) -> TestApp {
    let test = TestApp::fake_on(base);
    load(&test, project, JOB);
    for name in ["alice", "oscar", "maria", "mo", "closed", "silent", "bob", "eve"] {
        test.person(name);
        if name != "silent" {
            let address = MailAddress::parse(&format!("{name}@example.com")).unwrap();
            test.wait(test.app.set_email(&operator(), user(name), Some(address), "test")).unwrap();
        }
    }
    test.wait(test.app.set_active(&operator(), user("closed"), false, "test")).unwrap();
    test
}

fn load(test: &TestApp, project: &str, job: &str) {
    let project = format!("approvals:\n  change: {{need: [{{role: manager, count: 1}}], expires: 3d}}\n{project}");
    let nodes =
        "n1: {hostname: 192.0.2.1, environment: production}\nn2: {hostname: 192.0.2.2, environment: production}\n";
    let files = [
        ("project.yaml", project.as_str()),
        ("access.yaml", ACCESS),
        ("nodes.yaml", nodes),
        ("jobs/restart.yaml", job),
    ];
    test.load("ops", &files);
}

const PAGER: &str = "channels:\n  pager: {type: webhook, url: 'URL', secret: keys/ops/pager}\n";

/// 24 bytes in base64.
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3";

pub(crate) fn pager(url: &str) -> String {
    PAGER.replace("URL", url)
}

pub(crate) fn courier(mail: Option<u16>) -> Courier {
    let mail = mail.map(|port| {
        let from = MailAddress::parse("interlock@example.com").unwrap();
        Mail::new(MailSettings {
            host: "127.0.0.1".to_owned(),
            port,
            tls: Tls::None,
            from,
            account: None,
            authority: None,
        })
        .unwrap()
    });
    Courier::new(mail, Web::new(true))
}

/// Tells people what is to be told now, until nothing is left.
pub(crate) fn tell(test: &TestApp, courier: &Courier) {
    let engine = telling(test, courier);
    while test.wait(engine.tell()).unwrap() > 0 {}
}

fn telling(test: &TestApp, courier: &Courier) -> Engine {
    let fake = test.steps();
    let executors = Executors { ssh: std::sync::Arc::new(fake.clone()), local: std::sync::Arc::new(fake.clone()) };
    Engine::new(std::sync::Arc::clone(&test.app), executors).telling(courier.clone())
}

pub(crate) fn ask(test: &TestApp, reason: &str) -> RunView {
    let request = RunRequest {
        project: project_name("ops"),
        job: JobRef::parse("web/restart").unwrap(),
        values: RawValues::new(),
        reason: reason.to_owned(),
        nodes: None,
        node_filter: None,
        start_at: None,
        origin: Origin::Api,
        dry_run: false,
    };
    test.wait(test.app.request_run(&test.actor("alice"), request, "test")).unwrap()
}

pub(crate) fn decide(test: &TestApp, who: &str, run: &RunView, verdict: Verdict, reason: &str) -> Result<(), AppError> {
    let decision = Decision { verdict, digest: run.digest, reason: reason.to_owned() };
    test.wait(test.app.decide(&test.actor(who), run.approval.unwrap(), decision, "test")).map(|_| ())
}

fn trouble(test: &TestApp) -> Vec<Trouble> {
    test.wait(test.app.undelivered(&operator())).unwrap()
}

fn mail_reaches_exactly_those_who_can_sign_and_then_who_asked(base: Base) {
    let sink = MailServer::start();
    let test = world(base, &pager("http://127.0.0.1:9/"));
    test.key("keys/ops/pager", SECRET);
    let courier = courier(Some(sink.port));
    let run = ask(&test, "disk full\r\nBcc: evil@example.com\r\n\r\nPlan: forged");
    tell(&test, &courier);

    let mails = sink.mails();
    let mut to: Vec<&str> = mails.iter().flat_map(|m| &m.to).map(String::as_str).collect();
    to.sort_unstable();
    assert_eq!(to, ["maria@example.com", "mo@example.com"], "neither who asked nor who lacks the role or the right");
    let link = format!("http://127.0.0.1/approvals/{}", run.approval.unwrap());
    for mail in &mails {
        assert_eq!(mail.from, "interlock@example.com");
        assert_eq!(
            mail.header("subject"),
            Some(format!("[ops] #{} web/restart waits for a signature", run.number).as_str())
        );
        assert!(mail.header("bcc").is_none() && mail.header("plan").is_none(), "{:?}", mail.headers);
        assert_eq!(mail.header("auto-submitted"), Some("auto-generated"));
        for line in [
            "disk full Bcc: evil@example.com Plan: forged",
            "production",
            "alice",
            "Nodes:       2",
            "1 × manager",
            &link,
        ] {
            assert!(mail.body.contains(line), "{line}: {}", mail.body);
        }
        assert!(mail.body.contains(&run.digest.short()), "{}", mail.body);
        assert!(!mail.body.lines().any(|l| l.starts_with("Bcc") || l == "Plan: forged"), "{}", mail.body);
    }
    let ids: std::collections::BTreeSet<_> = mails.iter().map(|m| m.header("message-id").unwrap()).collect();
    assert_eq!(ids.len(), 2);

    // Who can sign and has no address is no secret to who looks after the installation.
    let missed = trouble(&test);
    assert_eq!(missed.len(), 1, "{missed:?}");
    assert_eq!((missed[0].recipient.as_str(), missed[0].error.as_str()), ("user:silent", "silent has no mail address"));
    assert_eq!(missed[0].next_at, None);

    decide(&test, "maria", &run, Verdict::Reject, "not\nnow").unwrap();
    tell(&test, &courier);
    let outcome = sink.mails().split_off(2);
    let to: Vec<&[String]> = outcome.iter().map(|m| m.to.as_slice()).collect();
    assert_eq!(to, [["alice@example.com".to_owned()]]);
    assert_eq!(
        outcome[0].header("subject"),
        Some(format!("[ops] #{} web/restart was rejected by maria", run.number).as_str())
    );
    assert!(outcome[0].body.contains("not now"), "{}", outcome[0].body);
}

fn a_failed_delivery_is_tried_again_with_the_same_id_and_given_up_after_a_day(base: Base) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let test = world(base, &format!("{}notify: {{approvals: [pager]}}\n", pager(&format!("http://{address}/hook"))));
    test.key("keys/ops/pager", SECRET);
    let courier = courier(None);
    let run = ask(&test, "x");

    tell(&test, &courier);
    let failing = trouble(&test);
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert!(failing[0].error.contains("connect"), "{}", failing[0].error);
    assert_eq!(failing[0].attempts, 1);
    let again = failing[0].next_at.unwrap();
    assert!(again > test.clock.now());

    let chat = ChatServer::on(TcpListener::bind(address).unwrap());
    chat.answers(&[500, 302]);
    tell(&test, &courier);
    assert!(chat.posts().is_empty(), "its time has not come");
    for why in ["500", "redirect"] {
        test.clock.advance(TimeDelta::minutes(2));
        tell(&test, &courier);
        assert!(trouble(&test)[0].error.contains(why), "{:?}", trouble(&test));
    }
    test.clock.advance(TimeDelta::minutes(5));
    tell(&test, &courier);
    let posts = chat.posts();
    assert_eq!(posts.len(), 3);
    assert!(trouble(&test).is_empty());
    let id = &posts[0].headers["webhook-id"];
    for post in &posts {
        assert_eq!((&post.headers["webhook-id"], post.path.as_str()), (id, "/hook"));
        let how = Verify { kind: VerifyKind::StandardWebhooks, secrets: Vec::new() };
        let secrets = [SecretText::new(SECRET.to_owned())];
        let sent_at =
            interlock::domain::time::Timestamp::from_timestamp(post.headers["webhook-timestamp"].parse().unwrap(), 0)
                .unwrap();
        verify(&how, &secrets, &post.headers, post.body.as_bytes(), sent_at).unwrap();
        let body = post.json();
        assert_eq!((&body["type"], &body["data"]["run"]), (&"approval_asked".into(), &run.number.get().into()));
        assert_eq!(body["data"]["signers"], serde_json::json!(["maria", "mo", "silent"]));
    }

    // The next one finds nobody for a day.
    chat.answers(&[500; 60]);
    decide(&test, "maria", &run, Verdict::Reject, "no").unwrap();
    tell(&test, &courier);
    for _ in 0..30 {
        test.clock.advance(TimeDelta::hours(1));
        tell(&test, &courier);
    }
    let over = trouble(&test);
    assert_eq!(over.iter().map(|t| t.next_at).collect::<Vec<_>>(), [None], "{over:?}");
    assert!(over[0].error.contains("500") && over[0].attempts > 10, "{over:?}");
    let tries = chat.posts().len();
    test.clock.advance(TimeDelta::days(2));
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), tries);
}

fn what_a_server_took_and_never_sent_another_one_sends(base: Base) {
    let chat = ChatServer::start();
    let test = world(base, &format!("{}notify: {{approvals: [pager]}}\n", pager(&chat.address)));
    test.key("keys/ops/pager", SECRET);
    let courier = courier(None);
    let run = ask(&test, "x");
    test.wait(test.app.address_notices()).unwrap();
    // Taken, and gone before it was sent.
    let due = test.wait(test.app.due_deliveries()).unwrap();
    assert_eq!(due.len(), 1);
    let taken = test.wait(test.app.take_delivery(&due[0])).unwrap().unwrap();
    let Taken::Send(letter) = taken else { panic!("{taken:?}") };
    let other = test.beside();
    assert!(test.wait(other.app.take_delivery(&due[0])).unwrap().is_none(), "it is the first server's");
    tell(&other, &courier);
    assert!(chat.posts().is_empty());
    test.clock.advance(TimeDelta::minutes(3));
    tell(&other, &courier);
    tell(&test, &courier);
    assert_eq!(chat.posts().len(), 1);
    assert_eq!(chat.posts()[0].headers["webhook-id"], letter.id);
    assert_eq!(test.state(run.number), State::PendingApproval);

    // Sent, and gone before anybody took note: it comes again, and the other side can tell.
    ask(&test, "y");
    test.wait(test.app.address_notices()).unwrap();
    let due = test.wait(test.app.due_deliveries()).unwrap();
    let Some(Taken::Send(letter)) = test.wait(test.app.take_delivery(&due[0])).unwrap() else { panic!("not taken") };
    assert_eq!(test.wait(courier.send(*letter)), Outcome::Sent);
    test.clock.advance(TimeDelta::minutes(3));
    tell(&other, &courier);
    let ids: Vec<String> = chat.posts().iter().skip(1).map(|p| p.headers["webhook-id"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

fn two_servers_send_everything_once(base: Base) {
    let chat = ChatServer::start();
    let test = world(base, &format!("{}notify: {{approvals: [pager]}}\n", pager(&chat.address)));
    test.key("keys/ops/pager", SECRET);
    let other = test.beside();
    let courier = courier(None);
    let runs: Vec<i64> = (0..12).map(|_| ask(&test, "x").number.get()).collect();
    let (one, two) = (telling(&test, &courier), telling(&other, &courier));
    loop {
        // Both look at the same time; who comes too late for one goes on with the next.
        let both = test.wait(async { tokio::join!(one.tell(), two.tell()) });
        if both.0.unwrap() + both.1.unwrap() == 0 {
            break;
        }
    }
    let mut told: Vec<i64> = chat.posts().iter().map(|p| p.json()["data"]["run"].as_i64().unwrap()).collect();
    told.sort_unstable();
    assert_eq!(told, runs);
}

#[test]
fn who_cannot_sign_any_more_is_not_told() {
    let sink = MailServer::start();
    let test = world(Base::Sqlite, &pager("http://127.0.0.1:9/"));
    let courier = courier(Some(sink.port));
    ask(&test, "x");
    test.wait(test.app.address_notices()).unwrap();
    // Between the list of recipients and the sending.
    test.wait(test.app.set_active(&operator(), user("mo"), false, "test")).unwrap();
    tell(&test, &courier);
    let to: Vec<String> = sink.mails().into_iter().flat_map(|m| m.to).collect();
    assert_eq!(to, ["maria@example.com"]);

    let run = ask(&test, "y");
    test.wait(test.app.address_notices()).unwrap();
    decide(&test, "maria", &run, Verdict::Reject, "no").unwrap();
    tell(&test, &courier);
    let last: Vec<String> = sink.mails().into_iter().skip(1).flat_map(|m| m.to).collect();
    assert_eq!(last, ["alice@example.com"], "nobody is asked for a signature that is not wanted any more");
}

#[test]
fn a_request_that_nobody_can_sign_is_told_to_who_looks_after_the_installation() {
    let sink = MailServer::start();
    let test = world(Base::Sqlite, &pager("http://127.0.0.1:9/"));
    let courier = courier(Some(sink.port));
    for name in ["maria", "mo", "silent"] {
        test.wait(test.app.set_active(&operator(), user(name), false, "test")).unwrap();
    }
    ask(&test, "x");
    tell(&test, &courier);
    let failing = trouble(&test);
    assert!(failing[0].error.contains("Nobody can sign") && failing[0].next_at.is_some(), "{failing:?}");
    // As soon as somebody can, they hear of it.
    test.wait(test.app.set_active(&operator(), user("maria"), true, "test")).unwrap();
    test.clock.advance(TimeDelta::minutes(2));
    tell(&test, &courier);
    let to: Vec<String> = sink.mails().into_iter().flat_map(|m| m.to).collect();
    assert_eq!(to, ["maria@example.com"]);
}

#[test]
fn time_that_has_run_out_and_a_plan_that_no_longer_stands_are_told_to_who_asked() {
    let sink = MailServer::start();
    let test = world(Base::Sqlite, &pager("http://127.0.0.1:9/"));
    let courier = courier(Some(sink.port));
    ask(&test, "late");
    tell(&test, &courier);
    test.clock.advance(TimeDelta::days(4));
    test.step();
    tell(&test, &courier);
    let (asked, told) =
        sink.mails().into_iter().partition::<Vec<_>, _>(|m| m.header("subject").unwrap().contains("waits"));
    assert_eq!((asked.len(), told.len()), (2, 1));
    assert_eq!(told[0].to, ["alice@example.com"]);
    assert!(told[0].header("subject").unwrap().ends_with("expired unsigned"), "{:?}", told[0].headers);

    ask(&test, "void");
    load(&test, &pager("http://127.0.0.1:9/"), &JOB.replace("echo", "printf"));
    tell(&test, &courier);
    let last = sink.mails().pop().unwrap();
    assert_eq!(last.to, ["alice@example.com"]);
    assert!(last.body.contains("the job was changed"), "{}", last.body);
}

#[test]
fn the_channels_of_a_job_hear_how_its_run_ended() {
    let chat = ChatServer::start();
    let test = world(Base::Sqlite, &pager(&chat.address));
    test.key("keys/ops/pager", SECRET);
    let run = ask(&test, "x");
    decide(&test, "maria", &run, Verdict::Approve, "").unwrap();
    test.settle();
    tell(&test, &courier(None));
    let bodies: Vec<_> = chat.posts().iter().map(|p| p.json()).collect();
    assert_eq!(bodies.len(), 2, "{bodies:?}");
    let ended = bodies.iter().find(|b| b["type"] == "run_ended").unwrap();
    assert_eq!(ended["data"]["state"], "succeeded");
    let began = bodies.iter().find(|b| b["type"] == "general").unwrap();
    assert_eq!(began["data"]["subject"], format!("[ops] #{} web/restart has started", run.number));
}

#[test]
fn chats_get_what_people_wrote_as_plain_text() {
    let chat = ChatServer::start();
    let project = format!(
        "channels:\n  s: {{type: slack, url: keys/ops/s}}\n  t: {{type: teams, url: keys/ops/t}}\n  m: {{type: mattermost, url: keys/ops/m}}\n  pager: {{type: webhook, url: '{}', secret: keys/ops/pager}}\nnotify: {{approvals: [s, t, m]}}\n",
        chat.address
    );
    let test = world(Base::Sqlite, &project);
    for name in ["s", "t", "m"] {
        test.key(&format!("keys/ops/{name}"), &format!("{}/{name}", chat.address));
    }
    let run = ask(&test, "<!channel> *bold* `@all` [x](https://evil.example.com) & more");
    tell(&test, &courier(None));
    let posts: BTreeMap<String, serde_json::Value> = chat.posts().iter().map(|p| (p.path.clone(), p.json())).collect();
    assert_eq!(posts.len(), 3);
    let link = format!("http://127.0.0.1/approvals/{}", run.approval.unwrap());

    let slack = &posts["/s"];
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(!slack.to_string().contains("<!channel>"));
    let why = blocks.iter().find(|b| b["text"]["text"].as_str().is_some_and(|t| t.starts_with("Why: "))).unwrap();
    assert_eq!(why["text"]["type"], "plain_text");
    assert!(why["text"]["text"].as_str().unwrap().contains("&lt;!channel&gt; *bold*"));
    let buttons = blocks.last().unwrap()["elements"].as_array().unwrap();
    assert_eq!(buttons.len(), 1, "no button decides unless the project wants it");
    assert_eq!((&buttons[0]["action_id"], &buttons[0]["url"]), (&"open".into(), &link.as_str().into()));

    let card = &posts["/t"]["attachments"][0]["content"];
    assert_eq!(card["actions"][0]["url"], link.as_str());
    assert!(card["body"].as_array().unwrap().iter().all(|b| b["type"] == "RichTextBlock"), "markdown is never read");

    let text = posts["/m"]["text"].as_str().unwrap();
    assert!(text.contains("- Why: `<!channel> *bold* '@all' [x](https://evil.example.com) & more`"), "{text}");
}

#[test]
fn a_private_address_is_not_posted_to_unless_the_server_says_so() {
    let chat = ChatServer::start();
    let test = world(
        Base::Sqlite,
        &format!("{}notify: {{approvals: [pager]}}\n", pager(&chat.address.replace("http://", "https://"))),
    );
    test.key("keys/ops/pager", SECRET);
    ask(&test, "x");
    tell(&test, &Courier::new(None, Web::new(false)));
    assert!(chat.posts().is_empty());
    assert!(trouble(&test)[0].error.contains("not a public one"), "{:?}", trouble(&test));
}

#[test]
fn mail_does_not_leave_the_machine_in_clear() {
    let sink = MailServer::start();
    let settings = |host: &str, tls| MailSettings {
        host: host.to_owned(),
        port: sink.port,
        tls,
        from: MailAddress::parse("interlock@example.com").unwrap(),
        account: None,
        authority: None,
    };
    for host in ["mail.example.com", "192.0.2.1", "127.0.0.1.example.com"] {
        assert!(Mail::new(settings(host, Tls::None)).unwrap_err().contains("in clear"), "{host}");
    }
    // A mail server that does not encrypt gets nothing, not even where it says that it cannot.
    let test = world(Base::Sqlite, &pager("http://127.0.0.1:9/"));
    ask(&test, "x");
    for tls in [Tls::StartTls, Tls::Implicit] {
        let mail = Mail::new(settings("localhost", tls)).unwrap();
        tell(&test, &Courier::new(Some(mail), Web::new(true)));
        let failing: Vec<Trouble> = trouble(&test).into_iter().filter(|t| t.next_at.is_some()).collect();
        assert_eq!(failing.len(), 2, "{failing:?}");
        assert!(failing.iter().all(|t| t.error.contains("mail server")), "{failing:?}");
        test.clock.advance(TimeDelta::minutes(5));
    }
    assert!(sink.mails().is_empty());
}

#[test]
fn a_link_opens_a_page_and_decides_nothing() {
    let test = world(Base::Sqlite, &pager("http://127.0.0.1:9/"));
    let run = ask(&test, "x");
    let path = format!("/approvals/{}", run.approval.unwrap());
    // What scans mail follows every link, also with whatever it finds in it.
    let stranger = test.anonymous().get(&path).expect(303);
    assert_eq!(stranger.header("location"), Some(format!("/sign-in?next={}", path.replace('/', "%2F")).as_str()));
    let maria = test.signed_in("maria");
    for ending in ["", "?decision=approve", "?verdict=approve&reason=x"] {
        maria.get(&format!("{path}{ending}")).expect(200);
        maria.send("HEAD", &format!("{path}{ending}"), None).expect(200);
    }
    assert_ne!(maria.get(&format!("{path}/decision?decision=approve")).status, 200);
    assert_eq!(test.state(run.number), State::PendingApproval);
    // After the sign-in one is back at the request.
    let form = format!("user=maria&password=correct+horse+battery&next={}", path.replace('/', "%2F"));
    let client = test.anonymous().with("content-type", "application/x-www-form-urlencoded");
    let answer = client.send("POST", "/sign-in", Some(form.as_bytes())).expect(303);
    assert_eq!(answer.header("location"), Some(path.as_str()));
}

#[test]
fn administrators_see_what_did_not_arrive_and_nobody_else_does() {
    let test = world(Base::Sqlite, &format!("{}notify: {{approvals: [pager]}}\n", pager("http://127.0.0.1:9/")));
    test.key("keys/ops/pager", SECRET);
    test.administrator("root");
    ask(&test, "x");
    tell(&test, &courier(None));
    let found = test.signed_in("root").get("/api/v1/notices/undelivered").expect(200).json();
    assert_eq!(found["items"][0]["kind"], "approval_asked");
    assert!(found["items"][0]["error"].as_str().unwrap().contains("connect"));
    assert!(!found.to_string().contains("127.0.0.1"), "an address can be a secret");
    test.signed_in("maria").get("/api/v1/notices/undelivered").expect(404);
    let page = test.signed_in("root").get("/settings").expect(200).text();
    assert!(page.contains("Notices that did not arrive") && page.contains("tried again"));
    assert!(!test.signed_in("maria").get("/settings").expect(200).text().contains("Notices that did not arrive"));
}

#[test]
fn a_channel_uses_no_secret_that_its_author_may_not_use() {
    let test = TestApp::fake();
    let access = "roles:\n  author: [{allow: [view, edit], on: '**'}]\n  keeper: [{allow: [use_secret], on: 'key/keys/ops/chat'}]\nmembers:\n  author: ['user:ann', 'user:kim']\n  keeper: ['user:kim']\n";
    test.load("ops", &[("access.yaml", access), ("project.yaml", "description: x\n")]);
    test.key("keys/ops/chat", "https://chat.example.com/x");
    for (channel, path) in
        [("type: slack, url", "chat"), ("type: webhook, url: 'https://evil.example.com', secret", "chat")]
    {
        let project = format!("channels:\n  c: {{{channel}: keys/ops/{path}}}\n");
        let files = [
            ("project.yaml".to_owned(), project.clone().into_bytes()),
            ("access.yaml".to_owned(), access.as_bytes().to_vec()),
        ];
        let by = |who: &str| test.wait(test.app.apply(&test.actor(who), &project_name("ops"), &files, "test", "test"));
        let refused = by("ann").unwrap_err();
        assert!(refused.to_string().contains("use_secret"), "{refused}");
        by("kim").unwrap();
    }
}
