//! The main job on real nodes: somebody asks, a manager signs exactly what will run, it runs over SSH, and the record
//! holds all of it. By the API, by a signed webhook, by a foreign webhook definition, and by the command line.

use hmac::{Hmac, KeyInit, Mac};
use interlock::app::nodes::AcceptedKey;
use interlock::domain::access::Principal;
use interlock::domain::ids::NodeName;
use interlock::domain::run::State;
use interlock::store::secrets::SecretKind;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::client::Client;
use crate::harness::{Base, TestApp, on_both_databases, operator, project_name, user};
use crate::sshd::Sshd;

const PROJECT: &str = "
approvals:
  production-change:
    when: \"{{ environment == 'production' }}\"
    need:
      - {role: manager, count: 1}
    reason: {request: required, approve: required, reject: required}
production_sources: ['webhook:pagerduty-incident']
";

const ACCESS: &str = "
roles:
  oncall:
    - {allow: [view, run, cancel], on: 'job/**'}
    - {allow: [view, run], on: 'node/**'}
  manager:
    - {allow: [view, run, approve], on: 'job/**'}
    - {allow: [view, run], on: 'node/**'}
    - {allow: [view], on: event}
  hooks:
    - {allow: [view, run], on: job/services/restart-service}
    - {allow: [view, run], on: 'node/**'}
  robots:
    - {allow: [view, run, approve], on: 'job/**'}
    - {allow: [view, run], on: 'node/**'}
members:
  oncall: ['user:oncall']
  manager: ['user:manager', 'service:robot']
  hooks: ['service:pagerduty']
  robots: ['service:robot']
";

const JOB: &str = "
id: a1b2c3-restart-service
name: restart-service
group: services
options:
  - {name: service, required: true, pattern: '[a-z0-9@._-]{1,64}'}
  - {name: grace, type: duration, default: 0s, max: 10m}
  - {name: times, type: integer, default: 1, min: 1, max: 3}
  - {name: reason, type: text, required: true}
nodes: {filter: 'tags: web+prod', concurrency: 2}
approval: {rule: production-change}
timeout: 1m
steps:
  - name: restart
    run: echo would restart ${option.service} on ${node.name} because ${option.reason}
  - name: check
    script: |
      echo \"$OPTION_SERVICE is back, $RD_OPTION_TIMES times, as $(id -un)\"
";

const WEBHOOK: &str = "
webhook:
  name: pagerduty-incident
  eventPlugin: webhook-run-job
  config:
    jobId: a1b2c3-restart-service
    argString: \"-service ${data.event.data.service.summary} -reason ${data.event.data.title}\"
  verify: {kind: pagerduty, secrets: [keys/ops/pagerduty]}
  when:
    data.event.event_type: {type: equals, pattern: incident.triggered}
  run_as: pagerduty
";

/// Two real nodes.
struct Nodes(Sshd, Sshd);

impl Nodes {
    fn start() -> Self {
        Self(Sshd::start_at("127.0.0.2", None), Sshd::start_at("127.0.0.3", None))
    }

    fn inventory(&self) -> String {
        let node = |name: &str, sshd: &Sshd, account: &str, key: &str| {
            format!(
                "{name}:\n  hostname: '{}:{}'\n  username: {account}\n  tags: [web, prod]\n  environment: production\n  ssh-key-storage-path: {key}\n",
                sshd.host, sshd.port
            )
        };
        [node("web1", &self.0, "ilk-dash", "keys/ops/web1"), node("web2", &self.1, "ilk-fish", "keys/ops/web2")]
            .concat()
    }

    /// Puts the keys into the store and trusts the nodes.
    fn make_known(&self, test: &TestApp) {
        for (name, sshd) in [("web1", &self.0), ("web2", &self.1)] {
            test.key_of(&format!("keys/ops/{name}"), SecretKind::PrivateKey, sshd.user_key.expose());
            let key = &sshd.host_key;
            let accepted = AcceptedKey {
                kind: key.kind.clone(),
                base64: key.base64.clone(),
                fingerprint: key.fingerprint.clone(),
            };
            let node = NodeName::parse(name).unwrap();
            test.wait(test.app.enrol(&operator(), &project_name("ops"), &node, vec![accepted], "test")).unwrap();
        }
    }
}

fn world(base: Base, nodes: &Nodes) -> TestApp {
    let test = TestApp::ssh_on(base);
    let inventory = nodes.inventory();
    test.load(
        "ops",
        &[
            ("project.yaml", PROJECT),
            ("nodes.yaml", &inventory),
            ("access.yaml", ACCESS),
            ("jobs/restart-service.yaml", JOB),
            ("webhooks/pagerduty-incident.yaml", WEBHOOK),
        ],
    );
    nodes.make_known(&test);
    test.person("oncall");
    test.person("manager");
    test
}

on_both_databases! {
    a_person_asks_a_manager_signs_and_it_runs_on_every_node
    who_asked_cannot_sign_even_with_the_role
    a_signed_incident_asks_a_manager_signs_and_it_runs
}

/// The request that waits for a run.
fn waiting(client: &Client, run: i64) -> Value {
    let list = client.get("/api/v1/approvals?state=pending").expect(200).json();
    let found = list["items"].as_array().unwrap().iter().find(|a| a["run"] == run).cloned();
    found.unwrap_or_else(|| panic!("no request for #{run}: {list}"))
}

/// What the log says, as `node step text`.
fn log(client: &Client, run: i64) -> Vec<String> {
    let page = client.get(&format!("/api/v1/runs/{run}/log")).expect(200).json();
    let mut lines: Vec<String> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            format!("{} {} {}", e["node"].as_str().unwrap(), e["step"].as_str().unwrap(), e["text"].as_str().unwrap())
        })
        .collect();
    lines.sort();
    lines
}

/// The actions that the record holds about a run.
fn actions(test: &TestApp, run: i64) -> Vec<String> {
    let entries = test.record();
    let about = entries.iter().filter(|e| e.act.resource == format!("run:{run}"));
    about.map(|e| format!("{} {}", e.act.actor, e.act.action)).collect()
}

fn a_person_asks_a_manager_signs_and_it_runs_on_every_node(base: Base) {
    let nodes = Nodes::start();
    let test = world(base, &nodes);
    let (oncall, manager) = (test.signed_in("oncall"), test.signed_in("manager"));
    let jobs = oncall.get("/api/v1/projects/ops/jobs").expect(200).json();
    assert_eq!(jobs["items"][0]["path"], "services/restart-service");
    let runs = "/api/v1/projects/ops/jobs/services/restart-service/runs";

    // Wrong values are named one by one, and nothing is made of them.
    let wrong = oncall.post(runs, &json!({"options": {"service": "a b; rm", "times": 9, "grac": "1s"}}));
    wrong.refused(422, "invalid_options");
    let problem = wrong.json();
    let fields: Vec<&str> =
        problem["errors"].as_array().unwrap().iter().map(|e| e["field"].as_str().unwrap()).collect();
    for field in ["service", "times", "grac", "reason"] {
        assert!(fields.contains(&field), "{field}: {problem}");
    }
    assert!(test.runs_in(&State::ALL).is_empty());

    let hostile = "it is 'down' $(id) `id` \"${option.service}\" -x y";
    let asked = oncall
        .post(
            runs,
            &json!({"options": {"service": "nginx", "times": 2, "reason": hostile}, "reason": "customers wait"}),
        )
        .expect(201)
        .json();
    assert_eq!((&asked["state"], &asked["environment"]), (&json!("pending_approval"), &json!("production")));
    let run = asked["number"].as_i64().unwrap();
    let request = waiting(&manager, run);
    let digest = request["digest"].as_str().unwrap().to_owned();
    let decision = format!("/api/v1/approvals/{}/decision", request["id"].as_str().unwrap());
    let yes = json!({"decision": "approve", "digest": digest, "reason": "seen the graphs"});

    test.settle();
    assert_eq!(test.runs_in(&[State::PendingApproval]).len(), 1);
    oncall.post(&decision, &yes).refused(403, "not_entitled");
    let (robot, _) = test.token(Principal::Service(user("robot")), None);
    test.bearer(&robot).post(&decision, &yes).refused(403, "not_a_person");
    let (token, _) = test.token(Principal::User(user("manager")), None);
    test.bearer(&token).post(&decision, &yes).refused(403, "not_a_person");
    let other = json!({"decision": "approve", "digest": "0".repeat(64), "reason": "unseen"});
    manager.post(&decision, &other).refused(409, "other_plan");
    manager.post(&decision, &json!({"decision": "approve", "digest": digest})).refused(422, "reason_required");
    test.settle();
    assert_eq!(test.runs_in(&[State::PendingApproval]).len(), 1);

    // The plan says all of it: nodes, commands, options.
    let detail = manager.get(&format!("/api/v1/approvals/{}", request["id"].as_str().unwrap())).expect(200).json();
    let plan = detail["plan"].to_string();
    for word in ["web1", "web2", "would restart", "nginx", "customers wait"] {
        assert!(plan.contains(word), "{word}: {plan}");
    }

    let done = manager.post(&decision, &yes).expect(200).json();
    assert_eq!(done["state"], "approved");
    manager.post(&decision, &yes).refused(409, "request_closed");
    test.settle();

    let ended = oncall.get(&format!("/api/v1/runs/{run}")).expect(200).json();
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(ended["steps"].as_array().unwrap().len(), 4);
    assert_eq!(
        log(&oncall, run),
        [
            "web1 check nginx is back, 2 times, as ilk-dash".to_owned(),
            format!("web1 restart would restart nginx on web1 because {hostile}"),
            "web2 check nginx is back, 2 times, as ilk-fish".to_owned(),
            format!("web2 restart would restart nginx on web2 because {hostile}"),
        ]
    );
    assert_eq!(
        actions(&test, run),
        ["user:oncall run.requested", "user:manager approval.approved", "system run.started", "system run.ended"]
    );
    let signed = test.record().into_iter().find(|e| e.act.action == "approval.approved").unwrap();
    assert_eq!(signed.act.detail["digest"], digest.as_str());
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().is_ok());
}

fn who_asked_cannot_sign_even_with_the_role(base: Base) {
    let nodes = Nodes::start();
    let test = world(base, &nodes);
    let manager = test.signed_in("manager");
    let body = json!({"options": {"service": "nginx", "reason": "mine"}});
    let asked = manager.post("/api/v1/projects/ops/jobs/services/restart-service/runs", &body).expect(201).json();
    let request = waiting(&manager, asked["number"].as_i64().unwrap());
    let decision = format!("/api/v1/approvals/{}/decision", request["id"].as_str().unwrap());
    for word in ["approve", "reject"] {
        let answer = manager.post(&decision, &json!({"decision": word, "digest": request["digest"], "reason": "x"}));
        answer.refused(403, "own_request");
    }
    test.settle();
    assert_eq!(test.runs_in(&[State::PendingApproval]).len(), 1);
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().is_ok());
}

fn pagerduty_signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    let bytes = mac.finalize().into_bytes();
    format!("v1={}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>())
}

fn a_signed_incident_asks_a_manager_signs_and_it_runs(base: Base) {
    let nodes = Nodes::start();
    let test = world(base, &nodes);
    test.key("keys/ops/pagerduty", "a-shared-secret-of-32-characters");
    let body = include_bytes!("../fixtures/payloads/pagerduty.incident.triggered.json");
    let signature = pagerduty_signature("a-shared-secret-of-32-characters", body);
    let sender = test.anonymous().with("content-type", "application/json");
    let accepted = sender
        .with("x-pagerduty-signature", &signature)
        .send("POST", "/hooks/pagerduty-incident", Some(body))
        .expect(202)
        .json();
    let run = accepted["run"].as_i64().unwrap();
    let again = sender.with("x-pagerduty-signature", &signature).send("POST", "/hooks/pagerduty-incident", Some(body));
    assert_eq!((&again.json()["run"], &again.json()["event"]), (&json!(run), &accepted["event"]));

    let manager = test.signed_in("manager");
    let event = manager.get(&format!("/api/v1/events/{}", accepted["event"].as_str().unwrap())).expect(200).json();
    assert_eq!(event["run"], run);
    let request = waiting(&manager, run);
    assert_eq!(request["requester"], "service:pagerduty");
    assert_eq!(request["reason"], "Checkout error rate above 5%");
    let decision = format!("/api/v1/approvals/{}/decision", request["id"].as_str().unwrap());
    let yes = json!({"decision": "approve", "digest": request["digest"], "reason": "go"});
    manager.post(&decision, &yes).expect(200);
    test.settle();
    let lines = log(&manager, run);
    assert!(
        lines.contains(
            &"web1 restart would restart checkout-api on web1 because Checkout error rate above 5%".to_owned()
        ),
        "{lines:?}"
    );
    assert!(lines.contains(&"web2 check checkout-api is back, 1 times, as ilk-fish".to_owned()), "{lines:?}");
    assert_eq!(test.runs_in(&[State::Succeeded]).len(), 1);
    assert_eq!(
        actions(&test, run),
        ["service:pagerduty run.requested", "user:manager approval.approved", "system run.started", "system run.ended"]
    );
    assert!(test.wait(test.app.verify_audit(&operator(), None)).unwrap().is_ok());
}

#[test]
fn the_snippet_of_the_article_runs_as_it_is() {
    let node = Sshd::start_at("127.0.0.2", None);
    let test = TestApp::ssh();
    let inventory = format!(
        "web1: {{hostname: '127.0.0.2:{}', username: ilk-bash, tags: web, environment: production, ssh-key-storage-path: keys/article/web1}}",
        node.port
    );
    test.load(
        "article",
        &[
            ("nodes.yaml", &inventory),
            ("project.yaml", include_str!("../fixtures/article/project.yaml")),
            ("access.yaml", include_str!("../fixtures/article/access.yaml")),
            ("jobs/restart-service.yaml", include_str!("../fixtures/article/jobs/restart-service.yaml")),
            ("webhooks/pagerduty-incident.yaml", include_str!("../fixtures/article/webhooks/pagerduty-incident.yaml")),
        ],
    );
    test.key_of("keys/article/web1", SecretKind::PrivateKey, node.user_key.expose());
    let key = &node.host_key;
    let accepted =
        AcceptedKey { kind: key.kind.clone(), base64: key.base64.clone(), fingerprint: key.fingerprint.clone() };
    let web1 = NodeName::parse("web1").unwrap();
    test.wait(test.app.enrol(&operator(), &project_name("article"), &web1, vec![accepted], "test")).unwrap();

    let hook = interlock::domain::ids::WebhookName::parse("pagerduty-incident").unwrap();
    let address = test.wait(test.app.hook_address(&operator(), &project_name("article"), &hook)).unwrap();
    let body = json!({"service": "nginx", "summary": "it's \"down\" -service evil"});
    let sender = test.anonymous();
    // It has no `verify`, so its name alone opens nothing.
    sender.post("/hooks/pagerduty-incident", &body).refused(403, "unverified");
    let accepted = sender.post(&format!("/hooks/{address}"), &body).expect(202).json();
    test.settle();
    let run = test.run(interlock::domain::ids::RunNumber::parse(&accepted["run"].to_string()).unwrap());
    assert_eq!(run.run.state, State::Succeeded, "{}", run.run.end_reason);
    let values = json!(run.plan.options).to_string();
    assert!(values.contains("nginx") && values.contains("-service evil"), "{values}");
}
