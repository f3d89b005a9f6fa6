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
    process: Process,
    folder: tempfile::TempDir,
    /// In memory, as systemd makes it for a service.
    runtime: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) first_answer: Duration,
}

/// Told to stop when it is dropped, so that it ends its connections to nodes.
struct Process(Child);

impl Server {
    /// A server whose one project has these definitions.
    pub(crate) fn start(definitions: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("bench");
        let own = [
            ("project.yaml", "description: figures\n"),
            (
                "access.yaml",
                "roles: {r: [{allow: [view, run], on: '**'}]}\nmembers: {r: ['service:load', 'user:load']}\n",
            ),
        ];
        let given = definitions.iter().map(|(path, text)| (*path, text.as_str()));
        for (path, text) in own.into_iter().chain(given) {
            let path = project.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let data = folder.path().join("data");
        command(&data, &["apply", project.to_str().unwrap()], "");
        command(&data, &["key", "put", "keys/bench/load", "--type", "secret"], SECRET);
        let runtime = tempfile::tempdir_in("/dev/shm").unwrap();
        let (process, address, first_answer) = serve(&data, runtime.path());
        Self { process, folder, runtime, address, first_answer }
    }

    /// Stops it and starts it again on the same data: nothing is warm then.
    pub(crate) fn restart(&mut self) {
        self.process.stop();
        (self.process, self.address, self.first_answer) = serve(&self.data(), self.runtime.path());
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where its connections to nodes have their sockets.
    pub(crate) fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn resident_mib(&self) -> f64 {
        self.status_mib("VmRSS:")
    }

    /// The most that was resident since the last [`Server::forget_peak`].
    pub(crate) fn peak_mib(&self) -> f64 {
        self.status_mib("VmHWM:")
    }

    pub(crate) fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5").unwrap();
    }

    /// The processor time that its own threads have used so far, to a hundredth of a second.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(&self.id().to_string())
    }

    fn status_mib(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    pub(crate) fn binary_mib(&self) -> f64 {
        std::fs::metadata(BINARY).unwrap().len() as f64 / 1024.0 / 1024.0
    }
}

impl Process {
    fn stop(&mut self) {
        let id = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let until = Instant::now() + Duration::from_secs(10);
        while matches!(self.0.try_wait(), Ok(None)) && Instant::now() < until {
            crate::pause(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(data: &Path, runtime: &Path) -> (Process, SocketAddr, Duration) {
    let began = Instant::now();
    let mut child = Command::new(BINARY)
        .args(["--data", data.to_str().unwrap(), "serve", "--listen", "127.0.0.1:0"])
        .env("INTERLOCK_LOG", "warn")
        .env("RUNTIME_DIRECTORY", runtime)
        .stdout(Stdio::piped())
        // It says that it stops, each time.
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process(child);
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        if let Some(url) = line.strip_prefix("Interlock listens on http://") {
            break url.parse().unwrap();
        }
    };
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_eq!(crate::http::Connection::open(address).send(request), 200);
    (process, address, began.elapsed())
}

/// Runs a command on the data folder; what it printed.
pub(crate) fn command(data: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(BINARY)
        .args(["--data", data.to_str().unwrap()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
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
