//! Nodes: `GET /api/v1/nodes`, `GET /api/v1/nodes/{node}`, `POST /api/v1/nodes`.

use alloc::{collections::BTreeMap, string::String, vec::Vec};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::payload::status::StartedBy;

/// Whether a node can be reached now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It said so and is connected.
    Online,
    /// Its last will or the broker said so.
    Offline,
    /// It never told a status (for example a classic or mapped node).
    Unknown,
}

/// State of an actuator as the node reported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActuatorState {
    /// Switched on.
    On,
    /// Switched off.
    Off,
}

/// A node with everything that is known of it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name, unique.
    pub name: String,
    /// Whether it can be reached.
    pub presence: Presence,
    /// When `presence` last changed.
    pub presence_since: Option<DateTime<Utc>>,
    /// When the station last received anything from it.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Milliseconds since `last_seen_at` when the reply was made.
    pub age_ms: Option<u64>,
    /// Id of its present start.
    pub boot: Option<u32>,
    /// Firmware version as told by the node.
    pub firmware: Option<String>,
    /// Why it started, as told by the node.
    #[serde(default)]
    pub started_by: Option<StartedBy>,
    /// Seconds since its start, as last told.
    pub uptime_s: Option<u32>,
    /// WiFi signal as last told.
    pub rssi_dbm: Option<i16>,
    /// Latest value of each metric, by metric name.
    pub latest: BTreeMap<String, LatestValue>,
    /// Its actuators, by name.
    pub actuators: BTreeMap<String, Actuator>,
    /// Whether it has a password at the embedded broker.
    pub has_password: bool,
}

/// The newest sample of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LatestValue {
    /// When it was measured.
    pub ts: DateTime<Utc>,
    /// In the metric's unit.
    pub value: f64,
    /// Why not to trust it; empty when nothing is known against it.
    #[serde(default)]
    pub flags: Vec<SampleFlag>,
}

/// Why a stored value should not be taken as truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SampleFlag {
    /// Outside the plausibility range of its metric kind.
    OutOfRange,
    /// Its own time was in the future or before the station's epoch; the time of receipt stands.
    ClockSuspect,
}

/// An actuator: what it is, and what was last asked of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Actuator {
    /// As last reported by the node; null until it reported one.
    pub reported: Option<ActuatorState>,
    /// When that report arrived.
    pub reported_at: Option<DateTime<Utc>>,
    /// What the last confirmed or open command wants; null when there was none.
    pub desired: Option<ActuatorState>,
    /// When the node will switch it off by itself; null without a timer.
    pub off_at: Option<DateTime<Utc>>,
    /// The command that is not yet confirmed, refused or timed out.
    pub pending_command: Option<String>,
}

/// Reply of `GET /api/v1/nodes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Nodes {
    /// By name.
    pub nodes: Vec<Node>,
}

/// Body of `POST /api/v1/nodes` (administrators).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    /// 1 to 32 letters, digits, `_`, `-`; begins with a letter or digit.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$", example = "kitchen")]
    pub name: String,
}

/// A node's login for the broker; the password is shown this one time.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NodeCredentials {
    /// User name at the broker: the node's name.
    pub name: String,
    /// Its password; the station keeps only a hash.
    pub password: String,
}

impl core::fmt::Debug for NodeCredentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("NodeCredentials")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
