//! Committed changes, for everyone who listens: the engine publishes, the WebSocket and
//! the demo listen. A slow listener loses events and is told how many; it never slows others.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use signalbox_protocol::api::{event::Event, message::Message};
use tokio::sync::broadcast;

/// Events kept for a listener that is behind; beyond that it misses the oldest.
pub const LIVE_EVENTS_MAX: usize = 8_192;

/// Received messages, good and bad, that are kept in memory for `GET /api/v1/messages`.
pub const RECENT_MESSAGES_MAX: usize = 1_000;

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
    recent: Arc<Mutex<VecDeque<Message>>>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sender: broadcast::channel(LIVE_EVENTS_MAX).0,
            recent: Arc::default(),
        }
    }
}

impl Live {
    /// Sends an event to all who listen now; JSON is made only when somebody does.
    pub fn publish(&self, event: Event) {
        if let Event::Message { message } = &event {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() == RECENT_MESSAGES_MAX {
                recent.pop_front();
            }
            recent.push_back(message.clone());
        }
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

    /// The latest messages of this run, newest first.
    #[must_use]
    pub fn recent_messages(&self, limit: usize) -> Vec<Message> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().rev().take(limit).cloned().collect()
    }

    /// Whether anybody listens now; costly events are made only then.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Listens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.sender.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use signalbox_protocol::api::message::Outcome;

    fn message(id: u64) -> Event {
        let at = DateTime::UNIX_EPOCH;
        Event::Message {
            message: Message {
                id,
                received_at: at,
                topic: "signalbox/a/telemetry".to_owned(),
                node: None,
                outcome: Outcome::Stored,
                reason: None,
                payload_bytes: 0,
                head: String::new(),
                says: None,
                count: 1,
                first_at: at,
            },
        }
    }

    #[test]
    fn the_latest_messages_are_kept_up_to_the_limit_even_when_nobody_listens() {
        let live = Live::default();
        let max = u64::try_from(RECENT_MESSAGES_MAX).unwrap();
        (1..=max + 3).for_each(|id| live.publish(message(id)));
        let ids = |n| -> Vec<u64> { live.recent_messages(n).iter().map(|m| m.id).collect() };
        assert_eq!(ids(2), [max + 3, max + 2]);
        assert_eq!(ids(usize::MAX).len(), RECENT_MESSAGES_MAX);
        assert_eq!(ids(usize::MAX).last(), Some(&4));
    }

    #[tokio::test]
    async fn a_slow_listener_loses_the_oldest_and_is_told_how_many() {
        let live = Live::default();
        let mut slow = live.subscribe();
        let sent = u64::try_from(LIVE_EVENTS_MAX).unwrap() + 5;
        (1..=sent).for_each(|id| live.publish(message(id)));
        let lost = slow.recv().await;
        assert!(matches!(lost, Err(broadcast::error::RecvError::Lagged(5))));
        assert!(slow.recv().await.unwrap().json.contains("\"id\":6,"));
    }
}
