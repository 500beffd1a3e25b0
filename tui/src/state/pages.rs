//! What a list or a screen can show: orders, views, and the pages of screens that have several.

use super::State;
use crate::keymap::Place;

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

/// How a node's page shows its metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeCharts {
    /// The marked metric alone.
    One,
    /// Below each other.
    Stacked,
    /// In one chart, each on a scale of its own.
    Overlaid,
}

impl NodeCharts {
    pub(super) const fn next(self) -> Self {
        match self {
            Self::One => Self::Stacked,
            Self::Stacked => Self::Overlaid,
            Self::Overlaid => Self::One,
        }
    }
}

/// A part of the commands' screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CommandsPage {
    #[default]
    Actuators,
    Schedules,
    Waiting,
    History,
}

impl CommandsPage {
    pub(crate) const ALL: [Self; 4] = [
        Self::Actuators,
        Self::Schedules,
        Self::Waiting,
        Self::History,
    ];
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
}

impl State {
    /// The page of the screen, counted from its left.
    pub(crate) const fn page(&self) -> usize {
        match self.place {
            Place::Incidents => self.incidents_page as usize,
            Place::Commands => self.commands_page as usize,
            Place::Admin => self.admin_page as usize,
            _ => 0,
        }
    }

    /// Turns to a page of the screen; behind the last comes the first.
    pub(super) fn turn_to(&mut self, page: usize) {
        // A filter is for the list that it was typed on.
        self.filter.reset();
        match self.place {
            Place::Incidents => {
                self.incidents_page = IncidentsPage::ALL[page % IncidentsPage::ALL.len()];
            }
            Place::Commands => {
                self.commands_page = CommandsPage::ALL[page % CommandsPage::ALL.len()];
            }
            Place::Admin => self.admin_page = AdminPage::ALL[page % AdminPage::ALL.len()],
            _ => {}
        }
    }
}
