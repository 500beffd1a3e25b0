//! Status, and when to connect.

use super::*;

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
    let (topic, payload) = crate::offline(&name("kitchen"));
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
fn the_largest_status_fits_the_smallest_buffer() {
    let long = |n: usize| name(std::format!("{n:032}").as_str());
    let options = NodeOptions {
        name: long(0),
        firmware: heapless::String::try_from("f".repeat(32).as_str()).unwrap(),
        actuators: (0..8).map(|at| ActuatorOptions::new(long(at))).collect(),
        metrics: (0..METRICS_MAX)
            .map(|n| MetricOptions::new(long(n), 0.0))
            .collect(),
        ..options()
    };
    let mut node: Node<[u8; 64]> = Node::new(options, [0; _], u32::MAX, None, 1, 0);
    node.set_rssi_dbm(i16::MIN);
    node.reading(&[Some(f32::MIN); METRICS_MAX], 0);
    node.configure(
        br#"{"version":4294967295,"metrics":{"abcdefghijklmnopqrstuvwxyz012345":{}}}"#,
        0,
    );
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
    // To be let in and thrown out at once is no success.
    node.connected();
    assert!(!node.connect_due(now_ms));
    node.disconnected(now_ms);
    assert!(!node.connect_due(now_ms + PAUSE_MS_MAX / 2 - 1));
    connect(&mut node, now_ms + PAUSE_MS_MAX);
    node.disconnected(now_ms);
    assert!(node.connect_due(now_ms + PAUSE_MS_MIN));
    // Two nodes do not come back in the same moment.
    let at = |seed| {
        let mut node: Node<[u8; BYTES]> = Node::new(options(), [0; _], 1, None, seed, 0);
        for _ in 0..6 {
            node.disconnected(0);
        }
        (0..).find(|ms| node.connect_due(*ms)).unwrap()
    };
    assert_ne!(at(1), at(2));
}

#[test]
fn a_status_without_its_pub_ack_is_not_due_for_ever() {
    let mut node = node();
    assert_eq!(node.connect_at_ms(), Some(0));
    node.connected();
    assert_eq!(node.connect_at_ms(), None);
    assert_eq!(next(&mut node, 0).unwrap().0, Kind::Status);
    let late_ms = STATUS_INTERVAL_MS * 3;
    node.reading(&[], late_ms);
    node.tick(late_ms);
    assert!(node.next_wake_ms() > late_ms);
    assert_eq!(next(&mut node, late_ms), None);
    node.acknowledged(Kind::Status);
    node.tick(late_ms);
    assert_eq!(next(&mut node, late_ms).unwrap().0, Kind::Status);
}

#[test]
fn what_a_command_switched_stands_in_the_status_too() {
    let mut node = node();
    connect(&mut node, 0);
    node.command(&order(1, "led", Action::On, None), 0);
    // The answer is what somebody waits for.
    assert_eq!(next(&mut node, 0).unwrap().0, Kind::Ack);
    let (kind, _, payload) = next(&mut node, 0).unwrap();
    assert_eq!(kind, Kind::Status);
    let status = Status::decode(&payload).unwrap();
    assert_eq!(status.actuators.0[0].1, ActuatorState::On);
    // After a break the status comes first: it tells that the node is there.
    node.disconnected(0);
    node.connected();
    assert_eq!(next(&mut node, 0).unwrap().0, Kind::Status);
    assert_eq!(next(&mut node, 0).unwrap().0, Kind::Ack);
}
