//! Password hashes: argon2id with the parameters that OWASP recommends (19 MiB, 2 passes,
//! 1 lane). At most [`HASHES_AT_ONCE_MAX`] run at a time, on the blocking pool, so that a burst
//! of logins takes 38 MiB and not the machine; at most [`HASHES_WAITING_MAX`] wait for their
//! turn, the rest is told to come again.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use tokio::sync::Semaphore;

/// Hashes that are computed at the same time; each takes 19 MiB.
pub const HASHES_AT_ONCE_MAX: usize = 2;
/// Requests that wait for a hash.
pub const HASHES_WAITING_MAX: usize = 32;

/// A hash that no password is known for, with the parameters of [`params`]: verified when the
/// account does not exist, so that the answer takes as long as for one that does.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2lnbmFsYm94LW5vYm9keQ$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password could not be hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// More than [`HASHES_WAITING_MAX`] requests wait already.
    #[error("too many logins at the same time")]
    Busy,
    /// The library or the stored hash is at fault.
    #[error("the password hash cannot be computed: {0}")]
    Hash(String),
}

/// Hashes and verifies; clones share the limits.
#[derive(Debug, Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            running: Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX)),
            admitted: Arc::new(Semaphore::new(HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX)),
        }
    }
}

impl Passwords {
    /// A PHC string with a fresh salt.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.bounded(move || {
            hasher()?
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|error| PasswordError::Hash(error.to_string()))
        })
        .await
    }

    /// Whether the password belongs to the hash. Without a hash (no such account), does the
    /// same work and says no.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.bounded(move || {
            let known = hash.is_some();
            let text = hash.as_deref().unwrap_or(DUMMY_HASH);
            let parsed = PasswordHash::new(text)
                .map_err(|error| PasswordError::Hash(format!("stored hash: {error}")))?;
            let matches = hasher()?
                .verify_password(password.as_bytes(), &parsed)
                .is_ok();
            Ok(matches && known)
        })
        .await
    }

    async fn bounded<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Busy)?;
        // The permits go along: a caller that hangs up must not free the memory's place early.
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        })
        .await
        .map_err(|error| PasswordError::Hash(error.to_string()))?
    }
}

fn params() -> Result<Params, PasswordError> {
    Params::new(19 * 1_024, 2, 1, Some(32)).map_err(|error| PasswordError::Hash(error.to_string()))
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_and_no_other() {
        let passwords = Passwords::default();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let verify =
            |p: &str, h: Option<&str>| passwords.verify(p.to_owned(), h.map(str::to_owned));
        assert!(verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!verify("correct horsf", Some(&hash)).await.unwrap());
        assert!(!verify("correct horse", None).await.unwrap());
    }

    #[test]
    fn the_dummy_hash_costs_what_a_real_one_costs() {
        let dummy = PasswordHash::new(DUMMY_HASH).unwrap();
        let dummy = Params::try_from(&dummy).unwrap();
        let real = params().unwrap();
        assert_eq!(
            (dummy.m_cost(), dummy.t_cost(), dummy.p_cost()),
            (real.m_cost(), real.t_cost(), real.p_cost())
        );
        assert_eq!(dummy.output_len(), real.output_len());
    }

    #[tokio::test]
    async fn a_broken_stored_hash_is_an_error_and_not_a_yes() {
        let verdict = Passwords::default()
            .verify("x".into(), Some("plain".into()))
            .await;
        assert!(matches!(verdict, Err(PasswordError::Hash(_))));
    }

    #[tokio::test]
    async fn a_burst_waits_within_its_limit_and_the_rest_is_sent_away() {
        let passwords = Passwords::default();
        let all = Arc::clone(&passwords.running)
            .acquire_many_owned(u32::try_from(HASHES_AT_ONCE_MAX).unwrap())
            .await
            .unwrap();
        let waiting: Vec<_> = (0..HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.bounded(|| Ok(())).await })
            })
            .collect();
        while passwords.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let verdict = passwords.hash("one too many".into()).await;
        assert!(matches!(verdict, Err(PasswordError::Busy)));
        drop(all);
        for task in waiting {
            task.await.unwrap().unwrap();
        }
    }
}
