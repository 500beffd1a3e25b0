//! Received messages, good and bad: `GET /api/v1/messages`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Bytes of a payload that are kept for inspection.
pub const MESSAGE_HEAD_BYTES_MAX: usize = 256;

/// What became of a received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Understood and stored.
    Stored,
    /// Seen before, by (node, boot, seq).
    Duplicate,
    /// Could not be understood; `reason` says why.
    Bad,
    /// Not allowed on this topic for this client.
    Denied,
}

/// A message as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Rising number.
    pub id: u64,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// Its topic, as sent (control characters escaped).
    pub topic: String,
    /// The node that it was counted for, null when none could be told.
    pub node: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// For `bad` and `denied`: why.
    pub reason: Option<String>,
    /// Length of the payload in bytes.
    pub payload_bytes: u64,
    /// First bytes as text, with what is not printable escaped.
    pub head: String,
    /// What it says, in words, when it is understood and not text (Protocol Buffers, log lines).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// How often the same reason came on the same topic since `first_at` (bad ones are grouped).
    pub count: u64,
    /// First time of the group.
    pub first_at: DateTime<Utc>,
}

/// Query of `GET /api/v1/messages`: newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// Only bad and denied ones (kept on disk) when true; else the latest of all kinds (in memory).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bad: Option<bool>,
    /// How many, 1 to 1,000; 100 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Reply of `GET /api/v1/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// Newest first.
    pub messages: Vec<Message>,
}
