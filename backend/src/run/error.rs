//! Why the daemon did not start, or had to stop, and what to do about it.

use crate::{
    alerts::mail,
    ingest::MappingError,
    listeners::ListenError,
    mqtt::{self, BrokerError},
    store::{Place, StoreError},
    tls::TlsError,
};

/// Why the daemon did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address, a socket or the data folder.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The database.
    #[error("{source}")]
    Store {
        /// Where it is.
        place: Place,
        /// What is wrong.
        source: StoreError,
    },
    /// Told to stop before it had begun.
    #[error("stopped before the database answered")]
    Stopped,
    /// A `[[mapping]]` of the configuration.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The `[mail]` section of the configuration.
    #[error(transparent)]
    Mail(#[from] mail::MailConfigError),
    /// The certificate of the API.
    #[error("the API has no certificate: {0}")]
    Tls(#[from] TlsError),
    /// The embedded broker, or how to reach an external one.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The operating system does not tell who this process is.
    #[error("this process' user is not known")]
    Identity(#[source] std::io::Error),
    /// A stage that nothing works without has ended by itself.
    #[error("the {stage} has ended")]
    Ended {
        /// Which.
        stage: &'static str,
    },
}

impl RunError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen(error) => error.hint(),
            Self::Store { place, source } => match (place, source) {
                (Place::Sqlite(_), StoreError::Unusable { .. }) => {
                    "stop the other daemon, or name another folder with `--data-dir`"
                }
                (Place::Sqlite(_), _) => "is the disk full, or the data folder not writable?",
                (Place::Postgres(_), _) => {
                    "stop the other daemon, or correct `[store] url`; docs/postgresql.md tells \
                     what the database must be like"
                }
            },
            Self::Mapping(_) => "correct the `[[mapping]]` in the configuration",
            Self::Tls(error) => error.hint(),
            Self::Mail(_) => "correct `[mail]` in the configuration",
            Self::Broker(BrokerError::External(_)) => "correct `[mqtt]` in the configuration",
            Self::Broker(BrokerError::Embedded(mqtt::StartError::Listen { .. })) => {
                "another broker has the port: stop it, or choose one with `--mqtt-listen` \
                 (port 0 picks a free one)"
            }
            Self::Identity(_) | Self::Stopped | Self::Ended { .. } => {
                "the log before this line has the cause"
            }
        }
    }
}
