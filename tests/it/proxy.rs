//! A TCP proxy that breaks connections in the ways that networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// What the proxy does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Passes,
    /// Takes connections and lets nothing through, either way.
    Swallows,
    /// Ends every connection at once.
    Refuses,
    /// Hands on, but each `~` of an answer comes as `^`.
    Garbles,
}

struct Shared {
    mood: Mutex<Mood>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
    /// Bytes that went through, either way.
    passed: AtomicU64,
    /// When this many have, every connection ends and no other is taken.
    most: AtomicU64,
}

impl Shared {
    fn new() -> Self {
        Self {
            mood: Mutex::new(Mood::Passes),
            changed: Condvar::new(),
            open: Mutex::new(Vec::new()),
            passed: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
        }
    }
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Before the server at this address, on the same host.
    pub(crate) fn before(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let own = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::new());
        let (host, inner) = (host.to_owned(), Arc::clone(&shared));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = if *inner.mood.lock().unwrap() == Mood::Refuses {
                    None
                } else {
                    TcpStream::connect((host.as_str(), port)).ok()
                };
                let Some(server) = server else {
                    let _ = client.shutdown(Shutdown::Both);
                    continue;
                };
                for stream in [&client, &server] {
                    inner.open.lock().unwrap().push(stream.try_clone().unwrap());
                }
                for (from, to, answers) in
                    [(client.try_clone(), server.try_clone(), false), (Ok(server), Ok(client), true)]
                {
                    let (mut from, mut to, shared) = (from.unwrap(), to.unwrap(), Arc::clone(&inner));
                    std::thread::spawn(move || pump(&mut from, &mut to, &shared, answers));
                }
            }
        });
        Self { port: own, shared }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
        self.shared.changed.notify_all();
    }

    /// How many bytes went through, either way.
    pub(crate) fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }

    /// Refuses everything, from when so many more bytes have gone through.
    pub(crate) fn breaks_after(&self, bytes: u64) {
        self.shared.most.store(self.passed() + bytes, Ordering::Relaxed);
    }

    /// Ends all connections that are open.
    pub(crate) fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(from: &mut TcpStream, to: &mut TcpStream, shared: &Shared, answers: bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        let mood = shared.mood.lock().unwrap();
        drop(shared.changed.wait_while(mood, |mood| *mood == Mood::Swallows).unwrap());
        let passed = shared.passed.fetch_add(u64::try_from(n).unwrap(), Ordering::Relaxed);
        if passed > shared.most.load(Ordering::Relaxed) {
            shared.most.store(u64::MAX, Ordering::Relaxed);
            *shared.mood.lock().unwrap() = Mood::Refuses;
            for stream in shared.open.lock().unwrap().drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
            break;
        }
        if answers && *shared.mood.lock().unwrap() == Mood::Garbles {
            buffer[..n].iter_mut().filter(|byte| **byte == b'~').for_each(|byte| *byte = b'^');
        }
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
