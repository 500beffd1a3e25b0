//! MQTT 3.1.1.

use bytes::BytesMut;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, LastWill, Login, Packet, Protocol, PubAck, PubComp,
    PubRec, PubRel, Publish, QoS, Subscribe, SubscribeFilter, SubscribeReasonCode,
    mqttbytes::Error,
};

use super::{Incoming, Message, Outgoing, Qos, Refusal, Welcome, WireError};

pub(super) fn decode(buffer: &mut BytesMut, max: u32) -> Result<Option<Incoming>, WireError> {
    match Packet::read(buffer, max as usize) {
        Ok(packet) => Ok(Some(incoming(packet))),
        Err(Error::InsufficientBytes(more)) => {
            buffer.reserve(more);
            Ok(None)
        }
        Err(Error::PayloadSizeLimitExceeded(_)) => Err(WireError::TooLarge),
        Err(error) => Err(malformed(&error)),
    }
}

pub(super) fn encode(packet: Outgoing, buffer: &mut BytesMut) -> Result<(), WireError> {
    let written = match packet {
        Outgoing::Hello(hello) => {
            let mut connect = Connect::new(hello.client_id);
            connect.protocol = Protocol::V4;
            connect.keep_alive = hello.keep_alive_s;
            connect.clean_session = !hello.keeps_session;
            connect.login = hello
                .login
                .map(|(username, password)| Login { username, password });
            connect.last_will = hello.will.map(|will| LastWill {
                topic: will.topic,
                message: will.payload,
                qos: qos(will.qos),
                retain: will.retain,
            });
            connect.write(buffer)
        }
        Outgoing::Publish(message) => {
            let mut publish = Publish::from_bytes(message.topic, qos(message.qos), message.payload);
            publish.retain = message.retain;
            publish.pkid = message.packet_id;
            publish.write(buffer)
        }
        Outgoing::PubAck(id) => PubAck::new(id).write(buffer),
        Outgoing::PubRec(id) => PubRec::new(id).write(buffer),
        Outgoing::PubRel(id) => PubRel::new(id).write(buffer),
        Outgoing::PubComp(id) => PubComp::new(id).write(buffer),
        Outgoing::Subscribe(id, subscriptions) => {
            let filters = subscriptions
                .into_iter()
                .map(|one| SubscribeFilter::new(one.filter, qos(one.qos)));
            let mut subscribe = Subscribe::new_many(filters);
            subscribe.pkid = id;
            subscribe.write(buffer)
        }
        Outgoing::Ping => Packet::PingReq.write(buffer, usize::MAX),
        Outgoing::Goodbye => Packet::Disconnect.write(buffer, usize::MAX),
    };
    written.map(|_| ()).map_err(|error| malformed(&error))
}

fn incoming(packet: Packet) -> Incoming {
    match packet {
        Packet::Publish(publish) => Incoming::Publish(Message {
            topic: publish.topic,
            payload: publish.payload,
            qos: ours(publish.qos),
            retain: publish.retain,
            packet_id: publish.pkid,
            expiry_s: None,
        }),
        Packet::ConnAck(answer) => answered(&answer),
        Packet::PubAck(ack) => Incoming::PubAck(ack.pkid, Ok(())),
        Packet::PubRec(ack) => Incoming::PubRec(ack.pkid, Ok(())),
        Packet::PubRel(ack) => Incoming::PubRel(ack.pkid),
        Packet::PubComp(ack) => Incoming::PubComp(ack.pkid),
        Packet::SubAck(ack) => {
            let granted = ack.return_codes.into_iter().map(|code| match code {
                SubscribeReasonCode::Success(qos) => Ok(qos as u8),
                SubscribeReasonCode::Failure => Err("not granted".to_owned()),
            });
            Incoming::SubAck(ack.pkid, granted.collect())
        }
        Packet::PingResp => Incoming::PingResp,
        Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::UnsubAck(_)
        | Packet::PingReq
        | Packet::Disconnect => Incoming::Other,
    }
}

fn answered(answer: &ConnAck) -> Incoming {
    Incoming::Refused(match answer.code {
        ConnectReturnCode::Success => {
            return Incoming::Welcome(Welcome {
                session_present: answer.session_present,
                ..Welcome::default()
            });
        }
        ConnectReturnCode::RefusedProtocolVersion => Refusal::Version,
        ConnectReturnCode::BadClientId => Refusal::ClientId,
        ConnectReturnCode::ServiceUnavailable => Refusal::Other("not available".to_owned()),
        ConnectReturnCode::BadUserNamePassword => Refusal::Login,
        // Mosquitto says so of a wrong password as well.
        ConnectReturnCode::NotAuthorized => Refusal::NotAllowed,
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
