//! Private keys of the kind that `ssh-keygen` makes unless told otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

use super::strings::{put, take, take_number};
use crate::domain::secret::SecretText;

const KIND: &[u8] = b"ssh-ed25519";
const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// A private key, wiped when dropped.
pub(super) struct Ed25519(SigningKey);

impl Ed25519 {
    /// The key in a text as OpenSSH writes it (its PROTOCOL.key). None when it is one of another kind, has a passphrase, or is
    /// none at all.
    pub(super) fn read(text: &SecretText) -> Option<Self> {
        let body = text.expose().trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
        let mut packed = Zeroizing::new(String::with_capacity(body.len()));
        packed.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
        let bytes = Zeroizing::new(STANDARD.decode(packed.as_bytes()).ok()?);
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let (cipher, derivation, options) = (take(&mut rest)?, take(&mut rest)?, take(&mut rest)?);
        if (cipher, derivation, options, take_number(&mut rest)?) != (b"none", b"none", b"", 1) {
            return None;
        }
        let _public = take(&mut rest)?;
        let mut private = take(&mut rest)?;
        // Twice the same, which shows that nothing is encrypted.
        if take_number(&mut private)? != take_number(&mut private)? || take(&mut private)? != KIND {
            return None;
        }
        let (public, pair) = (take(&mut private)?, take(&mut private)?);
        let (seed, shown) = pair.split_first_chunk::<32>()?;
        let key = SigningKey::from_bytes(seed);
        let own = key.verifying_key();
        (own.as_bytes() == public && own.as_bytes() == shown).then_some(Self(key))
    }

    /// The public key as SSH names it.
    pub(super) fn public(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, KIND);
        put(&mut out, self.0.verifying_key().as_bytes());
        out
    }

    /// A signature as SSH sends it.
    pub(super) fn sign(&self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, KIND);
        put(&mut out, &self.0.sign(data).to_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A new key, as ssh-keygen makes it with these options.
    fn made(options: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = Command::new("ssh-keygen").args(["-q", "-f"]).arg(&path).args(options).status().unwrap();
        assert!(made.success());
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn only_its_own_kind_without_a_passphrase_is_read() {
        let read = |text: &str| Ed25519::read(&SecretText::new(text.to_owned()));
        let plain = made(&["-t", "ed25519", "-N", ""]);
        assert!(read(&plain).is_some() && read(&plain.replace('\n', "\r\n")).is_some());
        for options in [
            &["-t", "ed25519", "-N", "a passphrase"][..],
            &["-t", "ecdsa", "-N", ""],
            &["-t", "rsa", "-b", "2048", "-N", ""],
            &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"],
        ] {
            assert!(read(&made(options)).is_none(), "{options:?}");
        }
        for text in ["", "not a key", BEGIN, &format!("{BEGIN}\n{END}"), &plain[..plain.len() / 2]] {
            assert!(read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_damaged_key_is_none() {
        let plain = made(&["-t", "ed25519", "-N", ""]);
        let body: String = plain.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(&body).unwrap();
        let own = Ed25519::read(&SecretText::new(plain)).unwrap().public();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x80;
            let text = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(damaged));
            // What is damaged is the public key in front, the comment or the padding, or it is no key.
            let read = Ed25519::read(&SecretText::new(text));
            assert!(read.is_none_or(|key| key.public() == own), "byte {at}");
        }
    }
}
