//! A message that is larger than the station takes. MQTT 5 brokers are told the limit; one of
//! 3.1.1 would send it again at each connect, for ever, and nothing behind it would come. So it is
//! read past, reported and acknowledged.

use std::io;

use bytes::{Buf as _, Bytes};

use super::wire::{Message, Qos};

/// First four bits of a PUBLISH.
const PUBLISH: u8 = 3;

/// What is known of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Oversize {
    /// Without its payload.
    pub(super) message: Message,
    /// The whole packet.
    pub(super) packet_bytes: usize,
}

/// Reads the beginning of a packet: `None` when it is no message, an error when more bytes are
/// needed to tell (MQTT 3.1.1, sections 2.2 and 3.3).
pub(super) fn read(mut input: &[u8]) -> io::Result<Option<Oversize>> {
    let whole = input.len();
    let more = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let first = input.try_get_u8().map_err(|_| more())?;
    if first >> 4 != PUBLISH {
        return Ok(None);
    }
    let mut remaining = 0_usize;
    for shift in [0, 7, 14, 21] {
        let byte = input.try_get_u8().map_err(|_| more())?;
        remaining |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let header = whole - input.len();
    let topic_bytes = usize::from(input.try_get_u16().map_err(|_| more())?);
    let topic = input.get(..topic_bytes).ok_or_else(more)?;
    let topic = String::from_utf8_lossy(topic).into_owned();
    input.advance(topic_bytes);
    let qos = Qos::new((first >> 1) & 3);
    let packet_id = match qos {
        Qos::AtMostOnce => 0,
        Qos::AtLeastOnce | Qos::ExactlyOnce => input.try_get_u16().map_err(|_| more())?,
    };
    Ok(Some(Oversize {
        message: Message {
            topic,
            payload: Bytes::new(),
            qos,
            retain: first & 1 == 1,
            packet_id,
            expiry_s: None,
        },
        packet_bytes: header + remaining,
    }))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::mqtt::external::wire::{Codec, Outgoing, Version};

    #[test]
    fn it_is_read_as_the_codec_wrote_it() {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let message = Message {
                topic: "signalbox/a/telemetry".to_owned(),
                payload: Bytes::from(vec![0; 300_000]),
                qos,
                retain: true,
                packet_id: if qos == Qos::AtMostOnce { 0 } else { 513 },
                expiry_s: None,
            };
            let codec = Codec {
                version: Version::V3,
                packet_bytes_max: 1_000,
            };
            let mut bytes = BytesMut::new();
            codec
                .encode(Outgoing::Publish(message.clone()), &mut bytes)
                .unwrap();
            let found = read(&bytes).unwrap().unwrap();
            let empty = Message {
                payload: Bytes::new(),
                ..message
            };
            assert_eq!(found.message, empty);
            assert_eq!(found.packet_bytes, bytes.len());
            let known = 4 + 2 + 21 + if qos == Qos::AtMostOnce { 0 } else { 2 };
            assert!(read(&bytes[..known]).is_ok());
            for short in 0..known {
                assert!(read(&bytes[..short]).is_err(), "{short}");
            }
        }
        assert_eq!(read(&[0x90, 0xff, 0xff, 0xff, 0x7f]).unwrap(), None);
    }
}
