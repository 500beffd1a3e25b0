//! The embedded broker: the crate `mqtt5`, wrapped, so that it can be replaced. We accept the
//! connections ([`super::accept`]), the library speaks MQTT on them and routes, and what nodes
//! publish comes to [`super::events`]. A PUBACK goes out after the engine's commit
//! ([`super::gate`]); commands go in by the library's router.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use mqtt5::{
    QoS,
    broker::{BrokerConfig, router::MessageRouter},
    packet::publish::PublishPacket,
};
use signalbox_protocol::api::station::{BrokerFacts, BrokerKind};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Link, LinkError, Publish,
    accept::Acceptor,
    access::Access,
    connections::Connections,
    events::{Ingest, UNDER_WAY_KIB_MAX},
    lock,
    rules::Rules,
};
use crate::{
    clock::SharedClock, config::MqttConfig, counters::Counters, engine::EngineHandle,
    ingest::Decoder, store::SharedStore,
};

/// No session outlives its connection: an order waits in the station's store, where it expires,
/// and never in the broker, from where it could switch something on hours later.
const SESSION_EXPIRY: Duration = Duration::ZERO;
/// Subscriptions of one client.
const SUBSCRIPTIONS_MAX: usize = 64;
/// QoS 2 publishes of one client that wait for its PUBREL (MQTT 5 clients are told).
const UNRELEASED_MAX: u16 = 1_000;
/// Messages that wait in memory for one slow subscriber, of each kind (QoS 0, QoS 1 and 2).
const SUBSCRIBER_MESSAGES_MAX: usize = 1_024;
/// How long the broker may take to say goodbye to its clients.
const GOODBYE: Duration = Duration::from_secs(3);

/// Why the embedded broker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("the MQTT address `{address}` cannot be used: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A running embedded broker.
pub struct EmbeddedBroker {
    router: Arc<MessageRouter>,
    ingest: Arc<Ingest>,
    address: SocketAddr,
    shutdown: CancellationToken,
    running: Mutex<Option<JoinHandle<()>>>,
    ended: CancellationToken,
}

/// Starts to listen. Messages go to the engine, logins are checked against the store.
///
/// # Errors
/// [`StartError`].
pub async fn start(
    config: &MqttConfig,
    store: SharedStore,
    engine: &EngineHandle,
    decoder: Arc<Decoder>,
    clock: SharedClock,
    counters: Arc<Counters>,
) -> Result<Arc<EmbeddedBroker>, StartError> {
    let failed = |source| StartError::Listen {
        address: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if config.anonymous {
        tracing::warn!(%address, "clients without a login are let in and may speak for any node");
    }
    let ingest = Arc::new(Ingest {
        inbound: engine.inbound.clone(),
        rules: Rules { decoder },
        accounts: Arc::clone(&store),
        clock,
        counters,
        connections: Connections::default(),
        room: Arc::new(Semaphore::new(UNDER_WAY_KIB_MAX as usize)),
        router: OnceLock::new(),
    });
    // No storage behind it: what must not be lost is in the station's store.
    let router = Arc::new(MessageRouter::new().with_event_handler(Arc::clone(&ingest) as _));
    ingest.router.get_or_init(|| Arc::downgrade(&router));
    let access = Access::new(store, Arc::clone(&ingest), config.anonymous);
    let acceptor = Acceptor::new(
        config.clients_max,
        broker_config(config, Arc::clone(&ingest)),
        Arc::clone(&router),
        Arc::new(access),
    );
    let (shutdown, ended) = (CancellationToken::new(), CancellationToken::new());
    // Also told when the task panics.
    let told = ended.clone().drop_guard();
    let stop = shutdown.clone();
    let running = tokio::spawn(async move {
        let _told = told;
        acceptor.run(listener, stop).await;
    });
    Ok(Arc::new(EmbeddedBroker {
        router,
        ingest,
        address,
        shutdown,
        running: Mutex::new(Some(running)),
        ended,
    }))
}

fn broker_config(config: &MqttConfig, ingest: Arc<Ingest>) -> BrokerConfig {
    let mut broker = BrokerConfig::new()
        .with_max_packet_size(config.packet_bytes_max)
        .with_session_expiry(SESSION_EXPIRY)
        .with_max_subscriptions_per_client(SUBSCRIPTIONS_MAX)
        .with_client_channel_capacity(SUBSCRIBER_MESSAGES_MAX)
        // The limit that counts is in `events`: here it would refuse a publish before we have
        // seen it, and an MQTT 3.1.1 client would take that for stored.
        .with_max_retained_messages(0)
        .with_max_retained_message_size(0)
        .with_event_handler(ingest);
    broker.shared_subscription_available = false;
    broker.server_receive_maximum = Some(UNRELEASED_MAX);
    broker
}

impl std::fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedBroker")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl EmbeddedBroker {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Resolves when the broker has ended, by [`Self::stop`] or by itself.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Says goodbye to the clients and stops. Call it before the engine stops, so that what is
    /// under way is still committed and acknowledged.
    pub async fn stop(&self) {
        let running = lock(&self.running).take();
        let Some(running) = running else { return };
        self.shutdown.cancel();
        let abort = running.abort_handle();
        if tokio::time::timeout(GOODBYE, running).await.is_err() {
            tracing::warn!("the embedded broker did not stop in time and was ended");
            abort.abort();
        }
    }
}

#[async_trait]
impl Link for EmbeddedBroker {
    async fn publish(&self, message: Publish) -> Result<(), LinkError> {
        if let Some(reason) = self.trouble() {
            return Err(LinkError::Down { reason });
        }
        let mut packet = PublishPacket::new(message.topic, message.payload, QoS::AtLeastOnce);
        packet.retain = message.retain;
        if let Some(expiry_s) = message.expiry_s {
            packet.properties.set_message_expiry_interval(expiry_s);
        }
        self.router.route_message(&packet, None).await;
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        let ended = lock(&self.running)
            .as_ref()
            .is_none_or(JoinHandle::is_finished);
        ended.then(|| "the embedded broker has ended".to_owned())
    }

    fn facts(&self) -> BrokerFacts {
        BrokerFacts {
            kind: BrokerKind::Embedded,
            address: self.address.to_string(),
            connected: self.trouble().is_none(),
            clients: Some(self.ingest.connections.count()),
            connects: self.connects(),
        }
    }

    fn end_sessions(&self, node: &str) {
        self.ingest.connections.end(node);
    }

    fn forgets_connections(&self) -> bool {
        true
    }
}
