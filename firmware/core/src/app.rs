//! The whole node between the parts of a board: measures, switches, connects, sends and receives,
//! for ever. Fed by [`crate::board`], feeds the broker.
//!
//! Nothing that waits keeps anything else waiting: while a connection is made, read or written, the
//! node goes on measuring and switching off what is due.

mod logging;

use core::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
};

use embassy_futures::select::{Either, select};
use embedded_io_async::{Read, Write};
use heapless::String;
use signalbox_protocol::{
    limits::{ACTUATORS_MAX, TOPIC_BYTES_MAX},
    payload::Name,
    topic,
};

use crate::{
    BUFFER_BYTES_MIN, Node,
    board::{Clock, Event, Hardware, Measured, Network},
    kept::{self, GOOD_START_MS, KEEP_MS, KEPT_BYTES, KeptRef},
    logs,
    mqtt::{
        Lost,
        link::{FIRST_ID, Found, KEEP_ALIVE_S, Link},
        packet::{self, Connect, NOT_SUBSCRIBED, PUBLISH_HEAD_BYTES, Packet},
    },
    node::offline,
};

/// Longest wait for a connection, and for the broker's welcome.
pub const CONNECT_MS_MAX: u64 = 15_000;
/// Longest wait for the network to take what is sent.
pub const WRITE_MS_MAX: u64 = 10_000;
/// Bytes of a password.
pub const PASSWORD_BYTES_MAX: usize = 64;
/// Bytes of the memory for packets that come in: a command with the longest names.
pub const RECEIVE_BYTES_MIN: usize = 512;

/// How the node logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Client id and user name: the node's name.
    pub name: Name,
    /// Without one, no user name is sent either.
    pub password: Option<String<PASSWORD_BYTES_MAX>>,
}

/// Memory for messages.
#[derive(Debug)]
pub struct Buffers<'a> {
    /// For what goes out, at least [`BUFFER_BYTES_MIN`].
    pub send: &'a mut [u8],
    /// For what comes in, at least [`RECEIVE_BYTES_MIN`]; longer messages are not read.
    pub receive: &'a mut [u8],
}

/// A node on a board.
#[derive(Debug)]
pub struct App<'c, C, H, M> {
    clock: &'c C,
    hardware: H,
    node: &'c mut Node<M>,
    login: Login,
    shown: [Option<bool>; ACTUATORS_MAX],
    failed_starts: u8,
    started_ms: u64,
    kept_ms: Option<u64>,
}

impl<'c, C, H, M> App<'c, C, H, M>
where
    C: Clock,
    H: Hardware,
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    /// Puts a node on its board. `failed_starts` is that of [`crate::kept::Kept::after_reset`], and
    /// 1 after a power cut.
    pub fn new(
        clock: &'c C,
        hardware: H,
        node: &'c mut Node<M>,
        login: Login,
        failed_starts: u8,
    ) -> Self {
        node.set_started_by(hardware.started_by());
        Self {
            started_ms: clock.now_ms(),
            clock,
            hardware,
            node,
            login,
            shown: [None; ACTUATORS_MAX],
            failed_starts,
            kept_ms: None,
        }
    }

    /// The node.
    pub const fn node(&self) -> &Node<M> {
        self.node
    }

    /// Runs for ever.
    ///
    /// # Panics
    /// A buffer is smaller than it must be.
    pub async fn run<N: Network>(
        &mut self,
        network: &mut N,
        buffers: &mut Buffers<'_>,
    ) -> Infallible {
        assert!(buffers.send.len() >= BUFFER_BYTES_MIN, "the buffer to send");
        assert!(
            buffers.receive.len() >= RECEIVE_BYTES_MIN,
            "the buffer to receive"
        );
        loop {
            self.turn();
            let connect_ms = self.node.connect_at_ms().unwrap_or_default();
            if connect_ms > self.clock.now_ms() {
                let wake_ms = self.wake_ms().min(connect_ms);
                self.clock.wait_until(wake_ms).await;
                continue;
            }
            if let Some(rssi_dbm) = network.rssi_dbm() {
                self.node.set_rssi_dbm(rssi_dbm);
            }
            let lost = self.connection(network, buffers).await;
            self.node.disconnected(self.clock.now_ms());
            log!(warn, "connection lost: {}", lost);
            self.hardware.note(Event::Lost(lost));
        }
    }

    /// Switches off what is due, measures when it is time, and shows the pins what is to be.
    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    pub fn turn(&mut self) {
        let now_ms = self.clock.now_ms();
        logs::set_now(now_ms);
        logs::want(self.node.log_level());
        self.node.tick(now_ms);
        if self.node.sample_due(now_ms) {
            match self.hardware.measure(now_ms) {
                Measured::Values(values) => self.node.reading(&values, now_ms),
                // At least a moment later, or nothing else would ever have its turn.
                Measured::Again { at_ms } => self.node.sample_again(at_ms.max(now_ms + 1)),
            }
        }
        for (at, shown) in self
            .shown
            .iter_mut()
            .enumerate()
            .take(self.node.actuators())
        {
            let on = self.node.is_on(at);
            if *shown != Some(on) {
                *shown = Some(on);
                self.hardware.switch(at, on);
                self.kept_ms = None;
            }
        }
        if self
            .kept_ms
            .is_none_or(|kept_ms| kept_ms + KEEP_MS <= now_ms)
        {
            self.keep(now_ms);
        }
        self.hardware.feed_watchdog();
    }

    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    fn keep(&mut self, now_ms: u64) {
        self.kept_ms = Some(now_ms);
        if self.started_ms + GOOD_START_MS <= now_ms {
            self.failed_starts = 0;
        }
        let kept = KeptRef {
            failed_starts: self.failed_starts,
            saved: self.node.saved_ref(now_ms),
        };
        let mut block = [0; KEPT_BYTES];
        kept::write(&kept, &mut block);
        self.hardware.keep(&block);
    }

    /// When [`App::turn`] has something to do.
    fn wake_ms(&self) -> u64 {
        let keep_ms = self.kept_ms.unwrap_or_default() + KEEP_MS;
        self.node.next_wake_ms().min(keep_ms)
    }

    /// Lets the node go on while something takes its time, up to a limit.
    async fn meanwhile<F: Future>(
        &mut self,
        mut future: Pin<&mut F>,
        limit_ms: u64,
    ) -> Option<F::Output> {
        let until_ms = self.clock.now_ms() + limit_ms;
        loop {
            let wake_ms = self.wake_ms().min(until_ms);
            match select(future.as_mut(), self.clock.wait_until(wake_ms)).await {
                Either::First(done) => return Some(done),
                Either::Second(()) => self.turn(),
            }
            if self.clock.now_ms() >= until_ms {
                return None;
            }
        }
    }

    /// One connection, to its end.
    async fn connection<N: Network>(&mut self, network: &mut N, buffers: &mut Buffers<'_>) -> Lost {
        let stream = {
            let connecting = pin!(network.connect());
            self.meanwhile(connecting, CONNECT_MS_MAX).await
        };
        let Some(Ok(mut stream)) = stream else {
            return Lost::NoConnection;
        };
        let Err(lost) = self.session(&mut stream, buffers).await;
        lost
    }

    async fn session<S: Read + Write>(
        &mut self,
        stream: &mut S,
        buffers: &mut Buffers<'_>,
    ) -> Result<Infallible, Lost> {
        let begin_ms = self.clock.now_ms();
        let mut link = Link::new(buffers.receive, begin_ms);
        let mut welcome = false;
        self.say_hello(stream, buffers.send).await?;
        loop {
            self.turn();
            while let Some(found) = link.found()? {
                self.take(stream, &mut link, found, &mut welcome, buffers.send)
                    .await?;
            }
            if welcome {
                self.publish(stream, &mut link, buffers.send).await?;
                self.send_log(stream, &mut link, buffers.send).await?;
            }
            let now_ms = self.clock.now_ms();
            if link.is_silent(now_ms) || (!welcome && begin_ms + CONNECT_MS_MAX <= now_ms) {
                return Err(Lost::Silent);
            }
            if link.ping_due(now_ms) {
                self.write(stream, &packet::PING).await?;
                link.pinged(now_ms);
            }
            let mut wake_ms = self.wake_ms().min(link.wake_ms());
            if !welcome {
                wake_ms = wake_ms.min(begin_ms + CONNECT_MS_MAX);
            }
            let read = select(stream.read(link.free()), self.clock.wait_until(wake_ms));
            match read.await {
                Either::First(Ok(0) | Err(_)) => return Err(Lost::Closed),
                Either::First(Ok(bytes)) => link.received(bytes),
                Either::Second(()) => {}
            }
        }
    }

    async fn say_hello<S: Write>(&mut self, stream: &mut S, buffer: &mut [u8]) -> Result<(), Lost> {
        let (will_topic, will) = offline(&self.login.name);
        let hello = Connect {
            name: &self.login.name,
            password: self.login.password.as_deref(),
            keep_alive_s: KEEP_ALIVE_S,
            will: (&will_topic, will),
        };
        let len = packet::connect(buffer, &hello).expect("the smallest buffer is large enough");
        self.write(stream, &buffer[..len]).await
    }

    /// Does what a packet says.
    async fn take<S: Write>(
        &mut self,
        stream: &mut S,
        link: &mut Link<'_>,
        found: Found,
        welcome: &mut bool,
        buffer: &mut [u8],
    ) -> Result<(), Lost> {
        let header = match found {
            Found::Packet(header) => header,
            Found::TooLong { packet_id } => {
                self.node.unreadable_command();
                return self.pub_ack(stream, link, packet_id).await;
            }
        };
        let (mut to_acknowledge, mut executed) = (None, None);
        match link.packet(header)? {
            Packet::ConnAck { code: 0 } => {
                *welcome = true;
                let name = self.login.name.clone();
                // Orders first: `FIRST_ID` is theirs.
                for topic in [topic::command(&name), topic::config(&name)] {
                    self.subscribe(stream, &topic, link.next_id(), buffer)
                        .await?;
                }
                self.node.connected();
                log!(info, "connected");
                self.hardware.note(Event::Connected);
            }
            Packet::ConnAck { code } => return Err(Lost::Refused(code)),
            // Without orders a node is of no use, without configuration it is.
            Packet::SubAck {
                packet_id: FIRST_ID,
                code: NOT_SUBSCRIBED..,
            } => return Err(Lost::NotSubscribed),
            Packet::SubAck { .. } => {}
            Packet::PubAck { packet_id } => {
                if let Some(kind) = link.acknowledged(packet_id) {
                    self.node.acknowledged(kind);
                }
            }
            Packet::Pong => link.answered(),
            Packet::Message(message) => {
                to_acknowledge = message.packet_id;
                if message.topic == topic::config(&self.login.name).as_bytes() {
                    let now_ms = self.clock.now_ms();
                    if self.node.configure(message.payload, now_ms) {
                        self.hardware.note(Event::Configured);
                        self.hardware.remember_config(message.payload).await;
                    }
                } else if message.topic != topic::command(&self.login.name).as_bytes() {
                    // Not subscribed to.
                } else if message.retained {
                    self.node.retained_command();
                } else {
                    executed = self.node.command(message.payload, self.clock.now_ms());
                    self.hardware.note(Event::Command);
                }
            }
        }
        link.taken(header);
        // The pins first, then the answers, which say that it will not be done again.
        self.kept_ms = None;
        self.turn();
        if let Some(id) = executed {
            self.hardware.remember(&id).await;
        }
        self.pub_ack(stream, link, to_acknowledge).await
    }

    async fn pub_ack<S: Write>(
        &mut self,
        stream: &mut S,
        link: &mut Link<'_>,
        packet_id: Option<u16>,
    ) -> Result<(), Lost> {
        if let Some(packet_id) = packet_id {
            self.write(stream, &packet::pub_ack(packet_id)).await?;
            link.wrote(self.clock.now_ms());
        }
        Ok(())
    }

    async fn subscribe<S: Write>(
        &mut self,
        stream: &mut S,
        topic: &str,
        packet_id: u16,
        buffer: &mut [u8],
    ) -> Result<(), Lost> {
        let len = packet::subscribe(buffer, topic, packet_id)
            .expect("the smallest buffer is large enough");
        self.write(stream, &buffer[..len]).await
    }

    /// Sends what the node has to say.
    async fn publish<S: Write>(
        &mut self,
        stream: &mut S,
        link: &mut Link<'_>,
        buffer: &mut [u8],
    ) -> Result<(), Lost> {
        while link.has_room()
            && let Some(message) = self.node.next_publish(buffer, self.clock.now_ms())
        {
            let mut head = [0; PUBLISH_HEAD_BYTES + TOPIC_BYTES_MAX];
            let id = link.next_id();
            let (retain, bytes) = (message.retain, message.payload.len());
            let head_bytes =
                packet::publish_head(&mut head, &message.topic, Some(id), retain, bytes)
                    .expect("a topic has at most its bytes");
            let kind = message.kind;
            link.sent(id, kind);
            self.write(stream, &head[..head_bytes]).await?;
            self.write(stream, &buffer[..bytes]).await?;
            link.wrote(self.clock.now_ms());
        }
        Ok(())
    }

    async fn write<S: Write>(&mut self, stream: &mut S, bytes: &[u8]) -> Result<(), Lost> {
        let writing = pin!(async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        match self.meanwhile(writing, WRITE_MS_MAX).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(Lost::Closed),
            None => Err(Lost::Silent),
        }
    }
}
