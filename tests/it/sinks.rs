//! Where notices arrive: a mail server that keeps what it is sent, and a chat that answers as a test wants.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// A real mail server, ended when dropped.
pub(crate) struct MailServer {
    process: Child,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Names in lower case, values unfolded and decoded.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Mail {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Where `tests/run` puts it.
fn python() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto/bin/python")
}

/// Keeps each mail as one JSON document in a folder, whole before it is seen there and before the sender is answered.
const KEEP: &str = r#"
import asyncio, email, email.policy, json, os, sys
from aiosmtpd.smtp import SMTP
folder, count = sys.argv[1], 0
class Handler:
    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        seen = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "body": mail.get_content(),
                "headers": [[name.lower(), str(value)] for name, value in mail.items()]}
        path = os.path.join(folder, "%06d" % count)
        with open(path + ".new", "w") as f:
            json.dump(seen, f)
        os.rename(path + ".new", path + ".json")
        return "250 kept"
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="sink"), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

impl MailServer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python());
        command.args(["-c", KEEP]).arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = command.spawn();
        let mut process = started.unwrap_or_else(|e| panic!("aiosmtpd is not installed, `tests/run` does it: {e}"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap(), folder }
    }

    /// Every mail so far, in order.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|e| e == "json"));
        files.sort();
        let read = |path: &PathBuf| -> Mail {
            let seen: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            Mail {
                from: seen["from"].as_str().unwrap().to_owned(),
                to: serde_json::from_value(seen["to"].clone()).unwrap(),
                headers: serde_json::from_value(seen["headers"].clone()).unwrap(),
                body: seen["body"].as_str().unwrap().to_owned(),
            }
        };
        files.iter().map(read).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A post as it came.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: std::collections::BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Post {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A chat. It answers 200, or what a test has put in line.
pub(crate) struct ChatServer {
    pub(crate) address: String,
    seen: Arc<Mutex<Vec<Post>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl ChatServer {
    pub(crate) fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// On a listener that is there.
    pub(crate) fn on(listener: TcpListener) -> Self {
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (seen, answers) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(VecDeque::new())));
        let this = Self { address, seen: Arc::clone(&seen), answers: Arc::clone(&answers) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answers) = (Arc::clone(&seen), Arc::clone(&answers));
                std::thread::spawn(move || take(stream, &seen, &answers));
            }
        });
        this
    }

    /// What it answers next.
    pub(crate) fn answers(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    /// Every post so far.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.seen.lock().unwrap().clone()
    }
}

fn take(stream: TcpStream, seen: &Mutex<Vec<Post>>, answers: &Mutex<VecDeque<u16>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = std::collections::BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    seen.lock().unwrap().push(Post { path, headers, body: String::from_utf8(body).ok()? });
    let status = answers.lock().unwrap().pop_front().unwrap_or(200);
    let more = if status == 302 { "location: http://127.0.0.1:1/\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} x\r\n{more}content-length: 0\r\nconnection: close\r\n\r\n");
    reader.get_mut().write_all(head.as_bytes()).ok()
}
