//! The program as a server on real nodes, in a process of its own: it can be killed, stopped and started again.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::client::Client;
use crate::program::{Install, Server, ends};
use crate::sshd::Sshd;

/// A data folder with a project on nodes of one sshd, and somebody who may run everything.
pub(crate) struct Installation {
    pub(crate) install: Install,
    token: String,
}

impl Installation {
    /// With these jobs, as file name and text; nodes `n0`, `n1`, … are accounts on the sshd.
    pub(crate) fn new(install: Install, sshd: &Sshd, accounts: &[&str], jobs: &[(&str, &str)]) -> Self {
        let this = Self { install, token: String::new() };
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
        this.install.write("nodes.yaml", &nodes);
        this.install.write("project.yaml", "description: nodes that die\n");
        let access = "roles: {r: [{allow: [view, run, cancel], on: '**'}]}\nmembers: {r: ['user:oncall']}\n";
        this.install.write("access.yaml", access);
        for (name, text) in jobs {
            this.install.write(&format!("jobs/{name}.yaml"), text);
        }
        let project = this.install.path().join("ops");
        this.done(&["apply", project.to_str().unwrap()], "");
        this.done(&["key", "put", "keys/ops/id", "--type", "private-key"], sshd.user_key.expose());
        this.done(&["node", "enrol", "n0", "--yes"], "");
        this.done(&["user", "add", "oncall", "--password-stdin"], "correct horse battery\n");
        let token = this.done(&["token", "create", "--user", "oncall"], "").trim().to_owned();
        Self { token, ..this }
    }

    /// Runs a command that has to end well; what it printed.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str], input: &str) -> String {
        ends(&self.install.feed(arguments, input), 0).0
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(&self.install)
    }

    /// Somebody who may run everything.
    pub(crate) fn oncall(&self, server: &Server) -> Client {
        Client::new(&server.address).with("authorization", &format!("Bearer {}", self.token))
    }
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
        let answer = client.get(&format!("/api/v1/runs/{run}"));
        // The database may be away for a while.
        let seen = if answer.status == 503 { Value::Null } else { answer.expect(200).json() };
        if states.iter().any(|s| seen["state"] == *s) {
            return seen;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(150), "{seen}");
    }
}

/// The states that a run ends in once it has begun.
pub(crate) const OVER: [&str; 5] = ["succeeded", "failed", "timed_out", "canceled", "unknown"];

/// The output of a run on a node: the lines of a stream, each as it was ended.
pub(crate) fn output(client: &Client, run: i64, node: &str, stream: &str) -> String {
    log(client, run, node, stream).0
}

/// As [`output`], with where the log of all nodes ends.
pub(crate) fn log(client: &Client, run: i64, node: &str, stream: &str) -> (String, u64) {
    let mut text = String::new();
    let mut offset = 0;
    loop {
        let path = format!("/api/v1/runs/{run}/log?node={node}&offset={offset}&limit=5000");
        let page = client.get(&path).expect(200).json();
        let items = page["items"].as_array().unwrap();
        for entry in items.iter().filter(|e| e["stream"] == stream) {
            text.push_str(entry["text"].as_str().unwrap());
            text.push('\n');
        }
        match page["next"].as_u64() {
            Some(next) if next != offset => offset = next,
            _ => return (text, offset),
        }
    }
}

/// Counts how often a step was started, where the nodes can write.
pub(crate) struct Counters(tempfile::TempDir);

impl Counters {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ilk-count").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        Self(folder)
    }

    /// A job that counts its starts, writes on both streams, pauses ten times for so many milliseconds, and ends.
    pub(crate) fn job(&self, pause: u32) -> String {
        format!(
            "name: count\nnodes: {{filter: '.*', concurrency: 2}}\nsteps:\n  - name: count\n    script: |\n      \
             echo start >> {}/$RUN_NUMBER.$(id -un)\n      i=0; while [ $i -lt 200 ]; do echo line $i of $RUN_NUMBER; \
             [ $((i % 20)) -ne 7 ] || {{ echo warn $i >&2; sleep {}; }}; i=$((i+1)); done\n",
            self.0.path().display(),
            f64::from(pause) / 1_000.0
        )
    }

    /// Holds that the run's step was started once on each node, that the log is what the nodes wrote, and that it is
    /// known how long it is.
    #[track_caller]
    pub(crate) fn check(&self, client: &Client, run: i64, accounts: &[&str], what: &str) {
        let out: String = (0..200).map(|i| format!("line {i} of {run}\n")).collect();
        let err: String = (0..200).filter(|i| i % 20 == 7).map(|i| format!("warn {i}\n")).collect();
        for (i, account) in accounts.iter().enumerate() {
            let count = std::fs::read_to_string(self.0.path().join(format!("{run}.{account}"))).unwrap();
            assert_eq!(count, "start\n", "{what}: one start on {account}");
            let node = format!("n{i}");
            let (stdout, end) = log(client, run, &node, "stdout");
            assert_eq!(stdout, out, "{what}: {node}");
            assert_eq!(output(client, run, &node, "stderr"), err, "{what}: {node}");
            let noted = client.get(&format!("/api/v1/runs/{run}")).expect(200).json();
            assert_eq!(noted["log_bytes"], end, "{what}: {noted}");
        }
    }
}

/// 3, or as many as the long rounds want.
pub(crate) fn rounds(long: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "tests/run says by it how long the rounds are")]
    let full = std::env::var("INTERLOCK_FULL").is_ok_and(|v| !v.is_empty());
    if full { long } else { 3 }
}

/// A test of each moment at which a server dies, so that their rounds share the processors.
macro_rules! a_test_of_each_moment {
    ($test:path, $all:path; $($name:ident: $moment:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            $test(Moment::$moment);
        })*

        #[test]
        fn no_moment_is_left_out() {
            assert_eq!($all.as_slice(), [$(Moment::$moment),*]);
        }
    };
}
pub(crate) use a_test_of_each_moment;
