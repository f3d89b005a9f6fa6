//! What one node and one host on the way are asked for at once, whatever the width of a job.

use futures_util::future::join_all;
use interlock::domain::node::Jump;
use interlock::exec::StepOutcome;
use interlock::exec::ssh::{KeyExchange, SshExecutor};

use crate::nodes::{request, run};
use crate::sshd::Sshd;

/// As many sessions as sshd allows on a connection by default would leave none to stop a step with.
#[tokio::test]
async fn a_node_has_eight_sessions_at_most() {
    let sshd = Sshd::start();
    let control = tempfile::tempdir().unwrap();
    let executor = SshExecutor::new(control.path(), KeyExchange::Quick).unwrap();
    let target = sshd.target("ilk-dash");
    // Each step marks that it runs, and says how many do.
    let marks = sshd.directory().join("marks");
    std::fs::create_dir(&marks).unwrap();
    std::fs::set_permissions(&marks, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let body = format!("cd {}; mkdir $$; ls | wc -l; sleep 0.2; rmdir $$", marks.display());
    let steps: Vec<_> = (0..24).map(|_| request(&body)).collect();
    let ended = join_all(steps.iter().map(|step| run(&executor, &target, step))).await;
    let mut most = 0;
    for one in ended {
        assert_eq!(one.outcome, StepOutcome::Exited(0), "{}", String::from_utf8_lossy(&one.err));
        most = most.max(String::from_utf8(one.out).unwrap().trim().parse::<usize>().unwrap());
    }
    assert!((2..=8).contains(&most), "{most} at once");
    executor.close().await;
}

/// A bastion that takes ten strangers at once drops the others, so no more than eight knock at the same time.
#[tokio::test]
async fn a_host_on_the_way_is_not_knocked_at_too_often() {
    let bastion = Sshd::start_with("127.0.0.4", None, "MaxStartups 10\n");
    let inner = Sshd::start_at("127.0.0.5", None);
    // The bastion lets the same key in.
    std::fs::copy(inner.directory().join("user.pub"), bastion.directory().join("authorized_keys")).unwrap();
    let control = tempfile::tempdir().unwrap();
    let executor = SshExecutor::new(control.path(), KeyExchange::Quick).unwrap();
    let targets: Vec<_> = (0..24)
        .map(|n| {
            let mut target = inner.target("ilk-dash");
            // Another name of a key is another connection.
            target.key_id = format!("keys/test/{n}");
            target.jumps = vec![Jump { user: None, host: bastion.host.clone(), port: bastion.port }];
            let lines = bastion.host_key.known_hosts_line(&bastion.host, bastion.port);
            target.known_hosts = format!("{}\n{lines}", target.known_hosts);
            target
        })
        .collect();
    let step = request("exit 7");
    let steps: Vec<_> = targets
        .iter()
        .map(|_| interlock::exec::StepRequest { ticket: crate::nodes::ticket(), ..step.clone() })
        .collect();
    let ended = join_all(targets.iter().zip(&steps).map(|(target, step)| run(&executor, target, step))).await;
    for one in ended {
        assert_eq!(one.outcome, StepOutcome::Exited(7));
    }
    executor.close().await;
}
