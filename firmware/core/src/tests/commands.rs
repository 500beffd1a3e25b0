//! Commands, their answers, off-timers.

use proptest::prelude::*;

use super::*;

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
    node.retained_command();
    assert_eq!(node.bad_commands(), 5);
    node.acknowledged(Kind::Ack);
    assert_eq!(next(&mut node, 0), None);
}

#[test]
fn what_has_an_id_is_refused_with_a_reason() {
    let mut node = node();
    connect(&mut node, 0);
    let id = id(1);
    let rest = |rest: &str| std::format!(r#"{{"id":"{id}",{rest}}}"#).into_bytes();
    // Protocol Buffers: action 9, which this version does not know.
    let later = [&[0x08, 9, 0x12, 26], id.as_bytes(), b"\x1a\x03led"].concat();
    for (payload, reason) in [
        (
            rest(r#""actuator":"led","action":"on","for_ms":604800001"#),
            "field `for_ms` is not between 1 ms and 7 days",
        ),
        (
            rest(r#""actuator":"led","action":"off","for_ms":1"#),
            "field `for_ms` goes only with action on",
        ),
        (
            rest(r#""actuator":"led","action":"blink","times":[1,{"a":2}]"#),
            "the command is not understood",
        ),
        (rest(r#""actuator":7"#), "the command is not understood"),
        (
            rest(r#""actuator":"l/d","action":"on""#),
            "field `actuator` is not a valid name",
        ),
        (later, "field `action` is missing or unknown"),
    ] {
        node.command(&payload, 0);
        let ack = next_ack(&mut node, 0);
        node.acknowledged(Kind::Ack);
        assert_eq!((&ack.id, ack.result), (&id, AckResult::Refused));
        assert_eq!(ack.reason.unwrap(), reason);
    }
    assert!(!node.is_on(0));
    // It was not executed, so the same id may still come as it should be.
    node.command(&order(1, "led", Action::On, None), 0);
    assert!(node.is_on(0));
}

#[test]
fn a_pub_ack_of_an_answer_that_gave_way_counts_for_no_other() {
    let mut node = node();
    connect(&mut node, 0);
    let more = 3;
    for n in 0..ACKS_MAX {
        node.command(&order(n, "led", Action::On, None), 0);
        next_ack(&mut node, 0);
    }
    for n in 0..more {
        node.command(&order(ACKS_MAX + n, "led", Action::On, None), 0);
    }
    for _ in 0..=more {
        node.acknowledged(Kind::Ack);
    }
    // One of those that are left has arrived.
    node.disconnected(0);
    connect(&mut node, 10_000);
    let mut again = Vec::new();
    while node.publish_ready() {
        let (kind, _, payload) = next(&mut node, 10_000).unwrap();
        if kind == Kind::Ack {
            again.push(Ack::decode(&payload).unwrap().id);
        }
    }
    let expected: Vec<Id> = (more + 1..ACKS_MAX + more).map(id).collect();
    assert_eq!(again, expected);
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
fn a_reset_keeps_actuators_and_timers_and_a_power_cut_does_not() {
    let mut before = node();
    before.command(&order(1, "led", Action::On, Some(5_000)), 1_000);
    before.command(&order(2, "pump", Action::On, None), 1_000);
    let saved = before.saved(2_000);
    let mut after: Node<[u8; BYTES]> = Node::new(options(), [0; _], 8, Some(&saved), 1, 50_000);
    assert!(after.is_on(0) && after.is_on(1));
    after.tick(53_999);
    assert!(after.is_on(0));
    after.tick(54_000);
    assert!(!after.is_on(0) && after.is_on(1));
    let cut: Node<[u8; BYTES]> = Node::new(options(), [0; _], 9, None, 1, 50_000);
    assert!(!cut.is_on(0) && !cut.is_on(1));
    // What was executed before the reset is not executed again.
    after.command(&order(1, "led", Action::On, None), 60_000);
    assert!(!after.is_on(0));
}

proptest! {
    #[test]
    fn any_bytes_for_a_command_are_survived(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut node = node();
        connect(&mut node, 0);
        node.command(&payload, 0);
        prop_assert_eq!(node.bad_commands(), 1);
        prop_assert!(!node.is_on(0) && !node.is_on(1));
    }

    /// Whatever is damaged on the way, what is not executed switches nothing, and an answer is
    /// one to be read.
    #[test]
    fn a_damaged_command_is_survived(at in 0_usize..100, byte: u8, protobuf: bool) {
        let command = Command {
            id: id(1), actuator: name("led"), action: Action::On, for_ms: Some(5_000),
        };
        let encoding = if protobuf { Encoding::Protobuf } else { Encoding::Json };
        let mut buffer = [0; 128];
        let len = command.encode(encoding, &mut buffer).unwrap();
        buffer[at % len] = byte;
        let mut node = node();
        connect(&mut node, 0);
        node.command(&buffer[..len], 0);
        if node.publish_ready() {
            let ack = next_ack(&mut node, 0);
            prop_assert!(!node.is_on(0) || ack.result == AckResult::Applied);
            prop_assert!(!node.is_on(0) || ack.result == AckResult::Applied);
            prop_assert_eq!(ack.reason.is_some(), ack.result == AckResult::Refused);
        } else {
            prop_assert!(!node.is_on(0) && node.bad_commands() == 1);
        }
    }
}
