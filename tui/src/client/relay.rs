//! Many streams over one pair of pipes (yamux), after a line that says so: the terminal opens
//! streams, `signalbox dial-stdio` on the far side joins each to the daemon's socket.

use std::{collections::VecDeque, future::poll_fn, io, path::Path, task::Poll};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::UnixStream,
    sync::{mpsc, oneshot},
};
use tokio_util::compat::{FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, ConnectionError, Mode, Stream};

/// The first line of the far side. What a login shell prints before it is no such line.
pub const GREETING: &str = "signalbox dial-stdio 1\n";
/// Streams at a time; the terminal uses two.
pub const STREAMS_MAX: usize = 32;
/// Requests for streams that wait.
const REQUESTS_MAX: usize = 16;

pub(super) type Wanted = oneshot::Sender<Stream>;

fn config() -> Config {
    let mut config = Config::default();
    config.set_max_num_streams(STREAMS_MAX);
    config
}

/// The near side: streams are asked for over the channel. It ends with the pipes.
pub(super) fn open<T>(pipes: T) -> mpsc::Sender<Wanted>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, mut requests) = mpsc::channel::<Wanted>(REQUESTS_MAX);
    tokio::spawn(async move {
        let mut connection = Connection::new(pipes.compat(), config(), Mode::Client);
        let mut waiting: VecDeque<Wanted> = VecDeque::new();
        let mut left = false;
        let ended: Result<(), ConnectionError> = poll_fn(|cx| {
            while !left {
                match requests.poll_recv(cx) {
                    Poll::Ready(Some(wanted)) => waiting.push_back(wanted),
                    Poll::Ready(None) => left = true,
                    Poll::Pending => break,
                }
            }
            if left && waiting.is_empty() {
                return connection.poll_close(cx);
            }
            while let Some(wanted) = waiting.pop_front() {
                match connection.poll_new_outbound(cx) {
                    // Who asked may be gone; the stream then ends with its value.
                    Poll::Ready(Ok(stream)) => drop(wanted.send(stream)),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        waiting.push_front(wanted);
                        break;
                    }
                }
            }
            match connection.poll_next_inbound(cx) {
                // The far side opens none.
                Poll::Ready(Some(Ok(_)) | None) => Poll::Ready(Ok(())),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if let Err(error) = ended {
            tracing::debug!(%error, "the connection over ssh ended");
        }
    });
    sender
}

/// The far side: greets, then joins every stream to the daemon's socket, until the pipes end.
///
/// # Errors
/// When the socket cannot be reached at the start, or the pipes break.
pub async fn serve<T>(mut pipes: T, socket: &Path) -> io::Result<()>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Told at once, not with the first stream.
    drop(UnixStream::connect(socket).await?);
    pipes.write_all(GREETING.as_bytes()).await?;
    pipes.flush().await?;
    let mut connection = Connection::new(pipes.compat(), config(), Mode::Server);
    while let Some(stream) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        let stream = match stream {
            Ok(stream) => stream,
            Err(ConnectionError::Closed) => return Ok(()),
            Err(error) => return Err(io::Error::other(error)),
        };
        let socket = socket.to_owned();
        tokio::spawn(async move {
            let joined = async {
                let mut daemon = UnixStream::connect(socket).await?;
                copy_bidirectional(&mut stream.compat(), &mut daemon).await
            };
            if let Err(error) = joined.await {
                tracing::debug!(%error, "a stream over ssh ended");
            }
        });
    }
    Ok(())
}
