//! A TCP proxy that breaks connections in the ways that networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

/// What the proxy does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Passes,
    /// Takes connections and lets nothing through, either way.
    Swallows,
    /// Ends every connection at once.
    Refuses,
}

struct Shared {
    mood: Mutex<Mood>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
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
        let shared =
            Arc::new(Shared { mood: Mutex::new(Mood::Passes), changed: Condvar::new(), open: Mutex::new(Vec::new()) });
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
                for (from, to) in [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))] {
                    let (mut from, mut to, shared) = (from.unwrap(), to.unwrap(), Arc::clone(&inner));
                    std::thread::spawn(move || pump(&mut from, &mut to, &shared));
                }
            }
        });
        Self { port: own, shared }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
        self.shared.changed.notify_all();
    }

    /// Ends all connections that are open.
    pub(crate) fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn pump(from: &mut TcpStream, to: &mut TcpStream, shared: &Shared) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(n) = from.read(&mut buffer) {
        let mood = shared.mood.lock().unwrap();
        drop(shared.changed.wait_while(mood, |mood| *mood == Mood::Swallows).unwrap());
        if n == 0 || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
