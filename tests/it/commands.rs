//! Every command: documents for who asks for them, the same exit codes with and without a server, and folders that come
//! out as they went in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::PASSWORD;
use crate::program::{Install, Server, ends};

const ACCESS: &str = "
roles:
  oncall: [{allow: [view, run, cancel], on: 'job/**'}]
  manager: [{allow: [view, approve], on: 'job/**'}]
members: {oncall: ['user:oncall', 'group:sre'], manager: ['user:manager']}
";

const GREET: &str = "name: greet\ngroup: test\noptions: [{name: who, required: true, pattern: '[a-z]+'}, {name: code, type: integer, default: 0}]\nsteps:\n  - run: echo hello ${option.who}\n  - run: exit ${option.code}\n";

const SIGNED: &str = "name: signed\ngroup: test\napproval: {rule: two-eyes}\nsteps: [{run: echo signed and run}]\n";

/// An installation whose jobs run on its own machine.
fn installation() -> Install {
    let install = Install::new();
    install
        .write("project.yaml", "local_execution: true\napprovals:\n  two-eyes: {need: [{role: manager, count: 1}], reason: {request: optional}}\n");
    install.write("access.yaml", ACCESS);
    install.write("jobs/greet.yaml", GREET);
    install.write("jobs/signed.yaml", SIGNED);
    ends(&install.run(&["apply", ops(&install).to_str().unwrap()]), 0);
    for name in ["oncall", "manager"] {
        ends(&install.feed(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n")), 0);
    }
    install
}

fn ops(install: &Install) -> PathBuf {
    install.path().join("ops")
}

/// The one document of standard output.
#[track_caller]
fn document(output: &Output, code: i32) -> Value {
    let (out, err) = ends(output, code);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}\n{err}"))
}

fn json_of(install: &Install, arguments: &[&str], code: i32) -> Value {
    document(&install.run(&[&["--format", "json"], arguments].concat()), code)
}

#[test]
fn with_json_standard_output_is_one_document() {
    let install = installation();
    let feed = |arguments: &[&str], input: &str| {
        document(&install.feed(&[&["--format", "json"], arguments].concat(), input), 0)
    };
    let password = format!("{PASSWORD}\n");
    assert_eq!(feed(&["user", "add", "third", "--group", "sre", "--password-stdin"], &password)["done"], "added");
    assert_eq!(feed(&["user", "password", "third", "--password-stdin"], &password)["done"], "password_set");
    for (word, done) in [("deactivate", "deactivated"), ("activate", "activated")] {
        assert_eq!(json_of(&install, &["user", word, "third"], 0)["done"], done);
    }
    assert_eq!(json_of(&install, &["user", "list"], 0)["items"].as_array().unwrap().len(), 3);
    assert_eq!(feed(&["key", "put", "keys/ops/x", "--type", "secret"], "value")["version"], 1);
    assert_eq!(json_of(&install, &["key", "list"], 0)["items"][0]["path"], "keys/ops/x");
    assert_eq!(json_of(&install, &["key", "delete", "keys/ops/x"], 0)["done"], "deleted");
    let token = json_of(&install, &["token", "create", "--user", "oncall", "--scope", "view,run"], 0);
    assert!(token["token"].as_str().unwrap().starts_with("ilk_"));
    assert_eq!(json_of(&install, &["token", "revoke", token["id"].as_str().unwrap()], 0)["done"], "revoked");
    json_of(&install, &["token", "create", "--user", "oncall", "--scope", "veiw"], 2);

    // Output goes to standard error, the result alone to standard output.
    let ran = install.run(&["--format", "json", "run", "test/greet", "--", "-who", "world"]);
    assert!(String::from_utf8_lossy(&ran.stderr).contains("localhost | hello world"));
    let run = document(&ran, 0);
    assert_eq!((&run["number"], &run["state"]), (&json!(1), &json!("succeeded")));
    assert_eq!(json_of(&install, &["run", "test/greet", "--", "-who", "x", "-code", "3"], 1)["state"], "failed");
    let (log, _) = ends(&install.run(&["--format", "json", "log", "1"]), 0);
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(
        lines.iter().any(|l| l["stream"] == "stdout" && l["text"] == "hello world" && l["node"] == "localhost"),
        "{log}"
    );
    assert_eq!(json_of(&install, &["runs"], 0)["items"].as_array().unwrap().len(), 2);

    let refused = json_of(&install, &["run", "test/greet", "--", "-who", "BAD"], 3);
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["fields"][0]["field"]),
        (&json!("invalid_options"), &json!("who"))
    );
    assert_eq!(json_of(&install, &["run", "test/absent"], 2)["error"]["code"], "usage");
    assert_eq!(json_of(&install, &["log", "99"], 3)["error"]["code"], "not_found");

    assert_eq!(json_of(&install, &["run", "test/signed", "--no-follow"], 0)["state"], "pending_approval");
    let shown = json_of(&install, &["approve", "3", "--user", "manager"], 2);
    let digest = shown["digest"].as_str().unwrap();
    assert_eq!(shown["plan"]["job"]["path"], "test/signed");
    let approve = ["--format", "json", "approve", "3", "--user", "manager", "--digest", digest, "--password-stdin"];
    assert_eq!(document(&install.feed(&approve, "wrong password\n"), 3)["error"]["code"], "bad_credentials");
    assert_eq!(document(&install.feed(&approve, &password), 0)["state"], "approved");
    assert_eq!(json_of(&install, &["cancel", "3"], 0)["state"], "canceled");

    assert_eq!(json_of(&install, &["audit", "verify"], 0)["intact"], true);
    assert_eq!(json_of(&install, &["node", "list"], 0)["items"], json!([]));
    assert_eq!(json_of(&install, &["why", "oncall", "run", "job/test/greet"], 0)["allowed"], true);
    assert_eq!(json_of(&install, &["why", "manager", "run", "job/test/greet"], 1)["allowed"], false);
    // By the groups that the account has.
    assert_eq!(json_of(&install, &["why", "third", "run", "job/test/greet"], 0)["allowed"], true);
    let checks = json_of(&install, &["doctor"], 0);
    assert!(
        checks["checks"].as_array().unwrap().iter().any(|c| c["what"].as_str().unwrap().contains("record is intact"))
    );
    assert_eq!(json_of(&install, &["rule", "backtest", "x.yaml", "--since", "14d"], 2)["error"]["code"], "usage");
    let folder = tempfile::tempdir().unwrap();
    let rule = folder.path().join("rule.yaml");
    let text = "name: r\ntrigger: {type: a.b}\ncriteria: {trigger.x: {type: equals, pattern: 1}}\naction: nothing\n";
    std::fs::write(&rule, text).unwrap();
    let report = json_of(&install, &["rule", "backtest", rule.to_str().unwrap(), "--since", "14d"], 0);
    assert_eq!((&report["events"], &report["acts"], &report["items"]), (&json!(0), &json!(0), &json!([])));
    std::fs::write(&rule, "name: r\n").unwrap();
    json_of(&install, &["rule", "backtest", rule.to_str().unwrap(), "--since", "14d"], 2);
}

#[test]
fn a_rejected_run_ends_there() {
    let install = installation();
    ends(&install.run(&["run", "test/signed", "--no-follow"]), 0);
    let digest = json_of(&install, &["approve", "1", "--user", "manager"], 2)["digest"].as_str().unwrap().to_owned();
    let decide = |word: &str, who: &str, digest: &str| {
        let arguments = [word, "1", "--user", who, "--digest", digest, "--reason", "no", "--password-stdin"];
        install.feed(&arguments, &format!("{PASSWORD}\n"))
    };
    ends(&decide("reject", "oncall", &digest), 3);
    ends(&decide("reject", "manager", &"0".repeat(64)), 3);
    ends(&decide("reject", "manager", "x"), 2);
    let (out, _) = ends(&decide("reject", "manager", &digest), 0);
    assert!(out.contains("#1 is rejected"), "{out}");
    ends(&decide("approve", "manager", &digest), 3);
    assert_eq!(json_of(&install, &["runs", "--state", "rejected"], 0)["items"][0]["number"], 1);
}

#[test]
fn a_server_answers_with_the_same_codes_as_the_folder() {
    let install = installation();
    let server = Server::start(&install);
    let token = json_of(&install, &["token", "create", "--user", "oncall"], 0)["token"].as_str().unwrap().to_owned();
    let on_server = |arguments: &[&str], format: &str| {
        let mut command = install.command(&[&["--server", &server.address, "--format", format], arguments].concat());
        command.env("INTERLOCK_TOKEN", &token).output().unwrap()
    };
    for (arguments, code) in [
        (&["run", "test/greet", "--", "-who", "x"][..], 0),
        (&["run", "test/greet", "--project", "ops", "--", "-who", "x"], 0),
        (&["run", "test/greet", "--", "-who", "x", "-code", "4"], 1),
        (&["run", "test/absent"], 2),
        (&["run", "test/absent", "--project", "ops"], 2),
        (&["run", "test/greet", "--project", "nowhere", "--", "-who", "x"], 2),
        (&["run", "test/greet", "--project", "No Name"], 2),
        (&["run", "test/greet", "--", "stray"], 2),
        (&["run", "test/greet", "--", "-who", "x", "-who", "y"], 2),
        (&["run", "test/greet", "--", "-who", "BAD"], 3),
        (&["run", "test/greet", "--", "-nobody", "x"], 3),
        (&["runs", "--state", "sleeping"], 2),
        (&["runs", "--project", "No Name"], 2),
        (&["runs", "--job", "test/greet"], 0),
        (&["log", "1"], 0),
        (&["log", "99"], 3),
        (&["log", "x"], 2),
        (&["cancel", "1"], 3),
        (&["cancel", "x"], 2),
    ] {
        let here = install.run(arguments).status.code();
        let there = on_server(arguments, "text");
        let said = String::from_utf8_lossy(&there.stderr).into_owned();
        assert_eq!((here, there.status.code()), (Some(code), Some(code)), "{arguments:?}: {said}");
    }
    let ran = on_server(&["run", "test/greet", "--", "-who", "there"], "json");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("localhost | hello there"));
    assert_eq!(document(&ran, 0)["state"], "succeeded");
    assert_eq!(
        document(&on_server(&["run", "test/greet", "--", "-who", "BAD"], "json"), 3)["error"]["fields"][0]["field"],
        "who"
    );
    let (log, _) = ends(&on_server(&["log", "1"], "json"), 0);
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["offset"].is_u64()), "{log}");
    // What needs the data says so, and what can be done instead.
    for arguments in [&["apply", "ops"][..], &["export", "out"], &["audit", "verify"], &["doctor"], &["user", "list"]] {
        let (_, err) = ends(&on_server(arguments, "text"), 2);
        assert!(err.contains("data folder only") && err.contains("approve"), "{arguments:?}: {err}");
    }

    // A person signs over the API with a session of their own; the token shows the plan and signs nothing.
    let asked = document(&on_server(&["run", "test/signed", "--no-follow"], "json"), 0)["number"].to_string();
    let digest = document(&on_server(&["approve", &asked, "--user", "manager"], "json"), 2)["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let approve = ["approve", &asked, "--user", "manager", "--digest", &digest, "--password-stdin"];
    let sign =
        |input: &str| install.feed(&[&["--server", &server.address, "--format", "json"], &approve[..]].concat(), input);
    assert_eq!(document(&sign("wrong password\n"), 3)["error"]["code"], "bad_credentials");
    assert_eq!(document(&sign(&format!("{PASSWORD}\n")), 0)["state"], "approved");
    let ended = Client::new(&server.address).sign_in("manager", PASSWORD);
    let (followed, _) = ends(&on_server(&["log", &asked], "text"), 0);
    assert!(followed.is_empty() || followed.contains("signed and run"), "{followed}");
    assert!(ended.get(&format!("/api/v1/runs/{asked}")).expect(200).json()["approval"].is_string());
    assert_eq!(server.stop(), Some(0));
    assert_eq!(json_of(&install, &["runs", "--state", "succeeded"], 0)["items"][0]["number"].to_string(), asked);
}

/// Every file below a folder, by its path in it.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut all = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                all.push((path.strip_prefix(folder).unwrap().to_owned(), text));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_folder_is_synced_and_comes_out_as_it_went_in() {
    let install = installation();
    let folder = ops(&install);
    let folder = folder.to_str().unwrap();
    let counts = |arguments: &[&str]| {
        let plan = json_of(&install, arguments, 0);
        let changes = plan["projects"][0]["changes"].as_array().unwrap().clone();
        ["create", "update", "delete", "unchanged"].map(|word| changes.iter().filter(|c| c["action"] == word).count())
    };
    assert_eq!(counts(&["apply", folder]), [0, 0, 0, 4]);
    let out = install.path().join("out");
    let exported = json_of(&install, &["export", out.to_str().unwrap()], 0);
    assert_eq!(exported["projects"][0]["files"].as_array().unwrap().len(), 4);
    // The example's jobs lie elsewhere than their names say, which export mends; applied again nothing changes.
    assert_eq!(counts(&["apply", out.join("ops").to_str().unwrap(), "--plan"]), [0, 0, 0, 4]);
    let again = install.path().join("again");
    ends(&install.run(&["export", again.to_str().unwrap()]), 0);
    assert_eq!(files(&out), files(&again));

    install.write("jobs/greet.yaml", &GREET.replace("hello", "good day"));
    install.write("jobs/new.yaml", "name: new\nsteps: [{run: 'true'}]\n");
    std::fs::remove_file(ops(&install).join("jobs/signed.yaml")).unwrap();
    assert_eq!(counts(&["apply", folder, "--plan"]), [1, 1, 1, 2]);
    assert_eq!(counts(&["apply", folder, "--plan"]), [1, 1, 1, 2], "a plan changes nothing");
    assert_eq!(counts(&["apply", folder]), [1, 1, 1, 2]);
    assert_eq!(counts(&["apply", folder]), [0, 0, 0, 4]);
    ends(&install.run(&["run", "test/signed"]), 2);
    ends(&install.run(&["export", out.to_str().unwrap(), "--project", "nowhere"]), 2);
}

#[test]
fn rules_are_tried_out_without_a_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let rule = file(
        "rule.yaml",
        "name: disk\npack: ops\ntrigger: {type: prometheus.alert}\ncriteria:\n  trigger.labels.env: {type: equals, pattern: staging}\n  trigger.free: {type: lessthan, pattern: 5}\naction: {ref: ops.rotate}\n",
    );
    let data = folder.path().join("data");
    let test = |rule: &str, event: &str| {
        Command::new(env!("CARGO_BIN_EXE_interlock"))
            .arg("--data")
            .arg(&data)
            .args(["rule", "test", rule, event])
            .output()
            .unwrap()
    };
    let matched = document(&test(&rule, &file("yes.json", r#"{"labels": {"env": "staging"}, "free": 1}"#)), 0);
    assert_eq!(matched["matched"], true);
    let criteria = matched["criteria"].as_array().unwrap();
    assert_eq!(criteria.len(), 2);
    for one in criteria {
        let keys: Vec<&String> = one.as_object().unwrap().keys().collect();
        for key in ["path", "operator", "value", "pattern", "matched", "reason"] {
            assert!(keys.iter().any(|k| *k == key), "{key} is missing: {one}");
        }
    }
    let env = criteria.iter().find(|c| c["path"] == "trigger.labels.env").unwrap();
    assert_eq!((&env["operator"], &env["value"], &env["matched"]), (&json!("equals"), &json!("staging"), &json!(true)));
    let not = document(&test(&rule, &file("no.json", r#"{"labels": {"env": "production"}}"#)), 1);
    assert_eq!(not["matched"], false);
    assert!(not["criteria"].as_array().unwrap().iter().all(|c| c["matched"] == false));
    let bad = file(
        "bad.yaml",
        "name: disk\ntrigger: {type: x}\ncriteria: {trigger.a: {type: equalz, pattern: 1}}\naction: {ref: a.b}\n",
    );
    let yes = folder.path().join("yes.json").display().to_string();
    ends(&test(&bad, &yes), 2);
    ends(&test(&rule, &file("broken.json", "{")), 2);
    ends(&test(&rule, "nowhere.json"), 2);
    assert!(!data.exists());
}

#[test]
fn rundecks_files_become_interlocks() {
    let install = Install::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rundeck");
    let (yaml, xml) = (root.join("restart.yaml"), root.join("restart.xml"));
    let (yaml, xml) = (yaml.to_str().unwrap(), xml.to_str().unwrap());
    let (printed, _) = ends(&install.run(&["import", yaml]), 0);
    let (from_xml, _) = ends(&install.run(&["import", xml]), 0);
    assert!(printed.contains("name: ") && from_xml.contains("name: "), "{printed}{from_xml}");
    // What comes out is read as our own, without a mistake.
    let to = install.path().join("imported");
    let imported = json_of(&install, &["import", yaml, "--to", to.to_str().unwrap()], 0);
    let file = imported["jobs"][0]["file"].as_str().unwrap();
    assert!(to.join(file).is_file(), "{file}");
    ends(&install.run(&["import", yaml, "--to", to.to_str().unwrap()]), 0);
    std::fs::write(to.join(file), "name: mine\n").unwrap();
    ends(&install.run(&["import", yaml, "--to", to.to_str().unwrap()]), 2);
    assert_eq!(std::fs::read_to_string(to.join(file)).unwrap(), "name: mine\n");
    let broken = install.path().join("broken.yaml");
    std::fs::write(&broken, "- name: a\n  sequence: {commands: [{jobref: {name: other}}]}\n").unwrap();
    ends(&install.run(&["import", broken.to_str().unwrap()]), 1);
    ends(&install.run(&["import", "nowhere.yaml"]), 2);
    assert!(!install.path().join("data").exists());
}

#[test]
fn the_first_start_brings_the_folder_jobs_in() {
    let install = Install::new();
    let start = |directory: &Path| {
        let mut command = install.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.current_dir(directory);
        Server::spawn(command).stop()
    };
    // A folder with a mistake keeps nobody from starting.
    let broken = install.path().join("broken");
    std::fs::create_dir_all(broken.join("jobs/bad/jobs")).unwrap();
    std::fs::write(broken.join("jobs/bad/jobs/a.yaml"), "name: a\nstepz: []\n").unwrap();
    assert_eq!(start(&broken), Some(0));
    assert_eq!(json_of(&install, &["runs"], 0)["items"], json!([]));
    assert_eq!(start(install.path()), Some(0), "no folder, nothing to bring in");
    assert_eq!(start(Path::new(env!("CARGO_MANIFEST_DIR"))), Some(0));
    let out = install.path().join("out");
    let exported = json_of(&install, &["export", out.to_str().unwrap()], 0);
    assert_eq!(exported["projects"][0]["project"], "ops");
    // Once there is a project, nothing more is brought in by itself.
    let other = install.path().join("other");
    std::fs::create_dir_all(other.join("jobs/second/jobs")).unwrap();
    std::fs::write(other.join("jobs/second/jobs/a.yaml"), "name: a\nnodes: {filter: '.*'}\nsteps: [{run: 'true'}]\n")
        .unwrap();
    assert_eq!(start(&other), Some(0));
    assert_eq!(json_of(&install, &["export", out.to_str().unwrap()], 0)["projects"].as_array().unwrap().len(), 1);
}
