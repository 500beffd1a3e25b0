//! Answers of nodes: what became of a command, and when what it switched on goes off.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    command::{Action, Command, CommandState},
    message::Outcome,
    node::ActuatorState,
};

use super::{draft::Draft, state::State};
use crate::{
    ingest::{Ack, AckResult},
    store::CommandRow,
};

impl State {
    /// A node answered.
    ///
    /// # Errors
    /// What the answer is about is not known.
    pub(super) fn answered(
        &mut self,
        node: &str,
        ack: &Ack,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Outcome, String> {
        let open = self.commands.get(&ack.id);
        let known = open
            .map(|row| &row.command)
            .or_else(|| self.finished.get(&ack.id))
            .filter(|command| command.node == node);
        match known {
            None => Err(format!(
                "answers `{}`, which is no command of this node that is known",
                ack.id
            )),
            Some(command) if !command.state.is_final() => {
                let command = command.clone();
                self.settle(&command, ack, now, draft);
                Ok(Outcome::Stored)
            }
            Some(command) => {
                let command = command.clone();
                Ok(self.answered_late(command, ack, now, draft))
            }
        }
    }

    fn settle(&mut self, command: &Command, ack: &Ack, now: DateTime<Utc>, draft: &mut Draft) {
        let off_at = off_at(command, ack, now);
        let Some(row) = self.commands.get_mut(&command.id) else {
            return;
        };
        row.deadline_at = None;
        row.command.finished_at = Some(now);
        match &ack.result {
            AckResult::Applied | AckResult::Duplicate => {
                row.command.state = CommandState::Confirmed;
                if ack.result == AckResult::Duplicate {
                    row.command.outcome = Some("the node had executed it before".to_owned());
                }
            }
            AckResult::Refused { reason } => {
                row.command.state = CommandState::Refused;
                row.command.outcome = Some(reason.clone());
            }
        }
        let confirmed = row.command.state == CommandState::Confirmed;
        if confirmed && is_timed(command) {
            row.command.off_at = off_at;
            row.verify_off_at = off_at.map(|at| at + self.settings.off_check_grace);
        }
        draft.command(row);
        if confirmed {
            self.end_watches(&command.node, &command.actuator, &command.id, draft);
        }
        self.end_command(&command.id, draft);
        self.take_over(command, ack, off_at.filter(|_| confirmed), now, draft);
    }

    /// Takes over what an answer says of the actuators.
    fn take_over(
        &mut self,
        command: &Command,
        ack: &Ack,
        off_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let (node, name) = (command.node.as_str(), command.actuator.as_str());
        let refused = matches!(ack.result, AckResult::Refused { .. });
        if !refused {
            // The order before it, and its timer, are replaced.
            let actuator = self.actuator(node, name, draft);
            actuator.off_at = off_at;
            if off_at.is_none() && is_timed(command) && actuator.pending_command.is_none() {
                actuator.desired = Some(ActuatorState::Off);
            }
        }
        let told = ack.actuators.iter().any(|(told, _)| told == name);
        if !told && ack.result == AckResult::Applied && command.action != Action::Toggle {
            self.reported(node, name, command.action == Action::On, now, draft);
        }
        for (name, on) in &ack.actuators {
            self.reported(node, name, *on, now, draft);
        }
    }

    /// An answer to a command that is done with: the second one, or one that comes too late. A
    /// late one is noted, and a timed ON is watched from then on all the same.
    fn answered_late(
        &mut self,
        mut command: Command,
        ack: &Ack,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Outcome {
        if matches!(
            command.state,
            CommandState::Confirmed | CommandState::Refused
        ) {
            return Outcome::Duplicate;
        }
        let word = match &ack.result {
            AckResult::Applied => "applied it",
            AckResult::Duplicate => "had executed it",
            AckResult::Refused { .. } => "refused it",
        };
        let late = format!("answered too late: the node {word}");
        let outcome = command.outcome.take().unwrap_or_default();
        if outcome.contains("answered too late") {
            return Outcome::Duplicate;
        }
        command.outcome = Some(format!("{outcome}; {late}"));
        let refused = matches!(ack.result, AckResult::Refused { .. });
        let off_at = off_at(&command, ack, now).filter(|_| !refused);
        command.off_at = off_at.filter(|_| is_timed(&command));
        let grace = self.settings.off_check_grace;
        let row = CommandRow {
            verify_off_at: command.off_at.map(|at| at + grace),
            deadline_at: None,
            command: command.clone(),
        };
        draft.command(&row);
        self.finished.remove(&command.id);
        self.commands.insert(command.id.clone(), row);
        self.finish_if_done(&command.id);
        self.take_over(&command, ack, off_at, now, draft);
        Outcome::Stored
    }

    /// A later order replaces the watch over an earlier timed one.
    fn end_watches(&mut self, node: &str, actuator: &str, by: &str, draft: &mut Draft) {
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
        self.end_watches(node, actuator, "", draft);
    }

    fn verified(&mut self, id: &str, draft: &mut Draft) {
        if let Some(row) = self.commands.get_mut(id) {
            row.verify_off_at = None;
            draft.command(row);
        }
        self.finish_if_done(id);
    }
}

/// When the node switches off what a command switched on: as it says. One that does not say it
/// is taken at the command's word, unless it says that the actuator is off already.
fn off_at(command: &Command, ack: &Ack, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let off = |(name, on): &(String, bool)| *name == command.actuator && !on;
    if ack.actuators.iter().any(off) {
        return None;
    }
    let wanted = command.for_ms.filter(|_| is_timed(command));
    let rest = ack.off_in_ms.or(wanted)?;
    Some(now + TimeDelta::milliseconds(rest.into()))
}

/// Whether the actuator is to go off again by itself.
pub(super) fn is_timed(command: &Command) -> bool {
    command.for_ms.is_some() && command.action == Action::On
}
