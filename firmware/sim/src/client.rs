//! One node: the logic of [`signalbox_node`] between its connections, the made-up room and the
//! clock.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rumqttc::{ConnectionError, Event, Incoming, Outgoing, QoS};
use signalbox_node::{ActuatorOptions, Node, NodeOptions, Saved};
use signalbox_protocol::{
    limits::MESSAGE_BYTES_MAX,
    payload::{Name, status::StartedBy},
    topic,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    connection::{Connection, QUEUE_MAX},
    sensors::{Sensors, metrics},
    sim::{Counters, NodeSetup, Options},
    world::{Switched, World},
};

/// What a simulated node keeps of its readings while it is offline: some 250.
const BUFFER_BYTES: usize = 2_560;

/// What may happen to a node.
#[derive(Debug)]
pub(crate) enum Plug {
    CutNetwork(Duration),
    Reset,
    CutPower,
}

/// Why a connection ended.
enum Ended {
    /// By itself; connect again when the node says so.
    Lost,
    Plug(Plug),
    Stop,
}

struct Simulated {
    setup: NodeSetup,
    name: Name,
    options: Options,
    counters: Arc<Counters>,
    node: Node<Box<[u8]>>,
    sensors: Sensors,
    world: World,
    begin: Instant,
    /// There is no network before.
    cut_until: Instant,
    stepped_ms: u64,
    dropped: u32,
    /// What a board would keep in flash: it outlives a reset and a power cut, not the program.
    config: Option<Vec<u8>>,
}

/// Runs one node until its plugs' sender is gone.
pub(crate) async fn run(
    setup: NodeSetup,
    options: Options,
    counters: Arc<Counters>,
    mut plugs: mpsc::Receiver<Plug>,
    wait: Duration,
) {
    let early = tokio::select! {
        () = sleep(wait) => None,
        plug = plugs.recv() => match plug {
            None => return,
            plug => plug,
        },
    };
    let begin = Instant::now();
    let name = Name::try_from(setup.name.as_str()).unwrap_or_default();
    let mut simulated = Simulated {
        node: begin_node(&setup, &options, &name, None, 0, StartedBy::Power),
        sensors: Sensors::new(setup.seed),
        world: setup.world,
        setup,
        name,
        options,
        counters,
        begin,
        cut_until: begin,
        stepped_ms: 0,
        dropped: 0,
        config: None,
    };
    if let Some(plug) = early {
        simulated.plug(&plug);
    }
    loop {
        let ended = match simulated.offline(&mut plugs).await {
            Ended::Lost => simulated.online(&mut plugs).await,
            ended => ended,
        };
        match ended {
            Ended::Lost => {}
            Ended::Stop => return,
            Ended::Plug(plug) => simulated.plug(&plug),
        }
    }
}

fn begin_node(
    setup: &NodeSetup,
    options: &Options,
    name: &Name,
    saved: Option<&Saved>,
    now_ms: u64,
    by: StartedBy,
) -> Node<Box<[u8]>> {
    let whole_ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let named =
        |text: &String| ActuatorOptions::new(Name::try_from(text.as_str()).unwrap_or_default());
    let node = NodeOptions {
        name: name.clone(),
        firmware: concat!("sim-", env!("CARGO_PKG_VERSION"))
            .try_into()
            .unwrap_or_default(),
        safe_mode: false,
        metrics: metrics().into_iter().collect(),
        actuators: setup.actuators.iter().map(named).collect(),
        interval_ms: whole_ms(options.interval),
        heartbeat_ms: whole_ms(options.heartbeat),
        encoding: options.encoding,
    };
    #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
    let seed = rand::random::<u32>() ^ setup.seed as u32;
    let memory = vec![0; BUFFER_BYTES].into_boxed_slice();
    let mut node = Node::new(node, memory, rand::random(), saved, seed, now_ms);
    node.set_started_by(Some(by));
    node
}

impl Simulated {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn plug(&mut self, plug: &Plug) {
        match plug {
            Plug::CutNetwork(time) => self.cut_until = Instant::now() + *time,
            Plug::Reset => {
                let saved = self.node.saved(self.now_ms());
                self.restart(Some(&saved), StartedBy::Button);
            }
            Plug::CutPower => self.restart(None, StartedBy::Power),
        }
    }

    fn restart(&mut self, saved: Option<&Saved>, by: StartedBy) {
        let now_ms = self.now_ms();
        self.node = begin_node(&self.setup, &self.options, &self.name, saved, now_ms, by);
        if let Some(config) = &self.config {
            self.node.begin_with(config);
        }
        self.dropped = 0;
    }

    /// Measures and switches until it is time to connect, or something else happens.
    async fn offline(&mut self, plugs: &mut mpsc::Receiver<Plug>) -> Ended {
        loop {
            self.turn();
            let connect_ms = self.node.connect_at_ms().unwrap_or_default();
            let connect = self.at(connect_ms).max(self.cut_until);
            if connect <= Instant::now() {
                return Ended::Lost;
            }
            tokio::select! {
                () = sleep_until(connect.min(self.wake())) => {}
                plug = plugs.recv() => return plug.map_or(Ended::Stop, Ended::Plug),
            }
        }
    }

    /// One connection, to its end.
    async fn online(&mut self, plugs: &mut mpsc::Receiver<Plug>) -> Ended {
        let mut connection = Connection::open(&self.options, &self.setup, &self.name);
        let mut welcome = false;
        let ended = loop {
            tokio::select! {
                event = connection.events.recv() => match event {
                    Some(Ok(event)) => {
                        welcome |= self.take(&event, &mut connection);
                    }
                    Some(Err(error)) => {
                        self.note(&error);
                        break Ended::Lost;
                    }
                    None => break Ended::Lost,
                },
                () = sleep_until(self.wake()) => {}
                plug = plugs.recv() => break plug.map_or(Ended::Stop, Ended::Plug),
            }
            self.turn();
            self.publish(&mut connection);
        };
        if welcome {
            self.counters.online.fetch_sub(1, Ordering::Relaxed);
        }
        self.node.disconnected(self.now_ms());
        if matches!(ended, Ended::Stop) && welcome {
            connection.say_goodbye(&self.name).await;
        }
        ended
    }

    fn configure(&mut self, payload: &[u8]) {
        if self.node.configure(payload, self.now_ms()) {
            self.config = Some(payload.to_vec());
        }
    }

    /// Takes an event; true when it is the broker's welcome.
    fn take(&mut self, event: &Event, connection: &mut Connection) -> bool {
        match event {
            Event::Incoming(Incoming::ConnAck(_)) => {
                // The queue of a new connection is empty.
                for topic in [topic::command(&self.name), topic::config(&self.name)] {
                    let asked = connection
                        .client
                        .try_subscribe(topic.as_str(), QoS::AtLeastOnce);
                    if let Err(error) = asked {
                        tracing::error!(node = self.setup.name, %error, "no subscription");
                    }
                }
                self.node.connected();
                self.counters.connects.fetch_add(1, Ordering::Relaxed);
                self.counters.online.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            Event::Incoming(Incoming::Publish(message))
                if message.topic == topic::config(&self.name).as_str() =>
            {
                self.configure(&message.payload);
            }
            Event::Incoming(Incoming::Publish(message)) => {
                self.counters.commands.fetch_add(1, Ordering::Relaxed);
                if message.retain {
                    tracing::warn!(node = self.setup.name, "a retained command, not executed");
                    self.node.retained_command();
                } else {
                    self.node.command(&message.payload, self.now_ms());
                }
            }
            Event::Outgoing(Outgoing::Publish(id)) => {
                if let Some(kind) = connection.handed_over.pop_front() {
                    connection.under_way.insert(*id, kind);
                }
            }
            Event::Incoming(Incoming::PubAck(ack)) => {
                if let Some(kind) = connection.under_way.remove(&ack.pkid) {
                    self.counters.acknowledged.fetch_add(1, Ordering::Relaxed);
                    self.node.acknowledged(kind);
                }
            }
            _ => {}
        }
        false
    }

    /// Hands over what the node has to say.
    fn publish(&mut self, connection: &mut Connection) {
        if !self.node.publish_ready() {
            return;
        }
        let mut buffer = [0; MESSAGE_BYTES_MAX];
        while connection.handed_over.len() < QUEUE_MAX / 2
            && let Some(message) = self.node.next_publish(&mut buffer, self.now_ms())
        {
            let handed_over = connection.client.try_publish(
                message.topic.as_str(),
                QoS::AtLeastOnce,
                message.retain,
                message.payload,
            );
            match handed_over {
                Ok(()) => {
                    connection.handed_over.push_back(message.kind);
                    self.counters.published.fetch_add(1, Ordering::Relaxed);
                }
                // The connection is about to end; the message goes out with the next one.
                Err(error) => {
                    tracing::debug!(node = self.setup.name, %error, "not handed over");
                    return;
                }
            }
        }
    }

    /// Lets the world go on, measures when it is time, and switches off what is due.
    fn turn(&mut self) {
        let now_ms = self.now_ms();
        self.node.tick(now_ms);
        if !self.node.sample_due(now_ms) {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an hour has few milliseconds")]
        let step_s = (now_ms - self.stepped_ms) as f64 / 1_000.0;
        let switched = self.switched();
        self.world
            .step(switched, unix_s(), step_s * self.options.speed);
        self.stepped_ms = now_ms;
        let values = self.sensors.read(&self.world);
        self.node.reading(&values, now_ms);
        let dropped = self.node.dropped();
        let more = u64::from(dropped - self.dropped);
        self.counters.dropped.fetch_add(more, Ordering::Relaxed);
        self.dropped = dropped;
    }

    fn switched(&self) -> Switched {
        let is_on = |name: &str| {
            let found = self.setup.actuators.iter().position(|known| known == name);
            found.is_some_and(|at| self.node.is_on(at))
        };
        Switched {
            lamp: is_on("lamp"),
            pump: is_on("pump"),
        }
    }

    fn wake(&self) -> Instant {
        self.at(self.node.next_wake_ms())
    }

    fn at(&self, ms: u64) -> Instant {
        self.begin + Duration::from_millis(ms)
    }

    fn note(&self, error: &ConnectionError) {
        tracing::debug!(node = self.setup.name, %error, "connection lost");
        if let Ok(mut last) = self.counters.last_error.lock() {
            *last = Some(format!("{}: {error}", self.setup.name));
        }
    }
}

/// Seconds since 1970, for the time of day in the made-up world.
fn unix_s() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |time| time.as_secs_f64())
}
