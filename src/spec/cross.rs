//! Holds what definitions refer to against what the project has.
//!
//! Promises not to blame a reference for a definition that is there but could not be read.

use std::collections::HashSet;

use super::diagnostic::{Diagnostic, Severity};
use super::fields::suggest;
use super::folder::ProjectSpec;
use super::report::{Reference, Refers};
use crate::domain::access::Member;
use crate::domain::glob::Glob;
use crate::domain::job::Job;
use crate::domain::option::OptionSpec;
use crate::domain::rule;

/// What is known of definitions beside those that could be read.
#[derive(Default)]
pub(super) struct Known {
    pub(super) project_lost: bool,
    pub(super) access_lost: bool,
    pub(super) jobs_lost: bool,
    pub(super) webhooks_lost: bool,
    pub(super) rules_lost: bool,
    pub(super) enrichers_lost: bool,
    /// Ids and paths of jobs that could not be read.
    pub(super) broken_jobs: HashSet<String>,
    /// Names of webhooks, good and broken.
    pub(super) webhooks: HashSet<String>,
    /// Names of rules.
    pub(super) rules: HashSet<String>,
}

/// Judges every reference.
pub(super) fn check(spec: &ProjectSpec, known: &Known, references: Vec<Reference>, out: &mut Vec<Diagnostic>) {
    for reference in references {
        let Some((severity, code, message, hint)) = judge(spec, known, &reference.to) else { continue };
        out.push(Diagnostic { severity, code, message, hint, ..reference.at });
    }
}

type Finding = (Severity, &'static str, String, Option<String>);

fn judge(spec: &ProjectSpec, known: &Known, to: &Refers) -> Option<Finding> {
    let error =
        |code: &'static str, message: String, hint: Option<String>| Some((Severity::Error, code, message, hint));
    match to {
        Refers::Policy(name) => {
            let policies = &spec.project.approvals;
            if known.project_lost || policies.contains_key(name) {
                return None;
            }
            let hint = suggest(name.as_str(), policies.keys().map(AsRef::as_ref))
                .unwrap_or_else(|| "define it in project.yaml under `approvals`".to_owned());
            error("unknown_policy", format!("project.yaml has no approval policy `{name}`"), Some(hint))
        }
        Refers::Channel(name) => {
            let channels = &spec.project.channels;
            if known.project_lost || channels.contains_key(name) {
                return None;
            }
            let hint = suggest(name, channels.keys().map(String::as_str))
                .unwrap_or_else(|| "define it in project.yaml under `channels`".to_owned());
            error("unknown_channel", format!("project.yaml has no channel `{name}`"), Some(hint))
        }
        Refers::Environment(name) => {
            let environments = &spec.project.environments;
            if known.project_lost || environments.contains(name) {
                return None;
            }
            let hint = suggest(name.as_str(), environments.iter().map(AsRef::as_ref));
            error("unknown_environment", format!("project.yaml does not list the environment `{name}`"), hint)
        }
        Refers::Job(job) => {
            if known.jobs_lost || known.broken_jobs.contains(job.as_str()) || find(spec, job.as_str()).is_some() {
                return None;
            }
            let paths: Vec<String> = spec.jobs.iter().map(|j| j.value.path.to_string()).collect();
            let hint = suggest(job.as_str(), paths.iter().map(String::as_str));
            error("unknown_job", format!("there is no job with the id or the name `{job}`"), hint)
        }
        Refers::SomeJob(glob) => {
            let (covers, lost) = (Glob::new(glob), known.jobs_lost || !known.broken_jobs.is_empty());
            let paths: Vec<String> = spec.jobs.iter().map(|j| j.value.path.to_string()).collect();
            if lost || paths.iter().any(|path| covers.covers(path)) {
                return None;
            }
            let hint = suggest(glob, paths.iter().map(String::as_str))
                .unwrap_or_else(|| "write `group/name`, with `*` within one part and `**` across `/`".to_owned());
            error("unknown_job", format!("`{glob}` covers no job"), Some(hint))
        }
        Refers::JobOption(job, option) => {
            // An unknown job has been told at its own place.
            has_option(find(spec, job.as_str())?, option)
        }
        Refers::ActionJob { name, pack, given } => {
            let hint = |option: &str| format!("add `{option}:` below `parameters`");
            runs_job(spec, known, (name, pack, given), "the rule", hint)
        }
        Refers::AliasJob { name, pack, given } => {
            let hint = |option: &str| {
                format!("add `{{{{{option}}}}}` to each of `formats`, or `{option}:` below `immutable_parameters`")
            };
            runs_job(spec, known, (name, pack, given), "the alias", hint)
        }
        Refers::ActionOption(name, pack, option) => {
            let names = rule::job_names(name, pack, &spec.project.name);
            has_option(names.iter().find_map(|n| find(spec, n))?, option)
        }
        Refers::Role(role) => {
            if known.access_lost || spec.access.members.get(role).is_some_and(|m| !m.is_empty()) {
                return None;
            }
            if !spec.access.roles.contains_key(role) && !spec.access.members.contains_key(role) {
                let hint = suggest(role.as_str(), spec.access.roles.keys().map(AsRef::as_ref))
                    .unwrap_or_else(|| "define it in access.yaml under `roles`".to_owned());
                return error("unknown_role", format!("access.yaml has no role `{role}`"), Some(hint));
            }
            let hint = format!("add somebody to `members: {{{role}: [user:NAME]}}` in access.yaml");
            Some((Severity::Warning, "role_without_members", format!("nobody holds the role `{role}`"), Some(hint)))
        }
        Refers::Source(source) => {
            let (lost, has) = match source.split_once(':') {
                Some(("webhook", name)) => (known.webhooks_lost, known.webhooks.contains(name)),
                Some((_, name)) => (known.rules_lost, known.rules.contains(name)),
                None => (true, true),
            };
            if lost || has {
                return None;
            }
            error(
                "unknown_source",
                format!("the project has no `{source}`"),
                Some("remove it, or check its name".to_owned()),
            )
        }
        Refers::Enricher(name) => {
            if known.enrichers_lost || spec.enrichers.iter().any(|e| e.value.name == *name) {
                return None;
            }
            let hint = suggest(name.as_str(), spec.enrichers.iter().map(|e| e.value.name.as_str()))
                .unwrap_or_else(|| format!("write it in enrichers/{name}.yaml"));
            error("unknown_enricher", format!("the project has no enricher `{name}`"), Some(hint))
        }
        Refers::Label(by, label) => {
            let all = || spec.enrichers.iter().filter(|e| by.contains(&e.value.name));
            let labels = || all().flat_map(|e| &e.value.labels).map(AsRef::as_ref);
            // An unknown enricher has been told at its own place.
            if known.enrichers_lost || all().count() < by.len() || labels().any(|known| known == label) {
                return None;
            }
            let shown: String = label.chars().take(60).collect();
            let message = format!("no enricher of the rule can give the label `{shown}`");
            error("unknown_label", message, suggest(label, labels()))
        }
        Refers::Service(name) => {
            let is = |member: &Member| matches!(member, Member::Service(service) if service.as_str() == name);
            if known.access_lost || spec.access.members.values().flatten().any(is) {
                return None;
            }
            let message =
                format!("the service account `{name}` holds no role, so everything that it asks for will be refused");
            let hint = format!("add `service:{name}` to a role's members in access.yaml");
            Some((Severity::Warning, "service_without_role", message, Some(hint)))
        }
    }
}

/// What is wrong with running this job with these options.
fn runs_job(
    spec: &ProjectSpec,
    known: &Known,
    (name, pack, given): (&str, &str, &[String]),
    who: &str,
    how_to_give: impl Fn(&str) -> String,
) -> Option<Finding> {
    let names = rule::job_names(name, pack, &spec.project.name);
    let Some(job) = names.iter().find_map(|n| find(spec, n)) else {
        if known.jobs_lost || names.iter().any(|n| known.broken_jobs.contains(n)) {
            return None;
        }
        let paths: Vec<String> = spec.jobs.iter().map(|j| j.value.path.to_string()).collect();
        let near = names.last().map_or(name, String::as_str);
        let hint = suggest(near, paths.iter().map(String::as_str));
        return Some((Severity::Error, "unknown_job", format!("there is no job `{name}` for {who} to run"), hint));
    };
    // Rules and people in a chat give a reason for the run as a whole.
    let given = |o: &OptionSpec| o.is_reason() || given.iter().any(|g| g == o.name.as_str());
    let lacks = |o: &&OptionSpec| o.required && o.default.is_none() && !given(o);
    let missing = job.options.iter().find(lacks)?;
    let message = format!("the job `{}` needs the option `{}`", job.path, missing.name);
    Some((Severity::Error, "missing_option", message, Some(how_to_give(missing.name.as_str()))))
}

/// What is wrong with naming this option of a job.
fn has_option(job: &Job, option: &str) -> Option<Finding> {
    if job.options.iter().any(|o| o.name.as_str() == option) {
        return None;
    }
    let hint = suggest(option, job.options.iter().map(|o| o.name.as_str()));
    Some((Severity::Error, "unknown_option", format!("the job `{}` has no option `{option}`", job.path), hint))
}

/// The job of an id or of a group and name.
fn find<'s>(spec: &'s ProjectSpec, text: &str) -> Option<&'s Job> {
    let mut jobs = spec.jobs.iter().map(|j| &j.value);
    jobs.clone()
        .find(|j| j.id.as_ref().is_some_and(|id| id.as_str() == text))
        .or_else(|| jobs.find(|j| j.path.to_string() == text))
}
