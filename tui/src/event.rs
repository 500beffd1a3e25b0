//! Every input of the terminal, in one enum: keys, the mouse, what the station sends, answers,
//! the clock; and what the state asks for in return.

use chrono::{DateTime, Utc};
use ratatui::crossterm::event::KeyEvent;
use signalbox_protocol::api::{
    auth::{LoginReply, Whoami},
    command::{Action as Order, Command, NewTimedCommand, Schedule, SchedulePatch},
    config::{NewNodeConfig, NodeConfig, NodeSettings},
    data::BucketsReply,
    event::{Event as Live, Hello},
    incident::{Acknowledge, Incident},
    log::LogLine,
    mail::Mail,
    message::Message,
    node::{Node, NodeCredentials},
    rule::{DryRunReply, NewRule, Rule, RulePatch},
    session::Session,
    silence::{NewSilence, Silence},
    station::{Health, Station},
    user::{Role, User},
};

use crate::{
    keymap::{Cmd, Place},
    state::{History, IncidentFacts, Question},
    words,
};

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted; it triggers no keys.
    Paste(String),
    /// The mouse, on something that is shown.
    Mouse(Mouse),
    /// The terminal has another size.
    Resize,
    /// A second has passed.
    Tick,
    /// From the station.
    Net(Net),
}

/// What the mouse does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mouse {
    Click(Target),
    /// Up or down, over something or nothing.
    Wheel {
        up: bool,
        over: Option<Target>,
    },
    /// Sideways, as touch pads do, or up and down with Shift.
    Sideways {
        left: bool,
        over: Option<Target>,
    },
}

/// What can be clicked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    Tab(Place),
    Cmd(Cmd),
    /// A page of the screen, counted from its left.
    Page(usize),
    /// A row of the list on screen.
    Row(usize),
    /// A place in a chart, as a share of its width from the left.
    Chart(f64),
}

/// What the station says.
#[derive(Debug)]
pub(crate) enum Net {
    /// A connection, with the present state.
    Connected(Box<Snapshot>),
    /// Committed changes that came together, in their order.
    Live(Vec<Live>),
    /// No connection.
    Lost(String),
    /// The station wants to know who we are.
    LoginNeeded,
    /// The answer to an action.
    Answer(Box<Answer>),
}

/// The present state of the station.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) hello: Hello,
    pub(crate) me: Whoami,
    pub(crate) nodes: Vec<Node>,
    pub(crate) configs: Vec<NodeConfig>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) commands: Vec<Command>,
    /// Empty unless they are looked at.
    pub(crate) messages: Vec<Message>,
    /// Those that something can still happen to.
    pub(crate) open: Vec<Command>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) silences: Vec<Silence>,
    /// For the sparklines; `None` when the station has too many series to ask for all.
    pub(crate) recent: Option<BucketsReply>,
    /// The station's time zone.
    pub(crate) tz: Option<String>,
    /// Whether the station can send mails.
    pub(crate) mail_configured: bool,
}

/// What administrators look at; parts that this person may not see are absent.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) station: Station,
    pub(crate) health: Health,
    pub(crate) users: Option<Vec<User>>,
    pub(crate) sessions: Option<Vec<Session>>,
    pub(crate) mails: Option<Vec<Mail>>,
}

/// What became of an action.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Done: a sentence for the person, and what takes it back.
    Done { text: String, undo: Option<Undo> },
    /// Not done: why, and the field at fault.
    Failed { text: String, field: Option<String> },
    /// A session is open.
    LoggedIn(LoginReply),
    /// Data for a chart.
    Chart(Box<History>),
    /// The last minutes of these nodes, for their sparklines; those that failed are absent.
    Sparks {
        nodes: Vec<String>,
        recent: Vec<BucketsReply>,
    },
    /// What a rule would have done.
    DryRun(Result<(DryRunReply, BucketsReply), String>),
    /// Log lines of a node, newest first.
    Log { node: String, lines: Vec<LogLine> },
    /// For the window of an incident.
    Incident(Box<IncidentFacts>),
    /// The latest messages, newest first, now that they are looked at.
    Messages(Vec<Message>),
    /// For the administration's screen.
    Admin(Box<Admin>),
    /// A node's login, shown this one time.
    Credentials(NodeCredentials),
}

/// An edit that can be taken back: in words, and how.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Undo {
    pub(crate) text: String,
    pub(crate) action: Box<Action>,
}

/// What a key can lead to outside of the state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Quit,
    /// To the clipboard of the person's terminal.
    Copy(String),
    /// Another theme.
    Theme(String),
    /// Whether the mouse is listened to.
    Mouse(bool),
    /// Into a file of the person's machine.
    Write {
        path: String,
        text: String,
    },
    LogIn {
        username: String,
        password: String,
    },
    Switch {
        node: String,
        actuator: String,
        order: Order,
        /// With on: for so many seconds.
        for_s: Option<u32>,
    },
    /// For the log lines of a node.
    LoadLog(String),
    /// A command at a time, or one that repeats.
    AddTimed(Box<NewTimedCommand>),
    CancelCommand(Box<Command>),
    PatchSchedule {
        id: String,
        patch: Box<SchedulePatch>,
        /// What takes it back.
        back: Box<SchedulePatch>,
    },
    DeleteSchedule(Box<Schedule>),
    /// A schedule as it was, after it was deleted.
    RestoreSchedule(Box<Schedule>),
    AddRule(Box<NewRule>),
    /// A rule as it was, after it was deleted.
    RestoreRule(Box<Rule>),
    PatchRule {
        id: String,
        patch: Box<RulePatch>,
        /// What takes it back.
        back: Box<RulePatch>,
    },
    DeleteRule(Box<Rule>),
    Acknowledge {
        id: String,
        ack: Acknowledge,
    },
    AddSilence(Box<NewSilence>),
    EndSilence(Box<Silence>),
    AddNode(String),
    RemovePassword(String),
    AddUser {
        username: String,
        email: String,
        role: Role,
        password: String,
    },
    SetRole {
        username: String,
        role: Role,
        /// The one before, when it is known.
        back: Option<Role>,
    },
    SetPassword {
        username: String,
        password: String,
    },
    DeleteUser(String),
    EndSession(Box<Session>),
    RetryMail(String),
    TestMail(String),
    LoadChart(Box<Question>),
    LoadSparks(Vec<String>),
    /// Mails and samples around an incident.
    LoadIncident {
        id: String,
        node: String,
        metric: String,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    },
    LoadAdmin,
    SetConfig {
        node: String,
        new: Box<NewNodeConfig>,
        /// The settings before.
        back: Box<NodeSettings>,
    },
    DryRun {
        rule: Box<NewRule>,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    },
}

/// How much an action can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Changes nothing at the station.
    Nothing,
    /// Can be taken back, or is of an everyday kind.
    Everyday,
    /// Takes something away.
    Dangerous,
}

impl Action {
    pub(crate) const fn weight(&self) -> Weight {
        match self {
            Self::Quit
            | Self::Copy(_)
            | Self::Theme(_)
            | Self::Mouse(_)
            | Self::Write { .. }
            | Self::LogIn { .. }
            | Self::LoadLog(_)
            | Self::LoadChart(_)
            | Self::LoadSparks(_)
            | Self::LoadIncident { .. }
            | Self::LoadAdmin
            | Self::DryRun { .. } => Weight::Nothing,
            Self::Switch { .. }
            | Self::AddRule(_)
            | Self::RestoreRule(_)
            | Self::PatchRule { .. }
            | Self::Acknowledge { .. }
            | Self::AddSilence(_)
            | Self::EndSilence(_)
            | Self::CancelCommand(_)
            | Self::AddTimed(_)
            | Self::PatchSchedule { .. }
            | Self::RestoreSchedule(_)
            | Self::RetryMail(_)
            | Self::TestMail(_)
            | Self::SetConfig { .. }
            | Self::AddUser { .. } => Weight::Everyday,
            // A node's present password ends with a new one.
            Self::AddNode(_)
            | Self::DeleteRule(_)
            | Self::DeleteSchedule(_)
            | Self::RemovePassword(_)
            | Self::SetRole { .. }
            | Self::SetPassword { .. }
            | Self::EndSession(_)
            | Self::DeleteUser(_) => Weight::Dangerous,
        }
    }

    /// Asks whether it is meant.
    pub(crate) fn question(&self) -> String {
        match self {
            Self::Switch {
                node,
                actuator,
                order,
                ..
            } => format!("Switch {node}/{actuator} ({})?", words::verb(*order)),
            Self::SetConfig { node, .. } => format!("Configure `{node}`?"),
            Self::AddRule(_) => "Make this rule?".to_owned(),
            Self::RestoreRule(rule) => format!("Make `{}` again?", rule.spec.name),
            Self::PatchRule { .. } => "Change this rule?".to_owned(),
            Self::DeleteRule(rule) => format!(
                "Delete rule `{}`? Its incidents are closed.",
                rule.spec.name
            ),
            Self::Acknowledge { .. } => "Acknowledge this incident?".to_owned(),
            Self::AddSilence(_) => "Hold these mails back?".to_owned(),
            Self::EndSilence(_) => "End this silence?".to_owned(),
            Self::AddTimed(_) => "Plan this command?".to_owned(),
            Self::CancelCommand(command) => {
                let does = words::does(command.action, command.for_ms.map(|ms| ms / 1_000));
                format!("Cancel {}/{} {does}?", command.node, command.actuator)
            }
            Self::PatchSchedule { patch, .. } => match patch.paused {
                Some(true) => "Pause this schedule?".to_owned(),
                Some(false) => "Let this schedule run again?".to_owned(),
                None => "Change this schedule?".to_owned(),
            },
            Self::DeleteSchedule(schedule) => {
                format!("Delete the schedule {}?", words::schedule(schedule))
            }
            Self::RestoreSchedule(schedule) => {
                format!("Make the schedule {} again?", words::schedule(schedule))
            }
            Self::AddNode(name) => {
                format!("Make a login for `{name}`? A present one ends.")
            }
            Self::RemovePassword(node) => {
                format!("Take `{node}`'s login away? It cannot connect any more.")
            }
            Self::AddUser { username, .. } => format!("Make the account `{username}`?"),
            Self::SetRole { username, role, .. } => {
                format!("Make `{username}` {}? Its sessions end.", role.as_str())
            }
            Self::SetPassword { username, .. } => {
                format!("Give `{username}` this password? Its sessions end.")
            }
            Self::EndSession(session) => {
                let name = &session.username;
                let from = words::safe(session.from.as_deref().unwrap_or("nowhere yet"));
                if session.expires_at.is_some() {
                    format!("End `{name}`'s session from {from}? Its token is revoked.")
                } else {
                    format!("Close `{name}`'s terminal? The system's user id lets it in again.")
                }
            }
            Self::RetryMail(_) => "Try this mail again?".to_owned(),
            Self::TestMail(to) => format!("Send a test mail to {to}?"),
            Self::DeleteUser(username) => format!("Delete the account `{username}`?"),
            _ => "Go on?".to_owned(),
        }
    }
}
