//! Reads systemd's journal through `journalctl`, whose export tells the length of what is no plain line.
//!
//! `--after-cursor` passes over one entry more where the entry of the cursor is gone. So it is asked for that entry as well, and
//! the first one that comes shows whether it is still there.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use crate::domain::source::errand::{Entries, Following};
use crate::domain::source::journal::{Entry, Filter, JournalPosition, LONGEST_FIELD, MOST_ENTRIES, mark};

/// How long a look may take in all.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is read of an entry.
const FIELDS: &str = "--output-fields=MESSAGE,PRIORITY,SYSLOG_IDENTIFIER,_SYSTEMD_UNIT,_HOSTNAME";

/// Which journal a server lets sources read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalAt {
    /// The machine's own.
    Machine,
    /// The files in this folder.
    Folder(PathBuf),
}

/// Reads on.
pub(super) async fn read(following: &Following, journal: Option<&JournalAt>) -> Result<Entries, String> {
    let Some(journal) = journal else {
        return Err("This server reads no journal; start it with --source-journal.".to_owned());
    };
    let work = async {
        match &following.position {
            None if !following.from_start => last(journal, &following.filter).await,
            None => next(journal, following, None).await,
            Some(position) => next(journal, following, position.cursor.as_deref()).await,
        }
    };
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| Err("journalctl did not end in time.".to_owned()))
}

/// Where the journal ends now.
async fn last(journal: &JournalAt, filter: &Filter) -> Result<Entries, String> {
    let found = run(journal, filter, &["--lines=1"]).await?;
    let cursor = found.entries.last().map(|entry| entry.cursor.clone());
    Ok(Entries { entries: Vec::new(), position: JournalPosition { cursor }, more: false, warning: None })
}

async fn next(journal: &JournalAt, following: &Following, cursor: Option<&str>) -> Result<Entries, String> {
    let from = cursor.map(|cursor| format!("--cursor={cursor}"));
    let more: Vec<&str> = from.iter().map(String::as_str).collect();
    let Found { mut entries, more } = run(journal, &following.filter, &more).await?;
    let mut warning = None;
    if let Some(cursor) = cursor {
        if entries.first().is_some_and(|entry| mark(&entry.cursor) == mark(cursor)) {
            entries.remove(0);
        } else {
            let what = "The journal has no longer the entry that was read last: entries after it may be lost.";
            warning = Some(what.to_owned());
        }
    }
    let last = entries.last().map(|entry| entry.cursor.clone());
    let kept = cursor.map(str::to_owned).filter(|_| warning.is_none());
    Ok(Entries { position: JournalPosition { cursor: last.or(kept) }, entries, more, warning })
}

struct Found {
    entries: Vec<Entry>,
    more: bool,
}

async fn run(journal: &JournalAt, filter: &Filter, more: &[&str]) -> Result<Found, String> {
    let mut command = Command::new("journalctl");
    command.args(["--output=export", "--no-pager", "--quiet", FIELDS]).args(more);
    if let JournalAt::Folder(folder) = journal {
        command.arg(format!("--directory={}", folder.display()));
    }
    if let Some(priority) = filter.priority {
        command.arg(format!("--priority={}", priority.as_str()));
    }
    command.args(filter.units.iter().map(|unit| format!("_SYSTEMD_UNIT={unit}")));
    command.args(filter.identifiers.iter().map(|name| format!("SYSLOG_IDENTIFIER={name}")));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut process = command.spawn().map_err(|e| format!("journalctl cannot be started: {}.", e.kind()))?;
    let broke = |error: std::io::Error| format!("Reading the journal broke off: {}.", error.kind());
    let output = process.stdout.take().ok_or("Reading the journal broke off.")?;
    let mut reader = BufReader::new(output);
    let mut entries = Vec::new();
    // One more than is taken, as the first may be the one that was read before.
    while entries.len() <= MOST_ENTRIES {
        match entry(&mut reader).await.map_err(broke)? {
            Some(entry) => entries.push(entry),
            None => break,
        }
    }
    let enough = entries.len() > MOST_ENTRIES;
    if enough {
        let _ = process.start_kill();
        return Ok(Found { entries, more: true });
    }
    let mut said = String::new();
    if let Some(errors) = process.stderr.take() {
        let _ = errors.take(2_000).read_to_string(&mut said).await;
    }
    let status = process.wait().await.map_err(broke)?;
    if status.success() {
        return Ok(Found { entries, more: false });
    }
    let said: String = said.lines().next().unwrap_or("nothing").chars().filter(|c| !c.is_control()).take(200).collect();
    Err(format!("journalctl failed and says: {said}."))
}

/// The next entry; `None` at the end.
async fn entry(reader: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Entry>> {
    loop {
        let mut fields: HashMap<String, Vec<u8>> = HashMap::new();
        let mut any = false;
        while let Some((name, value)) = field(reader).await? {
            any = true;
            fields.entry(name).or_insert(value);
        }
        if !any {
            return Ok(None);
        }
        if let Some(entry) = Entry::read(|name| fields.get(name).map(Vec::as_slice)) {
            return Ok(Some(entry));
        }
    }
}

/// The next field of an entry, as much of it as is kept; `None` at the entry's end.
async fn field(reader: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let line = line(reader).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if let Some(at) = line.iter().position(|b| *b == b'=') {
        let (name, value) = line.split_at(at);
        return Ok(Some((String::from_utf8_lossy(name).into_owned(), value.get(1..).unwrap_or_default().to_vec())));
    }
    let length = reader.read_u64_le().await?;
    let mut value = Vec::new();
    let kept = length.min(LONGEST_FIELD as u64);
    reader.take(kept).read_to_end(&mut value).await?;
    // And the end of the line.
    let rest = (length - kept).saturating_add(1);
    tokio::io::copy(&mut reader.take(rest), &mut tokio::io::sink()).await?;
    Ok(Some((String::from_utf8_lossy(&line).into_owned(), value)))
}

/// A line without its end, as much of it as is kept.
async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok(kept);
        }
        let end = memchr::memchr(b'\n', piece);
        let length = end.unwrap_or(piece.len());
        // The name of the field and its sign come on top.
        let room = (LONGEST_FIELD + 100).saturating_sub(kept.len()).min(length);
        kept.extend_from_slice(piece.get(..room).unwrap_or_default());
        reader.consume(length + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(kept);
        }
    }
}
