//! Commands over the API of a server: `--server URL` with the token in `INTERLOCK_TOKEN`.

use serde_json::{Value, json};

use super::run::LogLine;
use super::{Failure, Global};
use crate::app::error::{AppError, Refusal, RefusalKind};
use crate::config;
use crate::domain::option::FieldError;
use crate::domain::secret::SecretText;

/// A server's API.
pub(super) struct Remote {
    agent: ureq::Agent,
    base: String,
    /// The headers that say who asks.
    who: Vec<(&'static str, String)>,
}

impl Remote {
    /// The server that the command line names, if it names one; nobody asks yet.
    pub(super) fn named(global: &Global) -> Result<Option<Self>, Failure> {
        let Some(url) = &global.server else { return Ok(None) };
        let good = url.starts_with("https://") || url.starts_with("http://");
        if !good {
            return Err(Failure::Usage(format!("`{url}` is no address; write it as https://interlock.example.com")));
        }
        Ok(Some(Self::at(url, Vec::new())))
    }

    /// The server that the command line names, asked with the token in the environment.
    pub(super) fn of(global: &Global) -> Result<Option<Self>, Failure> {
        let Some(mut server) = Self::named(global)? else { return Ok(None) };
        let token = config::token().ok_or_else(|| {
            Failure::Usage("put an API token into INTERLOCK_TOKEN (interlock token create --user NAME)".to_owned())
        })?;
        server.who = vec![("Authorization", format!("Bearer {token}"))];
        Ok(Some(server))
    }

    fn at(url: &str, who: Vec<(&'static str, String)>) -> Self {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Self { agent, base: format!("{}/api/v1", url.trim_end_matches('/')), who }
    }

    /// Opens a session for a person: what only people may do, no token does.
    pub(super) fn sign_in(&mut self, user: &str, password: &SecretText) -> Result<(), Failure> {
        let body = json!({ "user": user, "password": password.expose() });
        let request = self.agent.post(format!("{}/session", self.base)).header("Content-Type", "application/json");
        let response = request.send(body.to_string());
        let cookie = response.as_ref().ok().and_then(|r| r.headers().get("set-cookie"));
        let cookie = cookie.and_then(|v| v.to_str().ok()).and_then(|v| v.split(';').next()).map(str::to_owned);
        let opened = answer(response, &self.base)?;
        let csrf = opened.get("csrf").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.who = vec![("Cookie", cookie.unwrap_or_default()), ("X-CSRF-Token", csrf)];
        Ok(())
    }

    /// Ends the session.
    pub(super) fn sign_out(&self) -> Result<(), Failure> {
        let mut request = self.agent.delete(format!("{}/session", self.base));
        for (name, value) in &self.who {
            request = request.header(*name, value);
        }
        answer(request.call(), &self.base).map(|_| ())
    }

    /// Reads something.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in &self.who {
            request = request.header(*name, value);
        }
        answer(request.call(), &self.base)
    }

    /// Does something, once, also if the answer is lost and the command is repeated by the library.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", uuid::Uuid::new_v4().to_string());
        for (name, value) in &self.who {
            request = request.header(*name, value);
        }
        answer(request.send(body.to_string()), &self.base)
    }

    /// Follows a run to its end; the run as it is then.
    pub(super) fn follow(&self, global: &Global, number: &str) -> Result<Value, Failure> {
        let mut offset = 0;
        loop {
            let run = self.get(&format!("/runs/{number}"))?;
            offset = self.print_log(global, number, offset, false)?;
            let state = run.get("state").and_then(Value::as_str).unwrap_or_default();
            let ended = crate::domain::run::State::parse(state).is_none_or(crate::domain::run::State::is_terminal);
            if ended {
                self.print_log(global, number, offset, false)?;
                return Ok(run);
            }
            // The API is asked from time to time; a signal does not reach this far.
            std::thread::park_timeout(std::time::Duration::from_millis(500));
        }
    }

    /// Prints what came since; where it ends.
    pub(super) fn print_log(
        &self,
        global: &Global,
        number: &str,
        mut offset: u64,
        entries: bool,
    ) -> Result<u64, Failure> {
        loop {
            let page = self.get(&format!("/runs/{number}/log?offset={offset}&limit=1000"))?;
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for item in &items {
                let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
                let line = LogLine {
                    offset: item.get("offset").and_then(Value::as_u64).unwrap_or_default(),
                    time: item.get("time").cloned().unwrap_or_default(),
                    node: text("node"),
                    step: text("step"),
                    stream: text("stream"),
                    text: text("text"),
                };
                line.print(global, entries);
            }
            offset = page.get("next").and_then(Value::as_u64).unwrap_or(offset);
            if items.is_empty() {
                return Ok(offset);
            }
        }
    }
}

fn answer(outcome: Result<ureq::http::Response<ureq::Body>, ureq::Error>, base: &str) -> Result<Value, Failure> {
    let mut response = outcome.map_err(|e| Failure::Broken(format!("{base} cannot be reached: {e}")))?;
    let status = response.status().as_u16();
    let text =
        response.body_mut().read_to_string().map_err(|e| Failure::Broken(format!("the answer broke off: {e}")))?;
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!({}));
    match status {
        200..=299 => Ok(body),
        // As on the data folder: what cannot be understood is no refusal.
        400 => Err(Failure::Usage(detail(&body).unwrap_or_else(|| "the server did not understand it".to_owned()))),
        401..=499 => Err(Failure::Refused(refused(&body))),
        _ => Err(Failure::Broken(
            detail(&body).unwrap_or_else(|| format!("{base} answered with status {status}; is it Interlock?")),
        )),
    }
}

fn refused(body: &Value) -> AppError {
    let text = |v: &Value, field: &str| v.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let errors = body.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    let fields = errors
        .iter()
        .map(|e| FieldError { field: text(e, "field"), code: text(e, "code"), message: text(e, "message") })
        .collect();
    let message = detail(body).unwrap_or_else(|| "The server refused it without saying why.".to_owned());
    Refusal::new(RefusalKind::Conflict, &text(body, "code"), message).with_fields(fields).into()
}

fn detail(body: &Value) -> Option<String> {
    body.get("detail").and_then(Value::as_str).map(str::to_owned)
}
