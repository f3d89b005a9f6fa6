//! How the installation is, in words, on the settings page of who administers it.

use super::words;
use crate::app::error::AppResult;
use crate::app::health::{DISK_LOW, ENGINE_LOOKS, Health};
use crate::domain::run::State;
use crate::web::call::Call;

/// One thing that is well or not.
pub struct Line {
    /// What.
    pub name: &'static str,
    /// Whether it is well.
    pub well: bool,
    /// How it is, and what to do where it is not well.
    pub words: String,
}

/// Every line; nothing for who does not administer the installation.
pub async fn lines(call: &Call) -> AppResult<Option<Vec<Line>>> {
    let actor = call.actor()?;
    if !actor.administrator {
        return Ok(None);
    }
    let health = call.app.health(actor).await?;
    Ok(Some(vec![database(&health), disk(&health), engine(&health), queue(&health), version(&health)]))
}

fn database(health: &Health) -> Line {
    let took = health.answered_in.as_millis();
    let well = took < 500;
    let slow = if well { "" } else { ", which is slow: look at its disk and its load" };
    Line { name: "Database", well, words: format!("{} answers in {took} ms{slow}", health.database) }
}

fn disk(health: &Health) -> Line {
    let (free, all) = health.disk;
    let well = free >= DISK_LOW;
    let low = if well { "" } else { ": make room, or new runs will be refused" };
    Line { name: "Disk", well, words: format!("{} free of {}{low}", size(free), size(all)) }
}

fn engine(health: &Health) -> Line {
    let (well, words) = match health.engine_looked {
        None => (false, "no engine runs in this process".to_owned()),
        Some(ago) if ago <= ENGINE_LOOKS => (true, format!("looked for work {} s ago", ago.as_secs())),
        Some(ago) => {
            (false, format!("has not looked for work for {} s: look at the log of this server", ago.as_secs()))
        }
    };
    Line { name: "Engine", well, words }
}

fn queue(health: &Health) -> Line {
    let open: Vec<String> = health
        .open
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {}", words::state(*state)))
        .collect();
    let unknown = health.open.iter().any(|(state, count)| *state == State::Unknown && *count > 0);
    let words = if open.is_empty() { "nothing runs or waits".to_owned() } else { open.join(", ") };
    Line { name: "Runs", well: !unknown, words }
}

fn version(health: &Health) -> Line {
    Line { name: "Version", well: true, words: format!("{} on {}", env!("CARGO_PKG_VERSION"), health.server) }
}

/// `3.4 GiB`.
fn size(bytes: u64) -> String {
    let mib = bytes / 1024 / 1024;
    if mib < 1024 { format!("{mib} MiB") } else { format!("{}.{} GiB", mib / 1024, mib % 1024 * 10 / 1024) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn health(free: u64, looked: Option<u64>, millis: u64) -> Health {
        Health {
            database: "SQLite",
            answered_in: Duration::from_millis(millis),
            disk: (free, 100 * DISK_LOW),
            engine_looked: looked.map(Duration::from_secs),
            open: vec![(State::Queued, 2), (State::Running, 0)],
            server: "s1".to_owned(),
        }
    }

    #[test]
    fn what_is_not_well_says_what_to_do() {
        let well = health(3 * DISK_LOW + DISK_LOW / 2, Some(1), 2);
        assert_eq!(disk(&well).words, "3.5 GiB free of 100.0 GiB");
        assert_eq!(queue(&well).words, "2 queued");
        assert!([database(&well), disk(&well), engine(&well), queue(&well)].iter().all(|l| l.well));
        let ill = health(DISK_LOW / 2, Some(90), 900);
        assert!([database(&ill), disk(&ill), engine(&ill)].iter().all(|l| !l.well && l.words.contains(':')));
        assert!(!engine(&health(DISK_LOW, None, 1)).well);
    }
}
