//! The node against a broker and a world that behave as badly as they may.

extern crate std;

use std::{
    collections::BTreeMap,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use proptest::prelude::*;
use signalbox_protocol::payload::{
    ActuatorState, Encoding, Id, Name,
    ack::{Ack, AckResult},
    command::{Action, Command},
    status::Status,
};

use crate::{
    ACKS_MAX, BUFFER_BYTES_MIN, Kind, MESSAGE_SAMPLES_MAX, METRICS_MAX, MetricOptions, Node,
    NodeOptions, PAUSE_MS_MAX, PAUSE_MS_MIN, RECENT_IDS_MAX, STATUS_INTERVAL_MS,
};

const READINGS: usize = 50;

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

fn options() -> NodeOptions {
    let metric = |text, dead_band| MetricOptions {
        name: name(text),
        dead_band,
    };
    NodeOptions {
        name: name("kitchen"),
        firmware: heapless::String::try_from("0.1.0").unwrap(),
        metrics: [metric("temperature", 0.5), metric("soil", 4.0)]
            .into_iter()
            .collect(),
        actuators: [name("led"), name("pump")].into_iter().collect(),
        interval_ms: 1_000,
        heartbeat_ms: 60_000,
        encoding: Encoding::Json,
    }
}

fn node() -> Node<READINGS> {
    Node::new(options(), 7, None, 1, 0)
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
fn next(node: &mut Node<READINGS>, now_ms: u64) -> Option<(Kind, String, Vec<u8>)> {
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
fn connect(node: &mut Node<READINGS>, now_ms: u64) -> Status {
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

fn next_ack(node: &mut Node<READINGS>, now_ms: u64) -> Ack {
    let (kind, topic, payload) = next(node, now_ms).unwrap();
    assert_eq!((kind, topic.as_str()), (Kind::Ack, "signalbox/kitchen/ack"));
    Ack::decode(&payload).unwrap()
}

/// Number of a telemetry message, and age and temperature of its samples. Read with the JSON
/// reader of the tests, not with the code that wrote it.
fn telemetry(payload: &[u8]) -> (u64, Vec<(u64, f64)>) {
    let json: serde_json::Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(json["boot"], 7);
    let sample = |sample: &serde_json::Value| {
        (
            sample["age_ms"].as_u64().unwrap(),
            sample["values"]["temperature"].as_f64().unwrap(),
        )
    };
    let samples = json["samples"].as_array().unwrap();
    (
        json["seq"].as_u64().unwrap(),
        samples.iter().map(sample).collect(),
    )
}

#[test]
fn the_first_message_tells_what_the_node_is() {
    let mut node = node();
    node.set_rssi_dbm(-61);
    let status = connect(&mut node, 12_000);
    assert!(status.online);
    assert_eq!(status.boot, Some(7));
    assert_eq!(status.uptime_s, Some(12));
    assert_eq!(status.rssi_dbm, Some(-61));
    assert_eq!(status.actuators.0.len(), 2);
    assert_eq!(next(&mut node, 12_000), None);
    let (topic, payload) = crate::will(&name("kitchen"));
    assert_eq!(topic, "signalbox/kitchen/status");
    assert!(!Status::decode(payload).unwrap().online);
}

#[test]
fn the_status_is_told_again_from_time_to_time() {
    let mut node = node();
    connect(&mut node, 0);
    node.tick(STATUS_INTERVAL_MS - 1);
    assert_eq!(next(&mut node, STATUS_INTERVAL_MS - 1), None);
    node.tick(STATUS_INTERVAL_MS);
    assert_eq!(next(&mut node, STATUS_INTERVAL_MS).unwrap().0, Kind::Status);
}

#[test]
fn only_what_moved_or_is_old_is_reported() {
    let mut node = node();
    connect(&mut node, 0);
    node.reading(&[Some(20.0), Some(500.0)], 0);
    node.reading(&[Some(20.4), Some(503.0)], 1_000);
    assert_eq!(node.waiting(), 1);
    // The dead band counts from what was reported, so that a slow drift is not lost.
    node.reading(&[Some(20.5), Some(503.0)], 2_000);
    assert_eq!(node.waiting(), 2);
    node.reading(&[None, Some(f32::NAN)], 3_000);
    assert_eq!(node.waiting(), 2);
    let (_, _, payload) = next(&mut node, 3_000).unwrap();
    let text = String::from_utf8(payload).unwrap();
    assert_eq!(
        text,
        r#"{"boot":7,"seq":1,"samples":[{"age_ms":3000,"values":{"temperature":20,"soil":500}},{"age_ms":1000,"values":{"temperature":20.5}}]}"#
    );
    node.acknowledged(Kind::Telemetry);
    // The heartbeat, of each metric by itself.
    node.reading(&[Some(20.5), Some(500.0)], 59_999);
    assert_eq!(node.waiting(), 0);
    node.reading(&[Some(20.5), Some(500.0)], 60_000);
    let (_, _, payload) = next(&mut node, 60_000).unwrap();
    assert!(
        String::from_utf8(payload)
            .unwrap()
            .contains(r#"{"soil":500}"#)
    );
}

#[test]
fn readings_keep_their_step_and_none_is_made_up() {
    let mut node = node();
    assert!(node.sample_due(0));
    node.reading(&[Some(1.0)], 0);
    assert!(!node.sample_due(999));
    assert!(node.sample_due(1_000));
    node.reading(&[Some(2.0)], 1_300);
    assert!(node.sample_due(2_000));
    node.reading(&[Some(3.0)], 9_100);
    assert!(!node.sample_due(9_999));
    assert!(node.sample_due(10_000));
}

#[test]
fn a_broken_connection_sends_the_same_under_the_same_number() {
    let mut node = node();
    connect(&mut node, 0);
    node.reading(&[Some(20.0)], 0);
    let (_, _, first) = next(&mut node, 500).unwrap();
    node.reading(&[Some(30.0)], 1_000);
    // One message at a time.
    assert_eq!(next(&mut node, 1_000), None);
    node.disconnected(1_000);
    connect(&mut node, 5_000);
    let (_, _, again) = next(&mut node, 5_000).unwrap();
    assert_eq!(telemetry(&first), (1, vec![(500, 20.0)]));
    assert_eq!(telemetry(&again), (1, vec![(5_000, 20.0)]));
    node.acknowledged(Kind::Telemetry);
    let (_, _, payload) = next(&mut node, 5_000).unwrap();
    assert_eq!(telemetry(&payload), (2, vec![(4_000, 30.0)]));
}

#[test]
fn a_full_memory_keeps_the_newest_and_counts_the_rest() {
    let mut node = node();
    let more = 10;
    for n in 0..READINGS + more {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(n as f32)], n as u64 * 1_000);
    }
    assert_eq!(node.waiting(), READINGS);
    assert_eq!(node.dropped() as usize, more);
    connect(&mut node, 100_000);
    let (_, _, payload) = next(&mut node, 100_000).unwrap();
    let (seq, samples) = telemetry(&payload);
    assert_eq!((seq, samples.len()), (1, MESSAGE_SAMPLES_MAX));
    assert_eq!(samples[0], (90_000, 10.0));
    // Those under way may give way too; their number is then not used for others.
    for n in 0..MESSAGE_SAMPLES_MAX {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(1_000.0 + n as f32)], 100_000 + n as u64 * 1_000);
    }
    node.disconnected(200_000);
    connect(&mut node, 300_000);
    let (_, _, payload) = next(&mut node, 300_000).unwrap();
    let (seq, samples) = telemetry(&payload);
    assert_eq!((seq, samples[0].1), (2, 10.0 + MESSAGE_SAMPLES_MAX as f64));
}

#[test]
fn a_small_buffer_takes_the_readings_in_smaller_parts() {
    let mut node = node();
    for n in 0..40_u64 {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        node.reading(&[Some(n as f32 + 0.123)], n * 1_000);
    }
    connect(&mut node, 40_000);
    let mut buffer = [0; BUFFER_BYTES_MIN];
    let mut seen = 0;
    while let Some(publish) = node.next_publish(&mut buffer, 40_000) {
        let (_, samples) = telemetry(publish.payload);
        for (_, value) in samples {
            assert!((value - f64::from(seen) - 0.123).abs() < 1e-4);
            seen += 1;
        }
        node.acknowledged(Kind::Telemetry);
    }
    assert_eq!(seen, 40);
}

#[test]
fn the_largest_status_fits_the_smallest_buffer() {
    let long = |n: usize| name(std::format!("{n:032}").as_str());
    let options = NodeOptions {
        name: long(0),
        firmware: heapless::String::try_from("f".repeat(32).as_str()).unwrap(),
        actuators: (0..8).map(long).collect(),
        metrics: (0..METRICS_MAX)
            .map(|n| MetricOptions {
                name: long(n),
                dead_band: 0.0,
            })
            .collect(),
        ..options()
    };
    let mut node: Node<4> = Node::new(options, u32::MAX, None, 1, 0);
    node.set_rssi_dbm(i16::MIN);
    node.reading(&[Some(f32::MIN); METRICS_MAX], 0);
    node.connected();
    node.command(&order(1, &long(1), Action::On, Some(604_800_000)), 0);
    let mut buffer = [0; BUFFER_BYTES_MIN];
    for kind in [Kind::Status, Kind::Ack, Kind::Telemetry] {
        let publish = node.next_publish(&mut buffer, u64::from(u32::MAX));
        assert_eq!(publish.unwrap().kind, kind);
        node.acknowledged(kind);
    }
}

#[test]
fn a_command_is_executed_once_and_answered_each_time() {
    let mut node = node();
    connect(&mut node, 0);
    let toggle = order(1, "led", Action::Toggle, None);
    node.command(&toggle, 0);
    assert!(node.is_on(0));
    let ack = next_ack(&mut node, 0);
    assert_eq!((ack.result, ack.off_in_ms), (AckResult::Applied, None));
    assert_eq!(ack.actuators.0[0], (name("led"), ActuatorState::On));
    node.command(&toggle, 10);
    assert!(node.is_on(0));
    assert_eq!(next_ack(&mut node, 10).result, AckResult::Duplicate);
    // An ack without its PUBACK goes out again after a break; one with it does not.
    node.acknowledged(Kind::Ack);
    node.disconnected(20);
    connect(&mut node, 5_000);
    assert_eq!(next_ack(&mut node, 5_000).result, AckResult::Duplicate);
    node.acknowledged(Kind::Ack);
    assert_eq!(next(&mut node, 5_000), None);
}

#[test]
fn what_cannot_be_done_is_refused_or_counted() {
    let mut node = node();
    connect(&mut node, 0);
    node.command(&order(1, "door", Action::On, None), 0);
    let ack = next_ack(&mut node, 0);
    assert_eq!(ack.result, AckResult::Refused);
    assert_eq!(ack.reason.unwrap(), "there is no such actuator");
    for bad in [&b"{}"[..], b"", b"\xff\xff", br#"{"id":"x"}"#] {
        node.command(bad, 0);
    }
    assert_eq!(node.bad_commands(), 4);
    assert_eq!(next(&mut node, 0).map(|(kind, ..)| kind), None);
}

#[test]
fn ids_and_acks_are_bounded() {
    let mut node = node();
    for n in 0..=RECENT_IDS_MAX {
        node.command(&order(n, "led", Action::On, None), 0);
    }
    // The oldest id has been forgotten, the one after it not.
    node.command(&order(1, "led", Action::Off, None), 0);
    assert!(node.is_on(0));
    node.command(&order(0, "led", Action::Off, None), 0);
    assert!(!node.is_on(0));
    connect(&mut node, 0);
    let mut acks = 0;
    while let Some((kind, ..)) = next(&mut node, 0) {
        assert_eq!(kind, Kind::Ack);
        acks += 1;
    }
    assert_eq!(acks, ACKS_MAX);
}

#[test]
fn an_off_timer_runs_without_a_connection() {
    let mut node = node();
    connect(&mut node, 0);
    node.command(&order(1, "pump", Action::On, Some(5_000)), 1_000);
    let ack = next_ack(&mut node, 3_000);
    assert_eq!(ack.off_in_ms, Some(3_000));
    node.acknowledged(Kind::Ack);
    node.disconnected(3_500);
    node.reading(&[], 5_500);
    assert_eq!(node.next_wake_ms().min(6_000), node.next_wake_ms());
    node.tick(5_999);
    assert!(node.is_on(1));
    node.tick(6_000);
    assert!(!node.is_on(1));
    let status = connect(&mut node, 10_000);
    assert_eq!(status.actuators.0[1].1, ActuatorState::Off);
}

#[test]
fn a_later_command_takes_the_timer_away() {
    let mut node = node();
    node.command(&order(1, "led", Action::On, Some(5_000)), 0);
    node.command(&order(2, "led", Action::On, None), 1_000);
    node.tick(1_000_000);
    assert!(node.is_on(0));
    node.command(&order(3, "led", Action::On, Some(5_000)), 1_000_000);
    node.command(&order(4, "led", Action::Off, None), 1_000_001);
    node.command(&order(5, "led", Action::On, None), 1_000_002);
    node.tick(2_000_000);
    assert!(node.is_on(0));
}

#[test]
fn switching_off_by_itself_is_told() {
    let mut node = node();
    connect(&mut node, 0);
    node.command(&order(1, "led", Action::On, Some(5_000)), 0);
    next_ack(&mut node, 0);
    node.acknowledged(Kind::Ack);
    node.tick(5_000);
    let (kind, _, payload) = next(&mut node, 5_000).unwrap();
    assert_eq!(kind, Kind::Status);
    let status = Status::decode(&payload).unwrap();
    assert_eq!(status.actuators.0[0].1, ActuatorState::Off);
    // A change while a status is under way is told by the next one.
    node.command(&order(2, "led", Action::On, Some(1)), 5_000);
    next_ack(&mut node, 5_000);
    node.acknowledged(Kind::Ack);
    node.tick(5_001);
    assert_eq!(next(&mut node, 5_001), None);
    node.acknowledged(Kind::Status);
    assert_eq!(next(&mut node, 5_001).unwrap().0, Kind::Status);
}

#[test]
fn a_reset_keeps_actuators_and_timers_and_a_power_cut_does_not() {
    let mut before = node();
    before.command(&order(1, "led", Action::On, Some(5_000)), 1_000);
    before.command(&order(2, "pump", Action::On, None), 1_000);
    let saved = before.saved(2_000);
    let mut after: Node<READINGS> = Node::new(options(), 8, Some(&saved), 1, 50_000);
    assert!(after.is_on(0) && after.is_on(1));
    after.tick(53_999);
    assert!(after.is_on(0));
    after.tick(54_000);
    assert!(!after.is_on(0) && after.is_on(1));
    let cut: Node<READINGS> = Node::new(options(), 9, None, 1, 50_000);
    assert!(!cut.is_on(0) && !cut.is_on(1));
}

#[test]
fn pauses_double_are_spread_and_end() {
    let mut node = node();
    let (mut now_ms, mut expected) = (0, PAUSE_MS_MIN);
    for _ in 0..12 {
        node.disconnected(now_ms);
        let mut wait_ms = 0;
        while !node.connect_due(now_ms + wait_ms) {
            wait_ms += 1;
        }
        assert!((expected / 2..=expected).contains(&wait_ms), "{wait_ms}");
        now_ms += wait_ms;
        expected = (expected * 2).min(PAUSE_MS_MAX);
    }
    node.connected();
    assert!(!node.connect_due(now_ms));
    node.disconnected(now_ms);
    assert!(node.connect_due(now_ms + PAUSE_MS_MIN));
    // Two nodes do not come back in the same moment.
    let at = |seed| {
        let mut node: Node<READINGS> = Node::new(options(), 1, None, seed, 0);
        for _ in 0..6 {
            node.disconnected(0);
        }
        (0..).find(|ms| node.connect_due(*ms)).unwrap()
    };
    assert_ne!(at(1), at(2));
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Reading,
    Connect,
    Break,
    /// The broker takes the message; whether its PUBACK comes back.
    Deliver(bool),
    Order {
        actuator: usize,
        action: u8,
        for_ms: Option<u32>,
    },
    /// The station sends the last command again.
    Repeat,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1_u64..3_000).prop_map(Step::Wait),
        4 => Just(Step::Reading),
        2 => Just(Step::Connect),
        1 => Just(Step::Break),
        6 => any::<bool>().prop_map(Step::Deliver),
        2 => (0_usize..2, 0_u8..3, proptest::option::of(1_u32..5_000))
            .prop_map(|(actuator, action, for_ms)| Step::Order { actuator, action, for_ms }),
        1 => Just(Step::Repeat),
    ]
}

/// What the station knows and what must be true of the node.
#[derive(Default)]
struct World {
    now_ms: u64,
    connected: bool,
    taken: Vec<(u64, f64)>,
    stored: BTreeMap<u64, Vec<(u64, f64)>>,
    orders: Vec<Vec<u8>>,
    /// What each actuator must be, and until when.
    expected: [(bool, Option<u64>); 2],
}

impl World {
    fn deliver(&mut self, node: &mut Node<READINGS>, acknowledged: bool) {
        let Some((kind, _, payload)) = next(node, self.now_ms) else {
            return;
        };
        if kind == Kind::Telemetry {
            let (seq, samples) = telemetry(&payload);
            let samples = samples
                .into_iter()
                .map(|(age_ms, value)| (self.now_ms - age_ms, value))
                .collect();
            // The station keeps the first it sees of a number.
            self.stored.entry(seq).or_insert(samples);
        }
        if acknowledged {
            node.acknowledged(kind);
        } else {
            node.disconnected(self.now_ms);
            self.connected = false;
        }
    }

    fn order(&mut self, node: &mut Node<READINGS>, at: usize, action: u8, for_ms: Option<u32>) {
        let (action, for_ms) = match action {
            0 => (Action::On, for_ms),
            1 => (Action::Off, None),
            _ => (Action::Toggle, None),
        };
        let payload = order(self.orders.len(), ["led", "pump"][at], action, for_ms);
        node.command(&payload, self.now_ms);
        self.orders.push(payload);
        let on = match action {
            Action::On => true,
            Action::Off => false,
            Action::Toggle => !self.expected[at].0,
        };
        self.expected[at] = (on, for_ms.map(|ms| self.now_ms + u64::from(ms)));
    }

    fn tick(&mut self, node: &mut Node<READINGS>) {
        node.tick(self.now_ms);
        for (at, expected) in self.expected.iter_mut().enumerate() {
            if expected.1.is_some_and(|off| off <= self.now_ms) {
                *expected = (false, None);
            }
            assert_eq!(node.is_on(at), expected.0);
        }
    }
}

proptest! {
    /// Every reading that did not give way reaches the station, at its time, in order, once; and
    /// an actuator is what the last command made it, until its time.
    #[test]
    fn nothing_is_lost_and_nothing_stays_on(steps in proptest::collection::vec(step(), 1..200)) {
        let (mut node, mut world) = (node(), World::default());
        for step in steps {
            match step {
                Step::Wait(ms) => world.now_ms += ms,
                Step::Reading => {
                    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                    let value = world.taken.len() as f64;
                    world.taken.push((world.now_ms, value));
                    #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
                    node.reading(&[Some(value as f32)], world.now_ms);
                }
                Step::Connect if !world.connected => {
                    world.connected = true;
                    node.connected();
                }
                Step::Break if world.connected => {
                    world.connected = false;
                    node.disconnected(world.now_ms);
                }
                Step::Deliver(acknowledged) if world.connected => {
                    world.deliver(&mut node, acknowledged);
                }
                Step::Order { actuator, action, for_ms } => {
                    world.order(&mut node, actuator, action, for_ms);
                }
                Step::Repeat => if let Some(last) = world.orders.last() {
                    node.command(last, world.now_ms);
                },
                Step::Connect | Step::Break | Step::Deliver(_) => {}
            }
            world.tick(&mut node);
        }
        if !world.connected {
            node.connected();
        }
        while node.publish_ready() {
            world.deliver(&mut node, true);
        }
        prop_assert_eq!(node.waiting(), 0);
        let stored: Vec<_> = world.stored.into_values().flatten().collect();
        let lost = world.taken.len() - stored.len();
        prop_assert!(lost <= node.dropped() as usize, "{} lost, {} gave way", lost, node.dropped());
        // What is there is in order and at its time: a subsequence of what was taken.
        let mut taken = world.taken.iter();
        for one in &stored {
            prop_assert!(taken.any(|taken| taken == one), "{:?} out of order", one);
        }
    }
}
