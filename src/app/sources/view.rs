//! Sources as somebody sees them, and the switch that turns one off.

use std::sync::Arc;

use crate::app::App;
use crate::app::catalogue::{ProjectState, StoredSource};
use crate::app::definitions::Kind;
use crate::app::error::{AppError, AppResult};
use crate::app::record;
use crate::domain::access::{Actor, Permission, Resource};
use crate::domain::ids::{ProjectName, SourceName};
use crate::domain::source::queue::QueuePosition;
use crate::domain::source::{Source, SourceKind};
use crate::domain::time::Timestamp;
use crate::spec;
use crate::store::sources::{self, StandingRecord};

/// A source as lists show it.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// The project.
    pub project: ProjectName,
    /// The source.
    pub source: Arc<Source>,
    /// The revision's number.
    pub revision: i64,
    /// `off`, `starting`, `watching`, `failing` or `done`.
    pub state: &'static str,
    /// When a timer fires or an address is asked next.
    pub next_at: Option<Timestamp>,
    /// Messages that wait in a queue; `None` where that is not known.
    pub waiting: Option<u64>,
    /// When it made its last event.
    pub event_at: Option<Timestamp>,
    /// What went wrong, in a sentence; empty when all is well.
    pub error: String,
    /// When that was.
    pub failed_at: Option<Timestamp>,
    /// Failures in a row.
    pub failures: i32,
    /// Whether the actor may turn it on and off.
    pub may_edit: bool,
}

impl App {
    /// The sources that the actor may see, by project and name.
    ///
    /// # Errors
    /// The database.
    pub async fn sources(&self, actor: &Actor) -> AppResult<Vec<SourceView>> {
        let catalogue = self.catalogue().await?;
        let standings = self.db.read(sources::all).await?;
        let mut out = Vec::new();
        for state in catalogue.projects.values() {
            out.extend(state.sources.values().filter_map(|stored| self.source_view(actor, state, stored, &standings)));
        }
        Ok(out)
    }

    /// One source.
    ///
    /// # Errors
    /// Not found, also when it may not be seen.
    pub async fn source(&self, actor: &Actor, project: &ProjectName, name: &str) -> AppResult<SourceView> {
        let catalogue = self.catalogue().await?;
        let state = catalogue.project(project)?;
        let stored = SourceName::parse(name).ok().and_then(|name| state.sources.get(&name));
        let stored = stored.ok_or_else(AppError::not_found)?;
        let standings = self.db.read(sources::all).await?;
        self.source_view(actor, state, stored, &standings).ok_or_else(AppError::not_found)
    }

    fn source_view(
        &self,
        actor: &Actor,
        state: &ProjectState,
        stored: &StoredSource,
        standings: &[StandingRecord],
    ) -> Option<SourceView> {
        let project = state.project.name.clone();
        let on = Resource::Source { project: project.clone(), name: stored.source.name.to_string() };
        self.authorize(actor, Permission::View, &on).ok()?;
        // Of several machines the one that fails is told, or the one that saw something last.
        let own = standings.iter().filter(|s| s.definition_id == stored.definition);
        let told = own.max_by_key(|s| (s.failures > 0, s.event_at));
        let waits = matches!(stored.source.kind, SourceKind::Timer(_) | SourceKind::Poll(_));
        Some(SourceView {
            may_edit: self.authorize(actor, Permission::Edit, &on).is_ok(),
            project,
            state: state_word(&stored.source, told),
            next_at: told.and_then(|s| s.next_at).filter(|_| waits && stored.source.enabled),
            waiting: told.filter(|_| stored.source.enabled).and_then(|s| waiting(&stored.source, s)),
            event_at: told.and_then(|s| s.event_at),
            error: told.map(|s| s.error.clone()).unwrap_or_default(),
            failed_at: told.and_then(|s| s.failed_at),
            failures: told.map_or(0, |s| s.failures),
            revision: stored.revision,
            source: Arc::clone(&stored.source),
        })
    }

    /// Turns a source on or off: a new revision that says so.
    ///
    /// # Errors
    /// Not found; forbidden without `edit`; `edit_by_hand` where the text has no place for the line; as saving.
    pub async fn switch_source(
        &self,
        actor: &Actor,
        project: &ProjectName,
        name: &str,
        enabled: bool,
        source: &record::Source,
    ) -> AppResult<()> {
        self.may_edit(actor, project, Kind::Source, name).await?;
        let (newest, _) = self.to_edit(actor, project, Kind::Source, name, None).await?;
        let is = |text: &str| spec::read_source(text).ok();
        let before = is(&newest.source).ok_or_else(AppError::not_found)?;
        if before.enabled == enabled {
            return Ok(());
        }
        let text = with_enabled(&newest.source, enabled);
        if is(&text) != Some(Source { enabled, ..before }) {
            let message = "The text of this source has no line `enabled:` of its own and none can be added by itself. Change it in the editor.";
            return Err(AppError::conflict("edit_by_hand", message));
        }
        let why = if enabled { "Turned on." } else { "Turned off." };
        self.save(actor, project, Kind::Source, &text, Some(newest.revision), why, source).await?;
        Ok(())
    }
}

fn waiting(source: &Source, standing: &StandingRecord) -> Option<u64> {
    match source.kind {
        SourceKind::Queue(_) if !standing.position.is_empty() => Some(QueuePosition::read(&standing.position).waiting),
        _ => None,
    }
}

fn state_word(source: &Source, standing: Option<&StandingRecord>) -> &'static str {
    match standing {
        _ if !source.enabled => "off",
        None => "starting",
        Some(s) if s.failures > 0 => "failing",
        Some(s) if s.next_at.is_none() && !s.resting => "done",
        Some(_) => "watching",
    }
}

/// The text with its own line `enabled:`.
fn with_enabled(text: &str, enabled: bool) -> String {
    let line = format!("enabled: {enabled}");
    let mut lines: Vec<&str> = text.lines().collect();
    match lines.iter_mut().find(|l| l.starts_with("enabled:")) {
        Some(old) => *old = &line,
        None => lines.push(&line),
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}
