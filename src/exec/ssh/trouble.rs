//! What ssh says when it cannot connect, as a code and a sentence that tells what to do.

use crate::exec::Target;

/// Reads the logs of a failed connection: the target's, and that of the jump hosts on the way, which comes first where
/// it has anything.
pub(super) fn explain(target: &Target, log: &str, jump_log: &str) -> (&'static str, String) {
    let at_jump = !jump_log.trim().is_empty();
    let log = if at_jump { jump_log } else { log };
    let node = &target.node;
    let (who, address) = if at_jump {
        let jumps: Vec<String> = target.jumps.iter().map(|j| format!("{}:{}", j.host, j.port)).collect();
        (format!("a jump host on the way to {node}"), jumps.join(", "))
    } else {
        (node.to_string(), format!("{}:{}", target.host, target.port))
    };
    let enrol = if at_jump {
        "enrol the jump host as a node of its own: `interlock node enrol NAME`".to_owned()
    } else {
        format!("run `interlock node enrol {node}`")
    };
    let has = |needle: &str| log.contains(needle);
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") {
        return (
            "host_key_changed",
            format!(
                "THE HOST KEY OF {who} HAS CHANGED. Somebody may be answering in the name of {address}, or the machine \
                 was set up anew; nothing was sent to it. Compare the new key on the machine itself, then {enrol}"
            ),
        );
    }
    if has("host key is known for") || has("Host key verification failed") {
        return (
            "host_key_unknown",
            format!(
                "the host key of {who} ({address}) is not known yet, so nothing was sent to it; compare its fingerprint \
                 with the machine's own and {enrol}"
            ),
        );
    }
    if has("Permission denied (") || has("Too many authentication failures") {
        let user = target.user.as_ref().map_or_else(|| "the default account".to_owned(), |u| format!("account `{u}`"));
        return (
            "permission_denied",
            format!(
                "{who} ({address}) refused {user} with the key `{}`; put the key's public half into that account's \
                 authorized_keys there, or name another key or account for the node",
                target.key_id
            ),
        );
    }
    if has("Could not resolve hostname") {
        return (
            "unknown_host",
            format!("the host name of {who} is not known to the resolver: {}; check the node's `hostname`", tail(log)),
        );
    }
    let down = ["refused", "timed out", "No route to host", "unreachable", "Connection reset", "Connection closed"];
    if down.iter().any(|d| has(d)) {
        return (
            "node_down",
            format!("{who} cannot be reached at {address}: {}; is it up, and is sshd running?", tail(log)),
        );
    }
    ("connect_failed", format!("no connection to {who} at {address}: {}", tail(log)))
}

fn tail(log: &str) -> String {
    let line = log.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or("ssh gave no reason");
    line.chars().filter(|c| !c.is_control()).take(200).collect::<String>().trim_end_matches('.').to_owned()
}
