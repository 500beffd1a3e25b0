//! Commands become changes of the state and actions.

use signalbox_protocol::api::{
    command::{Action as Order, CommandState},
    incident::IncidentState,
    rule::{Rule, RulePatch},
};
use tui_input::Input;

use super::{
    AdminPage, Chart, CommandsPage, LineState, Modal, PaletteState, Prompt, PromptKind, RuleForm,
    Scale, State,
};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
    words,
};

/// Rows of a page key.
const PAGE_ROWS: usize = 10;

impl State {
    pub(super) fn command(&mut self, cmd: Cmd) -> Vec<Action> {
        match cmd {
            Cmd::Quit => return vec![Action::Quit],
            Cmd::Help => {
                let filter = Input::default();
                self.modal = Some(Modal::Help { filter });
            }
            Cmd::Palette => self.modal = Some(Modal::Palette(PaletteState::default())),
            Cmd::Line => self.modal = Some(Modal::Line(LineState::default())),
            Cmd::Filter => self.filtering = true,
            Cmd::Back => self.back(),
            Cmd::Undo => return self.undo(),
            Cmd::Copy => return self.copy(),
            Cmd::GoOverview => return self.go(Place::Overview),
            Cmd::GoRules => return self.go(Place::Rules),
            Cmd::GoIncidents => return self.go(Place::Incidents),
            Cmd::GoMessages => return self.go(Place::Messages),
            Cmd::GoCommands => return self.go(Place::Commands),
            Cmd::GoAdmin => return self.go(Place::Admin),
            Cmd::GoLog => return self.go(Place::Log),
            Cmd::Up => self.set_row(self.row().saturating_sub(1)),
            Cmd::Down => self.set_row(self.row() + 1),
            Cmd::PageUp => self.set_row(self.row().saturating_sub(PAGE_ROWS)),
            Cmd::PageDown => self.set_row(self.row() + PAGE_ROWS),
            Cmd::First => self.set_row(0),
            Cmd::Last => self.set_row(usize::MAX),
            Cmd::Open => self.open_node(),
            Cmd::OpenChart => self.open_selected_chart(),
            Cmd::Layout => self.next_layout(),
            Cmd::Sort => {
                self.sort = self.sort.next();
                self.say(format!("sorted by {}", self.sort.word()), false);
            }
            Cmd::Toggle => return self.switch(Order::Toggle, None),
            Cmd::OnFor => self.ask_minutes(),
            Cmd::NextActuator => self.actuator = self.actuator.wrapping_add(1),
            Cmd::NextMetric
            | Cmd::Wider
            | Cmd::Narrower
            | Cmd::Earlier
            | Cmd::Later
            | Cmd::Now
            | Cmd::CursorLeft
            | Cmd::CursorRight
            | Cmd::CursorFarLeft
            | Cmd::CursorFarRight
            | Cmd::CursorOff
            | Cmd::Peak
            | Cmd::Mark
            | Cmd::Freeze
            | Cmd::Overlay
            | Cmd::Compare => self.on_chart(cmd),
            Cmd::Scale => self.next_scale(),
            Cmd::Range | Cmd::Export => self.prompt(cmd),
            Cmd::New => self.new_thing(),
            Cmd::Edit | Cmd::Delete if self.place == Place::Admin => return self.on_account(cmd),
            Cmd::Edit | Cmd::Delete | Cmd::Enable | Cmd::Duplicate | Cmd::DryRun => {
                return self.on_rule(cmd);
            }
            Cmd::Acknowledge => return self.acknowledge(),
            Cmd::Details => self.details(),
            Cmd::OnlyBad => self.only_bad = !self.only_bad,
            Cmd::Decode => self.raw = !self.raw,
            Cmd::Pause => {
                self.paused = match self.paused.take() {
                    Some(_) => None,
                    None => Some(self.messages.clone()),
                }
            }
            Cmd::Cancel => return self.cancel(),
            Cmd::Refresh => return vec![Action::LoadAdmin],
        }
        Vec::new()
    }

    fn back(&mut self) {
        let cursor = self
            .chart
            .as_ref()
            .is_some_and(|chart| chart.cursor.is_some());
        if !self.filter.value().is_empty() {
            self.filter.reset();
        } else if matches!(self.place, Place::Node | Place::Chart) && cursor {
            self.on_chart(Cmd::CursorOff);
        } else if self.place == Place::Chart {
            self.place = self.from_place;
        } else {
            self.place = Place::Overview;
        }
    }

    fn copy(&mut self) -> Vec<Action> {
        match self.marked_text() {
            Some(text) => {
                // Terminals do not say whether they took it, and many do not.
                let shown: String = words::safe(&text).chars().take(60).collect();
                self.say(format!("given to the terminal to copy: {shown}"), false);
                vec![Action::Copy(text)]
            }
            None => {
                self.say("nothing is marked", true);
                Vec::new()
            }
        }
    }

    fn open_node(&mut self) {
        if let Some(node) = self.selected_node().map(|node| node.name.clone()) {
            if self.chart.as_ref().is_none_or(|chart| chart.node != node) {
                self.chart = Some(Chart::new(node.clone(), None));
            }
            self.node = Some(node);
            self.place = Place::Node;
            self.actuator = 0;
        }
    }

    fn open_selected_chart(&mut self) {
        if self.place == Place::Incidents {
            let found = self.shown_incidents().get(self.row()).copied().cloned();
            if let Some(incident) = found {
                self.open_chart(incident.node, Some(incident.metric));
                let at = incident.fired_at.unwrap_or(incident.began_at);
                if let Some(chart) = &mut self.chart {
                    let end = (at + chart.span / 2).min(self.now);
                    chart.show(chart.span, Some(end).filter(|end| *end < self.now));
                    chart.cursor = Some(at);
                }
            }
            return;
        }
        if let Some(node) = self.selected_node().map(|node| node.name.clone()) {
            self.open_chart(node, None);
        }
    }

    fn next_layout(&mut self) {
        match self.place {
            Place::Overview => self.cards = Some(!self.shows_cards()),
            Place::Commands => self.commands_page = self.commands_page.next(),
            Place::Admin => self.admin_page = self.admin_page.next(),
            _ => {
                if let Some(chart) = &mut self.chart {
                    chart.stacked = !chart.stacked;
                }
            }
        }
    }

    /// Whether nodes are shown as cards.
    pub(crate) fn shows_cards(&self) -> bool {
        self.cards
            .unwrap_or(self.size.0 >= 180 && self.nodes.len() <= 24)
    }

    fn next_scale(&mut self) {
        let Some(series) = self.series() else { return };
        let now = self.now;
        let Some(chart) = &mut self.chart else { return };
        let points = chart.points(&series, now);
        let min = points.iter().map(|point| point.min).reduce(f64::min);
        let max = points.iter().map(|point| point.max).reduce(f64::max);
        chart.scale = match (chart.scale, min, max) {
            (Scale::Auto, Some(min), Some(max)) => Scale::Fixed(min, max),
            (Scale::Fixed(..), ..) => Scale::Shared,
            _ => Scale::Auto,
        };
        let text = match chart.scale {
            Scale::Auto => "scale: automatic",
            Scale::Fixed(..) => "scale: stays as it is now",
            Scale::Shared => "scale: the same for every node",
        };
        self.say(text, false);
    }

    fn prompt(&mut self, cmd: Cmd) {
        if self.series().is_none() {
            self.say("nothing is measured here yet", true);
            return;
        }
        self.modal = Some(if cmd == Cmd::Range {
            let hint = "last 6h, yesterday, 06:00 .. 09:00, 2026-11-01 .. 2026-11-03";
            Prompt::new(PromptKind::Range, "Range".to_owned(), hint, "")
        } else {
            let hint = "a file ending in .csv, .json or .svg";
            let name = self.export_name();
            Prompt::new(
                PromptKind::Export,
                "Export what is seen".to_owned(),
                hint,
                &name,
            )
        });
    }

    /// Switches the marked actuator.
    pub(super) fn switch(&mut self, order: Order, for_s: Option<u32>) -> Vec<Action> {
        let node = self.selected_node().map(|node| node.name.clone());
        let actuator = self.selected_actuator().map(str::to_owned);
        match (node, actuator) {
            (Some(node), Some(actuator)) => self.ask(Action::Switch {
                node,
                actuator,
                order,
                for_s,
            }),
            _ => {
                self.say("this node has told of no actuator", true);
                Vec::new()
            }
        }
    }

    fn ask_minutes(&mut self) {
        let node = self.selected_node().map(|node| node.name.clone());
        let actuator = self.selected_actuator().map(str::to_owned);
        let (Some(node), Some(actuator)) = (node, actuator) else {
            self.say("this node has told of no actuator", true);
            return;
        };
        let title = format!("{node}/{actuator} on for");
        let kind = PromptKind::OnFor { node, actuator };
        let hint = "90s, 10m, 1h30m, or seconds";
        self.modal = Some(Prompt::new(kind, title, hint, "10m"));
    }

    fn new_thing(&mut self) {
        self.modal = Some(match (self.place, self.admin_page) {
            (Place::Admin, AdminPage::Users) => {
                let hint = "name, address, role: ada ada@example.org viewer";
                Prompt::new(PromptKind::NewUser, "New account".to_owned(), hint, "")
            }
            (Place::Admin, _) => {
                let hint = "a name; one that is there gets a new password";
                Prompt::new(PromptKind::NewNode, "Login for a node".to_owned(), hint, "")
            }
            _ => {
                let series = self.series().filter(|_| self.place == Place::Chart);
                let (node, metric) =
                    series.unwrap_or_else(|| (String::new(), "temperature".to_owned()));
                let mut form = RuleForm::new(&metric, &node);
                let read = self.reading(self.chart.as_ref().and_then(|chart| chart.cursor));
                if let Some(point) = read.filter(|_| self.place == Place::Chart) {
                    form.set("value", &words::value(point.mean));
                }
                Modal::Rule(Box::new(form))
            }
        });
    }

    fn on_account(&mut self, cmd: Cmd) -> Vec<Action> {
        let row = self.row();
        let user = self.shown_users().get(row).map(|user| (*user).clone());
        let node = self.selected_node().map(|node| node.name.clone());
        match (self.admin_page, cmd) {
            (AdminPage::Users, Cmd::Delete) => match user {
                Some(user) => return self.ask(Action::DeleteUser(user.username)),
                None => self.say("no account is marked", true),
            },
            (AdminPage::Users, _) => {
                if let Some(user) = user {
                    let title = format!("Role of {}", user.username);
                    let kind = PromptKind::Role {
                        username: user.username,
                    };
                    let hint = "viewer, operator, administrator";
                    self.modal = Some(Prompt::new(kind, title, hint, user.role.as_str()));
                }
            }
            (AdminPage::Nodes, Cmd::Delete) => match node {
                Some(node) => return self.ask(Action::RemovePassword(node)),
                None => self.say("no node is marked", true),
            },
            _ => self.say("there is nothing to change here", true),
        }
        Vec::new()
    }

    fn on_rule(&mut self, cmd: Cmd) -> Vec<Action> {
        let rule: Option<Rule> = self.shown_rules().get(self.row()).copied().cloned();
        let Some(rule) = rule else {
            self.say("there is no rule; `n` makes one", true);
            return Vec::new();
        };
        match cmd {
            Cmd::Edit => self.modal = Some(Modal::Rule(Box::new(RuleForm::edit(&rule)))),
            Cmd::DryRun => {
                let mut form = RuleForm::edit(&rule);
                let asked = form.dry_run(self.now);
                self.modal = Some(Modal::Rule(Box::new(form)));
                return asked.into_iter().collect();
            }
            Cmd::Duplicate => {
                let mut form = RuleForm::edit(&rule);
                form.id = None;
                form.set("name", "");
                self.modal = Some(Modal::Rule(Box::new(form)));
            }
            Cmd::Delete => return self.ask(Action::DeleteRule(Box::new(rule))),
            _ => {
                let enabled = |enabled| {
                    Box::new(RulePatch {
                        enabled: Some(enabled),
                        ..RulePatch::default()
                    })
                };
                return self.ask(Action::PatchRule {
                    id: rule.id,
                    patch: enabled(!rule.enabled),
                    back: enabled(rule.enabled),
                });
            }
        }
        Vec::new()
    }

    fn acknowledge(&mut self) -> Vec<Action> {
        let found = self.shown_incidents().get(self.row()).copied().cloned();
        match found {
            Some(incident) if incident.state == IncidentState::Firing => {
                self.ask(Action::Acknowledge(incident.id))
            }
            _ => {
                self.say("only a firing incident can be acknowledged", true);
                Vec::new()
            }
        }
    }

    fn cancel(&mut self) -> Vec<Action> {
        let row = self.row();
        let action = match self.commands_page {
            CommandsPage::Schedules => {
                let schedules = self.shown_schedules();
                let found = schedules.get(row);
                found.map(|schedule| Action::DeleteSchedule(schedule.id.clone()))
            }
            CommandsPage::History => {
                let commands = self.shown_commands();
                let open = commands
                    .get(row)
                    .filter(|command| command.state == CommandState::Requested);
                open.map(|command| Action::CancelCommand(command.id.clone()))
            }
            CommandsPage::Actuators => None,
        };
        match action {
            Some(action) => self.ask(action),
            None => {
                self.say(
                    "only a schedule or a waiting command can be cancelled",
                    true,
                );
                Vec::new()
            }
        }
    }

    fn details(&mut self) {
        let row = self.row();
        let found = match self.place {
            Place::Incidents => {
                let incidents = self.shown_incidents();
                incidents.get(row).map(|incident| {
                    let rule = self.rules.iter().find(|rule| rule.id == incident.rule);
                    (incident.rule_name.clone(), words::story(incident, rule))
                })
            }
            Place::Messages => {
                let messages = self.shown_messages();
                messages
                    .get(row)
                    .map(|message| (message.topic.clone(), words::decoded(message)))
            }
            _ => {
                let log = self.shown_log();
                log.get(row)
                    .map(|told| (words::exact(told.at), vec![told.text.clone()]))
            }
        };
        match found {
            Some((title, lines)) => {
                self.modal = Some(Modal::Text {
                    title,
                    lines,
                    top: 0,
                });
            }
            None => self.say("nothing is marked", true),
        }
    }
}
