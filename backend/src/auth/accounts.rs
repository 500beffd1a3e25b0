//! Accounts: sign-up, login, logout, and what administrators do with them. Fed by
//! `api::auth` and `api::users`; feeds the store's [`AccountStore`](crate::store::AccountStore)
//! and tells open WebSockets when sessions ended.

use std::str::FromStr as _;

use chrono::TimeDelta;
use signalbox_protocol::api::{
    auth::{LoginReply, LoginRequest, SignupReply, SignupRequest},
    user::{NewUser, Role, User, UserPatch},
};
use tokio::sync::{Mutex, watch};

use super::{Caller, PasswordError, Passwords, Peer, Throttle, Token, TokenHash, token};
use crate::{
    clock::SharedClock,
    config::{LiveConfig, SignupPolicy},
    store::{SessionRow, SharedStore, StoreError},
};

/// Longest account name.
const USERNAME_CHARS_MAX: usize = 32;
/// Shortest password.
const PASSWORD_CHARS_MIN: usize = 8;
/// Longest password.
const PASSWORD_CHARS_MAX: usize = 256;
/// Longest mail address (RFC 5321).
pub(crate) const EMAIL_BYTES_MAX: usize = 254;

/// Why an account request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Name or password is wrong; never says which.
    #[error("user name or password is wrong")]
    Wrong,
    /// Too many failed logins.
    #[error("too many failed logins")]
    Throttled {
        /// Whole seconds to wait.
        retry_after_s: u64,
    },
    /// The policy does not let strangers sign up.
    #[error("sign-up is not open")]
    NotOpen {
        /// The policy in force.
        policy: SignupPolicy,
    },
    /// A field is wrong.
    #[error("{message}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The change would leave the station without an administrator.
    #[error("`{username}` is the last administrator")]
    LastAdministrator {
        /// The account.
        username: String,
    },
    /// Passwords cannot be hashed now.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No random bytes.
    #[error("no token can be made: {0}")]
    Random(String),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All that can be done with accounts and sessions.
pub struct Accounts {
    store: SharedStore,
    clock: SharedClock,
    config: LiveConfig,
    passwords: Passwords,
    throttle: Throttle,
    /// Held over "look, then write" on accounts: who is first, who is the last administrator.
    changing: Mutex<()>,
    /// Changes whenever a session may have ended.
    ended: watch::Sender<u64>,
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Accounts").finish_non_exhaustive()
    }
}

impl Accounts {
    /// Over the given store, with the given rules.
    #[must_use]
    pub fn new(store: SharedStore, clock: SharedClock, config: LiveConfig) -> Self {
        Self {
            store,
            clock,
            config,
            passwords: Passwords::default(),
            throttle: Throttle::default(),
            changing: Mutex::new(()),
            ended: watch::Sender::new(0),
        }
    }

    /// Makes an account for a stranger, if the policy lets them; the first becomes the
    /// administrator whatever the policy.
    ///
    /// # Errors
    /// [`AuthError`]; [`StoreError::Taken`] when the name is taken.
    pub async fn sign_up(&self, request: SignupRequest) -> Result<SignupReply, AuthError> {
        let user = self.new_user(request.username, request.email, Role::Viewer)?;
        check_password(&request.password)?;
        let _one_at_a_time = self.changing.lock().await;
        let policy = self.config.borrow().account.signup;
        if policy != SignupPolicy::Open && !self.store.users().await?.is_empty() {
            return Err(AuthError::NotOpen { policy });
        }
        let hash = self.passwords.hash(request.password).await?;
        let role = self.store.add_user(&user, &hash, true).await?;
        tracing::info!(
            user.name = user.username,
            role = role.as_str(),
            "account signed up"
        );
        Ok(SignupReply {
            username: user.username,
            role,
        })
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`AuthError::Wrong`], [`AuthError::Throttled`], or a reason of ours.
    pub async fn log_in(&self, request: LoginRequest, peer: Peer) -> Result<LoginReply, AuthError> {
        // Nothing longer can exist, and the throttle's memory must stay bounded.
        let plausible = request.username.len() <= USERNAME_CHARS_MAX
            && request.password.chars().count() <= PASSWORD_CHARS_MAX;
        let username: String = request.username.chars().take(USERNAME_CHARS_MAX).collect();
        self.throttle
            .begin(&username, peer, self.clock.now())
            .map_err(|throttled| AuthError::Throttled {
                retry_after_s: throttled.retry_after_s,
            })?;
        let verdict = self.verified(&username, request.password, plausible).await;
        match &verdict {
            Ok(Some(_)) => self.throttle.succeeded(&username, peer),
            Ok(None) => {}
            Err(_) => self.throttle.undecided(&username, peer),
        }
        let Some(role) = verdict? else {
            tracing::warn!(user.name = ?username, %peer, "login refused");
            return Err(AuthError::Wrong);
        };
        let reply = self.open_session(&username, role).await?;
        tracing::info!(user.name = username, %peer, "logged in");
        Ok(reply)
    }

    async fn verified(
        &self,
        username: &str,
        password: String,
        plausible: bool,
    ) -> Result<Option<Role>, AuthError> {
        let found = if plausible {
            self.store.user(username).await?
        } else {
            None
        };
        let (role, hash) = found.map(|(user, hash)| (user.role, hash)).unzip();
        let right = self.passwords.verify(password, hash).await?;
        Ok(role.filter(|_| right))
    }

    async fn open_session(&self, username: &str, role: Role) -> Result<LoginReply, AuthError> {
        let token = Token::generate().map_err(AuthError::Random)?;
        let created_at = self.clock.now();
        let expires_at =
            created_at + TimeDelta::hours(i64::from(self.config.borrow().account.session_h));
        let session = SessionRow {
            token_hash: token.hash(),
            username: username.to_owned(),
            role,
            created_at,
            expires_at,
        };
        self.store.add_session(&session).await?;
        Ok(LoginReply {
            token: token.into_text(),
            expires_at,
        })
    }

    /// Ends the caller's session at once; a local process without a session has none to end.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn log_out(&self, caller: &Caller) -> Result<(), AuthError> {
        if let Some(hash) = &caller.session {
            self.store.end_session(hash).await?;
            self.sessions_ended();
            tracing::info!(user.name = caller.username, "logged out");
        }
        Ok(())
    }

    /// The caller behind a token, `None` when it opens no session.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn by_token(&self, presented: &str) -> Result<Option<Caller>, AuthError> {
        match token::hash_of(presented) {
            Some(hash) => self.by_hash(&hash).await,
            None => Ok(None),
        }
    }

    /// The caller behind the hash of a token, `None` when the session has ended.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn by_hash(&self, hash: &TokenHash) -> Result<Option<Caller>, AuthError> {
        let session = self.store.session(hash, self.clock.now()).await?;
        Ok(session.map(|session| Caller {
            username: session.username,
            role: session.role,
            session: Some(session.token_hash),
            expires_at: Some(session.expires_at),
        }))
    }

    /// The newest logins that have not ended.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn sessions(&self, limit: u32) -> Result<Vec<SessionRow>, AuthError> {
        Ok(self.store.sessions(self.clock.now(), limit).await?)
    }

    /// Ends a session at once, as an administrator.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn end_session(&self, session: &SessionRow, by: &Caller) -> Result<(), AuthError> {
        self.store.end_session(&session.token_hash).await?;
        self.sessions_ended();
        tracing::info!(
            user.name = session.username,
            by = by.username,
            "session ended"
        );
        Ok(())
    }

    /// Told whenever a session may have ended before its time.
    #[must_use]
    pub fn session_ends(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    fn sessions_ended(&self) {
        self.ended.send_modify(|n| *n = n.wrapping_add(1));
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// [`AuthError::Store`].
    pub async fn list(&self) -> Result<Vec<User>, AuthError> {
        Ok(self.store.users().await?)
    }

    /// Makes an account, as an administrator.
    ///
    /// # Errors
    /// [`AuthError`]; [`StoreError::Taken`] when the name is taken.
    pub async fn add(&self, new: NewUser, by: &Caller) -> Result<User, AuthError> {
        let role = new.role.unwrap_or(Role::Viewer);
        let user = self.new_user(new.username, new.email, role)?;
        check_password(&new.password)?;
        let hash = self.passwords.hash(new.password).await?;
        let _one_at_a_time = self.changing.lock().await;
        let role = self
            .store
            .add_user(&user, &hash, new.role.is_none())
            .await?;
        tracing::info!(user.name = user.username, by = by.username, "account made");
        Ok(User { role, ..user })
    }

    /// Changes an account. A new password or role ends its sessions.
    ///
    /// # Errors
    /// [`AuthError`]; [`StoreError::Missing`] when there is none of that name.
    pub async fn change(
        &self,
        username: &str,
        patch: UserPatch,
        by: &Caller,
    ) -> Result<User, AuthError> {
        if let Some(email) = &patch.email {
            check_email(email)?;
        }
        let hash = match patch.password {
            Some(password) => {
                check_password(&password)?;
                Some(self.passwords.hash(password).await?)
            }
            None => None,
        };
        let _one_at_a_time = self.changing.lock().await;
        if patch.role.is_some_and(|role| role != Role::Administrator) {
            self.keep_an_administrator(username).await?;
        }
        let email = patch.email.as_deref();
        self.store
            .update_user(username, hash.as_deref(), patch.role, email)
            .await?;
        self.sessions_ended();
        tracing::info!(user.name = username, by = by.username, "account changed");
        self.existing(username).await
    }

    /// Deletes an account and its sessions.
    ///
    /// # Errors
    /// [`AuthError`]; [`StoreError::Missing`] when there is none of that name.
    pub async fn delete(&self, username: &str, by: &Caller) -> Result<(), AuthError> {
        let _one_at_a_time = self.changing.lock().await;
        self.keep_an_administrator(username).await?;
        self.store.delete_user(username).await?;
        self.sessions_ended();
        tracing::info!(user.name = username, by = by.username, "account deleted");
        Ok(())
    }

    async fn keep_an_administrator(&self, username: &str) -> Result<(), AuthError> {
        let users = self.store.users().await?;
        let mut administrators = users.iter().filter(|u| u.role == Role::Administrator);
        match (administrators.next(), administrators.next()) {
            (Some(only), None) if only.username == username => Err(AuthError::LastAdministrator {
                username: username.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    async fn existing(&self, username: &str) -> Result<User, AuthError> {
        let found = self.store.user(username).await?;
        found.map(|(user, _)| user).ok_or_else(|| {
            AuthError::Store(StoreError::Missing {
                name: username.to_owned(),
            })
        })
    }

    fn new_user(&self, username: String, email: String, role: Role) -> Result<User, AuthError> {
        check_username(&username)?;
        check_email(&email)?;
        Ok(User {
            username,
            email,
            role,
            created_at: self.clock.now(),
            last_login_at: None,
        })
    }
}

fn check_username(username: &str) -> Result<(), AuthError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let fits = (1..=USERNAME_CHARS_MAX).contains(&username.len());
    if fits && username.chars().all(allowed) {
        return Ok(());
    }
    Err(AuthError::Invalid {
        field: "username",
        message: format!(
            "a user name has 1 to {USERNAME_CHARS_MAX} letters, digits, `_`, `-`, `.`"
        ),
    })
}

fn check_password(password: &str) -> Result<(), AuthError> {
    if (PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&password.chars().count()) {
        return Ok(());
    }
    Err(AuthError::Invalid {
        field: "password",
        message: format!("a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"),
    })
}

fn check_email(email: &str) -> Result<(), AuthError> {
    let invalid = |message: String| AuthError::Invalid {
        field: "email",
        message,
    };
    if email.len() > EMAIL_BYTES_MAX {
        return Err(invalid(format!(
            "a mail address has at most {EMAIL_BYTES_MAX} bytes"
        )));
    }
    lettre::Address::from_str(email)
        .map(|_| ())
        .map_err(|error| invalid(format!("not one mail address: {error}")))
}

#[cfg(test)]
mod tests;
