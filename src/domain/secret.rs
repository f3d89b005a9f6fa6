//! Secret text: a type that cannot be printed or serialised, and is wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A password, key or token in clear. It has no `Display` and no `Serialize`, so it reaches a page, a log line or a
/// database row only through [`SecretText::expose`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of the clear text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The clear text. Each caller is a place to review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
