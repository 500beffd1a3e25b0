//! What `GET /ws` sends: a hello, then every event as one JSON text message; and what a client may
//! say to it.

use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    command::{Command, Schedule},
    config::NodeConfig,
    data::Sample,
    incident::Incident,
    log::LogLine,
    message::Message,
    node::Node,
    rule::Rule,
    silence::Silence,
    station::Health,
};

/// One message of the WebSocket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// Always the first.
    Hello(Hello),
    /// Samples of one received message, after their commit.
    Samples {
        /// All of one node.
        samples: Vec<Sample>,
    },
    /// A node came, went, or told its status: the node without `latest`.
    Status {
        /// The node as it is now.
        node: Node,
    },
    /// A command changed its state.
    Command {
        /// The command as it is now.
        command: Command,
    },
    /// A schedule was made, changed, or had its run.
    Schedule {
        /// The schedule as it is now.
        schedule: Schedule,
    },
    /// A schedule was deleted.
    ScheduleDeleted {
        /// Its id.
        id: String,
    },
    /// A node's configuration was set, taken or refused.
    NodeConfig {
        /// As it is now.
        config: NodeConfig,
    },
    /// An incident began, changed or closed.
    Incident {
        /// The incident as it is now.
        incident: Incident,
    },
    /// A rule was made or changed.
    Rule {
        /// The rule as it is now.
        rule: Rule,
    },
    /// A rule was deleted.
    RuleDeleted {
        /// Its id.
        id: String,
    },
    /// A silence was made, began or is over.
    Silence {
        /// The silence as it is now.
        silence: Silence,
    },
    /// A message was received, good or bad.
    Message {
        /// The message.
        message: Message,
    },
    /// A node logged a line; the same id again when it can be read now and could not before.
    Log {
        /// The line.
        line: LogLine,
    },
    /// The store or the link to the broker went away or came back. Sent after the hello when
    /// something is wrong then, and at every change.
    Health {
        /// As in `GET /health`.
        health: Health,
    },
    /// The client was too slow: this many events were left out. Ask the routes for the present state.
    Missed {
        /// How many.
        count: u64,
    },
}

impl Event {
    /// Its `type`.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Hello(_) => EventKind::Hello,
            Self::Samples { .. } => EventKind::Samples,
            Self::Status { .. } => EventKind::Status,
            Self::Command { .. } => EventKind::Command,
            Self::Incident { .. } => EventKind::Incident,
            Self::Rule { .. } => EventKind::Rule,
            Self::RuleDeleted { .. } => EventKind::RuleDeleted,
            Self::Silence { .. } => EventKind::Silence,
            Self::Schedule { .. } => EventKind::Schedule,
            Self::ScheduleDeleted { .. } => EventKind::ScheduleDeleted,
            Self::NodeConfig { .. } => EventKind::NodeConfig,
            Self::Message { .. } => EventKind::Message,
            Self::Log { .. } => EventKind::Log,
            Self::Health { .. } => EventKind::Health,
            Self::Missed { .. } => EventKind::Missed,
        }
    }
}

/// The `type` of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is told at the event of its name")]
pub enum EventKind {
    Hello,
    Samples,
    Status,
    Command,
    Incident,
    Rule,
    RuleDeleted,
    Silence,
    Schedule,
    ScheduleDeleted,
    NodeConfig,
    Message,
    Log,
    Health,
    Missed,
}

/// Longest `pause_ms` of [`StreamOptions`].
pub const STREAM_PAUSE_MS_MAX: u32 = 1_000;

/// What a client of the WebSocket may send as a text message, at any time: from then on the
/// stream is so. Without it every event comes at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamOptions {
    /// Kinds that are left out; `hello` and `missed` come all the same.
    pub without: Vec<EventKind>,
    /// For this long after something was sent, `samples`, `message` and `log` wait, to be sent together
    /// with what else comes; 0 to 1,000. Any other kind is sent at once, in its order.
    #[schema(maximum = 1000)]
    pub pause_ms: u32,
}

/// First message of the WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hello {
    /// Id of this run of the daemon, as in `GET /`.
    pub id: String,
    /// Version of the program.
    pub version: String,
    /// Oldest API version that this daemon speaks.
    pub api_min: u32,
    /// Newest API version that this daemon speaks.
    pub api_max: u32,
}
