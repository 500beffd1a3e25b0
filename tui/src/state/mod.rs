//! All that the terminal knows and shows. [`State::on`] takes an event and gives actions; drawing
//! only reads it.

mod form;
mod keys;
mod live;
mod plot;
mod spark;

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    auth::Whoami,
    command::Command,
    event::Hello,
    incident::Incident,
    message::{Message, Outcome},
    node::Node,
    rule::Rule,
    station::Health,
};
use tui_input::Input;

pub(crate) use form::{RuleForm, severity_word};
pub(crate) use plot::{Plot, Point, RANGES};
pub(crate) use spark::{SPARK_BUCKET_S, SPARK_COLUMNS_MAX, Spark, index as spark_index};

use crate::{
    event::{Action, Event},
    keymap::Place,
};

/// Commands that are remembered.
pub(crate) const COMMANDS_MAX: usize = 200;
/// Messages that are remembered.
pub(crate) const MESSAGES_MAX: usize = 500;
/// Incidents that are remembered.
pub(crate) const INCIDENTS_MAX: usize = 500;
/// How long a notice stays.
const NOTICE_S: i64 = 6;

/// The connection to the station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    Online,
    /// Since when, and why. The last screen stays.
    Lost(DateTime<Utc>, String),
}

/// What is in front of the screen.
#[derive(Debug)]
pub(crate) enum Modal {
    Help {
        filter: Input,
    },
    Login {
        username: Input,
        password: Input,
        on_password: bool,
        error: Option<String>,
        waiting: bool,
    },
    Rule(RuleForm),
    Delete {
        id: String,
        name: String,
    },
    OnFor {
        node: String,
        actuator: String,
        minutes: Input,
        error: Option<String>,
    },
}

/// A sentence at the bottom that goes away by itself.
#[derive(Debug)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) bad: bool,
    until: DateTime<Utc>,
}

/// The state.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) now: DateTime<Utc>,
    pub(crate) endpoint: String,
    pub(crate) link: Link,
    pub(crate) hello: Option<Hello>,
    pub(crate) me: Option<Whoami>,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) sparks: BTreeMap<(String, String), Spark>,
    pub(crate) rules: Vec<Rule>,
    /// Whether the station can send mails.
    pub(crate) mail_configured: bool,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) commands: VecDeque<Command>,
    pub(crate) messages: VecDeque<Message>,
    pub(crate) only_bad: bool,
    pub(crate) missed: u64,
    /// Since when the station itself lacks its store or broker, as first told here.
    pub(crate) degraded: Option<(DateTime<Utc>, Health)>,
    pub(crate) place: Place,
    /// Selected row of each list, by place.
    rows: BTreeMap<u8, usize>,
    /// Name of the selected node, so that the mark stays on it when others come.
    pub(crate) node: Option<String>,
    /// Index of the marked actuator.
    pub(crate) actuator: usize,
    pub(crate) plot: Option<Plot>,
    pub(crate) filter: Input,
    pub(crate) filtering: bool,
    pub(crate) modal: Option<Modal>,
    pub(crate) notice: Option<Notice>,
    /// Columns of the chart, for the number of buckets to ask for.
    pub(crate) width: u16,
}

impl State {
    pub(crate) fn new(endpoint: String, now: DateTime<Utc>) -> Self {
        Self {
            now,
            endpoint,
            link: Link::Connecting,
            hello: None,
            me: None,
            nodes: BTreeMap::new(),
            sparks: BTreeMap::new(),
            rules: Vec::new(),
            mail_configured: true,
            incidents: Vec::new(),
            commands: VecDeque::new(),
            messages: VecDeque::new(),
            only_bad: false,
            missed: 0,
            degraded: None,
            place: Place::Overview,
            rows: BTreeMap::new(),
            node: None,
            actuator: 0,
            plot: None,
            filter: Input::default(),
            filtering: false,
            modal: None,
            notice: None,
            width: 80,
        }
    }

    /// Takes an event.
    pub(crate) fn on(&mut self, event: Event, now: DateTime<Utc>) -> Vec<Action> {
        self.now = now;
        if self
            .notice
            .as_ref()
            .is_some_and(|notice| notice.until <= now)
        {
            self.notice = None;
        }
        let mut actions = match event {
            Event::Key(key) => self.on_key(key),
            Event::Paste(text) => {
                self.on_paste(&text);
                Vec::new()
            }
            Event::Resize | Event::Tick => Vec::new(),
            Event::Net(net) => {
                self.on_net(net);
                Vec::new()
            }
        };
        actions.extend(self.chart_wish());
        actions
    }

    /// History for the chart on screen, when it is due.
    fn chart_wish(&mut self) -> Option<Action> {
        if self.link != Link::Online || self.place != Place::Node {
            return None;
        }
        let (now, width) = (self.now, self.width);
        let plot = self.plot.as_mut()?;
        plot.wants_history(now).then(|| Action::LoadChart {
            node: plot.node.clone(),
            range_s: plot.range_s(),
            back_s: plot.back_s,
            buckets: u32::from(width.clamp(20, 500)) * 2,
        })
    }

    pub(crate) fn say(&mut self, text: impl Into<String>, bad: bool) {
        self.notice = Some(Notice {
            text: text.into(),
            bad,
            until: self.now + TimeDelta::seconds(NOTICE_S),
        });
    }

    fn matches(&self, text: &[&str]) -> bool {
        let wanted = self.filter.value().to_lowercase();
        wanted.is_empty()
            || text
                .iter()
                .any(|text| text.to_lowercase().contains(&wanted))
    }

    /// Nodes that the filter lets through.
    pub(crate) fn shown_nodes(&self) -> Vec<&Node> {
        let fits = |node: &&Node| {
            let mut texts: Vec<&str> = node.latest.keys().map(String::as_str).collect();
            texts.push(&node.name);
            self.matches(&texts)
        };
        self.nodes.values().filter(fits).collect()
    }

    /// Rules that the filter lets through.
    pub(crate) fn shown_rules(&self) -> Vec<&Rule> {
        let fits = |rule: &&Rule| {
            let node = rule.spec.node.as_deref().unwrap_or_default();
            self.matches(&[&rule.spec.name, &rule.spec.metric, node])
        };
        self.rules.iter().filter(fits).collect()
    }

    /// Incidents that the filter lets through.
    pub(crate) fn shown_incidents(&self) -> Vec<&Incident> {
        let fits = |i: &&Incident| self.matches(&[&i.node, &i.rule_name, &i.metric]);
        self.incidents.iter().filter(fits).collect()
    }

    /// Messages that the filter and the choice of bad ones let through.
    pub(crate) fn shown_messages(&self) -> Vec<&Message> {
        let fits = |m: &&Message| {
            let bad = matches!(m.outcome, Outcome::Bad | Outcome::Denied);
            (bad || !self.only_bad) && self.matches(&[&m.topic, &m.head])
        };
        self.messages.iter().filter(fits).collect()
    }

    /// The selected node: the one on its page, else the marked one of the overview.
    pub(crate) fn selected_node(&self) -> Option<&Node> {
        if self.place == Place::Node {
            let plot = self.plot.as_ref()?;
            return self.nodes.get(&plot.node);
        }
        let shown = self.shown_nodes();
        let marked = self.node.as_deref();
        let found = shown.iter().find(|node| Some(node.name.as_str()) == marked);
        found.or(shown.first()).copied()
    }

    /// Name of the marked actuator of the selected node.
    pub(crate) fn selected_actuator(&self) -> Option<&str> {
        let node = self.selected_node()?;
        let names: Vec<&String> = node.actuators.keys().collect();
        let at = self.actuator.checked_rem(names.len())?;
        names.get(at).map(|name| name.as_str())
    }

    /// Name of the metric on the node's page.
    pub(crate) fn selected_metric(&self) -> Option<&str> {
        let node = self.selected_node()?;
        let names: Vec<&String> = node.latest.keys().collect();
        let at = self.plot.as_ref()?.metric.checked_rem(names.len())?;
        names.get(at).map(|name| name.as_str())
    }

    /// Length of the list on screen.
    fn list_len(&self) -> usize {
        match self.place {
            Place::Overview => self.shown_nodes().len(),
            Place::Rules => self.shown_rules().len(),
            Place::Incidents => self.shown_incidents().len(),
            Place::Messages => self.shown_messages().len(),
            Place::Node | Place::Anywhere => 0,
        }
    }

    /// The selected row of the list on screen.
    pub(crate) fn row(&self) -> usize {
        let last = self.list_len().saturating_sub(1);
        if self.place == Place::Overview {
            let shown = self.shown_nodes();
            let marked = self.selected_node().map(|node| node.name.as_str());
            let at = shown
                .iter()
                .position(|node| Some(node.name.as_str()) == marked);
            return at.unwrap_or(0);
        }
        self.rows
            .get(&(self.place as u8))
            .map_or(0, |row| (*row).min(last))
    }

    fn set_row(&mut self, row: usize) {
        let row = row.min(self.list_len().saturating_sub(1));
        if self.place == Place::Overview {
            self.node = self.shown_nodes().get(row).map(|node| node.name.clone());
            self.actuator = 0;
        }
        self.rows.insert(self.place as u8, row);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
