//! The durable consumer, with which the server remembers how far a source has read.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer};
use async_nats::jetstream::context::{RequestError, RequestErrorKind};
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind};
use async_nats::jetstream::{self, ErrorCode};

use crate::domain::source::errand::Pulling;
use crate::domain::source::queue::Deliver;

/// How long a message that was taken waits for its acknowledgement before it comes again.
const COMES_AGAIN: Duration = Duration::from_secs(30);
/// The most messages that are taken and not acknowledged.
const MOST_UNDER_WAY: i64 = 2_000;

/// The consumer, and what may have been lost where it had to be made although it had been there.
pub(super) async fn find_or_make(client: &Client, pulling: &Pulling) -> Result<(PullConsumer, Option<String>), String> {
    let streams = jetstream::new(client.clone());
    let (stream, name) = (&pulling.queue.stream, &pulling.consumer);
    match streams.get_consumer_from_stream::<Config, _, _>(name, stream).await {
        Ok(consumer) => return fits(&consumer, pulling).map(|()| (consumer, None)),
        Err(error) if code(&error) == Some(ErrorCode::CONSUMER_NOT_FOUND) => {}
        Err(error) => return Err(told(&error, pulling)),
    }
    let deliver_policy = match (pulling.since, pulling.queue.deliver) {
        (Some(since), _) => DeliverPolicy::ByStartTime {
            start_time: async_nats::datetime::from_nanos(since.into())
                .map_err(|_| "What is remembered of the stream is no moment.".to_owned())?,
        },
        (None, Deliver::New) => DeliverPolicy::New,
        (None, Deliver::All) => DeliverPolicy::All,
    };
    let config = Config {
        durable_name: Some(name.clone()),
        description: Some("A source of Interlock".to_owned()),
        deliver_policy,
        ack_policy: AckPolicy::Explicit,
        ack_wait: COMES_AGAIN,
        max_ack_pending: MOST_UNDER_WAY,
        filter_subject: pulling.queue.subject.clone().unwrap_or_default(),
        ..Config::default()
    };
    let made = streams.create_consumer_on_stream(config, stream).await.map_err(|error| told(&error, pulling))?;
    let warning = pulling.since.map(|_| {
        format!(
            "The consumer {name} was gone and is made anew from the last message that was stored; what another server had \
             taken and not stored may be lost."
        )
    });
    Ok((made, warning))
}

/// Whether a consumer that is there does what the source says.
fn fits(consumer: &PullConsumer, pulling: &Pulling) -> Result<(), String> {
    let config = &consumer.cached_info().config;
    let name = &pulling.consumer;
    if config.ack_policy != AckPolicy::Explicit {
        return Err(format!(
            "The consumer {name} does not ask for each message to be acknowledged; name another one with `consumer`."
        ));
    }
    let subject = pulling.queue.subject.as_deref().unwrap_or_default();
    if config.filter_subject != subject {
        let theirs = if config.filter_subject.is_empty() { "all subjects" } else { config.filter_subject.as_str() };
        return Err(format!(
            "The consumer {name} reads {theirs}; write that as `subject`, or name another `consumer`."
        ));
    }
    Ok(())
}

fn code(error: &ConsumerError) -> Option<ErrorCode> {
    match error.kind() {
        ConsumerErrorKind::JetStream(error) => Some(error.error_code()),
        _ => None,
    }
}

fn told(error: &ConsumerError, pulling: &Pulling) -> String {
    let (stream, name) = (&pulling.queue.stream, &pulling.consumer);
    match code(error) {
        Some(ErrorCode::STREAM_NOT_FOUND) => format!("There is no stream {stream}; streams are made on the server."),
        Some(ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT) => no_streams(),
        Some(_) => format!("The server does not give the consumer {name}: {}.", plain(&error.to_string())),
        None => match error.kind() {
            ConsumerErrorKind::InvalidConsumerType => {
                format!("The consumer {name} pushes its messages; name another one with `consumer`.")
            }
            ConsumerErrorKind::Request if no_responder(error) => no_streams(),
            ConsumerErrorKind::TimedOut | ConsumerErrorKind::Request => {
                format!("The server did not answer in time when it was asked for the consumer {name}.")
            }
            _ => format!("The consumer {name} cannot be had."),
        },
    }
}

fn no_streams() -> String {
    "The server has no JetStream, which is what keeps messages; turn it on there.".to_owned()
}

/// Whether nobody on the server hears questions about streams.
fn no_responder(error: &ConsumerError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<RequestError>());
    cause.is_some_and(|cause| cause.kind() == RequestErrorKind::NoResponders)
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
