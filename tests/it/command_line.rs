//! The main job by the command line, on a real node: the program itself, its exit codes, and a server on the same folder.

use serde_json::Value;

use crate::client::Client;
use crate::harness::PASSWORD;
use crate::program::{Install, Server, ends};
use crate::sshd::Sshd;

fn definitions(install: &Install, node: &Sshd) {
    install.write(
        "project.yaml",
        "approvals:\n  two-eyes: {need: [{role: manager, count: 1}], reason: {request: required}}\n",
    );
    install.write(
        "nodes.yaml",
        &format!(
            "web1: {{hostname: '{}:{}', username: ilk-tcsh, tags: web, environment: staging, ssh-key-storage-path: keys/ops/id}}\n",
            node.host, node.port
        ),
    );
    install.write(
        "access.yaml",
        "roles:\n  manager: [{allow: [view, approve], on: 'job/**'}]\nmembers: {manager: ['user:manager']}\n",
    );
    install.write(
        "jobs/greet.yaml",
        "name: greet\ngroup: test\noptions:\n  - {name: who, required: true, pattern: '[a-z ]+'}\n  - {name: code, type: integer, default: 0}\nnodes: {filter: 'tags: web'}\nsteps:\n  - run: echo hello ${option.who}\n  - run: exit ${option.code}\n",
    );
    install.write(
        "jobs/signed.yaml",
        "name: signed\ngroup: test\nnodes: {filter: 'tags: web'}\napproval: {rule: two-eyes}\nsteps:\n  - run: echo signed and run\n",
    );
}

fn ready(node: &Sshd) -> Install {
    let install = Install::new();
    definitions(&install, node);
    let folder = install.path().join("ops");
    let folder = folder.to_str().unwrap();
    ends(&install.run(&["check", folder]), 0);
    let (plan, _) = ends(&install.run(&["apply", folder, "--plan"]), 0);
    assert!(plan.contains("create job test/greet"), "{plan}");
    ends(&install.run(&["apply", folder]), 0);
    for name in ["oncall", "manager"] {
        ends(&install.feed(&["user", "add", name, "--password-stdin"], &format!("{PASSWORD}\n")), 0);
    }
    ends(&install.feed(&["key", "put", "keys/ops/id", "--type", "private-key"], node.user_key.expose()), 0);
    let (shown, _) = ends(&install.run(&["node", "enrol", "web1", "--yes"]), 0);
    assert!(shown.contains(&node.host_key.fingerprint), "{shown}");
    install
}

#[test]
fn definitions_in_a_job_run_and_codes_out() {
    let node = Sshd::start_at("127.0.0.2", None);
    let install = ready(&node);
    let (out, _) = ends(&install.run(&["run", "test/greet", "--", "-who", "big world"]), 0);
    assert!(out.contains("web1 | hello big world"), "{out}");
    let (out, _) = ends(&install.run(&["run", "test/greet", "--", "-who", "x", "-code", "3"]), 1);
    assert!(out.contains("web1 | hello x"), "{out}");
    // 2: it cannot be understood.
    ends(&install.run(&["run", "test/greet", "--", "stray"]), 2);
    ends(&install.run(&["run", "test/absent", "--", "-who", "x"]), 2);
    ends(&install.run(&["run", "--no-such-flag"]), 2);
    // 3: it is refused.
    let (_, err) = ends(&install.run(&["run", "test/greet", "--", "-who", "BAD; rm"]), 3);
    assert!(err.contains("who"), "{err}");
    let (_, err) = ends(&install.run(&["run", "test/signed"]), 3);
    assert!(err.contains("reason"), "{err}");
    let (json, _) =
        ends(&install.run(&["--format", "json", "run", "test/signed", "--reason", "why not", "--no-follow"]), 0);
    let asked: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(asked["state"], "pending_approval");
    ends(&install.run(&["audit", "verify"]), 0);
    // A mistake is told with its place.
    install.write("jobs/greet.yaml", "name: greet\ngroup: test\nsteps:\n  - rum: echo\n");
    let (out, err) = ends(&install.run(&["check", install.path().join("ops").to_str().unwrap()]), 1);
    assert!(format!("{out}{err}").contains("greet.yaml:4:5"), "{out}{err}");
}

#[test]
fn a_changed_host_key_stops_everything() {
    let node = Sshd::start_at("127.0.0.2", None);
    let install = ready(&node);
    let port = node.port;
    drop(node);
    let _impostor = Sshd::start_at("127.0.0.2", Some(port));
    let (out, err) = ends(&install.run(&["run", "test/greet", "--", "-who", "x"]), 1);
    assert!(!out.contains("hello") && err.to_lowercase().contains("host key"), "{out}{err}");
}

#[test]
fn commands_and_a_server_share_the_folder() {
    let node = Sshd::start_at("127.0.0.2", None);
    let install = ready(&node);
    let server = Server::start(&install);
    let (out, _) = ends(&install.run(&["run", "test/greet", "--", "-who", "both"]), 0);
    assert_eq!(out.matches("hello both").count(), 1, "{out}");

    // The command waits while a person signs on the server.
    let waiting = install.command(&["run", "test/signed", "--reason", "please"]).spawn().unwrap();
    let manager = Client::new(&server.address).sign_in("manager", PASSWORD);
    let request = loop {
        let list = manager.get("/api/v1/approvals?state=pending").expect(200).json();
        if let Some(one) = list["items"].as_array().unwrap().first() {
            break one.clone();
        }
        std::thread::yield_now();
    };
    let decision = format!("/api/v1/approvals/{}/decision", request["id"].as_str().unwrap());
    let yes = serde_json::json!({"decision": "approve", "digest": request["digest"], "reason": "go"});
    manager.post(&decision, &yes).expect(200);
    let (out, _) = ends(&waiting.wait_with_output().unwrap(), 0);
    assert_eq!(out.matches("signed and run").count(), 1, "{out}");
    ends(&install.run(&["audit", "verify"]), 0);
    assert_eq!(server.stop(), Some(0));
}
