//! Requests to the bucket, through the HTTP client and the TLS that the program has anyway. The crate's own way would bring
//! a second client, a second TLS provider and some forty crates.

use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use ureq::http::request::Parts;
use ureq::http::{Method, Request};

/// The most that an answer may hold, in bytes. Ranges are smaller.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Makes the client.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_global(Some(Duration::from_secs(300)))
            .build()
            .into();
        Ok(HttpClient::new(Service(agent)))
    }
}

#[derive(Debug)]
struct Service(ureq::Agent);

#[async_trait::async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = self.0.clone();
        let (head, body) = request.into_parts();
        // It lies in memory, perhaps in pieces.
        let body = HttpResponseBody::new(body).bytes().await?;
        let answered = tokio::task::spawn_blocking(move || call(&agent, head, &body)).await;
        answered.unwrap_or_else(|e| Err(HttpError::new(HttpErrorKind::Unknown, e)))
    }
}

fn call(agent: &ureq::Agent, head: Parts, body: &[u8]) -> Result<HttpResponse, HttpError> {
    let answer = if matches!(head.method, Method::PUT | Method::POST) {
        agent.run(Request::from_parts(head, body))
    } else {
        agent.run(Request::from_parts(head, ()))
    };
    let (head, mut body) = answer.map_err(told)?.into_parts();
    let bytes = body.with_config().limit(LONGEST_ANSWER).read_to_vec().map_err(told)?;
    Ok(HttpResponse::from_parts(head, bytes.into()))
}

fn told(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => HttpErrorKind::Connect,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
