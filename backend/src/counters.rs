//! Counters of this run, raised where things happen, read by the API and the metrics route.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use signalbox_protocol::api::station;

/// Shared through an `Arc`; every field only grows.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages received.
    pub messages_received: AtomicU64,
    /// Samples stored.
    pub samples_stored: AtomicU64,
    /// Messages dropped as duplicates.
    pub duplicates: AtomicU64,
    /// Messages that could not be understood.
    pub bad_messages: AtomicU64,
    /// Publishes and subscriptions that the broker denied.
    pub denied: AtomicU64,
    /// Samples flagged as implausible.
    pub flagged_samples: AtomicU64,
    /// Transactions committed.
    pub commits: AtomicU64,
}

impl Counters {
    /// All values now, for the API.
    #[must_use]
    pub fn snapshot(&self) -> station::Counters {
        station::Counters {
            messages_received: self.messages_received.load(Relaxed),
            samples_stored: self.samples_stored.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            bad_messages: self.bad_messages.load(Relaxed),
            denied: self.denied.load(Relaxed),
            flagged_samples: self.flagged_samples.load(Relaxed),
            commits: self.commits.load(Relaxed),
        }
    }

    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }
}
