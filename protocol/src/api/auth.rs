//! Sign-up, login and logout: `/api/v1/auth/...`.

use alloc::string::String;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::user::Role;

/// Body of `POST /api/v1/auth/signup`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignupRequest {
    /// 1 to 32 letters, digits, `_`, `-`, `.`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,32}$", example = "anna")]
    pub username: String,
    /// One address.
    #[schema(format = "email", max_length = 254, example = "anna@example.org")]
    pub email: String,
    /// 8 to 256 bytes.
    #[schema(min_length = 8, max_length = 256, format = "password")]
    pub password: String,
}

/// Reply of a sign-up: 201.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignupReply {
    /// As stored.
    pub username: String,
    /// The first account is the administrator.
    pub role: Role,
}

/// Body of `POST /api/v1/auth/login`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Account name.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// Reply of a login: 200.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoginReply {
    /// Goes into `Authorization: Bearer <token>`.
    pub token: String,
    /// When the session ends by itself.
    pub expires_at: DateTime<Utc>,
}

/// Reply of `GET /api/v1/auth/whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Whoami {
    /// Account name, or `uid:<n>` for a local process without an account.
    pub username: String,
    /// What the caller may do.
    pub role: Role,
    /// End of the session; null on the unix socket.
    pub expires_at: Option<DateTime<Utc>>,
}

macro_rules! hide_secrets {
    ($($name:ident),*) => {$(
        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
hide_secrets!(SignupRequest, LoginRequest, LoginReply);
