//! Packets of MQTT 3.1.1 as bytes, and bytes that are none.

use proptest::prelude::*;

use crate::mqtt::{
    link::{Found, IN_FLIGHT_MAX, KEEP_ALIVE_S, Link, PONG_MS_MAX},
    packet::{self, Connect, Header, Malformed, Message, Packet},
};
use crate::{Kind, Lost};

extern crate std;
use std::vec::Vec;

fn hello<'a>(password: Option<&'a str>) -> Connect<'a> {
    Connect {
        name: "n1",
        password,
        keep_alive_s: 20,
        will: ("t", b"{}"),
    }
}

#[test]
fn what_goes_out_is_as_the_standard_has_it() {
    let mut buffer = [0; 64];
    let len = packet::connect(&mut buffer, &hello(Some("secret"))).unwrap();
    let expected = b"\x10\x21\0\x04MQTT\x04\xee\0\x14\0\x02n1\0\x01t\0\x02{}\0\x02n1\0\x06secret";
    assert_eq!(&buffer[..len], expected);
    let len = packet::connect(&mut buffer, &hello(None)).unwrap();
    assert_eq!(
        &buffer[..len],
        b"\x10\x15\0\x04MQTT\x04\x2e\0\x14\0\x02n1\0\x01t\0\x02{}"
    );
    let len = packet::subscribe(&mut buffer, "a/b", 0x0102).unwrap();
    assert_eq!(&buffer[..len], b"\x82\x08\x01\x02\0\x03a/b\x01");
    let len = packet::publish_head(&mut buffer, "a/b", Some(10), true, 300).unwrap();
    assert_eq!(&buffer[..len], b"\x33\xb3\x02\0\x03a/b\0\x0a");
    let len = packet::publish_head(&mut buffer, "a/b", None, false, 300).unwrap();
    assert_eq!(&buffer[..len], b"\x30\xb1\x02\0\x03a/b");
    assert_eq!(packet::pub_ack(0x0a0b), [0x40, 2, 0x0a, 0x0b]);
    for short in 0..33 {
        assert_eq!(
            packet::connect(&mut buffer[..short], &hello(Some("secret"))),
            None
        );
    }
}

#[test]
fn what_comes_in_is_understood() {
    fn read(bytes: &[u8]) -> Result<Packet<'_>, Malformed> {
        let header = packet::header(bytes)?.ok_or(Malformed)?;
        assert_eq!(header.packet_bytes(), bytes.len());
        packet::packet(header, &bytes[header.bytes..])
    }
    assert_eq!(read(&[0x20, 2, 0, 5]), Ok(Packet::ConnAck { code: 5 }));
    assert_eq!(
        read(&[0x40, 2, 1, 2]),
        Ok(Packet::PubAck { packet_id: 0x0102 })
    );
    assert_eq!(
        read(&[0x90, 3, 0, 1, 0x80]),
        Ok(Packet::SubAck {
            packet_id: 1,
            code: 0x80
        })
    );
    assert_eq!(read(&[0xd0, 0]), Ok(Packet::Pong));
    let message = |packet_id, retained| {
        Ok(Packet::Message(Message {
            topic: b"ab",
            packet_id,
            retained,
            payload: b"{}",
        }))
    };
    assert_eq!(read(b"\x30\x06\0\x02ab{}"), message(None, false));
    assert_eq!(read(b"\x33\x08\0\x02ab\0\x07{}"), message(Some(7), true));
    // Sent again after a break.
    assert_eq!(read(b"\x3a\x08\0\x02ab\0\x07{}"), message(Some(7), false));
    for bad in [
        &b"\x34\x08\0\x02ab\0\x07{}"[..],
        b"\x32\x05\0\x09ab{",
        b"\x32\x04\0\x02ab",
        b"\x20\x01\0",
        b"\xd0\x01\0",
        b"\x10\0",
        b"\0\0",
    ] {
        assert_eq!(read(bad), Err(Malformed), "{bad:?}");
    }
    assert_eq!(packet::header(b"\x30\xff\xff\xff"), Ok(None));
    assert_eq!(packet::header(b"\x30\xff\xff\xff\xff\x01"), Err(Malformed));
}

#[test]
fn a_message_that_is_too_long_is_passed_over_and_what_follows_is_read() {
    let mut memory = [0; 32];
    let mut link = Link::new(&mut memory, 0);
    let long = [&b"\x32\xc8\x01\0\x02ab\0\x07"[..], &[b'x'; 194]].concat();
    let pong = [0xd0, 0];
    let mut found = Vec::new();
    for byte in long.iter().chain(&pong) {
        link.free()[0] = *byte;
        link.received(1);
        if let Some(what) = link.found().unwrap() {
            if let Found::Packet(header) = &what {
                link.taken(*header);
            }
            found.push(what);
        }
    }
    let pong = Header {
        kind: 0xd0,
        bytes: 2,
        rest: 0,
    };
    assert_eq!(
        found,
        [Found::TooLong { packet_id: Some(7) }, Found::Packet(pong)]
    );
}

#[test]
fn packet_ids_are_used_once_at_a_time_and_pub_acks_are_told_apart() {
    let mut memory = [0; 32];
    let mut link = Link::new(&mut memory, 0);
    let first = link.next_id();
    link.sent(first, Kind::Status);
    for _ in 1..IN_FLIGHT_MAX {
        let id = link.next_id();
        link.sent(id, Kind::Telemetry);
    }
    assert!(!link.has_room());
    // Once around, past the one in use, and never 0.
    let ids: Vec<u16> = (0..=u16::MAX).map(|_| link.next_id()).collect();
    assert!(!ids.contains(&0) && !ids.contains(&first));
    assert_eq!(link.acknowledged(first), Some(Kind::Status));
    assert_eq!(link.acknowledged(first), None);
    assert!(link.has_room());
}

#[test]
fn a_link_pings_and_gives_up() {
    let mut memory = [0; 32];
    let mut link = Link::new(&mut memory, 1_000);
    let half_ms = u64::from(KEEP_ALIVE_S) * 500;
    assert_eq!(link.wake_ms(), 1_000 + half_ms);
    assert!(link.ping_due(1_000 + half_ms));
    link.wrote(5_000);
    assert!(!link.ping_due(1_000 + half_ms));
    link.pinged(5_000 + half_ms);
    assert!(!link.is_silent(5_000 + half_ms + PONG_MS_MAX - 1));
    assert!(link.is_silent(5_000 + half_ms + PONG_MS_MAX));
    link.answered();
    assert!(!link.is_silent(u64::MAX));
    assert_eq!(Lost::from(Malformed), Lost::Malformed);
}

proptest! {
    /// Whatever comes in, in whatever pieces: no panic, and every byte is used.
    #[test]
    fn any_bytes_are_read_or_refused(
        pieces in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x32), Just(0), Just(2)], 0..40),
            0..20,
        ),
    ) {
        let mut memory = [0; 48];
        let mut link = Link::new(&mut memory, 0);
        'all: for piece in pieces {
            let mut rest = piece.as_slice();
            while !rest.is_empty() {
                let free = link.free();
                prop_assert!(!free.is_empty());
                let bytes = rest.len().min(free.len());
                free[..bytes].copy_from_slice(&rest[..bytes]);
                rest = &rest[bytes..];
                link.received(bytes);
                loop {
                    match link.found() {
                        Err(Malformed) => break 'all,
                        Ok(None) => break,
                        Ok(Some(Found::TooLong { .. })) => {}
                        Ok(Some(Found::Packet(header))) => {
                            if link.packet(header).is_err() {
                                break 'all;
                            }
                            link.taken(header);
                        }
                    }
                }
            }
        }
    }
}
