//! Who is asking, and what they may do. Fed by sign-ups, logins and the token or the peer
//! credentials of each request; feeds the guard of [`crate::api`] with a [`Caller`].
//!
//! | file | holds |
//! |---|---|
//! | `accounts` | sign-up, login, logout, changing accounts |
//! | `password` | argon2id, a bounded number at a time |
//! | `presence` | the latest request of each session, open streams |
//! | `throttle` | slows down failed logins per account and per address |
//! | `token` | opaque session tokens and their hashes |

mod accounts;
mod password;
mod presence;
mod throttle;
mod token;

use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::user::Role;

pub(crate) use accounts::EMAIL_BYTES_MAX;
pub use accounts::{Accounts, AuthError};
pub use password::{HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX, PasswordError, Passwords};
pub use presence::{CONTACTS_MAX, Contact, OpenStream, Presence, Stream};
pub use throttle::{
    ACCOUNT_FAILURES_FREE, ADDRESS_FAILURES_FREE, THROTTLE_ENTRIES_MAX, Throttle, Throttled,
};
pub use token::{TOKEN_BYTES, Token, TokenHash};

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TCP in plain text.
    Tcp(SocketAddr),
    /// Over TCP with TLS.
    Tls(SocketAddr),
    /// Over the unix socket, with the user id that the kernel vouches for.
    Unix {
        /// User id of the process.
        uid: u32,
    },
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) | Self::Tls(address) => write!(f, "{address}"),
            Self::Unix { uid } => write!(f, "uid:{uid}"),
        }
    }
}

/// Who makes a request, as established before its handler runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Account name, or `uid:<n>` for a local process without an account (`:` cannot occur in
    /// an account name).
    pub username: String,
    /// What they may do.
    pub role: Role,
    /// The session; `None` for a local process that showed no token.
    pub session: Option<TokenHash>,
    /// When the session ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Caller {
    /// The identity of a local process: root and the daemon's own user are administrators,
    /// every other user needs a token.
    #[must_use]
    pub fn local(uid: u32, own_uid: u32) -> Option<Self> {
        (uid == 0 || uid == own_uid).then(|| Self {
            username: format!("uid:{uid}"),
            role: Role::Administrator,
            session: None,
            expires_at: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_daemons_own_user_are_local_administrators() {
        assert_eq!(
            Caller::local(0, 1000).map(|c| c.username),
            Some("uid:0".to_owned())
        );
        assert_eq!(
            Caller::local(1000, 1000).map(|c| c.role),
            Some(Role::Administrator)
        );
        assert_eq!(Caller::local(1001, 1000), None);
    }
}
