//! The program itself as a server in a process of its own, on real nodes: it can be killed, stopped and started again.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};

use crate::client::Client;
use crate::sshd::Sshd;

/// A data folder with a project on nodes of one sshd.
pub(crate) struct Installation {
    folder: tempfile::TempDir,
    database: Option<String>,
    token: String,
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Installation {
    /// With these jobs, as file name and text; nodes `n0`, `n1`, … are accounts on the sshd.
    pub(crate) fn new(sshd: &Sshd, accounts: &[&str], jobs: &[(&str, &str)]) -> Self {
        Self::on(None, sshd, accounts, jobs)
    }

    /// On a PostgreSQL database.
    pub(crate) fn on(database: Option<&str>, sshd: &Sshd, accounts: &[&str], jobs: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("ilk").tempdir_in("/tmp").unwrap();
        let mut this = Self { folder, database: database.map(str::to_owned), token: String::new() };
        let nodes: String = accounts
            .iter()
            .enumerate()
            .map(|(i, account)| {
                format!(
                    "n{i}: {{hostname: '{}:{}', username: {account}, ssh-key-storage-path: keys/ops/id}}\n",
                    sshd.host, sshd.port
                )
            })
            .collect();
        this.write("nodes.yaml", &nodes);
        this.write("project.yaml", "description: nodes that die\n");
        this.write(
            "access.yaml",
            "roles: {r: [{allow: [view, run, cancel], on: '**'}]}\nmembers: {r: ['user:oncall']}\n",
        );
        for (name, text) in jobs {
            this.write(&format!("jobs/{name}.yaml"), text);
        }
        let project = this.path().join("ops");
        this.done(&["apply", project.to_str().unwrap()], "");
        this.done(&["key", "put", "keys/ops/id", "--type", "private-key"], sshd.user_key.expose());
        this.done(&["node", "enrol", "n0", "--yes"], "");
        this.done(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n");
        this.token = this.done(&["token", "create", "--user", "oncall"], "").trim().to_owned();
        this
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join("ops").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_interlock"));
        command.arg("--data").arg(self.path().join("data"));
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command.args(arguments).env_remove("INTERLOCK_TOKEN");
        command
    }

    /// Runs a command that has to end well; what it printed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[], &[])
    }

    /// Starts a server with more arguments and variables, and waits until it listens.
    pub(crate) fn serve_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments).envs(variables.iter().copied()).env("INTERLOCK_LOG", "warn");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the server listens").unwrap();
            if let Some(address) = line.strip_prefix("Interlock listens on ") {
                break address.to_owned();
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        Server { child, address }
    }

    /// Somebody who may run everything.
    pub(crate) fn oncall(&self, server: &Server) -> Client {
        Client::new(&server.address).with("authorization", &format!("Bearer {}", self.token))
    }
}

impl Server {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.id(), name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name to a process.
pub(crate) fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap().success());
}

/// Asks for a run; its number.
pub(crate) fn ask(client: &Client, job: &str) -> i64 {
    let answer = client.post(&format!("/api/v1/projects/ops/jobs/{job}/runs"), &json!({})).expect(201);
    answer.json()["number"].as_i64().unwrap()
}

/// Asks again and again until the run is in one of these states.
#[track_caller]
pub(crate) fn until(client: &Client, run: i64, states: &[&str]) -> Value {
    let began = std::time::Instant::now();
    loop {
        let seen = client.get(&format!("/api/v1/runs/{run}")).expect(200).json();
        if states.iter().any(|s| seen["state"] == *s) {
            return seen;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(120), "{seen}");
    }
}

pub(crate) const OVER: [&str; 5] = ["succeeded", "failed", "timed_out", "canceled", "unknown"];

/// The output of a run on a node: the lines of a stream, each as it was ended.
pub(crate) fn output(client: &Client, run: i64, node: &str, stream: &str) -> String {
    let mut text = String::new();
    let mut offset = 0;
    loop {
        let page =
            client.get(&format!("/api/v1/runs/{run}/log?node={node}&offset={offset}&limit=5000")).expect(200).json();
        let items = page["items"].as_array().unwrap();
        for entry in items.iter().filter(|e| e["stream"] == stream) {
            text.push_str(entry["text"].as_str().unwrap());
            text.push('\n');
        }
        match page["next"].as_u64() {
            Some(next) if next != offset => offset = next,
            _ => return text,
        }
    }
}

/// 3, or as many as the long rounds want.
pub(crate) fn rounds(long: usize) -> usize {
    if std::env::var("INTERLOCK_FULL").is_ok_and(|v| !v.is_empty()) { long } else { 3 }
}
