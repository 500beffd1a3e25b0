//! One connection to the broker, from the handshake to its end: bytes in, bytes out, keep-alive.
//! What the packets mean is the clients' affair. With the value everything of the connection is
//! gone, so nothing that belongs to it can be sent on another one.

use std::{io, time::Duration};

use bytes::{Buf as _, BytesMut};
use rumqttc::tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio::{
    io::{
        AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split,
    },
    net::TcpStream,
    time::{Instant, sleep_until, timeout},
};

use super::{
    fault::Fault,
    oversize,
    settings::Settings,
    wire::{Codec, Hello, Incoming, Outgoing, Welcome, WireError},
};

/// From the first packet of TCP to the broker's welcome.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Asked of the socket at a time; a few hundred small messages.
const READ_BYTES: usize = 64 * 1_024;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that the broker has welcomed.
pub(super) struct Connection {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    codec: Codec,
    input: BytesMut,
    /// Bytes of a message that is too large, still to come.
    skip: usize,
    output: BytesMut,
    /// The broker must hear something of us at least this often.
    keep_alive: Duration,
    ping_at: Instant,
    /// When something came last, or we began to listen again.
    heard_at: Instant,
    listened: bool,
    must_flush: bool,
}

impl Connection {
    /// Connects and introduces us.
    pub(super) async fn open(settings: &Settings, hello: Hello) -> Result<(Self, Welcome), Fault> {
        match timeout(HANDSHAKE, Self::handshake(settings, hello)).await {
            Ok(done) => done,
            Err(_) => Err(Fault::NoAnswer),
        }
    }

    async fn handshake(settings: &Settings, hello: Hello) -> Result<(Self, Welcome), Fault> {
        let stream = connect(settings).await?;
        let (reader, writer) = split(stream);
        let now = Instant::now();
        let mut connection = Self {
            reader,
            writer,
            codec: Codec {
                version: settings.version,
                packet_bytes_max: settings.packet_bytes_max,
            },
            input: BytesMut::with_capacity(READ_BYTES),
            skip: 0,
            output: BytesMut::new(),
            keep_alive: settings.keep_alive,
            ping_at: now + settings.keep_alive,
            heard_at: now,
            listened: true,
            must_flush: false,
        };
        connection.queue(Outgoing::Hello(Box::new(hello)))?;
        let welcome = loop {
            match connection.decode() {
                Ok(Some(Incoming::Welcome(welcome))) => break welcome,
                Ok(Some(Incoming::Refused(refusal))) => return Err(Fault::Refused(refusal)),
                Ok(Some(_)) => return Err(Fault::NotMqtt),
                Ok(None) => match connection.work(true).await {
                    Err(Fault::Closed) => return Err(Fault::NotWelcome),
                    worked => worked?,
                },
                // A broker of another version answers in that one.
                Err(Fault::Wire(_)) => return Err(Fault::NotMqtt),
                Err(fault) => return Err(fault),
            }
        };
        if let Some(seconds) = welcome.limits.keep_alive_s.filter(|seconds| *seconds > 0) {
            connection.keep_alive = Duration::from_secs(seconds.into());
        }
        connection.ping_at = Instant::now() + connection.ping_every();
        Ok((connection, welcome))
    }

    /// A third of the keep-alive: what is lost once is in time at the second try.
    fn ping_every(&self) -> Duration {
        self.keep_alive / 3
    }

    /// The next packet that has come, if it is whole.
    pub(super) fn decode(&mut self) -> Result<Option<Incoming>, Fault> {
        let skipped = self.skip.min(self.input.len());
        self.input.advance(skipped);
        self.skip -= skipped;
        match self.codec.decode(&mut self.input) {
            Err(WireError::TooLarge) => self.too_large(),
            decoded => Ok(decoded?),
        }
    }

    fn too_large(&mut self) -> Result<Option<Incoming>, Fault> {
        let Ok(found) = oversize::read(&self.input) else {
            return Ok(None);
        };
        let found = found.ok_or(WireError::TooLarge)?;
        self.skip = found.packet_bytes;
        Ok(Some(Incoming::Oversize(found.message, found.packet_bytes)))
    }

    /// Makes a packet ready to go; [`Self::work`] sends it.
    pub(super) fn queue(&mut self, packet: Outgoing) -> Result<(), Fault> {
        Ok(self.codec.encode(packet, &mut self.output)?)
    }

    /// Bytes that wait for the network.
    pub(super) fn unsent(&self) -> usize {
        self.output.len()
    }

    /// Waits until something has happened: bytes came, bytes went, or it was time for a sign of
    /// life. May be broken off at any time. While `is_listening` is false nothing is read, so
    /// that the broker feels that we are slow, and goes on to hear that we are there.
    pub(super) async fn work(&mut self, is_listening: bool) -> Result<(), Fault> {
        if is_listening && !self.listened {
            self.heard_at = Instant::now();
        }
        self.listened = is_listening;
        let silent_at = self.heard_at + self.keep_alive + self.ping_every();
        let must_send = self.must_flush || !self.output.is_empty();
        tokio::select! {
            read = self.reader.read_buf(&mut self.input), if is_listening => {
                if read.map_err(Fault::Lost)? == 0 {
                    return Err(Fault::Closed);
                }
                self.heard_at = Instant::now();
            }
            sent = send(&mut self.writer, &mut self.output), if must_send => {
                // Where TLS is in between, its own buffer must go out as well.
                self.must_flush = sent?;
            }
            () = sleep_until(self.ping_at) => {
                self.queue(Outgoing::Ping)?;
                self.ping_at = Instant::now() + self.ping_every();
            }
            () = sleep_until(silent_at), if is_listening => return Err(Fault::Silent),
        }
        // The buffer that packets were cut from is reused once they are gone.
        if is_listening && self.input.capacity() - self.input.len() < READ_BYTES / 4 {
            self.input.reserve(READ_BYTES);
        }
        Ok(())
    }

    /// Says goodbye, after everything that is ready to go.
    pub(super) async fn leave(mut self, time: Duration) {
        let goodbye = async {
            self.queue(Outgoing::Goodbye)?;
            self.writer
                .write_all_buf(&mut self.output)
                .await
                .map_err(Fault::Lost)?;
            self.writer.shutdown().await.map_err(Fault::Lost)
        };
        match timeout(time, goodbye).await {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => tracing::debug!(%fault, "left the broker without a goodbye"),
            Err(_) => tracing::debug!("the broker did not take the goodbye"),
        }
    }
}

/// Sends some of what is ready, or flushes when all is written; whether there is more to flush.
async fn send(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    output: &mut BytesMut,
) -> Result<bool, Fault> {
    if output.is_empty() {
        writer.flush().await.map_err(Fault::Lost)?;
        return Ok(false);
    }
    match writer.write_buf(output).await.map_err(Fault::Lost)? {
        0 => Err(Fault::Closed),
        _ => Ok(true),
    }
}

async fn connect(settings: &Settings) -> Result<Box<dyn Stream>, Fault> {
    let address = (settings.host.as_str(), settings.port);
    let tcp = TcpStream::connect(address).await.map_err(Fault::Connect)?;
    // Acknowledgements and commands are small, and somebody waits for each.
    tcp.set_nodelay(true).map_err(Fault::Connect)?;
    let Some(config) = &settings.tls else {
        return Ok(Box::new(tcp));
    };
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|error| Fault::Tls(error.to_string()))?;
    let connector = TlsConnector::from(config.clone());
    match connector.connect(name, tcp).await {
        Ok(tls) => Ok(Box::new(tls)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Fault::Tls(error.to_string()))
        }
        Err(error) => Err(Fault::TlsLost(error)),
    }
}
