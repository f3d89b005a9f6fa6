//! The words of a text.

use std::collections::BTreeSet;

/// The most different words that are looked at.
const MOST: usize = 400;

/// The different words, in lower case. Digits count as one and the same, as `web12` and `web7` say the same thing.
pub(super) fn of(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let mut plain = String::new();
        for c in word.chars() {
            let c = if c.is_numeric() { '0' } else { c };
            if !(c == '0' && plain.ends_with('0')) {
                plain.extend(c.to_lowercase());
            }
        }
        // What is only a number says nothing that could be learned.
        if (2..=40).contains(&plain.chars().count()) {
            out.insert(plain);
        }
        if out.len() >= MOST {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_alike() {
        let words: Vec<String> = super::of("Disk /dev/sda1 on web12 is 93% FULL, web7 too").into_iter().collect();
        assert_eq!(words, ["dev", "disk", "full", "is", "on", "sda0", "too", "web0"]);
    }
}
