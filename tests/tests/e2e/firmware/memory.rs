//! What the node takes of the chip's data RAM; the linker script counts the rest.

use super::{joined, started_by, stored};
use crate::helper::{Board, Station, eventually};

/// Of the stack, what must never have been used.
const RESERVE_BYTES: usize = 1_024;

#[test]
fn the_stack_keeps_a_reserve() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    stored(&station, "kitchen", "temperature", 21.5);
    for action in ["on", "off", "toggle"] {
        let done = station.json(&["send", "kitchen", "led", action]);
        assert_eq!(done["state"], "confirmed", "{done:#}");
    }
    configured(&station, &mut board);
    board.tell("net off");
    board.expect("mqtt lost");
    board.tell("net on");
    board.expect("mqtt connected");
    board.tell("soil 300");
    // Less the offset of its configuration.
    stored(&station, "kitchen", "soil", 299.0);
    for _ in 0..2 {
        board.tell("memory");
        let line = board.expect("stack ");
        eprintln!("{line}");
        let mut numbers = line
            .split(' ')
            .filter_map(|word| word.parse::<usize>().ok());
        let used = numbers.next().expect("how much was used");
        let most = numbers.next().expect("how much there is");
        assert!(used + RESERVE_BYTES <= most, "{line}");
        // The same after a start with what was kept.
        board.reset();
        board.expect("mqtt connected");
        started_by(&station, "kitchen", "button");
    }
}

/// One that fills the node's memory for it, and one that is refused.
fn configured(station: &Station, board: &mut Board) {
    let settings = [
        "interval=2s",
        "log=info",
        "temperature.dead_band=0.2",
        "temperature.heartbeat=10m",
        "temperature.offset=-0.7",
        "humidity.dead_band=2",
        "humidity.heartbeat=10m",
        "humidity.offset=1.5",
        "soil.dead_band=100",
        "soil.heartbeat=10m",
        "soil.offset=-1",
        "moisture.dead_band=0.5",
        "moisture.heartbeat=10m",
        "moisture.dry=812",
        "moisture.wet=312",
    ];
    station.json(&[&["node", "config", "kitchen"], &settings[..]].concat());
    board.expect("mqtt configured");
    stored(station, "kitchen", "moisture", 60.0);
    station.json(&[
        "node",
        "config",
        "kitchen",
        "temperature.dry=812",
        "temperature.wet=312",
    ]);
    eventually("it is refused", || {
        let config = station.get("/api/v1/nodes/kitchen/config");
        (config["state"] == "refused").then_some(())
    });
    station.json(&[
        "node",
        "config",
        "kitchen",
        "temperature.dry=",
        "temperature.wet=",
    ]);
    board.expect("mqtt configured");
}
