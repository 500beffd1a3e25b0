//! Packets as bytes. Numbers in brackets are sections of the standard.

/// Bytes of a fixed header at most: the type, and a length of up to four bytes (2.2.3).
const HEADER_BYTES_MAX: usize = 5;
/// Bytes that [`publish_head`] needs beside the topic.
pub(crate) const PUBLISH_HEAD_BYTES: usize = HEADER_BYTES_MAX + 2 + 2;
/// Bytes of the packets that carry a packet id and nothing else.
pub(crate) const ID_PACKET_BYTES: usize = 4;
/// PINGREQ (3.12).
pub(crate) const PING: [u8; 2] = [0xc0, 0];

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGRESP: u8 = 0xd0;

const QOS_1: u8 = 0x02;
const RETAIN: u8 = 0x01;
/// What a SUBACK says instead of a QoS (3.9.3).
pub(crate) const NOT_SUBSCRIBED: u8 = 0x80;

/// What cannot be from an MQTT 3.1.1 server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A message from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) topic: &'a [u8],
    /// With QoS 1: to be acknowledged.
    pub(crate) packet_id: Option<u16>,
    pub(crate) retained: bool,
    pub(crate) payload: &'a [u8],
}

/// A packet from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    ConnAck { code: u8 },
    Message(Message<'a>),
    PubAck { packet_id: u16 },
    SubAck { packet_id: u16, code: u8 },
    Pong,
}

/// The fixed header (2.2): type with flags, bytes of the header itself, bytes that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) bytes: usize,
    pub(crate) rest: usize,
}

impl Header {
    pub(crate) const fn is_publish(self) -> bool {
        self.kind & 0xf0 == PUBLISH
    }

    /// Bytes of the whole packet.
    pub(crate) const fn packet_bytes(self) -> usize {
        self.bytes + self.rest
    }
}

/// Reads a fixed header; `None` when more bytes are needed.
pub(crate) fn header(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some((kind, length)) = bytes.split_first() else {
        return Ok(None);
    };
    let mut rest = 0;
    for (at, byte) in length.iter().take(HEADER_BYTES_MAX - 1).enumerate() {
        rest |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some(Header {
                kind: *kind,
                bytes: at + 2,
                rest,
            }));
        }
    }
    if length.len() < HEADER_BYTES_MAX - 1 {
        Ok(None)
    } else {
        Err(Malformed)
    }
}

/// Reads what follows the fixed header.
pub(crate) fn packet(header: Header, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    match (header.kind, body) {
        (CONNACK, &[_, code]) => Ok(Packet::ConnAck { code }),
        (PUBACK, &[high, low]) => Ok(Packet::PubAck {
            packet_id: u16::from_be_bytes([high, low]),
        }),
        (SUBACK, &[high, low, code]) => Ok(Packet::SubAck {
            packet_id: u16::from_be_bytes([high, low]),
            code,
        }),
        (PINGRESP, []) => Ok(Packet::Pong),
        (kind, body) if kind & 0xf0 == PUBLISH => message(kind, body).map(Packet::Message),
        _ => Err(Malformed),
    }
}

/// Reads a PUBLISH (3.3), or the beginning of one that is long enough for topic and packet id.
pub(crate) fn message(kind: u8, body: &[u8]) -> Result<Message<'_>, Malformed> {
    let (topic, rest) = text(body)?;
    let (packet_id, payload) = match kind & 0x06 {
        0 => (None, rest),
        QOS_1 => {
            let (id, payload) = rest.split_first_chunk().ok_or(Malformed)?;
            (Some(u16::from_be_bytes(*id)), payload)
        }
        // It was not subscribed to with more than QoS 1.
        _ => return Err(Malformed),
    };
    Ok(Message {
        topic,
        packet_id,
        retained: kind & RETAIN != 0,
        payload,
    })
}

fn text(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (len, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    let len = usize::from(u16::from_be_bytes(*len));
    rest.split_at_checked(len).ok_or(Malformed)
}

/// Who connects.
#[derive(Debug)]
pub(crate) struct Connect<'a> {
    /// Client id, and user name when there is a password.
    pub(crate) name: &'a str,
    pub(crate) password: Option<&'a str>,
    pub(crate) keep_alive_s: u16,
    /// Topic and payload, retained, QoS 1.
    pub(crate) will: (&'a str, &'a [u8]),
}

/// Writes a CONNECT (3.1) with a clean session; `None` when the buffer is too small.
pub(crate) fn connect(buffer: &mut [u8], connect: &Connect<'_>) -> Option<usize> {
    const CLEAN: u8 = 0x02;
    const WILL_QOS_1_RETAINED: u8 = 0x04 | 0x08 | 0x20;
    const LOGIN: u8 = 0x80 | 0x40;
    let login = connect.password.map(|password| (connect.name, password));
    let fields = [
        Some(connect.name.as_bytes()),
        Some(connect.will.0.as_bytes()),
        Some(connect.will.1),
    ]
    .into_iter()
    .chain([
        login.map(|login| login.0.as_bytes()),
        login.map(|login| login.1.as_bytes()),
    ])
    .flatten();
    let rest = 10 + fields.clone().map(|field| 2 + field.len()).sum::<usize>();
    let mut out = Writer::new(buffer);
    out.header(CONNECT, rest)?;
    out.field(b"MQTT")?;
    let login = if login.is_some() { LOGIN } else { 0 };
    // Level 4 is version 3.1.1.
    out.bytes(&[4, CLEAN | WILL_QOS_1_RETAINED | login])?;
    out.bytes(&connect.keep_alive_s.to_be_bytes())?;
    for field in fields {
        out.field(field)?;
    }
    Some(out.len)
}

/// Writes the beginning of a PUBLISH, up to the payload: with QoS 1 when it has a packet id, else
/// with QoS 0.
pub(crate) fn publish_head(
    buffer: &mut [u8],
    topic: &str,
    packet_id: Option<u16>,
    retain: bool,
    payload_bytes: usize,
) -> Option<usize> {
    let (qos, id_bytes) = packet_id.map_or((0, 0), |_| (QOS_1, 2));
    let kind = PUBLISH | qos | if retain { RETAIN } else { 0 };
    let mut out = Writer::new(buffer);
    out.header(kind, 2 + topic.len() + id_bytes + payload_bytes)?;
    out.field(topic.as_bytes())?;
    if let Some(packet_id) = packet_id {
        out.bytes(&packet_id.to_be_bytes())?;
    }
    Some(out.len)
}

/// Writes a SUBSCRIBE (3.8) to one topic with QoS 1.
pub(crate) fn subscribe(buffer: &mut [u8], topic: &str, packet_id: u16) -> Option<usize> {
    let mut out = Writer::new(buffer);
    out.header(SUBSCRIBE, 2 + 2 + topic.len() + 1)?;
    out.bytes(&packet_id.to_be_bytes())?;
    out.field(topic.as_bytes())?;
    out.bytes(&[1])?;
    Some(out.len)
}

/// A PUBACK (3.4).
pub(crate) const fn pub_ack(packet_id: u16) -> [u8; ID_PACKET_BYTES] {
    let [high, low] = packet_id.to_be_bytes();
    [PUBACK, 2, high, low]
}

struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> Writer<'a> {
    const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len + bytes.len();
        self.buffer.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    /// Bytes with their length before them (1.5.3).
    fn field(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes(&u16::try_from(bytes.len()).ok()?.to_be_bytes())?;
        self.bytes(bytes)
    }

    fn header(&mut self, kind: u8, mut rest: usize) -> Option<()> {
        self.bytes(&[kind])?;
        while rest > 0x7f {
            self.bytes(&[rest as u8 | 0x80])?;
            rest >>= 7;
        }
        self.bytes(&[rest as u8])
    }
}
