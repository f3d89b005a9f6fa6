//! Start-up wiring: data folder, database, use cases, executors.

use std::path::Path;
use std::sync::Arc;

use super::{Failure, Global};
use crate::app::clock::Clock;
use crate::app::{App, Settings};
use crate::config;
use crate::config::data::DataFolder;
use crate::domain::access::{Actor, Principal, Via};
use crate::engine::Executors;
use crate::exec::local::LocalExecutor;
use crate::exec::ssh::SshExecutor;
use crate::store::{Db, RootKey};

/// Runs a command's future on threads of its own.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|e| Failure::Broken(format!("no threads could be started: {e}")))?.block_on(work)
}

/// Opens the data folder and the database.
pub(super) async fn app(global: &Global, public_url: &str) -> Result<Arc<App>, Failure> {
    if global.server.is_some() {
        let message = "this command works on the data folder only: leave `--server` out and run it where the data is. With `--server` work: run, runs, log, cancel, approve, reject (and check, import and rule, which need neither)";
        return Err(Failure::Usage(message.to_owned()));
    }
    open(&global.data, global.database.as_deref(), public_url).await
}

pub(super) async fn open(data: &Path, database: Option<&str>, public_url: &str) -> Result<Arc<App>, Failure> {
    let broken = |e: &dyn std::fmt::Display| Failure::Broken(e.to_string());
    let folder = DataFolder::open(data).map_err(|e| broken(&e))?;
    let root = RootKey::new(folder.root_key().map_err(|e| broken(&e))?);
    let url = database.map_or_else(|| folder.database().to_string_lossy().into_owned(), str::to_owned);
    let opened = tokio::task::spawn_blocking(move || Db::open(&url, &crate::store::Options::default())).await;
    let db = opened.map_err(|e| broken(&e))?.map_err(|e| broken(&e))?;
    let settings = Settings {
        data: folder.root().to_owned(),
        public_url: public_url.trim_end_matches('/').to_owned(),
        server: config::server_name(),
    };
    Ok(Arc::new(App::open(db, &root, Clock::System, settings).await?))
}

/// How nodes are reached from this process.
pub(super) fn executors(app: &App) -> Result<(Executors, Arc<SshExecutor>), Failure> {
    let control = app.settings.data.join("ssh");
    let ssh = SshExecutor::new(&control).map_err(|e| {
        Failure::Broken(format!("the folder {} cannot be used for SSH connections: {e}", control.display()))
    })?;
    let ssh = Arc::new(ssh);
    let executors = Executors { ssh: Arc::clone(&ssh) as _, local: Arc::new(LocalExecutor::new(Vec::new())) };
    Ok((executors, ssh))
}

/// Who works on the data folder directly: whoever can read it has it anyway, so they are named and recorded, not asked.
pub(super) fn operator() -> Actor {
    Actor {
        principal: Principal::Operator(config::operator()),
        groups: std::collections::BTreeSet::new(),
        via: Via::CommandLine,
        administrator: false,
    }
}
