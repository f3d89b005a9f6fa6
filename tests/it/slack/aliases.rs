//! Aliases: words of a chat's own that ask for a run, as StackStorm has them.

use interlock::app::chat::ANSWER_WITHIN;
use interlock::domain::ids::RunNumber;
use interlock::domain::run::State;
use serde_json::json;

use super::commands::{ACCESS, NODES, RESTART, SIGNED, furnish, runs, typed};
use crate::harness::{Base, TestApp, on_both_databases, operator, project_name};

on_both_databases! {
    words_of_a_project_start_a_run_with_values_that_stay_values
}

/// As StackStorm's packs have it.
const ALIAS: &str = "
name: restart_service
pack: web
description: Restart a service
action_ref: web.restart
formats:
  - display: 'restart {{service}} on {{note}}'
    representation: ['restart {{service}} on {{note}}', 'bounce {{service}} {{note=everything}}']
ack: {enabled: true, format: 'On it.', append_url: true}
enabled: true
";

fn world(base: Base, more: &[(&str, &str)]) -> TestApp {
    let test = TestApp::fake_on(base);
    let project = "approvals: {change: {need: [{role: manager, count: 1}]}}\nnotify: {slack_commands: true}\n";
    let access = ACCESS.replace(
        "    - {allow: [view, run], on: 'node/**'}\n",
        "    - {allow: [view, run], on: 'node/**'}\n    - {allow: [view], on: 'alias/restart*'}\n",
    );
    let mut files = vec![
        ("project.yaml", project),
        ("access.yaml", access.as_str()),
        ("nodes.yaml", NODES),
        ("jobs/restart.yaml", RESTART),
        ("jobs/signed.yaml", SIGNED),
        ("aliases/restart.yaml", ALIAS),
    ];
    files.extend(more);
    test.load("ops", &files);
    furnish(&test, ANSWER_WITHIN);
    test
}

fn words_of_a_project_start_a_run_with_values_that_stay_values(base: Base) {
    let test = world(base, &[]);
    let told = typed(&test, "UALICE", "restart nginx on \"web1; `id` {{service}}\"");
    assert!(told.starts_with("On it.\nRun #1 of web/restart"), "{told}");
    let plan = format!("{:?}", test.run(RunNumber::new(1)).plan.options);
    assert!(plan.contains("nginx") && plan.contains("web1; `id` {{service}}"), "{plan}");
    typed(&test, "UALICE", "Bounce sshd");
    assert!(format!("{:?}", test.run(RunNumber::new(2)).plan.options).contains("everything"));
    // The job's own checks hold, and an alias gives nobody a right.
    assert!(typed(&test, "UALICE", "restart NGINX on x").contains("-service:"));
    assert!(typed(&test, "UWILL", "restart nginx on x").starts_with("Nothing was done."));
    assert!(typed(&test, "UALICE", "restart nginx on x please").contains("I do not understand"));
    assert_eq!(runs(&test), 2);
    test.settle();
    let help = typed(&test, "UALICE", "help");
    assert!(help.contains("/interlock restart {{service}} on {{note}}: Restart a service"), "{help}");

    // It is a definition like others: listed, exported as it was written.
    let listed = test.signed_in("alice").get("/api/v1/aliases").expect(200).json();
    assert_eq!(listed["items"][0]["formats"], json!(["restart {{service}} on {{note}}"]));
    assert_eq!(test.signed_in("will").get("/api/v1/aliases").expect(200).json()["items"], json!([]));
    let page = test.signed_in("alice").get("/aliases").expect(200).text();
    assert!(
        page.contains("restart {{service}} on {{note}}") && page.contains("/projects/ops/jobs/web/restart"),
        "{page}"
    );
    assert!(test.signed_in("will").get("/aliases").expect(200).text().contains("There is no alias that you may see."));
    let out = test.wait(test.app.export(&operator(), &project_name("ops"))).unwrap();
    let file = out.iter().find(|(name, _)| name == "aliases/restart_service.yaml").unwrap();
    assert_eq!(file.1.trim(), ALIAS.trim());
}

#[test]
fn a_required_reason_stands_behind_the_words() {
    let job = "name: told\ngroup: web\noptions: [{name: reason, type: text, required: true}]\nnodes: {filter: '.*'}\nsteps: [{name: a, run: 'true'}]\n";
    let alias = "name: restart_told\naction_ref: web/told\nformats: ['say it']\n";
    let test = world(Base::Sqlite, &[("jobs/told.yaml", job), ("aliases/told.yaml", alias)]);
    let told = typed(&test, "UALICE", "say it");
    assert!(told.contains("• reason: a value is needed here"), "{told}");
    assert_eq!(runs(&test), 0);
    let told = typed(&test, "UALICE", "say it reason \"the disk is full\"");
    assert!(told.starts_with("Run #1 of web/told"), "{told}");
    assert!(format!("{:?}", test.run(RunNumber::new(1)).plan.options).contains("the disk is full"));
    test.settle();
}

#[test]
fn words_that_mean_two_things_start_nothing_and_name_both() {
    let other = "name: restart_too\naction_ref: web/restart\nformats: ['restart {{service}} on {{note}}']\n";
    let test = world(Base::Sqlite, &[("aliases/too.yaml", other)]);
    let told = typed(&test, "UALICE", "restart nginx on web1");
    assert!(told.contains("`ops/restart_service` and `ops/restart_too`"), "{told}");
    assert_eq!(runs(&test), 0);
}

#[test]
fn an_alias_goes_the_way_of_the_button() {
    let signed = "name: sign_it\naction_ref: web/signed\nformats: ['do the signed thing']\n";
    let off = "name: off\naction_ref: web/restart\nformats: ['wake {{service}}']\nenabled: false\n";
    let fixed =
        "name: fixed\naction_ref: web/restart\nformats: ['kick {{note}}']\nimmutable_parameters: {service: cron}\n";
    let test = world(
        Base::Sqlite,
        &[("aliases/signed.yaml", signed), ("aliases/off.yaml", off), ("aliases/fixed.yaml", fixed)],
    );
    assert!(typed(&test, "UALICE", "do the signed thing").contains("reason:"), "who signs needs to know why");
    let told = typed(&test, "UALICE", "do the signed thing reason \"the disk is full\"");
    assert!(told.contains("waits for signatures"), "{told}");
    let run = test.run(RunNumber::new(1)).run;
    assert_eq!((run.state, run.reason.as_str()), (State::PendingApproval, "the disk is full"));
    assert!(typed(&test, "UALICE", "wake nginx").contains("I do not understand"));
    typed(&test, "UALICE", "kick it");
    assert!(format!("{:?}", test.run(RunNumber::new(2)).plan.options).contains("cron"));
    test.settle();
}
