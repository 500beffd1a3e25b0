//! The listeners: TCP and the unix socket, one router behind both. Each connection has its
//! peer's identity, a limit on how long a request head may take, and a place among a bounded
//! number of connections; when all are taken, further ones get a 503 at once. On TCP the first
//! byte tells TLS from plain text, which only this machine may speak.

use std::{
    convert::Infallible,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use crate::{auth::Peer, config::PlainText, tls::ServerTls};

/// Connections over TCP at a time.
pub const HTTP_CONNECTIONS_MAX: usize = 512;
/// Connections over the unix socket at a time; of their own, so that the person at the machine
/// always gets in.
pub const UNIX_CONNECTIONS_MAX: usize = 128;
/// A request head must be complete after this long; idle connections are closed after it.
const HEAD_S_MAX: u64 = 30;
/// TLS must be agreed on after this long.
pub const HANDSHAKE_S_MAX: u64 = 10;
const HANDSHAKE: Duration = Duration::from_secs(HANDSHAKE_S_MAX);
/// First byte of TLS: a record of its handshake (RFC 8446, section 5.1). No HTTP begins with it.
const TLS_RECORD: u8 = 22;
/// Bytes of a refused request that are read, so that it sees the reply.
const REFUSED_BYTES_MAX: usize = 65_536;
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

/// What somebody gets who speaks plain text where it is not taken.
const NO_PLAIN_TEXT: &[u8] = b"HTTP/1.1 426 Upgrade Required\r\ncontent-type: application/json\r\n\
    upgrade: TLS/1.2\r\nconnection: upgrade, close\r\ncontent-length: 232\r\n\r\n\
    {\"error\":{\"code\":\"plain_text\",\"message\":\"the station takes plain text from its own \
    machine only, because others could listen in\",\
    \"hint\":\"use TLS: `https://`, or `signalbox --host tcp://HOST:PORT`; or come by ssh with \
    `ssh://HOST`\"}}";

/// How people come in over TCP.
#[derive(Debug, Clone)]
pub struct Door {
    /// The certificate.
    pub tls: ServerTls,
    /// Who may do without.
    pub plain_text: PlainText,
}

impl Door {
    fn takes_plain_text(&self, peer: SocketAddr) -> bool {
        match self.plain_text {
            PlainText::Loopback => peer.ip().to_canonical().is_loopback(),
            PlainText::Proxy => true,
        }
    }
}

/// Serves over TCP until `shutdown`, then lets requests under way finish.
pub async fn serve_http(
    listener: TcpListener,
    door: Door,
    router: Router,
    shutdown: CancellationToken,
) {
    let connections = Connections::new(router, HTTP_CONNECTIONS_MAX, &shutdown);
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, address)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone at once");
                }
                match connections.place() {
                    Some(place) => connections.tcp(stream, address, door.clone(), place),
                    None => refuse(stream, Peer::Tcp(address)),
                }
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
            Ok((uid, stream)) => match connections.place() {
                Some(place) => connections.unix(stream, uid, place),
                None => refuse(stream, Peer::Unix { uid }),
            },
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

    /// A place among the connections; none when all are taken.
    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    fn unix(&self, stream: UnixStream, uid: u32, place: OwnedSemaphorePermit) {
        let (router, shutdown) = (self.router.clone(), self.shutdown.clone());
        let peer = Peer::Unix { uid };
        self.tasks
            .spawn(connection(stream, peer, router, shutdown, place));
    }

    fn tcp(&self, stream: TcpStream, address: SocketAddr, door: Door, place: OwnedSemaphorePermit) {
        let (router, shutdown) = (self.router.clone(), self.shutdown.clone());
        self.tasks.spawn(async move {
            let admitted = shutdown.run_until_cancelled(admit(stream, address, &door, HANDSHAKE));
            match admitted.await {
                Some(Some(Admitted::Plain(stream))) => {
                    connection(stream, Peer::Tcp(address), router, shutdown, place).await;
                }
                Some(Some(Admitted::Tls(stream))) => {
                    connection(*stream, Peer::Tls(address), router, shutdown, place).await;
                }
                // Refused, or the station stops.
                Some(None) | None => {}
            }
        });
    }

    async fn finish(self) {
        self.tasks.close();
        let drained = timeout(Duration::from_secs(DRAIN_S_MAX), self.tasks.wait());
        if drained.await.is_err() {
            tracing::warn!("requests under way were broken off after {DRAIN_S_MAX} s");
        }
    }
}

enum Admitted {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Agrees on TLS with who wants it, and sends away who must and does not.
async fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    door: &Door,
    limit: Duration,
) -> Option<Admitted> {
    let takes_plain_text = door.takes_plain_text(peer);
    let first_limit = if takes_plain_text {
        Duration::from_secs(HEAD_S_MAX)
    } else {
        limit
    };
    let mut first = [0];
    match timeout(first_limit, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // It left, or said nothing.
        _ => return None,
    }
    if first[0] != TLS_RECORD {
        if takes_plain_text {
            return Some(Admitted::Plain(stream));
        }
        tracing::info!(%peer, "plain text was refused, it is for loopback only");
        refuse_plain_text(stream).await;
        return None;
    }
    let handshake = door.tls.acceptor().accept(stream);
    match timeout(limit, handshake).await {
        Ok(Ok(stream)) => Some(Admitted::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TLS was not agreed on");
            None
        }
        Err(_) => {
            tracing::debug!(%peer, "TLS was not agreed on within {limit:?}");
            None
        }
    }
}

/// Says why, and reads what comes meanwhile: a connection that is closed with something unread
/// loses the reply.
async fn refuse_plain_text(mut stream: TcpStream) {
    let told = async {
        stream.write_all(NO_PLAIN_TEXT).await?;
        stream.shutdown().await?;
        let mut rest = stream.take(REFUSED_BYTES_MAX as u64);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // A courtesy: it is gone either way.
    let _ = timeout(Duration::from_secs(1), told).await;
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
    fn replies_without_a_router_are_whole_and_have_the_envelope() {
        use signalbox_protocol::api::error::ErrorBody;
        for (reply, code) in [(FULL, "unavailable"), (NO_PLAIN_TEXT, "plain_text")] {
            let text = std::str::from_utf8(reply).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            let length = format!("content-length: {}", body.len());
            assert!(head.contains(&length), "{length}");
            let body: ErrorBody = serde_json::from_str(body).unwrap();
            assert_eq!(body.error.code, code);
        }
    }

    #[test]
    fn plain_text_is_for_this_machine_unless_a_proxy_is_in_front() {
        let dir = tempfile::tempdir().unwrap();
        let tls = ServerTls::open(&crate::config::ApiConfig::default(), dir.path()).unwrap();
        let takes = |plain_text, peer: &str| {
            let tls = tls.clone();
            let door = Door { tls, plain_text };
            door.takes_plain_text(SocketAddr::new(peer.parse().unwrap(), 1))
        };
        for own in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(takes(PlainText::Loopback, own), "{own}");
        }
        for other in ["192.168.1.2", "::", "0.0.0.0", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(!takes(PlainText::Loopback, other), "{other}");
            assert!(takes(PlainText::Proxy, other), "{other}");
        }
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap());
        let (near, far) = tokio::join!(near, listener.accept());
        (near.unwrap(), far.unwrap().0)
    }

    fn door() -> (tempfile::TempDir, Door) {
        let dir = tempfile::tempdir().unwrap();
        let tls = ServerTls::open(&crate::config::ApiConfig::default(), dir.path()).unwrap();
        let plain_text = PlainText::Loopback;
        (dir, Door { tls, plain_text })
    }

    #[tokio::test]
    async fn plain_text_from_elsewhere_gets_the_reason_and_the_way_out() {
        let (_dir, door) = door();
        let (mut near, far) = pair().await;
        near.write_all(b"POST /api/v1/auth/login HTTP/1.1\r\n\r\n{\"password\":\"x\"}")
            .await
            .unwrap();
        let elsewhere = "192.168.1.2:5".parse().unwrap();
        let reply = async {
            let mut reply = String::new();
            near.read_to_string(&mut reply).await.unwrap();
            near.shutdown().await.unwrap();
            reply
        };
        let (admitted, reply) = tokio::join!(admit(far, elsewhere, &door, HANDSHAKE), reply);
        assert!(admitted.is_none());
        assert!(reply.starts_with("HTTP/1.1 426 "), "{reply}");
        assert!(reply.contains("ssh://HOST"), "{reply}");
    }

    #[tokio::test]
    async fn who_does_not_agree_on_tls_in_time_is_let_go() {
        for said in [&b""[..], &[TLS_RECORD, 3]] {
            let (_dir, door) = door();
            let (mut near, far) = pair().await;
            near.write_all(said).await.unwrap();
            let elsewhere = "192.168.1.2:5".parse().unwrap();
            let limit = Duration::from_millis(50);
            assert!(admit(far, elsewhere, &door, limit).await.is_none());
            let mut rest = Vec::new();
            near.read_to_end(&mut rest).await.unwrap();
        }
    }
}
