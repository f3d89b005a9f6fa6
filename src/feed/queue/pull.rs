//! Takes what waits at a consumer, bounded in number and bytes.

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream;
use futures_util::StreamExt as _;

use super::connect::Connection;
use crate::domain::source::errand::{Messages, Receipts};
use crate::domain::source::queue::{LARGEST_MESSAGE, MOST_BYTES, MOST_MESSAGES, Message};

/// How often it is asked how much waits, where nothing comes.
const ASK: Duration = Duration::from_secs(10);

/// Takes what waits.
pub(super) async fn take(connection: &Connection, key: &str) -> Result<Messages, String> {
    connection.touch();
    let (mut messages, mut addresses, mut left) = (Vec::new(), Vec::new(), None);
    // What is larger than all that is taken at once comes alone.
    for (most, bytes) in [(MOST_MESSAGES, Some(MOST_BYTES)), (1, None)] {
        let mut asked = connection.consumer.fetch().max_messages(most);
        if let Some(bytes) = bytes {
            asked = asked.max_bytes(bytes);
        }
        let mut batch = asked.messages().await.map_err(|_| broke())?;
        let mut too_large = false;
        while let Some(next) = batch.next().await {
            match next {
                Ok(message) => {
                    let (message, address, waiting) = read(&message)?;
                    messages.push(message);
                    addresses.push(address);
                    left = Some(waiting);
                }
                Err(error) if error.to_string().contains("Exceeds MaxBytes") => too_large = true,
                Err(_) if !messages.is_empty() => break,
                Err(_) => return Err(broke()),
            }
        }
        if !too_large || !messages.is_empty() {
            break;
        }
    }
    // What waits for an answer ends without a word where the connection does.
    if messages.is_empty() && connection.client.connection_state() != State::Connected {
        return Err(broke());
    }
    let (waiting, more) = match left {
        Some(left) => (Some(left), left > 0),
        None => (waiting(connection).await?, false),
    };
    let receipts = (!addresses.is_empty()).then(|| Receipts { connection: key.to_owned(), addresses });
    Ok(Messages { messages, waiting, more, warning: connection.warning(), receipts })
}

/// How much waits where nothing came: what somebody took and did not acknowledge. Not asked for each time.
async fn waiting(connection: &Connection) -> Result<Option<u64>, String> {
    if !connection.is_time_to_ask(ASK) {
        return Ok(None);
    }
    let info = connection.consumer.get_info().await.map_err(|_| broke())?;
    Ok(Some(info.num_pending + info.num_ack_pending as u64))
}

fn read(message: &jetstream::Message) -> Result<(Message, String, u64), String> {
    let strange = || "The server sent something that is no message of a stream.".to_owned();
    let info = message.info().map_err(|_| strange())?;
    let address = message.reply.as_ref().ok_or_else(strange)?.to_string();
    let size = message.payload.len();
    let headers = message.headers.iter().flat_map(|headers| headers.iter());
    let first = |(name, values): (&async_nats::HeaderName, &Vec<async_nats::HeaderValue>)| {
        Some((name.to_string(), values.first()?.to_string()))
    };
    let read = Message {
        subject: message.subject.to_string(),
        sequence: info.stream_sequence,
        published: i64::try_from(info.published.unix_timestamp_nanos()).map_err(|_| strange())?,
        headers: headers.filter_map(first).collect(),
        body: (size <= LARGEST_MESSAGE).then(|| message.payload.to_vec()),
        size,
    };
    Ok((read, address, info.pending))
}

fn broke() -> String {
    "The connection to the server broke, or its consumer is gone.".to_owned()
}
