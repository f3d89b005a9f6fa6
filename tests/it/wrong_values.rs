//! One validation for every way in: the same wrong values get the same sentences, all at once, from the form, the API,
//! the command line and a webhook, and start nothing.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::TestApp;
use crate::program::{Install, ends};

const ACCESS: &str = "
roles:
  oncall: [{allow: [view, run], on: '**'}]
members:
  oncall: ['user:oncall', 'service:robot']
";

const JOB: &str = "
name: restart
options:
  - {name: service, required: true, pattern: '[a-z]{1,8}'}
  - {name: count, type: integer, min: 1, max: 9}
  - {name: mode, type: enum, values: [soft, hard], default: soft}
  - {name: note, type: text}
nodes: {filter: '.*'}
steps: [{run: 'true'}]
";

const NODES: &str = "n1: {hostname: 192.0.2.1, environment: staging}\n";

/// Every value is wrong in its own way, and one option is none of the job's.
const WRONG: [(&str, &str); 4] = [("service", "NOT a unit"), ("count", "many"), ("mode", "medium"), ("extra", "1")];

fn hook() -> String {
    let arguments = WRONG.map(|(name, _)| format!("-{name} ${{data.{name}}}")).join(" ");
    format!(
        "webhook:\n  name: incoming\n  eventPlugin: webhook-run-job\n  config: {{jobId: restart, argString: '{arguments}'}}\n  run_as: robot\n  verify: {{kind: token, secrets: [keys/ops/hook]}}\n"
    )
}

/// What a problem document says, by field.
fn sentences(problem: &Value) -> BTreeMap<String, String> {
    let word = |e: &Value, key: &str| e[key].as_str().unwrap().to_owned();
    problem["errors"].as_array().unwrap().iter().map(|e| (word(e, "field"), word(e, "message"))).collect()
}

#[test]
fn every_way_in_refuses_the_same_values_with_the_same_sentences() {
    let test = TestApp::fake();
    test.load("ops", &[("access.yaml", ACCESS), ("nodes.yaml", NODES), ("jobs/restart.yaml", JOB)]);
    test.person("oncall");
    let oncall = test.signed_in("oncall");

    let options: BTreeMap<_, _> = WRONG.into_iter().collect();
    let answer = oncall.post("/api/v1/projects/ops/jobs/restart/runs", &json!({"options": options}));
    answer.refused(422, "invalid_options");
    let by_api = sentences(&answer.json());
    let fields: Vec<_> = by_api.keys().map(String::as_str).collect();
    assert_eq!(fields, ["count", "extra", "mode", "service"], "{by_api:?}");

    // The form keeps what was typed and says each sentence beside its field.
    let body = "option.service=NOT+a+unit&option.count=many&option.mode=medium&option.note=kept&reason=x";
    let form = oncall.with("content-type", "application/x-www-form-urlencoded");
    let page = form.send("POST", "/projects/ops/run/restart", Some(body.as_bytes())).expect(422).text();
    for name in ["service", "count", "mode"] {
        let said = page.split(&format!("id=\"e-{name}\">")).nth(1).unwrap_or_else(|| panic!("{name}: {page}"));
        let said = said.split("</p>").next().unwrap().replace("&#39;", "'").replace("&#34;", "\"");
        // On a page it stands as a sentence of its own.
        assert_eq!(said.to_lowercase().trim_end_matches('.'), by_api[name], "{name}");
    }
    assert!(page.contains("NOT a unit") && page.contains("kept"), "{page}");
    let odd = form.send("POST", "/projects/ops/run/restart", Some(b"option.service=a&option.extra=1&reason=x"));
    assert!(odd.expect(422).text().contains("extra"));
    assert!(test.runs_in(&[]).is_empty());
}

#[test]
fn a_webhook_refuses_like_the_button() {
    let test = TestApp::fake();
    let (job, hook) = (JOB.replace("  - {name: note", "  - {name: extra, type: integer}\n  - {name: note"), hook());
    let files = [
        ("access.yaml", ACCESS),
        ("nodes.yaml", NODES),
        ("jobs/restart.yaml", &job),
        ("webhooks/incoming.yaml", &hook),
    ];
    test.load("ops", &files);
    test.key("keys/ops/hook", "a-shared-secret-of-32-characters");
    test.person("oncall");
    let values: BTreeMap<_, _> = WRONG.map(|(name, value)| (name, if name == "extra" { "one" } else { value })).into();
    let button = test.signed_in("oncall").post("/api/v1/projects/ops/jobs/restart/runs", &json!({"options": values}));
    button.refused(422, "invalid_options");
    let delivery = test.anonymous().with("x-interlock-token", "a-shared-secret-of-32-characters");
    let answer = delivery.send("POST", "/hooks/incoming", Some(json!(values).to_string().as_bytes()));
    answer.refused(422, "invalid_options");
    assert_eq!(sentences(&answer.json()), sentences(&button.json()));
    assert_eq!(sentences(&answer.json()).len(), 4);
    assert!(test.runs_in(&[]).is_empty());
}

#[test]
fn the_command_line_says_all_of_it_too() {
    let install = Install::new();
    install.write("nodes.yaml", NODES);
    install.write("jobs/restart.yaml", JOB);
    let folder = install.path().join("ops");
    ends(&install.run(&["apply", folder.to_str().unwrap()]), 0);
    let words = WRONG.map(|(name, value)| [format!("-{name}"), value.to_owned()]).concat();
    let mut arguments = vec!["run", "restart", "--"];
    arguments.extend(words.iter().map(String::as_str));
    let (_, said) = ends(&install.run(&arguments), 3);
    for name in ["service", "count", "mode", "extra"] {
        assert!(said.contains(name), "{name}: {said}");
    }
}
