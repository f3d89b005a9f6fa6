//! A warm run of `true` on one node through the whole product, beside `ssh` over a warm ControlMaster.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::server::{Server, command};

/// One node on a private sshd, a job for it, and a webhook.
pub(crate) fn definitions() -> Vec<(&'static str, String)> {
    let node = "node1: {hostname: '127.0.0.1:22422', username: root, ssh-key-storage-path: keys/bench/id}\n";
    let job = "name: noop\nnodes: {filter: 'name: node1'}\nsteps: [{name: noop, run: 'true'}]\n";
    let hook = "webhook:\n  name: load\n  eventPlugin: webhook-run-job\n  config: {jobId: noop, argString: ''}\n  \
                verify: {kind: hmac, header: X-Signature, secrets: [keys/bench/load]}\n  run_as: load\n  \
                when: {data.severity: {type: equals, pattern: never}}\n";
    [("nodes.yaml", node), ("jobs/noop.yaml", job), ("webhooks/load.yaml", hook)]
        .map(|(path, text)| (path, text.to_owned()))
        .to_vec()
}

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
    let api = Api::open(server, &folder.join("id"));
    command(&server.data(), &["node", "enrol", "node1", "--yes"], "");
    let mut times: Vec<Duration> = (0..=ROUNDS).map(|_| api.run("noop")).collect();
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
