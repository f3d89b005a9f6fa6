//! What the client's end of many connections takes, though the nodes are on the same machine here and elsewhere are not.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A control group with this process and everything that it starts. Left again when dropped.
pub(crate) struct ClientEnd {
    own: PathBuf,
    before: PathBuf,
}

const PROCESSES: &str = "cgroup.procs";

impl ClientEnd {
    /// None where control groups cannot be made, as in most containers.
    pub(crate) fn enter() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
        let root = mounts.lines().find_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words.get(2) == Some(&"cgroup2")).then(|| PathBuf::from(words[1]))
        })?;
        let here = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let here = here.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let before = root.join(here);
        let own = before.join(format!("ilk-bench-{}", std::process::id()));
        std::fs::create_dir(&own).ok()?;
        let end = Self { own, before };
        put(&end.own, std::process::id()).ok()?;
        end.used().map(|_| end)
    }

    /// A process that is no part of the client, with everything that it will start.
    pub(crate) fn leave_out(&self, process: u32) {
        put(&self.before, process).unwrap();
    }

    /// The processor time that this end has used so far.
    pub(crate) fn used(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(self.own.join("cpu.stat")).ok()?;
        let microseconds = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        Some(Duration::from_micros(microseconds.parse().ok()?))
    }
}

fn put(group: &Path, process: u32) -> std::io::Result<()> {
    std::fs::write(group.join(PROCESSES), process.to_string())
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        // Connections that were left open may still be there.
        let there = std::fs::read_to_string(self.own.join(PROCESSES)).unwrap_or_default();
        for process in there.lines().filter_map(|line| line.parse().ok()) {
            let _ = put(&self.before, process);
        }
        let _ = std::fs::remove_dir(&self.own);
    }
}
