//! One's own account: password, API tokens, sessions; and for administrators the people.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use super::health::{self, Line};
use super::notices::{self, Lost};
use super::words;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::access::Permission;
use crate::domain::option::FieldError;
use crate::domain::secret::SecretText;
use crate::domain::time::{Seconds, Timestamp};
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, Moment, render, see_other};

struct TokenRow {
    id: String,
    label: String,
    scopes: String,
    made: Moment,
    expires: Option<Moment>,
    used: Option<Moment>,
}

struct SessionRow {
    id: String,
    opened: Moment,
    seen: Moment,
    ip: String,
    agent: String,
    this: bool,
}

struct Person {
    name: String,
    groups: String,
    email: String,
    slack: String,
    administrator: bool,
    active: bool,
    person: String,
    me: bool,
}

struct FreshToken {
    value: String,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    chrome: Chrome,
    user: String,
    message: Option<String>,
    done: Option<&'static str>,
    fresh: Option<FreshToken>,
    permissions: Vec<&'static str>,
    shortest: usize,
    tokens: Vec<TokenRow>,
    sessions: Vec<SessionRow>,
    people: Option<Vec<Person>>,
    health: Option<Vec<Line>>,
    email: String,
    lost: Option<Vec<Lost>>,
}

/// `GET /settings`.
pub async fn page(call: Call) -> Answer {
    show(&call, None, None).await
}

/// `POST /settings/password`.
pub async fn password(call: Call) -> Answer {
    let text = |name: &str| call.form.text(name).unwrap_or_default().to_owned();
    let (present, new, again) = (text("present"), text("new"), text("again"));
    if new != again {
        let message = "The two new passwords are not the same. Type the new one twice.";
        return refused(&call, &Refusal::new(RefusalKind::Invalid, "not_the_same", message)).await;
    }
    let session = own_session(&call)?;
    let (present, new) = (SecretText::new(present), SecretText::new(new));
    let done = call.app.change_own_password(call.actor()?, &session, present, new, &call.source).await;
    back(&call, done, "password").await
}

/// `POST /settings/tokens`: makes a token and shows it this once.
pub async fn make_token(call: Call) -> Answer {
    let label = call.form.text("label").unwrap_or_default().trim().to_owned();
    let scopes = Permission::scopes(&call.form.texts("scope"));
    let days = call.form.text("days").and_then(|d| d.parse::<u64>().ok()).filter(|d| (1..=365).contains(d));
    let actor = call.actor()?;
    let made = match (label.is_empty(), days, scopes) {
        (true, _, _) => Err(AppError::invalid("no_label", "Say what the token is for, so that you know it again.")),
        (_, None, _) => Err(AppError::invalid("bad_life", "Say for how many days it works: 1 to 365.")),
        (_, _, Err(wrong)) => Err(bad_scope(&wrong)),
        (false, Some(days), Ok(scopes)) => {
            let life = Seconds::new(days * 86_400);
            call.app.create_token(actor, actor.principal.clone(), &label, scopes, life, &call.source).await
        }
    };
    match made {
        Ok((token, _)) => show(&call, None, Some(FreshToken { value: token.expose().to_owned() })).await,
        Err(error) => back(&call, Err(error), "").await,
    }
}

fn bad_scope(wrong: &str) -> AppError {
    let message = format!("{wrong}. No token was made.");
    let field = FieldError { field: "scope".to_owned(), code: "unknown_permission".to_owned(), message };
    Refusal::new(RefusalKind::Invalid, "bad_scope", field.message.clone()).with_fields(vec![field]).into()
}

/// `POST /settings/tokens/revoke`.
pub async fn revoke_token(call: Call) -> Answer {
    let id = call.form.text("id").unwrap_or_default();
    let done = call.app.revoke_token(call.actor()?, id, &call.source).await;
    back(&call, done, "revoked").await
}

/// `POST /settings/sessions/end`.
pub async fn end_session(call: Call) -> Answer {
    let id = call.form.text("id").unwrap_or_default();
    let done = call.app.sign_out(call.actor()?, id, &call.source).await;
    back(&call, done, "ended").await
}

fn own_session(call: &Call) -> AppResult<String> {
    let session = call.caller.as_ref().and_then(|c| c.session.as_ref());
    session.map(|s| s.id.clone()).ok_or_else(AppError::not_found)
}

/// On to the page after an act, or the page with what was refused.
pub(super) async fn back(call: &Call, done: AppResult<()>, word: &str) -> Answer {
    match done {
        Ok(()) => Ok(see_other(&format!("/settings?done={word}"))),
        Err(AppError::Refused(refusal)) if refusal.kind != RefusalKind::NotFound => refused(call, &refusal).await,
        Err(error) => Err(error),
    }
}

async fn refused(call: &Call, refusal: &Refusal) -> Answer {
    show(call, Some(refusal), None).await
}

async fn show(call: &Call, refusal: Option<&Refusal>, fresh: Option<FreshToken>) -> AppResult<HttpResponse> {
    let actor = call.actor()?;
    let now = call.app.clock().now();
    let own = own_session(call).unwrap_or_default();
    let tokens = call.app.tokens_of(actor).await?;
    let sessions = call.app.own_sessions(actor).await?;
    let page = Settings {
        user: actor.principal.short().to_owned(),
        message: refusal.map(|r| r.message.clone()),
        done: done(call).filter(|_| refusal.is_none() && fresh.is_none()),
        fresh,
        permissions: Permission::ALL.iter().filter(|p| **p != Permission::Approve).map(|p| p.as_str()).collect(),
        shortest: crate::app::password::SHORTEST,
        tokens: tokens
            .into_iter()
            .filter(|t| t.revoked_at.is_none() && t.expires_at.is_none_or(|at| at > now))
            .map(|t| token(t, now))
            .collect(),
        sessions: sessions
            .into_iter()
            .map(|s| SessionRow {
                opened: Moment::new(s.created_at, now),
                seen: Moment::new(s.last_seen_at, now),
                this: s.id == own,
                id: s.id,
                ip: s.ip,
                agent: s.agent,
            })
            .collect(),
        people: people(call).await?,
        health: health::lines(call).await?,
        email: call.app.own_email(actor).await?.as_ref().map(ToString::to_string).unwrap_or_default(),
        lost: notices::lost(call).await?,
        chrome: chrome::of(call, "/settings").await,
    };
    Ok(render(refusal.map_or(StatusCode::OK, status_of), &page))
}

fn token(t: crate::app::tokens::TokenView, now: Timestamp) -> TokenRow {
    let scopes = t.scopes.map(|s| s.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(", "));
    TokenRow {
        id: t.id,
        label: t.label,
        scopes: scopes.unwrap_or_else(|| "all of yours, except approve".to_owned()),
        made: Moment::new(t.created_at, now),
        expires: t.expires_at.map(|at| Moment { words: words::until(at, now), ..Moment::new(at, now) }),
        used: t.last_used_at.map(|at| Moment::new(at, now)),
    }
}

/// Everybody, for who administers the installation.
async fn people(call: &Call) -> AppResult<Option<Vec<Person>>> {
    let actor = call.actor()?;
    if !actor.administrator {
        return Ok(None);
    }
    let all = call.app.accounts(actor).await?;
    let person = |a: crate::app::accounts::AccountView| Person {
        me: actor.principal.short() == a.name.as_str(),
        email: a.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        slack: a.slack.as_ref().map(ToString::to_string).unwrap_or_default(),
        name: a.name.to_string(),
        groups: a.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        administrator: a.administrator,
        active: a.active,
        person: a.person.filter(|p| *p != a.name).map(|p| p.to_string()).unwrap_or_default(),
    };
    Ok(Some(all.into_iter().map(person).collect()))
}

fn done(call: &Call) -> Option<&'static str> {
    match call.query("done")?.as_str() {
        "password" => Some("Your password is changed; every other session of yours has ended."),
        "email" => Some("Your mail address is saved."),
        "revoked" => Some("The token is revoked and does not work any more."),
        "ended" => Some("The session has ended."),
        "added" => Some("The account is made. Give them a role in access.yaml."),
        "changed" => Some("The account is changed."),
        _ => None,
    }
}
