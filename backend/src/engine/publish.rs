//! Commands on their way out, after their commit.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::{
    api::command::{Action, Command},
    limits::MESSAGE_BYTES_MAX,
    payload::{
        Encoding,
        command::{Action as WireAction, Command as WireCommand},
    },
    topic,
};

use super::{draft::Draft, run::Engine};
use crate::mqtt::Publish;

/// Pause before a command is tried again that the link could not take.
const LINK_PAUSE: TimeDelta = TimeDelta::seconds(1);

impl Engine {
    /// Hands the commands of a committed batch to the link. Gives what the link could not take:
    /// it waits, and is tried again soon.
    pub(super) async fn publish(&mut self, draft: &Draft, now: DateTime<Utc>) -> Draft {
        let mut failed = Draft::default();
        for node in &draft.send_config {
            self.publish_config(node).await;
        }
        for id in &draft.publish {
            let Some(row) = draft.commands.get(id) else {
                continue;
            };
            let expiry_s = self.parts.config.borrow().command.ack_timeout_s;
            let Some(message) = wire(&row.command, expiry_s) else {
                tracing::error!(command = id, "a command does not fit into a message");
                continue;
            };
            if let Err(error) = self.parts.link.publish(message).await {
                tracing::warn!(command = id, %error, "a command could not be published; it waits");
                self.state.not_published(id, now + LINK_PAUSE, &mut failed);
            }
        }
        let batch = failed.batch(&self.state);
        if !batch.is_empty()
            && let Err(error) = self.parts.store.commit(&batch).await
        {
            // The rows still say `sent`, and time out: late, but true.
            tracing::error!(%error, "that commands wait could not be stored");
        }
        failed
    }
}

/// The command as the node reads it. JSON: nodes that speak Protocol Buffers read both.
fn wire(command: &Command, expiry_s: u32) -> Option<Publish> {
    let message = WireCommand {
        id: command.id.as_str().try_into().ok()?,
        actuator: command.actuator.as_str().try_into().ok()?,
        action: match command.action {
            Action::On => WireAction::On,
            Action::Off => WireAction::Off,
            Action::Toggle => WireAction::Toggle,
        },
        for_ms: command.for_ms,
    };
    let mut buffer = [0; MESSAGE_BYTES_MAX];
    let len = message.encode(Encoding::Json, &mut buffer).ok()?;
    Some(Publish {
        topic: topic::command(&command.node).as_str().to_owned(),
        payload: buffer[..len].to_vec(),
        expiry_s: Some(expiry_s),
        retain: false,
    })
}
