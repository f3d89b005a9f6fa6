//! The one map from refusals and faults to statuses, problem documents and error pages.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use askama::Template;
use serde_json::json;

use super::call::Surface;
use super::page::{Chrome, render};
use crate::app::error::{AppError, Refusal, RefusalKind};

/// What a handler answers.
pub type Answer = Result<HttpResponse, AppError>;

/// The status of a refusal.
#[must_use]
pub fn status_of(refusal: &Refusal) -> StatusCode {
    match refusal.kind {
        RefusalKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        RefusalKind::NotFound => StatusCode::NOT_FOUND,
        RefusalKind::Forbidden => StatusCode::FORBIDDEN,
        RefusalKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        RefusalKind::Malformed if refusal.code == "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        RefusalKind::Malformed => StatusCode::BAD_REQUEST,
        RefusalKind::Conflict => StatusCode::CONFLICT,
        RefusalKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        RefusalKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        RefusalKind::NoRoom => StatusCode::INSUFFICIENT_STORAGE,
    }
}

/// Renders an error for its surface. A fault shows an incident id only; its cause goes to the log, once, here.
pub fn respond(error: &AppError, surface: Surface, chrome: &Chrome) -> HttpResponse {
    let (status, refusal) = match error {
        AppError::Refused(refusal) => (status_of(refusal), Refusal::clone(refusal)),
        AppError::Fault(cause) => {
            let incident = uuid::Uuid::new_v4().simple().to_string();
            let incident = incident.get(..12).unwrap_or_default();
            tracing::error!(incident.id = incident, error.cause = %cause, "request failed because something is broken");
            let message = format!(
                "Something is broken on our side; nothing was changed. Tell your administrator this incident id: {incident}."
            );
            (StatusCode::INTERNAL_SERVER_ERROR, Refusal::new(RefusalKind::Busy, "internal", message))
        }
    };
    let mut answer = match surface {
        Surface::Api => problem(status, &refusal),
        Surface::Page => error_page(status, &refusal, chrome),
    };
    let later = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::INSUFFICIENT_STORAGE];
    if later.contains(&status) {
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    }
    answer
}

fn problem(status: StatusCode, refusal: &Refusal) -> HttpResponse {
    let mut body = json!({
        "type": "about:blank",
        "title": title(status),
        "status": status.as_u16(),
        "code": refusal.code,
        "detail": refusal.message,
    });
    if let Some(members) = body.as_object_mut().filter(|_| !refusal.fields.is_empty()) {
        members.insert("errors".to_owned(), json!(refusal.fields));
    }
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::UNAUTHORIZED {
        answer.insert_header(("WWW-Authenticate", "Bearer"));
    }
    if refusal.kind.is_of_the_moment() && status != StatusCode::INTERNAL_SERVER_ERROR {
        answer.insert_header(("Retry-After", "10"));
    }
    answer.content_type("application/problem+json").body(body.to_string())
}

fn title(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "The request cannot be read",
        401 => "Please sign in",
        403 => "Not allowed",
        404 => "Not found",
        405 => "Not possible here",
        409 => "Does not fit the present state",
        413 => "Too large",
        422 => "Some values are wrong",
        429 => "Too much at once",
        503 => "Not possible at the moment",
        507 => "The disk is full",
        _ => "Something is broken",
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    chrome: &'a Chrome,
    status: u16,
    title: &'a str,
    refusal: &'a Refusal,
}

fn error_page(status: StatusCode, refusal: &Refusal, chrome: &Chrome) -> HttpResponse {
    render(status, &ErrorPage { chrome, status: status.as_u16(), title: title(status), refusal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_cannot_do_now_is_not_the_callers_fault() {
        let kinds = [(RefusalKind::NoRoom, 507), (RefusalKind::Unavailable, 503), (RefusalKind::Busy, 429)];
        for (kind, status) in kinds {
            for surface in [Surface::Api, Surface::Page] {
                let refusal = Refusal::new(kind, "not_now", "Not now, as a test says.");
                let answer = respond(&refusal.into(), surface, &Chrome::default());
                assert_eq!(answer.status().as_u16(), status, "{kind:?}");
                assert!(answer.headers().contains_key(RETRY_AFTER), "{kind:?}");
            }
        }
    }
}
