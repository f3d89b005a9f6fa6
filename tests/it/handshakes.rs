//! What is agreed on with a node when a connection is made, as its sshd tells it.

use interlock::exec::StepOutcome;
use interlock::exec::enrol::HostKey;
use interlock::exec::ssh::{KeyExchange, SshExecutor};

use crate::nodes::{refusal, request, run};
use crate::sshd::{Sshd, host_key};

#[tokio::test]
async fn the_quick_key_exchange_is_a_wish_and_without_it_ssh_has_its_own() {
    let by = |kex: KeyExchange, only: &'static str| async move {
        let sshd = Sshd::start_with("127.0.0.1", None, &format!("LogLevel DEBUG1\nKexAlgorithms {only}\n"));
        let directory = tempfile::tempdir().unwrap();
        let executor = SshExecutor::new(directory.path(), kex).unwrap();
        let ended = run(&executor, &sshd.target("ilk-sh"), &request("exit 3")).await;
        executor.close().await;
        assert_eq!(ended.outcome, StepOutcome::Exited(3));
        let agreed = sshd.logged("kex: algorithm: ");
        agreed.split_once("algorithm: ").unwrap().1.split(' ').next().unwrap().to_owned()
    };
    let both = "sntrup761x25519-sha512@openssh.com,curve25519-sha256,ecdh-sha2-nistp256";
    assert_eq!(by(KeyExchange::Quick, both).await, "ecdh-sha2-nistp256");
    assert_eq!(by(KeyExchange::OpenSsh, both).await, "sntrup761x25519-sha512@openssh.com");
    assert_eq!(by(KeyExchange::Quick, "curve25519-sha256").await, "curve25519-sha256");
    let old = "diffie-hellman-group14-sha256";
    assert_eq!(by(KeyExchange::Quick, old).await, old);
}

#[tokio::test]
async fn the_host_key_that_is_quickest_to_check_is_asked_for_where_it_is_trusted() {
    let keys = tempfile::tempdir().unwrap();
    let (line, own) = host_key(keys.path(), "ecdsa", "own");
    let (_, of_another) = host_key(keys.path(), "ecdsa", "other");
    let by = async |kex: KeyExchange, trusted: &dyn Fn(&Sshd) -> Vec<HostKey>| {
        let sshd = Sshd::start_with("127.0.0.1", None, &format!("LogLevel DEBUG1\n{line}"));
        let directory = tempfile::tempdir().unwrap();
        let executor = SshExecutor::new(directory.path(), kex).unwrap();
        let mut target = sshd.target("ilk-sh");
        let lines: Vec<String> =
            trusted(&sshd).iter().map(|key| key.known_hosts_line(&target.host, target.port)).collect();
        target.known_hosts = lines.join("\n");
        let ended = run(&executor, &target, &request("exit 3")).await;
        executor.close().await;
        let agreed = sshd.logged("kex: host key algorithm: ");
        let agreed = agreed.split_once("algorithm: ").unwrap().1.split(' ').next().unwrap().to_owned();
        (agreed, ended)
    };
    let both = |sshd: &Sshd| vec![sshd.host_key.clone(), own.clone()];
    let only_own = |_: &Sshd| vec![own.clone()];
    let only_ed25519 = |sshd: &Sshd| vec![sshd.host_key.clone()];
    for (kex, trusted, kind) in [
        (KeyExchange::Quick, &both as &dyn Fn(&Sshd) -> Vec<HostKey>, "ecdsa-sha2-nistp256"),
        (KeyExchange::OpenSsh, &both, "ssh-ed25519"),
        (KeyExchange::Quick, &only_ed25519, "ssh-ed25519"),
        (KeyExchange::OpenSsh, &only_own, "ecdsa-sha2-nistp256"),
    ] {
        let (agreed, ended) = by(kex, trusted).await;
        assert_eq!((agreed.as_str(), ended.outcome), (kind, StepOutcome::Exited(3)));
    }
    // Another key of that kind than the node shows is a wrong key, whatever else it could show.
    let (_, ended) = by(KeyExchange::Quick, &|sshd| vec![sshd.host_key.clone(), of_another.clone()]).await;
    assert_eq!(refusal(&ended).0, "host_key_changed");
}
