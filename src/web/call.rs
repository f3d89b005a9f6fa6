//! One request as a handler sees it: who calls, with which path, query and body. Nothing here decides access.

use std::str::FromStr;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::Bytes;

use super::form::Form;
use crate::app::App;
use crate::app::error::{AppError, AppResult, Refusal, RefusalKind};
use crate::domain::access::Actor;
use crate::domain::ids::BadId;

/// How an answer is shown: as a page for people or as a document for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// HTML.
    Page,
    /// JSON, with problem documents for errors.
    Api,
}

/// Who calls, once it is known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The actor with what is known of them now.
    pub actor: Actor,
    /// The session, when they came with its cookie.
    pub session: Option<SessionRef>,
}

/// A live session.
#[derive(Debug, Clone)]
pub struct SessionRef {
    /// Its id in the store (a hash; never the cookie's value).
    pub id: String,
    /// The token that unsafe requests carry.
    pub csrf: String,
}

/// One request.
pub struct Call {
    /// The use cases.
    pub app: Arc<App>,
    /// Who calls; `None` on public routes without a sign-in.
    pub caller: Option<Caller>,
    /// The request line and headers.
    pub request: HttpRequest,
    /// The whole body, already capped.
    pub body: Bytes,
    /// The body as a form, for pages.
    pub form: Form,
    /// The caller's address, for the record.
    pub source: String,
}

impl Call {
    /// The actor; refuses who is not signed in.
    ///
    /// # Errors
    /// A refusal that says to sign in.
    pub fn actor(&self) -> AppResult<&Actor> {
        self.caller.as_ref().map(|c| &c.actor).ok_or_else(unauthenticated)
    }

    /// A part of the path, percent-decoded.
    #[must_use]
    pub fn part(&self, name: &str) -> String {
        let raw = self.request.match_info().query(name);
        percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned()
    }

    /// A part of the path as a typed name. What is not even a name cannot exist, so the answer is the same "not found".
    ///
    /// # Errors
    /// Not found.
    pub fn name<T: FromStr<Err = BadId>>(&self, name: &str) -> AppResult<T> {
        self.part(name).parse().map_err(|_| AppError::not_found())
    }

    /// The first query parameter of this name that is not empty.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.request.query_string().as_bytes())
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }

    /// Every query parameter, in order.
    #[must_use]
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.request.query_string().as_bytes()).into_owned().collect()
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON. An empty body is an empty object.
    ///
    /// # Errors
    /// A refusal with line and column.
    pub fn json(&self) -> AppResult<serde_json::Value> {
        if self.body.is_empty() {
            return Ok(serde_json::json!({}));
        }
        let kind = self.header("content-type").unwrap_or_default();
        if !kind.to_ascii_lowercase().contains("json") {
            return Err(Refusal::new(
                RefusalKind::Malformed,
                "not_json",
                "The body must be JSON and say so: send `Content-Type: application/json`.",
            )
            .into());
        }
        crate::domain::json::parse_strict(&self.body).map_err(|e| {
            Refusal::new(
                RefusalKind::Malformed,
                "bad_json",
                format!("The body is not the JSON that it should be: {e}."),
            )
            .into()
        })
    }
}

/// The answer to who has not signed in.
#[must_use]
pub fn unauthenticated() -> AppError {
    Refusal::new(
        RefusalKind::Unauthenticated,
        "unauthenticated",
        "Please sign in, or send `Authorization: Bearer TOKEN` with a token that is valid now.",
    )
    .into()
}
