//! A warm run of `true` on one node through the whole product, beside `ssh` over a warm ControlMaster.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::server::{Server, command};

/// One node on a private sshd.
pub(crate) const NODES: &str =
    "node1: {hostname: '127.0.0.1:22422', username: root, ssh-key-storage-path: keys/bench/id}\n";
const PORT: &str = "22422";
const ROUNDS: usize = 40;

struct Sshd(Child);

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn warm_run(server: &Server) {
    let folder = server.folder().join("sshd");
    let Some(_sshd) = start(&folder) else {
        println!("no sshd could be started here; the warm run is left out");
        return;
    };
    let key = std::fs::read_to_string(folder.join("id")).unwrap();
    command(&server.data(), &["key", "put", "keys/bench/id", "--type", "private-key"], &key);
    command(&server.data(), &["node", "enrol", "node1", "--yes"], "");
    command(&server.data(), &["user", "add", "load", "--password-stdin"], "measuring only\n");
    let token = command(&server.data(), &["token", "create", "--user", "load"], "");
    let mut connection = Connection::open(server.address);
    let mut times: Vec<Duration> = (0..=ROUNDS).map(|_| one_run(&mut connection, token.trim())).collect();
    // The first one connects.
    println!("first run of `true` on a cold node{:>38.1} ms", times.remove(0).as_secs_f64() * 1e3);
    report("warm run of `true`, request to `succeeded`", &mut times);
    bare(&folder);
}

fn report(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!("{what:<62} p50 {:>7.1} ms   p99 {:>7.1} ms", at(0.5), at(0.99));
}

fn one_run(connection: &mut Connection, token: &str) -> Duration {
    let began = Instant::now();
    let ask = |path: &str, body: Option<&str>| {
        let (method, body) = body.map_or(("GET", ""), |b| ("POST", b));
        format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (status, body) = connection.exchange(ask("/api/v1/projects/bench/jobs/noop/runs", Some("{}")).as_bytes());
    assert_eq!(status, 201, "{body}");
    let run: serde_json::Value = serde_json::from_str(&body).unwrap();
    let path = format!("/api/v1/runs/{}", run["number"]);
    loop {
        let (_, body) = connection.exchange(ask(&path, None).as_bytes());
        let run: serde_json::Value = serde_json::from_str(&body).unwrap();
        match run["state"].as_str().unwrap() {
            "succeeded" => return began.elapsed(),
            "queued" | "running" => {}
            other => panic!("the run is {other}: {}", run["end_reason"]),
        }
    }
}

/// `ssh` as people have it: one process a command over a master that is there already.
fn bare(folder: &Path) {
    let ssh = |extra: &[&str]| {
        let mut command = Command::new("ssh");
        command
            .args(["-F", "none", "-p", PORT, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-i", folder.join("id").to_str().unwrap()])
            .args(["-o", "ControlMaster=auto", "-o", "ControlPersist=20", "-o"])
            .arg(format!("ControlPath={}", folder.join("cm").display()))
            .args(extra);
        assert!(command.stdin(Stdio::null()).status().unwrap().success());
    };
    ssh(&["root@127.0.0.1", "true"]);
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            ssh(&["root@127.0.0.1", "true"]);
            began.elapsed()
        })
        .collect();
    report("bare `ssh node true` over a warm ControlMaster", &mut times);
    ssh(&["-O", "exit", "root@127.0.0.1"]);
}

fn start(folder: &Path) -> Option<Sshd> {
    std::fs::create_dir_all(folder).ok()?;
    std::fs::create_dir_all("/run/sshd").ok()?;
    for key in ["host", "id"] {
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(folder.join(key)).status();
        made.ok().filter(std::process::ExitStatus::success)?;
    }
    let config = format!(
        "Port {PORT}\nListenAddress 127.0.0.1\nHostKey {0}/host\nAuthorizedKeysFile {0}/id.pub\nUsePAM no\nStrictModes no\n\
         PidFile none\nPermitRootLogin prohibit-password\n",
        folder.display()
    );
    std::fs::write(folder.join("config"), config).ok()?;
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(folder.join("config"))
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let sshd = Sshd(child);
    let until = Instant::now() + Duration::from_secs(5);
    while std::net::TcpStream::connect(("127.0.0.1", PORT.parse().ok()?)).is_err() {
        if Instant::now() > until {
            return None;
        }
        std::thread::yield_now();
    }
    Some(sshd)
}
