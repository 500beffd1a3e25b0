//! Bytes that a reading takes on the wire, in a made-up room of a day. The numbers stand in
//! `docs/firmware.md`, which has to change with them.

use signalbox_node::{Kind, MetricOptions, Node, NodeOptions};
use signalbox_protocol::payload::{Encoding, Name};

use crate::{
    sensors::{Sensors, metrics},
    world::{Switched, World},
};

const INTERVAL_MS: u64 = 60_000;
const READINGS: u64 = 24 * 60;
/// Of MQTT 3.1.1 beside topic and payload: the header with a length below 16,384, the topic's
/// length, the packet id; and the PUBACK.
const MQTT_BYTES: usize = 3 + 2 + 2 + 4;
const BUFFER_BYTES: usize = 1_280;

/// Bytes of a day on the wire (without TCP and IP), and messages.
fn day(encoding: Encoding, by_exception: bool, online: bool) -> (usize, usize) {
    let metrics = metrics().into_iter().map(|metric| MetricOptions {
        dead_band: if by_exception { metric.dead_band } else { 0.0 },
        ..metric
    });
    let options = NodeOptions {
        name: Name::try_from("kitchen").unwrap(),
        safe_mode: false,
        firmware: "sim".try_into().unwrap(),
        metrics: metrics.collect(),
        actuators: Default::default(),
        interval_ms: INTERVAL_MS,
        heartbeat_ms: 15 * 60_000,
        encoding,
    };
    let mut node = Node::new(options, vec![0; 16_384], 0x1234_5678, None, 1, 0);
    let (mut world, mut sensors) = (World::new(3), Sensors::new(3));
    let (mut bytes, mut messages) = (0, 0);
    let mut drain = |node: &mut Node<Vec<u8>>, now_ms| {
        let mut buffer = [0; BUFFER_BYTES];
        while let Some(message) = node.next_publish(&mut buffer, now_ms) {
            let kind = message.kind;
            if kind == Kind::Telemetry {
                bytes += MQTT_BYTES + message.topic.len() + message.payload.len();
                messages += 1;
            }
            node.acknowledged(kind);
        }
    };
    if online {
        node.connected();
    }
    for n in 0..READINGS {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a day")]
        let day_s = (n * 60) as f64;
        world.step(Switched::default(), day_s, 60.0);
        let now_ms = n * INTERVAL_MS;
        node.reading(&sensors.read(&world), now_ms);
        drain(&mut node, now_ms + 20);
    }
    assert_eq!(node.dropped(), 0);
    if !online {
        node.connected();
        drain(&mut node, READINGS * INTERVAL_MS);
    }
    (bytes, messages)
}

#[test]
fn bytes_a_reading_are_those_on_the_page() {
    let page = include_str!("../../../docs/firmware.md");
    let mut missing = Vec::new();
    for (online, begin) in [(true, "as it comes"), (false, "after a day offline")] {
        for (by_exception, how) in [(false, "every value"), (true, "by exception")] {
            let row = format!("| {begin}, {how} |");
            let cells: Vec<String> = [Encoding::Json, Encoding::Protobuf]
                .map(|encoding| {
                    let (bytes, messages) = day(encoding, by_exception, online);
                    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                    let a_reading = bytes as f64 / READINGS as f64;
                    format!("{a_reading:.1} ({messages} messages)")
                })
                .into();
            let expected = format!("{row} {} | {} |", cells[0], cells[1]);
            if !page.contains(&expected) {
                missing.push(expected);
            }
        }
    }
    assert!(
        missing.is_empty(),
        "docs/firmware.md lacks:\n{}",
        missing.join("\n")
    );
}
