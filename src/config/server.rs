//! The name of this process among the servers of one database.

use std::fs;

/// The host's name, the kernel that runs and the space its process ids count in, the process id, and when the process
/// started, as the kernel counts.
#[must_use]
pub fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let id = std::process::id();
    format!("{host}/{}/{id}/{}", place(), started(&id.to_string()).unwrap_or_default())
}

/// The machine's own id, which stays as long as it does, and its name. One without an id is known by its name.
#[must_use]
pub fn machine() -> (String, String) {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let id: String = id.chars().filter(char::is_ascii_hexdigit).take(32).collect();
    (if id.is_empty() { host.clone() } else { id }, host)
}

/// Whether the server of this name ran on this kernel and is no more. What cannot be told is not gone.
#[must_use]
pub fn is_gone(name: &str) -> bool {
    let mut parts = name.rsplitn(4, '/');
    let (Some(start), Some(id), Some(on)) = (parts.next(), parts.next(), parts.next()) else { return false };
    !start.is_empty() && on == place() && started("self").is_some() && started(id).as_deref() != Some(start)
}

/// Two machines can have one name, and two containers the same process ids; not so these.
fn place() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot: String = boot.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    let ids = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let ids: String = ids.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("{boot}-{ids}")
}

/// The start time of a living process: the 22nd field of its line in `/proc`.
fn started(id: &str) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, fields) = line.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    let start = fields.nth(18)?.to_owned();
    (state != "Z").then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_gone_when_its_process_is() {
        assert!(!is_gone(&name()));
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let start = started(&child.id().to_string()).unwrap();
        let other = format!("host/{}/{}/{start}", place(), child.id());
        assert!(!is_gone(&other));
        assert!(is_gone(&format!("host/{}/{}/1{start}", place(), child.id())));
        child.kill().unwrap();
        // A zombie does no work.
        while !is_gone(&other) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(is_gone(&other));
        assert!(!is_gone(&format!("host/elsewhere/{}/{start}", child.id())));
        assert!(!is_gone("nonsense"));
    }
}
