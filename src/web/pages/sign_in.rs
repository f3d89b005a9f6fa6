//! Signing in and out.

use actix_web::http::StatusCode;
use askama::Template;

use crate::app::error::{AppError, RefusalKind};
use crate::domain::secret::SecretText;
use crate::web::call::Call;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, render, see_other};
use crate::web::{chrome, cookie};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    chrome: Chrome,
    message: Option<String>,
    user: &'a str,
    next: &'a str,
}

/// `GET /sign-in`.
pub async fn form(call: Call) -> Answer {
    let next = local(call.query("next").as_deref());
    if call.caller.is_some() {
        return Ok(see_other(&next));
    }
    Ok(render(StatusCode::OK, &SignIn { chrome: chrome::plain(None), message: None, user: "", next: &next }))
}

/// `POST /sign-in`.
pub async fn submit(call: Call) -> Answer {
    let user = call.form.text("user").unwrap_or_default();
    let password = SecretText::new(call.form.text("password").unwrap_or_default().to_owned());
    let next = local(call.form.text("next"));
    let agent = call.header("user-agent").unwrap_or_default();
    match call.app.sign_in(user, password, &call.source, agent).await {
        Ok(signed_in) => {
            // Whoever was signed in before in this browser is not any more.
            if let Some(caller) = &call.caller
                && let Some(session) = &caller.session
            {
                call.app.sign_out(&caller.actor, &session.id, &call.source).await?;
            }
            let mut answer = see_other(&next);
            cookie::set(&mut answer, signed_in.cookie.expose(), call.app.settings.secure());
            Ok(answer)
        }
        Err(AppError::Refused(refusal))
            if refusal.kind == RefusalKind::Unauthenticated || refusal.kind.is_of_the_moment() =>
        {
            let page =
                SignIn { chrome: chrome::plain(None), message: Some(refusal.message.clone()), user, next: &next };
            Ok(render(status_of(&refusal), &page))
        }
        Err(error) => Err(error),
    }
}

/// `POST /sign-out`.
pub async fn sign_out(call: Call) -> Answer {
    if let Some(caller) = &call.caller
        && let Some(session) = &caller.session
    {
        call.app.sign_out(&caller.actor, &session.id, &call.source).await?;
    }
    let mut answer = see_other("/sign-in");
    cookie::clear(&mut answer, call.app.settings.secure());
    Ok(answer)
}

/// Where to go on: only a path of our own, so that the page sends nobody elsewhere.
pub(super) fn local(next: Option<&str>) -> String {
    let next = next.unwrap_or("/");
    let good = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.chars().any(|c| c.is_control() || c.is_whitespace())
        && !next.starts_with("/sign-");
    if good { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn only_our_own_paths_are_followed() {
        assert_eq!(local(Some("/runs/12?x=y")), "/runs/12?x=y");
        for bad in [
            "//evil",
            "/\\evil",
            "https://evil",
            "https:evil",
            "/a\tb",
            "",
            "javascript:alert(1)",
            "/ /evil",
            "/sign-out",
        ] {
            assert_eq!(local(Some(bad)), "/", "{bad}");
        }
    }
}
