//! The JSON API under `/api/v1`: snake_case fields, RFC 3339 times in UTC, problem documents, lists as `{items, next}`.

pub mod aliases;
pub mod approvals;
pub mod audit;
pub mod backtests;
pub mod enrichers;
pub mod events;
pub mod exceptions;
pub mod jobs;
pub mod log;
pub mod notices;
pub mod openapi;
mod operations;
pub mod people;
pub mod rules;
pub mod runs;
mod schemas;
pub mod session;
pub mod sources;
pub mod wire;

use super::event_export;
use super::routes::{Guard, On, Route, api, to};
use crate::domain::access::Permission;

const JOB_RUNS: &str = "/api/v1/projects/{project}/jobs/{job:.+}/runs";
const JOB: &str = "/api/v1/projects/{project}/jobs/{job:.+}";
const RULE: &str = "/api/v1/rules/{project}/{name}";

/// The routes of the API.
pub const ROUTES: &[Route] = &[
    api("POST", "/api/v1/session", Guard::Public, to!(session::open)),
    api("GET", "/api/v1/session", Guard::SignedIn, to!(session::show)),
    api("DELETE", "/api/v1/session", Guard::SignedIn, to!(session::close)),
    api("GET", "/api/v1/projects", Guard::SignedIn, to!(jobs::projects)),
    api("GET", "/api/v1/projects/{project}/jobs", Guard::SignedIn, to!(jobs::list)),
    api("POST", JOB_RUNS, Guard::Needs(Permission::Run, On::Job), to!(jobs::run)).with_body(8 * 1024 * 1024),
    api("GET", JOB, Guard::Needs(Permission::View, On::Job), to!(jobs::show)),
    api("PUT", JOB, Guard::Needs(Permission::Edit, On::Job), to!(jobs::save)),
    api("GET", "/api/v1/runs", Guard::SignedIn, to!(runs::list)),
    api("GET", "/api/v1/runs/{number}", Guard::Needs(Permission::View, On::Job), to!(runs::show)),
    api("GET", "/api/v1/runs/{number}/log", Guard::Needs(Permission::View, On::Job), to!(log::show)),
    api("GET", "/api/v1/runs/{number}/document", Guard::Needs(Permission::Administer, On::Job), to!(runs::document)),
    api("POST", "/api/v1/runs/{number}/cancel", Guard::Needs(Permission::Cancel, On::Job), to!(runs::cancel)),
    api("GET", "/api/v1/approvals", Guard::SignedIn, to!(approvals::list)),
    api("GET", "/api/v1/approvals/{id}", Guard::Needs(Permission::View, On::Job), to!(approvals::show)),
    api("POST", "/api/v1/approvals/{id}/decision", Guard::Needs(Permission::Approve, On::Job), to!(approvals::decide)),
    api("POST", "/api/v1/approvals/{id}/again", Guard::Needs(Permission::Run, On::Job), to!(approvals::again)),
    api("GET", "/api/v1/break-glass", Guard::SignedIn, to!(exceptions::list)),
    api(
        "POST",
        "/api/v1/break-glass/{number}/review",
        Guard::Needs(Permission::Approve, On::Job),
        to!(exceptions::review),
    ),
    api("GET", "/api/v1/delegations", Guard::SignedIn, to!(exceptions::delegations)),
    api("POST", "/api/v1/delegations", Guard::Needs(Permission::Edit, On::Account), to!(exceptions::delegate)),
    api("DELETE", "/api/v1/delegations/{id}", Guard::Needs(Permission::Edit, On::Account), to!(exceptions::end)),
    api("GET", "/api/v1/events", Guard::SignedIn, to!(events::list)),
    api("POST", "/api/v1/events", Guard::Needs(Permission::Run, On::Events), to!(events::post)),
    api("GET", "/api/v1/events/export", Guard::SignedIn, to!(event_export::export)),
    api("GET", "/api/v1/events/counts", Guard::SignedIn, to!(events::counts)),
    api("GET", "/api/v1/events/{id}", Guard::Needs(Permission::View, On::Events), to!(events::show)),
    api("POST", "/api/v1/events/{id}/labels", Guard::Needs(Permission::Promote, On::Enricher), to!(events::teach)),
    api("GET", "/api/v1/events/{id}/verdicts", Guard::Needs(Permission::View, On::Events), to!(rules::verdicts)),
    api("GET", "/api/v1/aliases", Guard::SignedIn, to!(aliases::list)),
    api("GET", "/api/v1/sources", Guard::SignedIn, to!(sources::list)),
    api("GET", "/api/v1/sources/{project}/{name}", Guard::Needs(Permission::View, On::Source), to!(sources::show)),
    api(
        "POST",
        "/api/v1/sources/{project}/{name}/enabled",
        Guard::Needs(Permission::Edit, On::Source),
        to!(sources::switch),
    ),
    api("GET", "/api/v1/enrichers", Guard::SignedIn, to!(enrichers::list)),
    api(
        "GET",
        "/api/v1/enrichers/{project}/{name}",
        Guard::Needs(Permission::View, On::Enricher),
        to!(enrichers::show),
    ),
    api("GET", "/api/v1/rules", Guard::SignedIn, to!(rules::list)),
    api("GET", RULE, Guard::Needs(Permission::View, On::Rule), to!(rules::show)),
    api("PUT", RULE, Guard::Needs(Permission::Edit, On::Rule), to!(rules::save)),
    api(
        "POST",
        "/api/v1/rules/{project}/{name}/promotion",
        Guard::Needs(Permission::Promote, On::Rule),
        to!(rules::promotion),
    ),
    api("POST", "/api/v1/rules/{project}/{name}/marks", Guard::Needs(Permission::Promote, On::Rule), to!(rules::mark)),
    api(
        "POST",
        "/api/v1/rules/{project}/{name}/backtest",
        Guard::Needs(Permission::View, On::Rule),
        to!(backtests::ask),
    ),
    api(
        "GET",
        "/api/v1/rules/{project}/{name}/backtests",
        Guard::Needs(Permission::View, On::Rule),
        to!(backtests::list),
    ),
    api("GET", "/api/v1/backtests/{id}", Guard::Needs(Permission::View, On::Rule), to!(backtests::show)),
    api("POST", "/api/v1/backtests/{id}/cancel", Guard::Needs(Permission::Edit, On::Rule), to!(backtests::cancel)),
    api("GET", "/api/v1/audit", Guard::Needs(Permission::Administer, On::Project), to!(audit::list)),
    api("GET", "/api/v1/notices/undelivered", Guard::System(Permission::Administer), to!(notices::undelivered)),
    api("POST", "/api/v1/people/same-person", Guard::System(Permission::Administer), to!(people::set_person)),
    api("GET", "/api/v1/openapi.json", Guard::Public, to!(openapi::document)),
];
