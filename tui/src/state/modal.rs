//! What is in front of the screen, and the keys that it takes.

use chrono::{DateTime, Utc};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use signalbox_protocol::api::{command::Action as Order, silence::NewSilence, user::Role};
use tui_input::Input;

use super::{
    IncidentView, LineState, PaletteState, RuleForm, ScheduleForm, State,
    dispatch::PAGE_ROWS,
    form::{Form, Pressed, paste_into, type_into},
    silence,
};
use crate::{event::Action, keymap::Cmd, range, words};

/// Shortest password that a station takes.
const PASSWORD_CHARS_MIN: usize = 8;

/// What is in front of the screen.
#[derive(Debug)]
pub(crate) enum Modal {
    Help {
        filter: Input,
        /// Lines that are scrolled away.
        top: usize,
    },
    Palette(PaletteState),
    Line(LineState),
    Login {
        username: Input,
        password: Input,
        on_password: bool,
        error: Option<String>,
        waiting: bool,
    },
    Rule(Box<RuleForm>),
    Schedule(Box<ScheduleForm>),
    /// Whether an action is meant.
    Confirm(Box<Action>),
    Prompt(Prompt),
    /// An incident, with what happened to it.
    Incident(Box<IncidentView>),
    /// Something to read.
    Text {
        title: String,
        lines: Vec<String>,
        top: usize,
    },
}

/// A window with one text field.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) kind: PromptKind,
    pub(crate) title: String,
    pub(crate) hint: &'static str,
    pub(crate) input: Input,
    pub(crate) hidden: bool,
    pub(crate) error: Option<String>,
}

/// What the text is for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PromptKind {
    OnFor {
        node: String,
        actuator: String,
    },
    Range,
    Export,
    /// Until when an incident is acknowledged, and why.
    AckUntil {
        id: String,
    },
    /// For how long something is not to be mailed about, and why. What it is may be given.
    Silence(Option<Box<NewSilence>>),
    NewNode,
    NewUser,
    Password {
        username: String,
        email: String,
        role: Role,
    },
    /// A role, or the word that asks for a password.
    Role {
        username: String,
    },
    NewPassword {
        username: String,
    },
    TestMail,
}

impl Prompt {
    pub(super) fn open(kind: PromptKind, title: String, hint: &'static str, text: &str) -> Modal {
        let hidden = matches!(
            kind,
            PromptKind::Password { .. } | PromptKind::NewPassword { .. }
        );
        Modal::Prompt(Self {
            kind,
            title,
            hint,
            input: Input::new(text.to_owned()),
            hidden,
            error: None,
        })
    }
}

/// What a key does to the window in front.
enum Step {
    Stay,
    Close,
    /// Stays, and asks for this.
    AskAndStay(Action),
}

impl State {
    /// The form in front, while it waits for the station's answer.
    pub(super) fn waiting_form(&mut self) -> Option<&mut Form> {
        let form = match &mut self.modal {
            Some(Modal::Rule(form)) => &mut form.form,
            Some(Modal::Schedule(form)) => &mut form.form,
            _ => return None,
        };
        Some(form).filter(|form| form.waiting)
    }

    /// Pasted text goes into the text field that has the focus, and nowhere else.
    pub(super) fn on_paste(&mut self, text: &str) {
        let now = self.now;
        match &mut self.modal {
            Some(Modal::Help { filter, .. }) => paste_into(filter, text),
            Some(Modal::Palette(palette)) => paste_into(&mut palette.typed, text),
            Some(Modal::Line(line)) => paste_into(&mut line.input, text),
            Some(Modal::Login {
                username,
                password,
                on_password,
                ..
            }) => paste_into(if *on_password { password } else { username }, text),
            Some(Modal::Rule(form)) => {
                form.form.paste(text);
                form.check();
            }
            Some(Modal::Schedule(form)) => {
                form.form.paste(text);
                form.check(now);
            }
            Some(Modal::Prompt(prompt)) => paste_into(&mut prompt.input, text),
            Some(Modal::Confirm(_) | Modal::Text { .. } | Modal::Incident(_)) => {}
            None if self.filtering => paste_into(&mut self.filter, text),
            None => self.say("pasted text is not taken as keys", false),
        }
    }

    pub(super) fn on_modal_key(&mut self, key: KeyEvent) -> Vec<Action> {
        match &self.modal {
            Some(Modal::Palette(_)) => return self.on_palette_key(key),
            Some(Modal::Line(_)) => return self.on_line_key(key),
            Some(Modal::Prompt(_)) if key.code == KeyCode::Enter => return self.submit_prompt(),
            _ => {}
        }
        let now = self.now;
        let Some(modal) = &mut self.modal else {
            return Vec::new();
        };
        let step = match modal {
            Modal::Help { filter, top } => help_key(filter, top, key),
            Modal::Confirm(action) => match key.code {
                KeyCode::Char('y' | 'Y') => {
                    let action = (**action).clone();
                    self.modal = None;
                    return vec![action];
                }
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => Step::Close,
                _ => Step::Stay,
            },
            Modal::Incident(view) => text_key(view.lines, &mut view.top, key),
            Modal::Text { lines, top, .. } => text_key(lines.len(), top, key),
            Modal::Prompt(prompt) => {
                if key.code == KeyCode::Esc {
                    Step::Close
                } else {
                    type_into(&mut prompt.input, key);
                    Step::Stay
                }
            }
            Modal::Rule(form) => rule_key(form, key, now),
            Modal::Schedule(form) => schedule_key(form, key, now),
            Modal::Login { .. } => match login_key(modal, key) {
                Some(action) => Step::AskAndStay(action),
                None => Step::Stay,
            },
            Modal::Palette(_) | Modal::Line(_) => Step::Stay,
        };
        match step {
            Step::Stay => Vec::new(),
            Step::Close => {
                self.modal = None;
                Vec::new()
            }
            Step::AskAndStay(action) => {
                // A form is not covered by a question: saving it is the yes.
                if self.settings.read_only && action.weight() > crate::event::Weight::Nothing {
                    self.modal = None;
                    return self.ask(action);
                }
                vec![action]
            }
        }
    }

    /// What was typed into a prompt.
    fn submit_prompt(&mut self) -> Vec<Action> {
        let Some(Modal::Prompt(prompt)) = &self.modal else {
            return Vec::new();
        };
        let (kind, text) = (prompt.kind.clone(), prompt.input.value().trim().to_owned());
        match self.read_prompt(kind, &text) {
            Ok(actions) => actions,
            Err(text) => {
                if let Some(Modal::Prompt(prompt)) = &mut self.modal {
                    prompt.error = Some(text);
                }
                Vec::new()
            }
        }
    }

    fn read_prompt(&mut self, kind: PromptKind, text: &str) -> Result<Vec<Action>, String> {
        let action = match kind {
            PromptKind::OnFor { node, actuator } => Action::Switch {
                node,
                actuator,
                order: Order::On,
                for_s: Some(words::duration_s(text)?),
            },
            PromptKind::Range => {
                let (span, end) = range::read(text, self.now)?;
                if let Some(chart) = &mut self.chart {
                    chart.show(span, end);
                    (chart.cursor, chart.mark) = (None, None);
                }
                self.modal = None;
                return Ok(Vec::new());
            }
            PromptKind::Export => {
                let action = self.export(text)?;
                self.modal = None;
                return Ok(vec![action]);
            }
            PromptKind::AckUntil { .. } | PromptKind::Silence(_) => {
                silence::read_prompt(kind, text, self.now)?
            }
            PromptKind::NewNode => {
                signalbox_protocol::topic::check_name(text)
                    .map_err(|error| format!("`{text}`: {error}"))?;
                Action::AddNode(text.to_owned())
            }
            PromptKind::NewUser => {
                self.modal = Some(password_of(text)?);
                return Ok(Vec::new());
            }
            PromptKind::Password {
                username,
                email,
                role,
            } => {
                if text.chars().count() < PASSWORD_CHARS_MIN {
                    return Err("a password has at least 8 characters".to_owned());
                }
                Action::AddUser {
                    username,
                    email,
                    role,
                    password: text.to_owned(),
                }
            }
            PromptKind::Role { username } if text == "password" => {
                let title = format!("New password of {username}");
                let kind = PromptKind::NewPassword { username };
                self.modal = Some(Prompt::open(kind, title, "8 characters or more", ""));
                return Ok(Vec::new());
            }
            PromptKind::TestMail => Action::TestMail(text.to_owned()),
            PromptKind::NewPassword { username } => {
                if text.chars().count() < PASSWORD_CHARS_MIN {
                    return Err("a password has at least 8 characters".to_owned());
                }
                let password = text.to_owned();
                Action::SetPassword { username, password }
            }
            PromptKind::Role { username } => Action::SetRole {
                role: role_of(text)?,
                back: self.role_of_user(&username),
                username,
            },
        };
        self.modal = None;
        Ok(self.ask(action))
    }

    fn role_of_user(&self, username: &str) -> Option<Role> {
        let users = self.admin.as_ref()?.users.as_ref()?;
        let user = users.iter().find(|user| user.username == username)?;
        Some(user.role)
    }
}

/// Asks for the password of the account that was written.
fn password_of(text: &str) -> Result<Modal, String> {
    let parts: Vec<&str> = text.split_whitespace().collect();
    let &[username, email, role] = &parts[..] else {
        return Err("write name, address and role, like `ada ada@x.org viewer`".into());
    };
    let (username, email) = (username.to_owned(), email.to_owned());
    let title = format!("Password of {username}");
    let kind = PromptKind::Password {
        role: role_of(role)?,
        email,
        username,
    };
    Ok(Prompt::open(kind, title, "8 characters or more", ""))
}

fn role_of(word: &str) -> Result<Role, String> {
    Role::from_word(word)
        .ok_or_else(|| format!("`{word}` is none of viewer, operator, administrator"))
}

fn help_key(filter: &mut Input, top: &mut usize, key: KeyEvent) -> Step {
    match key.code {
        KeyCode::Esc | KeyCode::Enter => return Step::Close,
        KeyCode::Char('q' | '?') if filter.value().is_empty() => return Step::Close,
        KeyCode::Down => *top += 1,
        KeyCode::Up => *top = top.saturating_sub(1),
        KeyCode::PageDown => *top += PAGE_ROWS,
        KeyCode::PageUp => *top = top.saturating_sub(PAGE_ROWS),
        _ => {
            *top = 0;
            type_into(filter, key);
        }
    }
    // There are no more rows than keys.
    *top = (*top).min(Cmd::ALL.len());
    Step::Stay
}

fn text_key(lines: usize, top: &mut usize, key: KeyEvent) -> Step {
    let last = lines.saturating_sub(1);
    match key.code {
        KeyCode::Down | KeyCode::Char('j') => *top = (*top + 1).min(last),
        KeyCode::Up | KeyCode::Char('k') => *top = top.saturating_sub(1),
        KeyCode::PageDown => *top = (*top + PAGE_ROWS).min(last),
        KeyCode::PageUp => *top = top.saturating_sub(PAGE_ROWS),
        KeyCode::Esc | KeyCode::Enter | KeyCode::Char('q' | 'i') => return Step::Close,
        _ => {}
    }
    Step::Stay
}

fn rule_key(form: &mut RuleForm, key: KeyEvent, now: DateTime<Utc>) -> Step {
    let dry_run = key.code == KeyCode::Char('r') && key.modifiers.contains(KeyModifiers::CONTROL);
    if dry_run && !form.form.waiting {
        return form.dry_run(now).map_or(Step::Stay, Step::AskAndStay);
    }
    match form.form.press(key) {
        Pressed::Leave => return Step::Close,
        Pressed::Save => return form.submit().map_or(Step::Stay, Step::AskAndStay),
        Pressed::Typed => form.check(),
        Pressed::Moved => {}
    }
    Step::Stay
}

fn schedule_key(form: &mut ScheduleForm, key: KeyEvent, now: DateTime<Utc>) -> Step {
    match form.form.press(key) {
        Pressed::Leave => return Step::Close,
        Pressed::Save => return form.submit(now).map_or(Step::Stay, Step::AskAndStay),
        Pressed::Typed => form.check(now),
        Pressed::Moved => {}
    }
    Step::Stay
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
