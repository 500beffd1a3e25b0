//! Many nodes at once, and another broker.

use super::{joined, online, reported, stored};
use crate::helper::{Board, Mosquitto, Setup, Station};

const NODES: usize = 10;

#[test]
fn ten_nodes_at_once() {
    let station = Station::start();
    let names: Vec<String> = (0..NODES).map(|n| format!("node{n}")).collect();
    let mut boards: Vec<_> = names.iter().map(|name| joined(&station, name)).collect();
    for (n, board) in boards.iter_mut().enumerate() {
        board.tell(&format!("soil {}", 100 + n * 10));
    }
    for (n, name) in (0_u32..).zip(&names) {
        stored(&station, name, "soil", f64::from(100 + n * 10));
    }
    for (board, name) in boards.iter_mut().zip(&names) {
        let done = station.json(&["send", name, "led", "on"]);
        assert_eq!(done["state"], "confirmed", "{done:#}");
        board.pin("led", "on");
        reported(&station, name, "led", "on");
    }
}

/// Name and password at Mosquitto.
const STATION: (&str, &str) = ("station", "the-stations-secret");
const KITCHEN: (&str, &str) = ("kitchen", "the-kitchens-secret");

#[test]
fn through_mosquitto_with_the_settings_that_we_ship() {
    let mut broker = Mosquitto::guarded(&[STATION, KITCHEN]);
    let port = broker.port().to_string();
    let station = Station::with(Setup {
        broker: Some(format!("mqtt://{}@127.0.0.1:{port}", STATION.0)),
        environment: vec![(
            "SIGNALBOX_MQTT__BROKER_PASSWORD".to_owned(),
            STATION.1.to_owned(),
        )],
        ..Setup::default()
    });
    let mut board = Board::start(station.home(), KITCHEN.0, KITCHEN.1, &port);
    board.expect("mqtt connected");
    online(&station, "kitchen");
    stored(&station, "kitchen", "temperature", 21.5);
    let done = station.json(&["send", "kitchen", "pump", "on", "--for", "8s"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("pump", "on");
    board.reset();
    board.pin("pump", "on");
    board.expect("mqtt connected");
    // What happens while the broker is away is told when it is back.
    // Ended in order: what a crash of the broker loses is the other tests' matter.
    broker.stop();
    board.expect("mqtt lost");
    board.pin("pump", "off");
    board.tell("soil 700");
    broker.start_again();
    board.expect("mqtt connected");
    stored(&station, "kitchen", "soil", 700.0);
    reported(&station, "kitchen", "pump", "off");
}
