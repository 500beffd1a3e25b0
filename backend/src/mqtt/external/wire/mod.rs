//! MQTT 3.1.1 and 5 as one set of packets: rumqttc's codecs behind one type, so that the clients
//! above know one version. Only what a client sends and receives is here.

mod v3;
mod v5;

use bytes::{Bytes, BytesMut};

/// Version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 3.1.1.
    V3,
    /// 5.
    V5,
}

/// Level of a delivery.
#[expect(clippy::enum_variant_names, reason = "so the standard calls them")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qos {
    /// Nobody acknowledges.
    AtMostOnce,
    /// PUBACK.
    AtLeastOnce,
    /// PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce,
}

impl Qos {
    /// From the configuration, which has checked it.
    pub(super) const fn new(level: u8) -> Self {
        match level {
            0 => Self::AtMostOnce,
            1 => Self::AtLeastOnce,
            _ => Self::ExactlyOnce,
        }
    }
}

/// What a client says when it connects.
#[derive(Clone)]
pub(super) struct Hello {
    pub(super) client_id: String,
    pub(super) login: Option<(String, String)>,
    pub(super) keep_alive_s: u16,
    /// The session outlives the connection.
    pub(super) keeps_session: bool,
    pub(super) will: Option<Message>,
    /// Packets that the broker may send before it waits for an acknowledgement (MQTT 5).
    pub(super) receive_max: u16,
}

/// What the broker answers to a [`Hello`]. Limits that it does not tell are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Welcome {
    pub(super) session_present: bool,
    pub(super) limits: Limits,
}

/// What the broker says that it can do (MQTT 5 only).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) receive_max: Option<u16>,
    pub(super) packet_bytes_max: Option<u32>,
    pub(super) qos_max: Option<u8>,
    pub(super) has_retain: Option<bool>,
    pub(super) has_shared: Option<bool>,
    pub(super) session_expiry_s: Option<u32>,
    pub(super) keep_alive_s: Option<u16>,
}

/// A message in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// 0 with QoS 0.
    pub(super) packet_id: u16,
    /// The broker need not deliver it after this time (MQTT 5).
    pub(super) expiry_s: Option<u32>,
}

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) filter: String,
    pub(super) qos: Qos,
}

/// What comes from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    Welcome(Welcome),
    /// Instead of a welcome.
    Refused(Refusal),
    Publish(Message),
    /// A message of so many bytes, which is larger than we take, without its payload.
    Oversize(Message, usize),
    /// The broker has a QoS 1 message, or says why not (MQTT 5).
    PubAck(u16, Result<(), String>),
    PubRec(u16, Result<(), String>),
    PubRel(u16),
    PubComp(u16),
    /// For each subscription the level that was granted, or why not.
    SubAck(u16, Vec<Result<u8, String>>),
    PingResp,
    /// The broker closes the connection and says why (MQTT 5).
    Goodbye(String),
    /// Nothing that concerns us.
    Other,
}

/// Why the broker does not let us in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// User name or password, or none where one is wanted.
    Login,
    /// It knows who we are, and we may not.
    NotAllowed,
    /// It does not speak this version.
    Version,
    /// It does not take the client id.
    ClientId,
    /// It cannot now, or anything else; in its words.
    Other(String),
}

/// What goes to the broker.
#[derive(Clone)]
pub(super) enum Outgoing {
    Hello(Box<Hello>),
    Publish(Message),
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Subscribe(u16, Vec<Subscription>),
    Ping,
    Goodbye,
}

/// Why bytes are no packet, or a packet cannot become bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// Larger than we take.
    #[error("the broker sent a packet that is larger than `mqtt.packet_bytes_max`")]
    TooLarge,
    /// Not MQTT, or not of this version.
    #[error("what the broker sent is not understood: {0}")]
    Malformed(String),
}

/// Reads and writes packets of one version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codec {
    pub(super) version: Version,
    /// Largest packet that is taken.
    pub(super) packet_bytes_max: u32,
}

impl Codec {
    /// Takes the first packet out of the buffer, if it is whole.
    pub(super) fn decode(self, buffer: &mut BytesMut) -> Result<Option<Incoming>, WireError> {
        match self.version {
            Version::V3 => v3::decode(buffer, self.packet_bytes_max),
            Version::V5 => v5::decode(buffer, self.packet_bytes_max),
        }
    }

    /// Appends a packet to the buffer.
    pub(super) fn encode(self, packet: Outgoing, buffer: &mut BytesMut) -> Result<(), WireError> {
        match self.version {
            Version::V3 => v3::encode(packet, buffer),
            Version::V5 => v5::encode(packet, buffer, self.packet_bytes_max),
        }
    }
}

#[cfg(test)]
mod tests;
