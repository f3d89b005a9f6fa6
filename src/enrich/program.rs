//! Runs a program for a bounded answer in bounded time. It gets the text on its standard input, no environment of the
//! server's, and a process group of its own, which ends with the patience.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::model::too_large;
use crate::domain::enricher::outside::LARGEST_ANSWER;

/// Ends every process of a group when dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // One that has ended by itself needs no end.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs.
pub(super) async fn ask(
    command: &[String],
    input: &str,
    patience: Duration,
    allowed: &[PathBuf],
) -> Result<Vec<u8>, String> {
    let (program, arguments) = command.split_first().ok_or("There is no program to run.")?;
    let program = permitted(Path::new(program), allowed)?;
    let mut child = Command::new(&program)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("The program cannot be run: {}.", error.kind()))?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("The program has no streams.".to_owned());
    };
    let exchange = async {
        let write = async {
            match stdin.write_all(input.as_bytes()).await {
                // Who knows enough need not read to the end.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
                _ => {
                    drop(stdin);
                    Ok(())
                }
            }
        };
        let mut out = Vec::new();
        let mut limited = stdout.take(LARGEST_ANSWER + 1);
        let read = limited.read_to_end(&mut out);
        let (written, read) = tokio::join!(write, read);
        written.and(read).map_err(|error| format!("Its answer broke off: {}.", error.kind()))?;
        if out.len() as u64 > LARGEST_ANSWER {
            return Err(too_large());
        }
        let status = child.wait().await.map_err(|error| format!("Its end is not known: {}.", error.kind()))?;
        match status.code() {
            Some(0) => Ok(out),
            Some(code) => Err(format!("It ended with exit code {code}.")),
            None => Err("It was ended by a signal.".to_owned()),
        }
    };
    let answer = tokio::time::timeout(patience, exchange).await;
    drop(group);
    answer.unwrap_or_else(|_| Err("It did not answer in time.".to_owned()))
}

/// The program's real path, wherever links lead, if it lies below one of the folders.
fn permitted(program: &Path, allowed: &[PathBuf]) -> Result<PathBuf, String> {
    let not_allowed =
        || format!("{} lies in no folder that --enricher-programs names, so it is not run.", program.display());
    let below = |path: &Path| allowed.iter().any(|folder| path.starts_with(folder));
    match std::fs::canonicalize(program) {
        Ok(real) => {
            let inside = |folder: &PathBuf| std::fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
            if allowed.iter().any(inside) { Ok(real) } else { Err(not_allowed()) }
        }
        // What is not there tells nothing about places that may not be looked at.
        Err(_) if !below(program) => Err(not_allowed()),
        Err(error) => Err(format!("{} cannot be run: {}.", program.display(), error.kind())),
    }
}
