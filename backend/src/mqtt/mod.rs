//! Links to brokers: the embedded one, and external ones. A link turns what nodes
//! publish into [`crate::ingest::Inbound`] for the engine, and publishes what the engine
//! decided after its commit.

mod accept;
mod access;
mod broker;
mod connections;
pub mod credentials;
mod embedded;
mod events;
pub mod external;
mod frame;
mod gate;
mod rules;
#[cfg(test)]
mod tests;
mod throttle;

pub use broker::{Broker, BrokerError};
pub use embedded::{EmbeddedBroker, StartError, start};
pub use external::ExternalBroker;

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use signalbox_protocol::api::station::{BrokerFacts, BrokerKind};

/// A message that the station publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Full topic.
    pub topic: String,
    /// Payload bytes.
    pub payload: Vec<u8>,
    /// After this time the broker need not deliver it any more (MQTT 5 message expiry).
    pub expiry_s: Option<u32>,
    /// Whether the broker keeps it for who subscribes later: configurations, never orders.
    pub retain: bool,
}

/// Why a publish did not go out.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The broker is away.
    #[error("the link to the broker is down: {reason}")]
    Down {
        /// What the broker or the network said.
        reason: String,
    },
}

/// A way to publish to nodes: QoS 1.
#[async_trait]
pub trait Link: Send + Sync + 'static {
    /// Hands the message to the broker. Success says only that the broker took it; the
    /// node's ack is what counts.
    ///
    /// # Errors
    /// [`LinkError::Down`] when the broker cannot take it now.
    async fn publish(&self, message: Publish) -> Result<(), LinkError>;

    /// `None` when all is well, else what is wrong, for the health route and the banner.
    fn trouble(&self) -> Option<String>;

    /// What the operator should know although everything works.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// For the administration: which broker, and where.
    fn facts(&self) -> BrokerFacts {
        BrokerFacts {
            kind: BrokerKind::External,
            address: String::new(),
            connected: self.trouble().is_none(),
            clients: None,
            connects: self.connects(),
        }
    }

    /// How often a connection to the broker came about.
    fn connects(&self) -> u64 {
        0
    }

    /// Closes the connections of a node whose login was changed or taken away. Does nothing
    /// where another program keeps the connections.
    fn end_sessions(&self, node: &str) {
        let _ = node;
    }

    /// Whether nodes that were online before a restart of the station are surely not
    /// connected now (true for the embedded broker, which restarts with the station).
    fn forgets_connections(&self) -> bool;
}

/// A poisoned lock still holds whole values: every change of what these guard is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stranger's text for the log: escaped and short.
fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}
