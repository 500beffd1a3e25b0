//! A stream to the station: a new connection, or a stream of the one connection over ssh.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream},
    sync::Mutex,
    time::timeout,
};

use super::{ClientError, Endpoint, SshHost, Trust, endpoint::Duplex, ssh::Ssh, trust::Tls};

/// A station that does not answer a connection for this long is away.
const DIAL: Duration = Duration::from_secs(10);

/// Makes streams to one station.
#[derive(Debug)]
pub(super) struct Dialer {
    endpoint: Endpoint,
    /// The connection over ssh that all streams share.
    ssh: Mutex<Option<Ssh>>,
    /// Whose certificate is believed over TCP.
    trust: Trust,
    /// What that led to, once a person was asked where one had to be.
    tls: Mutex<Option<Arc<Tls>>>,
    /// Whether ssh may still ask the person; once the screen is drawn it may not.
    may_ask: AtomicBool,
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint, trust: Trust) -> Self {
        Self {
            endpoint,
            trust,
            tls: Mutex::new(None),
            ssh: Mutex::new(None),
            may_ask: AtomicBool::new(true),
        }
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A new stream.
    pub(super) async fn dial(&self) -> Result<Box<dyn Duplex>, ClientError> {
        match &self.endpoint {
            Endpoint::Unix(path) => self.within(UnixStream::connect(path)).await,
            Endpoint::Plain(authority) => {
                self.within(async {
                    let stream = TcpStream::connect(authority).await?;
                    stream.set_nodelay(true)?;
                    Ok(stream)
                })
                .await
            }
            Endpoint::Tcp(_) => {
                let tls = self.tls().await?;
                Ok(Box::new(tls.connect(&self.endpoint).await?))
            }
            Endpoint::Ssh(host) => self.over_ssh(host).await,
        }
    }

    async fn within<S: Duplex + 'static>(
        &self,
        dialled: impl Future<Output = io::Result<S>>,
    ) -> Result<Box<dyn Duplex>, ClientError> {
        let dialled = timeout(DIAL, dialled).await;
        match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(source) => Err(ClientError::Away {
                endpoint: self.endpoint.clone(),
                source,
            }),
        }
    }

    /// The person is asked by one task, and the others wait for the answer.
    async fn tls(&self) -> Result<Arc<Tls>, ClientError> {
        let mut kept = self.tls.lock().await;
        if let Some(tls) = &*kept {
            return Ok(tls.clone());
        }
        let tls = Arc::new(Tls::prepare(&self.endpoint, &self.trust).await?);
        *kept = Some(tls.clone());
        Ok(tls)
    }

    async fn over_ssh(&self, host: &SshHost) -> Result<Box<dyn Duplex>, ClientError> {
        let mut kept = self.ssh.lock().await;
        if let Some(ssh) = &*kept
            && let Some(stream) = ssh.stream().await
        {
            return Ok(stream);
        }
        let may_ask = self.may_ask.swap(false, Ordering::Relaxed);
        let fresh = Ssh::start(host, may_ask).await?;
        let stream = fresh.stream().await;
        *kept = Some(fresh);
        stream.ok_or_else(|| ClientError::Ssh {
            host: host.to_string(),
            reason: "the connection ended at once".to_owned(),
            hint: "try again in a moment",
        })
    }
}
