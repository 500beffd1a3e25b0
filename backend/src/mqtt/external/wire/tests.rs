//! Both versions say the same.

use super::*;

const BYTES_MAX: u32 = 1_000;

fn codecs() -> [Codec; 2] {
    [Version::V3, Version::V5].map(|version| Codec {
        version,
        packet_bytes_max: BYTES_MAX,
    })
}

fn message(qos: Qos, bytes: usize) -> Message {
    Message {
        topic: "signalbox/a/telemetry".to_owned(),
        payload: Bytes::from(vec![7; bytes]),
        qos,
        retain: true,
        packet_id: if qos == Qos::AtMostOnce { 0 } else { 9 },
        expiry_s: None,
    }
}

#[test]
fn what_is_written_is_read() {
    for codec in codecs() {
        let mut bytes = BytesMut::new();
        let levels = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
        for qos in levels {
            let packet = Outgoing::Publish(message(qos, 5));
            codec.encode(packet, &mut bytes).unwrap();
        }
        for packet in [
            Outgoing::PubAck(1),
            Outgoing::PubRec(2),
            Outgoing::PubRel(3),
            Outgoing::PubComp(4),
        ] {
            codec.encode(packet, &mut bytes).unwrap();
        }
        let expected = levels
            .map(|qos| Incoming::Publish(message(qos, 5)))
            .into_iter()
            .chain([
                Incoming::PubAck(1, Ok(())),
                Incoming::PubRec(2, Ok(())),
                Incoming::PubRel(3),
                Incoming::PubComp(4),
            ]);
        for packet in expected {
            assert_eq!(codec.decode(&mut bytes), Ok(Some(packet)));
        }
        assert_eq!(codec.decode(&mut bytes), Ok(None));
    }
}

#[test]
fn a_packet_comes_whole_or_not_at_all() {
    for codec in codecs() {
        let mut whole = BytesMut::new();
        let packet = Outgoing::Publish(message(Qos::AtLeastOnce, 200));
        codec.encode(packet, &mut whole).unwrap();
        let mut bytes = BytesMut::new();
        for byte in &whole[..whole.len() - 1] {
            bytes.extend_from_slice(&[*byte]);
            assert_eq!(codec.decode(&mut bytes), Ok(None));
        }
        bytes.extend_from_slice(&whole[whole.len() - 1..]);
        assert!(matches!(
            codec.decode(&mut bytes),
            Ok(Some(Incoming::Publish(_)))
        ));
    }
}

#[test]
fn what_is_too_large_or_no_packet_is_an_error() {
    for codec in codecs() {
        let mut bytes = BytesMut::new();
        let packet = Outgoing::Publish(message(Qos::AtLeastOnce, BYTES_MAX as usize));
        codec.encode(packet, &mut bytes).unwrap();
        assert_eq!(codec.decode(&mut bytes), Err(WireError::TooLarge));
        let mut other = BytesMut::from(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]);
        other.extend_from_slice(&[b' '; 200]);
        let decoded = codec.decode(&mut other);
        let is_welcome = matches!(decoded, Ok(None | Some(Incoming::Welcome(_))));
        assert!(!is_welcome, "{:?} {decoded:?}", codec.version);
    }
}

#[test]
fn refusals_are_told_apart() {
    for (code, refusal) in [
        (1, Refusal::Version),
        (2, Refusal::ClientId),
        (4, Refusal::Login),
        (5, Refusal::NotAllowed),
    ] {
        let mut bytes = BytesMut::from(&[0x20, 2, 0, code][..]);
        let decoded = codecs()[0].decode(&mut bytes).unwrap();
        assert_eq!(decoded, Some(Incoming::Refused(refusal)));
    }
    for (code, refusal) in [
        (0x84, Refusal::Version),
        (0x85, Refusal::ClientId),
        (0x86, Refusal::Login),
        (0x87, Refusal::NotAllowed),
    ] {
        let mut bytes = BytesMut::from(&[0x20, 3, 0, code, 0][..]);
        let decoded = codecs()[1].decode(&mut bytes).unwrap();
        assert_eq!(decoded, Some(Incoming::Refused(refusal)));
    }
}

#[test]
fn limits_are_read_from_the_welcome() {
    // Session expiry 60 s, receive maximum 20, maximum QoS 1, retain not available.
    let properties = [0x11, 0, 0, 0, 60, 0x21, 0, 20, 0x24, 1, 0x25, 0];
    let mut bytes = BytesMut::from(&[0x20, 15, 1, 0, 12][..]);
    bytes.extend_from_slice(&properties);
    let decoded = codecs()[1].decode(&mut bytes).unwrap();
    let Some(Incoming::Welcome(welcome)) = decoded else {
        panic!("{decoded:?}");
    };
    assert!(welcome.session_present);
    assert_eq!(welcome.limits.session_expiry_s, Some(60));
    assert_eq!(welcome.limits.receive_max, Some(20));
    assert_eq!(welcome.limits.qos_max, Some(1));
    assert_eq!(welcome.limits.has_retain, Some(false));
}
