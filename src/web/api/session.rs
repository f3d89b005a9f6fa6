//! `POST`, `GET` and `DELETE /api/v1/session`.

use actix_web::HttpResponse;
use serde_json::json;

use super::wire;
use crate::domain::secret::SecretText;
use crate::web::call::Call;
use crate::web::cookie;
use crate::web::error::Answer;

/// Opens a session: `{user, password}` in, the cookie and `{user, csrf}` out.
pub async fn open(call: Call) -> Answer {
    let body = wire::object(call.json()?, &["user", "password"])?;
    let user = wire::required(&body, "user")?;
    let password = SecretText::new(wire::required(&body, "password")?);
    let agent = call.header("user-agent").unwrap_or_default();
    let opened = call.app.sign_in(&user, password, &call.source, agent).await?;
    if let Some(caller) = &call.caller
        && let Some(session) = &caller.session
    {
        call.app.sign_out(&caller.actor, &session.id, &call.source).await?;
    }
    let mut answer = HttpResponse::Ok().json(json!({ "user": opened.user, "csrf": opened.csrf }));
    cookie::set(&mut answer, opened.cookie.expose(), call.app.settings.secure());
    Ok(answer)
}

/// Who is signed in.
pub async fn show(call: Call) -> Answer {
    let actor = call.actor()?;
    let csrf = call.caller.as_ref().and_then(|c| c.session.as_ref()).map(|s| &s.csrf);
    let body = json!({
        "user": actor.principal.short(), "principal": actor.principal, "groups": actor.groups,
        "administrator": actor.administrator, "csrf": csrf,
    });
    Ok(HttpResponse::Ok().json(body))
}

/// Ends the session.
pub async fn close(call: Call) -> Answer {
    if let Some(caller) = &call.caller
        && let Some(session) = &caller.session
    {
        call.app.sign_out(&caller.actor, &session.id, &call.source).await?;
    }
    let mut answer = HttpResponse::NoContent().finish();
    cookie::clear(&mut answer, call.app.settings.secure());
    Ok(answer)
}
