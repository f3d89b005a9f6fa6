//! Every route with what it asks of a caller. There is no other way in: the server is built from this table, and a test
//! walks it with every kind of caller.

use actix_web::HttpRequest;
use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;

use super::call::{Call, Surface};
use super::error::Answer;
use super::{api, assets, hooks, pages};
use crate::app::error::AppError;
use crate::domain::access::Permission;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Nothing: sign-in, static files, health.
    Public,
    /// A proof of its own, checked by the use case: a webhook's signature or unguessable address.
    OwnProof,
    /// To be signed in. What is shown is only what the caller may see.
    SignedIn,
    /// To be signed in and to have this permission on the named thing; the use case decides it, which alone knows the
    /// thing's environment. Absent and hidden get the same answer.
    Needs(Permission, On),
    /// To have this permission on the whole installation.
    System(Permission),
}

/// What a permission is needed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// The job of the path, or of the run or request in it.
    Job,
    /// The node of the path.
    Node,
    /// A key.
    Key,
    /// A webhook.
    Webhook,
    /// A rule.
    Rule,
    /// A source of events.
    Source,
    /// An enricher.
    Enricher,
    /// The events of a project.
    Events,
    /// A project's settings.
    Project,
    /// The caller's own account.
    Account,
}

/// A handler.
pub type Handler = fn(Call) -> LocalBoxFuture<'static, Answer>;

/// One route.
#[derive(Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, `PUT`, `DELETE`. A `GET` answers `HEAD` as well.
    pub method: &'static str,
    /// The path in actix's form.
    pub path: &'static str,
    /// What it asks of the caller.
    pub guard: Guard,
    /// How errors are shown.
    pub surface: Surface,
    /// The most bytes that a body may have.
    pub body_limit: usize,
    /// What answers.
    pub handler: Handler,
}

/// The usual cap of a body: 1 MiB.
pub const BODY: usize = 1024 * 1024;

/// The cap of a command's form: what Slack sends is far smaller.
const SLACK_BODY: usize = 64 * 1024;

impl Route {
    /// The methods that it answers.
    #[must_use]
    pub fn methods(&self) -> Vec<Method> {
        match self.method {
            "GET" => vec![Method::GET, Method::HEAD],
            "PUT" => vec![Method::PUT],
            "DELETE" => vec![Method::DELETE],
            _ => vec![Method::POST],
        }
    }

    /// A route with another cap of the body.
    #[must_use]
    pub const fn with_body(self, body_limit: usize) -> Self {
        Self { body_limit, ..self }
    }
}

/// A page's route.
pub const fn page(method: &'static str, path: &'static str, guard: Guard, handler: Handler) -> Route {
    Route { method, path, guard, surface: Surface::Page, body_limit: BODY, handler }
}

/// A program's route.
pub const fn api(method: &'static str, path: &'static str, guard: Guard, handler: Handler) -> Route {
    Route { method, path, guard, surface: Surface::Api, body_limit: BODY, handler }
}

/// Makes a handler of an async function.
macro_rules! to {
    ($handler:path) => {
        |call| Box::pin($handler(call))
    };
}
pub(crate) use to;

/// Routes that are neither pages nor API.
const COMMON: &[Route] = &[
    // First, as it is asked for most.
    api("POST", "/hooks/{address}", Guard::OwnProof, to!(hooks::deliver)),
    api("POST", "/hooks/slack/actions", Guard::OwnProof, to!(hooks::pressed)),
    api("POST", "/hooks/slack/commands", Guard::OwnProof, to!(hooks::commanded)).with_body(SLACK_BODY),
    page("GET", "/static/{name:.+}", Guard::Public, to!(assets::file)),
    api("GET", "/healthz", Guard::Public, to!(hooks::health)),
    api("GET", "/readyz", Guard::Public, to!(hooks::ready)),
    api("GET", "/metrics", Guard::Public, to!(hooks::metrics)),
];

/// The whole table, in the order in which paths are tried.
pub fn table() -> impl Iterator<Item = &'static Route> {
    COMMON.iter().chain(api::ROUTES).chain(pages::ROUTES)
}

/// The route of every address that is not in the table.
pub fn nowhere(request: &HttpRequest) -> &'static Route {
    const PAGE: Route = page("GET", "", Guard::Public, to!(not_found));
    const API: Route = api("GET", "", Guard::Public, to!(not_found));
    if request.path().starts_with("/api/") || request.path().starts_with("/hooks/") { &API } else { &PAGE }
}

async fn not_found(_: Call) -> Answer {
    Err(AppError::not_found())
}
