//! MQTT 5.

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::{
    Error, QoS,
    v5::{
        ConnAck, Connect, ConnectProperties, ConnectReturnCode, Disconnect, DisconnectReasonCode,
        Filter, LastWill, Login, Packet, PingReq, PubAck, PubAckReason, PubComp, PubRec,
        PubRecReason, PubRel, Publish, PublishProperties, Subscribe, SubscribeReasonCode,
    },
};

use super::{Hello, Incoming, Limits, Message, Outgoing, Qos, Refusal, Welcome, WireError};

/// The session never expires.
const FOR_EVER_S: u32 = u32::MAX;

pub(super) fn decode(buffer: &mut BytesMut, max: u32) -> Result<Option<Incoming>, WireError> {
    match Packet::read(buffer, Some(max)) {
        Ok(packet) => incoming(packet).map(Some),
        Err(Error::InsufficientBytes(more)) => {
            buffer.reserve(more);
            Ok(None)
        }
        Err(Error::PayloadSizeLimitExceeded { .. }) => Err(WireError::TooLarge),
        Err(error) => Err(malformed(&error)),
    }
}

pub(super) fn encode(
    packet: Outgoing,
    buffer: &mut BytesMut,
    packet_bytes_max: u32,
) -> Result<(), WireError> {
    let packet = match packet {
        Outgoing::Hello(hello) => connect(*hello, packet_bytes_max),
        Outgoing::Publish(message) => {
            let properties = message.expiry_s.map(|expiry_s| PublishProperties {
                message_expiry_interval: Some(expiry_s),
                ..PublishProperties::default()
            });
            let mut publish =
                Publish::new(message.topic, qos(message.qos), message.payload, properties);
            publish.retain = message.retain;
            publish.pkid = message.packet_id;
            Packet::Publish(publish)
        }
        Outgoing::PubAck(id) => Packet::PubAck(PubAck::new(id, None)),
        Outgoing::PubRec(id) => Packet::PubRec(PubRec::new(id, None)),
        Outgoing::PubRel(id) => Packet::PubRel(PubRel::new(id, None)),
        Outgoing::PubComp(id) => Packet::PubComp(PubComp::new(id, None)),
        Outgoing::Subscribe(id, subscriptions) => {
            let filters = subscriptions
                .into_iter()
                .map(|one| Filter::new(one.filter, qos(one.qos)));
            let mut subscribe = Subscribe::new_many(filters, None);
            subscribe.pkid = id;
            Packet::Subscribe(subscribe)
        }
        Outgoing::Ping => Packet::PingReq(PingReq),
        Outgoing::Goodbye => {
            Packet::Disconnect(Disconnect::new(DisconnectReasonCode::NormalDisconnection))
        }
    };
    let written = packet.write(buffer, None);
    written.map(|_| ()).map_err(|error| malformed(&error))
}

fn connect(hello: Hello, packet_bytes_max: u32) -> Packet {
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = hello.keeps_session.then_some(FOR_EVER_S);
    properties.receive_maximum = Some(hello.receive_max);
    properties.max_packet_size = Some(packet_bytes_max);
    let connect = Connect {
        keep_alive: hello.keep_alive_s,
        client_id: hello.client_id,
        clean_start: !hello.keeps_session,
        properties: Some(properties),
    };
    let will = hello.will.map(|will| LastWill {
        topic: Bytes::from(will.topic),
        message: will.payload,
        qos: qos(will.qos),
        retain: will.retain,
        properties: None,
    });
    let login = hello
        .login
        .map(|(username, password)| Login { username, password });
    Packet::Connect(connect, will, login)
}

fn incoming(packet: Packet) -> Result<Incoming, WireError> {
    Ok(match packet {
        Packet::Publish(publish) => Incoming::Publish(Message {
            topic: String::from_utf8(publish.topic.into())
                .map_err(|_| WireError::Malformed("a topic is not UTF-8".to_owned()))?,
            payload: publish.payload,
            qos: ours(publish.qos),
            retain: publish.retain,
            packet_id: publish.pkid,
            expiry_s: None,
        }),
        Packet::ConnAck(answer) => answered(answer),
        Packet::PubAck(ack) => Incoming::PubAck(
            ack.pkid,
            match ack.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
                reason => Err(format!("{reason:?}")),
            },
        ),
        Packet::PubRec(ack) => Incoming::PubRec(
            ack.pkid,
            match ack.reason {
                PubRecReason::Success | PubRecReason::NoMatchingSubscribers => Ok(()),
                reason => Err(format!("{reason:?}")),
            },
        ),
        Packet::PubRel(ack) => Incoming::PubRel(ack.pkid),
        Packet::PubComp(ack) => Incoming::PubComp(ack.pkid),
        Packet::SubAck(ack) => {
            let granted = ack.return_codes.into_iter().map(|code| match code {
                SubscribeReasonCode::Success(qos) => Ok(qos as u8),
                reason => Err(format!("{reason:?}")),
            });
            Incoming::SubAck(ack.pkid, granted.collect())
        }
        Packet::PingResp(_) => Incoming::PingResp,
        Packet::Disconnect(goodbye) => Incoming::Goodbye(format!("{:?}", goodbye.reason_code)),
        Packet::Auth(_)
        | Packet::Connect(..)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::UnsubAck(_)
        | Packet::PingReq(_) => Incoming::Other,
    })
}

fn answered(answer: ConnAck) -> Incoming {
    use ConnectReturnCode as Code;
    Incoming::Refused(match answer.code {
        Code::Success => {
            let told = answer.properties;
            let limits = told.map(|told| Limits {
                receive_max: told.receive_max,
                packet_bytes_max: told.max_packet_size,
                qos_max: told.max_qos,
                has_retain: told.retain_available.map(|flag| flag != 0),
                has_shared: told.shared_subscription_available.map(|flag| flag != 0),
                session_expiry_s: told.session_expiry_interval,
                keep_alive_s: told.server_keep_alive,
            });
            return Incoming::Welcome(Welcome {
                session_present: answer.session_present,
                limits: limits.unwrap_or_default(),
            });
        }
        Code::BadUserNamePassword => Refusal::Login,
        Code::NotAuthorized | Code::Banned => Refusal::NotAllowed,
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => Refusal::Version,
        Code::BadClientId | Code::ClientIdentifierNotValid => Refusal::ClientId,
        code => Refusal::Other(format!("{code:?}")),
    })
}

const fn qos(level: Qos) -> QoS {
    match level {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

const fn ours(level: QoS) -> Qos {
    match level {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn malformed(error: &Error) -> WireError {
    WireError::Malformed(error.to_string())
}
