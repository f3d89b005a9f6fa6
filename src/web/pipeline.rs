//! What happens to every request before and after its handler: body cap, caller, forgery checks, guard, error map and
//! headers. A handler is never reached by another way.

use std::sync::Arc;

use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;

use super::call::{Call, Caller, SessionRef, Surface, unauthenticated};
use super::error::{Answer, respond};
use super::form::Form;
use super::page::{Chrome, see_other};
use super::routes::{Guard, Route};
use super::{cookie, forgery};
use crate::app::App;
use crate::app::error::{AppError, Refusal, RefusalKind};
use crate::app::idempotency::{KeptAnswer, Keyed};
use crate::domain::access::Resource;

/// Takes a request through to its answer.
pub async fn run(route: &'static Route, request: HttpRequest, payload: Payload, app: Arc<App>) -> HttpResponse {
    let began = std::time::Instant::now();
    let outcome = handle(route, &request, payload, &app).await;
    let mut answer = match outcome {
        Ok(answer) => answer,
        // Who has not signed in is taken to the sign-in page, and back afterwards.
        Err((error, _)) if route.surface == Surface::Page && is_unauthenticated(&error) => {
            let wanted = request.uri().path_and_query().map_or("/", |p| p.as_str());
            let wanted = if *request.method() == Method::GET { wanted } else { "/" };
            see_other(&format!("/sign-in?next={}", encode(wanted)))
        }
        Err((error, caller)) => respond(&error, route.surface, &super::chrome::plain(caller.as_ref())),
    };
    secure(&mut answer);
    tracing::info!(
        http.method = %request.method(),
        http.route = route.path,
        http.status = answer.status().as_u16(),
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered a request"
    );
    answer
}

fn is_unauthenticated(error: &AppError) -> bool {
    error.refusal().is_some_and(|r| r.kind == RefusalKind::Unauthenticated)
}

type Outcome = Result<HttpResponse, (AppError, Option<Caller>)>;

async fn handle(route: &'static Route, request: &HttpRequest, payload: Payload, app: &Arc<App>) -> Outcome {
    let source = source_of(request);
    let body = read_body(payload, route.body_limit).await.map_err(|e| (e, None))?;
    let content_type = request.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let form = match route.surface {
        Surface::Page => Box::pin(Form::read(content_type, &body)).await.map_err(|e| (e, None))?,
        Surface::Api => Form::default(),
    };
    let unsafe_method = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A route that takes its own proof (a webhook's signature) has no use for cookies and is not checked for them.
    let caller = if route.guard == Guard::OwnProof {
        None
    } else {
        Box::pin(caller_of(request, app)).await.map_err(|e| (e, None))?
    };
    if unsafe_method && route.guard != Guard::OwnProof {
        let given = request.headers().get("x-csrf-token").and_then(|v| v.to_str().ok()).or_else(|| form.text("csrf"));
        let session = caller.as_ref().and_then(|c| c.session.as_ref());
        forgery::check(request.headers(), &app.settings.public_url, session, given).map_err(|e| (e, caller.clone()))?;
    }
    guard(route, caller.as_ref(), app).map_err(|e| (e, caller.clone()))?;
    let call = Call { app: Arc::clone(app), caller: caller.clone(), request: request.clone(), body, form, source };
    let key = request.headers().get("idempotency-key").filter(|_| route.surface == Surface::Api && unsafe_method);
    let answer = match (key.map(|k| k.to_str().unwrap_or_default().to_owned()), &caller) {
        (Some(key), Some(caller)) => Box::pin(once(route, call, &key, caller)).await,
        _ => (route.handler)(call).await,
    };
    answer.map_err(|e| (e, caller))
}

/// Carries a request with an idempotency key out once; a repetition gets the first one's answer.
async fn once(route: &'static Route, call: Call, key: &str, caller: &Caller) -> Answer {
    let app = Arc::clone(&call.app);
    let place = format!("{} {}", route.method, call.request.path());
    if let Keyed::Answered(kept) = app.keyed(&caller.actor, key, &place, &call.body).await? {
        let mut answer = HttpResponse::build(StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK));
        answer.insert_header(("Idempotency-Replayed", "true"));
        if let Some(location) = kept.location {
            answer.insert_header((LOCATION, location));
        }
        return Ok(answer.content_type("application/json").body(kept.body));
    }
    match (route.handler)(call).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            // Answers to unsafe requests are whole documents; only followed logs stream, and those are GET.
            let bytes = actix_web::body::to_bytes(body).await.map_err(|_| AppError::fault("an answer broke off"))?;
            let kept = KeptAnswer {
                status: head.status().as_u16(),
                location: head.headers().get(LOCATION).and_then(|v| v.to_str().ok()).map(str::to_owned),
                body: String::from_utf8_lossy(&bytes).into_owned(),
            };
            app.keyed_done(&caller.actor, key, Some(kept)).await?;
            Ok(head.set_body(actix_web::body::BoxBody::new(bytes)))
        }
        Err(error) => {
            app.keyed_done(&caller.actor, key, None).await?;
            Err(error)
        }
    }
}

/// What the table asks of every caller before the handler. Rights on single jobs, nodes and keys are decided by the use
/// cases, which alone know them; the table names them, and a test walks them.
fn guard(route: &Route, caller: Option<&Caller>, app: &App) -> Result<(), AppError> {
    match route.guard {
        Guard::Public | Guard::OwnProof => Ok(()),
        Guard::SignedIn | Guard::Needs(..) => caller.map(|_| ()).ok_or_else(unauthenticated),
        Guard::System(permission) => {
            let caller = caller.ok_or_else(unauthenticated)?;
            app.authorize(&caller.actor, permission, &Resource::System).map(|_| ()).map_err(Into::into)
        }
    }
}

/// The body, refused as soon as it is too large.
async fn read_body(mut payload: Payload, limit: usize) -> Result<Bytes, AppError> {
    let (mut first, mut rest) = (Bytes::new(), Vec::new());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| {
            AppError::from(Refusal::new(RefusalKind::Malformed, "broken_body", "The body broke off; send it again."))
        })?;
        if first.len() + rest.len() + chunk.len() > limit {
            let message = format!("The body is larger than {} KiB.", limit / 1024);
            return Err(Refusal::new(RefusalKind::TooLarge, "body_too_large", message).into());
        }
        // Most bodies come in one piece, which is taken as it is.
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    rest.splice(..0, first);
    Ok(rest.into())
}

/// Who calls: a bearer token counts before a cookie. A token that is not valid is an error, not an anonymous caller.
pub(super) async fn caller_of(request: &HttpRequest, app: &Arc<App>) -> Result<Option<Caller>, AppError> {
    if let Some(header) = request.headers().get("authorization") {
        let token = header
            .to_str()
            .ok()
            .and_then(|v| v.split_once(' '))
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else { return Err(unauthenticated()) };
        let actor = app.actor_by_token(token.trim()).await?.ok_or_else(unauthenticated)?;
        return Ok(Some(Caller { actor, session: None }));
    }
    let Some(cookie) = cookie::read(request) else { return Ok(None) };
    let Some(session) = app.session_by_cookie(&cookie).await? else { return Ok(None) };
    Ok(Some(Caller { actor: session.actor, session: Some(SessionRef { id: session.id, csrf: session.csrf }) }))
}

fn source_of(request: &HttpRequest) -> String {
    request.peer_addr().map_or_else(|| "unknown".to_owned(), |a| a.ip().to_string())
}

fn encode(path: &str) -> String {
    form_urlencoded::byte_serialize(path.as_bytes()).collect()
}

/// The chrome-less answer to a method that a path does not have.
pub fn method_not_allowed(surface: Surface, allowed: &str) -> HttpResponse {
    let message = format!("This address only takes {allowed}.");
    let refusal = Refusal::new(RefusalKind::Malformed, "method_not_allowed", message);
    let mut answer = respond(&refusal.into(), surface, &Chrome::default());
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        answer.headers_mut().insert(ALLOW, allowed);
    }
    secure(&mut answer);
    answer
}

/// The headers that every answer carries.
pub fn secure(answer: &mut HttpResponse) {
    const HEADERS: [(&str, &str); 6] = [
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}
