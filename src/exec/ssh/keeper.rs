//! Ends all masters of this process when it is gone, however it ended: also when it was killed.
//!
//! They are in the process group of a small shell, which waits until our end of its standard input is closed. That reaches
//! those too that are still connecting, and needs no directory that may be gone by then.

use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use tokio::process::{Child, Command};

/// It stays when all processes of a service are told to end: the server says when.
const KEEPER: &str = "trap '' TERM; read -r end; kill -TERM 0";

/// The shell, once there is a master to end.
#[derive(Debug, Default)]
pub(super) struct Keeper(Mutex<Option<Child>>);

impl Keeper {
    /// The process group for a new master. It is none of a terminal's, so that Ctrl-C there ends no connection before the
    /// nodes were told what they have to be told.
    ///
    /// # Errors
    /// When the shell cannot be started.
    pub(super) fn group(&self) -> std::io::Result<i32> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A group lasts no longer than its processes, so one whose shell was killed takes no new masters.
        if let Some(keeper) = kept.as_mut()
            && keeper.try_wait()?.is_none()
            && let Some(group) = keeper.id()
        {
            return number(group);
        }
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let group = keeper.id();
        *kept = Some(keeper);
        number(group.unwrap_or_default())
    }

    /// Ends whatever is left.
    pub(super) fn end(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

fn number(id: u32) -> std::io::Result<i32> {
    i32::try_from(id).ok().filter(|id| *id > 0).ok_or_else(|| std::io::Error::other("the keeper ended at once"))
}
