//! Accepts connections and runs the library on each: one task that speaks MQTT, and one that
//! sends what the [`super::gate`] lets through.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use mqtt5::broker::{
    BrokerConfig, ResourceLimits, ResourceMonitor, auth::AuthProvider,
    client_handler::ClientHandler, router::MessageRouter, sys_topics::BrokerStats,
    transport::BrokerTransport,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, broadcast},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::gate::{GATE, Gate, GatedStream};

/// Pause after the system could not accept, as when all file handles are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Everything that a connection needs.
pub(super) struct Acceptor {
    config: Arc<BrokerConfig>,
    router: Arc<MessageRouter>,
    access: Arc<dyn AuthProvider>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    /// One permit a connection, logged in or not.
    clients: Arc<Semaphore>,
    goodbye: broadcast::Sender<()>,
    tasks: TaskTracker,
    /// Already logged that connections cannot be accepted.
    is_troubled: bool,
}

impl Acceptor {
    pub(super) fn new(
        clients_max: usize,
        config: BrokerConfig,
        router: Arc<MessageRouter>,
        access: Arc<dyn AuthProvider>,
    ) -> Self {
        // Connections are limited here, messages by the queue to the engine.
        let limits = ResourceLimits {
            max_connections: usize::MAX,
            max_connections_per_ip: usize::MAX,
            max_message_rate_per_client: 0,
            max_bandwidth_per_client: 0,
            ..ResourceLimits::default()
        };
        Self {
            config: Arc::new(config),
            router,
            access,
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(limits)),
            clients: Arc::new(Semaphore::new(clients_max.min(Semaphore::MAX_PERMITS))),
            goodbye: broadcast::channel(1).0,
            tasks: TaskTracker::new(),
            is_troubled: false,
        }
    }

    /// Serves until told to stop, then until the last connection has said goodbye.
    pub(super) async fn run(mut self, listener: TcpListener, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => self.accepted(accepted).await,
            }
        }
        drop(listener);
        // Nobody listens when nobody is connected.
        let _ = self.goodbye.send(());
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn accepted(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((socket, peer)) => {
                if self.serve(socket, peer) {
                    self.is_troubled = false;
                } else {
                    let limit = "`mqtt.clients_max` connections are open";
                    self.trouble(limit);
                }
            }
            Err(error) => {
                self.trouble(&error.to_string());
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn trouble(&mut self, why: &str) {
        if !self.is_troubled {
            tracing::warn!(why, "the embedded broker turns connections away");
        }
        self.is_troubled = true;
    }

    /// False when there is no room for another connection; it is closed then.
    fn serve(&self, socket: TcpStream, peer: SocketAddr) -> bool {
        let Ok(permit) = Arc::clone(&self.clients).try_acquire_owned() else {
            return false;
        };
        // Acknowledgements are small, and nodes wait for them.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%peer, %error, "a connection was gone before it was served");
            return true;
        }
        let (read, write) = socket.into_split();
        let gate = Gate::new();
        let permit = Arc::new(permit);
        let sending = Arc::clone(&gate).send_all(write);
        let sending_permit = Arc::clone(&permit);
        self.tasks.spawn(async move {
            sending.await;
            drop(sending_permit);
        });
        let stream = GatedStream::new(read, Arc::clone(&gate), peer);
        let handler = ClientHandler::new(
            BrokerTransport::WebSocket(Box::new(stream)),
            peer,
            Arc::clone(&self.config),
            Arc::clone(&self.router),
            Arc::clone(&self.access),
            None,
            Arc::clone(&self.stats),
            Arc::clone(&self.monitor),
            self.goodbye.subscribe(),
        );
        self.tasks.spawn(GATE.scope(gate, async move {
            // The library has logged what is worth it.
            if let Err(error) = handler.run().await {
                tracing::debug!(%peer, %error, "a connection ended");
            }
            drop(permit);
        }));
        true
    }
}
