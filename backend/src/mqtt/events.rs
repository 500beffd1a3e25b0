//! What the embedded broker tells: publishes (before their acknowledgement), connections, wills.
//! Each becomes an [`Inbound`] for the engine.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
};

use mqtt5::{
    QoS,
    broker::{
        BrokerEventHandler, ClientConnectEvent, ClientDisconnectEvent, ClientPublishEvent,
        PublishAction, RetainedSetEvent,
    },
    packet::publish::PublishPacket,
};
use signalbox_protocol::topic::{self, Topic};
use tokio::sync::{mpsc, oneshot};

use super::access::lock;
use crate::{
    clock::SharedClock,
    counters::Counters,
    ingest::{Body, Decoder, Inbound, Rejection, Status, head_of},
    store::SharedStore,
};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Feeds the engine.
pub(super) struct Ingest {
    pub(super) inbound: mpsc::Sender<Inbound>,
    pub(super) decoder: Arc<Decoder>,
    pub(super) accounts: SharedStore,
    pub(super) clock: SharedClock,
    pub(super) counters: Arc<Counters>,
    /// Open connections of each node that has logged in.
    pub(super) connections: Mutex<HashMap<String, u32>>,
}

impl Ingest {
    /// Tells the engine of something that the broker refused. Nobody waits for its commit.
    pub(super) async fn denied(&self, node: Option<&str>, topic: &str, what: &str) {
        Counters::add(&self.counters.denied, 1);
        let who = node.map_or_else(
            || "an anonymous client".to_owned(),
            |node| format!("node `{node}`"),
        );
        let rejection = Rejection {
            node: node.map(str::to_owned),
            denied: true,
            reason: format!("{who} {what}"),
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

    async fn publish(&self, event: ClientPublishEvent) -> PublishAction {
        let mut body =
            self.decoder
                .decode(&event.topic, &event.payload, event.retain, self.clock.now());
        if let Some(rejection) = self.speaks_for_another(&event).await {
            body = Err(rejection);
        }
        let (done, committed) = oneshot::channel();
        self.send(&event.topic, &event.payload, body, Some(done))
            .await;
        if committed.await.is_ok() {
            return PublishAction::Continue;
        }
        // The station stops before the commit: routed as QoS 0, the message gets no
        // acknowledgement, and the node sends it again to the next run.
        PublishAction::Transform(PublishPacket::new(
            event.topic.to_string(),
            event.payload,
            QoS::AtMostOnce,
        ))
    }

    /// On the classic topic a node may name any other, but not one that has a login of its own.
    async fn speaks_for_another(&self, event: &ClientPublishEvent) -> Option<Rejection> {
        let login = event.user_id.as_deref()?;
        let named = Decoder::named_node(&event.topic, &event.payload)?;
        if named == login || named == topic::CLASSIC_NODE {
            return None;
        }
        match self.accounts.node_password(&named).await {
            Ok(None) => None,
            Ok(Some(_)) => Some(Rejection {
                node: Some(login.to_owned()),
                denied: true,
                reason: format!(
                    "node `{login}` may not speak for node `{named}`, which has a login of its own"
                ),
            }),
            Err(error) => {
                tracing::error!(%error, "a node's name could not be checked");
                None
            }
        }
    }

    async fn gone(&self, node: &str) {
        let status = Status {
            online: false,
            ..Status::default()
        };
        let body = Body::Status {
            node: node.to_owned(),
            status,
        };
        self.send(&topic::status(node), &[], Ok(body), None).await;
    }
}

impl BrokerEventHandler for Ingest {
    fn on_client_connect<'a>(&'a self, event: ClientConnectEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Some(node) = event.user_id {
                *lock(&self.connections).entry(node.to_string()).or_default() += 1;
            }
        })
    }

    fn on_client_publish<'a>(&'a self, event: ClientPublishEvent) -> BoxFuture<'a, PublishAction> {
        Box::pin(self.publish(event))
    }

    fn on_client_disconnect<'a>(&'a self, event: ClientDisconnectEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some(node) = event.user_id else { return };
            let last = {
                let mut connections = lock(&self.connections);
                let open = connections.entry(node.to_string()).or_insert(1);
                *open = open.saturating_sub(1);
                let last = *open == 0;
                if last {
                    connections.remove(&*node);
                }
                last
            };
            if last {
                self.gone(&node).await;
            }
        })
    }

    /// A will is not shown as a publish, but it is retained: this is how an anonymous node's
    /// death is known.
    fn on_retained_set<'a>(&'a self, event: RetainedSetEvent) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Topic::Status { node } = Topic::parse(&event.topic) else {
                return;
            };
            if lock(&self.connections).contains_key(node) {
                return;
            }
            let decoded = self
                .decoder
                .decode(&event.topic, &event.payload, true, self.clock.now());
            if matches!(&decoded, Ok(Body::Status { status, .. }) if !status.online) {
                self.gone(node).await;
            }
        })
    }
}
