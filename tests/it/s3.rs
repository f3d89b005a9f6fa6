//! A server that speaks S3, for the bucket of logs: moto, in a process and on a port of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use interlock::domain::archive::Place;
use interlock::store::bucket::{Bucket, Options};
use serde_json::Value;

/// The server, ended when dropped.
pub(crate) struct S3 {
    process: Child,
    pub(crate) port: u16,
}

/// Where `tests/run` puts it.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto/bin")
}

/// Makes a person with a key, lets only such keys in from then on, and prints the key.
const LOCK: &str = r#"
import boto3, json, sys, urllib.request
server = sys.argv[1]
iam = boto3.client("iam", endpoint_url=server, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
iam.create_user(UserName="interlock")
allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="interlock", PolicyName="logs", PolicyDocument=json.dumps(allow))
key = iam.create_access_key(UserName="interlock")["AccessKey"]
urllib.request.urlopen(urllib.request.Request(server + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})).read()
print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
"#;

impl S3 {
    /// With an empty bucket `logs`.
    pub(crate) fn start() -> Self {
        let this = Self::serve(&[], "http://127.0.0.1:");
        ureq::put(&format!("{}/logs", this.address())).send_empty().unwrap();
        this
    }

    /// Over TLS with the certificate of this folder, without a bucket.
    pub(crate) fn start_privately(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        Self::serve(&["-c", &file("server.pem"), "-k", &file("server.key")], "https://127.0.0.1:")
    }

    fn serve(more: &[&str], told: &str) -> Self {
        let mut command = Command::new(programs().join("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]).args(more);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::null());
        let started = command.spawn();
        let mut process = started.unwrap_or_else(|e| panic!("moto is not installed, `tests/run` does it: {e}"));
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        let port = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once(told).and_then(|(_, port)| port.trim().parse().ok()));
        // It writes a line for each request, and must not wait for a reader.
        std::thread::spawn(move || said.for_each(drop));
        Self { process, port: port.unwrap() }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The keys of all objects.
    pub(crate) fn objects(&self) -> Vec<String> {
        let mut answer = ureq::get(&format!("{}/logs?list-type=2", self.address())).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        text.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
    }

    /// Lets in only who has the key that this answers: its id and its secret.
    pub(crate) fn lock(&self) -> (String, String) {
        let output = Command::new(programs().join("python")).args(["-c", LOCK, &self.address()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let key: Value = serde_json::from_slice(&output.stdout).unwrap();
        (key[0].as_str().unwrap().to_owned(), key[1].as_str().unwrap().to_owned())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A bucket at a server on this machine.
pub(crate) fn bucket(port: u16, name: &str, key: (&str, &str)) -> Bucket {
    Bucket::new(options(port, name, key)).unwrap()
}

/// What such a bucket is made of.
pub(crate) fn options(port: u16, name: &str, key: (&str, &str)) -> Options {
    Options {
        place: Place::parse(&format!("s3://{name}/there")).unwrap(),
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        region: "us-east-1".to_owned(),
        key_id: key.0.to_owned(),
        secret: key.1.to_owned().into(),
        session: None,
        authorities: None,
    }
}
