//! The session's cookie. Behind TLS it is a `__Host-` cookie; on plain loopback it cannot be `Secure`.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::{HttpRequest, HttpResponse};

const PLAIN: &str = "interlock-session";
const HOST: &str = "__Host-interlock-session";

/// The cookie's value, if the request has one.
#[must_use]
pub fn read(request: &HttpRequest) -> Option<String> {
    request.cookie(HOST).or_else(|| request.cookie(PLAIN)).map(|c| c.value().to_owned())
}

/// Sets the cookie on an answer. `secure` is whether people reach Interlock over https.
pub fn set(answer: &mut HttpResponse, value: &str, secure: bool) {
    let cookie = build(value.to_owned(), secure).finish();
    // Only a cookie with control characters is refused, and ours has none.
    let _ = answer.add_cookie(&cookie);
}

/// Takes the cookie away.
pub fn clear(answer: &mut HttpResponse, secure: bool) {
    let cookie = build(String::new(), secure).max_age(Duration::ZERO).finish();
    let _ = answer.add_cookie(&cookie);
}

fn build(value: String, secure: bool) -> actix_web::cookie::CookieBuilder<'static> {
    Cookie::build(if secure { HOST } else { PLAIN }, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(secure)
}
