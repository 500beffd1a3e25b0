//! The broker of this station: the embedded one, or another program's. Chosen once, by the
//! configuration; everything after the start knows only [`Link`].

use std::{net::SocketAddr, sync::Arc};

use super::{
    EmbeddedBroker, ExternalBroker, Link, StartError, embedded,
    external::{self, BrokerConfigError},
};
use crate::{
    clock::SharedClock, config::Config, counters::Counters, engine::EngineHandle, ingest::Decoder,
    store::SharedStore,
};

/// A running link, with what only its host needs to know.
#[derive(Debug, Clone)]
pub enum Broker {
    /// In this process.
    Embedded(Arc<EmbeddedBroker>),
    /// Another program.
    External(Arc<ExternalBroker>),
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The embedded broker does not start.
    #[error(transparent)]
    Embedded(#[from] StartError),
    /// The external broker cannot be used as configured. (That it is away is no error.)
    #[error(transparent)]
    External(#[from] BrokerConfigError),
}

impl Broker {
    /// Starts what the configuration names.
    ///
    /// # Errors
    /// [`BrokerError`].
    pub async fn start(
        config: &Config,
        store: SharedStore,
        engine: &EngineHandle,
        decoder: Arc<Decoder>,
        clock: SharedClock,
        counters: Arc<Counters>,
    ) -> Result<Self, BrokerError> {
        let external = external::start(config, engine, Arc::clone(&decoder), clock.clone())?;
        if let Some(external) = external {
            return Ok(Self::External(external));
        }
        let started = embedded::start(&config.mqtt, store, engine, decoder, clock, counters);
        Ok(Self::Embedded(started.await?))
    }

    /// As the engine and the API see it.
    #[must_use]
    pub fn link(&self) -> Arc<dyn Link> {
        match self {
            Self::Embedded(broker) => broker.clone(),
            Self::External(broker) => broker.clone(),
        }
    }

    /// Where the embedded broker listens.
    #[must_use]
    pub fn listens_on(&self) -> Option<SocketAddr> {
        match self {
            Self::Embedded(broker) => Some(broker.local_addr()),
            Self::External(_) => None,
        }
    }

    /// Where nodes find it, without login: `HOST:PORT` of the embedded one, the URL of an
    /// external one.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.local_addr().to_string(),
            Self::External(broker) => broker.address().to_owned(),
        }
    }

    /// Resolves when it has ended, by [`Self::stop`] or by itself.
    pub async fn ended(&self) {
        match self {
            Self::Embedded(broker) => broker.ended().await,
            Self::External(broker) => broker.ended().await,
        }
    }

    /// Says goodbye and stops. Call it before the engine stops, so that what is under way is
    /// still committed and acknowledged.
    pub async fn stop(&self) {
        match self {
            Self::Embedded(broker) => broker.stop().await,
            Self::External(broker) => broker.stop().await,
        }
    }
}
