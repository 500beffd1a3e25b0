//! Session tokens: opaque, 256 random bits from the operating system. The store keeps only
//! their SHA-256, so a copy of the database opens no session. A fast hash is right here: there
//! is nothing to guess in 256 random bits.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};

/// Random bytes in a token.
pub const TOKEN_BYTES: usize = 32;
/// Marks our tokens, so that scanners for leaked secrets can find them.
const PREFIX: &str = "sbx_";
/// Length of a token as text: the prefix and base64url without padding.
const TOKEN_CHARS: usize = PREFIX.len() + (TOKEN_BYTES * 4).div_ceil(3);

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// A new token, shown to its owner once.
pub struct Token(String);

impl Token {
    /// Makes a token.
    ///
    /// # Errors
    /// The operating system's reason when it has no random bytes.
    pub fn generate() -> Result<Self, String> {
        let mut bytes = [0; TOKEN_BYTES];
        SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| error.to_string())?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// What the store keeps.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The text for its owner.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The hash of a token that a caller presents; `None` for what cannot be one of ours, so that
/// no time is spent on it.
#[must_use]
pub(crate) fn hash_of(presented: &str) -> Option<TokenHash> {
    (presented.len() == TOKEN_CHARS && presented.starts_with(PREFIX))
        .then(|| Sha256::digest(presented.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_hashes_to_what_the_store_keeps_and_no_two_are_equal() {
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());
        assert_eq!(format!("{one:?}"), "Token(..)");
        let (hash, other) = (one.hash(), two.hash());
        assert_ne!(hash, other);
        let text = one.into_text();
        assert_eq!(text.len(), TOKEN_CHARS);
        assert_eq!(hash_of(&text), Some(hash));
    }

    #[test]
    fn what_cannot_be_a_token_is_not_hashed() {
        assert_eq!(hash_of(""), None);
        assert_eq!(hash_of(&"x".repeat(TOKEN_CHARS)), None);
        assert_eq!(hash_of(&format!("{PREFIX}{}", "y".repeat(10_000))), None);
    }
}
