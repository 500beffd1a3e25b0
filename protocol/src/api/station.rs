//! The station itself: `GET /health`, `GET /api/v1/station`.

use alloc::{string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fingerprint::Fingerprint;

/// Version of the HTTP API and of the WebSocket's events.
pub const API_VERSION: u32 = 1;

/// Reply of `GET /health`: 200 when all is well, 503 otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok` or `degraded`.
    pub status: String,
    /// `ok`, or what is wrong with the store.
    pub store: String,
    /// `ok`, or what is wrong with the link to the broker.
    pub broker: String,
    /// What the operator should know although everything works, one sentence each: a broker that
    /// would lose messages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Reply of `GET /api/v1/station`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Station {
    /// Id of this run of the daemon.
    pub id: String,
    /// Version of the program.
    pub version: String,
    /// When this run began.
    pub started_at: DateTime<Utc>,
    /// Seconds since.
    pub uptime_s: u64,
    /// Whether alerts can be mailed; false shows them in the terminal only.
    pub mail_configured: bool,
    /// Mails that wait to be sent.
    pub outbox_depth: u64,
    /// Age of the oldest mail that waits.
    pub outbox_oldest_age_s: Option<u64>,
    /// Counters since the start of this run.
    pub counters: Counters,
    /// Bytes of the store on disk.
    pub store_bytes: u64,
    /// IANA time zone in which schedules without one of their own are read; absent from older
    /// stations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tz: Option<String>,
    /// SHA-256 of the certificate that the API shows over TCP: 32 bytes in hexadecimal, with
    /// colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub fingerprint: Option<Fingerprint>,
    /// The broker; absent from older stations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<BrokerFacts>,
    /// The store; absent from older stations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreFacts>,
}

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BrokerKind {
    /// In the station.
    Embedded,
    /// Another program.
    External,
}

/// The broker as the station sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BrokerFacts {
    /// Which.
    pub kind: BrokerKind,
    /// Where it is, without login.
    pub address: String,
    /// Whether the station is connected with it.
    pub connected: bool,
    /// Clients that are connected; null where only the broker knows.
    pub clients: Option<u64>,
    /// How often a connection with it came about in this run.
    pub connects: u64,
}

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// A file.
    Sqlite,
    /// A database of a server.
    Postgres,
}

/// The store and how long it keeps what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreFacts {
    /// Which.
    pub kind: StoreKind,
    /// The oldest raw sample, looked up every ten minutes; null before the first time, and
    /// without samples.
    pub oldest_sample_at: Option<DateTime<Utc>>,
    /// When samples were last sealed in this run.
    pub last_sealed_at: Option<DateTime<Utc>>,
    /// Raw samples are kept this long; 0 is for ever.
    pub raw_retention_days: u32,
    /// Hourly statistics are kept this long; 0 is for ever.
    pub rollup_retention_days: u32,
    /// Days are sealed this long after their end; 0 is never.
    pub seal_after_days: u32,
}

/// Counters since the start of this run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counters {
    /// Messages received.
    pub messages_received: u64,
    /// Samples stored.
    pub samples_stored: u64,
    /// Messages dropped as duplicates.
    pub duplicates: u64,
    /// Messages that could not be understood.
    pub bad_messages: u64,
    /// Publishes and subscriptions denied by the broker.
    pub denied: u64,
    /// Samples flagged as implausible.
    pub flagged_samples: u64,
    /// Transactions committed.
    pub commits: u64,
}
