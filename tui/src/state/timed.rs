//! What is to come, by keys: schedules are made, changed, paused and deleted, and commands that
//! wait are taken back.

use chrono::{DateTime, Utc};
use signalbox_protocol::api::command::{
    Action as Order, Command, CommandState, NewTimedCommand, Origin, Schedule, SchedulePatch,
};

use super::{CommandsPage, Modal, ScheduleForm, State};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
    words,
};

/// Waiting commands that are remembered.
pub(crate) const WAITING_MAX: usize = 1_000;

impl State {
    /// Commands that wait, which the filter lets through; the next first.
    pub(crate) fn shown_waiting(&self) -> Vec<&Command> {
        let mut waiting = self.filtered_commands(self.waiting.values());
        waiting.sort_by_key(|command| command.not_before.unwrap_or(command.requested_at));
        waiting
    }

    /// A command as it is now: whether it still waits.
    pub(super) fn note_waiting(&mut self, command: &Command) {
        if command.state == CommandState::Requested {
            self.waiting.insert(command.id.clone(), command.clone());
            if self.waiting.len() > WAITING_MAX {
                self.waiting.pop_first();
            }
        } else {
            self.waiting.remove(&command.id);
        }
    }

    pub(super) fn on_schedule_event(&mut self, schedule: Schedule) {
        self.schedules.retain(|old| old.id != schedule.id);
        self.schedules.push(schedule);
        // By next run, paused ones last, as the station lists them.
        self.schedules
            .sort_by_key(|schedule| schedule.next_at.unwrap_or(DateTime::<Utc>::MAX_UTC));
    }

    /// What an actuator will do next without anybody asking, and when.
    pub(crate) fn next_run_of(&self, node: &str, name: &str) -> Option<(DateTime<Utc>, Order)> {
        let schedules = self
            .schedules
            .iter()
            .filter(|schedule| schedule.node == node && schedule.actuator == name)
            .filter_map(|schedule| Some((schedule.next_at?, schedule.action)));
        let waiting = self
            .waiting
            .values()
            .filter(|command| command.node == node && command.actuator == name)
            .filter_map(|command| Some((command.not_before?, command.action)));
        schedules.chain(waiting).min_by_key(|(at, _)| *at)
    }

    /// Whether schedules are on screen.
    pub(super) fn lists_schedules(&self) -> bool {
        self.place == Place::Commands && self.commands_page == CommandsPage::Schedules
    }

    fn marked_schedule(&self) -> Option<Schedule> {
        let shown = self.shown_schedules();
        let marked = shown.get(self.row()).filter(|_| self.lists_schedules());
        marked.map(|schedule| (*schedule).clone())
    }

    /// The form of a new schedule, for the actuator that is marked, else for one that there is.
    pub(super) fn new_schedule(&mut self) -> Modal {
        let marked = match self.commands_page {
            CommandsPage::Actuators => self.selected_node().and_then(|node| {
                let actuator = self.selected_actuator()?;
                Some((node.name.clone(), actuator.to_owned()))
            }),
            CommandsPage::Schedules | CommandsPage::Waiting | CommandsPage::History => None,
        };
        let last = self.node.as_ref().and_then(|name| self.nodes.get(name));
        let known = || {
            let mut nodes = last.into_iter().chain(self.nodes.values());
            nodes.find_map(|node| {
                let actuator = node.actuators.keys().next()?;
                Some((node.name.clone(), actuator.clone()))
            })
        };
        let (node, actuator) = marked.or_else(known).unwrap_or_default();
        let tz = self.tz.as_deref().unwrap_or("UTC");
        let form = ScheduleForm::new(&node, &actuator, tz, self.now);
        Modal::Schedule(Box::new(form))
    }

    /// Reads `NODE/ACTUATOR=on:10m 0 7 * * 1-5`, or a time in place of the five fields.
    pub(super) fn typed_schedule(&self, text: &str) -> Result<NewTimedCommand, String> {
        let how = "write what and when, like `kitchen/led=on:10m 0 7 * * 1-5`";
        let (order, when) = text.split_once(char::is_whitespace).ok_or(how)?;
        let order = words::order(order)?;
        let node = order.node.ok_or(how)?;
        let tz = self.tz.as_deref().unwrap_or("UTC");
        let mut form = ScheduleForm::new(&node, &order.actuator, tz, self.now);
        form.form.set("action", words::verb(order.action));
        if let Some(s) = order.duration_s {
            form.form.set("duration_s", &words::duration_text(s));
        }
        form.form.set("cron", when);
        form.read(self.now).map_err(|(_, text)| text)
    }

    /// Changes the marked schedule.
    pub(super) fn on_schedule(&mut self, cmd: Cmd) -> Vec<Action> {
        let Some(schedule) = self.marked_schedule() else {
            self.say("no schedule is marked: `v` leads to them", true);
            return Vec::new();
        };
        match cmd {
            Cmd::Edit => {
                let form = ScheduleForm::edit(&schedule, self.now);
                self.modal = Some(Modal::Schedule(Box::new(form)));
                Vec::new()
            }
            Cmd::Duplicate => {
                let form = ScheduleForm::like(&schedule, self.now);
                self.modal = Some(Modal::Schedule(Box::new(form)));
                Vec::new()
            }
            _ => {
                let paused = |paused| {
                    Box::new(SchedulePatch {
                        paused: Some(paused),
                        ..SchedulePatch::default()
                    })
                };
                self.ask(Action::PatchSchedule {
                    id: schedule.id,
                    patch: paused(!schedule.paused),
                    back: paused(schedule.paused),
                })
            }
        }
    }

    /// Deletes the marked schedule, or takes the marked command back.
    pub(super) fn cancel(&mut self) -> Vec<Action> {
        let action = match self.commands_page {
            CommandsPage::Actuators => None,
            CommandsPage::Schedules => {
                let marked = self.marked_schedule();
                marked.map(|schedule| Action::DeleteSchedule(Box::new(schedule)))
            }
            CommandsPage::Waiting | CommandsPage::History => {
                let open = self
                    .marked_command()
                    .filter(|command| command.state == CommandState::Requested);
                open.map(|command| Action::CancelCommand(Box::new(command.clone())))
            }
        };
        if let Some(action) = action {
            return self.ask(action);
        }
        let text = "only a schedule or a waiting command can be cancelled";
        self.say(text, true);
        Vec::new()
    }

    /// The marked command of the lists that have some.
    pub(super) fn marked_command(&self) -> Option<&Command> {
        let row = self.row();
        match self.commands_page {
            CommandsPage::Waiting => self.shown_waiting().get(row).copied(),
            CommandsPage::History => self.shown_commands().get(row).copied(),
            CommandsPage::Actuators | CommandsPage::Schedules => None,
        }
    }

    /// Opens what is marked: the node, the schedule, or all that is known of a command.
    pub(super) fn open_commanded(&mut self) -> Vec<Action> {
        match self.commands_page {
            CommandsPage::Actuators => return self.command(Cmd::Open),
            CommandsPage::Schedules => return self.on_schedule(Cmd::Edit),
            CommandsPage::Waiting | CommandsPage::History => {}
        }
        match self.marked_command() {
            Some(command) => {
                let target = format!("{}/{}", command.node, command.actuator);
                let lines = self.command_lines(command);
                self.modal = Some(Modal::Text {
                    title: target,
                    lines,
                    top: 0,
                });
            }
            None => self.say("nothing is marked", true),
        }
        Vec::new()
    }

    fn command_lines(&self, command: &Command) -> Vec<String> {
        let time = |word: &str, at: Option<DateTime<Utc>>| {
            Some(format!("{word:<10} {}", words::exact(at?)))
        };
        let does = words::does(command.action, command.for_ms.map(|ms| ms / 1_000));
        let told = |word: &str, text: &Option<String>| {
            Some(format!("{word:<10} {}", words::safe(text.as_deref()?)))
        };
        let lines = [
            Some(format!("{:<10} {does}", "order")),
            Some(format!("{:<10} {}", "result", words::state(command.state))),
            told("", &command.outcome),
            Some(format!("{:<10} {}", "by", self.who_asked(command))),
            told("why", &Self::why_asked(command)),
            time("asked", Some(command.requested_at)),
            time("not before", command.not_before),
            time("sent", command.sent_at),
            time("finished", command.finished_at),
            time("off at", command.off_at),
            time(
                "expires",
                Some(command.expires_at).filter(|_| !command.state.is_final()),
            ),
            Some(format!("{:<10} {}", "id", command.id)),
        ];
        lines.into_iter().flatten().collect()
    }

    /// Who asked for a command: a person, or what made it, by its name as far as it is known.
    pub(crate) fn who_asked(&self, command: &Command) -> String {
        match &command.origin {
            Origin::User { username } => words::safe(username),
            // A rule gives its name as the reason.
            Origin::Rule { .. } => command.reason.as_ref().map_or_else(
                || "a rule".to_owned(),
                |name| format!("rule {}", words::safe(name)),
            ),
            Origin::Schedule { schedule } => {
                let found = self.schedules.iter().find(|known| known.id == *schedule);
                found.map_or_else(
                    || "a schedule".to_owned(),
                    |schedule| format!("schedule {}", schedule.cron),
                )
            }
            Origin::Station => "the station".to_owned(),
        }
    }

    /// Why a command was asked for, where that says more than who did.
    pub(crate) fn why_asked(command: &Command) -> Option<String> {
        let reason = command.reason.as_deref().map(words::safe);
        reason.filter(|_| !matches!(command.origin, Origin::Rule { .. }))
    }
}
