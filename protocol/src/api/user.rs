//! People's accounts: `GET /users`, `/api/v1/users...`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an account may do; each role may do all that the ones before it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything but accounts.
    Viewer,
    /// Also sends commands, edits rules, acknowledges incidents.
    Operator,
    /// Also manages accounts and nodes.
    Administrator,
}

impl Role {
    /// The word used in JSON, on the command line and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    /// The role for a word, `None` for any other.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "viewer" => Some(Self::Viewer),
            "operator" => Some(Self::Operator),
            "administrator" => Some(Self::Administrator),
            _ => None,
        }
    }
}

/// An account as administrators see it; never holds a password or its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// Account name.
    pub username: String,
    /// Where invitations and alerts may go.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Last successful login, null when never.
    pub last_login_at: Option<DateTime<Utc>>,
}

/// Reply of `GET /users` and `GET /api/v1/users` (administrators).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Users {
    /// By name.
    pub users: Vec<User>,
}

/// Body of `POST /api/v1/users` (administrators).
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 32 letters, digits, `_`, `-`, `.`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,32}$", example = "anna")]
    pub username: String,
    /// One address.
    #[schema(format = "email", max_length = 254, example = "anna@example.org")]
    pub email: String,
    /// 8 to 256 bytes.
    #[schema(min_length = 8, max_length = 256, format = "password")]
    pub password: String,
    /// What it may do; when absent, the first account becomes the administrator and every other
    /// a viewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// Body of `PATCH /api/v1/users/{username}` (administrators); absent fields stay.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserPatch {
    /// New password; ends all sessions of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 8, max_length = 256, format = "password")]
    pub password: Option<String>,
    /// New role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// New address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = "email", max_length = 254, example = "anna@example.org")]
    pub email: Option<String>,
}

impl core::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NewUser")
            .field("username", &self.username)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl core::fmt::Debug for UserPatch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UserPatch")
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
