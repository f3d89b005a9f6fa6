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

/// Keeps each mail as one JSON document in a folder, whole before it is seen there and before the sender is answered. How it
/// is encrypted and who may send is asked for; certificates come from an authority of its own, `ca.pem` in the folder.
const KEEP: &str = r#"
import asyncio, datetime, email, email.policy, ipaddress, json, os, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult
folder, way, account, count = sys.argv[1], sys.argv[2], sys.argv[3], 0
def keep(name, what):
    global count
    count += 1
    path = os.path.join(folder, "%06d" % count)
    with open(path + ".new", "w") as f:
        json.dump(what, f)
    os.rename(path + ".new", path + name)
class Handler:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        keep(".json", {"from": envelope.mail_from, "to": envelope.rcpt_tos, "body": mail.get_content(),
             "headers": [[name.lower(), str(value)] for name, value in mail.items()]})
        return "250 kept"
def known(server, session, envelope, mechanism, data):
    said = (data.login + b":" + data.password).decode()
    keep(".auth", said)
    return AuthResult(success=said == account, handled=False)
def context():
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec
    now = datetime.datetime.now(datetime.timezone.utc)
    def make(name, issuer, own, by, authority):
        cert = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(own.public_key())
        cert = cert.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        cert = cert.not_valid_after(now + datetime.timedelta(days=1))
        cert = cert.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        if not authority:
            cert = cert.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return cert.sign(by, hashes.SHA256())
    word = lambda text: x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, text)])
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = make(word("an authority"), word("an authority"), ca_key, ca_key, True)
    cert = make(word("localhost"), word("an authority"), key, ca_key, False)
    place = lambda name: os.path.join(folder, name)
    open(place("ca.pem"), "wb").write(ca.public_bytes(s.Encoding.PEM))
    open(place("cert.pem"), "wb").write(cert.public_bytes(s.Encoding.PEM))
    open(place("key.pem"), "wb").write(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(place("cert.pem"), place("key.pem"))
    return made
async def main():
    tls = context() if way in ("starttls", "implicit") else None
    options = {"hostname": "sink"}
    if account:
        options.update(authenticator=known, auth_required=True, auth_require_tls=way == "starttls")
    if way == "starttls":
        options.update(tls_context=tls, require_starttls=True)
    wrapped = tls if way == "implicit" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), **options), "127.0.0.1", 0, ssl=wrapped)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"#;

impl MailServer {
    pub(crate) fn start() -> Self {
        Self::start_as("plain", "")
    }

    /// One that is encrypted in this way (`plain`, `starttls`, `implicit`) and takes mail only from this `name:password`,
    /// where one is given.
    pub(crate) fn start_as(way: &str, account: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(python());
        command.args(["-c", KEEP]).arg(folder.path()).args([way, account]);
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut process = started.unwrap_or_else(|e| panic!("aiosmtpd is not installed, `tests/run` does it: {e}"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, port: line.trim().parse().unwrap(), folder }
    }

    /// The certificate of the authority that its own comes from.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Every `name:password` that somebody said to it.
    pub(crate) fn said(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "auth")).collect();
        files.sort();
        files.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
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
