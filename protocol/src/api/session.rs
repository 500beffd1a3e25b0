//! Who is logged in, and from where: `/api/v1/sessions...`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::user::Role;

/// Most sessions of a reply; the newest are listed.
pub const SESSIONS_MAX: u32 = 1_000;

/// How somebody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// The unix socket of the station's machine.
    Unix,
    /// The unix socket, with ssh in front, as the client says.
    Ssh,
    /// TCP in plain text.
    Tcp,
    /// TCP with TLS.
    Tls,
}

impl Way {
    /// The word used in JSON and on screen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Ssh => "ssh",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// A login that has not ended, or an open terminal of a local user who needs none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Names it; opens nothing.
    pub id: String,
    /// Account name, or `uid:<n>` for a local user without an account.
    pub username: String,
    /// What it may do.
    pub role: Role,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself; null for a local user, whose session is the connection.
    pub expires_at: Option<DateTime<Utc>>,
    /// Its latest request; null when there was none since the station started.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The way in of its latest request.
    pub way: Option<Way>,
    /// Where that came from: an address, or `uid:<n>` on the unix socket.
    pub from: Option<String>,
    /// The client, as it names itself.
    pub client: Option<String>,
    /// Open streams of events: terminals and programs that watch.
    pub streams: u32,
    /// Whether it is the caller's own.
    pub own: bool,
}

/// Reply of `GET /api/v1/sessions` (administrators).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<Session>,
}

/// How a session was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// Its token opens nothing any more, and its streams are closed.
    Revoked,
    /// Its stream is closed. The system's user id lets it in again, as long as the user may use
    /// the socket.
    Disconnected,
}

/// Reply of `DELETE /api/v1/sessions/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionEnded {
    /// Its id.
    pub id: String,
    /// Whose it was.
    pub username: String,
    /// What was done.
    pub ended: SessionEnd,
}
