//! Globs over paths, such as `job/db/**`.
//!
//! `*` is any number of characters within one part, `**` also crosses `/`, and `**/` may stand for no part at all:
//! `job/**/restart` covers `job/restart`. Every other character is itself.

/// One piece of a glob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// This byte.
    Byte(u8),
    /// Any bytes but `/`.
    Within,
    /// Any bytes.
    Across,
    /// Nothing, or any bytes that end in `/`.
    Parts,
}

/// A glob, read once and held against many paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Vec<Piece>);

impl Glob {
    /// Reads a glob; every text is one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text.as_bytes();
        let mut at_part = true;
        while let [first, more @ ..] = rest {
            let (piece, next) = match (first, more) {
                (b'*', [b'*', b'/', next @ ..]) if at_part => (Piece::Parts, next),
                (b'*', [b'*', next @ ..]) => (Piece::Across, next),
                (b'*', next) => (Piece::Within, next),
                (byte, next) => (Piece::Byte(*byte), next),
            };
            at_part = matches!(piece, Piece::Parts | Piece::Byte(b'/'));
            pieces.push(piece);
            rest = next;
        }
        Self(pieces)
    }

    /// Whether the glob covers the whole path.
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        let path = path.as_bytes();
        // reach[i]: the pieces so far cover exactly the first i bytes. One sweep a piece, so no glob is slow.
        let mut reach = vec![false; path.len() + 1];
        if let Some(start) = reach.first_mut() {
            *start = true;
        }
        for piece in &self.0 {
            reach = step(*piece, &reach, path);
        }
        reach.last().copied().unwrap_or(false)
    }
}

fn step(piece: Piece, reach: &[bool], path: &[u8]) -> Vec<bool> {
    let mut next = Vec::with_capacity(reach.len());
    let mut open = false;
    let mut before = None;
    for (here, at) in reach.iter().zip(0usize..) {
        let byte = at.checked_sub(1).and_then(|i| path.get(i)).copied();
        next.push(match piece {
            Piece::Byte(wanted) => before == Some(true) && byte == Some(wanted),
            Piece::Within => {
                open = *here || (open && byte != Some(b'/'));
                open
            }
            Piece::Across => {
                open |= *here;
                open
            }
            Piece::Parts => {
                let ended = open && byte == Some(b'/');
                open |= *here;
                *here || ended
            }
        });
        before = Some(*here);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_cover_what_they_should() {
        for (glob, path, covers) in [
            ("job/**", "job/a", true),
            ("job/**", "job/a/b/c", true),
            ("job/**", "job", false),
            ("job/**", "jobs/a", false),
            ("job/*", "job/a", true),
            ("job/*", "job/a/b", false),
            ("job/*/restart", "job/a/restart", true),
            ("job/*/restart", "job/a/b/restart", false),
            ("job/**/restart", "job/restart", true),
            ("job/**/restart", "job/a/b/restart", true),
            ("job/**/restart", "job/a/xrestart", false),
            ("job/web-*", "job/web-1", true),
            ("job/web-*", "job/web-", true),
            ("job/web-*", "job/db-1", false),
            ("job/a**z", "job/a/b/z", true),
            ("**", "system", true),
            ("*", "system", true),
            ("*", "job/a", false),
            ("node/web1", "node/web1", true),
            ("node/web1", "node/web10", false),
            ("node/[w]eb?", "node/web1", false),
            ("", "job", false),
            ("event", "event", true),
        ] {
            assert_eq!(Glob::new(glob).covers(path), covers, "{glob} on {path}");
        }
    }

    /// The same rules, written the slow and obvious way.
    fn slow(glob: &str, path: &str, at_part: bool) -> bool {
        if at_part && let Some(rest) = glob.strip_prefix("**/") {
            return slow(rest, path, true) || path.match_indices('/').any(|(i, _)| slow(rest, &path[i + 1..], true));
        }
        if let Some(rest) = glob.strip_prefix("**") {
            return (0..=path.len()).any(|i| slow(rest, &path[i..], false));
        }
        if let Some(rest) = glob.strip_prefix('*') {
            let end = path.find('/').unwrap_or(path.len());
            return (0..=end).any(|i| slow(rest, &path[i..], false));
        }
        match (glob.chars().next(), path.chars().next()) {
            (None, None) => true,
            (Some(a), Some(b)) if a == b => slow(&glob[1..], &path[1..], a == '/'),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_matcher(glob in "[ab/*]{0,8}", path in "[ab/]{0,8}") {
            prop_assert_eq!(Glob::new(&glob).covers(&path), slow(&glob, &path, true));
        }
    }
}
