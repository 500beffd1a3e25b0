//! One connection of the client that hears nodes: it reads, decodes, hands over, and acknowledges
//! what the engine has committed. One task; when the engine cannot keep up, it stops reading and
//! goes on giving signs of life.

use std::time::Duration;

use signalbox_protocol::topic::{self, Topic};
use tokio::{
    sync::mpsc::error::TrySendError,
    time::{Instant, sleep_until, timeout},
};

use super::{
    connection::Connection,
    fault::Fault,
    ingest::Ingest,
    limits,
    report::Client,
    translate::Age,
    unacked::Unacked,
    wire::{Incoming, Message, Outgoing, Qos, Subscription, Welcome},
};

/// Packet ids of our own packets, one of each kind in a connection.
const SUBSCRIBE_ID: u16 = 1;
const MARKER_ID: u16 = 2;
const PROBE_ID: u16 = 3;
/// The broker must have answered our subscriptions by then.
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(10);
/// What was published to a shared subscription must have come by then. RabbitMQ 3.10 and NATS 2.9
/// grant such a subscription and deliver nothing to it.
const SHARED_WITHIN: Duration = Duration::from_secs(5);
/// A marker that has not come back by then will not come.
const MARKER_WITHIN: Duration = Duration::from_secs(60);
/// What is under way is waited for this long when the station stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// Why a connection came to its end.
pub(super) enum End {
    Stop,
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether what comes may have waited in the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backlog {
    /// Until our own marker comes back, behind everything that waited.
    Until(Instant),
    Done,
}

/// One connection.
pub(super) struct Session<'a> {
    ingest: &'a Ingest,
    connection: Connection,
    unacked: Unacked,
    backlog: Backlog,
    marker: String,
    probe: String,
    /// The broker has granted what we asked for.
    is_subscribed: bool,
    /// And it delivers to shared subscriptions, if there are any.
    pub(super) is_ready: bool,
    ready_until: Instant,
    /// The engine's queue was full.
    is_blocked: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(ingest: &'a Ingest, connection: Connection, welcome: &Welcome) -> Self {
        let now = Instant::now();
        let backlog = if welcome.session_present {
            Backlog::Until(now + MARKER_WITHIN)
        } else {
            Backlog::Done
        };
        Self {
            ingest,
            connection,
            unacked: Unacked::default(),
            backlog,
            marker: own_topic(&ingest.settings.client_id, "marker"),
            probe: own_topic(&ingest.settings.client_id, "probe"),
            is_subscribed: false,
            is_ready: false,
            ready_until: now + SUBSCRIBED_WITHIN,
            is_blocked: false,
        }
    }

    /// Serves until the station stops, or the connection ends.
    pub(super) async fn serve(&mut self) -> End {
        match self.exchange().await {
            Ok(()) => End::Stop,
            Err(end) => end,
        }
    }

    async fn exchange(&mut self) -> Result<(), End> {
        let subscribe = Outgoing::Subscribe(SUBSCRIBE_ID, self.subscriptions());
        self.connection.queue(subscribe)?;
        loop {
            self.take_all()?;
            let is_listening = !self.is_blocked && self.unacked.has_room();
            let inbound = &self.ingest.inbound;
            tokio::select! {
                acks = self.unacked.committed() => {
                    let acks = acks.map_err(|_| Fault::NotStored)?;
                    for ack in acks {
                        self.connection.queue(ack)?;
                    }
                }
                room = inbound.reserve(), if self.is_blocked => {
                    if room.is_err() {
                        return Ok(());
                    }
                    self.is_blocked = false;
                }
                worked = self.connection.work(is_listening) => worked?,
                () = sleep_until(self.ready_until), if !self.is_ready => {
                    return Err(self.not_ready().into());
                }
                () = self.ingest.stop.cancelled() => return Ok(()),
            }
        }
    }

    /// Takes every whole packet that has come, as long as there is room for messages.
    fn take_all(&mut self) -> Result<(), End> {
        while self.unacked.has_room() {
            let room = match self.ingest.inbound.try_reserve() {
                Ok(room) => room,
                Err(TrySendError::Full(())) => {
                    self.is_blocked = true;
                    return Ok(());
                }
                Err(TrySendError::Closed(())) => return Err(End::Stop),
            };
            let Some(packet) = self.connection.decode()? else {
                return Ok(());
            };
            match packet {
                Incoming::Publish(message) => {
                    let done = self.unacked.add(&message);
                    if self.is_own(&message) {
                        // It was never for the engine.
                        let _ = done.send(());
                        continue;
                    }
                    let age = self.age(&message);
                    let translator = &self.ingest.translator;
                    room.send(translator.inbound(message, age, Some(done)));
                }
                Incoming::Oversize(message, bytes) => {
                    let done = self.unacked.add(&message);
                    let translator = &self.ingest.translator;
                    room.send(translator.oversize(message, bytes, done));
                }
                packet => {
                    drop(room);
                    self.take(packet)?;
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, packet: Incoming) -> Result<(), Fault> {
        match packet {
            Incoming::SubAck(SUBSCRIBE_ID, granted) => self.subscribed(&granted),
            // Also after a new connection, where the broker says it again.
            Incoming::PubRel(id) => self.connection.queue(Outgoing::PubComp(id)),
            Incoming::PubRec(id, Ok(())) => self.connection.queue(Outgoing::PubRel(id)),
            Incoming::Goodbye(reason) => Err(Fault::Goodbye(reason)),
            Incoming::PubAck(_, refused) | Incoming::PubRec(_, refused) => {
                if let Err(reason) = refused {
                    tracing::debug!(reason, "the broker does not take the station's marker");
                    self.backlog = Backlog::Done;
                }
                Ok(())
            }
            Incoming::Welcome(_)
            | Incoming::Refused(_)
            | Incoming::Publish(_)
            | Incoming::Oversize(..)
            | Incoming::PubComp(_)
            | Incoming::SubAck(..)
            | Incoming::PingResp
            | Incoming::Other => Ok(()),
        }
    }

    fn subscriptions(&self) -> Vec<Subscription> {
        let settings = &self.ingest.settings;
        let mut all = settings.state.clone();
        let own = |filter: &String| Subscription {
            filter: filter.clone(),
            qos: Qos::AtLeastOnce,
        };
        let mut data = settings.data.clone();
        if let Some(group) = &settings.share_group {
            data.push(own(&self.probe));
            for one in &mut data {
                one.filter = format!("$share/{group}/{}", one.filter);
            }
        }
        all.extend(data);
        all.push(own(&self.marker));
        all
    }

    fn subscribed(&mut self, granted: &[Result<u8, String>]) -> Result<(), Fault> {
        limits::check_granted(&self.subscriptions(), granted, &self.ingest.report)?;
        self.is_subscribed = true;
        if self.backlog != Backlog::Done {
            self.say_to_ourselves(&self.marker.clone(), MARKER_ID)?;
        }
        if self.ingest.settings.share_group.is_some() {
            self.ready_until = Instant::now() + SHARED_WITHIN;
            return self.say_to_ourselves(&self.probe.clone(), PROBE_ID);
        }
        self.ready();
        Ok(())
    }

    fn ready(&mut self) {
        self.is_ready = true;
        self.ingest.report.up(Client::Ingest);
    }

    fn not_ready(&self) -> Fault {
        if self.is_subscribed {
            let why = "the broker grants shared subscriptions and delivers nothing to them";
            return Fault::NoShare(why.to_owned());
        }
        Fault::NoAnswer
    }

    fn say_to_ourselves(&mut self, topic: &str, packet_id: u16) -> Result<(), Fault> {
        self.connection.queue(Outgoing::Publish(Message {
            topic: topic.to_owned(),
            payload: bytes::Bytes::new(),
            qos: Qos::AtLeastOnce,
            retain: false,
            packet_id,
            expiry_s: None,
        }))
    }

    /// Whether the station itself sent it: a mapping with wildcards can bring that as well. Orders
    /// that are not ours the other client looks for.
    fn is_own(&mut self, message: &Message) -> bool {
        if message.topic == self.marker {
            self.backlog = Backlog::Done;
        }
        if message.topic == self.probe && !self.is_ready {
            self.ready();
        }
        message.topic.starts_with(topic::STATION_PREFIX)
            || matches!(
                Topic::parse(&message.topic),
                Topic::Command { .. } | Topic::Config { .. }
            )
    }

    fn age(&mut self, message: &Message) -> Age {
        if let Backlog::Until(end) = self.backlog
            && Instant::now() >= end
        {
            self.backlog = Backlog::Done;
        }
        match (message.retain, self.backlog) {
            (true, _) => Age::Retained,
            (false, Backlog::Until(_)) => Age::Waited,
            (false, Backlog::Done) => Age::Fresh,
        }
    }

    /// Waits for the commit of what is under way, acknowledges it, and says goodbye.
    pub(super) async fn leave(mut self) {
        let drain = async {
            while !self.unacked.is_empty() || self.connection.unsent() > 0 {
                tokio::select! {
                    acks = self.unacked.committed() => {
                        let Ok(acks) = acks else { return Err(Fault::NotStored) };
                        for ack in acks {
                            self.connection.queue(ack)?;
                        }
                    }
                    worked = self.connection.work(false) => worked?,
                }
            }
            Ok(())
        };
        match timeout(GOODBYE, drain).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "the broker went first"),
            Err(_) => tracing::warn!(
                messages = self.unacked.len(),
                "messages could not be stored in time; the broker has them still"
            ),
        }
        self.connection.leave(GOODBYE).await;
    }
}

/// Where the station speaks to itself.
fn own_topic(client_id: &str, kind: &str) -> String {
    format!("{}{client_id}/{kind}", topic::STATION_PREFIX)
}
