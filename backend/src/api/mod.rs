//! The HTTP API: one router for every listener. Fed by the listeners of `serve`; reads the
//! store, asks the engine, listens to [`crate::live`].
//!
//! `router` is the table of contents; one file per resource holds its handlers.

mod auth;
mod commands;
mod configs;
mod data;
mod error;
mod export;
mod extract;
mod guard;
mod incidents;
mod logs;
mod mails;
mod messages;
mod metrics;
mod nodes;
mod openapi;
mod router;
mod rules;
mod serve;
mod sessions;
mod silences;
mod station;
mod users;
mod ws;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    auth::{Accounts, Presence},
    clock::SharedClock,
    config::LiveConfig,
    counters::Counters,
    engine::EngineHandle,
    health::Vitals,
    live::Live,
    logs::Logs,
    mqtt::Link,
    prune::Upkeep,
    store::SharedStore,
    tls::ServerTls,
};
use error::ApiError;

pub use openapi::document;
pub use router::{Access, RouteInfo, route_list, router};
pub use serve::{
    Door, HANDSHAKE_S_MAX, HTTP_CONNECTIONS_MAX, UNIX_CONNECTIONS_MAX, own_uid, serve_http,
    serve_unix,
};
pub use ws::WEBSOCKETS_MAX;

/// Version of the program, as the API tells it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Largest body of a request.
pub const BODY_BYTES_MAX: usize = 65_536;
/// A handler that takes longer is given up: 503.
pub const REQUEST_S_MAX: u64 = 30;

/// What handlers share.
pub struct AppState {
    /// Id of this run.
    pub id: Uuid,
    /// When this run began.
    pub started_at: DateTime<Utc>,
    /// The present time.
    pub clock: SharedClock,
    /// All queries.
    pub store: SharedStore,
    /// All changes.
    pub engine: EngineHandle,
    /// Committed changes.
    pub live: Live,
    /// Log lines of nodes.
    pub logs: Logs,
    /// Counters of this run.
    pub counters: Arc<Counters>,
    /// What the engine says is wrong with the store; `None` when all is well.
    pub store_trouble: watch::Receiver<Option<String>>,
    /// The broker.
    pub link: Arc<dyn Link>,
    /// Accounts and sessions.
    pub accounts: Accounts,
    /// Who is there.
    pub presence: Presence,
    /// Wakes the outbox.
    pub mail_written: Arc<Notify>,
    /// What pruning and sealing have found.
    pub upkeep: Upkeep,
    /// The configuration as it is now.
    pub config: LiveConfig,
    /// The daemon's own user, an administrator on the unix socket.
    pub own_uid: u32,
    /// The certificate of the TCP listener.
    pub tls: ServerTls,
    /// Ends WebSockets and connections.
    pub shutdown: CancellationToken,
    /// One permit per WebSocket.
    pub websockets: Arc<Semaphore>,
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl AppState {
    /// What tells whether the station works.
    fn vitals(&self) -> Vitals {
        Vitals {
            store: Arc::clone(&self.store),
            store_trouble: self.store_trouble.clone(),
            link: Arc::clone(&self.link),
        }
    }
}

/// The state as handlers get it.
pub type SharedState = Arc<AppState>;

/// A cursor of a query; an empty one is the beginning.
fn cursor(after: Option<String>) -> Option<String> {
    after.filter(|after| !after.is_empty())
}

/// `limit` or `n` of a query: 1 to `max`, `default` when absent.
fn bounded(field: &str, asked: Option<u32>, default: u32, max: u32) -> Result<u32, ApiError> {
    let n = asked.unwrap_or(default);
    if (1..=max).contains(&n) {
        return Ok(n);
    }
    Err(ApiError::invalid(
        field,
        format!("`{field}` is `{n}`, must be 1 to {max}"),
    ))
}
