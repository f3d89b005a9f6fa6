//! Requests to the bucket, through the HTTP client and the TLS that the program has anyway. The crate's own way would bring
//! a second client, a second TLS provider and some forty crates.

use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use ureq::http::request::Parts;
use ureq::http::{Method, Request};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// The most that an answer may hold, in bytes. Ranges are smaller.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Makes the client.
#[derive(Debug)]
pub(super) struct Connector(TlsConfig);

impl Connector {
    /// With certificates of authorities in PEM, where not the usual ones are trusted. The error is a sentence's end.
    pub(super) fn trusting(authorities: Option<&[u8]>) -> Result<Self, String> {
        let Some(pem) = authorities else { return Ok(Self(TlsConfig::default())) };
        let found: Result<Vec<_>, _> = parse_pem(pem).collect();
        let certificate = |item| if let PemItem::Certificate(it) = item { Some(it) } else { None };
        let found: Vec<_> = found.unwrap_or_default().into_iter().filter_map(certificate).collect();
        if found.is_empty() {
            return Err("the file of `--logs-ca` holds no certificate in PEM".to_owned());
        }
        Ok(Self(TlsConfig::builder().root_certs(RootCerts::from(found)).build()))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let agent = ureq::Agent::config_builder()
            .tls_config(self.0.clone())
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
