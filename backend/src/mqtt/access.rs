//! Answers what the broker asks: may this client log in, publish, subscribe?

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Instant,
};

use mqtt5::{
    broker::auth::{AuthProvider, AuthResult},
    packet::connect::ConnectPacket,
    protocol::v5::reason_codes::ReasonCode,
};
use signalbox_protocol::topic::check_name;

use super::{credentials, events::Ingest, printable, throttle::Throttle};
use crate::store::{SharedStore, StoreError};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The broker asks it about every login, publish and subscription.
pub(super) struct Access {
    accounts: SharedStore,
    ingest: Arc<Ingest>,
    anonymous: bool,
    throttle: Throttle,
}

impl Access {
    pub(super) fn new(accounts: SharedStore, ingest: Arc<Ingest>, anonymous: bool) -> Self {
        Self {
            accounts,
            ingest,
            anonymous,
            throttle: Throttle::default(),
        }
    }

    async fn login(&self, connect: &ConnectPacket, from: SocketAddr) -> AuthResult {
        let password = connect.password.as_deref().unwrap_or_default();
        // Some client libraries send an empty name where none is set.
        let name = connect.username.as_deref().filter(|name| !name.is_empty());
        let answer = match name {
            None if self.anonymous && password.is_empty() => AuthResult::success(),
            None => {
                self.failed(from.ip(), "", "it gave no user name");
                AuthResult::fail(ReasonCode::BadUsernameOrPassword)
            }
            Some(name) => self.login_as(name, password, from.ip()).await,
        };
        let connections = &self.ingest.connections;
        if answer.authenticated && connections.is_taken(&connect.client_id, name) {
            self.failed(
                from.ip(),
                name.unwrap_or_default(),
                "its client id belongs to another node that is connected now",
            );
            return AuthResult::fail(ReasonCode::ClientIdentifierNotValid);
        }
        answer
    }

    async fn login_as(&self, name: &str, password: &[u8], from: IpAddr) -> AuthResult {
        if self.throttle.refuses(from, name, Instant::now()) {
            return AuthResult::fail(ReasonCode::ConnectionRateExceeded);
        }
        match self.verify(name, password).await {
            Ok(true) => AuthResult::success_with_user(name),
            Ok(false) => {
                self.failed(from, name, "unknown node or wrong password");
                AuthResult::fail(ReasonCode::BadUsernameOrPassword)
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

    fn failed(&self, from: IpAddr, name: &str, why: &str) {
        if self.throttle.failed(from, name, Instant::now()) {
            tracing::warn!(node = %printable(name), address = %from, why, "a node's login failed");
        }
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
            match self.ingest.rules.publish(user_id, topic) {
                Ok(()) => true,
                Err(why) => {
                    self.ingest.denied(user_id, topic, why).await;
                    false
                }
            }
        })
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client_id: &str,
        user_id: Option<&'a str>,
        topic_filter: &'a str,
    ) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            match self.ingest.rules.subscribe(user_id, topic_filter) {
                Ok(()) => true,
                Err(why) => {
                    self.ingest.denied(user_id, topic_filter, why).await;
                    false
                }
            }
        })
    }
}
