//! All that the terminal knows and shows. [`State::on`] takes an event and gives actions; drawing
//! only reads it.

mod acts;
mod chart;
mod configure;
mod copy;
mod dispatch;
mod export;
mod filter;
mod form;
mod incident;
mod keys;
mod line;
mod lists;
mod live;
mod logs;
mod modal;
mod mouse;
mod pages;
mod palette;
mod plot;
mod rule_form;
mod schedule_form;
mod shown;
mod silence;
mod spark;
mod sparks;
mod tell;
mod timed;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    auth::Whoami,
    command::{Command, Schedule},
    config::NodeConfig,
    event::Hello,
    incident::Incident,
    message::Message,
    node::{Node, Presence},
    rule::Rule,
    silence::Silence,
    station::Health,
};
use tui_input::Input;

pub(crate) use chart::{
    Chart, Compare, GAP_MS_MIN, History, Point, Question, SCALE_COLUMNS, Scale, Series,
};
pub(crate) use form::Form;
pub(crate) use incident::{INCIDENT_BUCKETS, IncidentFacts, IncidentView};
pub(crate) use line::{LineState, usage as line_usage};
pub(crate) use lists::ActuatorRow;
pub(crate) use logs::NodeLog;
pub(crate) use modal::{Modal, Prompt, PromptKind};
pub(crate) use pages::{AdminPage, CommandsPage, IncidentsPage, NodeCharts, NodesView, SortBy};
pub(crate) use palette::{PaletteState, entries as palette_entries};
pub(crate) use plot::Gap;
pub(crate) use rule_form::{DryRunState, RuleForm, severity_word};
pub(crate) use schedule_form::{Runs, ScheduleForm, again};
pub(crate) use spark::{SPARK_BUCKET_S, SPARK_COLUMNS_MAX, Spark, index as spark_index};
pub(crate) use sparks::SPARK_SERIES_MAX;
pub(crate) use tell::{Notice, Told};
pub(crate) use timed::WAITING_MAX;

use crate::{
    event::{Action, Admin, Event, Net, Undo},
    keymap::Place,
    settings::Settings,
};

/// Commands that are remembered.
pub(crate) const COMMANDS_MAX: usize = 200;
/// Messages that are remembered.
pub(crate) const MESSAGES_MAX: usize = 500;
/// Log lines of the shown node that are remembered.
pub(crate) const LOG_LINES_MAX: usize = 200;
/// Incidents that are remembered.
pub(crate) const INCIDENTS_MAX: usize = 500;
/// Silences that are remembered.
pub(crate) const SILENCES_MAX: usize = 200;
/// Changes of presence that are remembered, for the causes of gaps.
const PRESENCES_MAX: usize = 2_000;

/// The connection to the station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    Online,
    /// Since when, and why. The last screen stays.
    Lost(DateTime<Utc>, String),
}

/// A node came or went while this terminal looked.
#[derive(Debug)]
pub(crate) struct PresenceChange {
    pub(crate) node: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) presence: Presence,
}

/// The state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: DateTime<Utc>,
    pub(crate) settings: Settings,
    pub(crate) endpoint: String,
    pub(crate) link: Link,
    pub(crate) hello: Option<Hello>,
    pub(crate) me: Option<Whoami>,
    pub(crate) nodes: BTreeMap<String, Node>,
    /// See [`State::nodes_changed`].
    node_changes: u64,
    found: shown::Found,
    /// Of nodes that have one, or have told of one.
    pub(crate) configs: BTreeMap<String, NodeConfig>,
    pub(crate) sparks: BTreeMap<(String, String), Spark>,
    spark_nodes: sparks::SparkNodes,
    pub(crate) presences: VecDeque<PresenceChange>,
    pub(crate) rules: Vec<Rule>,
    /// Whether the station can send mails.
    pub(crate) mail_configured: bool,
    pub(crate) incidents: Vec<Incident>,
    /// Planned and active ones first, then newest first.
    pub(crate) silences: Vec<Silence>,
    pub(crate) incidents_page: IncidentsPage,
    pub(crate) commands: VecDeque<Command>,
    /// By next run, paused ones last.
    pub(crate) schedules: Vec<Schedule>,
    /// Commands that are not sent yet, by id.
    waiting: BTreeMap<String, Command>,
    /// The station's time zone.
    tz: Option<String>,
    pub(crate) messages: VecDeque<Message>,
    /// Of the node whose page is open.
    pub(crate) node_log: Option<NodeLog>,
    /// The messages on screen while the list is paused.
    pub(crate) paused: Option<VecDeque<Message>>,
    pub(crate) only_bad: bool,
    /// Whether messages are shown as they came, not decoded.
    pub(crate) raw: bool,
    pub(crate) admin: Option<Admin>,
    /// When that was asked for.
    pub(crate) admin_at: Option<DateTime<Utc>>,
    /// Messages a second, as of then.
    pub(crate) message_rate: Option<f64>,
    pub(crate) missed: u64,
    /// Since when the station itself lacks its store or broker, as first told here.
    pub(crate) degraded: Option<(DateTime<Utc>, Health)>,
    pub(crate) place: Place,
    /// Where `Esc` leads from a chart.
    pub(crate) from_place: Place,
    pub(crate) sort: SortBy,
    /// How nodes are shown; `None` goes by their number and the width.
    pub(crate) chosen_view: Option<NodesView>,
    pub(crate) commands_page: CommandsPage,
    pub(crate) admin_page: AdminPage,
    /// Selected row of each list.
    rows: BTreeMap<(Place, usize), usize>,
    /// Name of the selected node, so that the mark stays on it when others come.
    pub(crate) node: Option<String>,
    /// Index of the marked actuator.
    pub(crate) actuator: usize,
    pub(crate) chart: Option<Chart>,
    pub(crate) filter: Input,
    pub(crate) filtering: bool,
    pub(crate) modal: Option<Modal>,
    pub(crate) notice: Option<Notice>,
    /// All that was told, newest first.
    pub(crate) log: VecDeque<Told>,
    /// Edits that can be taken back, newest last.
    pub(crate) undos: Vec<Undo>,
    /// Lines that were typed behind `:`, oldest first.
    pub(crate) lines: Vec<String>,
    /// Columns and rows of the screen.
    pub(crate) size: (u16, u16),
}

impl State {
    pub(crate) fn new(endpoint: String, settings: Settings, now: DateTime<Utc>) -> Self {
        Self {
            now,
            settings,
            endpoint,
            link: Link::Connecting,
            hello: None,
            me: None,
            nodes: BTreeMap::new(),
            node_changes: 0,
            found: shown::Found::default(),
            configs: BTreeMap::new(),
            sparks: BTreeMap::new(),
            spark_nodes: sparks::SparkNodes::default(),
            presences: VecDeque::new(),
            rules: Vec::new(),
            mail_configured: true,
            incidents: Vec::new(),
            silences: Vec::new(),
            incidents_page: IncidentsPage::default(),
            commands: VecDeque::new(),
            schedules: Vec::new(),
            waiting: BTreeMap::new(),
            tz: None,
            messages: VecDeque::new(),
            node_log: None,
            paused: None,
            only_bad: false,
            raw: false,
            admin: None,
            admin_at: None,
            message_rate: None,
            missed: 0,
            degraded: None,
            place: Place::Overview,
            from_place: Place::Overview,
            sort: SortBy::default(),
            chosen_view: None,
            commands_page: CommandsPage::default(),
            admin_page: AdminPage::default(),
            rows: BTreeMap::new(),
            node: None,
            actuator: 0,
            chart: None,
            filter: Input::default(),
            filtering: false,
            modal: None,
            notice: None,
            log: VecDeque::new(),
            undos: Vec::new(),
            lines: Vec::new(),
            size: (80, 24),
        }
    }

    /// Takes an event.
    pub(crate) fn on(&mut self, event: Event, now: DateTime<Utc>) -> Vec<Action> {
        self.now = now;
        self.forget_notice();
        let moves = !matches!(event, Event::Net(Net::Live(_)));
        let mut actions = match event {
            Event::Key(key) => self.on_key(key),
            Event::Paste(text) => {
                self.on_paste(&text);
                Vec::new()
            }
            Event::Mouse(mouse) => self.on_mouse(mouse),
            Event::Resize | Event::Tick => Vec::new(),
            Event::Net(net) => self.on_net(net),
        };
        actions.extend(self.chart_wish());
        actions.extend(self.log_wish());
        if moves {
            actions.extend(self.spark_wish());
        }
        actions
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
