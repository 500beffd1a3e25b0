//! Who may connect, and who may publish and subscribe where.

use std::{
    collections::HashMap,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mqtt5::{
    broker::auth::{AuthProvider, AuthResult},
    packet::connect::ConnectPacket,
    protocol::v5::reason_codes::ReasonCode,
};
use signalbox_protocol::topic::{CLASSIC, PREFIX, Topic, check_name};

use super::{credentials, events::Ingest};
use crate::{
    ingest::Decoder,
    store::{SharedStore, StoreError},
};

/// Addresses whose failed logins are remembered.
const FAILED_ADDRESSES_MAX: usize = 4_096;
/// Failed logins of an address within [`FAILED_WINDOW`] before it is refused unheard.
const FAILED_LOGINS_MAX: u32 = 20;
/// How long failed logins are held against an address.
const FAILED_WINDOW: Duration = Duration::from_secs(30);

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The broker asks it about every login, publish and subscription.
pub(super) struct Access {
    accounts: SharedStore,
    decoder: Arc<Decoder>,
    ingest: Arc<Ingest>,
    anonymous: bool,
    failed: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Access {
    pub(super) fn new(
        accounts: SharedStore,
        decoder: Arc<Decoder>,
        ingest: Arc<Ingest>,
        anonymous: bool,
    ) -> Self {
        Self {
            accounts,
            decoder,
            ingest,
            anonymous,
            failed: Mutex::default(),
        }
    }

    async fn login(&self, connect: &ConnectPacket, from: SocketAddr) -> AuthResult {
        let refused = || AuthResult::fail(ReasonCode::BadUsernameOrPassword);
        let Some(name) = connect.username.as_deref() else {
            return if self.anonymous {
                AuthResult::success()
            } else {
                refused()
            };
        };
        if self.is_throttled(from.ip()) {
            return AuthResult::fail(ReasonCode::ConnectionRateExceeded);
        }
        let password = connect.password.as_deref().unwrap_or_default();
        match self.verify(name, password).await {
            Ok(true) => AuthResult::success_with_user(name),
            Ok(false) => {
                self.note_failure(from.ip());
                tracing::warn!(node = %printable(name), address = %from.ip(), "a node's login failed");
                refused()
            }
            Err(error) => {
                tracing::error!(%error, "a node's login could not be checked");
                AuthResult::fail(ReasonCode::ServerUnavailable)
            }
        }
    }

    async fn verify(&self, name: &str, password: &[u8]) -> Result<bool, StoreError> {
        if check_name(name).is_err() {
            return Ok(false);
        }
        let stored = self.accounts.node_password(name).await?;
        Ok(stored.is_some_and(|hash| credentials::verify(password, &hash)))
    }

    fn is_throttled(&self, address: IpAddr) -> bool {
        lock(&self.failed)
            .get(&address)
            .is_some_and(|(since, count)| {
                *count >= FAILED_LOGINS_MAX && since.elapsed() < FAILED_WINDOW
            })
    }

    fn note_failure(&self, address: IpAddr) {
        let mut failed = lock(&self.failed);
        if failed.len() >= FAILED_ADDRESSES_MAX {
            failed.retain(|_, (since, _)| since.elapsed() < FAILED_WINDOW);
        }
        let entry = failed.entry(address).or_insert_with(|| (Instant::now(), 0));
        if entry.0.elapsed() >= FAILED_WINDOW {
            *entry = (Instant::now(), 0);
        }
        entry.1 += 1;
    }

    /// A node publishes below its own topics (not where the station speaks), on the classic topic
    /// and on mapped ones; an anonymous client wherever some node may.
    fn may_publish(&self, node: Option<&str>, topic: &str) -> bool {
        match Topic::parse(topic) {
            Topic::Telemetry { node: of }
            | Topic::Status { node: of }
            | Topic::Ack { node: of }
            | Topic::Log { node: of } => node.map_or(self.anonymous, |node| node == of),
            Topic::Command { .. } | Topic::Config { .. } | Topic::Unknown(_) => false,
            Topic::Classic => true,
            Topic::Other(topic) => {
                self.decoder.maps(topic) || (node.is_none() && self.anonymous && !reserved(topic))
            }
        }
    }

    /// A node subscribes below its own topics; an anonymous client anywhere.
    fn may_subscribe(&self, node: Option<&str>, filter: &str) -> bool {
        let Some(node) = node else {
            return self.anonymous;
        };
        let own = filter
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.strip_prefix('/'));
        own.and_then(|rest| rest.strip_prefix(node))
            .is_some_and(|rest| rest.starts_with('/'))
            || filter == CLASSIC
    }
}

impl AuthProvider for Access {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        client_addr: SocketAddr,
    ) -> BoxFuture<'a, mqtt5::Result<AuthResult>> {
        Box::pin(async move { Ok(self.login(connect, client_addr).await) })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let allowed = self.may_publish(user_id, topic);
            if !allowed {
                self.ingest
                    .denied(user_id, topic, "may not publish here")
                    .await;
            }
            allowed
        })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let allowed = self.may_subscribe(user_id, topic_filter);
            if !allowed {
                self.ingest
                    .denied(user_id, topic_filter, "may not subscribe here")
                    .await;
            }
            allowed
        })
    }
}

fn reserved(topic: &str) -> bool {
    topic.starts_with('$') || topic.starts_with(PREFIX)
}

fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// A poisoned lock still holds whole values: every change of these maps is one call.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
