//! How many files this process may have open, and how many nodes that is enough for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::app::catalogue::Catalogue;
use crate::domain::job::Dispatch;

/// Open files that a step under way on a node takes at most: three streams and a connection to the master, the same again
/// to stop it, with both ends of the streams while that begins, and the handle of the master's process, which stays.
const A_STEP: u64 = 12;
/// What the server itself takes: database, logs, people's connections.
const OWN: u64 = 256;
/// What to do about it; each of these sets both limits.
pub(super) const RAISE: &str =
    "raise it: `LimitNOFILE=65536` in the systemd unit, or `ulimit -n 65536` as root before the server is started";

/// How many files may be open; `u64::MAX` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenFiles {
    /// Now.
    pub(super) now: u64,
    /// As far as a process may raise it by itself, which `serve` does.
    pub(super) most: u64,
}

impl OpenFiles {
    pub(super) fn read() -> Self {
        let limit = getrlimit(Resource::Nofile);
        Self { now: limit.current.unwrap_or(u64::MAX), most: limit.maximum.unwrap_or(u64::MAX) }
    }

    /// Raises the limit of this process, and of those that it starts from now on, as far as it may.
    pub(super) fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        // Where it is refused the old limit stays, and what is read then says so.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
        Self::read()
    }

    /// On how many nodes steps can be under way at once.
    pub(super) fn nodes(self) -> u64 {
        self.most.saturating_sub(OWN) / A_STEP
    }
}

/// A limit for people.
pub(super) fn word(limit: u64) -> String {
    if limit == u64::MAX { "any number of".to_owned() } else { limit.to_string() }
}

/// On how many nodes the job that reaches the most of them runs at once.
pub(super) fn widest(catalogue: &Catalogue) -> u64 {
    let jobs = catalogue.projects.values().flat_map(|project| {
        let nodes = u64::try_from(project.nodes.len()).unwrap_or(u64::MAX);
        project.jobs.values().map(move |stored| match &stored.job.dispatch {
            Dispatch::Nodes(dispatch) => nodes.min(u64::from(dispatch.concurrency)),
            Dispatch::Local => 1,
        })
    });
    jobs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_says_how_many_nodes_it_is_enough_for() {
        let nodes = |most| OpenFiles { now: 1_024, most }.nodes();
        assert_eq!(nodes(100), 0);
        assert_eq!(nodes(1_024), 64);
        assert!(nodes(65_536) > 5_000);
        assert!(nodes(u64::MAX) > 1_000_000);
    }

    #[test]
    fn what_is_raised_stays_within_what_is_allowed() {
        let before = OpenFiles::read();
        let after = OpenFiles::raise();
        assert_eq!((after.now, after.most), (before.most, before.most));
    }
}
