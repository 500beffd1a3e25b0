//! Passwords of nodes at the embedded broker: made by the station, shown once, kept as a hash.
//! Fed by `POST /api/v1/nodes`; read by the broker at each CONNECT.
//!
//! A fast hash is right here, unlike for people: the password has 142 random bits, so nothing
//! can be guessed, and ten thousand nodes that reconnect at once must not cost ten thousand
//! argon2 runs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{TryRng as _, rngs::SysRng};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Random bytes of a password; 24 characters as text.
const PASSWORD_BYTES: usize = 18;
/// Marks the kind of hash, so that another can follow.
const SCHEME: &str = "sha256:";

/// A new password and the text that the store keeps of it.
///
/// # Errors
/// The operating system's reason when it has no random bytes.
pub fn generate() -> Result<(String, String), String> {
    loop {
        let mut bytes = [0; PASSWORD_BYTES];
        SysRng
            .try_fill_bytes(&mut bytes)
            .map_err(|error| error.to_string())?;
        let password = URL_SAFE_NO_PAD.encode(bytes);
        // Only letters and digits, which is every second one: a `-` in front is a flag to most
        // programs, and a double click selects the whole.
        if password.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let hash = hash(password.as_bytes());
            return Ok((password, hash));
        }
    }
}

/// Whether a password belongs to a stored hash; takes the same time for every wrong one.
#[must_use]
pub fn verify(password: &[u8], stored: &str) -> bool {
    hash(password).as_bytes().ct_eq(stored.as_bytes()).into()
}

fn hash(password: &[u8]) -> String {
    format!(
        "{SCHEME}{}",
        URL_SAFE_NO_PAD.encode(Sha256::digest(password))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let ((password, stored), (other, _)) = (generate().unwrap(), generate().unwrap());
        assert_eq!(password.len(), 24);
        assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(!stored.contains(&password));
        assert!(verify(password.as_bytes(), &stored));
        assert!(!verify(other.as_bytes(), &stored));
        assert!(!verify(b"", ""));
        assert!(!verify(stored.as_bytes(), &stored));
    }
}
