//! `interlock demo`: the whole of Interlock with throw-away data. Three people with passwords drawn anew, the example
//! project, and an SSH server of its own as the project's nodes; nothing of it is left afterwards.

mod project;
mod sshd;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use self::sshd::Sshd;
use super::{Done, Failure, apply, folder, out, serve, start};
use crate::app::App;
use crate::app::keys::SecretKind;
use crate::app::nodes::AcceptedKey;
use crate::app::random;
use crate::domain::ids::{KeyPath, NodeName, ProjectName, UserName};
use crate::domain::secret::SecretText;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:4440", value_name = "ADDRESS:PORT")]
    listen: String,
}

/// The example's people: name, whether they administer the installation, what they are for.
const PEOPLE: [(&str, bool, &str); 3] =
    [("oncall", false, "asks for runs"), ("manager", false, "signs them"), ("admin", true, "changes definitions")];
const SOURCE: &str = "demo";

pub(super) fn run(options: Options) -> Done {
    crate::telemetry::start("warn");
    serve::block_on(async move {
        let listener = serve::listen(&options.listen)?;
        let address = listener.local_addr().map_err(|e| Failure::Broken(e.to_string()))?;
        // Dropped in the reverse order: the SSH server ends before its folder goes.
        let scratch = Scratch::new()?;
        let sshd = Sshd::start(&scratch.0.join("sshd"))?;
        let url = format!("http://{address}");
        let data = scratch.0.join("data");
        let app = start::open(&data, None, &url).await?;
        definitions(&app, &sshd).await?;
        let hook_secret = secrets(&app, &sshd).await?;
        let people = people(&app).await?;
        let event = scratch.0.join("pagerduty.json");
        fs::write(&event, project::EVENT).map_err(|e| unusable(&event, &e))?;
        out::line(&welcome(&url, &people, &data, &event, &hook_secret));
        serve::serve(app, listener, None, serve::Stops::listen(), serve::Leaving::EndFirst).await?;
        out::note("the demo's data is gone");
        Ok(())
    })
}

/// A fresh folder of mode 0700 that goes with the demo. Short, as the path of a socket in it may have 108 bytes at most.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        let path = Path::new("/tmp").join(format!("interlock-demo-{}", word(8)?));
        DirBuilder::new().mode(0o700).create(&path).map_err(|e| unusable(&path, &e))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            out::warn(&format!("{} could not be removed: {error}; remove it by hand", self.0.display()));
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Broken(format!("{} cannot be written: {error}", path.display()))
}

/// Random letters and digits that cannot be mistaken for each other; five bits each.
fn word(length: usize) -> Result<String, Failure> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = random::bytes::<32>()?;
    let letters = bytes.iter().take(length).filter_map(|b| LETTERS.get(usize::from(b % 32)));
    Ok(letters.map(|b| char::from(*b)).collect())
}

fn ops() -> Result<ProjectName, Failure> {
    Ok(ProjectName::parse("ops")?)
}

/// Brings the example in and trusts its nodes, whose host key was made a moment ago in this very process.
async fn definitions(app: &App, sshd: &Sshd) -> Done {
    let files = project::files(sshd.addresses, sshd.port, &sshd.account);
    let example = folder::Folder { path: PathBuf::from("jobs/ops"), project: ops()?, files };
    apply::apply(app, &start::operator(), &example, false, "the example").await?;
    for (node, _) in project::NODES {
        let key = AcceptedKey {
            kind: sshd.host_key.kind.clone(),
            base64: sshd.host_key.base64.clone(),
            fingerprint: sshd.host_key.fingerprint.clone(),
        };
        app.enrol(&start::operator(), &ops()?, &NodeName::parse(node)?, vec![key], SOURCE).await?;
    }
    Ok(())
}

/// Fills the key store; the webhook's secret.
async fn secrets(app: &App, sshd: &Sshd) -> Result<SecretText, Failure> {
    let operator = start::operator();
    let path = KeyPath::parse(project::NODE_KEY)?;
    app.put_key(&operator, path, SecretKind::PrivateKey, sshd.user_key.clone(), SOURCE).await?;
    let secret = random::token("demo_")?;
    let path = KeyPath::parse(project::HOOK_SECRET)?;
    app.put_key(&operator, path, SecretKind::Secret, secret.clone(), SOURCE).await?;
    Ok(secret)
}

/// Adds the three people; a line for each with its password.
async fn people(app: &App) -> Result<Vec<String>, Failure> {
    let mut lines = Vec::new();
    for (name, administrator, what_for) in PEOPLE {
        let password = SecretText::new(word(20)?);
        let groups = std::collections::BTreeSet::new();
        app.add_user(&start::operator(), UserName::parse(name)?, groups, administrator, password.clone(), SOURCE)
            .await?;
        lines.push(format!("  {name:<8} {}   {what_for}", password.expose()));
    }
    Ok(lines)
}

fn welcome(url: &str, people: &[String], data: &Path, event: &Path, hook_secret: &SecretText) -> String {
    let signature = signature(hook_secret, project::EVENT.as_bytes());
    format!(
        "\nInterlock's demo: {url}\n\nSign in as\n{}\n\n\
         Let PagerDuty ask for a restart, which `manager` then finds among the approvals:\n  \
         curl -sS -H 'Content-Type: application/json' -H 'X-PagerDuty-Signature: v1={signature}' \\\n    \
         --data-binary @{} {url}/hooks/pagerduty-incident\n\n\
         Commands work on the same data: interlock --data {} runs\n\n\
         Ctrl-C ends the demo and removes everything of it.",
        people.join("\n"),
        event.display(),
        data.display(),
    )
}

/// As PagerDuty signs: HMAC-SHA256 of the body, in hexadecimal.
fn signature(secret: &SecretText, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return String::new() };
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_drawn_anew() {
        let (one, other) = (word(20).ok().unwrap(), word(20).ok().unwrap());
        assert_eq!(one.len(), 20);
        assert_ne!(one, other);
    }

    #[test]
    fn the_folder_is_closed_to_others_and_goes() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::new().ok().unwrap();
        let path = scratch.0.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        fs::write(path.join("x"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
