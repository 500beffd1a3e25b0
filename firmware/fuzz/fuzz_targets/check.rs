//! What holds for any bytes that come as a command or as a configuration: they are read or refused,
//! what is read can be written and read again, nothing is executed twice, and a configuration that
//! holds is one that can be read. Run by the fuzzer, and over its corpus by the tests of
//! `signalbox-node`.

use signalbox_node::{ActuatorOptions, Node, NodeOptions, READING_BYTES_MAX};
use signalbox_protocol::payload::{Encoding, Name, command::Command, config::Config};

/// Panics where it does not hold.
pub(crate) fn check(payload: &[u8]) {
    if let Ok(command) = Command::decode(payload) {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let mut buffer = [0; 512];
            let len = command.encode(encoding, &mut buffer).expect("it fits");
            assert_eq!(Command::decode(&buffer[..len]), Ok(command.clone()));
        }
    }
    let led = Name::try_from("led").expect("short");
    let options = NodeOptions {
        name: led.clone(),
        safe_mode: false,
        firmware: Default::default(),
        metrics: Default::default(),
        actuators: [ActuatorOptions::new(led)].into_iter().collect(),
        interval_ms: 1_000,
        heartbeat_ms: 1_000,
        encoding: Encoding::Json,
    };
    let mut node = Node::new(options, [0; READING_BYTES_MAX], 1, None, 1, 0);
    node.connected();
    let first = node.command(payload, 0);
    // An id that was executed is not executed again.
    assert!(first.is_none() || node.command(payload, 1).is_none());
    if node.configure(payload, 1) {
        assert!(Config::decode(payload).is_ok() && !node.configure(payload, 2));
    }
    let mut buffer = [0; 1_024];
    while let Some(message) = node.next_publish(&mut buffer, 2) {
        let kind = message.kind;
        node.acknowledged(kind);
    }
}
