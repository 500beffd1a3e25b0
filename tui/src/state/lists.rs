//! The lists on screen: what the filter lets through, in which order, and which row is marked.

use signalbox_protocol::api::{
    command::{Command, Schedule},
    incident::{Incident, IncidentState},
    mail::Mail,
    message::{Message, Outcome},
    node::{Actuator, Node},
    rule::Rule,
    session::Session,
    silence::Silence,
    user::User,
};

use super::{State, Told, filter::Filter};
use crate::{event::Action, keymap::Place};

/// The order of the nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum SortBy {
    /// Those with incidents first.
    #[default]
    Incidents,
    Name,
    /// Those that are away first.
    Presence,
    /// Those that were silent longest first.
    Age,
}

impl SortBy {
    pub(crate) const WORDS: [(Self, &'static str); 4] = [
        (Self::Incidents, "incidents"),
        (Self::Name, "name"),
        (Self::Presence, "state"),
        (Self::Age, "age"),
    ];

    pub(crate) fn word(self) -> &'static str {
        let found = Self::WORDS.into_iter().find(|(by, _)| *by == self);
        found.map_or("", |(_, word)| word)
    }

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Incidents => Self::Name,
            Self::Name => Self::Presence,
            Self::Presence => Self::Age,
            Self::Age => Self::Incidents,
        }
    }
}

/// How the nodes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodesView {
    /// A row for each metric, with its sparkline.
    Table,
    /// A row for each node.
    Rows,
    Cards,
}

impl NodesView {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Table => Self::Rows,
            Self::Rows => Self::Cards,
            Self::Cards => Self::Table,
        }
    }
}

/// A part of the commands' screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CommandsPage {
    #[default]
    Actuators,
    Schedules,
    History,
}

impl CommandsPage {
    pub(crate) const ALL: [Self; 3] = [Self::Actuators, Self::Schedules, Self::History];

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Actuators => Self::Schedules,
            Self::Schedules => Self::History,
            Self::History => Self::Actuators,
        }
    }
}

/// A part of the incidents' screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum IncidentsPage {
    #[default]
    Incidents,
    Silences,
}

impl IncidentsPage {
    pub(crate) const ALL: [Self; 2] = [Self::Incidents, Self::Silences];

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Incidents => Self::Silences,
            Self::Silences => Self::Incidents,
        }
    }
}

/// A part of the administration's screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum AdminPage {
    #[default]
    Station,
    Nodes,
    Users,
    Sessions,
    Mails,
}

impl AdminPage {
    pub(crate) const ALL: [Self; 5] = [
        Self::Station,
        Self::Nodes,
        Self::Users,
        Self::Sessions,
        Self::Mails,
    ];

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Station => Self::Nodes,
            Self::Nodes => Self::Users,
            Self::Users => Self::Sessions,
            Self::Sessions => Self::Mails,
            Self::Mails => Self::Station,
        }
    }
}

/// An actuator with its node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActuatorRow<'a> {
    pub(crate) node: &'a Node,
    pub(crate) name: &'a str,
    pub(crate) actuator: &'a Actuator,
}

impl State {
    fn typed(&self) -> Filter {
        Filter::new(self.filter.value())
    }

    /// Whether something of a node fires now.
    pub(crate) fn is_firing(&self, node: &str) -> bool {
        self.incidents.iter().any(|incident| {
            incident.node == node
                && matches!(
                    incident.state,
                    IncidentState::Firing | IncidentState::Acknowledged
                )
        })
    }

    /// Rules that the filter lets through.
    pub(crate) fn shown_rules(&self) -> Vec<&Rule> {
        let mut filter = self.typed();
        let fits = |rule: &&Rule| {
            let node = rule.spec.node.as_deref().unwrap_or_default();
            filter.lets(&[&rule.spec.name, &rule.spec.metric, node])
        };
        self.rules.iter().filter(fits).collect()
    }

    /// Incidents that the filter lets through.
    pub(crate) fn shown_incidents(&self) -> Vec<&Incident> {
        let mut filter = self.typed();
        let fits = |i: &&Incident| filter.lets(&[&i.node, &i.rule_name, &i.metric]);
        self.incidents.iter().filter(fits).collect()
    }

    /// Silences that the filter lets through.
    pub(crate) fn shown_silences(&self) -> Vec<&Silence> {
        let mut filter = self.typed();
        let all = self.silences.iter();
        all.filter(|s| filter.lets(&[&crate::words::silenced(s), &s.created_by, &s.comment]))
            .collect()
    }

    /// The marked incident of the list.
    pub(crate) fn selected_incident(&self) -> Option<&Incident> {
        let listed =
            self.place == Place::Incidents && self.incidents_page == IncidentsPage::Incidents;
        let shown = self.shown_incidents();
        shown.get(self.row()).copied().filter(|_| listed)
    }

    /// Messages that the filter and the choice of bad ones let through.
    pub(crate) fn shown_messages(&self) -> Vec<&Message> {
        let mut filter = self.typed();
        let fits = |m: &&Message| {
            let bad = matches!(m.outcome, Outcome::Bad | Outcome::Denied);
            (bad || !self.only_bad) && filter.lets(&[&m.topic, &m.head])
        };
        let messages = self.paused.as_ref().unwrap_or(&self.messages);
        messages.iter().filter(fits).collect()
    }

    /// All actuators that the filter lets through, by node.
    pub(crate) fn shown_actuators(&self) -> Vec<ActuatorRow<'_>> {
        let mut filter = self.typed();
        let rows = self.nodes.values().flat_map(|node| {
            let rows = node.actuators.iter();
            rows.map(move |(name, actuator)| ActuatorRow {
                node,
                name,
                actuator,
            })
        });
        rows.filter(|row| filter.lets(&[&row.node.name, row.name]))
            .collect()
    }

    /// Schedules that the filter lets through.
    pub(crate) fn shown_schedules(&self) -> Vec<&Schedule> {
        let mut filter = self.typed();
        let all = self.schedules.iter();
        all.filter(|s| filter.lets(&[&s.node, &s.actuator, &s.cron]))
            .collect()
    }

    /// Commands that the filter lets through, newest first.
    pub(crate) fn shown_commands(&self) -> Vec<&Command> {
        let mut filter = self.typed();
        let all = self.commands.iter();
        all.filter(|c| filter.lets(&[&c.node, &c.actuator]))
            .collect()
    }

    /// Accounts that the filter lets through.
    pub(crate) fn shown_users(&self) -> Vec<&User> {
        let mut filter = self.typed();
        let all = self.admin.iter().filter_map(|admin| admin.users.as_ref());
        all.flatten()
            .filter(|user| filter.lets(&[&user.username, &user.email]))
            .collect()
    }

    /// Sessions that the filter lets through.
    pub(crate) fn shown_sessions(&self) -> Vec<&Session> {
        let mut filter = self.typed();
        let all = self
            .admin
            .iter()
            .filter_map(|admin| admin.sessions.as_ref());
        all.flatten()
            .filter(|session| {
                let from = session.from.as_deref().unwrap_or_default();
                let client = session.client.as_deref().unwrap_or_default();
                filter.lets(&[&session.username, from, client])
            })
            .collect()
    }

    /// Mails that the filter lets through.
    pub(crate) fn shown_mails(&self) -> Vec<&Mail> {
        let mut filter = self.typed();
        let all = self.admin.iter().filter_map(|admin| admin.mails.as_ref());
        all.flatten()
            .filter(|mail| filter.lets(&[&mail.recipient, &mail.subject]))
            .collect()
    }

    /// What was told, as far as the filter lets it through.
    pub(crate) fn shown_log(&self) -> Vec<&Told> {
        let mut filter = self.typed();
        let all = self.log.iter();
        all.filter(|told| filter.lets(&[&told.text])).collect()
    }

    /// The selected node: the one on its page, else the marked one of the list.
    pub(crate) fn selected_node(&self) -> Option<&Node> {
        match self.place {
            Place::Node | Place::Chart => self.nodes.get(&self.chart.as_ref()?.node),
            Place::Commands if self.commands_page == CommandsPage::Actuators => {
                let rows = self.shown_actuators();
                rows.get(self.row()).map(|row| row.node)
            }
            _ => {
                let shown = self.shown_nodes();
                let marked = self.node.as_deref().and_then(|name| shown.row_of(name));
                shown.get(marked.unwrap_or(0))
            }
        }
    }

    /// Name of the marked actuator of the selected node.
    pub(crate) fn selected_actuator(&self) -> Option<&str> {
        if self.place == Place::Commands {
            let rows = self.shown_actuators();
            return rows.get(self.row()).map(|row| row.name);
        }
        let node = self.selected_node()?;
        let names: Vec<&String> = node.actuators.keys().collect();
        let at = self.actuator.checked_rem(names.len())?;
        names.get(at).map(|name| name.as_str())
    }

    /// Length of the list on screen.
    pub(super) fn list_len(&self) -> usize {
        match self.place {
            Place::Overview => self.shown_nodes().len(),
            Place::Rules => self.shown_rules().len(),
            Place::Incidents => match self.incidents_page {
                IncidentsPage::Incidents => self.shown_incidents().len(),
                IncidentsPage::Silences => self.shown_silences().len(),
            },
            Place::Messages => self.shown_messages().len(),
            Place::Log => self.shown_log().len(),
            Place::Commands => match self.commands_page {
                CommandsPage::Actuators => self.shown_actuators().len(),
                CommandsPage::Schedules => self.shown_schedules().len(),
                CommandsPage::History => self.shown_commands().len(),
            },
            Place::Admin => match self.admin_page {
                AdminPage::Station => 0,
                AdminPage::Nodes => self.shown_nodes().len(),
                AdminPage::Users => self.shown_users().len(),
                AdminPage::Sessions => self.shown_sessions().len(),
                AdminPage::Mails => self.shown_mails().len(),
            },
            Place::Node | Place::Chart | Place::Anywhere => 0,
        }
    }

    /// Whether there is a list on screen, which a filter is for.
    pub(crate) const fn has_list(&self) -> bool {
        !matches!(self.place, Place::Node | Place::Chart)
    }

    fn list(&self) -> (Place, u8) {
        let page = match self.place {
            Place::Incidents => self.incidents_page as u8,
            Place::Commands => self.commands_page as u8,
            Place::Admin => self.admin_page as u8,
            _ => 0,
        };
        (self.place, page)
    }

    /// Whether the list on screen is one of nodes, whose mark goes by name.
    fn lists_nodes(&self) -> bool {
        self.place == Place::Overview
            || (self.place == Place::Admin && self.admin_page == AdminPage::Nodes)
    }

    /// The selected row of the list on screen.
    pub(crate) fn row(&self) -> usize {
        if self.lists_nodes() {
            let marked = self.node.as_deref();
            let at = marked.and_then(|name| self.shown_nodes().row_of(name));
            return at.unwrap_or(0);
        }
        let last = self.list_len().saturating_sub(1);
        self.rows
            .get(&self.list())
            .map_or(0, |row| (*row).min(last))
    }

    pub(super) fn set_row(&mut self, row: usize) {
        let row = row.min(self.list_len().saturating_sub(1));
        if self.lists_nodes() {
            self.node = self.shown_nodes().get(row).map(|node| node.name.clone());
            self.actuator = 0;
        }
        self.rows.insert(self.list(), row);
    }

    /// Goes to another screen.
    pub(super) fn go(&mut self, place: Place) -> Vec<Action> {
        let list = match self.place {
            Place::Chart if self.from_place != Place::Node => self.from_place,
            Place::Chart | Place::Node => Place::Overview,
            place => place,
        };
        // A filter is for the list that it was typed on.
        if list != place {
            self.filter.reset();
        }
        self.place = place;
        match place {
            Place::Admin => vec![Action::LoadAdmin],
            Place::Commands => vec![Action::LoadSchedules],
            _ => Vec::new(),
        }
    }

    /// Messages of a node, newest first.
    pub(crate) fn messages_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Message> {
        let all = self.messages.iter();
        all.filter(move |message| message.node.as_deref() == Some(node))
    }

    /// Commands of a node, newest first.
    pub(crate) fn commands_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Command> {
        let all = self.commands.iter();
        all.filter(move |command| command.node == node)
    }
}
