//! The smallest HTTP client that a load needs: one connection kept open, one request at a time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: Vec::new() }
    }

    /// Sends a request and reads the whole answer; its status.
    pub(crate) fn send(&mut self, request: &[u8]) -> u16 {
        self.exchange(request).0
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> (u16, String) {
        self.stream.write_all(request).unwrap();
        self.buffer.clear();
        let mut chunk = [0; 8 * 1024];
        loop {
            let read = self.stream.read(&mut chunk).unwrap();
            assert!(read > 0, "the server closed the connection");
            self.buffer.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&self.buffer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length: usize = head
                .lines()
                .find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length:").map(|v| v.trim().parse().unwrap()))
                .unwrap_or(0);
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return (status, body.to_owned());
            }
        }
    }
}
