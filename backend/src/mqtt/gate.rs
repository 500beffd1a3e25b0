//! Holds acknowledgements back until the commit, without holding up the connection.
//!
//! The library reads a connection's next packet only after it has answered the last one, so a
//! hook that waited for the commit would store one message of a connection at a time: some
//! hundred a second on an SD card. Instead the hook hands the message to the engine and
//! promises its acknowledgement here; the library writes the PUBACK (or PUBREC) at once; and
//! the gate, which sits between the library and the socket, sends it when the commit is done.
//! Everything else passes. A promise that is broken (the station stops before the commit) closes
//! the connection without the acknowledgement, so that the node sends the message again.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::BytesMut;
use futures_util::task::AtomicWaker;
use mqtt5::broker::transport::WebSocketTransport;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
};

use super::{
    frame::{DISCONNECT, PUBACK, PUBREC, kind_of, packet_id_of, split_frame},
    lock,
};

/// Messages of one connection that wait for their commit; then it is read no further.
pub(super) const PROMISES_MAX: usize = 1_024;
/// Bytes that wait for a client that reads slowly; then nothing more is written to it.
const OUT_BYTES_MAX: usize = 65_536;

/// A client that takes nothing for this long is given up.
const STALLED: Duration = Duration::from_secs(60);

tokio::task_local! {
    /// The gate of the connection that this task serves.
    pub(super) static GATE: Arc<Gate>;
}

/// An acknowledgement that waits for its message's commit.
#[derive(Debug)]
struct Promise {
    packet_id: u16,
    committed: oneshot::Receiver<()>,
    /// Given back with the acknowledgement.
    _room: [OwnedSemaphorePermit; 2],
}

#[derive(Debug, Default)]
struct State {
    /// Made by the hook; the library is about to write the acknowledgement.
    promised: VecDeque<Promise>,
    /// Written by the library, in the order in which they must go out.
    held: VecDeque<(Option<Promise>, Box<[u8]>)>,
    /// What may go out now.
    out: BytesMut,
    /// The library has let go of the connection.
    closed: bool,
    /// A promise was broken, or the socket does not take any more.
    broken: bool,
}

/// Between the library and one client's socket.
#[derive(Debug)]
pub(super) struct Gate {
    state: Mutex<State>,
    slots: Arc<Semaphore>,
    /// Waits for something to send.
    sender: AtomicWaker,
    /// Waits for something to read: woken when the connection breaks.
    reader: AtomicWaker,
    /// Waits for room in `out`.
    writer: AtomicWaker,
}

impl Gate {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            slots: Arc::new(Semaphore::new(PROMISES_MAX)),
            sender: AtomicWaker::new(),
            reader: AtomicWaker::new(),
            writer: AtomicWaker::new(),
        })
    }

    /// A place among those that wait for their commit.
    pub(super) async fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// The acknowledgement of this packet, which the library writes next, has to wait. `room` is
    /// given back with it.
    pub(super) fn promise(
        &self,
        packet_id: u16,
        committed: oneshot::Receiver<()>,
        room: [OwnedSemaphorePermit; 2],
    ) {
        lock(&self.state).promised.push_back(Promise {
            packet_id,
            committed,
            _room: room,
        });
    }

    /// Ends the connection without another word.
    pub(super) fn close(&self) {
        lock(&self.state).broken = true;
        self.reader.wake();
        self.writer.wake();
        self.sender.wake();
    }

    /// What may be sent now; `None` when nothing will come any more.
    fn poll_send(&self, cx: &mut Context<'_>) -> Poll<Option<BytesMut>> {
        self.sender.register(cx.waker());
        let mut state = lock(&self.state);
        while let Some((promise, frame)) = state.held.front_mut() {
            match promise
                .as_mut()
                .map(|promise| Pin::new(&mut promise.committed).poll(cx))
            {
                Some(Poll::Pending) => break,
                Some(Poll::Ready(Err(_))) => {
                    state.broken = true;
                    break;
                }
                Some(Poll::Ready(Ok(()))) | None => {
                    let frame = std::mem::take(frame);
                    state.out.extend_from_slice(&frame);
                    state.held.pop_front();
                }
            }
        }
        if !state.out.is_empty() {
            let out = state.out.split();
            drop(state);
            self.writer.wake();
            return Poll::Ready(Some(out));
        }
        if state.broken || (state.closed && state.held.is_empty()) {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Sends what the gate lets through, until the connection ends. What waits for its commit
    /// when the library has let go is still acknowledged.
    pub(super) async fn send_all(self: Arc<Self>, mut socket: OwnedWriteHalf) {
        while let Some(out) = std::future::poll_fn(|cx| self.poll_send(cx)).await {
            let sent = tokio::time::timeout(STALLED, socket.write_all(&out)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
        self.close();
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.state);
        if state.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if state.out.len() > OUT_BYTES_MAX {
            self.writer.register(cx.waker());
            return Poll::Pending;
        }
        // The library writes whole packets; whatever it writes, all of it is taken.
        let mut rest = bytes;
        while !rest.is_empty() {
            let (frame, after) = split_frame(rest);
            rest = after;
            state.take(frame);
        }
        drop(state);
        self.sender.wake();
        Poll::Ready(Ok(bytes.len()))
    }
}

impl State {
    fn take(&mut self, frame: &[u8]) {
        let promise = match kind_of(frame) {
            Some(PUBACK | PUBREC) => {
                let packet_id = packet_id_of(frame);
                self.promised
                    .pop_front_if(|promise| Some(promise.packet_id) == packet_id)
            }
            // Goodbye comes after all acknowledgements.
            Some(DISCONNECT) => None,
            _ => {
                self.out.extend_from_slice(frame);
                return;
            }
        };
        // An acknowledgement that need not wait still keeps its place behind those that do.
        self.held.push_back((promise, frame.into()));
    }
}

/// The library's side of a gated connection. It passes as a WebSocket, because that is the kind
/// of stream that the library lets others make.
pub(super) struct GatedStream {
    socket: OwnedReadHalf,
    gate: Arc<Gate>,
    peer: SocketAddr,
}

impl GatedStream {
    pub(super) fn new(socket: OwnedReadHalf, gate: Arc<Gate>, peer: SocketAddr) -> Self {
        Self { socket, gate, peer }
    }
}

impl Drop for GatedStream {
    fn drop(&mut self) {
        lock(&self.gate.state).closed = true;
        self.gate.sender.wake();
    }
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.gate.reader.register(cx.waker());
        if lock(&self.gate.state).broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.gate.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl WebSocketTransport for GatedStream {
    fn peer_addr(&self) -> mqtt5::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINGRESP: &[u8] = &[0xd0, 0];
    const GOODBYE: &[u8] = &[0xe0, 2, 0x8b, 0];

    fn puback(packet_id: u8) -> [u8; 4] {
        [0x40, 2, 0, packet_id]
    }

    struct Bench {
        gate: Arc<Gate>,
        cx: Context<'static>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                gate: Gate::new(),
                cx: Context::from_waker(std::task::Waker::noop()),
            }
        }

        async fn promise(&self, packet_id: u16) -> oneshot::Sender<()> {
            let (done, committed) = oneshot::channel();
            let room = [
                self.gate.slot().await.unwrap(),
                self.gate.slot().await.unwrap(),
            ];
            self.gate.promise(packet_id, committed, room);
            done
        }

        fn write(&mut self, bytes: &[u8]) -> bool {
            self.gate.poll_write(&mut self.cx, bytes).is_ready()
        }

        fn sent(&mut self) -> Vec<u8> {
            match self.gate.poll_send(&mut self.cx) {
                Poll::Ready(Some(out)) => out.to_vec(),
                Poll::Ready(None) => panic!("closed"),
                Poll::Pending => Vec::new(),
            }
        }
    }

    #[tokio::test]
    async fn only_what_was_promised_waits() {
        let mut bench = Bench::new();
        let first = bench.promise(1).await;
        bench.write(&puback(1));
        bench.write(PINGRESP);
        assert_eq!(bench.sent(), PINGRESP);
        assert!(bench.sent().is_empty());
        first.send(()).unwrap();
        assert_eq!(bench.sent(), puback(1));
        assert_eq!(bench.gate.slots.available_permits(), PROMISES_MAX);
    }

    #[tokio::test]
    async fn acknowledgements_keep_their_order_and_goodbye_comes_last() {
        let mut bench = Bench::new();
        let first = bench.promise(1).await;
        bench.write(&puback(1));
        // Denied, so never promised.
        bench.write(&puback(2));
        let third = bench.promise(3).await;
        bench.write(&[puback(3).as_slice(), GOODBYE].concat());
        third.send(()).unwrap();
        assert!(bench.sent().is_empty());
        first.send(()).unwrap();
        let all = [puback(1).as_slice(), &puback(2), &puback(3), GOODBYE].concat();
        assert_eq!(bench.sent(), all);
    }

    #[tokio::test]
    async fn a_broken_promise_ends_the_connection() {
        let mut bench = Bench::new();
        let first = bench.promise(1).await;
        let second = bench.promise(2).await;
        bench.write(&puback(1));
        bench.write(&puback(2));
        second.send(()).unwrap();
        drop(first);
        assert!(matches!(
            bench.gate.poll_send(&mut bench.cx),
            Poll::Ready(None)
        ));
        bench.gate.close();
        let written = bench.gate.poll_write(&mut bench.cx, PINGRESP);
        assert!(matches!(written, Poll::Ready(Err(_))));
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_is_not_written_to_without_end() {
        let mut bench = Bench::new();
        let packet = [[0x30, 0x80, 0x20].as_slice(), &[0; 4_096]].concat();
        let taken = (0..1_000).take_while(|_| bench.write(&packet)).count();
        assert_eq!(taken, OUT_BYTES_MAX / packet.len() + 1);
        assert_eq!(bench.sent().len(), taken * packet.len());
        assert!(bench.write(&packet));
    }
}
