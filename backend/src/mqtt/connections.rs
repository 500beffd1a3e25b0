//! Who is connected now, which node each connection speaks for, and its last will. Fed by the
//! broker's connect and disconnect events; tells when a node's last connection is gone.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, Weak},
};

use bytes::Bytes;
use signalbox_protocol::topic::Topic;

use super::{gate::Gate, lock};

/// A last will, as the client gave it when it connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Will {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
}

/// What the end of a connection means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Closed {
    /// This node is not there any more: it has no connection left, or none with a last will on
    /// its status where it had one. (Who only listens with the node's login is not the node.)
    pub(super) gone: Option<String>,
    /// The will is to be taken as a message. Wills on status topics are not among them: they
    /// say what `gone` says, and `gone` also knows whether the node is connected again.
    pub(super) will: Option<Will>,
}

impl Will {
    fn is_status(&self) -> bool {
        matches!(Topic::parse(&self.topic), Topic::Status { .. })
    }
}

#[derive(Debug)]
struct Connection {
    login: Option<Arc<str>>,
    node: Option<String>,
    will: Option<Will>,
    gate: Weak<Gate>,
}

impl Connection {
    fn has_status_will(&self) -> bool {
        self.will.as_ref().is_some_and(Will::is_status)
    }
}

/// Connections of one node.
#[derive(Debug, Default)]
struct Count {
    all: u32,
    /// Of them with a last will on a status topic.
    with_will: u32,
}

#[derive(Debug, Default)]
struct Open {
    /// Oldest first; more than one only while a new connection takes over.
    by_client: HashMap<Arc<str>, VecDeque<Connection>>,
    by_node: HashMap<String, Count>,
}

impl Open {
    /// The node, when the connection of this client that is open was all there was of it.
    fn gone_with_takeover(&self, client: &str, node: Option<&str>) -> Option<String> {
        let old = self.by_client.get(client)?.back()?;
        let name = old.node.as_deref().filter(|name| Some(*name) == node)?;
        let count = self.by_node.get(name)?;
        let gone = count.all == 1 || (old.has_status_will() && count.with_will == 1);
        gone.then(|| name.to_owned())
    }
}

/// All open connections. Its size is bounded by the broker's limit of clients.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<Open>);

impl Connections {
    /// A client has logged in. A connection speaks for the node of its login; without one, for
    /// the node whose status its will would change.
    ///
    /// Gives the node that is gone with the connection that this one takes over, when that has
    /// not been told yet: what was sent into it may be lost, and this one has still to say what
    /// its node is.
    pub(super) fn opened(
        &self,
        client: Arc<str>,
        login: Option<Arc<str>>,
        will: Option<Will>,
        gate: Weak<Gate>,
    ) -> Option<String> {
        let node = login.as_deref().or_else(|| {
            let will = will.as_ref()?;
            match Topic::parse(&will.topic) {
                Topic::Status { node } => Some(node),
                _ => None,
            }
        });
        let node = node.map(str::to_owned);
        let connection = Connection {
            login,
            node,
            will,
            gate,
        };
        let mut open = lock(&self.0);
        let gone = open.gone_with_takeover(&client, connection.node.as_deref());
        if let Some(node) = &connection.node {
            let count = open.by_node.entry(node.clone()).or_default();
            count.all += 1;
            count.with_will += u32::from(connection.has_status_will());
        }
        open.by_client
            .entry(client)
            .or_default()
            .push_back(connection);
        gone
    }

    /// A connection has ended; a clean goodbye cancels the will.
    pub(super) fn closed(&self, client: &str, clean: bool) -> Closed {
        let mut open = lock(&self.0);
        let Some(connections) = open.by_client.get_mut(client) else {
            return Closed::default();
        };
        let ended = connections.pop_front();
        let taken_over = !connections.is_empty();
        if !taken_over {
            open.by_client.remove(client);
        }
        let Some(ended) = ended else {
            return Closed::default();
        };
        let with_will = ended.has_status_will();
        let gone = ended.node.filter(|node| {
            let Some(count) = open.by_node.get_mut(node) else {
                return true;
            };
            count.all = count.all.saturating_sub(1);
            count.with_will = count.with_will.saturating_sub(u32::from(with_will));
            let gone = count.all == 0 || (with_will && count.with_will == 0);
            if count.all == 0 {
                open.by_node.remove(node);
            }
            gone
        });
        let will = ended
            .will
            .filter(|will| !clean && !taken_over && !will.is_status());
        Closed { gone, will }
    }

    /// Clients that are connected.
    pub(super) fn count(&self) -> u64 {
        u64::try_from(lock(&self.0).by_client.len()).unwrap_or(u64::MAX)
    }

    /// Closes all connections with this login.
    pub(super) fn end(&self, login: &str) {
        let gates: Vec<Weak<Gate>> = lock(&self.0)
            .by_client
            .values()
            .flatten()
            .filter(|connection| connection.login.as_deref() == Some(login))
            .map(|connection| Weak::clone(&connection.gate))
            .collect();
        for gate in gates.iter().filter_map(Weak::upgrade) {
            gate.close();
        }
    }

    /// Whether a client with this id, but another login, is connected. Letting the new one in
    /// would throw the other out.
    pub(super) fn is_taken(&self, client: &str, login: Option<&str>) -> bool {
        lock(&self.0)
            .by_client
            .get(client)
            .and_then(VecDeque::back)
            .is_some_and(|connection| connection.login.as_deref() != login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn will(topic: &str) -> Option<Will> {
        Some(Will {
            topic: topic.into(),
            payload: Bytes::from_static(b"dead"),
            retain: false,
        })
    }

    #[test]
    fn a_node_is_gone_with_its_last_connection() {
        let open = Connections::default();
        open.opened("one".into(), Some("a".into()), None, Weak::new());
        open.opened("two".into(), Some("a".into()), None, Weak::new());
        assert_eq!(open.closed("one", false), Closed::default());
        assert_eq!(open.closed("two", true).gone.as_deref(), Some("a"));
        assert_eq!(open.closed("two", true), Closed::default());
    }

    #[test]
    fn who_listens_with_a_nodes_login_is_not_the_node() {
        let open = Connections::default();
        let status = || will("signalbox/a/status");
        open.opened("board".into(), Some("a".into()), status(), Weak::new());
        open.opened("listener".into(), Some("a".into()), None, Weak::new());
        // The board comes back before its old connection is seen to have ended.
        open.opened("board".into(), Some("a".into()), status(), Weak::new());
        assert_eq!(open.closed("board", false), Closed::default());
        assert_eq!(open.closed("board", false).gone.as_deref(), Some("a"));
        open.opened("board".into(), Some("a".into()), status(), Weak::new());
        assert_eq!(open.closed("listener", false), Closed::default());
        assert_eq!(open.closed("board", true).gone.as_deref(), Some("a"));
    }

    #[test]
    fn a_takeover_that_is_told_first_ends_what_was_sent_into_the_older_connection() {
        let open = Connections::default();
        let status = || will("signalbox/a/status");
        let login = |login: &str| Some(login.into());
        let first = open.opened("one".into(), login("a"), status(), Weak::new());
        assert_eq!(first, None);
        let other = open.opened("two".into(), login("a"), None, Weak::new());
        assert_eq!(other, None);
        let takeover = open.opened("one".into(), login("a"), status(), Weak::new());
        assert_eq!(takeover.as_deref(), Some("a"));
        assert_eq!(open.closed("one", false), Closed::default());
        // Told the other way round, it has been told already.
        assert_eq!(open.closed("one", false).gone.as_deref(), Some("a"));
        let after = open.opened("one".into(), login("a"), status(), Weak::new());
        assert_eq!(after, None);
    }

    #[test]
    fn a_takeover_ends_the_older_connection_in_whatever_order_it_is_told() {
        let open = Connections::default();
        open.opened("one".into(), Some("a".into()), will("x"), Weak::new());
        open.opened("one".into(), Some("a".into()), will("x"), Weak::new());
        assert_eq!(open.closed("one", false), Closed::default());
        let closed = open.closed("one", false);
        assert_eq!(
            (closed.gone.as_deref(), closed.will),
            (Some("a"), will("x"))
        );
    }

    #[test]
    fn without_a_login_the_will_tells_the_node() {
        let open = Connections::default();
        open.opened("one".into(), None, will("signalbox/a/status"), Weak::new());
        open.opened("two".into(), None, will("signalbox/a/status"), Weak::new());
        open.opened("three".into(), None, will("elsewhere"), Weak::new());
        assert_eq!(open.closed("one", false), Closed::default());
        let closed = open.closed("two", false);
        assert_eq!((closed.gone.as_deref(), closed.will), (Some("a"), None));
        let closed = open.closed("three", false);
        assert_eq!((closed.gone, closed.will), (None, will("elsewhere")));
    }

    #[test]
    fn a_clean_goodbye_cancels_the_will() {
        let open = Connections::default();
        open.opened("one".into(), None, will("elsewhere"), Weak::new());
        assert_eq!(open.closed("one", true), Closed::default());
    }

    #[test]
    fn a_client_id_belongs_to_its_login_while_it_is_connected() {
        let open = Connections::default();
        assert!(!open.is_taken("one", Some("b")));
        open.opened("one".into(), Some("a".into()), None, Weak::new());
        assert!(open.is_taken("one", Some("b")));
        assert!(open.is_taken("one", None));
        assert!(!open.is_taken("one", Some("a")));
        open.closed("one", true);
        assert!(!open.is_taken("one", Some("b")));
    }
}
