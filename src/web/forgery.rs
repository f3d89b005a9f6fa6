//! Cross-site request forgery: unsafe requests with a cookie must come from our own pages (Fetch Metadata, Origin) and
//! carry the session's token. Both, as old browsers send no metadata and a token alone can leak.

use actix_web::http::header::HeaderMap;
use subtle::ConstantTimeEq;

use super::call::SessionRef;
use crate::app::error::{AppError, Refusal, RefusalKind};

/// Checks an unsafe request. A bearer token is never sent by a browser on its own, so such requests need no token.
/// `public` is the address that people reach Interlock at: a proxy may put another `Host` before the request.
///
/// # Errors
/// A refusal `csrf` or `cross_site`.
pub fn check(
    headers: &HeaderMap,
    public: &str,
    session: Option<&SessionRef>,
    given: Option<&str>,
) -> Result<(), AppError> {
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
        let ours = origin.eq_ignore_ascii_case(origin_of(public))
            || origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
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

/// Scheme and authority of an address.
fn origin_of(address: &str) -> &str {
    let authority = address.find("://").map_or(0, |at| at + 3);
    let rest = address.get(authority..).unwrap_or_default();
    let end = rest.find('/').map_or(address.len(), |at| authority + at);
    address.get(..end).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_ours_by_the_public_address_or_by_the_host() {
        let check = |origin: &str, host: &str, public: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in [("origin", origin), ("host", host)] {
                headers.insert(name.parse().unwrap(), value.parse().unwrap());
            }
            check(&headers, public, None, None).is_ok()
        };
        // Behind a proxy that names its own upstream as the host.
        assert!(check("https://ops.example.com", "127.0.0.1:4440", "https://ops.example.com/interlock"));
        assert!(check("https://OPS.example.com", "127.0.0.1:4440", "https://ops.example.com"));
        assert!(check("http://127.0.0.1:4440", "127.0.0.1:4440", "https://ops.example.com"));
        for foreign in
            ["https://evil.example", "http://ops.example.com", "https://ops.example.com.evil.example", "null"]
        {
            assert!(!check(foreign, "127.0.0.1:4440", "https://ops.example.com"), "{foreign}");
        }
    }
}
