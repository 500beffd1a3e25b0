//! What the node measures reaches the station.

use std::time::Duration;

use chrono::Utc;

use super::{TIME_MS, joined, stored};
use crate::helper::Station;

#[test]
fn what_it_measures_is_stored() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    stored(&station, "kitchen", "temperature", 21.5);
    board.tell("dht 23.4 61");
    board.tell("soil 640");
    stored(&station, "kitchen", "temperature", 23.4);
    stored(&station, "kitchen", "humidity", 61.0);
    stored(&station, "kitchen", "soil", 640.0);
    let node = station.get("/api/v1/nodes/kitchen");
    assert!(
        node["firmware"].as_str().unwrap().starts_with("lx106-"),
        "{node:#}"
    );
    // Report by exception: what does not move is not sent again.
    let before = station.values("kitchen").len();
    assert!(board.look(Duration::from_secs(2), "mqtt lost").is_none());
    assert_eq!(station.values("kitchen").len(), before);
}

#[test]
fn what_it_measures_offline_arrives_later_with_its_time() {
    let mut station = Station::start();
    let mut board = joined(&station, "kitchen");
    station.kill();
    board.expect("mqtt lost");
    let mut told = Vec::new();
    for soil in [100, 200, 300] {
        board.tell(&format!("soil {soil}"));
        told.push((f64::from(soil), Utc::now().timestamp_millis()));
        // The node looks twice a second.
        assert!(
            board
                .look(Duration::from_millis(1_100), "mqtt connected")
                .is_none()
        );
    }
    station.restart();
    board.expect("mqtt connected");
    for (soil, told_ms) in told {
        let late_ms = stored(&station, "kitchen", "soil", soil) - told_ms;
        assert!(
            (-200..TIME_MS).contains(&late_ms),
            "{soil}: {late_ms} ms late"
        );
    }
}
