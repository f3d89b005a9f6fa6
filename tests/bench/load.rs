//! A load that costs as little as possible, as it shares the processors with the server: one thread, requests built
//! beforehand, and of an answer only its status and its end are looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Digits of an id; every request has the same length.
const DIGITS: usize = 12;

/// A request whose id is written over before each sending.
#[derive(Clone)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    id_at: usize,
}

impl Request {
    pub(crate) fn new(before: &str, after: &str) -> Self {
        Self { bytes: format!("{before}{}{after}", "0".repeat(DIGITS)).into_bytes(), id_at: before.len() }
    }

    fn number(&mut self, id: u64) -> &[u8] {
        let (mut rest, place) = (id, &mut self.bytes[self.id_at..self.id_at + DIGITS]);
        for digit in place.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.bytes
    }
}

/// What a load measured.
pub(crate) struct Measured {
    /// How long each exchange took.
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
}

/// Sends over so many connections, one request at a time on each, until the time is up. Ids go on from `first`.
pub(crate) fn send(
    address: SocketAddr,
    connections: usize,
    request: &Request,
    status: &'static str,
    first: &Arc<AtomicU64>,
    lasting: Duration,
) -> Measured {
    sent(address, connections, request, status, first, (Instant::now() + lasting, u64::MAX))
}

/// The same until ids have gone up to `last`, however long that takes.
pub(crate) fn send_until(
    address: SocketAddr,
    connections: usize,
    request: &Request,
    status: &'static str,
    first: &Arc<AtomicU64>,
    last: u64,
) -> Measured {
    let never = Instant::now() + Duration::from_secs(3_600);
    sent(address, connections, request, status, first, (never, last))
}

fn sent(
    address: SocketAddr,
    connections: usize,
    request: &Request,
    status: &'static str,
    first: &Arc<AtomicU64>,
    end: (Instant, u64),
) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let began = Instant::now();
    let times = runtime.block_on(async {
        let all: Vec<_> = (0..connections)
            .map(|_| tokio::spawn(one_connection(address, request.clone(), status, Arc::clone(first), end)))
            .collect();
        let mut times = Vec::new();
        for one in all {
            times.extend(one.await.unwrap());
        }
        times
    });
    Measured { times, took: began.elapsed() }
}

async fn one_connection(
    address: SocketAddr,
    mut request: Request,
    status: &'static str,
    ids: Arc<AtomicU64>,
    (until, last): (Instant, u64),
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 4 * 1024];
    let mut times = Vec::new();
    let mut now = Instant::now();
    while now < until {
        let id = ids.fetch_add(1, Ordering::Relaxed);
        if id >= last {
            // What was not sent is not counted.
            ids.fetch_sub(1, Ordering::Relaxed);
            break;
        }
        stream.write_all(request.number(id)).await.unwrap();
        let mut filled = 0;
        while !is_whole(&buffer[..filled]) {
            let read = stream.read(&mut buffer[filled..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            filled += read;
        }
        assert!(buffer.starts_with(status.as_bytes()), "{}", String::from_utf8_lossy(&buffer[..filled]));
        let done = Instant::now();
        times.push(done - now);
        now = done;
    }
    times
}

fn is_whole(answer: &[u8]) -> bool {
    const LENGTH: &[u8] = b"content-length: ";
    let Some(head) = memmem::find(answer, b"\r\n\r\n") else { return false };
    let length = memmem::find(&answer[..head], LENGTH).map_or(0, |at| {
        let digits = answer[at + LENGTH.len()..].iter().take_while(|b| b.is_ascii_digit());
        digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
    });
    answer.len() >= head + 4 + length
}

/// The processor time that a process (`self`, or its number) has used, to a hundredth of a second.
pub(crate) fn cpu_of(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, in brackets, may hold blanks; user and system time are the 12th and 13th field behind it.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
    // Linux gives these in hundredths on every architecture.
    Duration::from_millis(fields.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}
