//! All that the engine knows, as the store has it. Changes are made here and noted in the
//! [`Draft`], which writes them; when the write fails, the state is loaded anew.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use signalbox_protocol::api::{
    command::{Command, Schedule},
    config::NodeConfig,
    node::{Actuator, Node, Presence},
    rule::Rule,
};
use ulid::{Generator, Ulid};

use super::{draft::Draft, held::Held, open::OpenIncidents, seen::Seen, silences::Silences};
use crate::{
    config::Config,
    store::{ActuatorFacts, CommandRow, Latest, Loaded, MARKS_PER_NODE_MAX, NodeFacts},
};

/// Nodes of one station; messages of further ones are refused.
pub const NODES_MAX: usize = 20_000;
/// Series of one node; samples of further ones are refused.
pub const SERIES_PER_NODE_MAX: usize = 256;
/// How often `last_seen_at` alone is a reason to write a node's row.
const SEEN_STEP: TimeDelta = TimeDelta::seconds(1);

/// What the configuration says about deciding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) ack_timeout: TimeDelta,
    pub(super) expiry: TimeDelta,
    pub(super) off_check_grace: TimeDelta,
    pub(super) tz: Tz,
    pub(super) mail: bool,
}

impl Settings {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            ack_timeout: TimeDelta::seconds(config.command.ack_timeout_s.into()),
            expiry: TimeDelta::seconds(config.command.expiry_s.into()),
            off_check_grace: TimeDelta::seconds(config.command.off_check_grace_s.into()),
            tz: config.command.tz,
            mail: config.mail.is_some(),
        }
    }
}

/// The newest sample of a series. Where it is flagged, only its time is news.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    pub(super) ts: DateTime<Utc>,
    pub(super) value: f64,
    pub(super) flagged: bool,
}

/// The engine's state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) marks: HashMap<String, HashMap<u32, Seen>>,
    pub(super) nodes: HashMap<String, NodeFacts>,
    pub(super) actuators: HashMap<String, BTreeMap<String, ActuatorFacts>>,
    pub(super) rules: BTreeMap<String, Arc<Rule>>,
    /// Enabled ones.
    pub(super) rules_of_metric: HashMap<String, Arc<[Arc<Rule>]>>,
    pub(super) incidents: OpenIncidents,
    /// Those that are not over.
    pub(super) silences: Silences,
    /// What waits for them.
    pub(super) held: Held,
    /// Open ones.
    pub(super) commands: BTreeMap<String, CommandRow>,
    /// Done with lately, for an answer that comes late or twice.
    pub(super) finished: BTreeMap<String, Command>,
    pub(super) schedules: BTreeMap<String, Schedule>,
    /// Of nodes that have one, or have told of one.
    pub(super) configs: HashMap<String, NodeConfig>,
    /// By node and metric.
    pub(super) newest: HashMap<String, HashMap<String, Newest>>,
    /// Commands go out. False only while an external broker is away.
    pub(super) speaks: bool,
    ids: Generator,
}

impl State {
    /// The state as loaded. With `disconnected`, no node is connected now, whatever was known
    /// before the restart.
    pub(super) fn new(
        loaded: Loaded,
        settings: Settings,
        disconnected: bool,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Self {
        let mut state = Self {
            settings,
            marks: HashMap::new(),
            nodes: by(loaded.nodes, |node| node.name.clone()).collect(),
            actuators: HashMap::new(),
            rules: by(loaded.rules.into_iter().map(Arc::new), |rule| {
                rule.id.clone()
            })
            .collect(),
            rules_of_metric: HashMap::new(),
            incidents: loaded.incidents.into_iter().collect(),
            silences: loaded.silences.into_iter().collect(),
            held: loaded.held.into_iter().collect(),
            commands: by(loaded.commands, |row| row.command.id.clone()).collect(),
            finished: by(loaded.finished, |command| command.id.clone()).collect(),
            schedules: by(loaded.schedules, |schedule| schedule.id.clone()).collect(),
            configs: by(loaded.configs, |config| config.node.clone()).collect(),
            newest: HashMap::new(),
            speaks: true,
            ids: Generator::new(),
        };
        for mark in loaded.marks {
            let seen = Seen::new(mark.number.seq, mark.gaps, mark.at);
            state.add_start(&mark.node, mark.number.boot, seen);
        }
        for actuator in loaded.actuators {
            let of_node = state.actuators.entry(actuator.node.clone()).or_default();
            of_node.insert(actuator.name.clone(), actuator);
        }
        for latest in loaded.latest {
            state.load_newest(latest);
        }
        state.index_rules();
        if disconnected {
            state.disconnect_all(now, draft);
        }
        state
    }

    fn load_newest(&mut self, latest: Latest) {
        let newest = Newest {
            ts: latest.ts,
            value: latest.value,
            flagged: latest.flagged,
        };
        let of_node = self.newest.entry(latest.node).or_default();
        of_node.insert(latest.metric, newest);
    }

    /// Notes that a number is stored.
    pub(super) fn mark(&mut self, node: &str, boot: u32, seq: u32, at: DateTime<Utc>) {
        match self
            .marks
            .get_mut(node)
            .and_then(|boots| boots.get_mut(&boot))
        {
            Some(seen) => seen.add(seq, at),
            None => self.add_start(node, boot, Seen::first(seq, at)),
        }
    }

    /// The oldest start of a node gives way to the newest, as in the store.
    fn add_start(&mut self, node: &str, boot: u32, seen: Seen) {
        let boots = self.marks.entry(node.to_owned()).or_default();
        if boots.len() >= MARKS_PER_NODE_MAX {
            let oldest = boots.iter().min_by_key(|(_, seen)| seen.at);
            if let Some(oldest) = oldest.map(|(boot, _)| *boot) {
                boots.remove(&oldest);
            }
        }
        boots.insert(boot, seen);
    }

    pub(super) fn index_rules(&mut self) {
        let mut of_metric: HashMap<String, Vec<Arc<Rule>>> = HashMap::new();
        for rule in self.rules.values().filter(|rule| rule.enabled) {
            let metric = rule.spec.metric.clone();
            of_metric.entry(metric).or_default().push(rule.clone());
        }
        self.rules_of_metric = of_metric
            .into_iter()
            .map(|(metric, rules)| (metric, rules.into()))
            .collect();
    }

    fn disconnect_all(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        let online: Vec<String> = self
            .nodes
            .values()
            .filter(|node| node.presence == Presence::Online)
            .map(|node| node.name.clone())
            .collect();
        for name in online {
            self.set_presence(&name, Presence::Offline, now, draft);
        }
    }

    /// A fresh id; ids rise even within a millisecond.
    pub(super) fn new_id(&mut self, now: DateTime<Utc>) -> String {
        let id = match self.ids.generate_from_datetime(now.into()) {
            Ok(id) => id,
            Err(_) => Ulid::from_datetime(now.into()),
        };
        id.to_string()
    }

    /// Makes a node known; false when there are too many.
    pub(super) fn know_node(&mut self, name: &str, draft: &mut Draft) -> bool {
        if self.nodes.contains_key(name) {
            return true;
        }
        if self.nodes.len() >= NODES_MAX {
            return false;
        }
        self.nodes.insert(
            name.to_owned(),
            NodeFacts {
                name: name.to_owned(),
                presence: Presence::Unknown,
                presence_since: None,
                last_seen_at: None,
                boot: None,
                firmware: None,
                uptime_s: None,
                rssi_dbm: None,
                started_by: None,
            },
        );
        draft.nodes.insert(name.to_owned());
        true
    }

    /// Notes that something came from a node.
    pub(super) fn saw(&mut self, name: &str, at: DateTime<Utc>, draft: &mut Draft) {
        if let Some(node) = self.nodes.get_mut(name)
            && node
                .last_seen_at
                .is_none_or(|seen| at - seen >= SEEN_STEP || at < seen)
        {
            node.last_seen_at = Some(at);
            draft.nodes.insert(name.to_owned());
        }
    }

    /// Changes a node's presence; true when it was another.
    pub(super) fn set_presence(
        &mut self,
        name: &str,
        presence: Presence,
        at: DateTime<Utc>,
        draft: &mut Draft,
    ) -> bool {
        let Some(node) = self.nodes.get_mut(name) else {
            return false;
        };
        if node.presence == presence {
            return false;
        }
        node.presence = presence;
        node.presence_since = Some(at);
        draft.nodes.insert(name.to_owned());
        draft.status.insert(name.to_owned());
        if presence == Presence::Offline {
            self.take_back_sent(name, draft);
        }
        true
    }

    pub(super) fn presence(&self, node: &str) -> Presence {
        self.nodes
            .get(node)
            .map_or(Presence::Unknown, |node| node.presence)
    }

    /// The actuator's row, made where it is missing, and noted as changed.
    pub(super) fn actuator(
        &mut self,
        node: &str,
        name: &str,
        draft: &mut Draft,
    ) -> &mut ActuatorFacts {
        draft.actuators.insert((node.to_owned(), name.to_owned()));
        draft.status.insert(node.to_owned());
        self.actuators
            .entry(node.to_owned())
            .or_default()
            .entry(name.to_owned())
            .or_insert_with(|| ActuatorFacts {
                node: node.to_owned(),
                name: name.to_owned(),
                reported: None,
                reported_at: None,
                desired: None,
                off_at: None,
                pending_command: None,
            })
    }

    /// The node as a status event shows it: without latest values.
    pub(super) fn shown(&self, name: &str, now: DateTime<Utc>) -> Option<Node> {
        let node = self.nodes.get(name)?;
        let actuators = self.actuators.get(name).into_iter().flatten();
        Some(Node {
            name: node.name.clone(),
            presence: node.presence,
            presence_since: node.presence_since,
            last_seen_at: node.last_seen_at,
            age_ms: node
                .last_seen_at
                .map(|seen| u64::try_from((now - seen).num_milliseconds()).unwrap_or(0)),
            boot: node.boot,
            firmware: node.firmware.clone(),
            uptime_s: node.uptime_s,
            rssi_dbm: node.rssi_dbm,
            started_by: node.started_by,
            latest: BTreeMap::new(),
            actuators: actuators
                .map(|(name, actuator)| {
                    let shown = Actuator {
                        reported: actuator.reported,
                        reported_at: actuator.reported_at,
                        desired: actuator.desired,
                        off_at: actuator.off_at,
                        pending_command: actuator.pending_command.clone(),
                    };
                    (name.clone(), shown)
                })
                .collect(),
            has_password: false,
        })
    }
}

fn by<T, K>(
    rows: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> impl Iterator<Item = (K, T)> {
    rows.into_iter().map(move |row| (key(&row), row))
}
