//! The nodes that the filter lets through, in the chosen order: found once, and kept until
//! something changes that they depend on. Thousands of nodes are listed for every key otherwise.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use signalbox_protocol::api::{
    incident::IncidentState,
    node::{Node, Presence},
};

use super::{SortBy, State, filter::Filter};

/// What the order depends on.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    filter: String,
    sort: SortBy,
    /// Counts the changes of what is filtered and sorted by.
    changes: u64,
    nodes: usize,
    /// Nodes that something fires at, when they come first.
    firing: BTreeSet<String>,
}

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Found(RefCell<Option<(Key, Arc<[String]>)>>);

/// Nodes in the order of the list.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    names: Arc<[String]>,
    nodes: &'a BTreeMap<String, Node>,
}

impl<'a> Shown<'a> {
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The node of a row.
    pub(crate) fn get(&self, row: usize) -> Option<&'a Node> {
        self.nodes.get(self.names.get(row)?)
    }

    /// The row of a node.
    pub(crate) fn row_of(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    /// From a row on, with the rows.
    pub(crate) fn rows_from(&self, row: usize) -> impl Iterator<Item = (usize, &'a Node)> {
        (row..self.len()).filter_map(|row| Some((row, self.get(row)?)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a Node> {
        self.rows_from(0).map(|(_, node)| node)
    }
}

impl State {
    /// How many nodes are away.
    pub(crate) fn away(&self) -> usize {
        let away = |node: &&Node| node.presence == Presence::Offline;
        self.nodes.values().filter(away).count()
    }

    /// Nodes that the filter lets through, in the chosen order.
    pub(crate) fn shown_nodes(&self) -> Shown<'_> {
        let key = self.shown_key();
        let mut found = self.found.0.borrow_mut();
        let names = match &*found {
            Some((of, names)) if *of == key => names.clone(),
            _ => {
                let names = self.find_nodes(&key);
                *found = Some((key, names.clone()));
                names
            }
        };
        Shown {
            names,
            nodes: &self.nodes,
        }
    }

    /// Something changed that nodes are filtered or sorted by.
    pub(super) fn nodes_changed(&mut self) {
        self.node_changes += 1;
    }

    fn shown_key(&self) -> Key {
        let fires = |state| matches!(state, IncidentState::Firing | IncidentState::Acknowledged);
        let firing = match self.sort {
            SortBy::Incidents => self
                .incidents
                .iter()
                .filter(|incident| fires(incident.state))
                .map(|incident| incident.node.clone())
                .collect(),
            SortBy::Name | SortBy::Presence | SortBy::Age => BTreeSet::new(),
        };
        Key {
            filter: self.filter.value().to_owned(),
            sort: self.sort,
            changes: self.node_changes,
            nodes: self.nodes.len(),
            firing,
        }
    }

    fn find_nodes<'a>(&'a self, key: &Key) -> Arc<[String]> {
        let mut filter = Filter::new(&key.filter);
        let all = matches!(filter, Filter::All);
        let mut texts: Vec<&str> = Vec::new();
        let fits = |node: &&'a Node| {
            all || {
                texts.clear();
                texts.extend(node.latest.keys().map(String::as_str));
                texts.push(&node.name);
                texts.push(match node.presence {
                    Presence::Online => "online",
                    Presence::Offline => "offline",
                    Presence::Unknown => "unknown",
                });
                filter.lets(&texts)
            }
        };
        let mut nodes: Vec<&Node> = self.nodes.values().filter(fits).collect();
        match key.sort {
            SortBy::Name => {}
            SortBy::Incidents => {
                if !key.firing.is_empty() {
                    nodes.sort_by_key(|node| !key.firing.contains(&node.name));
                }
            }
            SortBy::Presence => nodes.sort_by_key(|node| match node.presence {
                Presence::Offline => 0,
                Presence::Unknown => 1,
                Presence::Online => 2,
            }),
            SortBy::Age => nodes.sort_by_key(|node| node.last_seen_at),
        }
        nodes.into_iter().map(|node| node.name.clone()).collect()
    }
}
