//! Keys become changes of the state and actions.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::Input;

use super::{
    Modal, Plot, RuleForm, State,
    form::{paste_into, type_into},
};
use crate::{
    event::Action,
    keymap::{self, Cmd, Place},
    words,
};
use signalbox_protocol::api::{
    incident::IncidentState,
    rule::{Rule, RulePatch},
};

/// Rows of a page key.
const PAGE_ROWS: usize = 10;

impl State {
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Vec<Action> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if interrupt {
            return vec![Action::Quit];
        }
        if self.modal.is_some() {
            return self.on_modal_key(key);
        }
        if self.filtering {
            match key.code {
                KeyCode::Enter => self.filtering = false,
                KeyCode::Esc => {
                    self.filtering = false;
                    self.filter.reset();
                }
                _ => type_into(&mut self.filter, key),
            }
            return Vec::new();
        }
        match keymap::command(self.place, key) {
            Some(cmd) => self.command(cmd),
            None => Vec::new(),
        }
    }

    /// Pasted text goes into the text field that has the focus, and nowhere else.
    pub(super) fn on_paste(&mut self, text: &str) {
        match &mut self.modal {
            Some(Modal::Help { filter }) => paste_into(filter, text),
            Some(Modal::Login {
                username,
                password,
                on_password,
                ..
            }) => paste_into(if *on_password { password } else { username }, text),
            Some(Modal::Rule(form)) => form.paste(text),
            Some(Modal::OnFor { minutes, .. }) => paste_into(minutes, text),
            Some(Modal::Delete { .. }) => {}
            None if self.filtering => paste_into(&mut self.filter, text),
            None => self.say("pasted text is not taken as keys", false),
        }
    }

    fn command(&mut self, cmd: Cmd) -> Vec<Action> {
        match cmd {
            Cmd::Quit => return vec![Action::Quit],
            Cmd::Help => {
                self.modal = Some(Modal::Help {
                    filter: Input::default(),
                });
            }
            Cmd::Filter => self.filtering = true,
            Cmd::Back => self.back(),
            Cmd::GoOverview => self.place = Place::Overview,
            Cmd::GoRules => self.place = Place::Rules,
            Cmd::GoIncidents => self.place = Place::Incidents,
            Cmd::GoMessages => self.place = Place::Messages,
            Cmd::Up => self.set_row(self.row().saturating_sub(1)),
            Cmd::Down => self.set_row(self.row() + 1),
            Cmd::PageUp => self.set_row(self.row().saturating_sub(PAGE_ROWS)),
            Cmd::PageDown => self.set_row(self.row() + PAGE_ROWS),
            Cmd::First => self.set_row(0),
            Cmd::Last => self.set_row(usize::MAX),
            Cmd::Open => {
                if let Some(node) = self.selected_node().map(|node| node.name.clone()) {
                    self.node = Some(node.clone());
                    self.plot = Some(Plot::new(node));
                    self.place = Place::Node;
                    self.actuator = 0;
                }
            }
            Cmd::Toggle => return self.switch(None).into_iter().collect(),
            Cmd::OnFor => self.ask_minutes(),
            Cmd::NextActuator => self.actuator = self.actuator.wrapping_add(1),
            Cmd::NextMetric
            | Cmd::Wider
            | Cmd::Narrower
            | Cmd::Earlier
            | Cmd::Later
            | Cmd::CursorLeft
            | Cmd::CursorRight
            | Cmd::CursorOff => self.on_plot(cmd),
            Cmd::New => self.new_rule(),
            Cmd::Edit | Cmd::Delete | Cmd::Enable => return self.on_rule(cmd),
            Cmd::Acknowledge => return self.acknowledge(),
            Cmd::OnlyBad => self.only_bad = !self.only_bad,
        }
        Vec::new()
    }

    fn back(&mut self) {
        if !self.filter.value().is_empty() {
            self.filter.reset();
        } else if self.plot.as_ref().is_some_and(|plot| plot.cursor.is_some()) {
            self.on_plot(Cmd::CursorOff);
        } else {
            self.place = Place::Overview;
        }
    }

    fn switch(&mut self, on_for_s: Option<u32>) -> Option<Action> {
        let node = self.selected_node().map(|node| node.name.clone());
        let actuator = self.selected_actuator().map(str::to_owned);
        match (node, actuator) {
            (Some(node), Some(actuator)) => Some(Action::Switch {
                node,
                actuator,
                on_for_s,
            }),
            _ => {
                self.say("this node has told of no actuator", true);
                None
            }
        }
    }

    fn ask_minutes(&mut self) {
        let found = self.switch(None);
        if let Some(Action::Switch { node, actuator, .. }) = found {
            self.modal = Some(Modal::OnFor {
                node,
                actuator,
                minutes: Input::new("10m".to_owned()),
                error: None,
            });
        }
    }

    fn on_plot(&mut self, cmd: Cmd) {
        let metric = self.selected_metric().map(str::to_owned);
        let now = self.now;
        let Some(plot) = &mut self.plot else { return };
        let last = metric.map_or(0, |metric| {
            plot.points(&metric, now).len().saturating_sub(1)
        });
        match cmd {
            Cmd::NextMetric => {
                plot.metric = plot.metric.wrapping_add(1);
                plot.cursor = None;
            }
            Cmd::Wider => plot.zoom(true),
            Cmd::Narrower => plot.zoom(false),
            Cmd::Earlier => plot.pan(true),
            Cmd::Later => plot.pan(false),
            Cmd::CursorLeft => {
                plot.cursor = Some(plot.cursor.map_or(0, |back| (back + 1).min(last)));
            }
            Cmd::CursorRight => {
                plot.cursor = plot.cursor.and_then(|back| back.checked_sub(1));
            }
            _ => plot.cursor = None,
        }
    }

    fn new_rule(&mut self) {
        self.modal = Some(Modal::Rule(RuleForm::new("temperature", "")));
    }

    fn selected_rule(&self) -> Option<&Rule> {
        self.shown_rules().get(self.row()).copied()
    }

    fn on_rule(&mut self, cmd: Cmd) -> Vec<Action> {
        let Some(rule) = self.selected_rule() else {
            self.say("there is no rule; `n` makes one", true);
            return Vec::new();
        };
        match cmd {
            Cmd::Edit => self.modal = Some(Modal::Rule(RuleForm::edit(rule))),
            Cmd::Delete => {
                self.modal = Some(Modal::Delete {
                    id: rule.id.clone(),
                    name: rule.spec.name.clone(),
                });
            }
            _ => {
                let patch = RulePatch {
                    enabled: Some(!rule.enabled),
                    ..RulePatch::default()
                };
                return vec![Action::PatchRule(rule.id.clone(), Box::new(patch))];
            }
        }
        Vec::new()
    }

    fn acknowledge(&mut self) -> Vec<Action> {
        let found = self.shown_incidents().get(self.row()).copied().cloned();
        match found {
            Some(incident) if incident.state == IncidentState::Firing => {
                vec![Action::Acknowledge(incident.id)]
            }
            _ => {
                self.say("only a firing incident can be acknowledged", true);
                Vec::new()
            }
        }
    }

    fn on_modal_key(&mut self, key: KeyEvent) -> Vec<Action> {
        let Some(modal) = &mut self.modal else {
            return Vec::new();
        };
        let (mut action, mut close) = (None, false);
        match modal {
            Modal::Help { filter } => match key.code {
                KeyCode::Esc | KeyCode::Enter => close = true,
                KeyCode::Char('q' | '?') if filter.value().is_empty() => close = true,
                _ => type_into(filter, key),
            },
            Modal::Delete { id, .. } => match key.code {
                KeyCode::Char('y' | 'Y') => {
                    action = Some(Action::DeleteRule(id.clone()));
                    close = true;
                }
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => close = true,
                _ => {}
            },
            Modal::OnFor {
                node,
                actuator,
                minutes,
                error,
            } => match key.code {
                KeyCode::Esc => close = true,
                KeyCode::Enter => match words::duration_s(minutes.value()) {
                    Ok(s) => {
                        action = Some(Action::Switch {
                            node: node.clone(),
                            actuator: actuator.clone(),
                            on_for_s: Some(s),
                        });
                        close = true;
                    }
                    Err(text) => *error = Some(text),
                },
                _ => type_into(minutes, key),
            },
            Modal::Rule(form) => (action, close) = rule_key(form, key),
            Modal::Login { .. } => action = login_key(modal, key),
        }
        if close {
            self.modal = None;
        }
        action.into_iter().collect()
    }
}

fn rule_key(form: &mut RuleForm, key: KeyEvent) -> (Option<Action>, bool) {
    let save = key.code == KeyCode::Char('s') && key.modifiers.contains(KeyModifiers::CONTROL);
    if form.waiting {
        return (None, key.code == KeyCode::Esc);
    }
    let last = form.focus + 1 == form.fields.len();
    match key.code {
        KeyCode::Esc => return (None, true),
        _ if save => return (form.submit(), false),
        KeyCode::Enter if last => return (form.submit(), false),
        KeyCode::Enter | KeyCode::Tab | KeyCode::Down => form.next(),
        KeyCode::BackTab | KeyCode::Up => form.previous(),
        _ => form.key(key),
    }
    (None, false)
}

fn login_key(modal: &mut Modal, key: KeyEvent) -> Option<Action> {
    let Modal::Login {
        username,
        password,
        on_password,
        error,
        waiting,
    } = modal
    else {
        return None;
    };
    if *waiting {
        return (key.code == KeyCode::Esc).then_some(Action::Quit);
    }
    match key.code {
        KeyCode::Esc => return Some(Action::Quit),
        KeyCode::Enter if *on_password => {
            *waiting = true;
            *error = None;
            return Some(Action::LogIn {
                username: username.value().to_owned(),
                password: password.value_and_reset(),
            });
        }
        KeyCode::Enter | KeyCode::Tab | KeyCode::Down | KeyCode::BackTab | KeyCode::Up => {
            *on_password = !*on_password;
        }
        _ => type_into(if *on_password { password } else { username }, key),
    }
    None
}
