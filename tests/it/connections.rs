//! The `ssh` processes that keep connections: when they end, and that none is left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use interlock::exec::StepOutcome;
use interlock::exec::ssh::{KeyExchange, SshExecutor};
use rustix::process::{Pid, Signal, getpgid, kill_process};

use crate::nodes::{request, run};
use crate::program::Install;
use crate::proxy::{Mood, Proxy};
use crate::servers::{Installation, OVER, ask, output, until};
use crate::sshd::Sshd;

/// Those that work from a configuration in this folder.
fn masters(folder: &Path) -> Vec<Pid> {
    let folder = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.starts_with("ssh\0") && line.contains(folder) {
            found.extend(entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw));
        }
    }
    found
}

/// Waits until there are so many.
async fn are(count: usize, folder: &Path) -> Vec<Pid> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let found = masters(folder);
        if found.len() == count {
            return found;
        }
        assert!(Instant::now() < until, "{found:?}");
        tokio::task::yield_now().await;
    }
}

const ONE: &str = "name: one\nnodes: {filter: 'name: n0'}\nsteps: [{name: one, run: 'exit 0'}]\n";

#[test]
fn a_server_that_is_stopped_leaves_none() {
    let sshd = Sshd::start();
    let here = Installation::new(Install::new(), &sshd, &["ilk-sh"], &[("one", ONE)]);
    let server = here.serve();
    let client = here.oncall(&server);
    assert_eq!(until(&client, ask(&client, "one"), &OVER)["state"], "succeeded");
    assert_eq!(masters(here.install.path()).len(), 1);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(masters(here.install.path()), []);
}

#[tokio::test]
async fn a_server_that_is_killed_leaves_none_and_its_steps_go_on() {
    let sshd = Sshd::start();
    let go = sshd.directory().join("go");
    let job = format!(
        "name: long\nnodes: {{filter: 'name: n0'}}\nsteps:\n  - name: one\n    script: |\n      echo begun\n      \
         until [ -e {} ]; do sleep 0.1; done\n      echo over\n",
        go.display()
    );
    let here = Installation::new(Install::new(), &sshd, &["ilk-sh"], &[("long", &job)]);
    let mut server = here.serve();
    let client = here.oncall(&server);
    let long = ask(&client, "long");
    while output(&client, long, "n0", "stdout") != "begun\n" {
        assert_eq!(until(&client, long, &["queued", "running"])["number"], long);
    }
    are(1, here.install.path()).await;
    server.kill();
    are(0, here.install.path()).await;
    std::fs::write(go, "").unwrap();
    let server = here.serve();
    let client = here.oncall(&server);
    assert_eq!(until(&client, long, &OVER)["state"], "succeeded");
    assert_eq!(output(&client, long, "n0", "stdout"), "begun\nover\n");
}

#[tokio::test]
async fn a_server_that_is_killed_while_it_connects_leaves_none() {
    let mut sshd = Sshd::start();
    let proxy = Proxy::before("127.0.0.1", sshd.port);
    sshd.port = proxy.port;
    let here = Installation::new(Install::new(), &sshd, &["ilk-sh"], &[("one", ONE)]);
    let mut server = here.serve();
    proxy.set(Mood::Swallows);
    ask(&here.oncall(&server), "one");
    are(1, here.install.path()).await;
    server.kill();
    are(0, here.install.path()).await;
}

#[tokio::test]
async fn one_that_nobody_uses_ends_after_two_minutes() {
    let sshd = Sshd::start();
    let control = tempfile::tempdir().unwrap();
    let executor = SshExecutor::new(control.path(), KeyExchange::Quick).unwrap();
    let target = sshd.target("ilk-dash");
    assert_eq!(run(&executor, &target, &request("exit 3")).await.outcome, StepOutcome::Exited(3));
    let first = masters(control.path());
    assert_eq!(first.len(), 1);
    let pass = async |seconds: u32| {
        tokio::time::pause();
        for _ in 0..seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        tokio::time::resume();
    };
    pass(90).await;
    assert_eq!(run(&executor, &target, &request("exit 4")).await.outcome, StepOutcome::Exited(4));
    assert_eq!(masters(control.path()), first);
    // Longer where a shell is kept ready meanwhile.
    pass(119).await;
    let until = Instant::now() + Duration::from_secs(20);
    while masters(control.path()) == first {
        assert!(Instant::now() < until, "it is still there");
        pass(1).await;
    }
    assert_eq!(masters(control.path()), []);
    assert_eq!(run(&executor, &target, &request("exit 5")).await.outcome, StepOutcome::Exited(5));
    executor.close().await;
    assert_eq!(masters(control.path()), []);
}

#[tokio::test]
async fn one_that_was_killed_is_replaced_and_so_is_what_would_have_ended_it() {
    let sshd = Sshd::start();
    let control = tempfile::tempdir().unwrap();
    let executor = SshExecutor::new(control.path(), KeyExchange::Quick).unwrap();
    let target = sshd.target("ilk-dash");
    assert_eq!(run(&executor, &target, &request("exit 3")).await.outcome, StepOutcome::Exited(3));
    let master = masters(control.path())[0];
    let keeper = getpgid(Some(master)).unwrap();
    assert!(keeper != master && keeper != rustix::process::getpgrp());
    for process in [keeper, master] {
        kill_process(process, Signal::KILL).unwrap();
    }
    are(0, control.path()).await;
    assert_eq!(run(&executor, &target, &request("exit 4")).await.outcome, StepOutcome::Exited(4));
    let master = masters(control.path())[0];
    assert_ne!(getpgid(Some(master)).unwrap(), keeper);
    // Whoever does not close it has it closed.
    drop(executor);
    are(0, control.path()).await;
}
