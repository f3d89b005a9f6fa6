//! SHA-256 digests and the canonical JSON that they are taken over.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ids::BadId;

/// A SHA-256 digest. Written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of a value's canonical JSON (see [`canonical_json`]).
    #[must_use]
    pub fn of_json(value: &serde_json::Value) -> Self {
        Self::of(canonical_json(value).as_bytes())
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`BadId`] on any other text.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let mut out = [0u8; 32];
        let digits = text.as_bytes();
        let bad =
            || BadId { what: "digest", given: text.chars().take(80).collect(), rule: "copy all 64 hexadecimal digits" };
        if digits.len() != 64 {
            return Err(bad());
        }
        for (slot, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            let hex = std::str::from_utf8(pair).map_err(|_| bad())?;
            *slot = u8::from_str_radix(hex, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }

    /// The first twelve digits: enough for people to compare by eye.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Writes JSON with sorted keys, no spaces and serde_json's number and string forms, so that equal values give equal
/// bytes. This follows RFC 8785 for everything that Interlock stores (strings, integers, booleans, null, lists, maps).
#[must_use]
pub fn canonical_json(value: &serde_json::Value) -> String {
    // serde_json's map is a BTreeMap here (the `preserve_order` feature is off), so printing sorts.
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_form_ignores_the_order_of_keys() {
        let a: serde_json::Value = serde_json::from_str(r#"{"b": [1, true], "a": "x"}"#).unwrap();
        let b: serde_json::Value = serde_json::from_str("{\"a\":\"x\",\n \"b\":[1,true]}").unwrap();
        assert_eq!(canonical_json(&a), r#"{"a":"x","b":[1,true]}"#);
        assert_eq!(Digest::of_json(&a), Digest::of_json(&b));
    }

    #[test]
    fn a_digest_reads_back() {
        let digest = Digest::of(b"interlock");
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        assert!(Digest::parse("abc").is_err());
        assert!(Digest::parse(&"é".repeat(32)).is_err());
    }
}
