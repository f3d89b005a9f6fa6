//! The key store: names, types and who uses them. A value goes in and is never shown again.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;

use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::app::keys::SecretKind;
use crate::domain::ids::KeyPath;
use crate::domain::secret::SecretText;
use crate::web::call::Call;
use crate::web::chrome;
use crate::web::error::{Answer, status_of};
use crate::web::page::{Chrome, Moment, render, see_other};

struct Row {
    path: String,
    kind: &'static str,
    version: i64,
    at: Moment,
    by: String,
    used_by: Vec<String>,
}

struct Choice {
    value: &'static str,
    on: bool,
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    chrome: Chrome,
    rows: Vec<Row>,
    message: Option<String>,
    path: String,
    kinds: Vec<Choice>,
}

const KINDS: [SecretKind; 3] = [SecretKind::PrivateKey, SecretKind::Password, SecretKind::Secret];

/// `GET /keys`.
pub async fn page(call: Call) -> Answer {
    let path = call.query("path").unwrap_or_default();
    show(&call, path, SecretKind::PrivateKey, None).await
}

/// `POST /keys`.
pub async fn put(call: Call) -> Answer {
    let text = call.form.text("path").unwrap_or_default().trim().to_owned();
    let given = call.form.text("type").unwrap_or_default();
    let kind = KINDS.into_iter().find(|k| k.as_str() == given).unwrap_or(SecretKind::Secret);
    let outcome = match KeyPath::parse(&text) {
        Ok(path) => {
            let value = SecretText::new(call.form.text("value").unwrap_or_default().to_owned());
            call.app.put_key(call.actor()?, path, kind, value, &call.source).await.map(|_| ())
        }
        Err(bad) => Err(bad.into()),
    };
    match outcome {
        Ok(()) => Ok(see_other("/keys")),
        Err(AppError::Refused(refusal)) if refusal.kind == RefusalKind::NotFound => {
            let message =
                format!("You may not put anything at `{text}`; `use_secret` on it is missing in access.yaml.");
            show(&call, text, kind, Some(&Refusal::new(RefusalKind::Forbidden, "forbidden", message))).await
        }
        Err(AppError::Refused(refusal)) => show(&call, text, kind, Some(&refusal)).await,
        Err(error) => Err(error),
    }
}

async fn show(call: &Call, path: String, kind: SecretKind, refusal: Option<&Refusal>) -> AppResult<HttpResponse> {
    let now = call.app.clock().now();
    let keys = call.app.keys(call.actor()?).await?;
    let rows = keys
        .into_iter()
        .map(|k| Row {
            path: k.path.to_string(),
            kind: k.kind.as_str(),
            version: k.version,
            at: Moment::new(k.created_at, now),
            by: k.created_by,
            used_by: k.used_by,
        })
        .collect();
    let page = Keys {
        rows,
        message: refusal.map(|r| r.message.clone()),
        path,
        kinds: KINDS.into_iter().map(|k| Choice { value: k.as_str(), on: k == kind }).collect(),
        chrome: chrome::of(call, "/keys").await,
    };
    Ok(render(refusal.map_or(StatusCode::OK, status_of), &page))
}
