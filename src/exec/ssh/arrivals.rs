//! Says when a file of a certain name appears in a directory: a master's socket is there once its node has let us in.

use std::collections::HashMap;
use std::ffi::CStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::inotify;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Notify;

use super::attendant::Attendant;

/// How often it is looked where the system tells of what appears: it may have had too much to tell.
const TOLD: Duration = Duration::from_secs(1);
/// How often where it does not: it watches so many directories and no more.
const UNTOLD: Duration = Duration::from_millis(10);

/// What appears in a directory.
#[derive(Debug)]
pub(super) struct Arrivals {
    directory: PathBuf,
    expected: Arc<Expected>,
    reader: Attendant,
}

/// Who waits for which name.
#[derive(Debug, Default)]
struct Expected(Mutex<HashMap<String, Arc<Notify>>>);

impl Expected {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for this name, or everybody when it is not known what there was to hear.
    fn heard(&self, name: Option<&str>) {
        let expected = self.lock();
        match name {
            Some(name) => expected.get(name).into_iter().for_each(|waits| waits.notify_one()),
            None => expected.values().for_each(|waits| waits.notify_one()),
        }
    }
}

impl Arrivals {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, expected: Arc::default(), reader: Attendant::default() }
    }

    /// Listens for a file of this name, from now on until what this returns is dropped.
    pub(super) fn expect(&self, name: String) -> Arrival<'_> {
        let heard = Arc::new(Notify::new());
        self.expected.lock().insert(name.clone(), Arc::clone(&heard));
        let told = self.reader.call(|| {
            let watch = watch(&self.directory)?;
            Ok(read(watch, Arc::clone(&self.expected)))
        });
        let look = if told.is_ok() { TOLD } else { UNTOLD };
        Arrival { path: self.directory.join(&name), name, of: &self.expected, heard, look }
    }
}

/// A file that is to appear.
pub(super) struct Arrival<'a> {
    pub(super) path: PathBuf,
    name: String,
    of: &'a Expected,
    heard: Arc<Notify>,
    look: Duration,
}

impl Arrival<'_> {
    /// Waits until it is there.
    pub(super) async fn wait(&self) {
        while !self.path.exists() {
            let _ = tokio::time::timeout(self.look, self.heard.notified()).await;
        }
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.of.lock().remove(&self.name);
    }
}

/// A stream of what appears there.
fn watch(directory: &Path) -> std::io::Result<Receiver> {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC)?;
    inotify::add_watch(&watch, directory, inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO)?;
    // It is read like a pipe, and said to be ready like one.
    Receiver::from_owned_fd_unchecked(watch)
}

/// Hands on what the system tells, as long as it does.
async fn read(watch: Receiver, expected: Arc<Expected>) {
    let mut space = [0; 4_096];
    while watch.readable().await.is_ok() {
        match watch.try_read(&mut space) {
            Ok(0) => return,
            Ok(count) => hear(space.get(..count).unwrap_or_default(), &expected),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => return,
        }
    }
}

/// Each event has a head of 16 bytes that ends with the length of what follows: a name and zeros, or nothing.
fn hear(mut events: &[u8], expected: &Expected) {
    while let Some(([.., a, b, c, d], rest)) = events.split_first_chunk::<16>() {
        let length = usize::try_from(u32::from_ne_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX);
        let Some((name, rest)) = rest.split_at_checked(length) else { return };
        expected.heard(CStr::from_bytes_until_nul(name).ok().and_then(|name| name.to_str().ok()));
        events = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ssh makes its socket: under another name, and then linked.
    fn appear(directory: &Path, name: &str) {
        let other = directory.join(format!("{name}.new"));
        std::fs::write(&other, "").unwrap();
        std::fs::hard_link(&other, directory.join(name)).unwrap();
        std::fs::remove_file(other).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_heard_when_it_appears_and_also_when_it_was_there_before_anybody_waited() {
        let folder = tempfile::tempdir().unwrap();
        let arrivals = Arrivals::new(folder.path().to_owned());
        let (early, late) = (arrivals.expect("early".to_owned()), arrivals.expect("late".to_owned()));
        appear(folder.path(), "early");
        early.wait().await;
        let ((), ()) = tokio::join!(late.wait(), async {
            appear(folder.path(), "other");
            tokio::task::yield_now().await;
            appear(folder.path(), "late");
        });
        drop((early, late));
        assert!(arrivals.expected.lock().is_empty());
    }

    #[tokio::test]
    async fn what_the_system_tells_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let arrivals = Arrivals::new(folder.path().to_owned());
        let one = arrivals.expect("one".to_owned());
        appear(folder.path(), "one");
        one.heard.notified().await;
        // Whoever does not know what there was to hear has everybody look.
        arrivals.expected.heard(None);
        one.heard.notified().await;
    }

    #[tokio::test]
    async fn where_the_system_tells_nothing_it_is_looked() {
        let folder = tempfile::tempdir().unwrap();
        let later = folder.path().join("later");
        let arrivals = Arrivals::new(later.clone());
        let one = arrivals.expect("one".to_owned());
        assert_eq!(one.look, UNTOLD);
        let ((), ()) = tokio::join!(one.wait(), async {
            std::fs::create_dir(&later).unwrap();
            appear(&later, "one");
        });
    }
}
