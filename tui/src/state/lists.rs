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

use super::{AdminPage, CommandsPage, IncidentsPage, State, Told, filter::Filter};
use crate::{event::Action, keymap::Place, words};

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
        all.filter(|s| filter.lets(&[&words::silenced(s), &s.created_by, &s.comment]))
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
        let fits = |s: &&Schedule| {
            let reason = s.reason.as_deref().unwrap_or_default();
            let paused = if s.paused { "paused" } else { "" };
            filter.lets(&[&s.node, &s.actuator, &s.cron, &s.created_by, reason, paused])
        };
        all.filter(fits).collect()
    }

    /// Commands that the filter lets through, newest first.
    pub(crate) fn shown_commands(&self) -> Vec<&Command> {
        self.filtered_commands(self.commands.iter())
    }

    pub(super) fn filtered_commands<'a>(
        &'a self,
        all: impl Iterator<Item = &'a Command>,
    ) -> Vec<&'a Command> {
        let mut filter = self.typed();
        let fits = |c: &&Command| {
            let reason = c.reason.as_deref().unwrap_or_default();
            let state = words::state(c.state);
            filter.lets(&[&c.node, &c.actuator, &self.who_asked(c), reason, state])
        };
        all.filter(fits).collect()
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
            Place::Commands => {
                let rows = self.shown_actuators();
                let listed = self.commands_page == CommandsPage::Actuators;
                rows.get(self.row()).filter(|_| listed).map(|row| row.node)
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
            let listed = self.commands_page == CommandsPage::Actuators;
            return rows.get(self.row()).filter(|_| listed).map(|row| row.name);
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
                CommandsPage::Waiting => self.shown_waiting().len(),
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

    const fn list(&self) -> (Place, usize) {
        (self.place, self.page())
    }

    /// Whether the list on screen is one of nodes, whose mark goes by name.
    fn lists_nodes(&self) -> bool {
        self.place == Place::Overview
            || (self.place == Place::Admin && self.admin_page == AdminPage::Nodes)
    }

    /// What tells the marked row from others while rows come and go above it.
    fn marked_id(&self) -> Option<String> {
        let row = self.row();
        match self.place {
            Place::Rules => Some(self.shown_rules().get(row)?.id.clone()),
            Place::Incidents => match self.incidents_page {
                IncidentsPage::Incidents => Some(self.shown_incidents().get(row)?.id.clone()),
                IncidentsPage::Silences => Some(self.shown_silences().get(row)?.id.clone()),
            },
            Place::Commands => match self.commands_page {
                CommandsPage::Actuators => None,
                CommandsPage::Schedules => Some(self.shown_schedules().get(row)?.id.clone()),
                CommandsPage::Waiting | CommandsPage::History => {
                    Some(self.marked_command()?.id.clone())
                }
            },
            Place::Admin => match self.admin_page {
                AdminPage::Station | AdminPage::Nodes => None,
                AdminPage::Users => Some(self.shown_users().get(row)?.username.clone()),
                AdminPage::Sessions => Some(self.shown_sessions().get(row)?.id.clone()),
                AdminPage::Mails => Some(self.shown_mails().get(row)?.id.clone()),
            },
            _ => None,
        }
    }

    fn row_of_id(&self, id: &str) -> Option<usize> {
        match self.place {
            Place::Rules => self.shown_rules().iter().position(|rule| rule.id == id),
            Place::Incidents => match self.incidents_page {
                IncidentsPage::Incidents => {
                    self.shown_incidents().iter().position(|it| it.id == id)
                }
                IncidentsPage::Silences => self.shown_silences().iter().position(|it| it.id == id),
            },
            Place::Commands => match self.commands_page {
                CommandsPage::Actuators => None,
                CommandsPage::Schedules => self.shown_schedules().iter().position(|it| it.id == id),
                CommandsPage::Waiting => self.shown_waiting().iter().position(|it| it.id == id),
                CommandsPage::History => self.shown_commands().iter().position(|it| it.id == id),
            },
            Place::Admin => match self.admin_page {
                AdminPage::Station | AdminPage::Nodes => None,
                AdminPage::Users => {
                    let shown = self.shown_users();
                    shown.iter().position(|user| user.username == id)
                }
                AdminPage::Sessions => self.shown_sessions().iter().position(|it| it.id == id),
                AdminPage::Mails => self.shown_mails().iter().position(|it| it.id == id),
            },
            _ => None,
        }
    }

    /// Changes what lists show; the mark stays on what it is on, or a key would act on what came
    /// into its row meanwhile.
    pub(super) fn with_mark_kept(&mut self, change: impl FnOnce(&mut Self)) {
        let marked = self.marked_id();
        change(self);
        let row = marked.and_then(|id| self.row_of_id(&id));
        if let Some(row) = row {
            self.set_row(row);
        }
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
