//! What ssh says when it cannot connect, as a code and a sentence that tells what to do.

use crate::exec::Target;

/// Reads the log of a failed connection.
pub(super) fn explain(target: &Target, log: &str) -> (&'static str, String) {
    let node = &target.node;
    let address = format!("{}:{}", target.host, target.port);
    let through = match target.jumps.as_slice() {
        [] => String::new(),
        jumps => {
            let names: Vec<String> = jumps.iter().map(|j| j.host.to_string()).collect();
            format!(" (by way of {})", names.join(", "))
        }
    };
    let has = |needle: &str| log.contains(needle);
    if has("REMOTE HOST IDENTIFICATION HAS CHANGED") || has("host key for") && has("has changed") {
        return (
            "host_key_changed",
            format!(
                "THE HOST KEY OF {node} HAS CHANGED. Somebody may be answering in the name of {address}, or the machine \
                 was set up anew; nothing was sent to it. Compare the new key on the machine itself, then run \
                 `interlock node enrol {node}`"
            ),
        );
    }
    if has("host key is known for") || has("Host key verification failed") {
        return (
            "host_key_unknown",
            format!(
                "the host key of {node} ({address}){through} is not known yet, so nothing was sent to it; compare its \
                 fingerprint with the machine's own and run `interlock node enrol {node}`"
            ),
        );
    }
    if has("Permission denied (") || has("Too many authentication failures") {
        let user = target.user.as_ref().map_or_else(|| "the default account".to_owned(), |u| format!("account `{u}`"));
        return (
            "permission_denied",
            format!(
                "{node}{through} refused {user} with the key `{}`; put the key's public half into that account's \
                 authorized_keys on {}, or name another key or account for the node",
                target.key_id, target.host
            ),
        );
    }
    if has("Could not resolve hostname") {
        return (
            "unknown_host",
            format!("the host name of {node}{through} is not known to the resolver: {}; check `hostname`", tail(log)),
        );
    }
    let down =
        ["Connection refused", "timed out", "No route to host", "unreachable", "Connection reset", "Connection closed"];
    if down.iter().any(|d| has(d)) {
        return (
            "node_down",
            format!("{node} cannot be reached at {address}{through}: {}; is it up, and is sshd running?", tail(log)),
        );
    }
    ("connect_failed", format!("no connection to {node} at {address}{through}: {}", tail(log)))
}

fn tail(log: &str) -> String {
    let line = log.lines().map(str::trim).rfind(|l| !l.is_empty()).unwrap_or("ssh gave no reason");
    line.chars().filter(|c| !c.is_control()).take(200).collect::<String>().trim_end_matches('.').to_owned()
}
