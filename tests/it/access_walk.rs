//! Every route with every kind of caller. What is expected follows from the route's guard; a route that is not known here
//! fails the test, so that nobody adds one without saying how it is called.

use std::fmt::Write as _;

use interlock::domain::access::{Permission, Principal};
use interlock::domain::run::State;
use interlock::web::call::Surface;
use interlock::web::routes::{Guard, On, Route, table};

use crate::client::{Answer, Client};
use crate::harness::{TestApp, operator, user};

/// How a route is called.
enum Call {
    /// Without a body.
    Plain,
    /// With a JSON body.
    Json(&'static str),
    /// With a form.
    Form(&'static str),
    /// With a definition.
    Yaml(&'static str),
}

/// Who administers the whole installation.
const ROOT: &str = "installation administrator";

/// A word that nobody outside the project may ever be shown.
const HIDDEN: &str = "hush-hush";

const JOB: &str =
    "name: hush-hush\ngroup: team\nnodes: {filter: '.*'}\napproval: {rule: one}\nsteps:\n  - {run: 'echo hush-hush'}\n";

const RULE: &str = "name: incoming\ntrigger: {type: webhook.incoming}\ncriteria: {trigger.hush: {type: equals, pattern: hush-hush}}\naction: nothing\nowner: robot\n";

const DECISION: &str = r#"{"decision": "approve", "reason": "x", "digest": "0000000000000000000000000000000000000000000000000000000000000000"}"#;

/// How each route of the table is called.
fn call_of(route: &Route) -> Call {
    match (route.method, route.path) {
        ("GET", _) | ("DELETE", "/api/v1/session") => Call::Plain,
        ("POST", "/hooks/slack/actions") => Call::Form("payload=%7B%7D"),
        ("POST", "/hooks/slack/commands") => Call::Form("text=help"),
        ("POST", "/settings/email") => Call::Form("email=walk%40example.com"),
        ("POST", "/hooks/{address}") => Call::Json("{}"),
        ("POST", "/api/v1/session") => Call::Json(r#"{"user": "nobody", "password": "wrong password!"}"#),
        ("POST", "/api/v1/projects/{project}/jobs/{job:.+}/runs") => Call::Json(r#"{"reason": "walk"}"#),
        ("PUT", "/api/v1/projects/{project}/jobs/{job:.+}") => Call::Yaml(JOB),
        ("PUT", "/api/v1/rules/{project}/{name}") => Call::Yaml(RULE),
        ("POST", "/api/v1/rules/{project}/{name}/promotion") => {
            Call::Json(r#"{"do": "ask", "digest": "0000000000000000000000000000000000000000000000000000000000000000"}"#)
        }
        ("POST", "/api/v1/rules/{project}/{name}/marks") => Call::Json(r#"{"enforcement": "x", "mark": "right"}"#),
        ("POST", "/api/v1/rules/{project}/{name}/backtest" | "/api/v1/backtests/{id}/cancel") => Call::Json("{}"),
        ("POST", "/api/v1/events") => Call::Json(r#"{"type": "walk", "project": "ops"}"#),
        ("POST", "/api/v1/runs/{number}/cancel") => Call::Json("{}"),
        ("POST", "/api/v1/approvals/{id}/decision") => Call::Json(DECISION),
        ("POST", "/api/v1/approvals/{id}/again") => Call::Json("{}"),
        ("POST", "/api/v1/break-glass/{number}/review") => Call::Json(r#"{"note": "walk"}"#),
        ("POST", "/api/v1/delegations") => {
            Call::Json(r#"{"project": "ops", "role": "manager", "to": "oncall", "ends_at": "2026-12-01T00:00:00Z"}"#)
        }
        ("DELETE", "/api/v1/delegations/{id}") => Call::Plain,
        ("POST", "/api/v1/people/same-person") => Call::Json(r#"{"name": "viewer", "same_as": "oncall"}"#),
        ("POST", "/approvals/{id}/again" | "/delegations/{id}/end") => Call::Form(""),
        ("POST", "/break-glass/{number}/review") => Call::Form("note=walk"),
        ("POST", "/delegations") => Call::Form("project=ops&role=manager&to=oncall&until=2026-12-01T00:00"),
        ("POST", "/sign-in") => Call::Form("user=nobody&password=wrong"),
        ("POST", "/projects/{project}/pin/{job:.+}") => Call::Form("pin=yes"),
        ("POST", "/sign-out" | "/runs/{number}/cancel" | "/events/{id}/replay" | "/nodes/{project}/{node}/check") => {
            Call::Form("")
        }
        ("POST", "/setup/{token}") => Call::Form("user=intruder&password=long+enough+password"),
        ("POST", "/projects/{project}/run/{job:.+}") => Call::Form("reason=walk"),
        ("POST", "/approvals/{id}/decision") => Call::Form(
            "decision=approve&verdict=approve&reason=x&digest=0000000000000000000000000000000000000000000000000000000000000000",
        ),
        ("POST", "/rules/{project}/{name}/promotion") => {
            Call::Form("do=ask&digest=0000000000000000000000000000000000000000000000000000000000000000")
        }
        ("POST", "/rules/{project}/{name}/marks") => Call::Form("enforcement=x&mark=right"),
        ("POST", "/rules/{project}/{name}/backtest" | "/backtests/{id}/cancel") => Call::Form(""),
        ("POST", "/api/v1/sources/{project}/{name}/enabled") => Call::Json(r#"{"enabled": false}"#),
        ("POST", "/sources/{project}/{name}/enabled") => Call::Form("enabled=no"),
        ("POST", "/api/v1/events/{id}/labels") => Call::Json(r#"{"enricher": "incoming", "label": "a"}"#),
        ("POST", "/events/{id}/labels") => Call::Form("enricher=incoming&label=a"),
        ("POST", "/webhooks/{project}/{name}") => Call::Form("sample=%7B%7D"),
        ("POST", "/keys") => Call::Form("path=keys%2Fops%2Fwalk&type=secret&value=walked"),
        ("POST", "/settings/password") => Call::Form("current=wrong&password=another+long+password"),
        ("POST", "/settings/tokens") => Call::Form("label=walk&days=1"),
        ("POST", "/settings/tokens/revoke" | "/settings/sessions/end") => Call::Form("id=walk"),
        ("POST", "/settings/people") => Call::Form("name=intruder&password=long+enough+password"),
        ("POST", "/settings/people/change") => Call::Form("name=viewer&do=groups&groups=admins"),
        ("POST", "/projects/{project}/edit/{kind}/{name:.*}") => Call::Form("source=name%3A+hush-hush"),
        ("POST", "/projects/{project}/check/{kind}") => Call::Form("source=name%3A+walk"),
        (method, path) => panic!("{method} {path} is new: say in this table how it is called"),
    }
}

struct World {
    test: TestApp,
    ended: i64,
    pending: i64,
    request: String,
    event: String,
    backtest: String,
}

const ACCESS: &str = "
roles:
  viewer: [{allow: [view], on: '**'}]
  oncall: [{allow: [view, run, cancel], on: 'job/**'}, {allow: [run], on: 'node/**'}, {allow: [view], on: '**'}]
  manager: [{allow: [view, approve], on: 'job/**'}, {allow: [view], on: '**'}]
  admin: [{allow: [view, edit, administer, promote, view_secret_names, use_secret], on: '**'}, {allow: [run], on: event}]
  robot: [{allow: [view, run], on: 'job/**'}, {allow: [run], on: 'node/**'}, {allow: [view], on: '**'}]
members:
  viewer: ['user:viewer']
  oncall: ['user:oncall']
  manager: ['user:manager']
  admin: ['user:boss']
  robot: ['service:robot']
";

fn world() -> World {
    let test = TestApp::fake();
    let hook = "webhook:\n  name: incoming\n  eventPlugin: webhook-run-job\n  config: {jobId: team/plain}\n  run_as: robot\n  verify: {kind: token, secrets: [keys/ops/hook]}\n";
    let files = [
        (
            "project.yaml",
            "approvals:\n  one: {need: [{role: manager, count: 1}]}\nproduction_sources: ['webhook:incoming']\n",
        ),
        ("access.yaml", ACCESS),
        ("nodes.yaml", "hush-hush-1: {hostname: 192.0.2.1}\n"),
        ("jobs/hush.yaml", JOB),
        ("jobs/plain.yaml", "name: plain\ngroup: team\nnodes: {filter: '.*'}\nsteps:\n  - {run: 'echo hush-hush'}\n"),
        ("webhooks/incoming.yaml", hook),
        ("rules/incoming.yaml", RULE),
        ("aliases/hush.yaml", "name: hush-hush\naction_ref: team/hush-hush\nformats: ['hush-hush now']\n"),
        (
            "enrichers/incoming.yaml",
            "name: incoming\ntype: patterns\nlabels: [a]\ntext: '{{ trigger.x }}'\npatterns: [{match: a, label: a}]\ndescription: hush-hush\n",
        ),
        ("sources/incoming.yaml", "name: incoming\ntype: timer\nevery: 1h\ndescription: hush-hush\n"),
    ];
    test.load("ops", &files);
    let other = ACCESS.replace("user:boss", "user:stranger").replace("'user:viewer'", "'user:nobody'");
    let other = other.replace("user:oncall", "user:nobody").replace("user:manager", "user:nobody");
    let other = other.replace("service:robot", "service:other");
    test.load("other", &[("access.yaml", &other), ("nodes.yaml", "o1: {hostname: 192.0.2.9}\n")]);
    test.key("keys/ops/hook", "a-shared-secret-of-32-characters");
    for name in ["viewer", "oncall", "manager", "boss", "stranger"] {
        test.person(name);
    }
    test.administrator("root");
    test.steps().script("hush-hush-1", "step-1", interlock::exec::fake::Script::exits(0).says("hush-hush\n"));
    let sender = test.anonymous().with("x-interlock-token", "a-shared-secret-of-32-characters");
    let accepted = sender.post("/hooks/incoming", &serde_json::json!({"hush": "hush-hush"})).expect(202).json();
    test.settle();
    let tried = test.signed_in("boss").post("/api/v1/rules/ops/incoming/backtest", &serde_json::json!({})).expect(200);
    let pending = test.ask("oncall", "ops", "team/hush-hush", &[]).unwrap();
    World {
        ended: accepted["run"].as_i64().unwrap(),
        pending: pending.number.get(),
        request: pending.approval.unwrap().to_string(),
        event: accepted["event"].as_str().unwrap().to_owned(),
        backtest: tried.json()["id"].as_str().unwrap().to_owned(),
        test,
    }
}

impl World {
    /// The address of what is there, or of what is not.
    fn address(&self, route: &Route, there: bool) -> String {
        let run = if route.method == "GET" { self.ended } else { self.pending };
        let id = match route.path {
            path if path.contains("event") => &self.event,
            path if path.contains("backtest") => &self.backtest,
            _ => &self.request,
        };
        let pick = |yes: &str, no: &str| if there { yes.to_owned() } else { no.to_owned() };
        let mut path = route.path.to_owned();
        for (placeholder, value) in [
            ("{project}", pick("ops", "nowhere")),
            ("{job:.+}", pick("team/hush-hush", "team/absent")),
            ("{number}", pick(&run.to_string(), "999999")),
            ("{id}", pick(id, "00000000-0000-7000-8000-000000000000")),
            ("{address}", pick("incoming", "absent")),
            ("{token}", "guessed".to_owned()),
            ("{name:.+}", pick("app.css", "absent.css")),
            ("{name:.*}", pick("team/hush-hush", "team/absent")),
            ("{name}", pick("incoming", "absent")),
            ("{kind}", "job".to_owned()),
            ("{node}", pick("hush-hush-1", "absent")),
        ] {
            path = path.replace(placeholder, &value);
        }
        assert!(!path.contains('{'), "{path} has a part that this table does not fill in");
        path
    }

    fn call(&self, client: &Client, route: &Route, path: &str) -> Answer {
        let (kind, body) = match call_of(route) {
            Call::Plain => return client.send(route.method, path, None),
            Call::Json(body) => ("application/json", body),
            Call::Form(body) => ("application/x-www-form-urlencoded", body),
            Call::Yaml(body) => ("application/yaml", body),
        };
        client.with("content-type", kind).send(route.method, path, Some(body.as_bytes()))
    }

    fn entries(&self) -> usize {
        self.test.record().len()
    }
}

struct Caller {
    name: &'static str,
    known: bool,
    inside: bool,
    on_jobs: &'static [Permission],
    administers: bool,
    client: Box<dyn Fn() -> Client>,
}

/// Callers in the order in which they are tried: who may nothing comes first, so that nothing has changed yet.
fn callers(world: &World) -> Vec<Caller> {
    use Permission::{Approve, Cancel, Edit, Run, View};
    let test = &world.test;
    let (revoked, id) = test.token(Principal::User(user("boss")), None);
    test.wait(test.app.revoke_token(&operator(), &id, "test")).unwrap();
    let (robot, _) = test.token(Principal::Service(user("robot")), None);
    let fixed = |client: Client| -> Box<dyn Fn() -> Client> { Box::new(move || client.clone()) };
    // Some routes end the session, so each call has its own.
    let person = |name: &'static str| -> Box<dyn Fn() -> Client> {
        let anonymous = test.anonymous();
        Box::new(move || anonymous.sign_in(name, crate::harness::PASSWORD))
    };
    let caller = |name, known, inside, on_jobs, administers, client| Caller {
        name,
        known,
        inside,
        on_jobs,
        administers,
        client,
    };
    vec![
        caller("anonymous", false, false, &[], false, fixed(test.anonymous())),
        caller("revoked token", false, false, &[], false, fixed(test.bearer(&revoked))),
        caller("other project's admin", true, false, &[], false, person("stranger")),
        caller("viewer", true, true, &[View], false, person("viewer")),
        caller("service token", true, true, &[View, Run], false, fixed(test.bearer(&robot))),
        caller("admin", true, true, &[View, Edit], true, person("boss")),
        caller("manager", true, true, &[View, Approve], false, person("manager")),
        caller("oncall", true, true, &[View, Run, Cancel], false, person("oncall")),
        // May everything but sign.
        caller(ROOT, true, true, &[View, Run, Cancel, Edit], true, person("root")),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Please sign in.
    SignIn,
    /// As if it were not there.
    Absent,
    /// It may be seen but not done.
    Forbidden,
    /// The guard lets it through; what follows is the handler's business.
    Through,
}

fn class_of(route: &Route, answer: &Answer) -> Class {
    let to_sign_in = answer.header("location").is_some_and(|l| l.starts_with("/sign-in?next="));
    match answer.status {
        401 => Class::SignIn,
        // Wrong passwords make the account wait after some tries.
        429 if matches!(route.path, "/sign-in" | "/api/v1/session") => Class::SignIn,
        303 if route.surface == Surface::Page && to_sign_in => Class::SignIn,
        403 => Class::Forbidden,
        404 => Class::Absent,
        500.. => panic!("{} {}: {}", route.method, route.path, answer.text()),
        _ => Class::Through,
    }
}

/// What the guard promises; `None` where the caller asks about nobody but themselves.
fn expected(route: &Route, caller: &Caller) -> Option<Class> {
    Some(match (route.guard, caller) {
        // No token changes an account, whatever its owner may.
        (Guard::Needs(_, On::Account), Caller { name: "service token", .. }) => Class::Absent,
        (Guard::Needs(_, On::Account), Caller { known: true, .. }) => return None,
        // A path in the key store is typed, so nothing is given away by naming what is missing.
        (Guard::Needs(_, On::Key), Caller { known: true, administers: false, .. }) => Class::Forbidden,
        (Guard::System(_) | Guard::Needs(Permission::Administer, On::Project), Caller { name: ROOT, .. }) => {
            Class::Through
        }
        (Guard::System(_), Caller { known: true, .. }) => Class::Absent,
        // A guessed link, a wrong password and an unsigned delivery are turned away by their own check.
        (Guard::Public, Caller { name: "revoked token", .. }) => Class::SignIn,
        (Guard::Public, _) if route.path == "/setup/{token}" => Class::Absent,
        (Guard::Public, _) if route.path == "/api/v1/session" => Class::SignIn,
        (Guard::Public, _) if route.path == "/sign-in" && route.method == "POST" => Class::SignIn,
        (Guard::Public, _) => Class::Through,
        (Guard::OwnProof, _) => Class::Forbidden,
        (_, Caller { known: false, .. }) => Class::SignIn,
        // The settings are a person's own.
        (Guard::SignedIn, Caller { name: "service token", .. }) if route.path == "/settings" => Class::Absent,
        (Guard::SignedIn, _) if route.path.contains("{project}") && !caller.inside => Class::Absent,
        (Guard::SignedIn, _) => Class::Through,
        // The whole installation's record; a project's own is asked for with `?project=`.
        (Guard::Needs(Permission::Administer, On::Project), _) => Class::Absent,
        (Guard::Needs(..), Caller { inside: false, .. }) => Class::Absent,
        (Guard::Needs(Permission::View, _), _) => Class::Through,
        (Guard::Needs(Permission::Administer, On::Job), _) if caller.administers => Class::Through,
        (Guard::Needs(permission, On::Job), _) if caller.on_jobs.contains(&permission) => Class::Through,
        (Guard::Needs(permission, On::Job), _) => {
            assert_ne!(permission, Permission::View);
            Class::Forbidden
        }
        (Guard::Needs(..), _) if caller.administers => Class::Through,
        (Guard::Needs(..), _) => Class::Forbidden,
    })
}

#[test]
fn the_table_of_routes() {
    let mut all = String::new();
    for route in table() {
        writeln!(all, "{:6} {:55} {:?} {:?}", route.method, route.path, route.surface, route.guard).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn every_route_answers_every_caller_as_its_guard_says() {
    let world = world();
    let mut wrong = Vec::new();
    for caller in callers(&world) {
        let steady = (caller.client)();
        for route in table() {
            let before = world.entries();
            let safe = route.method == "GET";
            let client = if safe { steady.clone() } else { (caller.client)() };
            let with_session = world.entries() - before;
            let path = world.address(route, true);
            let answer = world.call(&client, route, &path);
            let (got, wanted) = (class_of(route, &answer), expected(route, &caller));
            let what = format!("{} {path} as {}: ", route.method, caller.name);
            if wanted.is_some_and(|wanted| got != wanted) {
                wrong.push(format!("{what}{got:?} ({}), expected {wanted:?}: {}", answer.status, first_line(&answer)));
            }
            if !caller.inside && answer.text().contains(HIDDEN) {
                wrong.push(format!("{what}it shows what the caller may not see"));
            }
            let changed = world.entries() - before - with_session;
            if safe && changed != 0 {
                wrong.push(format!("{what}a GET changed something"));
            }
            if wanted == Some(Class::Absent) && route.path != "/setup/{token}" {
                let nothing = world.call(&client, route, &world.address(route, false));
                if (nothing.status, &nothing.body) != (answer.status, &answer.body) {
                    wrong.push(format!("{what}hidden and absent differ: {} {}", nothing.status, first_line(&nothing)));
                }
            }
            if safe {
                let head = client.send("HEAD", &path, None);
                if head.status != answer.status || !head.body.is_empty() {
                    wrong.push(format!("{what}HEAD says {}", head.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    world.test.settle();
}

fn first_line(answer: &Answer) -> String {
    answer.text().chars().take(160).collect()
}

#[test]
fn unsafe_requests_with_a_cookie_come_from_our_own_pages_only() {
    let world = world();
    let client = world.test.signed_in("oncall");
    let before = world.entries();
    for route in table().filter(|r| r.method != "GET" && r.guard != Guard::OwnProof) {
        let path = world.address(route, true);
        for (what, other) in [
            ("no token", client.without("x-csrf-token")),
            ("another token", client.without("x-csrf-token").with("x-csrf-token", "guessed")),
            ("cross-site", client.with("sec-fetch-site", "cross-site")),
            ("same-site", client.with("sec-fetch-site", "same-site")),
            ("foreign origin", client.with("origin", "http://evil.example")),
            ("null origin", client.with("origin", "null")),
        ] {
            let answer = world.call(&other, route, &path);
            assert_eq!(answer.status, 403, "{} {path} with {what}: {}", route.method, first_line(&answer));
        }
    }
    assert_eq!(world.entries(), before);
    assert_eq!(client.get("/api/v1/session").status, 200);
}

#[test]
fn other_spellings_of_an_address_give_nothing_more() {
    let world = world();
    let stranger = world.test.signed_in("stranger");
    for route in table().filter(|r| matches!(r.guard, Guard::Needs(..) | Guard::SignedIn)) {
        let path = world.address(route, true);
        let spelled = [
            format!("{path}/"),
            format!("/{path}"),
            path.replace('/', "//"),
            path.replace("/team/", "/team%2f"),
            path.replace("/ops/", "/%6fps/"),
            path.replace("/ops/", "/other/../ops/"),
            path.replace("/ops/", "/other%2f..%2fops/"),
            path.to_uppercase(),
            format!("{path};x=y"),
            format!("{path}%00"),
            format!("{path}.json"),
        ];
        for other in spelled {
            for (client, who) in [(world.test.anonymous(), "anonymous"), (stranger.clone(), "stranger")] {
                for client in [client.clone(), client.with("x-http-method-override", "GET")] {
                    let answer = world.call(&client, route, &other);
                    assert!(answer.status < 500, "{other}: {}", answer.text());
                    assert!(!answer.text().contains(HIDDEN), "{other} as {who}: {}", first_line(&answer));
                    if who == "anonymous" {
                        assert_ne!(answer.status, 200, "{} {other}", route.method);
                    }
                    if !matches!(route.guard, Guard::SignedIn | Guard::Needs(_, On::Account))
                        && route.path != "/api/v1/audit"
                    {
                        assert!(![200, 201, 202].contains(&answer.status), "{} {other} as {who}", route.method);
                    }
                }
            }
        }
    }
    assert_eq!(world.test.runs_in(&[State::PendingApproval]).len(), 1);
}
