//! The root key, and the keys that are derived from it: one for each purpose, so that none serves two.

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// The 32 bytes that everything encrypted or signed here hangs on. Kept outside the database by the caller.
#[derive(Clone)]
pub struct RootKey(Zeroizing<[u8; 32]>);

impl RootKey {
    /// Takes 32 bytes from a cryptographic random source.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key for a purpose: HKDF-SHA256 with the purpose as info. The same purpose gives the same key for good.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut out = Zeroizing::new([0u8; 32]);
        let expanded = Hkdf::<Sha256>::new(None, self.0.as_slice()).expand(purpose.as_bytes(), out.as_mut_slice());
        debug_assert!(expanded.is_ok(), "32 bytes are within what HKDF-SHA256 can give");
        out
    }

    /// The key that chains the audit record.
    #[must_use]
    pub fn audit(&self) -> Zeroizing<[u8; 32]> {
        self.derive("interlock audit chain v1")
    }
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[root key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_key() {
        let root = RootKey::new([7; 32]);
        assert_eq!(root.derive("a"), root.derive("a"));
        assert_ne!(root.derive("a"), root.derive("b"));
        assert_ne!(root.derive("a"), RootKey::new([8; 32]).derive("a"));
        assert_ne!(*root.derive("a"), [0; 32]);
        assert_eq!(format!("{root:?}"), "[root key]");
    }
}
