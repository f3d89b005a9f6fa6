//! What a folder or an edited text would make of the stored definitions. Decides nothing and stores nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{ChangeAction, DefinitionChange, Diagnostic, Kind};
use crate::app::error::{AppResult, Refusal, RefusalKind};
use crate::domain::digest::Digest;
use crate::domain::ids::{JobId, ProjectName};
use crate::domain::option::FieldError;
use crate::spec::{self, ProjectSpec};
use crate::store::definitions::{DefinitionRecord, RevisionRecord};

pub(super) type Stored = (DefinitionRecord, RevisionRecord);

/// A definition as authored, ready to be stored.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) job_id: Option<JobId>,
    pub(super) source: String,
    pub(super) canonical: String,
    pub(super) digest: Digest,
}

/// Reads a folder; every mistake refuses it.
pub(super) fn checked(project: &ProjectName, files: &[(String, Vec<u8>)], stored: &[Stored]) -> AppResult<Vec<Wanted>> {
    let (spec, diagnostics) = spec::check_folder(project, files);
    refuse_mistakes(&diagnostics)?;
    Ok(wanted_of(&spec, stored))
}

/// A refusal that names every mistake with its place.
pub(super) fn refuse_mistakes(diagnostics: &[Diagnostic]) -> AppResult<()> {
    let errors: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.is_error()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let fields = errors
        .iter()
        .map(|d| FieldError {
            field: format!("{}:{}:{}", d.file, d.line, d.column),
            code: d.code.to_owned(),
            message: d.hint.as_ref().map_or_else(|| d.message.clone(), |hint| format!("{} Hint: {hint}", d.message)),
        })
        .collect();
    let message = match errors.len() {
        1 => "There is a mistake in the definition. Nothing was saved.".to_owned(),
        n => format!("There are {n} mistakes in the definitions. Nothing was saved."),
    };
    Err(Refusal::new(RefusalKind::Invalid, "invalid_definitions", message).with_fields(fields).into())
}

/// The project as it would be with one definition changed or added.
pub(super) fn with_one(
    project: &ProjectName,
    kind: Kind,
    text: &str,
    stored: &[Stored],
) -> (ProjectSpec, Vec<Diagnostic>) {
    let edited = name_in(project, kind, text);
    let mut files =
        files_of_except(stored, |d| d.kind == kind && (kind_is_single(kind) || Some(&d.name) == edited.as_ref()));
    let path = path_of(kind, edited.as_deref().unwrap_or("new"));
    files.push((path.clone(), text.as_bytes().to_vec()));
    let (spec, mut diagnostics) = spec::check_folder(project, &files);
    // The edited text's own mistakes come first; people look at those.
    diagnostics.sort_by_key(|d| d.file != path);
    (spec, diagnostics)
}

pub(super) fn kind_is_single(kind: Kind) -> bool {
    matches!(kind, Kind::Project | Kind::Nodes | Kind::Access)
}

/// The name that a text gives its definition, if it can be read that far.
pub(in crate::app) fn name_in(project: &ProjectName, kind: Kind, text: &str) -> Option<String> {
    let path = path_of(kind, "new");
    let (spec, _) = spec::check_folder(project, &[(path, text.as_bytes().to_vec())]);
    match kind {
        Kind::Job => spec.jobs.first().map(|j| j.value.path.to_string()),
        Kind::Webhook => spec.webhooks.first().map(|w| w.value.name.to_string()),
        Kind::Rule => spec.rules.first().map(|r| r.value.name.clone()),
        Kind::Source => spec.sources.first().map(|s| s.value.name.to_string()),
        Kind::Alias => spec.aliases.first().map(|a| a.value.name.clone()),
        Kind::Enricher => spec.enrichers.first().map(|e| e.value.name.to_string()),
        Kind::Project | Kind::Nodes | Kind::Access => None,
    }
}

/// Everything that a spec defines, as rows. Jobs without an id keep the one that they have, or get a new one.
pub(super) fn wanted_of(spec: &ProjectSpec, stored: &[Stored]) -> Vec<Wanted> {
    let mut out = Vec::new();
    let mut single = |kind: Kind, name: &str, source: &str, canonical: &str, digest: Digest| {
        out.push(Wanted {
            kind,
            name: name.to_owned(),
            job_id: None,
            source: source.to_owned(),
            canonical: canonical.to_owned(),
            digest,
        });
    };
    if let Some(p) = &spec.project_source {
        single(Kind::Project, "project", &p.source, &p.canonical, p.digest);
    }
    for n in &spec.nodes_sources {
        single(Kind::Nodes, &n.file, &n.source, &n.canonical, n.digest);
    }
    if let Some(a) = &spec.access_source {
        single(Kind::Access, "access", &a.source, &a.canonical, a.digest);
    }
    for w in &spec.webhooks {
        single(Kind::Webhook, w.value.name.as_str(), &w.source, &w.canonical, w.digest);
    }
    for r in &spec.rules {
        single(Kind::Rule, &r.value.name, &r.source, &r.canonical, r.digest);
    }
    for s in &spec.sources {
        single(Kind::Source, s.value.name.as_str(), &s.source, &s.canonical, s.digest);
    }
    for a in &spec.aliases {
        single(Kind::Alias, &a.value.name, &a.source, &a.canonical, a.digest);
    }
    for e in &spec.enrichers {
        single(Kind::Enricher, e.value.name.as_str(), &e.source, &e.canonical, e.digest);
    }
    for j in &spec.jobs {
        let name = j.value.path.to_string();
        let kept =
            stored.iter().find(|(d, _)| d.kind == Kind::Job && d.name == name).and_then(|(d, _)| d.job_id.clone());
        let job_id = j.value.id.clone().or(kept);
        out.push(Wanted {
            kind: Kind::Job,
            name,
            job_id: job_id.or_else(|| JobId::parse(&uuid::Uuid::new_v4().to_string()).ok()),
            source: j.source.clone(),
            canonical: j.canonical.clone(),
            digest: j.digest,
        });
    }
    out
}

pub(super) fn changes(wanted: &[Wanted], stored: &[Stored]) -> Vec<DefinitionChange> {
    let mut out = Vec::new();
    for one in wanted {
        let known = stored.iter().find(|(d, _)| d.kind == one.kind && d.name == one.name);
        let (action, diff) = match known {
            None => (ChangeAction::Create, unified("", &one.source)),
            Some((d, r)) if d.digest == one.digest && r.source == one.source => {
                (ChangeAction::Unchanged, String::new())
            }
            Some((_, r)) => (ChangeAction::Update, unified(&r.source, &one.source)),
        };
        let before = known.map(|(_, r)| r.source.as_str()).filter(|_| one.kind == Kind::Access);
        let warning = before.and_then(|before| opened(before, &one.source));
        out.push(DefinitionChange { kind: one.kind, name: one.name.clone(), action, diff, warning });
    }
    for (definition, revision) in stored {
        if !wanted.iter().any(|w| w.kind == definition.kind && w.name == definition.name) {
            let diff = unified(&revision.source, "");
            out.push(DefinitionChange {
                kind: definition.kind,
                name: definition.name.clone(),
                action: ChangeAction::Delete,
                diff,
                warning: None,
            });
        }
    }
    out
}

/// What to say where a new `access.yaml` asks less on nodes than the one before, because its last line about them went.
pub(super) fn opened(before: &str, after: &str) -> Option<String> {
    let (before, after) = (spec::read_access(before).ok()?, spec::read_access(after).ok()?);
    after.opens_nodes_since(&before).then(|| {
        "no line speaks of `run` on nodes any more, so whoever may run a job may run it on every node that they see; \
         write `nodes_need: run` to keep the nodes closed"
            .to_owned()
    })
}

/// A unified diff with three lines of context.
pub(super) fn unified(old: &str, new: &str) -> String {
    similar::TextDiff::from_lines(old, new).unified_diff().context_radius(3).to_string()
}

pub(super) fn files_of(stored: &[Stored]) -> Vec<(String, Vec<u8>)> {
    files_of_except(stored, |_| false)
}

/// The stored definitions as the files of a project's folder. Definitions that would share a file name get one each.
pub(super) fn files_of_except(
    stored: &[Stored],
    left_out: impl Fn(&DefinitionRecord) -> bool,
) -> Vec<(String, Vec<u8>)> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut out: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (definition, revision) in stored.iter().filter(|(d, _)| !left_out(d)) {
        let mut path = path_of(definition.kind, &definition.name);
        while !taken.insert(path.to_lowercase()) {
            path = path.replacen(".yaml", "_.yaml", 1);
        }
        let mut text = revision.source.clone();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        out.insert(path, text.into_bytes());
    }
    out.into_iter().collect()
}

pub(in crate::app) fn path_of(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Project => "project.yaml".to_owned(),
        Kind::Access => "access.yaml".to_owned(),
        // An inventory's name is its file's.
        Kind::Nodes if name.starts_with("nodes.") => name.to_owned(),
        Kind::Nodes => "nodes.yaml".to_owned(),
        Kind::Job => format!("jobs/{name}.yaml"),
        Kind::Webhook => format!("webhooks/{name}.yaml"),
        Kind::Rule => format!("rules/{name}.yaml"),
        Kind::Source => format!("sources/{name}.yaml"),
        Kind::Alias => format!("aliases/{name}.yaml"),
        Kind::Enricher => format!("enrichers/{name}.yaml"),
    }
}
