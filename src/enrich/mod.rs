//! Asks models and programs for labels, and brings back what they say, unread. Knows neither events nor rules.

mod model;
mod program;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::enricher::outside::Question;

/// What a server lets enrichers ask.
#[derive(Debug, Clone)]
pub struct Asker {
    private: bool,
    programs: Arc<[PathBuf]>,
}

impl Asker {
    /// One that asks private addresses and plain HTTP only where `private` says so, and runs programs only out of these
    /// folders.
    #[must_use]
    pub fn new(private: bool, programs: &[PathBuf]) -> Self {
        Self { private, programs: programs.into() }
    }

    /// Asks. What it says of a failure holds no secret.
    ///
    /// # Errors
    /// Why there is no answer, in a sentence.
    pub async fn ask(&self, question: Question) -> Result<Vec<u8>, String> {
        match question {
            Question::Model { url, key, body, timeout } => {
                let private = self.private;
                let asked = tokio::task::spawn_blocking(move || {
                    model::ask(&url, key.as_ref(), &body, timeout.to_std(), private)
                });
                asked.await.unwrap_or_else(|_| Err("Asking broke off.".to_owned()))
            }
            Question::Program { command, input, timeout } => {
                program::ask(&command, &input, timeout.to_std(), &self.programs).await
            }
        }
    }
}
