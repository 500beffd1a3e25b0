//! Commands: made, sent when their node is there, taken back.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::{Action, Command, CommandState, Origin},
    node::{ActuatorState, Presence},
};

use super::{RequestError, deadlines::time_up, draft::Draft, state::State};
use crate::{
    commands::OPEN_COMMANDS_PER_NODE_MAX,
    store::{CommandRow, FINISHED_COMMANDS_MAX},
};

/// What is asked for.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) node: String,
    pub(super) actuator: String,
    pub(super) action: Action,
    pub(super) for_ms: Option<u32>,
    pub(super) origin: Origin,
    pub(super) reason: Option<String>,
    pub(super) not_before: Option<DateTime<Utc>>,
}

impl State {
    /// Makes a command, and sends it when its node is there.
    pub(super) fn order(
        &mut self,
        order: Order,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Command, RequestError> {
        self.check_order(&order)?;
        let id = self.new_id(now);
        let command = Command {
            id: id.clone(),
            node: order.node,
            actuator: order.actuator,
            action: order.action,
            for_ms: order.for_ms,
            state: CommandState::Requested,
            origin: order.origin,
            reason: order.reason,
            requested_at: now,
            not_before: order.not_before,
            expires_at: order.not_before.unwrap_or(now) + self.settings.expiry,
            sent_at: None,
            finished_at: None,
            outcome: None,
            off_at: None,
        };
        let row = CommandRow {
            command,
            verify_off_at: None,
            deadline_at: None,
        };
        draft.command(&row);
        let made = row.command.clone();
        self.commands.insert(id.clone(), row);
        if order.not_before.is_none_or(|at| at <= now) {
            self.begin_command(&id, draft);
            self.send(&id, now, draft);
        }
        Ok(self
            .commands
            .get(&id)
            .map_or(made, |row| row.command.clone()))
    }

    fn check_order(&self, order: &Order) -> Result<(), RequestError> {
        if !self.nodes.contains_key(&order.node) {
            return Err(RequestError::NotFound {
                what: "node",
                id: order.node.clone(),
            });
        }
        let known: Vec<&str> = self
            .actuators
            .get(&order.node)
            .into_iter()
            .flatten()
            .filter(|(_, actuator)| actuator.reported.is_some())
            .map(|(name, _)| name.as_str())
            .collect();
        if !known.is_empty() && !known.contains(&order.actuator.as_str()) {
            return Err(RequestError::Invalid {
                field: "actuator",
                message: format!(
                    "node `{}` has no actuator `{}`; it has `{}`",
                    order.node,
                    order.actuator,
                    known.join("`, `")
                ),
            });
        }
        let open = self
            .commands
            .values()
            .filter(|row| row.command.node == order.node && !row.command.state.is_final())
            .count();
        if open >= OPEN_COMMANDS_PER_NODE_MAX {
            let what = "open commands for this node";
            return Err(RequestError::TooMany {
                what,
                max: OPEN_COMMANDS_PER_NODE_MAX,
            });
        }
        Ok(())
    }

    /// Notes on the actuator what is wanted now.
    pub(super) fn begin_command(&mut self, id: &str, draft: &mut Draft) {
        let Some(row) = self.commands.get(id) else {
            return;
        };
        let command = row.command.clone();
        let actuator = self.actuator(&command.node, &command.actuator, draft);
        actuator.pending_command = Some(command.id);
        actuator.desired = match command.action {
            Action::On => Some(ActuatorState::On),
            Action::Off => Some(ActuatorState::Off),
            Action::Toggle => match actuator.reported {
                Some(ActuatorState::On) => Some(ActuatorState::Off),
                Some(ActuatorState::Off) => Some(ActuatorState::On),
                None => None,
            },
        };
    }

    /// Sends a command when its node may be there. The row says `sent` before the publish: after
    /// a crash in between it is published again, which its id makes harmless.
    pub(super) fn send(&mut self, id: &str, now: DateTime<Utc>, draft: &mut Draft) {
        let ack_timeout = self.settings.ack_timeout;
        let Some(row) = self.commands.get(id) else {
            return;
        };
        if !self.speaks || self.presence(&row.command.node) == Presence::Offline {
            return;
        }
        let Some(row) = self.commands.get_mut(id) else {
            return;
        };
        row.command.state = CommandState::Sent;
        row.command.sent_at = Some(now);
        row.deadline_at = Some(now + ack_timeout);
        draft.command(row);
        draft.publish.insert(id.to_owned());
    }

    /// A node came: what waited for it is sent.
    pub(super) fn send_waiting(&mut self, node: &str, now: DateTime<Utc>, draft: &mut Draft) {
        let waiting: Vec<String> = self
            .commands
            .values()
            .filter(|row| row.command.node == node && !row.command.state.is_final())
            .filter(|row| row.command.not_before.is_none_or(|at| at <= now))
            .filter(|row| row.command.expires_at > now)
            .map(|row| row.command.id.clone())
            .collect();
        for id in waiting {
            self.send(&id, now, draft);
        }
    }

    /// A node went before it answered: its commands wait for it again. If it had executed one,
    /// it knows the id.
    pub(super) fn take_back_sent(&mut self, node: &str, draft: &mut Draft) {
        for row in self.commands.values_mut() {
            if row.command.node == node && row.command.state == CommandState::Sent {
                row.command.state = CommandState::Requested;
                row.deadline_at = None;
                draft.publish.remove(&row.command.id);
                draft.command(row);
            }
        }
    }

    /// What may not have reached the link, because the station stopped or the store failed between
    /// the commit and the publish, is published again.
    pub(super) fn send_again(&self, ids: BTreeSet<String>, draft: &mut Draft) {
        for id in ids {
            if let Some(row) = self.commands.get(&id)
                && row.command.state == CommandState::Sent
            {
                draft.command(row);
                draft.publish.insert(id);
            }
        }
    }

    /// Commands that were sent and have no answer yet.
    pub(super) fn unanswered(&self) -> BTreeSet<String> {
        let sent = self.commands.values();
        sent.filter(|row| row.command.state == CommandState::Sent)
            .map(|row| row.command.id.clone())
            .collect()
    }

    /// The link could not take a command: it waits, and is tried again at the next tick.
    pub(super) fn not_published(&mut self, id: &str, retry_at: DateTime<Utc>, draft: &mut Draft) {
        if let Some(row) = self.commands.get_mut(id)
            && row.command.state == CommandState::Sent
        {
            row.command.state = CommandState::Requested;
            row.command.not_before = Some(retry_at);
            row.command.sent_at = None;
            row.deadline_at = None;
            draft.command(row);
        }
    }

    /// Takes a command back that has not been sent.
    pub(super) fn cancel(
        &mut self,
        id: &str,
        by: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Command, RequestError> {
        let open = self.commands.get_mut(id);
        let Some(row) = open.filter(|row| !row.command.state.is_final()) else {
            return Err(RequestError::NotFound {
                what: "open command",
                id: id.to_owned(),
            });
        };
        if row.command.state != CommandState::Requested {
            let message = format!("command `{id}` has been sent and cannot be taken back");
            return Err(RequestError::Conflict { message });
        }
        row.command.state = CommandState::Cancelled;
        row.command.finished_at = Some(now);
        row.command.outcome = Some(format!("taken back by {by}"));
        // It may have reached the node before that went away.
        row.verify_off_at = time_up(&row.command).map(|at| at + self.settings.off_check_grace);
        draft.command(row);
        let command = row.command.clone();
        self.end_command(id, draft);
        Ok(command)
    }

    /// The actuator waits for this command no longer.
    pub(super) fn end_command(&mut self, id: &str, draft: &mut Draft) {
        let Some(row) = self.commands.get(id) else {
            return;
        };
        let confirmed = row.command.state == CommandState::Confirmed;
        let (node, name) = (row.command.node.clone(), row.command.actuator.clone());
        let next = self.commands.values().rev().find(|other| {
            other.command.id != id
                && !other.command.state.is_final()
                && other.command.node == node
                && other.command.actuator == name
                && other.command.not_before.is_none()
        });
        let next = next.map(|row| row.command.id.clone());
        let actuator = self.actuator(&node, &name, draft);
        if actuator.pending_command.as_deref() == Some(id) {
            actuator.pending_command = None;
            match next {
                Some(next) => self.begin_command(&next, draft),
                None if !confirmed => actuator.desired = actuator.reported,
                None => {}
            }
        }
        self.finish_if_done(id);
    }

    /// What is done with is remembered for a while, in case that its answer comes again.
    pub(super) fn finish_if_done(&mut self, id: &str) {
        if self.commands.get(id).is_some_and(|row| !row.is_open())
            && let Some(row) = self.commands.remove(id)
        {
            self.finished.insert(id.to_owned(), row.command);
            if self.finished.len() > FINISHED_COMMANDS_MAX {
                self.finished.pop_first();
            }
        }
    }
}
