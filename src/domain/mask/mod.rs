//! Masking: secrets are cut out of output before it is stored, over chunk borders and in their usual encodings.
//!
//! Promises that what [`Masker`] lets through does not depend on how the output was cut into chunks, and that no more
//! bytes are held back than could be the beginning of a secret. It cannot know secrets that a command transformed in
//! another way (hashed, reversed, split), and it does not mask secrets shorter than [`SHORTEST`] bytes: they would
//! blank out half of every log and protect nothing.

mod automaton;
mod forms;

use std::collections::{BTreeSet, VecDeque};

use super::secret::SecretText;
use automaton::Automaton;
use forms::forms_of;

/// Secrets with fewer bytes are not masked.
pub const SHORTEST: usize = 3;

/// Lines of a multi-line secret with fewer bytes are not masked by themselves.
const SHORTEST_LINE: usize = 6;

/// What stands in the output where a secret stood.
pub const REPLACEMENT: &[u8] = b"[secret]";

/// Knows every form of the secrets of one run. Made once, shared by all its streams.
#[derive(Debug, Clone, Default)]
pub struct Masker {
    automaton: std::sync::Arc<Automaton>,
}

impl Masker {
    /// Prepares the forms of these secrets: exact, base64 (both alphabets, every alignment), URL-encoded, JSON-escaped,
    /// and each longer line by itself.
    #[must_use]
    pub fn new(secrets: &[SecretText]) -> Self {
        let mut forms = BTreeSet::new();
        for secret in secrets {
            let whole = secret.expose();
            forms_of(whole, &mut forms);
            let trimmed = whole.trim_end_matches(['\r', '\n']);
            if trimmed.len() < whole.len() {
                forms_of(trimmed, &mut forms);
            }
            if trimmed.contains('\n') {
                for line in trimmed.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE) {
                    forms.insert(line.as_bytes().to_vec());
                }
            }
        }
        Self { automaton: std::sync::Arc::new(Automaton::new(&forms)) }
    }

    /// Starts on a new stream of output. Each of a step's streams has its own.
    #[must_use]
    pub fn stream(&self) -> MaskStream {
        self.stream_from(0)
    }

    /// Starts in the middle of a stream, where so many bytes of it have been masked before.
    #[must_use]
    pub fn stream_from(&self, at: u64) -> MaskStream {
        MaskStream { automaton: self.automaton.clone(), state: 0, held: VecDeque::new(), in_secret: false, at }
    }

    /// Masks a text that is there as a whole.
    #[must_use]
    pub fn mask(&self, text: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut pieces = stream.push(text);
        pieces.extend(stream.finish());
        pieces.into_iter().flat_map(|piece| piece.bytes).collect()
    }
}

/// A piece of a stream that is safe to store, and where it ends in what came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What to store: the bytes themselves, or what stands for a secret. Empty for more of a secret that was replaced
    /// before.
    pub bytes: Vec<u8>,
    /// Whether it stands for a secret; then it must not be cut, as half a secret would not be known again.
    pub secret: bool,
    /// Bytes of the stream up to the end of this piece, from the stream's beginning.
    pub end: u64,
}

/// One stream of output on its way through the mask.
#[derive(Debug)]
pub struct MaskStream {
    automaton: std::sync::Arc<Automaton>,
    state: u32,
    /// Bytes that may belong to a secret, and whether they are known to.
    held: VecDeque<(u8, bool)>,
    /// Whether the last byte that was let go belonged to a secret, so that one secret gives one replacement.
    in_secret: bool,
    /// Bytes that were let go, from the stream's beginning.
    at: u64,
}

impl MaskStream {
    /// As [`MaskStream::push`], without a copy where no secret can be in the chunk.
    pub fn push_whole(&mut self, chunk: Vec<u8>) -> Vec<Piece> {
        if chunk.is_empty() || !self.held.is_empty() || self.state != 0 || self.automaton.plain(&chunk) < chunk.len() {
            return self.push(&chunk);
        }
        self.in_secret = false;
        self.at += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        vec![Piece { bytes: chunk, secret: false, end: self.at }]
    }

    /// Takes the next chunk and gives back what is safe to store.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<Piece> {
        let mut out = Vec::new();
        let automaton = self.automaton.clone();
        let mut rest = chunk;
        while let Some((&byte, later)) = rest.split_first() {
            if self.held.is_empty() && self.state == 0 {
                // Most output has nothing to do with any secret.
                let plain = automaton.plain(rest);
                if plain > 0 {
                    let (plain, later) = rest.split_at(plain);
                    self.let_go(plain, &mut out);
                    rest = later;
                    continue;
                }
            }
            rest = later;
            self.state = automaton.step(self.state, byte);
            self.held.push_back((byte, false));
            let (depth, matched) = automaton.facts(self.state);
            for slot in self.held.iter_mut().rev().take(matched) {
                slot.1 = true;
            }
            while self.held.len() > depth {
                self.release(&mut out);
            }
        }
        out
    }

    /// Ends the stream: nothing can become a secret any more, so the rest is let go.
    pub fn finish(&mut self) -> Vec<Piece> {
        let mut out = Vec::new();
        while !self.held.is_empty() {
            self.release(&mut out);
        }
        self.state = 0;
        out
    }

    fn release(&mut self, out: &mut Vec<Piece>) {
        let Some((byte, secret)) = self.held.pop_front() else { return };
        if !secret {
            self.let_go(&[byte], out);
            return;
        }
        self.at += 1;
        match out.last_mut() {
            Some(last) if last.secret && self.in_secret => last.end = self.at,
            _ => {
                let bytes = if self.in_secret { Vec::new() } else { REPLACEMENT.to_vec() };
                out.push(Piece { bytes, secret: true, end: self.at });
            }
        }
        self.in_secret = true;
    }

    fn let_go(&mut self, plain: &[u8], out: &mut Vec<Piece>) {
        self.in_secret = false;
        self.at += u64::try_from(plain.len()).unwrap_or(u64::MAX);
        match out.last_mut() {
            Some(last) if !last.secret => {
                last.bytes.extend_from_slice(plain);
                last.end = self.at;
            }
            _ => out.push(Piece { bytes: plain.to_vec(), secret: false, end: self.at }),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::*;

    fn masker(secrets: &[&str]) -> Masker {
        Masker::new(&secrets.iter().map(|s| SecretText::new((*s).to_owned())).collect::<Vec<_>>())
    }

    fn masked(secret: &str, text: &str) -> String {
        String::from_utf8(masker(&[secret]).mask(text.as_bytes())).unwrap()
    }

    #[test]
    fn every_form_is_masked() {
        let secret = "pa ss/w\"örd\\1";
        assert_eq!(masked(secret, "x pa ss/w\"örd\\1 y"), "x [secret] y");
        assert_eq!(masked(secret, "q=pa+ss%2Fw%22%C3%B6rd%5C1&"), "q=[secret]&");
        assert_eq!(masked(secret, "q=pa%20ss%2fw%22%c3%b6rd%5c1&"), "q=[secret]&");
        assert_eq!(masked(secret, r#"{"p":"pa ss/w\"örd\\1"}"#), r#"{"p":"[secret]"}"#);
        assert_eq!(masked(secret, r#"{"p":"pa ss\/w\"örd\\1"}"#), r#"{"p":"[secret]"}"#);
        assert_eq!(masked(secret, "{\"p\":\"pa ss/w\\\"\\u00f6rd\\\\1\"}"), r#"{"p":"[secret]"}"#);
        for prefix in ["", "a", "ab", "user:"] {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{prefix}{secret} tail"));
            assert!(masked(secret, &encoded).contains("[secret]"), "{prefix}");
        }
    }

    #[test]
    fn lines_of_a_key_are_masked_by_themselves() {
        let key = "-----BEGIN KEY-----\nAAAABBBB\nCC\n-----END KEY-----\n";
        assert_eq!(masked(key, "> AAAABBBB <"), "> [secret] <");
        assert_eq!(masked(key, "CC"), "CC");
        assert_eq!(masked("hunter2\n", "it is hunter2."), "it is [secret].");
    }

    #[test]
    fn overlapping_secrets_leave_nothing() {
        assert_eq!(masked("abab", "xababaxx"), "x[secret]axx");
        assert_eq!(masked("abab", "ababab"), "[secret]");
        assert_eq!(masked("aaa", "aaaaab"), "[secret]b");
        let both = masker(&["secret", "secretlong", "cretl"]);
        assert_eq!(both.mask(b"a secretlo b secretlong c"), b"a [secret]o b [secret] c");
    }

    #[test]
    fn short_secrets_are_left_alone() {
        assert_eq!(masked("ab", "ab"), "ab");
        assert_eq!(masked("", "ab"), "ab");
    }

    #[test]
    fn only_what_could_be_a_secret_is_held_back() {
        let masker = masker(&["hunter2"]);
        let mut stream = masker.stream();
        assert_eq!(text(stream.push(b"go hun")), b"go ");
        assert_eq!(text(stream.push(b"ting")), b"hunting");
        assert_eq!(text(stream.push(b" hunter")), b" ");
        assert_eq!(text(stream.push(b"2")), b"");
        assert_eq!(text(stream.finish()), b"[secret]");
    }

    fn text(pieces: Vec<Piece>) -> Vec<u8> {
        pieces.into_iter().flat_map(|piece| piece.bytes).collect()
    }

    proptest! {
        #[test]
        fn chunks_never_change_the_result(
            secrets in proptest::collection::vec("[ab]{3,6}|[ab\n]{8,16}", 1..4),
            text_of in proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'\n'), Just(b'%')], 0..200),
            cuts in proptest::collection::vec(1usize..9, 1..40),
        ) {
            let refs: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let masker = masker(&refs);
            let whole = masker.mask(&text_of);
            let mut stream = masker.stream();
            let mut out = Vec::new();
            let mut rest = text_of.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                // In turn, as either way has to come to the same.
                let pieces = if cut % 2 == 0 { stream.push(now) } else { stream.push_whole(now.to_vec()) };
                out.extend(pieces);
                rest = later;
            }
            out.extend(stream.finish());
            // Whoever goes on behind bytes that were let go as they are comes to the same.
            for (i, piece) in out.iter().enumerate().filter(|(_, piece)| !piece.secret) {
                let before = text(out[..=i].to_vec());
                let after = masker.mask(&text_of[usize::try_from(piece.end).unwrap()..]);
                prop_assert_eq!(&[before, after].concat(), &whole);
            }
            prop_assert_eq!(out.last().map_or(0, |piece| piece.end), u64::try_from(text_of.len()).unwrap());
            prop_assert_eq!(&text(out), &whole);
            let shown = String::from_utf8(whole).unwrap().replace("[secret]", "\0");
            for secret in &secrets {
                prop_assert!(!shown.contains(secret.as_str()), "{:?} survives in {:?}", secret, shown);
            }
        }

        #[test]
        fn any_secret_disappears(secret in ".{3,40}", before in ".{0,20}", after in ".{0,20}") {
            let out = masked(&secret, &format!("{before}{secret}{after}"));
            let rest: String = out.split("[secret]").collect::<Vec<_>>().join("\0");
            prop_assert!(out.contains("[secret]") && !rest.contains(&secret));
        }
    }
}
