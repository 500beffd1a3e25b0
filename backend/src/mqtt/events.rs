//! What the embedded broker tells: publishes (before their acknowledgement), connections, wills.
//! Each becomes an [`Inbound`] for the engine.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, OnceLock, Weak},
};

use mqtt5::{
    QoS,
    broker::{
        BrokerEventHandler, ClientConnectEvent, ClientDisconnectEvent, ClientPublishEvent,
        PublishAction, RetainedSetEvent, router::MessageRouter,
    },
    packet::publish::PublishPacket,
};
use signalbox_protocol::{
    limits::MESSAGE_BYTES_MAX,
    topic::{self, Topic},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    connections::{Connections, Will},
    gate::GATE,
    rules::Rules,
};
use crate::{
    clock::SharedClock,
    counters::Counters,
    ingest::{Body, Inbound, Rejection, Status, head_of},
    store::{SharedStore, StoreError},
};

/// Payload that may be on its way through decoding, queue and commit at a time, in KiB; beyond
/// it, connections wait. Decoded, a payload can take ten times its size.
pub(super) const UNDER_WAY_KIB_MAX: u32 = 8_192;
/// Longest QoS 0 payload that is not waited for.
const UNWAITED_BYTES_MAX: usize = 4_096;
/// Retained messages: one status a node.
pub(super) const RETAINED_MESSAGES_MAX: usize = 20_000;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Feeds the engine.
pub(super) struct Ingest {
    pub(super) inbound: mpsc::Sender<Inbound>,
    pub(super) rules: Rules,
    pub(super) accounts: SharedStore,
    pub(super) clock: SharedClock,
    pub(super) counters: Arc<Counters>,
    pub(super) connections: Connections,
    /// Permits of [`UNDER_WAY_KIB_MAX`].
    pub(super) room: Arc<Semaphore>,
    /// Set as soon as the broker exists; weak, because the router owns us.
    pub(super) router: OnceLock<Weak<MessageRouter>>,
}

impl Ingest {
    /// Tells the engine of something that the broker refused. Nobody waits for its commit.
    pub(super) async fn denied(&self, node: Option<&str>, topic: &str, what: &str) {
        Counters::add(&self.counters.denied, 1);
        let rejection = Rejection {
            node: node.map(str::to_owned),
            denied: true,
            reason: format!("{} {what}", who(node)),
        };
        self.send(topic, &[], Err(rejection), None).await;
    }

    async fn send(
        &self,
        topic: &str,
        payload: &[u8],
        body: Result<Body, Rejection>,
        done: Option<oneshot::Sender<()>>,
    ) {
        let message = Inbound {
            received_at: self.clock.now(),
            topic: topic.to_owned(),
            payload_bytes: payload.len(),
            head: head_of(payload),
            body,
            done,
        };
        // A closed queue means that the station stops: then `done` is dropped, and whoever waits
        // for it does not acknowledge.
        let _ = self.inbound.send(message).await;
    }

    /// Hands a message to the engine. With QoS 1 and 2 the gate holds the acknowledgement back
    /// until the engine has committed.
    async fn publish(&self, event: ClientPublishEvent) -> PublishAction {
        let gate = GATE.with(Arc::clone);
        let kib = u32::try_from(event.payload.len().div_ceil(1_024)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib.clamp(1, UNDER_WAY_KIB_MAX));
        // Neither semaphore is ever closed; if one were, the message would count as not taken.
        let (Ok(room), Some(slot)) = (room.await, gate.slot().await) else {
            gate.close();
            return PublishAction::Handled;
        };
        let login = event.user_id.as_deref();
        let body = match self
            .read(login, &event.topic, &event.payload, event.retain)
            .await
        {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, topic = %event.topic, "a message could not be checked");
                gate.close();
                return PublishAction::Handled;
            }
        };
        let action = self.action(&event, &body).await;
        let (done, committed) = oneshot::channel();
        match event.packet_id {
            Some(packet_id) => {
                gate.promise(packet_id, committed, [room, slot]);
                self.send(&event.topic, &event.payload, body, Some(done))
                    .await;
            }
            None if self.need_not_wait(&event) => {
                self.send(&event.topic, &event.payload, body, None).await;
            }
            None => {
                self.send(&event.topic, &event.payload, body, Some(done))
                    .await;
                // QoS 0: nobody is told when it was not committed.
                let _ = committed.await;
            }
        }
        if event.qos == QoS::ExactlyOnce {
            self.route(&event, &action).await;
            return PublishAction::Handled;
        }
        action
    }

    /// QoS 0 has no acknowledgement, so only back pressure is a reason to wait.
    fn need_not_wait(&self, event: &ClientPublishEvent) -> bool {
        event.payload.len() <= UNWAITED_BYTES_MAX
            && self.inbound.capacity() > self.inbound.max_capacity() / 2
    }

    /// What the message says, unless it speaks for a node that its client may not speak for.
    async fn read(
        &self,
        login: Option<&str>,
        topic: &str,
        payload: &[u8],
        retain: bool,
    ) -> Result<Result<Body, Rejection>, StoreError> {
        let now = self.clock.now();
        let body = self.rules.decoder.decode(topic, payload, retain, now);
        let (Some(login), Ok(Body::Telemetry(telemetry))) = (login, &body) else {
            return Ok(body);
        };
        let named = &telemetry.node;
        if named == login || named == topic::CLASSIC_NODE {
            return Ok(body);
        }
        // On classic and mapped topics the payload or the topic names the node. A gateway may
        // speak for boards behind it, but not for a node with a login of its own.
        if self.accounts.node_password(named).await?.is_none() {
            return Ok(body);
        }
        Counters::add(&self.counters.denied, 1);
        Ok(Err(Rejection {
            node: Some(login.to_owned()),
            denied: true,
            reason: format!(
                "{} may not speak for node `{named}`, which has a login of its own",
                who(Some(login))
            ),
        }))
    }

    /// What the broker does with a message that was taken: denied ones go nowhere, and only
    /// understood statuses are retained (the broker keeps them in memory, nodes renew them at
    /// each connect, and a retained measurement would be shown as new to whoever subscribes).
    async fn action(
        &self,
        event: &ClientPublishEvent,
        body: &Result<Body, Rejection>,
    ) -> PublishAction {
        if body.as_ref().is_err_and(|rejection| rejection.denied) {
            return PublishAction::Handled;
        }
        if !event.retain || self.keeps(event, body).await {
            return PublishAction::Continue;
        }
        PublishAction::Transform(packet_of(event, false))
    }

    async fn keeps(&self, event: &ClientPublishEvent, body: &Result<Body, Rejection>) -> bool {
        let is_status = matches!(Topic::parse(&event.topic), Topic::Status { .. });
        // An empty one deletes what is retained.
        if !is_status || (body.is_err() && !event.payload.is_empty()) {
            return false;
        }
        let Some(router) = self.router() else {
            return false;
        };
        router.has_retained_message(&event.topic).await
            || router.retained_count().await < RETAINED_MESSAGES_MAX
    }

    /// QoS 2 goes to subscribers at once, not at the client's PUBREL: a client that never sends
    /// it would make the broker keep every payload.
    async fn route(&self, event: &ClientPublishEvent, action: &PublishAction) {
        let packet = match action {
            PublishAction::Handled => return,
            PublishAction::Continue => packet_of(event, event.retain),
            PublishAction::Transform(packet) => packet.clone(),
        };
        if let Some(router) = self.router() {
            router.route_message(&packet, Some(&event.client_id)).await;
        }
    }

    fn router(&self) -> Option<Arc<MessageRouter>> {
        self.router.get().and_then(Weak::upgrade)
    }

    async fn closed(&self, event: ClientDisconnectEvent) {
        let closed = self.connections.closed(&event.client_id, !event.unexpected);
        if let Some(will) = closed.will {
            self.will(event.user_id.as_deref(), &will).await;
        }
        if let Some(node) = closed.gone {
            self.gone(node).await;
        }
    }

    async fn gone(&self, node: String) {
        let status = Status {
            online: false,
            ..Status::default()
        };
        let topic = topic::status(&node);
        let body = Body::Status { node, status };
        self.send(&topic, &[], Ok(body), None).await;
    }

    /// The broker hands wills to subscribers, not to us. One that it denied it has reported.
    async fn will(&self, login: Option<&str>, will: &Will) {
        if self.rules.publish(login, &will.topic).is_err() {
            return;
        }
        match self
            .read(login, &will.topic, &will.payload, will.retain)
            .await
        {
            Ok(body) => self.send(&will.topic, &will.payload, body, None).await,
            Err(error) => {
                tracing::error!(%error, topic = %will.topic, "a last will could not be checked");
            }
        }
    }
}

fn who(node: Option<&str>) -> String {
    node.map_or_else(
        || "an anonymous client".to_owned(),
        |node| format!("node `{node}`"),
    )
}

fn packet_of(event: &ClientPublishEvent, retain: bool) -> PublishPacket {
    let mut packet = PublishPacket::new(event.topic.to_string(), event.payload.clone(), event.qos);
    packet.packet_id = event.packet_id;
    packet.retain = retain;
    packet
}

impl BrokerEventHandler for Ingest {
    fn on_client_connect<'a>(&'a self, event: ClientConnectEvent) -> BoxFuture<'a, ()> {
        let will = match (event.will_topic, event.will_payload) {
            (Some(topic), Some(payload)) => Some(Will {
                topic,
                payload,
                retain: event.will_retain.unwrap_or_default(),
            }),
            _ => None,
        };
        let gate = GATE.with(Arc::downgrade);
        let gone = self
            .connections
            .opened(event.client_id, event.user_id, will, gate);
        Box::pin(async move {
            if let Some(node) = gone {
                self.gone(node).await;
            }
        })
    }

    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> BoxFuture<'a, PublishAction> {
        Box::pin(self.publish(event))
    }

    /// Publishes are held to the limits before the broker retains them, wills are not.
    fn on_retained_set<'a>(&'a self, event: RetainedSetEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(router) = self.router().filter(|_| !event.cleared) else {
                return;
            };
            if event.payload.len() > MESSAGE_BYTES_MAX
                || router.retained_count().await > RETAINED_MESSAGES_MAX
            {
                let mut nothing = PublishPacket::new(event.topic.to_string(), "", QoS::AtMostOnce);
                nothing.retain = true;
                router.route_message(&nothing, None).await;
            }
        })
    }

    fn on_client_disconnect<'a>(&'a self, event: ClientDisconnectEvent) -> BoxFuture<'a, ()> {
        Box::pin(self.closed(event))
    }
}
