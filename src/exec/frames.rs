//! Finds our own frames in a stream of somebody else's output.

/// A part of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Output of the job, or noise before it.
    Bytes(Vec<u8>),
    /// The words of a frame.
    Frame(String),
}

/// Splits one stream into output and frames: RS, nonce, space, words, newline. The nonce is drawn for each step, so
/// output cannot look like a frame by chance.
#[derive(Debug)]
pub(super) struct Frames {
    marker: Vec<u8>,
    pending: Vec<u8>,
}

/// What every frame begins with.
const RS: u8 = 0x1e;

/// Frames are short; a longer one is output.
const LONGEST: usize = 256;

impl Frames {
    pub(super) fn new(nonce: &str) -> Self {
        Self { marker: format!("\u{1e}{nonce} ").into_bytes(), pending: Vec::new() }
    }

    /// Takes the next bytes; keeps back what may be the beginning of a frame.
    pub(super) fn push(&mut self, bytes: Vec<u8>) -> Vec<Item> {
        // Nearly all output is nothing but output.
        if self.pending.is_empty() && !bytes.is_empty() && memchr::memchr(RS, &bytes).is_none() {
            return vec![Item::Bytes(bytes)];
        }
        self.pending.extend_from_slice(&bytes);
        let mut items = Vec::new();
        while let Some(at) = memchr::memmem::find(&self.pending, &self.marker) {
            let words_at = at + self.marker.len();
            let words = self.pending.get(words_at..).unwrap_or_default();
            match memchr::memchr(b'\n', words) {
                Some(length) => {
                    let words = String::from_utf8_lossy(words.get(..length).unwrap_or_default()).into_owned();
                    self.take(at, &mut items);
                    self.pending.drain(..(words_at - at + length + 1).min(self.pending.len()));
                    items.push(Item::Frame(words));
                }
                None if words.len() > LONGEST => self.take(words_at, &mut items),
                None => {
                    self.take(at, &mut items);
                    return items;
                }
            }
        }
        let longest = self.marker.len().saturating_sub(1).min(self.pending.len());
        let keep = (1..=longest)
            .rev()
            .find(|n| self.pending.ends_with(self.marker.get(..*n).unwrap_or_default()))
            .unwrap_or(0);
        self.take(self.pending.len() - keep, &mut items);
        items
    }

    /// What was kept back, when the stream has ended.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn take(&mut self, length: usize, items: &mut Vec<Item>) {
        if length > 0 {
            items.push(Item::Bytes(self.pending.drain(..length).collect()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flat(items: Vec<Item>, bytes: &mut Vec<u8>, frames: &mut Vec<String>) {
        for item in items {
            match item {
                Item::Bytes(b) => bytes.extend(b),
                Item::Frame(f) => frames.push(f),
            }
        }
    }

    proptest! {
        #[test]
        fn frames_are_found_over_any_cuts(
            parts in proptest::collection::vec("[\u{1e}n \n]{0,6}", 1..5),
            cut in 1usize..7,
        ) {
            let mut text = Vec::new();
            for (i, part) in parts.iter().enumerate() {
                text.extend(part.as_bytes());
                text.extend(format!("\u{1e}nonce frame {i}\n").as_bytes());
            }
            let mut reader = Frames::new("nonce");
            let (mut bytes, mut frames) = (Vec::new(), Vec::new());
            for chunk in text.chunks(cut) {
                flat(reader.push(chunk.to_vec()), &mut bytes, &mut frames);
            }
            bytes.extend(reader.finish());
            prop_assert_eq!(bytes, parts.concat().into_bytes());
            prop_assert_eq!(frames, (0..parts.len()).map(|i| format!("frame {i}")).collect::<Vec<_>>());
        }
    }

    #[test]
    fn another_nonce_is_output() {
        let mut reader = Frames::new("nonce");
        assert_eq!(reader.push(b"\x1enoncf exit 0\n".to_vec()), [Item::Bytes(b"\x1enoncf exit 0\n".to_vec())]);
        assert_eq!(reader.push(b"x\x1enonce".to_vec()), [Item::Bytes(b"x".to_vec())]);
        assert_eq!(reader.finish(), b"\x1enonce");
    }
}
