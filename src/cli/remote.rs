//! Commands over the API of a server: `--server URL` with the token in `INTERLOCK_TOKEN`.

use serde_json::{Value, json};

use super::{Failure, Global, out};
use crate::app::error::{AppError, Refusal, RefusalKind};
use crate::config;
use crate::domain::option::FieldError;

/// A server's API.
pub(super) struct Remote {
    agent: ureq::Agent,
    base: String,
    token: String,
}

impl Remote {
    /// The server that the command line names, if it names one.
    pub(super) fn of(global: &Global) -> Result<Option<Self>, Failure> {
        let Some(url) = &global.server else { return Ok(None) };
        let good = url.starts_with("https://") || url.starts_with("http://");
        if !good {
            return Err(Failure::Usage(format!("`{url}` is no address; write it as https://interlock.example.com")));
        }
        let token = config::token().ok_or_else(|| {
            Failure::Usage("put an API token into INTERLOCK_TOKEN (interlock token create --user NAME)".to_owned())
        })?;
        let agent = ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Ok(Some(Self { agent, base: format!("{}/api/v1", url.trim_end_matches('/')), token }))
    }

    /// Reads something.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failure> {
        let request =
            self.agent.get(format!("{}{path}", self.base)).header("Authorization", format!("Bearer {}", self.token));
        answer(request.call(), &self.base)
    }

    /// Does something, once, also if the answer is lost and the command is repeated by the library.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let request = self
            .agent
            .post(format!("{}{path}", self.base))
            .header("Authorization", format!("Bearer {}", self.token))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", uuid::Uuid::new_v4().to_string());
        answer(request.send(body.to_string()), &self.base)
    }

    /// Follows a run to its end; the run as it is then.
    pub(super) fn follow(&self, number: &str) -> Result<Value, Failure> {
        let mut offset = 0;
        loop {
            let run = self.get(&format!("/runs/{number}"))?;
            offset = self.print_log(number, offset)?;
            let state = run.get("state").and_then(Value::as_str).unwrap_or_default();
            let ended = crate::domain::run::State::parse(state).is_none_or(crate::domain::run::State::is_terminal);
            if ended {
                self.print_log(number, offset)?;
                return Ok(run);
            }
            // The API is asked from time to time; a signal does not reach this far.
            std::thread::park_timeout(std::time::Duration::from_millis(500));
        }
    }

    /// Prints what came since; where it ends.
    pub(super) fn print_log(&self, number: &str, mut offset: u64) -> Result<u64, Failure> {
        loop {
            let page = self.get(&format!("/runs/{number}/log?offset={offset}&limit=1000"))?;
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            for item in &items {
                let text = |field: &str| item.get(field).and_then(Value::as_str).unwrap_or_default();
                let line = format!("{} | {}", text("node"), text("text"));
                if text("stream") == "system" { out::note(&line) } else { out::line(&line) }
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
        400..=499 => Err(Failure::Refused(refused(&body))),
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
