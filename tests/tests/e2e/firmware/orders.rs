//! Orders reach the pins, and end by themselves.

use std::time::Instant;

use super::{joined, online, reported, started_by};
use crate::helper::Station;

/// How much later than ordered a pin may go off: the node wakes to the millisecond, the emulator
/// shares a loaded machine.
const LATE_MS: u64 = 500;

#[test]
fn an_order_moves_the_pin_and_is_confirmed() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    for (action, state) in [("on", "on"), ("off", "off"), ("toggle", "on")] {
        let done = station.json(&["send", "kitchen", "led", action]);
        assert_eq!(done["state"], "confirmed", "{done:#}");
        board.pin("led", state);
        reported(&station, "kitchen", "led", state);
    }
}

#[test]
fn a_timed_order_ends_by_itself_without_a_network() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    let done = station.json(&["send", "kitchen", "pump", "on", "--for", "3s"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    let on_ms = board.pin("pump", "on");
    board.tell("net off");
    let off_ms = board.pin("pump", "off");
    let lasted_ms = off_ms - on_ms;
    assert!(
        (2_900..=3_000 + LATE_MS).contains(&lasted_ms),
        "{lasted_ms} ms"
    );
    board.tell("net on");
    reported(&station, "kitchen", "pump", "off");
}

/// What a reset may take off a timer: the node must not be late, and does not know how long a reset
/// has lasted.
const EARLY_MS: u128 = 2 * 2_000 + 500;

#[test]
fn a_timed_order_outlives_resets_and_does_not_last_longer() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    let done = station.json(&["send", "kitchen", "pump", "on", "--for", "9s"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("pump", "on");
    let begin = Instant::now();
    for _ in 0..2 {
        board.reset();
        board.pin("pump", "on");
    }
    board.expect("mqtt connected");
    online(&station, "kitchen");
    board.tell("net off");
    board.pin("pump", "off");
    let lasted_ms = begin.elapsed().as_millis();
    let range = 9_000 - EARLY_MS..=9_000 + u128::from(LATE_MS);
    assert!(range.contains(&lasted_ms), "{lasted_ms} ms");
    board.tell("net on");
    reported(&station, "kitchen", "pump", "off");
}

#[test]
fn after_a_power_cut_everything_is_off_and_the_station_knows() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    let done = station.json(&["send", "kitchen", "pump", "on", "--for", "10m"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("pump", "on");
    reported(&station, "kitchen", "pump", "on");
    board.cut_power();
    board.pin("pump", "off");
    board.expect("mqtt connected");
    reported(&station, "kitchen", "pump", "off");
    // The command was confirmed: it is not done again by itself.
    assert_eq!(station.get("/api/v1/nodes/kitchen")["presence"], "online");
    let done = station.json(&["send", "kitchen", "led", "on"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("led", "on");
}

/// Starts that do not last, until the node begins as carefully as it can.
const FAILED_STARTS: usize = 4;

#[test]
fn starts_that_fail_lead_to_safe_mode() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    let done = station.json(&["send", "kitchen", "pump", "on"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("pump", "on");
    for _ in 1..FAILED_STARTS {
        board.reset();
        board.pin("pump", "on");
    }
    board.tell("reset");
    board.expect("start safe mode");
    board.pin("pump", "off");
    board.expect("mqtt connected");
    reported(&station, "kitchen", "pump", "off");
    let node = station.get("/api/v1/nodes/kitchen");
    let firmware = node["firmware"].as_str().expect("a version");
    assert!(firmware.ends_with("-safe"), "{firmware}");
    let done = station.json(&["send", "kitchen", "led", "on"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("led", "on");
}

#[test]
fn a_node_that_hangs_is_reset_by_its_watchdog_and_goes_on() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    let done = station.json(&["send", "kitchen", "pump", "on"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("pump", "on");
    board.tell("hang");
    board.expect("start watchdog");
    board.pin("pump", "on");
    board.expect("mqtt connected");
    online(&station, "kitchen");
    started_by(&station, "kitchen", "watchdog");
    let done = station.json(&["send", "kitchen", "pump", "off"]);
    assert_eq!(done["state"], "confirmed", "{done:#}");
    board.pin("pump", "off");
    reported(&station, "kitchen", "pump", "off");
}
