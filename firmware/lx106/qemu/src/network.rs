//! TCP for the application: smoltcp on the board's MAC, one connection at a time.

use core::{
    cell::RefCell,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddrV4},
    task::Poll,
};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use signalbox_node::board::Network;
use smoltcp::{
    iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage},
    socket::tcp,
    time::{Duration, Instant},
    wire::{EthernetAddress, IpCidr, Ipv4Cidr},
};
use static_cell::StaticCell;

use crate::{bench::Bench, clock::CycleClock, ethernet::Ethernet};

/// QEMU gives each machine a network of its own: the guest has this address, and the host's
/// loopback is [`HOST`].
const ADDRESS: Ipv4Cidr = Ipv4Cidr::new(Ipv4Addr::new(10, 0, 2, 15), 24);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Locally administered.
const MAC_ADDRESS: [u8; 6] = [0x02, 0x5b, 0, 0, 0, 1];

const RECEIVE_BYTES: usize = 512;
const SEND_BYTES: usize = 1_024;
/// The other side has not acknowledged anything for so long: the connection is dead.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Ports for connections of ours (RFC 6335).
const FIRST_PORT: u16 = 49_152;

struct Inner {
    interface: Interface,
    sockets: SocketSet<'static>,
    ethernet: Ethernet,
    socket: SocketHandle,
}

/// The network.
pub(crate) struct Stack {
    inner: RefCell<Inner>,
    bench: &'static RefCell<Bench>,
    clock: &'static CycleClock,
    broker: SocketAddrV4,
}

/// Memory of the one socket.
static RECEIVE: StaticCell<[u8; RECEIVE_BYTES]> = StaticCell::new();
static SEND: StaticCell<[u8; SEND_BYTES]> = StaticCell::new();
static SOCKETS: StaticCell<[SocketStorage<'static>; 1]> = StaticCell::new();

impl Stack {
    /// Called once.
    pub(crate) fn new(
        bench: &'static RefCell<Bench>,
        clock: &'static CycleClock,
        broker: SocketAddrV4,
    ) -> Self {
        let mut ethernet = Ethernet::new(MAC_ADDRESS);
        let mut config = Config::new(EthernetAddress(MAC_ADDRESS).into());
        config.random_seed = clock.entropy().into();
        let mut interface = Interface::new(config, &mut ethernet, Instant::ZERO);
        interface.update_ip_addrs(|all| {
            // The list is empty and has room for at least one.
            let _ = all.push(IpCidr::Ipv4(ADDRESS));
        });
        // The same.
        let _ = interface.routes_mut().add_default_ipv4_route(HOST);
        let sockets = SOCKETS.init_with(|| [SocketStorage::EMPTY]);
        let mut sockets = SocketSet::new(sockets.as_mut_slice());
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(RECEIVE.init_with(|| [0; RECEIVE_BYTES]).as_mut_slice()),
            tcp::SocketBuffer::new(SEND.init_with(|| [0; SEND_BYTES]).as_mut_slice()),
        );
        socket.set_nagle_enabled(false);
        socket.set_timeout(Some(TIMEOUT));
        let socket = sockets.add(socket);
        Self {
            inner: RefCell::new(Inner {
                interface,
                sockets,
                ethernet,
                socket,
            }),
            bench,
            clock,
            broker,
        }
    }

    /// Lets frames through, and looks at the socket.
    fn look<T>(&self, look: impl FnOnce(&mut tcp::Socket<'static>) -> T) -> T {
        let inner = &mut *self.inner.borrow_mut();
        inner.ethernet.plugged = self.bench.borrow().plugged;
        Ethernet::clear_interrupt();
        let now = Instant::from_micros(self.clock.now_us().cast_signed());
        inner
            .interface
            .poll(now, &mut inner.ethernet, &mut inner.sockets);
        let found = look(inner.sockets.get_mut(inner.socket));
        // What was written goes out now.
        inner
            .interface
            .poll(now, &mut inner.ethernet, &mut inner.sockets);
        found
    }
}

impl Network for Stack {
    type Stream<'a>
        = Stream<'a>
    where
        Self: 'a;
    type Error = ErrorKind;

    async fn connect(&mut self) -> Result<Stream<'_>, ErrorKind> {
        {
            let inner = &mut *self.inner.borrow_mut();
            let port = FIRST_PORT | (self.clock.entropy() as u16 & !FIRST_PORT);
            let socket = inner.sockets.get_mut::<tcp::Socket<'_>>(inner.socket);
            socket.abort();
            socket
                .connect(inner.interface.context(), self.broker, port)
                .map_err(|_| ErrorKind::NotConnected)?;
        }
        let stream = Stream { stack: &*self };
        poll_fn(|_| {
            self.look(|socket| {
                if socket.may_send() {
                    Poll::Ready(Ok(()))
                } else if socket.is_open() {
                    Poll::Pending
                } else {
                    Poll::Ready(Err(ErrorKind::ConnectionRefused))
                }
            })
        })
        .await?;
        Ok(stream)
    }
}

/// A connection; the broker is told when it is dropped.
pub(crate) struct Stream<'a> {
    stack: &'a Stack,
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.stack.look(tcp::Socket::abort);
    }
}

impl ErrorType for Stream<'_> {
    type Error = ErrorKind;
}

impl Read for Stream<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            self.stack.look(|socket| {
                if socket.can_recv() {
                    Poll::Ready(socket.recv_slice(buffer).map_err(|_| ErrorKind::Other))
                } else if socket.may_recv() {
                    Poll::Pending
                } else {
                    Poll::Ready(Ok(0))
                }
            })
        })
        .await
    }
}

impl Write for Stream<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        poll_fn(|_| {
            self.stack.look(|socket| {
                if socket.can_send() {
                    Poll::Ready(socket.send_slice(bytes).map_err(|_| ErrorKind::Other))
                } else if socket.may_send() {
                    Poll::Pending
                } else {
                    Poll::Ready(Err(ErrorKind::BrokenPipe))
                }
            })
        })
        .await
    }

    /// What is written is on its way; a PUBACK tells that it has arrived.
    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}
