//! The node against a broker and a world that behave as badly as they may.

extern crate std;

mod app;
mod commands;
mod config;
mod connection;
mod drivers;
mod logs;
mod memory;
mod network;
mod packets;
mod readings;
mod ring;
mod session;

use std::{
    collections::BTreeSet,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use signalbox_protocol::payload::{
    ActuatorState, Encoding, Id, Name,
    ack::{Ack, AckResult},
    command::{Action, Command},
    status::{StartedBy, Status},
};

use crate::{
    ACKS_MAX, ActuatorOptions, BUFFER_BYTES_MIN, Kind, MESSAGE_SAMPLES_MAX, METRICS_MAX,
    MetricOptions, Node, NodeOptions, PAUSE_MS_MAX, PAUSE_MS_MIN, READING_BYTES_MAX,
    READINGS_BYTES, RECENT_IDS_MAX, STATUS_INTERVAL_MS,
};

/// Some forty readings of one value.
const BYTES: usize = 200;
const BOOT: u32 = 7;

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

fn options() -> NodeOptions {
    let metric = |text, dead_band| MetricOptions::new(name(text), dead_band);
    NodeOptions {
        name: name("kitchen"),
        firmware: heapless::String::try_from("0.1.0").unwrap(),
        safe_mode: false,
        metrics: [metric("temperature", 0.5), metric("soil", 4.0)]
            .into_iter()
            .collect(),
        actuators: ["led", "pump"]
            .map(|text| ActuatorOptions::new(name(text)))
            .into_iter()
            .collect(),
        interval_ms: 1_000,
        heartbeat_ms: 60_000,
        encoding: Encoding::Json,
    }
}

fn node() -> Node<[u8; BYTES]> {
    Node::new(options(), [0; _], BOOT, None, 1, 0)
}

fn id(n: usize) -> Id {
    Id::try_from(std::format!("{n:026}").as_str()).unwrap()
}

fn order(n: usize, actuator: &str, action: Action, for_ms: Option<u32>) -> Vec<u8> {
    let command = Command {
        id: id(n),
        actuator: name(actuator),
        action,
        for_ms,
    };
    let mut buffer = [0; 512];
    let len = command.encode(Encoding::Json, &mut buffer).unwrap();
    buffer[..len].to_vec()
}

/// What is next to publish, as kind, topic, payload.
fn next<const N: usize>(node: &mut Node<[u8; N]>, now_ms: u64) -> Option<(Kind, String, Vec<u8>)> {
    let mut buffer = [0; 8_192];
    let publish = node.next_publish(&mut buffer, now_ms)?;
    assert_eq!(publish.retain, publish.kind == Kind::Status);
    Some((
        publish.kind,
        publish.topic.to_string(),
        publish.payload.to_vec(),
    ))
}

/// Connects and lets the first status through.
fn connect(node: &mut Node<[u8; BYTES]>, now_ms: u64) -> Status {
    assert!(node.connect_due(now_ms));
    node.connected();
    let (kind, topic, payload) = next(node, now_ms).unwrap();
    assert_eq!(
        (kind, topic.as_str()),
        (Kind::Status, "signalbox/kitchen/status")
    );
    node.acknowledged(Kind::Status);
    Status::decode(&payload).unwrap()
}

fn next_ack(node: &mut Node<[u8; BYTES]>, now_ms: u64) -> Ack {
    let (kind, topic, payload) = next(node, now_ms).unwrap();
    assert_eq!((kind, topic.as_str()), (Kind::Ack, "signalbox/kitchen/ack"));
    Ack::decode(&payload).unwrap()
}

/// Boot and number of a telemetry message, and age and temperature of its samples. Read with the
/// JSON reader of the tests, not with the code that wrote it.
fn telemetry(payload: &[u8]) -> (u64, u64, Vec<(u64, f64)>) {
    let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
    let sample = |sample: &serde_json::Value| {
        (
            sample["age_ms"].as_u64().unwrap(),
            sample["values"]["temperature"].as_f64().unwrap(),
        )
    };
    let samples = json["samples"].as_array().unwrap();
    (
        json["boot"].as_u64().unwrap(),
        json["seq"].as_u64().unwrap(),
        samples.iter().map(sample).collect(),
    )
}
