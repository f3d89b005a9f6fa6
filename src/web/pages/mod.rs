//! The pages: a struct beside its handler, ready values only.

pub mod access;
pub mod aliases;
pub mod approval;
mod approval_thread;
pub mod approvals;
pub mod audit;
pub mod backtest;
pub mod break_glass;
pub mod check;
mod choice;
pub mod delegations;
pub mod diff;
pub mod editor;
pub mod enrichers;
pub mod event_counts;
pub mod events;
pub mod find;
mod freezes;
pub mod health;
pub mod history;
pub mod home;
pub mod job;
pub mod job_fields;
pub mod job_form;
pub mod jobs;
pub mod keys;
pub mod nodes;
pub mod notices;
pub mod people;
pub mod pin;
pub mod plan;
pub mod rules;
pub mod run;
pub mod run_folded;
pub mod run_log;
pub mod run_search;
pub mod run_state;
pub mod run_stream;
pub mod runs;
pub mod runs_table;
pub mod settings;
pub mod setup;
pub mod sign_in;
pub mod sources;
mod start_at;
pub mod verdict;
pub mod webhooks;
pub mod words;

use super::event_export;
use super::routes::{Guard, On, Route, page, to};
use crate::domain::access::Permission;

/// The most that a form with files may weigh.
const WITH_FILES: usize = 16 * 1024 * 1024;

/// The routes of the pages.
pub const ROUTES: &[Route] = &[
    page("GET", "/sign-in", Guard::Public, to!(sign_in::form)),
    page("POST", "/sign-in", Guard::Public, to!(sign_in::submit)),
    page("POST", "/sign-out", Guard::SignedIn, to!(sign_in::sign_out)),
    page("GET", "/setup/{token}", Guard::Public, to!(setup::form)),
    page("POST", "/setup/{token}", Guard::Public, to!(setup::submit)),
    page("GET", "/", Guard::SignedIn, to!(home::page)),
    page("GET", "/find", Guard::SignedIn, to!(find::part)),
    page("GET", "/jobs", Guard::SignedIn, to!(jobs::page)),
    page("GET", "/projects/{project}/jobs/{job:.+}", Guard::Needs(Permission::View, On::Job), to!(job::form)),
    page("POST", "/projects/{project}/run/{job:.+}", Guard::Needs(Permission::Run, On::Job), to!(job::run))
        .with_body(WITH_FILES),
    page("POST", "/projects/{project}/pin/{job:.+}", Guard::Needs(Permission::View, On::Job), to!(pin::change)),
    page("GET", "/runs", Guard::SignedIn, to!(runs::page)),
    page("GET", "/runs/{number}", Guard::Needs(Permission::View, On::Job), to!(run::page)),
    page("GET", "/runs/{number}/live", Guard::Needs(Permission::View, On::Job), to!(run::live)),
    page("GET", "/runs/{number}/stream", Guard::Needs(Permission::View, On::Job), to!(run_stream::follow)),
    page("GET", "/runs/{number}/next", Guard::Needs(Permission::View, On::Job), to!(run_search::next)),
    page("GET", "/runs/{number}/log.txt", Guard::Needs(Permission::View, On::Job), to!(run_log::raw)),
    page("POST", "/runs/{number}/cancel", Guard::Needs(Permission::Cancel, On::Job), to!(run::cancel)),
    page("GET", "/approvals", Guard::SignedIn, to!(approvals::page)),
    page("GET", "/approvals/{id}", Guard::Needs(Permission::View, On::Job), to!(approval::page)),
    page("GET", "/break-glass", Guard::SignedIn, to!(break_glass::page)),
    page("POST", "/break-glass/{number}/review", Guard::Needs(Permission::Approve, On::Job), to!(break_glass::review)),
    page("GET", "/delegations", Guard::SignedIn, to!(delegations::page)),
    page("POST", "/delegations", Guard::Needs(Permission::Edit, On::Account), to!(delegations::make)),
    page("POST", "/delegations/{id}/end", Guard::Needs(Permission::Edit, On::Account), to!(delegations::end)),
    page("POST", "/approvals/{id}/again", Guard::Needs(Permission::Run, On::Job), to!(approval::again)),
    page("POST", "/approvals/{id}/decision", Guard::Needs(Permission::Approve, On::Job), to!(approval::decide)),
    page("GET", "/events", Guard::SignedIn, to!(events::list)),
    page("GET", "/events/export", Guard::SignedIn, to!(event_export::export)),
    page("GET", "/events/counts", Guard::SignedIn, to!(event_counts::page)),
    page("GET", "/events/{id}", Guard::Needs(Permission::View, On::Events), to!(events::one)),
    page("POST", "/events/{id}/replay", Guard::Needs(Permission::View, On::Events), to!(events::replay)),
    page("POST", "/events/{id}/labels", Guard::Needs(Permission::Promote, On::Enricher), to!(events::teach)),
    page("GET", "/webhooks", Guard::SignedIn, to!(webhooks::list)),
    page("GET", "/webhooks/{project}/{name}", Guard::Needs(Permission::View, On::Webhook), to!(webhooks::one)),
    page("POST", "/webhooks/{project}/{name}", Guard::Needs(Permission::View, On::Webhook), to!(webhooks::try_sample)),
    page("GET", "/sources", Guard::SignedIn, to!(sources::list)),
    page("POST", "/sources/{project}/{name}/enabled", Guard::Needs(Permission::Edit, On::Source), to!(sources::switch)),
    page("GET", "/enrichers", Guard::SignedIn, to!(enrichers::list)),
    page("GET", "/aliases", Guard::SignedIn, to!(aliases::list)),
    page("GET", "/rules", Guard::SignedIn, to!(rules::list)),
    page("GET", "/rules/{project}/{name}", Guard::Needs(Permission::View, On::Rule), to!(rules::one)),
    page(
        "POST",
        "/rules/{project}/{name}/promotion",
        Guard::Needs(Permission::Promote, On::Rule),
        to!(rules::promotion),
    ),
    page("POST", "/rules/{project}/{name}/marks", Guard::Needs(Permission::Promote, On::Rule), to!(rules::mark)),
    page("POST", "/rules/{project}/{name}/backtest", Guard::Needs(Permission::View, On::Rule), to!(backtest::ask)),
    page("GET", "/backtests/{id}", Guard::Needs(Permission::View, On::Rule), to!(backtest::one)),
    page("GET", "/backtests/{id}/part", Guard::Needs(Permission::View, On::Rule), to!(backtest::part)),
    page("POST", "/backtests/{id}/cancel", Guard::Needs(Permission::Edit, On::Rule), to!(backtest::cancel)),
    page("GET", "/nodes", Guard::SignedIn, to!(nodes::page)),
    page("POST", "/nodes/{project}/{node}/check", Guard::Needs(Permission::Administer, On::Node), to!(nodes::check)),
    page("GET", "/keys", Guard::SignedIn, to!(keys::page)),
    page("POST", "/keys", Guard::Needs(Permission::UseSecret, On::Key), to!(keys::put)),
    page("GET", "/access", Guard::SignedIn, to!(access::page)),
    page("GET", "/audit", Guard::Needs(Permission::Administer, On::Project), to!(audit::page)),
    page("GET", "/settings", Guard::SignedIn, to!(settings::page)),
    page("POST", "/settings/password", Guard::Needs(Permission::Edit, On::Account), to!(settings::password)),
    page("POST", "/settings/email", Guard::Needs(Permission::Edit, On::Account), to!(notices::own_email)),
    page("POST", "/settings/tokens", Guard::Needs(Permission::Edit, On::Account), to!(settings::make_token)),
    page("POST", "/settings/tokens/revoke", Guard::Needs(Permission::Edit, On::Account), to!(settings::revoke_token)),
    page("POST", "/settings/sessions/end", Guard::Needs(Permission::Edit, On::Account), to!(settings::end_session)),
    page("POST", "/settings/people", Guard::System(Permission::Administer), to!(people::add)),
    page("POST", "/settings/people/change", Guard::System(Permission::Administer), to!(people::change)),
    page(
        "GET",
        "/projects/{project}/edit/{kind}/{name:.*}",
        Guard::Needs(Permission::Edit, On::Project),
        to!(editor::form),
    ),
    page(
        "POST",
        "/projects/{project}/edit/{kind}/{name:.*}",
        Guard::Needs(Permission::Edit, On::Project),
        to!(editor::submit),
    ),
    page("POST", "/projects/{project}/check/{kind}", Guard::Needs(Permission::View, On::Project), to!(check::answer)),
    page(
        "GET",
        "/projects/{project}/history/{kind}/{name:.*}",
        Guard::Needs(Permission::View, On::Project),
        to!(history::page),
    ),
];
