//! The embedded broker: the crate `mqtt5`, wrapped, so that it can be replaced. A PUBACK goes out
//! after the engine's commit; commands go in by the broker's router.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use mqtt5::{
    QoS,
    broker::{
        BrokerConfig, BrokerShutdownHandle, MqttBroker, config::StorageConfig,
        router::MessageRouter,
    },
    packet::publish::PublishPacket,
};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Link, LinkError, Publish,
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
    /// The broker itself says no.
    #[error("the embedded broker does not start: {0}")]
    Broker(String),
}

/// A running embedded broker.
pub struct EmbeddedBroker {
    router: Arc<MessageRouter>,
    shutdown: BrokerShutdownHandle,
    address: SocketAddr,
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
    // The library names no address in its error, so the address is tried first.
    let address = config.listen;
    drop(TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })?);
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
        room: Semaphore::new(UNDER_WAY_KIB_MAX as usize),
        router: OnceLock::new(),
    });
    let access = Access::new(store, Arc::clone(&ingest), config.anonymous);
    let failed = |error: mqtt5::MqttError| StartError::Broker(error.to_string());
    let mut broker = MqttBroker::with_config(broker_config(config, Arc::clone(&ingest)))
        .await
        .map_err(failed)?
        .with_auth_provider(Arc::new(access));
    let address = broker
        .local_addr()
        .ok_or_else(|| StartError::Broker("it has no address".to_owned()))?;
    let (router, shutdown) = (broker.router(), broker.shutdown_handle());
    ingest.router.get_or_init(|| Arc::downgrade(&router));
    let mut ready = broker.ready_receiver();
    let ended = CancellationToken::new();
    // Also told when the task panics.
    let told = ended.clone().drop_guard();
    let running = tokio::spawn(async move {
        let _told = told;
        if let Err(error) = broker.run().await {
            tracing::error!(%error, "the embedded broker has ended");
        }
    });
    ready
        .wait_for(|ready| *ready)
        .await
        .map_err(|_| StartError::Broker("it ended at once".to_owned()))?;
    Ok(Arc::new(EmbeddedBroker {
        router,
        shutdown,
        address,
        running: Mutex::new(Some(running)),
        ended,
    }))
}

fn broker_config(config: &MqttConfig, ingest: Arc<Ingest>) -> BrokerConfig {
    let mut broker = BrokerConfig::new()
        .with_bind_addresses(vec![config.listen])
        .with_max_clients(config.clients_max)
        .with_max_packet_size(config.packet_bytes_max)
        .with_session_expiry(SESSION_EXPIRY)
        .with_max_subscriptions_per_client(SUBSCRIPTIONS_MAX)
        .with_client_channel_capacity(SUBSCRIBER_MESSAGES_MAX)
        // The limit that counts is in `events`: here it would refuse a publish before we have
        // seen it, and an MQTT 3.1.1 client would take that for stored.
        .with_max_retained_messages(0)
        .with_max_retained_message_size(0)
        .with_sys_topics_enabled(false)
        // What must not be lost is in the station's store; the broker keeps nothing on disk.
        .with_storage(StorageConfig::new().with_persistence(false))
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
        self.shutdown.shutdown();
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
        packet
            .properties
            .set_message_expiry_interval(message.expiry_s);
        self.router.route_message(&packet, None).await;
        Ok(())
    }

    fn trouble(&self) -> Option<String> {
        let ended = lock(&self.running)
            .as_ref()
            .is_none_or(JoinHandle::is_finished);
        ended.then(|| "the embedded broker has ended".to_owned())
    }

    fn forgets_connections(&self) -> bool {
        true
    }
}
