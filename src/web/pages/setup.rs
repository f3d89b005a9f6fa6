//! The one-time page that makes the first administrator.

use actix_web::http::StatusCode;
use askama::Template;

use crate::app::error::{AppError, RefusalKind};
use crate::domain::secret::SecretText;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, render, see_other};

#[derive(Template)]
#[template(path = "setup.html")]
struct Setup<'a> {
    chrome: Chrome,
    message: Option<String>,
    user: &'a str,
}

/// `GET /setup/{token}`. Using the link is what tells whether it is good; looking at the page uses nothing up.
pub async fn form(call: Call) -> Answer {
    if !call.app.setup_open().await? {
        return Err(AppError::not_found());
    }
    Ok(render(StatusCode::OK, &Setup { chrome: chrome::plain(None), message: None, user: "" }))
}

/// `POST /setup/{token}`.
pub async fn submit(call: Call) -> Answer {
    let user = call.form.text("user").unwrap_or_default();
    let password = SecretText::new(call.form.text("password").unwrap_or_default().to_owned());
    match call.app.set_up(&call.part("token"), user, password, &call.source).await {
        Ok(_) => Ok(see_other("/sign-in")),
        Err(AppError::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => {
            let page = Setup { chrome: chrome::plain(None), message: Some(refusal.message.clone()), user };
            Ok(render(status_of(&refusal), &page))
        }
        Err(error) => Err(error),
    }
}
