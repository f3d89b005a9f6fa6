//! A connection to a NATS server: only to addresses that were checked, whatever servers the other side tells of.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr};

use super::{consumer, trust};
use crate::domain::source::errand::Pulling;
use crate::domain::source::queue::{Login, Server};
use crate::outward::{self, Trouble};

/// How long connecting, and each question, may take.
const STEP: Duration = Duration::from_secs(5);

/// A connection with what was made for it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) consumer: PullConsumer,
    state: Mutex<State>,
    complaint: Arc<Mutex<Option<String>>>,
}

#[derive(Debug)]
struct State {
    used: Instant,
    asked: Option<Instant>,
    warning: Option<String>,
}

impl Connection {
    /// Connects and finds the consumer, or makes it.
    pub(super) async fn make(pulling: &Pulling, private: bool) -> Result<Self, String> {
        let queue = &pulling.queue;
        if !private && !queue.server.tls {
            return Err(
                "The address does not begin with tls://; start the server with --sources-private if that is meant."
                    .to_owned(),
            );
        }
        let addresses = addresses(&queue.server, private).await?;
        let complaint = Arc::new(Mutex::new(None));
        let options = options(pulling, addresses.len(), &complaint)?;
        let client = options.connect(addresses).await.map_err(|error| told(&error))?;
        let (consumer, warning) =
            consumer::find_or_make(&client, pulling).await.map_err(|why| said(&complaint).unwrap_or(why))?;
        let state = State { used: Instant::now(), asked: None, warning };
        Ok(Self { client, consumer, state: Mutex::new(state), complaint })
    }

    /// When it was used last.
    pub(super) fn used(&self) -> Instant {
        self.state().used
    }

    /// Notes that it is used.
    pub(super) fn touch(&self) {
        self.state().used = Instant::now();
    }

    /// What there is to warn of, once.
    pub(super) fn warning(&self) -> Option<String> {
        self.state().warning.take()
    }

    /// Whether so much time has gone by since the last time that this was so.
    pub(super) fn is_time_to_ask(&self, after: Duration) -> bool {
        let mut state = self.state();
        let due = state.asked.is_none_or(|asked| asked.elapsed() >= after);
        if due {
            state.asked = Some(Instant::now());
        }
        due
    }

    /// What the server complained of by itself, such as a missing permission.
    pub(super) fn complained(&self) -> Option<String> {
        said(&self.complaint)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(complaint: &Mutex<Option<String>>) -> Option<String> {
    let said = complaint.lock().unwrap_or_else(PoisonError::into_inner).take()?;
    let shown: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    Some(format!("The server says: {shown}."))
}

/// The addresses themselves, so that nothing is looked up once more after the check.
async fn addresses(server: &Server, private: bool) -> Result<Vec<ServerAddr>, String> {
    let found =
        outward::addresses(&server.host, server.port, private, STEP).await.map_err(|trouble| match trouble {
            Trouble::NotPublic => {
                "Its address is not a public one; start the server with --sources-private if that is meant.".to_owned()
            }
            Trouble::Other(why) => capital(&why),
            Trouble::NotTrusted | Trouble::Unsaid => "Its address cannot be found.".to_owned(),
        })?;
    let address = |at: SocketAddr| format!("nats://{at}").parse().map_err(|_| "Its address is none.".to_owned());
    found.into_iter().map(address).collect()
}

fn options(
    pulling: &Pulling,
    addresses: usize,
    complaint: &Arc<Mutex<Option<String>>>,
) -> Result<ConnectOptions, String> {
    let queue = &pulling.queue;
    let secret = pulling.secret.as_ref().map(|s| s.expose().to_owned()).unwrap_or_default();
    let base = match &queue.login {
        Login::Nobody => ConnectOptions::new(),
        Login::Token(_) => ConnectOptions::with_token(line(secret)),
        Login::Password(user, _) => ConnectOptions::with_user_and_password(user.clone(), line(secret)),
        Login::Credentials(_) => ConnectOptions::with_credentials(&secret)
            .map_err(|_| "`credentials` names a key that does not hold the text of a .creds file.".to_owned())?,
    };
    let heard = Arc::clone(complaint);
    Ok(base
        .name("Interlock")
        .ignore_discovered_servers()
        .require_tls(queue.server.tls)
        .tls_client_config(trust::config(&queue.server.host, queue.ca.as_deref())?)
        .connection_timeout(STEP)
        .request_timeout(Some(STEP))
        // Each address is tried. Whoever looks next connects anew, and looks them up once more.
        .max_reconnects(addresses + 1)
        .event_callback(move |event| {
            let heard = Arc::clone(&heard);
            async move {
                if let Event::ServerError(error) = event {
                    let text = error.to_string();
                    *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
                }
            }
        }))
}

/// A secret of one line is stored with or without its end.
fn line(secret: String) -> String {
    secret.trim_end_matches(['\r', '\n']).to_owned()
}

fn told(error: &ConnectError) -> String {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.to_string().contains("invalid peer certificate") {
            return "Its certificate is not trusted; name the certificates of who signed it with `ca`.".to_owned();
        }
        cause = inner.source();
    }
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            "The server does not let it in; look at `token`, `user` and `password`, or `credentials`."
        }
        ConnectErrorKind::TimedOut => "It did not answer in time.",
        ConnectErrorKind::Tls => "An encrypted connection cannot be made.",
        _ => "It cannot be connected to.",
    }
    .to_owned()
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}
