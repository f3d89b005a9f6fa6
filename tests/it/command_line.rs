//! The main job by the command line, on a real node: the program itself, its exit codes, and a server on the same folder.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

use crate::client::Client;
use crate::harness::PASSWORD;
use crate::sshd::Sshd;

/// A data folder, and a folder of definitions beside it.
pub(crate) struct Install {
    folder: tempfile::TempDir,
}

impl Install {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        command.arg("--data").arg(self.path().join("data")).args(arguments);
        command.env_remove("INTERLOCK_TOKEN").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path().join("ops").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn definitions(&self, node: &Sshd) {
        self.write(
            "project.yaml",
            "approvals:\n  two-eyes: {need: [{role: manager, count: 1}], reason: {request: required}}\n",
        );
        self.write(
            "nodes.yaml",
            &format!(
                "web1: {{hostname: '{}:{}', username: ilk-tcsh, tags: web, environment: staging, ssh-key-storage-path: keys/ops/id}}\n",
                node.host, node.port
            ),
        );
        self.write(
            "access.yaml",
            "roles:\n  manager: [{allow: [view, approve], on: 'job/**'}]\nmembers: {manager: ['user:manager']}\n",
        );
        self.write(
            "jobs/greet.yaml",
            "name: greet\ngroup: test\noptions:\n  - {name: who, required: true, pattern: '[a-z ]+'}\n  - {name: code, type: integer, default: 0}\nnodes: {filter: 'tags: web'}\nsteps:\n  - run: echo hello ${option.who}\n  - run: exit ${option.code}\n",
        );
        self.write(
            "jobs/signed.yaml",
            "name: signed\ngroup: test\nnodes: {filter: 'tags: web'}\napproval: {rule: two-eyes}\nsteps:\n  - run: echo signed and run\n",
        );
    }
}

#[track_caller]
pub(crate) fn ends(output: &Output, code: i32) -> (String, String) {
    let out = String::from_utf8(output.stdout.clone()).unwrap();
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

fn ready(node: &Sshd) -> Install {
    let install = Install::new();
    install.definitions(node);
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

/// A server, stopped when dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: String,
    said: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(install: &Install) -> Self {
        Self::spawn(install.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut process = command.stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, address: String::new(), said };
        let mut all = String::new();
        while server.address.is_empty() {
            let mut line = String::new();
            assert!(server.said.read_line(&mut line).unwrap() > 0, "the server ended: {all}");
            if let Some(address) = line.trim().strip_prefix("Interlock listens on ") {
                address.clone_into(&mut server.address);
                return server;
            }
            all.push_str(&line);
        }
        server
    }

    /// Asks the server to stop and takes its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        while self.said.read_line(&mut rest).unwrap() > 0 {}
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
