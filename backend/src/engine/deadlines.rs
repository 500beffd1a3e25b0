//! Commands that the clock moves: due, timed out, expired, not off in time.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    command::{Action, Command, CommandState, Origin},
    node::{ActuatorState, Presence},
};

use super::{answers::is_timed, draft::Draft, orders::Order, state::State};
use crate::store::CommandRow;

/// Shortest and longest pause between two tries to switch off what should be off; each is as
/// long as it has been over its time.
const OFF_AGAIN: (TimeDelta, TimeDelta) = (TimeDelta::seconds(15), TimeDelta::minutes(15));

impl State {
    /// Moves every command whose time has come.
    pub(super) fn move_commands(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        let due = self
            .commands
            .values()
            .filter(|row| self.moves_at(row).is_some_and(|at| at <= now))
            .map(|row| row.command.id.clone());
        for id in due.collect::<Vec<_>>() {
            self.move_command(&id, now, draft);
        }
    }

    fn move_command(&mut self, id: &str, now: DateTime<Utc>, draft: &mut Draft) {
        let Some(row) = self.commands.get(id) else {
            return;
        };
        match row.command.state {
            CommandState::Requested if row.command.expires_at <= now => {
                let outcome = "the node was not there in time";
                self.fail(id, CommandState::Expired, outcome, now, draft);
            }
            CommandState::Requested => self.begin_due(id, now, draft),
            CommandState::Sent => {
                let seconds = self.settings.ack_timeout.num_seconds();
                let outcome = format!("no answer within {seconds} s");
                self.fail(id, CommandState::TimedOut, &outcome, now, draft);
            }
            CommandState::Confirmed
            | CommandState::Refused
            | CommandState::TimedOut
            | CommandState::Cancelled
            | CommandState::Expired => self.switch_off(id, now, draft),
        }
    }

    /// When the clock next moves a command.
    pub(super) fn next_command_at(&self) -> Option<DateTime<Utc>> {
        let rows = self.commands.values();
        rows.filter_map(|row| self.moves_at(row)).min()
    }

    fn moves_at(&self, row: &CommandRow) -> Option<DateTime<Utc>> {
        let command = &row.command;
        match command.state {
            CommandState::Requested => {
                let due = command.not_before.unwrap_or(command.expires_at);
                Some(due.min(command.expires_at))
            }
            CommandState::Sent => row.deadline_at,
            // A node that is away cannot be told; it is when it comes back.
            CommandState::Confirmed
            | CommandState::Refused
            | CommandState::TimedOut
            | CommandState::Cancelled
            | CommandState::Expired => row.verify_off_at.filter(|_| {
                self.speaks
                    && self.presence(&command.node) != Presence::Offline
                    && self.is_on(command)
            }),
        }
    }

    fn is_on(&self, command: &Command) -> bool {
        self.actuators
            .get(&command.node)
            .and_then(|all| all.get(&command.actuator))
            .is_some_and(|actuator| actuator.reported == Some(ActuatorState::On))
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
        row.verify_off_at = time_up(&row.command).map(|at| at + self.settings.off_check_grace);
        draft.command(row);
        draft.publish.remove(id);
        self.end_command(id, draft);
    }

    fn switch_off(&mut self, id: &str, now: DateTime<Utc>, draft: &mut Draft) {
        let Some(row) = self.commands.get_mut(id) else {
            return;
        };
        let over = time_up(&row.command).map_or(OFF_AGAIN.0, |at| now - at);
        row.verify_off_at = Some(now + over.clamp(OFF_AGAIN.0, OFF_AGAIN.1));
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
}

/// When what a timed ON switched on is over at the latest, if the node executed it at all. That
/// it never answered does not say that it did not.
pub(super) fn time_up(command: &Command) -> Option<DateTime<Utc>> {
    let for_ms = command.for_ms.filter(|_| is_timed(command))?;
    Some(command.sent_at? + TimeDelta::milliseconds(for_ms.into()))
}
