//! Start-up wiring: data folder, database, use cases, executors.

use std::path::Path;
use std::sync::Arc;

use super::{Failure, Global};
use crate::app::clock::Clock;
use crate::app::{App, Settings};
use crate::config;
use crate::config::data::{DataError, DataFolder};
use crate::domain::access::{Actor, Principal, Via};
use crate::engine::Executors;
use crate::exec::local::LocalExecutor;
use crate::exec::ssh::{KeyExchange, SshExecutor};
use crate::store::{Db, RootKey, StoreError, Vault};

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
    let bucket = global.logs.bucket()?;
    let app = open(&global.data, global.database.as_deref(), public_url).await?;
    if let Some((bucket, keep)) = bucket {
        app.archive_logs_in(bucket, keep).await?;
    }
    Ok(app)
}

pub(super) async fn open(data: &Path, database: Option<&str>, public_url: &str) -> Result<Arc<App>, Failure> {
    let broken = |e: &dyn std::fmt::Display| Failure::Broken(e.to_string());
    let folder = DataFolder::open(data).map_err(|e| broken(&e))?;
    let key = folder.root_key().map_err(|e| broken(&e))?;
    let url = database.map_or_else(|| folder.database().to_string_lossy().into_owned(), str::to_owned);
    let place = place_of(&url);
    let opened = tokio::task::spawn_blocking(move || Db::open(&url, &crate::store::Options::default())).await;
    let db = opened.map_err(|e| broken(&e))?.map_err(|e| cannot_start(&place, &e))?;
    let key = match key {
        Some(key) => key,
        None if db.read(Vault::is_in_use).await.map_err(|e| cannot_start(&place, &e))? => {
            return Err(broken(&DataError::KeyMissing { path: folder.root_key_path() }));
        }
        None => folder.make_root_key().map_err(|e| broken(&e))?,
    };
    let settings = Settings {
        data: folder.root().to_owned(),
        public_url: public_url.trim_end_matches('/').to_owned(),
        server: config::server::name(),
        is_gone: config::server::is_gone,
    };
    let opened = App::open(db, &RootKey::new(key), Clock::System, settings).await;
    let app = opened.map_err(|e| {
        let key = folder.root_key_path();
        Failure::Broken(format!("cannot start on {place} with the key file {}: {e}", key.display()))
    })?;
    Ok(Arc::new(app))
}

/// The database's address as it may be shown: without account and password.
fn place_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let rest = rest.split('?').next().unwrap_or_default();
    format!("{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, place)| place))
}

fn cannot_start(place: &str, error: &StoreError) -> Failure {
    let what_to_do = match error {
        StoreError::Closed { .. } => format!("; {}", config::data::OTHER_ACCOUNT),
        StoreError::Unavailable(_) if place.starts_with("postgres") => {
            "; see that PostgreSQL runs there and that `--database` names it".to_owned()
        }
        _ => String::new(),
    };
    // What PostgreSQL's client says may have several lines.
    let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Failure::Broken(format!("cannot start on {place}: {error}{what_to_do}"))
}

/// How nodes are reached from this process.
pub(super) fn executors(app: &App, key_exchange: KeyExchange) -> Result<(Executors, Arc<SshExecutor>), Failure> {
    // Sockets need no disk, and a data folder that several machines share could not hold them.
    let control = config::runtime_directory().unwrap_or_else(|| app.settings.data.clone()).join("ssh");
    let ssh = SshExecutor::new(&control, key_exchange).map_err(|e| {
        Failure::Broken(format!("the folder {} cannot be used for SSH connections: {e}", control.display()))
    })?;
    let ssh = Arc::new(ssh);
    // Steps do not see the server's environment; at home they find their files again.
    let home = config::home().map(|home| ("HOME".to_owned(), home));
    let executors =
        Executors { ssh: Arc::clone(&ssh) as _, local: Arc::new(LocalExecutor::new(home.into_iter().collect())) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_named_without_its_password() {
        for (url, shown) in [
            ("/var/lib/interlock/interlock.db", "/var/lib/interlock/interlock.db"),
            ("postgres://interlock:s3c@ret@db:5432/interlock?password=x", "postgres://db:5432/interlock"),
            ("postgres:///interlock?host=/run/postgresql&password=x", "postgres:///interlock"),
        ] {
            assert_eq!(place_of(url), shown);
        }
    }
}
