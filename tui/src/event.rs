//! Every input of the terminal, in one enum: keys, what the station sends, answers, the clock.

use ratatui::crossterm::event::KeyEvent;
use signalbox_protocol::api::{
    auth::{LoginReply, Whoami},
    command::Command,
    data::BucketsReply,
    event::{Event as Live, Hello},
    incident::Incident,
    message::Message,
    node::Node,
    rule::{NewRule, Rule, RulePatch},
};

/// Something happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted; it triggers no keys.
    Paste(String),
    /// The terminal has another size.
    Resize,
    /// A second has passed.
    Tick,
    /// From the station.
    Net(Net),
}

/// What the station says.
#[derive(Debug)]
pub(crate) enum Net {
    /// A connection, with the present state.
    Connected(Box<Snapshot>),
    /// A committed change.
    Live(Box<Live>),
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
    pub(crate) rules: Vec<Rule>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) commands: Vec<Command>,
    pub(crate) messages: Vec<Message>,
    pub(crate) recent: BucketsReply,
    /// Whether the station can send mails.
    pub(crate) mail_configured: bool,
}

/// What became of an action.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Done; a sentence for the person.
    Done(String),
    /// Not done: why, and the field at fault.
    Failed { text: String, field: Option<String> },
    /// A session is open.
    LoggedIn(LoginReply),
    /// Data for a chart.
    Chart { node: String, reply: BucketsReply },
}

/// What a key can lead to outside of the state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Quit,
    LogIn {
        username: String,
        password: String,
    },
    Switch {
        node: String,
        actuator: String,
        /// `None` toggles; else on for so many seconds.
        on_for_s: Option<u32>,
    },
    AddRule(Box<NewRule>),
    PatchRule(String, Box<RulePatch>),
    DeleteRule(String),
    Acknowledge(String),
    LoadChart {
        node: String,
        range_s: i64,
        /// How far before now the right end is.
        back_s: i64,
        buckets: u32,
    },
}
