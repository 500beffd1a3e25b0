//! Committed changes, for everyone who listens: the engine publishes, the WebSocket and
//! the demo listen. A slow listener loses events and is told how many; it never slows others.

use std::sync::Arc;

use signalbox_protocol::api::event::Event;
use tokio::sync::broadcast;

/// Events kept for a listener that is behind; beyond that it misses the oldest.
pub const LIVE_EVENTS_MAX: usize = 8_192;

/// An event with its JSON, made once for all listeners.
#[derive(Debug, Clone)]
pub struct LiveEvent {
    /// For listeners in this process.
    pub event: Arc<Event>,
    /// The same as JSON text.
    pub json: Arc<str>,
}

/// The channel; clones share it.
#[derive(Debug, Clone)]
pub struct Live {
    sender: broadcast::Sender<LiveEvent>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(LIVE_EVENTS_MAX).0,
        }
    }
}

impl Live {
    /// Sends an event to all who listen now. Costs nothing when nobody listens.
    pub fn publish(&self, event: Event) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        match serde_json::to_string(&event) {
            Ok(json) => {
                // No receiver left between the check and now is no error.
                let _ = self.sender.send(LiveEvent {
                    event: Arc::new(event),
                    json: json.into(),
                });
            }
            Err(error) => tracing::error!(%error, "an event could not be written as JSON"),
        }
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.sender.subscribe()
    }
}
