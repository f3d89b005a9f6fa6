//! An agent with one key, in this process: it says which key it has, and signs with it. The rest of the protocol
//! (draft-ietf-sshm-ssh-agent) it does not know, and says so.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::ed25519::Ed25519;
use super::strings::{put, take};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Longer than anything that is asked of it.
const LONGEST: u32 = 256 * 1024;

/// Listens at the path.
///
/// # Errors
/// When it cannot be listened there.
pub(super) fn listen(socket: &Path) -> io::Result<UnixListener> {
    UnixListener::bind(socket)
}

/// Answers everybody who asks, until it is dropped.
pub(super) async fn serve(listener: UnixListener, key: Ed25519) {
    let key = Arc::new(key);
    let mut asking = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(asking.spawn(answer_all(stream, Arc::clone(&key)))),
                // Too many files are open, for instance; whoever asks is kept waiting.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
            Some(_) = asking.join_next() => {}
        }
    }
}

async fn answer_all(mut stream: UnixStream, key: Arc<Ed25519>) {
    // Whoever asked nonsense or went away gets no further answer.
    while let Ok(message) = next(&mut stream).await {
        let mut whole = Vec::new();
        put(&mut whole, &answer(&key, &message));
        if stream.write_all(&whole).await.is_err() {
            return;
        }
    }
}

async fn next(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut message = vec![0; usize::try_from(length).unwrap_or_default()];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

fn answer(key: &Ed25519, message: &[u8]) -> Vec<u8> {
    let public = key.public();
    match message.split_first() {
        Some((&REQUEST_IDENTITIES, [])) => {
            let mut out = vec![IDENTITIES_ANSWER];
            out.extend_from_slice(&1_u32.to_be_bytes());
            put(&mut out, &public);
            put(&mut out, b"");
            out
        }
        Some((&SIGN_REQUEST, mut rest)) => match (take(&mut rest), take(&mut rest)) {
            (Some(wanted), Some(data)) if wanted == public => {
                let mut out = vec![SIGN_RESPONSE];
                put(&mut out, &key.sign(data));
                out
            }
            _ => vec![FAILURE],
        },
        _ => vec![FAILURE],
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;
    use crate::domain::secret::SecretText;

    #[tokio::test]
    async fn openssh_has_it_sign_and_believes_the_signature() {
        let folder = tempfile::tempdir().unwrap();
        let (key, socket) = (folder.path().join("key"), folder.path().join("agent"));
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(&key).status();
        assert!(made.unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let own = Ed25519::read(&SecretText::new(std::fs::read_to_string(&key).unwrap())).unwrap();
        // From here on only the agent has it.
        std::fs::remove_file(&key).unwrap();
        let serving = tokio::spawn(serve(listen(&socket).unwrap(), own));
        let asked = async |program: &'static str, arguments: &[&str]| -> Output {
            let mut command = tokio::process::Command::new(program);
            command.args(arguments).env("SSH_AUTH_SOCK", &socket).current_dir(folder.path());
            command.output().await.unwrap()
        };
        let list = asked("ssh-add", &["-L"]).await;
        assert_eq!(String::from_utf8(list.stdout).unwrap().trim(), public.trim());

        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("text"), "what is signed").unwrap();
        std::fs::write(path("who"), format!("somebody {public}")).unwrap();
        let signed = asked("ssh-keygen", &["-q", "-Y", "sign", "-U", "-n", "here", "-f", "key.pub", "text"]).await;
        assert!(signed.status.success(), "{signed:?}");
        let check = "ssh-keygen -Y verify -f who -I somebody -n here -s text.sig < text";
        assert!(asked("sh", &["-c", check]).await.status.success());
        std::fs::write(path("text"), "something else").unwrap();
        assert!(!asked("sh", &["-c", check]).await.status.success());

        // What it does not know it refuses: it keeps the one key, and takes no other.
        let refused = asked("ssh-add", &["-D"]).await;
        assert!(!refused.status.success());
        assert!(asked("ssh-add", &["-T", "key.pub"]).await.status.success());
        serving.abort();
    }

    #[test]
    fn nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path).status();
        assert!(made.unwrap().success());
        let key = Ed25519::read(&SecretText::new(std::fs::read_to_string(path).unwrap())).unwrap();
        let mut other = vec![SIGN_REQUEST];
        put(&mut other, b"another key");
        put(&mut other, b"data");
        let short = [&[SIGN_REQUEST][..], &u32::MAX.to_be_bytes(), b"x"].concat();
        for message in [&[][..], &[SIGN_REQUEST], &[REQUEST_IDENTITIES, 0], &[27, 0, 0], &other, &short] {
            assert_eq!(answer(&key, message), [FAILURE], "{message:?}");
        }
    }
}
