//! Commands: made, sent when their node is there, answered, timed out, made sure of.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    command::{Action, Command, CommandState, Origin},
    node::{ActuatorState, Presence},
};

use super::{
    RequestError,
    draft::Draft,
    state::{LATE_COMMANDS_MAX, State},
};
use crate::{
    commands::OPEN_COMMANDS_PER_NODE_MAX,
    ingest::{Ack, AckResult},
    store::CommandRow,
};

/// Pause between two tries to switch off what should be off.
const OFF_AGAIN: TimeDelta = TimeDelta::seconds(15);

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
        self.commands.insert(id.clone(), row);
        if order.not_before.is_none_or(|at| at <= now) {
            self.begin_command(&id, draft);
            self.send(&id, now, draft);
        }
        Ok(self.commands[&id].command.clone())
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
    fn begin_command(&mut self, id: &str, draft: &mut Draft) {
        let command = self.commands[id].command.clone();
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
    fn send(&mut self, id: &str, now: DateTime<Utc>, draft: &mut Draft) {
        let ack_timeout = self.settings.ack_timeout;
        let Some(row) = self.commands.get(id) else {
            return;
        };
        if self.presence(&row.command.node) == Presence::Offline {
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

    /// The link could not take a command: it waits, and is tried again at the next tick.
    pub(super) fn not_published(&mut self, id: &str, retry_at: DateTime<Utc>, draft: &mut Draft) {
        if let Some(row) = self.commands.get_mut(id)
            && row.command.state == CommandState::Sent
        {
            row.command.state = CommandState::Requested;
            row.command.not_before = Some(retry_at);
            row.deadline_at = None;
            draft.command(row);
        }
    }

    /// A node answered.
    pub(super) fn answered(
        &mut self,
        node: &str,
        ack: &Ack,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<(), String> {
        let off_at = ack
            .off_in_ms
            .map(|ms| now + TimeDelta::milliseconds(ms.into()));
        let open = self
            .commands
            .get(&ack.id)
            .filter(|row| row.command.node == node);
        let actuator = open.map(|row| row.command.actuator.clone());
        if open.is_some_and(|row| !row.command.state.is_final()) {
            self.settle(&ack.id, ack, off_at, now, draft);
        } else if self
            .late
            .get(&ack.id)
            .is_some_and(|command| command.node == node)
        {
            self.answered_late(ack, draft);
        } else if open.is_none() {
            return Err(format!(
                "answers `{}`, which is no open command of this node",
                ack.id
            ));
        }
        for (name, on) in &ack.actuators {
            let timer = off_at.filter(|_| *on && actuator.as_ref() == Some(name));
            self.reported(node, name, *on, timer, now, draft);
        }
        Ok(())
    }

    fn settle(
        &mut self,
        id: &str,
        ack: &Ack,
        off_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let grace = self.settings.off_check_grace;
        let Some(row) = self.commands.get_mut(id) else {
            return;
        };
        let (node, actuator) = (row.command.node.clone(), row.command.actuator.clone());
        row.deadline_at = None;
        row.command.finished_at = Some(now);
        match &ack.result {
            AckResult::Applied | AckResult::Duplicate => {
                row.command.state = CommandState::Confirmed;
                if ack.result == AckResult::Duplicate {
                    row.command.outcome = Some("the node had executed it before".to_owned());
                }
                if row.command.for_ms.is_some() && row.command.action == Action::On {
                    // A duplicate without a remaining time has been switched off already.
                    row.command.off_at = off_at;
                    row.verify_off_at = off_at.map(|at| at + grace);
                }
            }
            AckResult::Refused { reason } => {
                row.command.state = CommandState::Refused;
                row.command.outcome = Some(reason.clone());
            }
        }
        let confirmed = row.command.state == CommandState::Confirmed;
        draft.command(row);
        if confirmed {
            self.supersede(&node, &actuator, id, draft);
        }
        self.end_command(id, draft);
        if confirmed && off_at.is_none() {
            self.actuator(&node, &actuator, draft).off_at = None;
        }
    }

    /// A later order replaces the watch over an earlier timed one.
    fn supersede(&mut self, node: &str, actuator: &str, by: &str, draft: &mut Draft) {
        let replaced: Vec<String> = self
            .commands
            .values()
            .filter(|row| row.verify_off_at.is_some() && row.command.id != by)
            .filter(|row| row.command.node == node && row.command.actuator == actuator)
            .map(|row| row.command.id.clone())
            .collect();
        for id in replaced {
            self.verified(&id, draft);
        }
    }

    /// The actuator is off: timed commands on it are done with.
    pub(super) fn verified_off(&mut self, node: &str, actuator: &str, draft: &mut Draft) {
        self.supersede(node, actuator, "", draft);
    }

    fn verified(&mut self, id: &str, draft: &mut Draft) {
        if let Some(row) = self.commands.get_mut(id) {
            row.verify_off_at = None;
            draft.command(row);
        }
        self.forget_if_done(id);
    }

    fn answered_late(&mut self, ack: &Ack, draft: &mut Draft) {
        let Some(mut command) = self.late.remove(&ack.id) else {
            return;
        };
        let word = match &ack.result {
            AckResult::Applied => "applied it",
            AckResult::Duplicate => "had executed it",
            AckResult::Refused { .. } => "refused it",
        };
        command.outcome = Some(format!("answered too late: the node {word}"));
        draft.command(&CommandRow {
            command,
            verify_off_at: None,
            deadline_at: None,
        });
    }

    /// Takes a command back that has not been sent.
    pub(super) fn cancel(
        &mut self,
        id: &str,
        by: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Command, RequestError> {
        let Some(row) = self.commands.get_mut(id) else {
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
        draft.command(row);
        let command = row.command.clone();
        self.end_command(id, draft);
        Ok(command)
    }

    /// The actuator waits for this command no longer.
    fn end_command(&mut self, id: &str, draft: &mut Draft) {
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
            actuator.pending_command = next;
            if !confirmed && actuator.pending_command.is_none() {
                actuator.desired = actuator.reported;
            }
        }
        self.forget_if_done(id);
    }

    fn forget_if_done(&mut self, id: &str) {
        if self.commands.get(id).is_some_and(|row| !row.is_open()) {
            self.commands.remove(id);
        }
    }

    /// Commands that the clock moves: due, timed out, expired, not off in time.
    pub(super) fn move_commands(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        for id in self.commands.keys().cloned().collect::<Vec<_>>() {
            let Some(row) = self.commands.get(&id) else {
                continue;
            };
            match row.command.state {
                CommandState::Requested if row.command.expires_at <= now => {
                    self.fail(
                        &id,
                        CommandState::Expired,
                        "the node was not there in time",
                        now,
                        draft,
                    );
                }
                CommandState::Requested if row.command.not_before.is_some_and(|at| at <= now) => {
                    self.begin_due(&id, now, draft);
                }
                CommandState::Sent if row.deadline_at.is_some_and(|at| at <= now) => {
                    let seconds = self.settings.ack_timeout.num_seconds();
                    let outcome = format!("no answer within {seconds} s");
                    self.fail(&id, CommandState::TimedOut, &outcome, now, draft);
                }
                _ if self.is_overdue(row, now) => self.switch_off(&id, now, draft),
                _ => {}
            }
        }
    }

    fn begin_due(&mut self, id: &str, now: DateTime<Utc>, draft: &mut Draft) {
        if let Some(row) = self.commands.get_mut(id) {
            row.command.not_before = None;
            draft.command(row);
        }
        self.begin_command(id, draft);
        self.send(id, now, draft);
    }

    fn fail(
        &mut self,
        id: &str,
        state: CommandState,
        outcome: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(row) = self.commands.get_mut(id) else {
            return;
        };
        row.command.state = state;
        row.command.finished_at = Some(now);
        row.command.outcome = Some(outcome.to_owned());
        row.deadline_at = None;
        draft.command(row);
        if state == CommandState::TimedOut {
            if self.late.len() >= LATE_COMMANDS_MAX {
                self.late.pop_first();
            }
            self.late.insert(id.to_owned(), row.command.clone());
        }
        self.end_command(id, draft);
    }

    /// Whether a timed command's actuator should be off and is not, on a node that can be told.
    fn is_overdue(&self, row: &CommandRow, now: DateTime<Utc>) -> bool {
        let command = &row.command;
        row.verify_off_at.is_some_and(|at| at <= now)
            && self.presence(&command.node) == Presence::Online
            && self
                .actuators
                .get(&command.node)
                .and_then(|all| all.get(&command.actuator))
                .is_some_and(|actuator| actuator.reported == Some(ActuatorState::On))
    }

    fn switch_off(&mut self, id: &str, now: DateTime<Utc>, draft: &mut Draft) {
        let Some(row) = self.commands.get_mut(id) else {
            return;
        };
        row.verify_off_at = Some(now + OFF_AGAIN);
        draft.command(row);
        let order = Order {
            node: row.command.node.clone(),
            actuator: row.command.actuator.clone(),
            action: Action::Off,
            for_ms: None,
            origin: Origin::Station,
            reason: Some("a timed command has ended, and the actuator is still on".to_owned()),
            not_before: None,
        };
        tracing::warn!(
            node.id = order.node,
            actuator = order.actuator,
            "still on after its time: switching off"
        );
        if let Err(error) = self.order(order, now, draft) {
            tracing::warn!(%error, "the actuator could not be switched off");
        }
    }

    /// When the clock next moves a command.
    pub(super) fn next_command_at(&self) -> Option<DateTime<Utc>> {
        self.commands
            .values()
            .filter_map(|row| match row.command.state {
                CommandState::Requested => {
                    let due = row.command.not_before.unwrap_or(row.command.expires_at);
                    Some(due.min(row.command.expires_at))
                }
                CommandState::Sent => row.deadline_at,
                // An offline node is not told; it is when it comes back.
                _ if self.presence(&row.command.node) != Presence::Online => None,
                _ => row.verify_off_at.filter(|_| self.may_be_on(&row.command)),
            })
            .min()
    }

    fn may_be_on(&self, command: &Command) -> bool {
        self.actuators
            .get(&command.node)
            .and_then(|all| all.get(&command.actuator))
            .is_some_and(|actuator| actuator.reported == Some(ActuatorState::On))
    }
}
