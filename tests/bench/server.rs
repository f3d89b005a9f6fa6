//! The real binary on a data folder of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::load::{Request, cpu_of};

const BINARY: &str = env!("CARGO_BIN_EXE_interlock");
const SECRET: &str = "a secret for measuring, 32 bytes";
/// A payload of about the size that senders post.
pub(crate) const BODY: &str = include_str!("delivery.json");

pub(crate) struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) first_answer: Duration,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("bench");
        for (path, text) in [
            ("project.yaml", "description: figures\n"),
            (
                "access.yaml",
                "roles: {r: [{allow: [view, run], on: '**'}]}\nmembers: {r: ['service:load', 'user:load']}\n",
            ),
            ("nodes.yaml", crate::ssh::NODES),
            ("jobs/noop.yaml", "name: noop\nnodes: {filter: 'name: node1'}\nsteps: [{name: noop, run: 'true'}]\n"),
            (
                "webhooks/load.yaml",
                "webhook:\n  name: load\n  eventPlugin: webhook-run-job\n  config: {jobId: noop, argString: ''}\n  \
                 verify: {kind: hmac, header: X-Signature, secrets: [keys/bench/load]}\n  run_as: load\n  \
                 when: {data.severity: {type: equals, pattern: never}}\n",
            ),
        ] {
            let path = project.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let data = folder.path().join("data");
        command(&data, &["apply", project.to_str().unwrap()], "");
        command(&data, &["key", "put", "keys/bench/load", "--type", "secret"], SECRET);
        let began = Instant::now();
        let mut child = Command::new(BINARY)
            .args(["--data", data.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"])
            .env("INTERLOCK_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap().unwrap();
            if let Some(url) = line.strip_prefix("Interlock listens on http://") {
                break url.parse().unwrap();
            }
        };
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(crate::http::Connection::open(address).send(request), 200);
        Self { child, folder, address, first_answer: began.elapsed() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// The processor time that it has used, to a hundredth of a second.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(&self.child.id().to_string())
    }

    pub(crate) fn binary_mib(&self) -> f64 {
        std::fs::metadata(BINARY).unwrap().len() as f64 / 1024.0 / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command on the data folder; what it printed.
pub(crate) fn command(data: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(BINARY)
        .args(["--data", data.to_str().unwrap()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A delivery as bytes on the wire, with its id left open.
pub(crate) fn delivery(good: bool) -> Request {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(BODY.as_bytes());
    let mut signature: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    if !good {
        signature = signature.chars().rev().collect();
    }
    let before = format!(
        "POST /hooks/load HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Signature: {signature}\r\n\
         Content-Length: {}\r\nX-Delivery-Id: ",
        BODY.len()
    );
    Request::new(&before, &format!("\r\n\r\n{BODY}"))
}
