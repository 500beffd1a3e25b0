//! The mail outbox: `GET /api/v1/mails`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most mails that one request can ask for.
pub const MAILS_MAX: u32 = 1_000;
/// Mails of a reply when `limit` is absent.
pub const MAILS_DEFAULT: u32 = 100;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailKind {
    /// An incident fired.
    Firing,
    /// It still fires, and people are told again.
    Reminder,
    /// It cleared.
    Recovery,
}

/// Where a mail stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// Waits for its next try.
    Queued,
    /// The mail server took it.
    Sent,
    /// The mail server refused it for good, or it grew too old.
    Failed,
    /// Its content went out within another mail.
    Merged,
}

/// A mail in the outbox, without its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mail {
    /// ULID.
    pub id: String,
    /// The incident that it is about.
    pub incident: String,
    /// Which event of the incident.
    pub kind: MailKind,
    /// Its address.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Where it stands.
    pub state: MailState,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Attempts so far.
    pub tries: u32,
    /// Not before this time; null when no further try is due.
    pub next_try_at: Option<DateTime<Utc>>,
    /// What the mail server or the network last said.
    pub last_error: Option<String>,
}

/// Query of `GET /api/v1/mails`: newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MailQuery {
    /// Only those about this incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// How many, 1 to 1,000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Reply of `GET /api/v1/mails`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Mails {
    /// Newest first.
    pub mails: Vec<Mail>,
}

/// Body of `POST /api/v1/mails/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailTest {
    /// One address.
    #[schema(format = "email", max_length = 254, example = "anna@example.org")]
    pub recipient: String,
}

/// Reply of `POST /api/v1/mails/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailTested {
    /// Whether the mail server took it.
    pub taken: bool,
    /// What it, or the network, said instead.
    pub error: Option<String>,
}
