//! A task beside the others: started when it is first needed, ended with what it belongs to.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinHandle;

/// Where it is kept.
#[derive(Debug, Default)]
pub(super) struct Attendant(Mutex<Option<JoinHandle<()>>>);

impl Attendant {
    /// Starts it unless it is there. One whose runtime has ended is not there any more.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn call<F>(&self, make: impl FnOnce() -> std::io::Result<F>) -> std::io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            *task = Some(tokio::spawn(make()?));
        }
        Ok(())
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        if let Some(task) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}
