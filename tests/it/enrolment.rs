//! Which host keys a node shows, on the way to it as well, before anybody trusts them.

use interlock::domain::node::Jump;
use interlock::exec::Target;
use interlock::exec::enrol;
use serde_json::{Value, json};

use crate::program::{Install, ends};
use crate::sshd::{Sshd, host_key, other_key};

#[tokio::test]
async fn the_keys_of_a_node_behind_another_come_through_it_and_it_is_checked_strictly() {
    let (bastion, inner) = (Sshd::start(), Sshd::start_at("127.0.0.3", None));
    let mut target = inner.target("ilk-sh");
    // What the node itself trusts plays no part: nobody signs in there.
    target.known_hosts = String::new();
    target.key = Some(bastion.user_key.clone());
    target.key_id = "keys/test/jump".to_owned();
    target.jumps = vec![Jump { user: None, host: bastion.host.clone(), port: bastion.port }];
    let first = enrol::scan(&target).await.unwrap_err();
    assert!(matches!(first, enrol::EnrolError::JumpNotTrusted { .. }) && first.to_string().contains("enrol it first"));

    target.known_hosts = bastion.host_key.known_hosts_line(&bastion.host, bastion.port);
    assert_eq!(enrol::scan(&target).await.unwrap(), std::slice::from_ref(&inner.host_key));

    // A jump host that shows another key than the trusted one is not gone through.
    let mut other = target.clone();
    other.known_hosts = inner.host_key.known_hosts_line(&bastion.host, bastion.port);
    let changed = enrol::scan(&other).await.unwrap_err().to_string();
    assert!(changed.contains("no host key came"), "{changed}");
    let keyless = Target { key: None, ..target.clone() };
    assert_eq!(enrol::scan(&keyless).await.unwrap_err(), enrol::EnrolError::NoKey);
    let stranger = Target { key: Some(other_key()), ..target.clone() };
    assert!(enrol::scan(&stranger).await.unwrap_err().to_string().contains("denied"));
}

#[tokio::test]
async fn a_node_shows_a_key_of_each_kind_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let (ecdsa_line, ecdsa) = host_key(folder.path(), "ecdsa", "ecdsa");
    let (rsa_line, rsa) = host_key(folder.path(), "rsa", "rsa");
    let sshd = Sshd::start_with("127.0.0.1", None, &format!("{rsa_line}{ecdsa_line}"));
    let target = sshd.target("ilk-sh");
    let keys = enrol::scan(&target).await.unwrap();
    assert_eq!(keys, [ecdsa, sshd.host_key.clone(), rsa]);
    // Whoever is asked for is an account that is there, or some nodes would ban us.
    let kinds = sshd.logged("by authenticating user");
    assert!(kinds.contains(" ilk-sh "), "{kinds}");
}

#[tokio::test]
async fn a_node_that_is_down_shows_nothing() {
    let sshd = Sshd::start();
    let target = sshd.target("ilk-sh");
    assert_eq!(enrol::scan(&target).await.unwrap(), std::slice::from_ref(&sshd.host_key));
    drop(sshd);
    let nothing = enrol::scan(&target).await.unwrap_err().to_string();
    assert!(nothing.contains("Connection refused; is the node up"), "{nothing}");
}

/// Each in its turn, as one behind another needs that one's key to be trusted first; one that is down keeps none up.
#[test]
fn many_nodes_are_enrolled_in_their_order() {
    let (near, inner) = (Sshd::start(), Sshd::start_at("127.0.0.3", None));
    let install = Install::new();
    let node = |name: &str, sshd: &Sshd, port: u16, more: &str| {
        let (host, key) = (&sshd.host, "ssh-key-storage-path: keys/ops/id");
        format!("{name}: {{hostname: '{host}:{port}', username: ilk-sh, {key}{more}}}\n")
    };
    let through = format!(", ssh-jump: '{}:{}'", near.host, near.port);
    let nodes = [
        node("near", &near, near.port, ""),
        node("down", &near, 1, ""),
        node("inner", &inner, inner.port, &through),
        node("again", &near, near.port, ""),
    ];
    install.write("nodes.yaml", &nodes.concat());
    install.write("project.yaml", "description: nodes\n");
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    ends(&install.feed(&["key", "put", "keys/ops/id", "--type", "private-key"], near.user_key.expose()), 0);
    let enrol = ["--format", "json", "node", "enrol", "near", "down", "inner", "again", "--yes"];
    let (out, _) = ends(&install.run(&enrol), 1);
    let said: Value = serde_json::from_str(&out).unwrap();
    let told = |n: usize| (said["items"][n]["node"].as_str().unwrap(), &said["items"][n]["trusted"]);
    let (of_near, of_inner) = (json!([near.host_key.fingerprint]), json!([inner.host_key.fingerprint]));
    assert_eq!([told(0), told(1)], [("near", &of_near), ("down", &json!([]))], "{said}");
    assert_eq!([told(2), told(3)], [("inner", &of_inner), ("again", &of_near)], "{said}");
    assert!(said["items"][1]["error"].as_str().unwrap().contains("Connection refused"), "{said}");
}

#[test]
fn nodes_are_enrolled_by_a_filter_and_the_server_itself_needs_no_key() {
    let sshd = Sshd::start();
    let install = Install::new();
    let at = format!("hostname: '{}:{}'", sshd.host, sshd.port);
    let nodes = format!(
        "a: {{{at}, tags: web}}\nb: {{{at}, tags: db}}\nc: {{{at}, tags: web}}\nown: {{hostname: x, node-executor: local, tags: web}}\n"
    );
    install.write("nodes.yaml", &nodes);
    install.write("project.yaml", "description: nodes\n");
    ends(&install.run(&["apply", install.path().join("ops").to_str().unwrap()]), 0);
    let enrol = |more: &[&str]| install.run(&[&["node", "enrol"], more].concat());
    let (out, _) = ends(&enrol(&["--filter", "tags: web", "--yes"]), 0);
    let trusted: Vec<&str> = out.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(matches!(trusted.as_slice(), [a, c] if a.starts_with("a (") && c.starts_with("c (")), "{out}");
    let (_, none) = ends(&enrol(&["--filter", "tags: mail", "--yes"]), 2);
    assert!(none.contains("no node over SSH matches"), "{none}");
    let (_, own) = ends(&enrol(&["own", "--yes"]), 1);
    assert!(own.contains("own machine"), "{own}");
    ends(&enrol(&["--yes"]), 2);
    ends(&enrol(&["a", "--filter", ".*", "--yes"]), 2);
}
