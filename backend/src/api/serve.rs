//! The listeners: TCP and the unix socket, one router behind both. Each connection has its
//! peer's identity, a limit on how long a request head may take, and a place among a bounded
//! number of connections; when all are taken, further ones get a 503 at once.

use std::{
    convert::Infallible,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::auth::Peer;

/// Connections over TCP at a time.
pub const HTTP_CONNECTIONS_MAX: usize = 512;
/// Connections over the unix socket at a time; of their own, so that the person at the machine
/// always gets in.
pub const UNIX_CONNECTIONS_MAX: usize = 128;
/// A request head must be complete after this long; idle connections are closed after it.
const HEAD_S_MAX: u64 = 30;
/// Largest request head, and buffer of a connection.
const HEAD_BYTES_MAX: usize = 16_384;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Requests that are under way when the station stops may take this long.
const DRAIN_S_MAX: u64 = 5;
/// Pause after an `accept` that failed because the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection over the limit gets.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
    retry-after: 2\r\nconnection: close\r\ncontent-length: 96\r\n\r\n\
    {\"error\":{\"code\":\"unavailable\",\"message\":\"too many connections\",\
    \"hint\":\"try again in a moment\"}}";

/// Serves over TCP until `shutdown`, then lets requests under way finish.
pub async fn serve_http(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let connections = Connections::new(router, HTTP_CONNECTIONS_MAX, &shutdown);
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone at once");
                }
                connections.begin(stream, Peer::Tcp(address));
            }
            Err(error) => accept_failed(&error).await,
        }
    }
    drop(listener);
    connections.finish().await;
}

/// Serves over the unix socket until `shutdown`, then lets requests under way finish.
pub async fn serve_unix(listener: UnixListener, router: Router, shutdown: CancellationToken) {
    let connections = Connections::new(router, UNIX_CONNECTIONS_MAX, &shutdown);
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted.and_then(|(stream, _)| Ok((stream.peer_cred()?.uid(), stream))) {
            Ok((uid, stream)) => connections.begin(stream, Peer::Unix { uid }),
            Err(error) => accept_failed(&error).await,
        }
    }
    drop(listener);
    connections.finish().await;
}

/// This process' user id, as the kernel tells it to the other end of a unix socket.
///
/// # Errors
/// When the system gives no socket pair.
pub fn own_uid() -> io::Result<u32> {
    let (one, _other) = UnixStream::pair()?;
    Ok(one.peer_cred()?.uid())
}

async fn accept_failed(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    );
    if !of_the_peer {
        tracing::error!(%error, "a connection cannot be accepted");
        sleep(ACCEPT_PAUSE).await;
    }
}

struct Connections {
    router: Router,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

impl Connections {
    fn new(router: Router, max: usize, shutdown: &CancellationToken) -> Self {
        Self {
            router,
            places: Arc::new(Semaphore::new(max)),
            tasks: TaskTracker::new(),
            shutdown: shutdown.clone(),
        }
    }

    fn begin<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                let (router, shutdown) = (self.router.clone(), self.shutdown.clone());
                self.tasks
                    .spawn(connection(stream, peer, router, shutdown, place));
            }
            Err(_) => refuse(stream, peer),
        }
    }

    async fn finish(self) {
        self.tasks.close();
        let drained = timeout(Duration::from_secs(DRAIN_S_MAX), self.tasks.wait());
        if drained.await.is_err() {
            tracing::warn!("requests under way were broken off after {DRAIN_S_MAX} s");
        }
    }
}

/// Tells a connection over the limit so, without waiting for it.
fn refuse<S: AsyncWrite + Unpin + Send + 'static>(mut stream: S, peer: Peer) {
    tracing::warn!(%peer, "too many connections, one was refused");
    // An empty send buffer takes these few bytes at once or never.
    let written = futures_util::FutureExt::now_or_never(stream.write_all(FULL));
    if !matches!(written, Some(Ok(()))) {
        tracing::debug!(%peer, "a refused connection was gone before it could be told");
    }
}

async fn connection<S>(
    stream: S,
    peer: Peer,
    router: Router,
    shutdown: CancellationToken,
    _place: OwnedSemaphorePermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        let router = router.clone();
        async move { Ok::<_, Infallible>(answer(router, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_S_MAX))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

async fn answer(router: Router, request: hyper::Request<Incoming>) -> axum::response::Response {
    match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reply_over_the_limit_is_whole_and_has_the_envelope() {
        use signalbox_protocol::api::error::ErrorBody;
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())));
        let body: ErrorBody = serde_json::from_str(body).unwrap();
        assert_eq!(body.error.code, "unavailable");
    }
}
