//! A stream to the station: a new connection, or a stream of the one connection over ssh.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream},
    sync::Mutex,
    time::timeout,
};

use super::{ClientError, Endpoint, endpoint::Duplex, ssh::Ssh};

/// A station that does not answer a connection for this long is away.
const DIAL: Duration = Duration::from_secs(10);

/// Makes streams to one station.
#[derive(Debug)]
pub(super) struct Dialer {
    endpoint: Endpoint,
    /// The connection over ssh that all streams share.
    ssh: Mutex<Option<Ssh>>,
    /// Whether ssh may still ask the person; once the screen is drawn it may not.
    may_ask: AtomicBool,
}

impl Dialer {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            ssh: Mutex::new(None),
            may_ask: AtomicBool::new(true),
        }
    }

    pub(super) const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// A new stream.
    pub(super) async fn dial(&self) -> Result<Box<dyn Duplex>, ClientError> {
        let dialled = async {
            let stream: Box<dyn Duplex> = match &self.endpoint {
                Endpoint::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Endpoint::Tcp(authority) => {
                    let stream = TcpStream::connect(authority).await?;
                    stream.set_nodelay(true)?;
                    Box::new(stream)
                }
                Endpoint::Ssh(_) => return Ok(None),
            };
            Ok(Some(stream))
        };
        let stream = timeout(DIAL, dialled)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| ClientError::Away {
                endpoint: self.endpoint.clone(),
                source,
            })?;
        match (stream, &self.endpoint) {
            (Some(stream), _) => Ok(stream),
            (None, Endpoint::Ssh(host)) => {
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
            (None, _) => Err(ClientError::Away {
                endpoint: self.endpoint.clone(),
                source: io::ErrorKind::Unsupported.into(),
            }),
        }
    }
}
