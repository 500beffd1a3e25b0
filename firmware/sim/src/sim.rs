//! All nodes of a process.

use std::{
    collections::HashSet,
    fmt,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use signalbox_protocol::{payload::Encoding, topic::check_name};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
};

use crate::{
    client::{self, Plug},
    world::World,
};

/// Orders to a node's plug that wait.
const PLUGS_MAX: usize = 8;
/// Nodes begin one after another in this time, as they would.
const SPREAD: Duration = Duration::from_millis(2);

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text is not the address of a broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a broker; write it like `mqtt://127.0.0.1:1883`")]
pub struct BrokerError(String);

impl FromStr for Broker {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        let wrong = || BrokerError(text.to_owned());
        let rest = match text.split_once("://") {
            Some(("mqtt" | "tcp", rest)) => rest.trim_end_matches('/'),
            Some(_) => return Err(wrong()),
            None => text,
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (rest, 1_883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || host.contains(['/', '@', '?', '#', ' ']) {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
    }
}

/// One node.
#[derive(Clone)]
pub struct NodeSetup {
    /// Its name.
    pub name: String,
    /// How it logs in: user name and password.
    pub login: Option<(String, String)>,
    /// What it switches; `lamp` and `pump` act on its room.
    pub actuators: Vec<String>,
    /// Its room as it begins.
    pub world: World,
    /// Makes its sensors and pauses differ from others'.
    pub seed: u64,
}

impl fmt::Debug for NodeSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSetup")
            .field("name", &self.name)
            .field("actuators", &self.actuators)
            .finish_non_exhaustive()
    }
}

impl NodeSetup {
    /// A node with an LED, a lamp and a pump in a room of its own, which logs in under its name.
    #[must_use]
    pub fn new(name: &str, password: Option<String>, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            login: password.map(|password| (name.to_owned(), password)),
            actuators: ["led", "lamp", "pump"].map(str::to_owned).to_vec(),
            world: World::new(seed),
            seed,
        }
    }
}

/// How all nodes run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where they connect to.
    pub broker: Broker,
    /// Time between two readings.
    pub interval: Duration,
    /// A value is reported at least this often.
    pub heartbeat: Duration,
    /// How many times faster than in reality rooms warm and soil dries.
    pub speed: f64,
    /// How messages are written.
    pub encoding: Encoding,
}

impl Options {
    /// A reading every 2 s, reported at least once a minute, in real time, as JSON.
    #[must_use]
    pub const fn new(broker: Broker) -> Self {
        Self {
            broker,
            interval: Duration::from_secs(2),
            heartbeat: Duration::from_secs(60),
            speed: 1.0,
            encoding: Encoding::Json,
        }
    }
}

/// What all nodes did together since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connects: AtomicU64,
    pub(crate) online: AtomicU64,
    pub(crate) published: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) last_error: std::sync::Mutex<Option<String>>,
}

/// What all nodes did together since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Connections made.
    pub connects: u64,
    /// Connections that stand.
    pub online: u64,
    /// Messages published, repetitions included.
    pub published: u64,
    /// Of these, those with a PUBACK.
    pub acknowledged: u64,
    /// Commands received.
    pub commands: u64,
    /// Readings that gave way to newer ones in a full memory.
    pub dropped: u64,
    /// Why the last connection ended or could not be made.
    pub last_error: Option<String>,
}

/// Running nodes.
#[derive(Debug)]
pub struct Sim {
    nodes: Vec<(String, mpsc::Sender<Plug>, JoinHandle<()>)>,
    counters: Arc<Counters>,
}

/// Why nodes cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// A name that the protocol does not allow.
    #[error("`{name}` is no name for a node or actuator: {problem}")]
    Name {
        /// As given.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two nodes, or two actuators of a node, of one name: the broker would let in one at a time,
    /// the station refuse the other's status.
    #[error("there are two of the name `{name}`")]
    Twice {
        /// As given.
        name: String,
    },
    /// More actuators than a node may have.
    #[error("node `{node}` has {count} actuators, at most {max} are allowed")]
    TooManyActuators {
        /// The node.
        node: String,
        /// As given.
        count: usize,
        /// As allowed.
        max: usize,
    },
}

impl NodeSetup {
    fn check(&self) -> Result<(), SetupError> {
        for name in std::iter::once(&self.name).chain(&self.actuators) {
            check_name(name).map_err(|error| SetupError::Name {
                name: name.clone(),
                problem: error.to_string(),
            })?;
        }
        check_twice(&self.actuators)?;
        let max = signalbox_protocol::limits::ACTUATORS_MAX;
        if self.actuators.len() > max {
            return Err(SetupError::TooManyActuators {
                node: self.name.clone(),
                count: self.actuators.len(),
                max,
            });
        }
        Ok(())
    }
}

fn check_twice<'a>(names: impl IntoIterator<Item = &'a String>) -> Result<(), SetupError> {
    let mut known = HashSet::new();
    match names.into_iter().find(|name| !known.insert(*name)) {
        Some(name) => Err(SetupError::Twice { name: name.clone() }),
        None => Ok(()),
    }
}

impl Sim {
    /// Starts nodes; they connect, and connect again, until [`Sim::stop`].
    ///
    /// # Errors
    /// A node cannot be as it is described; then none is started.
    pub fn start(options: &Options, nodes: Vec<NodeSetup>) -> Result<Self, SetupError> {
        nodes.iter().try_for_each(NodeSetup::check)?;
        check_twice(nodes.iter().map(|node| &node.name))?;
        let counters = Arc::new(Counters::default());
        let start = |(at, setup): (usize, NodeSetup)| {
            let (plug, plugs) = mpsc::channel(PLUGS_MAX);
            let name = setup.name.clone();
            let wait = SPREAD * u32::try_from(at).unwrap_or(u32::MAX);
            let node = client::run(setup, options.clone(), counters.clone(), plugs, wait);
            (name, plug, tokio::spawn(node))
        };
        Ok(Self {
            nodes: nodes.into_iter().enumerate().map(start).collect(),
            counters: counters.clone(),
        })
    }

    /// What they did until now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let last_error = self.counters.last_error.lock();
        Counts {
            connects: load(&self.counters.connects),
            online: load(&self.counters.online),
            published: load(&self.counters.published),
            acknowledged: load(&self.counters.acknowledged),
            commands: load(&self.counters.commands),
            dropped: load(&self.counters.dropped),
            last_error: last_error.map_or(None, |error| error.clone()),
        }
    }

    /// Cuts a node's network for a time from now: no goodbye, its readings wait. False when there is no
    /// such node.
    pub async fn cut_network(&self, name: &str, time: Duration) -> bool {
        self.plug(name, Plug::CutNetwork(time)).await
    }

    /// Resets a node: it begins anew with another boot id and keeps its actuators. False when
    /// there is no such node.
    pub async fn reset(&self, name: &str) -> bool {
        self.plug(name, Plug::Reset).await
    }

    /// Cuts a node's power for a moment: it begins anew with everything off. False when there is
    /// no such node.
    pub async fn cut_power(&self, name: &str) -> bool {
        self.plug(name, Plug::CutPower).await
    }

    async fn plug(&self, name: &str, plug: Plug) -> bool {
        let found = self.nodes.iter().find(|(known, ..)| known == name);
        match found {
            Some((_, sender, _)) => sender.send(plug).await.is_ok(),
            None => false,
        }
    }

    /// Says goodbye at the broker for every node and ends them.
    ///
    /// # Errors
    /// A node's task panicked.
    pub async fn stop(self) -> Result<(), JoinError> {
        let mut tasks = Vec::new();
        for (_, plug, task) in self.nodes {
            // A closed channel is the sign to leave.
            drop(plug);
            tasks.push(task);
        }
        for task in tasks {
            task.await?;
        }
        Ok(())
    }
}
