//! The link to a broker that is another program: Mosquitto, RabbitMQ, NATS. Two clients, so that
//! orders never wait behind measurements: [`ingest`] hears nodes and acknowledges after the
//! engine's commit, [`commands`] speaks to them. Packets and codecs are rumqttc's; the
//! connection's loop is our own (`docs/decisions/external-broker.md` says why).

mod commands;
mod connection;
mod fault;
mod hearing;
mod ingest;
mod limits;
mod oversize;
mod report;
mod retry;
mod settings;
mod sys;
#[cfg(test)]
mod tests;
mod tls;
mod translate;
mod unacked;
mod wire;

pub use settings::{BrokerConfigError, check};

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use signalbox_protocol::api::station::{BrokerFacts, BrokerKind};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use self::{
    commands::{COMMANDS_QUEUE_MAX, Commands},
    ingest::Ingest,
    report::Report,
    settings::Settings,
    translate::Translator,
    wire::{Message, Qos},
};
use super::{Link, LinkError, Publish, lock};
use crate::{
    clock::SharedClock,
    config::Config,
    engine::EngineHandle,
    ingest::{Decoder, LinkNews},
};

/// Longer than the clients take to say goodbye.
const STOP: Duration = Duration::from_secs(10);

/// The link to an external broker; it may be away.
pub struct ExternalBroker {
    address: String,
    report: Arc<Report>,
    commands: mpsc::Sender<Message>,
    command_qos: Qos,
    speaks: Arc<AtomicBool>,
    stop: CancellationToken,
    clients: Mutex<Vec<JoinHandle<()>>>,
    ended: CancellationToken,
}

/// Begins to connect. It returns at once: the broker need not be there. `None` when the
/// configuration names no external broker.
///
/// # Errors
/// The key of `[mqtt]` that cannot be used.
pub fn start(
    config: &Config,
    engine: &EngineHandle,
    decoder: Arc<Decoder>,
    clock: SharedClock,
) -> Result<Option<Arc<ExternalBroker>>, BrokerConfigError> {
    let Some(settings) = Settings::new(config)?.map(Arc::new) else {
        return Ok(None);
    };
    let address = settings.address();
    let report = Arc::new(Report::new(address.clone()));
    let translator = Translator { decoder, clock };
    let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
    let speaks = Arc::new(AtomicBool::new(false));
    let (send, queue) = mpsc::channel(COMMANDS_QUEUE_MAX);
    // The first that the engine hears: nothing is known of the nodes yet.
    for news in [LinkNews::Deaf, LinkNews::Mute] {
        if engine.inbound.try_send(translator.news(news)).is_err() {
            tracing::error!("the engine does not listen");
        }
    }
    let ingest = Ingest {
        settings: Arc::clone(&settings),
        inbound: engine.inbound.clone(),
        translator: translator.clone(),
        report: Arc::clone(&report),
        stop: stop.clone(),
    };
    let command_qos = settings.command_qos;
    let commands = Commands {
        settings,
        queue,
        inbound: engine.inbound.clone(),
        translator,
        report: Arc::clone(&report),
        speaks: Arc::clone(&speaks),
        stop: stop.clone(),
    };
    // Also told when a task panics.
    let told = [ended.clone().drop_guard(), ended.clone().drop_guard()];
    let [first, second] = told;
    let clients = vec![
        tokio::spawn(async move {
            let _told = first;
            ingest.run().await;
        }),
        tokio::spawn(async move {
            let _told = second;
            commands.run().await;
        }),
    ];
    Ok(Some(Arc::new(ExternalBroker {
        address,
        report,
        commands: send,
        command_qos,
        speaks,
        stop,
        clients: Mutex::new(clients),
        ended,
    })))
}

impl std::fmt::Debug for ExternalBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalBroker")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl ExternalBroker {
    /// Where the broker is, without login.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Resolves when a client has ended, by [`Self::stop`] or by itself.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Acknowledges what was committed and says goodbye. Call it before the engine stops.
    pub async fn stop(&self) {
        self.stop.cancel();
        let clients = std::mem::take(&mut *lock(&self.clients));
        for client in clients {
            let abort = client.abort_handle();
            match tokio::time::timeout(STOP, client).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a client of the broker ended badly"),
                Err(_) => {
                    tracing::warn!("a client of the broker did not stop in time and was ended");
                    abort.abort();
                }
            }
        }
    }
}

#[async_trait]
impl Link for ExternalBroker {
    async fn publish(&self, message: Publish) -> Result<(), LinkError> {
        if !self.speaks.load(Ordering::Acquire) {
            let reason = self.trouble();
            return Err(LinkError::Down {
                reason: reason.unwrap_or_else(|| "the broker has just gone".to_owned()),
            });
        }
        let message = Message {
            topic: message.topic,
            payload: message.payload.into(),
            qos: self.command_qos,
            retain: message.retain,
            packet_id: 0,
            expiry_s: message.expiry_s,
        };
        // Never waited for: the engine has others to serve.
        self.commands
            .try_send(message)
            .map_err(|_| LinkError::Down {
                reason: "too many commands wait for the broker".to_owned(),
            })
    }

    fn trouble(&self) -> Option<String> {
        self.report.trouble()
    }

    fn facts(&self) -> BrokerFacts {
        BrokerFacts {
            kind: BrokerKind::External,
            address: self.address.clone(),
            connected: self.trouble().is_none(),
            clients: None,
            connects: self.connects(),
        }
    }

    fn warnings(&self) -> Vec<String> {
        self.report.warnings()
    }

    fn connects(&self) -> u64 {
        self.report.connects()
    }

    fn forgets_connections(&self) -> bool {
        false
    }
}
