//! What changes something at the station, or opens the window that will.

use signalbox_protocol::api::{
    command::Action as Order,
    rule::{Rule, RulePatch},
};

use super::{
    AdminPage, CommandsPage, Modal, Prompt, PromptKind, RuleForm, State, silence::new_silence,
};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
    words,
};

impl State {
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
                self.without_actuator();
                Vec::new()
            }
        }
    }

    fn without_actuator(&mut self) {
        self.say(
            match (self.place, self.commands_page) {
                (Place::Commands, CommandsPage::Actuators) | (Place::Overview | Place::Node, _) => {
                    "this node has told of no actuator"
                }
                _ => "no actuator is marked: `v` leads to them",
            },
            true,
        );
    }

    pub(super) fn ask_minutes(&mut self) {
        let node = self.selected_node().map(|node| node.name.clone());
        let actuator = self.selected_actuator().map(str::to_owned);
        let (Some(node), Some(actuator)) = (node, actuator) else {
            self.without_actuator();
            return;
        };
        let title = format!("{node}/{actuator} on for");
        let kind = PromptKind::OnFor { node, actuator };
        let hint = "90s, 10m, 1h30m, or seconds";
        self.modal = Some(Prompt::open(kind, title, hint, "10m"));
    }

    pub(super) fn new_thing(&mut self) {
        self.modal = Some(match (self.place, self.admin_page) {
            (Place::Incidents, _) => new_silence(),
            (Place::Commands, _) => self.new_schedule(),
            (Place::Admin, AdminPage::Users) => {
                let hint = "name, address, role: ada ada@example.org viewer";
                Prompt::open(PromptKind::NewUser, "New account".to_owned(), hint, "")
            }
            (Place::Admin, AdminPage::Mails) => {
                let title = "Test mail to".to_owned();
                Prompt::open(PromptKind::TestMail, title, "an address", "")
            }
            (Place::Admin, _) => {
                let hint = "a name; one that is there gets a new password";
                Prompt::open(PromptKind::NewNode, "Login for a node".to_owned(), hint, "")
            }
            _ => {
                let series = self.series().filter(|_| self.place == Place::Chart);
                let (node, metric) =
                    series.unwrap_or_else(|| (String::new(), "temperature".to_owned()));
                let mut form = RuleForm::new(&metric, &node);
                let read = self.reading(self.chart.as_ref().and_then(|chart| chart.cursor));
                if let Some(point) = read.filter(|_| self.place == Place::Chart) {
                    form.form.set("value", &words::value(point.mean));
                }
                Modal::Rule(Box::new(form))
            }
        });
    }

    pub(super) fn on_account(&mut self, cmd: Cmd) -> Vec<Action> {
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
                    let title = format!("Role or password of {}", user.username);
                    let kind = PromptKind::Role {
                        username: user.username,
                    };
                    let hint = "viewer, operator, administrator, or password";
                    self.modal = Some(Prompt::open(kind, title, hint, user.role.as_str()));
                }
            }
            (AdminPage::Mails, Cmd::Edit) => {
                let mail = self.shown_mails().get(row).map(|mail| mail.id.clone());
                match mail {
                    Some(id) => return self.ask(Action::RetryMail(id)),
                    None => self.say("no mail is marked", true),
                }
            }
            (AdminPage::Sessions, Cmd::Delete) => {
                let session = self.shown_sessions().get(row).map(|it| (*it).clone());
                match session {
                    Some(session) => return self.ask(Action::EndSession(Box::new(session))),
                    None => self.say("no session is marked", true),
                }
            }
            (AdminPage::Nodes, Cmd::Edit) => match node {
                Some(node) => return self.ask(Action::AddNode(node)),
                None => self.say("no node is marked", true),
            },
            (AdminPage::Nodes, Cmd::Delete) => match node {
                Some(node) => return self.ask(Action::RemovePassword(node)),
                None => self.say("no node is marked", true),
            },
            _ => self.say("there is nothing to change here", true),
        }
        Vec::new()
    }

    pub(super) fn on_rule(&mut self, cmd: Cmd) -> Vec<Action> {
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
                form.form.set("name", "");
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

    pub(super) fn details(&mut self) -> Vec<Action> {
        match self.place {
            Place::Incidents => return self.open_incident(),
            Place::Commands => return self.open_commanded(),
            _ => {}
        }
        let row = self.row();
        let found = match self.place {
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
        Vec::new()
    }
}
