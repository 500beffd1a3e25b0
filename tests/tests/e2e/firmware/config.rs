//! Configuration from the station: holds at once and over resets, or not at all.

use std::time::Duration;

use serde_json::Value;

use super::{joined, online, started_by, stored};
use crate::helper::{Station, eventually};

#[track_caller]
fn stands(station: &Station, state: &str) -> Value {
    eventually("the configuration stands there", || {
        let config = station.get("/api/v1/nodes/kitchen/config");
        (config["state"] == state).then_some(config)
    })
}

#[test]
fn a_configuration_holds_over_resets_and_power_cuts() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    stored(&station, "kitchen", "soil", 512.0);
    let set = station.json(&[
        "node",
        "config",
        "kitchen",
        "interval=1500ms",
        "soil.dead_band=100",
        "temperature.offset=-0.7",
        "moisture.dry=812",
        "moisture.wet=312",
    ]);
    assert_eq!(set["desired"]["version"], 1, "{set:#}");
    board.expect("mqtt configured");
    let config = stands(&station, "applied");
    assert_eq!(
        config["reported"]["settings"],
        config["desired"]["settings"]
    );
    // 812 - 512 of 500 steps; 21.5 - 0.7. The soil has not moved by its dead band.
    stored(&station, "kitchen", "moisture", 60.0);
    stored(&station, "kitchen", "temperature", 20.8);
    board.tell("soil 562");
    stored(&station, "kitchen", "moisture", 50.0);
    assert!(
        !station
            .values("kitchen")
            .contains(&("soil".to_owned(), 562.0))
    );

    // Without the station, so that it has only its own flash.
    board.tell("net off");
    board.expect("mqtt lost");
    board.reset();
    board.cut_power();
    board.tell("dht 30.0 50");
    board.expect("mqtt connected");
    online(&station, "kitchen");
    started_by(&station, "kitchen", "power");
    stored(&station, "kitchen", "temperature", 29.3);
    assert_eq!(stands(&station, "applied")["reported"]["version"], 1);
    // What it has is not written again.
    assert!(
        board
            .look(Duration::from_secs(1), "mqtt configured")
            .is_none()
    );
}

#[test]
fn a_wrong_configuration_is_refused_whole() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    let settings = ["interval=60s", "light.dead_band=1"];
    station.json(&[&["node", "config", "kitchen"], &settings[..]].concat());
    let config = stands(&station, "refused");
    assert_eq!(config["refused"]["reason"], "there is no metric `light`");
    let told = station.verb(&["node", "config", "kitchen"]);
    assert!(
        told.out.contains("refused: there is no metric `light`"),
        "{}",
        told.out
    );
    // It measures as before, not once a minute.
    board.tell("soil 700");
    stored(&station, "kitchen", "soil", 700.0);
    station.json(&["node", "config", "kitchen", "light.dead_band="]);
    board.expect("mqtt configured");
    assert_eq!(stands(&station, "applied")["reported"]["version"], 2);
}
