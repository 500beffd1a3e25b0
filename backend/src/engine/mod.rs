//! The engine: the one task that decides. It drains messages and requests, lets the pure
//! logic of `rules`, `alerts` and `commands` work on its state, commits everything as one
//! [`crate::store::Batch`], and only then lets the effects out: PUBACKs, command publishes,
//! live events, mails. When a commit fails it loads its state anew from the store and applies
//! the same inputs again, so nothing that it decided lives only in memory.

mod answers;
mod configs;
mod deadlines;
mod draft;
mod heart;
mod held;
mod incidents;
mod link;
mod messages;
mod open;
mod orders;
mod publish;
mod reactions;
mod requests;
mod rule_changes;
mod run;
mod says;
mod schedules;
mod seen;
mod silences;
mod state;
mod status;
#[cfg(test)]
mod tests;

pub use heart::{BEAT, Heart};
pub use incidents::FRESH_MAX;
pub use run::{EngineParts, start};
pub use schedules::MISSED_RUN_MAX;
pub use silences::SILENCES_MAX;
pub use state::{NODES_MAX, SERIES_PER_NODE_MAX};

use signalbox_protocol::api::{
    command::{Command, CommandAccepted, NewCommand, NewTimedCommand, Schedule, SchedulePatch},
    config::{NewNodeConfig, NodeConfig},
    incident::{Acknowledge, Incident},
    rule::{NewRule, Rule, RulePatch},
    silence::{NewSilence, Silence},
};
use tokio::sync::{mpsc, oneshot};

use crate::ingest::{INBOUND_QUEUE_MESSAGES_MAX, Inbound};

/// Requests that wait for the engine.
pub const REQUEST_QUEUE_MAX: usize = 1_024;
/// Most messages of one transaction.
pub const BATCH_MESSAGES_MAX: usize = 2_048;

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A field of the request is wrong: 422.
    #[error("{message}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it, the value in backticks.
        message: String,
    },
    /// There is no such thing: 404.
    #[error("{what} `{id}` does not exist")]
    NotFound {
        /// `node`, `command`, `rule`, ...
        what: &'static str,
        /// As asked for.
        id: String,
    },
    /// It exists, but not in a state that allows this: 409.
    #[error("{message}")]
    Conflict {
        /// Why not.
        message: String,
    },
    /// Too many of them exist: 409 with a hint.
    #[error("there are already {max} {what}")]
    TooMany {
        /// `rules`, `schedules`, `open commands`.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The engine or the store is not there now: 503.
    #[error("the station cannot do this now: {reason}")]
    Unavailable {
        /// What is away.
        reason: String,
    },
}

/// Where the answer to a request goes, after its commit.
pub type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

/// A change that a person or program asks for. `by` is the account name.
#[derive(Debug)]
#[expect(
    missing_docs,
    reason = "the variants say it: each carries its body, who asks, and where the answer goes"
)]
pub enum Request {
    AddCommand {
        new: NewCommand,
        by: String,
        reply: Reply<Command>,
    },
    AddTimedCommand {
        new: NewTimedCommand,
        by: String,
        reply: Reply<CommandAccepted>,
    },
    CancelCommand {
        id: String,
        by: String,
        reply: Reply<Command>,
    },
    PatchSchedule {
        id: String,
        patch: SchedulePatch,
        by: String,
        reply: Reply<Schedule>,
    },
    DeleteSchedule {
        id: String,
        by: String,
        reply: Reply<()>,
    },
    AddRule {
        new: NewRule,
        by: String,
        reply: Reply<Rule>,
    },
    PatchRule {
        id: String,
        patch: RulePatch,
        by: String,
        reply: Reply<Rule>,
    },
    DeleteRule {
        id: String,
        by: String,
        reply: Reply<()>,
    },
    AckIncident {
        id: String,
        ack: Acknowledge,
        by: String,
        reply: Reply<Incident>,
    },
    AddSilence {
        new: NewSilence,
        by: String,
        reply: Reply<Silence>,
    },
    EndSilence {
        id: String,
        by: String,
        reply: Reply<Silence>,
    },
    SetNodeConfig {
        node: String,
        new: NewNodeConfig,
        by: String,
        reply: Reply<NodeConfig>,
    },
    /// The credentials of a node were made; the node becomes known.
    NodeAdded { name: String, reply: Reply<()> },
}

/// The way to the engine; clones share it.
#[derive(Debug, Clone)]
pub struct EngineHandle {
    /// Messages from links.
    pub inbound: mpsc::Sender<Inbound>,
    /// Requests from the API.
    pub requests: mpsc::Sender<Request>,
}

/// The engine's ends of the queues that [`EngineHandle`] feeds.
#[derive(Debug)]
pub struct EngineInputs {
    /// Messages from links.
    pub inbound: mpsc::Receiver<Inbound>,
    /// Requests from the API.
    pub requests: mpsc::Receiver<Request>,
}

/// The queues into the engine: handle and inputs.
#[must_use]
pub fn channel() -> (EngineHandle, EngineInputs) {
    let (inbound, inbound_end) = mpsc::channel(INBOUND_QUEUE_MESSAGES_MAX);
    let (requests, requests_end) = mpsc::channel(REQUEST_QUEUE_MAX);
    (
        EngineHandle { inbound, requests },
        EngineInputs {
            inbound: inbound_end,
            requests: requests_end,
        },
    )
}

impl EngineHandle {
    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// What the engine answers; [`RequestError::Unavailable`] when it has stopped.
    pub async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Request) -> Result<T, RequestError> {
        let stopped = || RequestError::Unavailable {
            reason: "it is stopping".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(make(reply))
            .await
            .map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}
