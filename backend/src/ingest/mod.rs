//! From bytes to meaning: a link hands over topic and payload, this module decodes and
//! validates them (in the link's task, so in parallel), and the engine gets [`Inbound`].

mod classic;
mod decode;
mod decoder;
mod json;
mod mapping;
#[cfg(test)]
mod tests;
mod validate;

pub use decoder::Decoder;
pub use mapping::MappingError;

use chrono::{DateTime, Utc};
use signalbox_protocol::{api::message::MESSAGE_HEAD_BYTES_MAX, payload::status::StartedBy};
use tokio::sync::oneshot;

use crate::logs::NodeLog;

/// Messages that wait for the engine; a link waits when it is full (that is the back pressure
/// that nodes feel as a late PUBACK).
pub const INBOUND_QUEUE_MESSAGES_MAX: usize = 4_096;

/// A received message on its way into a batch.
#[derive(Debug)]
pub struct Inbound {
    /// When the station received it.
    pub received_at: DateTime<Utc>,
    /// Its topic as received.
    pub topic: String,
    /// Length of the payload.
    pub payload_bytes: usize,
    /// First bytes, at most [`MESSAGE_HEAD_BYTES_MAX`].
    pub head: Vec<u8>,
    /// What it says, or why that cannot be told.
    pub body: Result<Body, Rejection>,
    /// Told after the commit of the batch that holds the message; dropped without a word
    /// when the station stops first (then the message must not be acknowledged).
    pub done: Option<oneshot::Sender<()>>,
}

/// The first bytes of a payload, for inspection.
#[must_use]
pub fn head_of(payload: &[u8]) -> Vec<u8> {
    payload[..payload.len().min(MESSAGE_HEAD_BYTES_MAX)].to_vec()
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Measurements.
    Telemetry(Telemetry),
    /// A node's status or last will.
    Status {
        /// The node, from the topic.
        node: String,
        /// As sent.
        status: Status,
    },
    /// A node's answer to a command.
    Ack {
        /// The node, from the topic.
        node: String,
        /// As sent.
        ack: Ack,
    },
    /// What a node says of itself.
    Log(NodeLog),
    /// Nothing of a node: what a link to another program's broker tells of itself. It travels
    /// with the messages, so that the engine knows what came before and what after.
    Link(LinkNews),
}

/// What changed about the link to an external broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkNews {
    /// Nodes are not heard any more, or not yet: who of them is there is not known.
    Deaf,
    /// Commands do not go out any more, or not yet; what was sent may be lost.
    Mute,
    /// Commands go out again.
    Speaking,
}

/// Measurements of one node, from our protocol, the classic topic or a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The node.
    pub node: String,
    /// Boot id and sequence number, where the node numbers its messages.
    pub number: Option<Number>,
    /// In the order sent.
    pub samples: Vec<Sample>,
}

/// A node's own number of a message, by which a duplicate is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    /// Id of the node's start.
    pub boot: u32,
    /// Counts from 1 within a boot.
    pub seq: u32,
}

/// One measurement of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// A valid metric name.
    pub metric: String,
    /// When it was measured.
    pub ts: DateTime<Utc>,
    /// Whether `ts` was told by the node as an absolute time: then the same series and time
    /// mean the same sample. Else the station worked it out from the time of receipt, and a
    /// clash of times means two different samples: the store moves the later one by whole
    /// microseconds.
    pub exact_ts: bool,
    /// Finite.
    pub value: f64,
    /// Outside the plausibility range of its metric kind: stored, shown, never acted on.
    pub out_of_range: bool,
    /// The node's clock is not to be believed; `ts` is the time of receipt.
    pub clock_suspect: bool,
}

/// A node's status message, version 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// False in a last will.
    pub online: bool,
    /// Id of the node's start.
    pub boot: Option<u32>,
    /// Firmware version.
    pub firmware: Option<String>,
    /// Name and state (true is on) of each actuator.
    pub actuators: Vec<(String, bool)>,
    /// Seconds since start.
    pub uptime_s: Option<u32>,
    /// WiFi signal.
    pub rssi_dbm: Option<i16>,
    /// Version of the configuration that it works by.
    pub config: Option<u32>,
    /// Version and reason of the configuration that it refused.
    pub config_refused: Option<(u32, String)>,
    /// Why it started.
    pub started_by: Option<StartedBy>,
    /// The broker had kept it, and nobody knows for how long: what came since counts for more.
    pub is_old: bool,
}

/// How a node answered a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AckResult {
    /// Done.
    Applied,
    /// This id was executed before.
    Duplicate,
    /// Not done.
    Refused {
        /// The node's reason.
        reason: String,
    },
}

/// A node's answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The command's ULID.
    pub id: String,
    /// What became of it.
    pub result: AckResult,
    /// Name and state (true is on) of the node's actuators after it.
    pub actuators: Vec<(String, bool)>,
    /// For a timed ON: when the node will switch off.
    pub off_in_ms: Option<u32>,
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The node that it belongs to, where that can be told.
    pub node: Option<String>,
    /// True: the client may not publish there. False: it cannot be understood.
    pub denied: bool,
    /// One sentence.
    pub reason: String,
}
