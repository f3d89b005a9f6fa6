//! Whether this installation is well, for who looks after it.

use std::time::{Duration, Instant};

use super::App;
use super::error::{AppError, AppResult};
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::run::State;

/// How this server and what it stands on are.
#[derive(Debug, Clone)]
pub struct Health {
    /// What the database is, and how long a small query took.
    pub database: &'static str,
    /// How long a small query took.
    pub answered_in: Duration,
    /// Bytes that are free for the data folder, and all that there are.
    pub disk: (u64, u64),
    /// How long ago this server's engine last looked for work; `None` when it never did.
    pub engine_looked: Option<Duration>,
    /// Runs that have not ended, by state.
    pub open: Vec<(State, i64)>,
    /// The name of this server.
    pub server: String,
}

/// The engine looks for work by itself at least this often.
pub const ENGINE_LOOKS: Duration = Duration::from_secs(30);

/// Less free disk than this is too little to keep output and the record.
pub const DISK_LOW: u64 = 1024 * 1024 * 1024;

impl App {
    /// How the installation is.
    ///
    /// # Errors
    /// Not found for who does not administer it; the database.
    pub async fn health(&self, actor: &Actor) -> AppResult<Health> {
        self.authorize(actor, Permission::Administer, &Resource::System)?;
        let asked = Instant::now();
        let open = self.open_runs().await?;
        let answered_in = asked.elapsed();
        let data = self.settings.data.clone();
        let disk = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&data)).await.map_err(AppError::fault)?;
        let disk = disk.map_err(AppError::fault)?;
        Ok(Health {
            database: self.db.kind(),
            answered_in,
            disk: (disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)),
            engine_looked: self.live.engine_looked(),
            open,
            server: self.settings.server.clone(),
        })
    }
}
