//! Programs that label.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{alert, event, rule, runs, verdict, world};
use crate::harness::{Base, TestApp};

/// A program in the folder that the server names, and an enricher that runs it.
fn with_program(name: &str, script: &str, arguments: &str) -> TestApp {
    let test = TestApp::fake();
    let folder = test.data().join("programs");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join(name);
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    with_command(test, &format!("[{}{arguments}]", program.display()))
}

fn with_command(test: TestApp, command: &str) -> TestApp {
    let enricher = format!(
        "name: program\ntype: command\nlabels: [disk-full, other]\ntext: '{{{{ trigger.summary }}}}'\ncommand: {command}\ntimeout: 2s\ncache: 0\n"
    );
    for name in ["ann", "bob", "vic"] {
        test.person(name);
    }
    super::load(&test, &[("enrichers/program.yaml", &enricher), ("rules/r.yaml", &rule("r", "program", "notify"))]);
    test
}

#[test]
fn a_program_reads_the_text_and_nothing_of_it_is_a_command() {
    let script = r#"#!/bin/sh
text=$(cat)
[ "$#" = 1 ] && [ "$1" = '; touch x' ] || exit 3
[ -z "$INTERLOCK_DATA$HOME" ] || exit 4
case "$text" in
  *'$(touch /tmp/never)'*) echo '{"class": "disk-full", "confidence": 0.95, "reason": "it says so"}' ;;
  *) echo '{"class": "other", "confidence": 0.5}' ;;
esac
"#;
    let test = with_program("label", script, ", '; touch x'");
    let ann = test.signed_in("ann");
    let id = super::post(&test, &ann, &alert("$(touch /tmp/never) `id`"));
    assert_eq!(test.label(), 1);
    let seen = event(&ann, &id)["labels"][0].clone();
    assert_eq!((&seen["class"], &seen["quoted"]), (&json!("disk-full"), &json!(true)), "{seen}");
    assert_eq!(verdict(&ann, &id, "r")["outcome"], "would");
    assert!(!std::path::Path::new("/tmp/never").exists());
}

#[test]
fn whatever_a_program_does_instead_is_no_label() {
    for (script, why) in [
        ("#!/bin/sh\ncat > /dev/null; exit 7\n", "It ended with exit code 7."),
        ("#!/bin/sh\nkill -9 $$\n", "It was ended by a signal."),
        ("#!/bin/sh\nexec sleep 600\n", "It did not answer in time."),
        ("#!/bin/sh\n(sleep 600) & echo '{\"class\": \"other\",'\n", "It did not answer in time."),
        ("#!/bin/sh\nexec yes\n", "Its answer has more than 256 KiB."),
        ("#!/bin/sh\necho disk-full\n", "The answer is not JSON"),
        (
            "#!/bin/sh\necho '{\"class\": \"reboot\", \"confidence\": 1}'\n",
            "It answered `reboot`, which is none of its labels.",
        ),
        ("#!/no/such/interpreter\n", "The program cannot be run"),
    ] {
        let test = with_program("label", script, "");
        let ann = test.signed_in("ann");
        let id = super::post(&test, &ann, &alert("no space left"));
        test.label();
        let seen = event(&ann, &id)["labels"][0].clone();
        assert!(seen["trouble"].as_str().unwrap().starts_with(why), "{why}: {seen}");
        assert_eq!(verdict(&ann, &id, "r")["outcome"], "would");
        assert_eq!(runs(&test).len(), 0);
    }
}

#[test]
fn only_programs_of_the_servers_folders_are_run() {
    let outside = with_command(TestApp::fake(), "[/bin/echo, '{\"class\": \"other\", \"confidence\": 1}']");
    let link = {
        let test = TestApp::fake();
        let folder = test.data().join("programs");
        std::fs::create_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink("/bin/echo", folder.join("label")).unwrap();
        let command = format!("[{}, '{{\"class\": \"other\", \"confidence\": 1}}']", folder.join("label").display());
        with_command(test, &command)
    };
    for test in [outside, link] {
        let ann = test.signed_in("ann");
        let id = super::post(&test, &ann, &alert("no space left"));
        test.label();
        let seen = event(&ann, &id)["labels"][0].clone();
        assert!(
            seen["trouble"].as_str().unwrap().contains("lies in no folder that --enricher-programs names"),
            "{seen}"
        );
    }
}

#[test]
fn a_command_of_values_is_not_saved() {
    let test = world(Base::Sqlite, &[]);
    let enricher = "name: program\ntype: command\nlabels: [a]\ntext: '{{ trigger.x }}'\ncommand: [/opt/label, '{{ trigger.x }}']\n";
    let refused = test.try_load("ops", &super::with(&[("enrichers/program.yaml", enricher)])).unwrap_err();
    assert!(refused.refusal().unwrap().fields[0].message.contains("no value is filled in there"));
}
