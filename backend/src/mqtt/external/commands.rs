//! The client that speaks to nodes: clean sessions, so that nothing waits in the broker that the
//! engine does not know of. Commands are rows in the store; when the connection is lost, all that
//! was not answered is sent again by the engine after the next connect, and nothing by us. It
//! also tells everybody whether the station is there, and hears orders that the broker keeps.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use signalbox_protocol::topic;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::Connection,
    fault::Fault,
    report::{Client, Report},
    retry::Retry,
    settings::Settings,
    sys::{self, Sys},
    translate::{Age, Translator},
    wire::{Hello, Incoming, Message, Outgoing, Qos, Subscription, Welcome},
};
use crate::ingest::{Inbound, LinkNews};

/// Commands that wait for the connection's task; beyond it, the engine is told that the link is
/// busy, and tries again.
pub(super) const COMMANDS_QUEUE_MAX: usize = 1_024;
/// Commands that the broker has not acknowledged yet.
const UNACKED_COMMANDS_MAX: u16 = 256;
/// Messages that the broker may send us at a time.
const RECEIVE_MAX: u16 = 64;
/// Whether the broker keeps orders, which would be carried out at each connect of a node.
const ORDER_FILTERS: [&str; 1] = ["signalbox/+/command"];
/// Longest wait for the broker when leaving.
const GOODBYE: Duration = Duration::from_secs(2);

/// Everything that outlives a connection.
pub(super) struct Commands {
    pub(super) settings: Arc<Settings>,
    pub(super) queue: mpsc::Receiver<Message>,
    pub(super) inbound: mpsc::Sender<Inbound>,
    pub(super) translator: Translator,
    pub(super) report: Arc<Report>,
    /// Whether commands are taken.
    pub(super) speaks: Arc<AtomicBool>,
    pub(super) stop: CancellationToken,
}

impl Commands {
    /// Keeps a connection until the station stops.
    pub(super) async fn run(mut self) {
        let mut retry = Retry::new();
        loop {
            let opened = tokio::select! {
                opened = Connection::open(&self.settings, self.hello()) => opened,
                () = self.stop.cancelled() => return,
            };
            let was_up = opened.is_ok();
            let fault = match opened {
                Ok((connection, welcome)) => {
                    retry.connected(Instant::now());
                    match Session::new(connection, &welcome).serve(&mut self).await {
                        Ok(()) => return,
                        Err(fault) => fault,
                    }
                }
                Err(fault) => fault,
            };
            self.report.down(Client::Commands, &fault);
            self.speaks.store(false, Ordering::Release);
            // The engine sends them again.
            while self.queue.try_recv().is_ok() {}
            if was_up && self.tell(LinkNews::Mute).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(retry.pause(was_up, Instant::now())) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            client_id: format!("{}-commands", self.settings.client_id),
            login: self.settings.login.clone(),
            keep_alive_s: u16::try_from(self.settings.keep_alive.as_secs()).unwrap_or(u16::MAX),
            keeps_session: false,
            will: Some(self.status(false)),
            receive_max: RECEIVE_MAX,
        }
    }

    /// Whether the station is there, for whoever wants to know.
    fn status(&self, online: bool) -> Message {
        Message {
            topic: format!(
                "{}{}/status",
                topic::STATION_PREFIX,
                self.settings.client_id
            ),
            payload: Bytes::from(if online {
                concat!(
                    r#"{"online":true,"version":""#,
                    env!("CARGO_PKG_VERSION"),
                    r#""}"#
                )
            } else {
                r#"{"online":false}"#
            }),
            qos: Qos::AtLeastOnce,
            retain: true,
            packet_id: 0,
            expiry_s: None,
        }
    }

    /// Waits for room in the engine's queue; an error when the station stops.
    async fn tell(&self, news: LinkNews) -> Result<(), ()> {
        tokio::select! {
            sent = self.inbound.send(self.translator.news(news)) => sent.map_err(|_| ()),
            () = self.stop.cancelled() => Err(()),
        }
    }
}

/// One connection.
struct Session {
    connection: Connection,
    /// Topics of what the broker has not acknowledged, by packet id.
    unacked: HashMap<u16, String>,
    unacked_max: usize,
    last_id: u16,
    sys: Sys,
}

impl Session {
    fn new(connection: Connection, welcome: &Welcome) -> Self {
        let broker_max = welcome.limits.receive_max.unwrap_or(u16::MAX);
        Self {
            connection,
            unacked: HashMap::new(),
            unacked_max: UNACKED_COMMANDS_MAX.min(broker_max).into(),
            last_id: 0,
            sys: Sys::default(),
        }
    }

    /// Serves until the station stops.
    async fn serve(mut self, commands: &mut Commands) -> Result<(), Fault> {
        let subscribe_id = self.next_id();
        let filters = ORDER_FILTERS.iter().map(|filter| Subscription {
            filter: (*filter).to_owned(),
            qos: Qos::AtMostOnce,
        });
        let filters = filters.chain(sys::subscriptions()).collect();
        self.connection
            .queue(Outgoing::Subscribe(subscribe_id, filters))?;
        self.publish(commands.status(true))?;
        commands.report.up(Client::Commands);
        commands.speaks.store(true, Ordering::Release);
        // The connection is served while the engine is busy: the broker would take us for dead.
        let mut is_told = false;
        loop {
            while let Some(packet) = self.connection.decode()? {
                self.take(packet, commands)?;
            }
            let has_room = self.unacked.len() < self.unacked_max;
            let is_over = tokio::select! {
                room = commands.inbound.reserve(), if !is_told => match room {
                    Ok(room) => {
                        room.send(commands.translator.news(LinkNews::Speaking));
                        is_told = true;
                        false
                    }
                    Err(_) => true,
                },
                message = commands.queue.recv(), if has_room => match message {
                    Some(message) => {
                        self.publish(message)?;
                        false
                    }
                    None => true,
                },
                worked = self.connection.work(true) => {
                    worked?;
                    false
                }
                () = commands.stop.cancelled() => true,
            };
            if is_over {
                return self.leave(commands).await;
            }
        }
    }

    fn publish(&mut self, mut message: Message) -> Result<(), Fault> {
        if message.qos != Qos::AtMostOnce {
            message.packet_id = self.next_id();
            self.unacked
                .insert(message.packet_id, message.topic.clone());
        }
        self.connection.queue(Outgoing::Publish(message))
    }

    /// Never 0, and none that is under way.
    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.unacked.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }

    fn take(&mut self, packet: Incoming, commands: &Commands) -> Result<(), Fault> {
        match packet {
            Incoming::PubAck(id, taken) => self.acknowledged(id, taken),
            Incoming::PubRec(id, Ok(())) => self.connection.queue(Outgoing::PubRel(id))?,
            Incoming::PubRec(id, refused) => self.acknowledged(id, refused),
            Incoming::PubComp(id) => self.acknowledged(id, Ok(())),
            Incoming::Publish(message) => {
                if !self.sys.take(&message, &commands.report) {
                    kept_order(message, commands);
                }
            }
            Incoming::Goodbye(reason) => return Err(Fault::Goodbye(reason)),
            Incoming::SubAck(_, granted) => {
                if let Some(why) = granted.into_iter().find_map(Result::err) {
                    tracing::debug!(why, "orders that the broker keeps cannot be looked for");
                }
            }
            Incoming::Welcome(_)
            | Incoming::Refused(_)
            | Incoming::PubRel(_)
            | Incoming::Oversize(..)
            | Incoming::PingResp
            | Incoming::Other => {}
        }
        Ok(())
    }

    fn acknowledged(&mut self, id: u16, taken: Result<(), String>) {
        let topic = self.unacked.remove(&id);
        if let (Err(reason), Some(topic)) = (taken, topic) {
            // The command times out, and says so; this is why.
            tracing::warn!(topic, reason, "the broker did not take a message");
        }
    }

    /// Sends what is ready, says that the station goes, and goes.
    async fn leave(mut self, commands: &mut Commands) -> Result<(), Fault> {
        while let Ok(message) = commands.queue.try_recv() {
            self.publish(message)?;
        }
        self.publish(commands.status(false))?;
        self.connection.leave(GOODBYE).await;
        Ok(())
    }
}

/// Our own orders come here as well; those that the broker keeps are not ours.
fn kept_order(message: Message, commands: &Commands) {
    if !message.retain || message.payload.is_empty() {
        return;
    }
    let topic = message.topic.clone();
    tracing::warn!(
        topic,
        "the broker keeps an order, and gives it to the node at each connect; delete it by \
         publishing an empty retained message there"
    );
    let inbound = commands.translator.inbound(message, Age::Retained, None);
    if commands.inbound.try_send(inbound).is_err() {
        tracing::debug!(topic, "the order is not listed, because the engine is busy");
    }
}
