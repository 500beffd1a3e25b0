//! What `GET /ws` sends: a hello, then every event as one JSON text message.

use alloc::{string::String, vec::Vec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    command::{Command, Schedule},
    data::Sample,
    incident::Incident,
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
