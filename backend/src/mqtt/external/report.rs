//! How the link is, for the health route, the metrics and the log. Written by the two clients.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::fault::Fault;
use crate::mqtt::lock;

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// Hears nodes.
    Ingest,
    /// Speaks to them.
    Commands,
}

impl Client {
    const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Commands => "commands",
        }
    }
}

/// What the operator should know although everything works; one of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// The broker forgot the session, and what waited in it.
    SessionLost,
    /// A limit of the broker's that is too narrow.
    Limit,
    /// The broker drops messages.
    Dropped,
    /// A version of the broker that is known to lose messages.
    Version,
    /// A subscription that was not granted.
    Subscription,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// Never connected yet.
    Connecting,
    Up,
    /// In words.
    Down(String),
}

/// Shared by both clients and whoever asks.
#[derive(Debug)]
pub(super) struct Report {
    address: String,
    ingest: Mutex<Condition>,
    commands: Mutex<Condition>,
    concerns: Mutex<BTreeMap<Concern, String>>,
    connects: AtomicU64,
}

impl Report {
    pub(super) const fn new(address: String) -> Self {
        Self {
            address,
            ingest: Mutex::new(Condition::Connecting),
            commands: Mutex::new(Condition::Connecting),
            concerns: Mutex::new(BTreeMap::new()),
            connects: AtomicU64::new(0),
        }
    }

    const fn of(&self, client: Client) -> &Mutex<Condition> {
        match client {
            Client::Ingest => &self.ingest,
            Client::Commands => &self.commands,
        }
    }

    pub(super) fn up(&self, client: Client) {
        *lock(self.of(client)) = Condition::Up;
        self.connects.fetch_add(1, Relaxed);
        tracing::info!(
            broker = self.address,
            client = client.name(),
            "connected to the broker"
        );
    }

    /// Logged once for each reason, not for each try.
    pub(super) fn down(&self, client: Client, fault: &Fault) {
        let reason = fault.to_string();
        let mut condition = lock(self.of(client));
        let is_news = !matches!(&*condition, Condition::Down(known) if *known == reason);
        *condition = Condition::Down(reason.clone());
        drop(condition);
        let (broker, client) = (self.address.as_str(), client.name());
        if is_news {
            let hint = fault.hint();
            tracing::warn!(broker, client, reason, hint, "no connection to the broker");
        } else {
            tracing::debug!(broker, client, reason, "still no connection to the broker");
        }
    }

    /// Says it in the log when it is new, and keeps it for whoever asks.
    pub(super) fn warn(&self, concern: Concern, text: String) {
        let mut concerns = lock(&self.concerns);
        if concerns.get(&concern) != Some(&text) {
            tracing::warn!(broker = self.address, "{text}");
            concerns.insert(concern, text);
        }
    }

    /// It is so no longer.
    pub(super) fn settle(&self, concern: Concern) {
        lock(&self.concerns).remove(&concern);
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        lock(&self.concerns).values().cloned().collect()
    }

    /// `None` when both connections are up.
    pub(super) fn trouble(&self) -> Option<String> {
        [Client::Ingest, Client::Commands]
            .into_iter()
            .find_map(|client| match &*lock(self.of(client)) {
                Condition::Up => None,
                Condition::Connecting => Some("connecting".to_owned()),
                Condition::Down(reason) => Some(format!("the broker is away: {reason}")),
            })
    }

    pub(super) fn connects(&self) -> u64 {
        self.connects.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_well_when_both_are_up() {
        let report = Report::new("mqtt://broker:1883".to_owned());
        assert_eq!(report.trouble().as_deref(), Some("connecting"));
        report.up(Client::Ingest);
        assert_eq!(report.trouble().as_deref(), Some("connecting"));
        report.up(Client::Commands);
        assert_eq!(report.trouble(), None);
        report.down(Client::Ingest, &Fault::Closed);
        let trouble = report.trouble().unwrap();
        assert_eq!(trouble, "the broker is away: it closed the connection");
    }

    #[test]
    fn concerns_stay_until_they_are_settled() {
        let report = Report::new(String::new());
        report.warn(Concern::Dropped, "3 messages".to_owned());
        report.warn(Concern::Dropped, "4 messages".to_owned());
        report.warn(Concern::Version, "too old".to_owned());
        assert_eq!(report.warnings(), ["4 messages", "too old"]);
        report.settle(Concern::Dropped);
        assert_eq!(report.warnings(), ["too old"]);
    }
}
