//! Looking for lines in the whole log of a run, in a bounded way: what one request may read has an end, and where it
//! ended is told, so that the next one goes on there.

use super::App;
use super::error::AppResult;
use super::log::{Entry, From, Stream, Wanted};
use super::stored_log::Log;
use crate::domain::access::Actor;
use crate::domain::ids::{NodeName, RunNumber};
use crate::store::output::Reader;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Lines that contain this, upper and lower case alike.
    Text(String),
    /// What a step wrote to standard error, and what Interlock itself had to remark.
    Trouble,
}

impl Sought {
    fn is_met_by(&self, entry: &Entry) -> bool {
        match self {
            // The reader has picked them already.
            Self::Text(_) => true,
            Self::Trouble => entry.line.stream != Stream::Stdout,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The lines, at most as many as were wanted.
    pub entries: Vec<Entry>,
    /// Where to look further; `None` when the whole log was looked at.
    pub rest: Option<u64>,
}

/// The most bytes that one search looks through.
const MOST_LOOKED_AT: u64 = 256 * 1024 * 1024;

/// Lines that are read at a time when each of them is looked at here.
const AT_A_TIME: usize = 4_096;

impl App {
    /// The next lines of a run's log that are what is sought.
    ///
    /// # Errors
    /// Not found, also when the run may not be seen; `log_unreachable` when it is in a bucket that cannot be read.
    pub async fn search_log(
        &self,
        actor: &Actor,
        number: RunNumber,
        from: From,
        sought: Sought,
        node: Option<NodeName>,
        most: usize,
    ) -> AppResult<Found> {
        let run = self.visible_run(actor, number).await?;
        self.read_log(Log::of(&run), move |reader| look(reader, from, &sought, node.clone(), most.max(1))).await
    }
}

fn look(reader: &Reader, from: From, sought: &Sought, node: Option<NodeName>, most: usize) -> std::io::Result<Found> {
    let first = if let From::Line(line) = from { line } else { 0 };
    let mut offset = from.offset(reader)?;
    let end = offset.saturating_add(MOST_LOOKED_AT);
    let (text, at_a_time) = match sought {
        Sought::Text(text) => (Some(text.clone()), most),
        Sought::Trouble => (None, AT_A_TIME),
    };
    let wanted = Wanted { node, text, ..Wanted::default() };
    let mut found = Found::default();
    while offset < end {
        let page = reader.read(offset, at_a_time, &wanted)?;
        if page.next == offset {
            return Ok(found);
        }
        offset = page.next;
        for entry in page.entries {
            if entry.number < first || !sought.is_met_by(&entry) {
                continue;
            }
            if found.entries.len() == most {
                found.rest = Some(entry.offset);
                return Ok(found);
            }
            found.entries.push(entry);
            // Whoever wants one line only does not wait for whether there is another.
            if most == 1 {
                return Ok(found);
            }
        }
    }
    found.rest = Some(offset);
    Ok(found)
}
