//! Cross-site request forgery: unsafe requests with a cookie must come from our own pages (Fetch Metadata, Origin) and
//! carry the session's token. Both, as old browsers send no metadata and a token alone can leak.

use actix_web::http::header::HeaderMap;
use subtle::ConstantTimeEq;

use super::call::SessionRef;
use crate::app::error::{AppError, Refusal, RefusalKind};

/// Checks an unsafe request. A bearer token is never sent by a browser on its own, so such requests need no token.
///
/// # Errors
/// A refusal `csrf` or `cross_site`.
pub fn check(headers: &HeaderMap, session: Option<&SessionRef>, given: Option<&str>) -> Result<(), AppError> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let cross_site = || {
        let message = "This request came from another site, so it was not carried out. Use Interlock's own pages.";
        AppError::from(Refusal::new(RefusalKind::Forbidden, "cross_site", message))
    };
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return Err(cross_site());
    }
    if let Some(origin) = text("origin") {
        let host = text("host").unwrap_or_default();
        let ours = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        if !ours {
            return Err(cross_site());
        }
    }
    let Some(session) = session else { return Ok(()) };
    let good = given.is_some_and(|token| bool::from(token.as_bytes().ct_eq(session.csrf.as_bytes())));
    if good {
        return Ok(());
    }
    let message =
        "The form's token is missing or from another session. Load the page again; nothing was lost on the server.";
    Err(Refusal::new(RefusalKind::Forbidden, "csrf", message).into())
}
