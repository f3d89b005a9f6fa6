//! Reads a whole project: which file holds what, every definition in it, and then what they refer to in each other.

use std::collections::{BTreeMap, HashSet};

use super::canonical::Canonical;
use super::cross::{self, Known};
use super::diagnostic::{Diagnostic, Span, tidy};
use super::nodes;
use super::place::Place;
use super::report::{Reference, Report};
use super::rule;
use super::yaml::{self, Node as Tree, Value};
use super::{access, alias, enricher, job, project, rundeck, source, webhook, write, xml};
use crate::domain::access::AccessRules;
use crate::domain::alias::Alias;
use crate::domain::digest::{Digest, canonical_json};
use crate::domain::enricher::Enricher;
use crate::domain::ids::ProjectName;
use crate::domain::job::Job;
use crate::domain::node::Node;
use crate::domain::project::Project;
use crate::domain::rule::Rule;
use crate::domain::source::Source;
use crate::domain::webhook::Webhook;

/// A definition with the text that it came from.
#[derive(Debug, Clone)]
pub struct Authored<T> {
    /// The definition.
    pub value: T,
    /// That document's text as its author wrote it.
    pub source: String,
    /// The file, relative to the project's folder.
    pub file: String,
    /// Its canonical form as JSON, with every default filled in.
    pub canonical: String,
    /// The digest of its canonical form: comments, order and style do not change it.
    pub digest: Digest,
}

/// A project as its folder defines it. Holds what could be read; whether it can be used, the diagnostics tell.
#[derive(Debug, Clone)]
pub struct ProjectSpec {
    /// Its settings; without `project.yaml`, the defaults.
    pub project: Project,
    /// The text of `project.yaml`.
    pub project_source: Option<Authored<Project>>,
    /// The inventory.
    pub nodes: Vec<Node>,
    /// The texts of the inventory's files.
    pub nodes_sources: Vec<Authored<Vec<Node>>>,
    /// Roles and members.
    pub access: AccessRules,
    /// The text of `access.yaml`.
    pub access_source: Option<Authored<AccessRules>>,
    /// The jobs, in the order of files and documents.
    pub jobs: Vec<Authored<Job>>,
    /// The webhooks.
    pub webhooks: Vec<Authored<Webhook>>,
    /// The rules.
    pub rules: Vec<Authored<Rule>>,
    /// The aliases of chats.
    pub aliases: Vec<Authored<Alias>>,
    /// The sources of events.
    pub sources: Vec<Authored<Source>>,
    /// What labels events.
    pub enrichers: Vec<Authored<Enricher>>,
}

/// The text without a byte-order mark.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

struct Folder {
    spec: ProjectSpec,
    known: Known,
    diagnostics: Vec<Diagnostic>,
    references: Vec<Reference>,
}

/// Reads a project's files, given by their paths below the project's folder and their bytes. `name` is the folder's
/// name. Hidden files and `*.md` are passed over; a file that belongs nowhere is named in a warning.
#[must_use]
pub fn check_folder(name: &ProjectName, files: &[(String, Vec<u8>)]) -> (ProjectSpec, Vec<Diagnostic>) {
    let spec = ProjectSpec {
        project: Project::empty(name.clone()),
        project_source: None,
        nodes: Vec::new(),
        nodes_sources: Vec::new(),
        access: AccessRules::default(),
        access_source: None,
        jobs: Vec::new(),
        webhooks: Vec::new(),
        rules: Vec::new(),
        aliases: Vec::new(),
        sources: Vec::new(),
        enrichers: Vec::new(),
    };
    let mut folder = Folder { spec, known: Known::default(), diagnostics: Vec::new(), references: Vec::new() };
    let sorted: BTreeMap<&str, &[u8]> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    for (path, bytes) in sorted {
        folder.file(path, bytes);
    }
    let Folder { spec, known, mut diagnostics, references } = folder;
    cross::check(&spec, &known, references, &mut diagnostics);
    tidy(&mut diagnostics);
    (spec, diagnostics)
}

impl Folder {
    fn file(&mut self, path: &str, bytes: &[u8]) {
        let place = Place::of(path);
        if matches!(place, Place::Ignored) {
            return;
        }
        let (text, bad_byte) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => (
                std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
                Some(error.valid_up_to()),
            ),
        };
        let text = without_mark(text);
        let mut report = Report::new(path, text);
        if matches!(place, Place::Unknown) {
            let hint = "a project holds project.yaml, access.yaml, nodes.yaml (or .json, .xml), and YAML files below jobs/, webhooks/, rules/, sources/, enrichers/ and aliases/";
            report.warning("unknown_file", Span::at(0), "this file belongs to nothing and is not read", Some(hint));
        } else if bad_byte.is_some() {
            report.error("not_utf8", Span::at(text.len()), "the file is not UTF-8 text", Some("save it as UTF-8"));
            self.lose(&place);
        } else {
            self.read(&place, path, &mut report);
        }
        let (diagnostics, references) = report.finish();
        self.diagnostics.extend(diagnostics);
        self.references.extend(references);
    }

    /// Notes that definitions of this kind are missing, so that references to them are not judged.
    fn lose(&mut self, place: &Place) {
        match place {
            Place::Project => self.known.project_lost = true,
            Place::Access => self.known.access_lost = true,
            Place::Jobs | Place::JobsXml => self.known.jobs_lost = true,
            Place::Webhooks => self.known.webhooks_lost = true,
            Place::Rules => self.known.rules_lost = true,
            Place::Enrichers => self.known.enrichers_lost = true,
            // Nothing refers to a source or an alias.
            Place::Sources | Place::Aliases | Place::Nodes(_) | Place::Ignored | Place::Unknown => {}
        }
    }

    fn read(&mut self, place: &Place, path: &str, report: &mut Report<'_>) {
        if let Place::Nodes(format) = place {
            let (nodes, _) = nodes::read(*format, report);
            let source = report.text();
            self.add_nodes(nodes, path, source, report);
            return;
        }
        if matches!(place, Place::JobsXml) {
            match xml::parse(report) {
                Some(root) if rundeck::is_joblist(&root) => {
                    for job in rundeck::xml_jobs(&root, report) {
                        self.rundeck_job(&job, path, report);
                    }
                }
                Some(root) => {
                    let message = format!("the outer element is `<{}>`", root.name);
                    report.error("unknown_element", root.span, message, Some("Rundeck's jobs stand in a `<joblist>`"));
                    self.lose(place);
                }
                None => self.lose(place),
            }
            return;
        }
        let (documents, lost) = yaml::documents(report);
        if lost {
            self.lose(place);
        } else if documents.is_empty() {
            report.error(
                "empty_file",
                Span::at(0),
                "there is no definition in this file",
                Some("write one, or delete the file"),
            );
            self.lose(place);
        }
        for (index, document) in documents.iter().enumerate() {
            let source = report.text().get(document.range.start..document.range.end).unwrap_or_default();
            self.document(place, index, &document.root, path, source, report);
        }
    }

    fn document(
        &mut self,
        place: &Place,
        index: usize,
        root: &Tree,
        path: &str,
        source: &str,
        report: &mut Report<'_>,
    ) {
        let at = Span::at(root.span.start);
        match place {
            Place::Project | Place::Access if index > 0 => {
                report.error("several_documents", at, "this file holds one document only", Some("remove this one"));
            }
            Place::Project | Place::Access if self.has(place) => {
                report.error(
                    "duplicate_file",
                    at,
                    "another file of the same kind was read before",
                    Some("keep one of the two"),
                );
            }
            Place::Project => {
                let name = self.spec.project.name.clone();
                match project::read(&name, root, report) {
                    Some(project) => {
                        self.spec.project = project.clone();
                        self.spec.project_source = Some(authored(project, path, source));
                    }
                    None => self.known.project_lost = true,
                }
            }
            Place::Access => match access::read(root, report) {
                Some(rules) => {
                    self.spec.access = rules.clone();
                    self.spec.access_source = Some(authored(rules, path, source));
                }
                None => self.known.access_lost = true,
            },
            Place::Jobs if matches!(root.value, Value::List(_)) => {
                if let Value::List(items) = &root.value {
                    for item in items {
                        self.rundeck_job(item, path, report);
                    }
                }
            }
            Place::Jobs => match job::read(root, report) {
                Some(job) => self.add_job(job, at, path, source, report),
                None => self.known.broken_jobs.extend(job::names(root)),
            },
            Place::Webhooks => match webhook::read(root, report) {
                Some(webhook) => {
                    let twice = !self.known.webhooks.insert(webhook.name.to_string());
                    if twice {
                        report.error(
                            "duplicate_webhook",
                            at,
                            format!("the webhook `{}` stands twice in this project", webhook.name),
                            Some("give each its own name"),
                        );
                    } else {
                        self.spec.webhooks.push(authored(webhook, path, source));
                    }
                }
                None => self.known.webhooks.extend(webhook::name_of(root)),
            },
            Place::Rules => match rule::read(root, report) {
                Some(rule) if self.known.rules.contains(&rule.name) => {
                    let message = format!("the rule `{}` stands twice in this project", rule.name);
                    report.error("duplicate_rule", at, message, Some("give each its own name"));
                }
                Some(rule) => {
                    self.known.rules.insert(rule.name.clone());
                    self.spec.rules.push(authored(rule, path, source));
                }
                None => self.known.rules_lost = true,
            },
            Place::Sources => {
                if let Some(source_of_events) = source::read(root, report) {
                    self.add_source(source_of_events, at, path, source, report);
                }
            }
            Place::Aliases => match alias::read(root, report) {
                Some(alias) if self.spec.aliases.iter().any(|other| other.value.name == alias.name) => {
                    let message = format!("the alias `{}` stands twice in this project", alias.name);
                    report.error("duplicate_alias", at, message, Some("give each its own name"));
                }
                Some(alias) => self.spec.aliases.push(authored(alias, path, source)),
                None => {}
            },
            Place::Enrichers => match enricher::read(root, report) {
                Some(read) => self.add_enricher(read, at, path, source, report),
                None => self.known.enrichers_lost = true,
            },
            Place::Nodes(_) | Place::JobsXml | Place::Ignored | Place::Unknown => {}
        }
    }

    /// Whether the one file of this kind has been read.
    fn has(&self, place: &Place) -> bool {
        match place {
            Place::Project => self.spec.project_source.is_some(),
            Place::Access => self.spec.access_source.is_some(),
            _ => false,
        }
    }

    fn add_source(&mut self, read: Source, at: Span, path: &str, source: &str, report: &mut Report<'_>) {
        if self.spec.sources.iter().any(|other| other.value.name == read.name) {
            let message = format!("the source `{}` stands twice in this project", read.name);
            report.error("duplicate_source", at, message, Some("give each its own name"));
        } else {
            self.spec.sources.push(authored(read, path, source));
        }
    }

    fn add_enricher(&mut self, read: Enricher, at: Span, path: &str, source: &str, report: &mut Report<'_>) {
        if self.spec.enrichers.iter().any(|other| other.value.name == read.name) {
            let message = format!("the enricher `{}` stands twice in this project", read.name);
            report.error("duplicate_enricher", at, message, Some("give each its own name"));
        } else {
            self.spec.enrichers.push(authored(read, path, source));
        }
    }

    /// A job of Rundeck's. What is kept as its source is our own form.
    fn rundeck_job(&mut self, root: &Tree, path: &str, report: &mut Report<'_>) {
        let before = report.errors();
        let job = rundeck::convert(root, report).and_then(|converted| job::read(&converted, report));
        match job.filter(|_| report.errors() == before) {
            Some(job) => {
                let source = write::write_job(&job);
                self.add_job(job, Span::at(root.span.start), path, &source, report);
            }
            None => self.known.broken_jobs.extend(job::names(root)),
        }
    }

    fn add_job(&mut self, job: Job, at: Span, path: &str, source: &str, report: &mut Report<'_>) {
        let same_path = self.spec.jobs.iter().find(|other| other.value.path == job.path);
        if let Some(other) = same_path {
            let message = format!("the job `{}` stands in {} already", job.path, other.file);
            report.error("duplicate_job", at, message, Some("give it another name or group"));
            return;
        }
        let same_id = self.spec.jobs.iter().find(|other| job.id.is_some() && other.value.id == job.id);
        if let (Some(other), Some(id)) = (same_id, &job.id) {
            let message =
                format!("the job `{}` has the id `{id}`, as `{}` in {} does", job.path, other.value.path, other.file);
            report.error("duplicate_job", at, message, Some("give it another id, or remove the line"));
            return;
        }
        self.spec.jobs.push(authored(job, path, source));
    }

    fn add_nodes(&mut self, nodes: Vec<Node>, path: &str, source: &str, report: &mut Report<'_>) {
        let have: HashSet<_> = self.spec.nodes.iter().map(|n| n.name.clone()).collect();
        for node in nodes.iter().filter(|n| have.contains(&n.name)) {
            report.error(
                "duplicate_node",
                Span::at(0),
                format!("the node `{}` stands in another inventory file already", node.name),
                Some("keep one of the two"),
            );
        }
        self.spec.nodes.extend(nodes.iter().filter(|n| !have.contains(&n.name)).cloned());
        self.spec.nodes_sources.push(authored(nodes, path, source));
    }
}

fn authored<T: Canonical>(value: T, path: &str, source: &str) -> Authored<T> {
    let canonical = canonical_json(&value.canonical());
    let digest = Digest::of(canonical.as_bytes());
    Authored { value, source: source.to_owned(), file: path.to_owned(), canonical, digest }
}
